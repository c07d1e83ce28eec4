//! The work that takes a mapping from one state to the next.

use millstream_control::{ActivateMapping, Mapping, RemoveMapping, SettleMapping, StartingPosition, Stream};
use millstream_control_node::SubmitError;
use millstream_engine::{Engine, EngineError, Start};
use std::sync::Arc;

#[derive(Clone, Debug)]
pub(crate) enum Job {
    /// Find out where each shard's reader starts, and keep it. Without a stream there is nothing to find.
    Activate(Option<Arc<Stream>>),
    /// Readers are as the settings say.
    Settle,
    /// Readers have stopped: forget the mapping.
    Remove,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum JobError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Control(#[from] SubmitError),
}

impl Job {
    pub(crate) async fn run(&self, engine: &Engine, mapping: &Mapping) -> Result<(), JobError> {
        let uuid = mapping.uuid.clone();
        let control = engine.control();
        match self {
            Self::Settle => control.submit(SettleMapping { uuid }).await?,
            Self::Remove => control.submit(RemoveMapping { uuid }).await?,
            Self::Activate(stream) => {
                let start = match mapping.starting {
                    StartingPosition::TrimHorizon => Start::TrimHorizon,
                    StartingPosition::Latest => Start::Latest,
                    StartingPosition::AtTimestamp(at) => Start::AtTimestamp(at),
                };
                let mut positions = Vec::new();
                if let Some(stream) = stream {
                    for shard in &stream.shards {
                        positions.push((shard.log, engine.position(stream, shard, start).await?));
                    }
                }
                control.submit(ActivateMapping { uuid, positions }).await?;
            }
        }
        Ok(())
    }
}
