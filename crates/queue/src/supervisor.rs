//! Does the work that the control state asks for: journals of new and deleted queues, and an actor for each that is active.
//! Level-triggered, so a crash in between leaves nothing to be remembered.

use crate::actor::Actor;
use crate::caps;
use crate::journal::Journal;
use crate::service::Open;
use millstream_control::{
    ActivateQueue, Queue, QueueBegin, QueueStatus, RemoveQueue, StartingPosition, State,
};
use millstream_control_node::SubmitError;
use millstream_engine::{Engine, EngineError, Start};
use millstream_log::{AppendError, RetentionClass};
use std::sync::{Arc, Weak};

#[derive(Debug, thiserror::Error)]
enum WorkError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Append(#[from] AppendError),
    #[error(transparent)]
    Submit(#[from] SubmitError),
    #[error(transparent)]
    Journal(#[from] crate::journal::JournalError),
}

/// Until nobody holds the queues any more, or the control node is gone.
pub(crate) async fn run(engine: Engine, open: Weak<Open>) {
    let mut watch = engine.control().watch();
    loop {
        let state = watch.borrow_and_update().clone();
        let mut failed = false;
        {
            let Some(open) = open.upgrade() else { return };
            open.retain(|id| state.queues.get(id).is_some_and(|queue| queue.status == QueueStatus::Active));
            for queue in state.queues.values() {
                if let Err(error) = settle(&engine, &open, &state, queue).await {
                    tracing::warn!(%error, queue = queue.name, "a queue's work could not be done; trying again");
                    failed = true;
                }
            }
        }
        let again = async {
            if failed {
                tokio::time::sleep(caps::RETRY).await;
            } else {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            changed = watch.changed() => {
                if changed.is_err() {
                    return;
                }
            }
            () = again => {}
        }
    }
}

async fn settle(engine: &Engine, open: &Open, state: &State, queue: &Arc<Queue>) -> Result<(), WorkError> {
    match queue.status {
        QueueStatus::Creating => {
            engine.log().create(queue.log, RetentionClass::Forever).await?;
            let begin = begin(engine, state, queue).await?;
            submit(engine, ActivateQueue { id: queue.id.clone(), begin }).await?;
            tracing::info!(queue = queue.name, id = queue.id, stream = queue.stream, "queue is active");
        }
        QueueStatus::Active if !open.has(&queue.id) => {
            let (journal, state) = Journal::open(engine.log().clone(), queue.log).await?;
            let (id, engine) = (queue.id.clone(), engine.clone());
            open.insert(&queue.id, move |jobs| Actor::new(id, engine, journal, state, jobs));
        }
        QueueStatus::Active => {}
        QueueStatus::Deleting => {
            engine.log().drop_shard(queue.log).await?;
            submit(engine, RemoveQueue { id: queue.id.clone() }).await?;
            tracing::info!(queue = queue.name, id = queue.id, "queue is deleted");
        }
    }
    Ok(())
}

/// A refusal says that somebody changed the queue meanwhile; the next round looks at it anew.
async fn submit(
    engine: &Engine,
    command: impl millstream_control::ControlCommand<Outcome = ()>,
) -> Result<(), SubmitError> {
    match engine.control().submit(command).await {
        Err(SubmitError::Refused(_)) => Ok(()),
        other => other,
    }
}

/// Where a queue begins in each shard that there is.
async fn begin(engine: &Engine, state: &State, queue: &Queue) -> Result<QueueBegin, WorkError> {
    let stream = state.streams.get(&queue.stream).ok_or_else(|| EngineError::Gone(queue.stream.clone()))?;
    let (start, at) = match queue.starting {
        StartingPosition::TrimHorizon => (Start::TrimHorizon, engine.oldest_kept(stream)),
        StartingPosition::Latest => (Start::Latest, engine.now()),
        StartingPosition::AtTimestamp(at) => (Start::AtTimestamp(at), at.max(engine.oldest_kept(stream))),
    };
    let mut positions = std::collections::BTreeMap::new();
    for shard in &stream.shards {
        positions.insert(shard.id, engine.position(stream, shard, start).await?);
    }
    Ok(QueueBegin { at: at.max(stream.created), positions })
}
