//! The work of a reshard. Level-triggered, as all of the lifecycle: whatever was done before a crash is seen in the state or
//! done again. [`crate::reroute`] says why nothing is lost meanwhile.

use crate::Engine;
use crate::lifecycle::{LifecycleError, ignore_refusal, make_shards};
use millstream_control::{CloseShards, FinishReshard, Reshard, Stream};
use millstream_control_node::SubmitError;
use millstream_log::ReadError;
use millstream_types::Position;
use std::time::Duration;

/// Take a stream that is being resharded to its end. `delay` goes by before any shard is closed.
pub(crate) async fn settle(engine: &Engine, stream: &Stream, delay: Duration) -> Result<(), LifecycleError> {
    let Some(reshard) = &stream.reshard else { return Ok(()) };
    let name = &stream.name;
    if !reshard.is_closing() {
        make_shards(engine, stream, &reshard.shards).await?;
        tokio::time::sleep(delay).await;
        let durable = durable(engine, stream, reshard)?;
        let close = CloseShards { stream: name.clone(), durable };
        match engine.control.submit(close).await {
            // Deleted meanwhile: the next round looks at it anew.
            Err(SubmitError::Refused(_)) => return Ok(()),
            closing => closing?,
        }
    }
    // Appends to the parents wait from here on, so go on at once. This may only be looked at now: the appends that did
    // not see that their shard is closing are durable.
    let ends = durable(engine, stream, reshard)?;
    ignore_refusal(engine.control.submit(FinishReshard { stream: name.clone(), ends }).await)?;
    tracing::info!(
        stream = name,
        closed = reshard.parents.len(),
        made = reshard.shards.len(),
        "stream is resharded"
    );
    Ok(())
}

/// Where each of the parents' durable tails is.
fn durable(engine: &Engine, stream: &Stream, reshard: &Reshard) -> Result<Vec<Position>, ReadError> {
    let parents = reshard.parents.iter().filter_map(|parent| stream.shard(*parent));
    parents.map(|shard| Ok(engine.log.tail(shard.log)?.current())).collect()
}
