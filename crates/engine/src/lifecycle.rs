//! Keeps the log in step with the control state. Level-triggered: what is `Creating` is created, whoever asked and
//! however often the server was restarted meanwhile.

use crate::{Engine, caps, reshard};
use futures_util::future::join_all;
use millstream_control::{
    ActivateConsumer, ActivateStream, ConsumerStatus, FinishEncryptionChange, RemoveConsumer, RemoveStream,
    Shard, State, Stream, StreamStatus,
};
use millstream_control_node::SubmitError;
use millstream_log::{AppendError, ReadError, RetentionClass};
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
pub(crate) enum LifecycleError {
    #[error(transparent)]
    Log(#[from] AppendError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Control(#[from] SubmitError),
}

async fn settle(engine: &Engine, state: &State, delay: Duration) -> Result<(), LifecycleError> {
    for stream in state.streams.values() {
        settle_stream(engine, stream, delay).await?;
        if stream.status.is_serving() {
            settle_consumers(engine, stream, delay).await?;
        }
    }
    Ok(())
}

async fn settle_stream(engine: &Engine, stream: &Arc<Stream>, delay: Duration) -> Result<(), LifecycleError> {
    match stream.status {
        StreamStatus::Active => {}
        StreamStatus::Updating if stream.encryption_change.is_some() => {
            tokio::time::sleep(delay).await;
            let finish = FinishEncryptionChange { stream: stream.name.clone() };
            ignore_refusal(engine.control.submit(finish).await)?;
            tracing::info!(stream = stream.name, "the encryption of the stream is changed");
        }
        StreamStatus::Updating => reshard::settle(engine, stream, delay).await?,
        StreamStatus::Creating => {
            make_shards(engine, stream, &stream.shards).await?;
            tokio::time::sleep(delay).await;
            ignore_refusal(engine.control.submit(ActivateStream { name: stream.name.clone() }).await)?;
            tracing::info!(stream = stream.name, shards = stream.shards.len(), "stream is active");
        }
        StreamStatus::Deleting => {
            drop_shards(engine, &stream.shards).await?;
            if let Some(reshard) = &stream.reshard {
                drop_shards(engine, &reshard.shards).await?;
            }
            tokio::time::sleep(delay).await;
            ignore_refusal(engine.control.submit(RemoveStream { name: stream.name.clone() }).await)?;
            tracing::info!(stream = stream.name, "stream is deleted");
        }
    }
    Ok(())
}

/// Make log shards; those that exist are left as they are.
pub(crate) async fn make_shards(
    engine: &Engine,
    stream: &Stream,
    shards: &[Shard],
) -> Result<(), AppendError> {
    let class = RetentionClass::Hours(stream.retention_hours);
    for some in shards.chunks(caps::SHARDS_AT_ONCE) {
        let made = join_all(some.iter().map(|shard| engine.log.create(shard.log, class))).await;
        made.into_iter().collect::<Result<(), _>>()?;
    }
    Ok(())
}

/// Drop log shards; one that does not exist is no error.
pub(crate) async fn drop_shards(engine: &Engine, shards: &[Shard]) -> Result<(), AppendError> {
    for some in shards.chunks(caps::SHARDS_AT_ONCE) {
        let gone = join_all(some.iter().map(|shard| engine.log.drop_shard(shard.log))).await;
        gone.into_iter().collect::<Result<(), _>>()?;
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
                // One that is registered anew within the second has the same ARN, and no part in them.
                engine.subscriptions.end_consumer(&consumer.arn);
                ignore_refusal(engine.control.submit(RemoveConsumer { stream: of, consumer: name }).await)?;
            }
        }
    }
    Ok(())
}

/// A refusal says that somebody changed the thing meanwhile; the next round looks at it anew.
pub(crate) fn ignore_refusal(result: Result<(), SubmitError>) -> Result<(), SubmitError> {
    match result {
        Err(SubmitError::Refused(refusal)) => {
            tracing::debug!(%refusal, "overtaken by another change");
            Ok(())
        }
        other => other,
    }
}
