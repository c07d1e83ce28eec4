//! Keeps the log in step with the control state. Level-triggered: what is `Creating` is created, whoever asked and
//! however often the server was restarted meanwhile.

use crate::{Engine, caps};
use futures_util::future::join_all;
use millstream_control::{
    ActivateConsumer, ActivateStream, ConsumerStatus, RemoveConsumer, RemoveStream, State, Stream,
    StreamStatus,
};
use millstream_control_node::SubmitError;
use millstream_log::{AppendError, RetentionClass};
use std::sync::Arc;
use std::time::Duration;

/// How long to wait after work that failed before it is tried again.
const RETRY: Duration = Duration::from_secs(1);

pub(crate) async fn run(engine: Engine, delay: Duration) {
    let mut watch = engine.control.watch();
    loop {
        let state = watch.borrow_and_update().clone();
        match settle(&engine, &state, delay).await {
            Ok(()) => {
                let streams_changed = |now: &Arc<State>| !now.streams.ptr_eq(&state.streams);
                if watch.wait_for(streams_changed).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                tracing::warn!(%error, "a stream or consumer could not be made or removed; trying again");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum LifecycleError {
    #[error(transparent)]
    Log(#[from] AppendError),
    #[error(transparent)]
    Control(#[from] SubmitError),
}

async fn settle(engine: &Engine, state: &State, delay: Duration) -> Result<(), LifecycleError> {
    for stream in state.streams.values() {
        settle_stream(engine, stream, delay).await?;
        if stream.status == StreamStatus::Active {
            settle_consumers(engine, stream, delay).await?;
        }
    }
    Ok(())
}

async fn settle_stream(engine: &Engine, stream: &Arc<Stream>, delay: Duration) -> Result<(), LifecycleError> {
    match stream.status {
        StreamStatus::Active => {}
        StreamStatus::Creating => {
            let class = RetentionClass::Hours(stream.retention_hours);
            for shards in stream.shards.chunks(caps::SHARDS_AT_ONCE) {
                for made in join_all(shards.iter().map(|shard| engine.log.create(shard.log, class))).await {
                    made?;
                }
            }
            tokio::time::sleep(delay).await;
            ignore_refusal(engine.control.submit(ActivateStream { name: stream.name.clone() }).await)?;
            tracing::info!(stream = stream.name, shards = stream.shards.len(), "stream is active");
        }
        StreamStatus::Deleting => {
            for shards in stream.shards.chunks(caps::SHARDS_AT_ONCE) {
                for gone in join_all(shards.iter().map(|shard| engine.log.drop_shard(shard.log))).await {
                    gone?;
                }
            }
            tokio::time::sleep(delay).await;
            ignore_refusal(engine.control.submit(RemoveStream { name: stream.name.clone() }).await)?;
            tracing::info!(stream = stream.name, "stream is deleted");
        }
    }
    Ok(())
}

async fn settle_consumers(engine: &Engine, stream: &Stream, delay: Duration) -> Result<(), LifecycleError> {
    for consumer in stream.consumers.values() {
        let (of, name) = (stream.name.clone(), consumer.name.clone());
        match consumer.status {
            ConsumerStatus::Active => {}
            ConsumerStatus::Creating => {
                tokio::time::sleep(delay).await;
                ignore_refusal(engine.control.submit(ActivateConsumer { stream: of, consumer: name }).await)?;
            }
            ConsumerStatus::Deleting => {
                tokio::time::sleep(delay).await;
                ignore_refusal(engine.control.submit(RemoveConsumer { stream: of, consumer: name }).await)?;
            }
        }
    }
    Ok(())
}

/// A refusal says that somebody changed the thing meanwhile; the next round looks at it anew.
fn ignore_refusal(result: Result<(), SubmitError>) -> Result<(), SubmitError> {
    match result {
        Err(SubmitError::Refused(refusal)) => {
            tracing::debug!(%refusal, "overtaken by another change");
            Ok(())
        }
        other => other,
    }
}
