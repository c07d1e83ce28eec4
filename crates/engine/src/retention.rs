//! Lets go of records that their stream no longer keeps. Readers pass over them anyway; this gives their memory back.

use crate::{Engine, EngineError, caps};
use millstream_control::StreamStatus;
use millstream_types::{LogShard, Position};
use std::collections::HashMap;

/// How far each log shard has been trimmed, so that nothing is written where nothing has expired.
pub(crate) type Trimmed = HashMap<LogShard, Position>;

pub(crate) async fn run(engine: Engine) {
    let mut trimmed = Trimmed::new();
    loop {
        tokio::time::sleep(caps::RETENTION_SWEEP).await;
        if let Err(error) = engine.trim_expired(&mut trimmed).await {
            tracing::warn!(%error, "expired records could not be trimmed; trying again later");
        }
    }
}

impl Engine {
    /// Trim every shard to its stream's retention. Returns how many shards moved.
    pub(crate) async fn trim_expired(&self, trimmed: &mut Trimmed) -> Result<usize, EngineError> {
        let state = self.control.state();
        let mut moved = 0;
        let mut seen = Trimmed::new();
        for stream in state.streams.values().filter(|stream| stream.status == StreamStatus::Active) {
            for shard in &stream.shards {
                let before = trimmed.get(&shard.log).copied().unwrap_or_default();
                let horizon = match self.trim_horizon(stream, shard).await {
                    Ok(horizon) => horizon,
                    // Deleted since the state was read.
                    Err(EngineError::Gone(_)) => continue,
                    Err(error) => return Err(error),
                };
                if horizon > before {
                    self.log.trim(shard.log, horizon).await.map_err(EngineError::Append)?;
                    moved += 1;
                }
                seen.insert(shard.log, horizon.max(before));
            }
        }
        *trimmed = seen;
        Ok(moved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NewRecord;
    use bytes::Bytes;
    use millstream_control::{CreateStream, StreamMode};
    use millstream_host::clock::ManualClock;
    use millstream_log::{Log, MemoryLog, ReadError, ReadLimit};
    use millstream_types::Timestamp;
    use std::collections::BTreeMap;
    use std::sync::Arc;
    use std::time::Duration;

    #[tokio::test]
    async fn what_has_expired_goes_and_nothing_else() {
        let clock = ManualClock::at(Timestamp::from_millis(1_700_000_000_000));
        let log: Arc<dyn Log> = Arc::new(MemoryLog::new());
        let control = millstream_control_node::open(log.clone(), clock.clone()).await.unwrap();
        let engine = Engine::new(log.clone(), control, clock.clone());
        tokio::spawn(engine.clone().run_lifecycle(Duration::ZERO));
        let create = CreateStream {
            name: "s".into(),
            arn: "arn".into(),
            shards: 1,
            mode: StreamMode::Provisioned,
            max_record_kib: 1_024,
            tags: BTreeMap::new(),
        };
        engine.control().submit(create).await.unwrap();
        let mut watch = engine.control().watch();
        let active =
            |state: &Arc<millstream_control::State>| state.streams["s"].status == StreamStatus::Active;
        let stream = watch.wait_for(active).await.unwrap().streams["s"].clone();
        let record = NewRecord { partition_key: "k".into(), explicit_hash_key: None, data: Bytes::new() };
        engine.append(&stream, std::slice::from_ref(&record)).await.unwrap();
        clock.advance_millis(23 * 3_600_000);
        engine.append(&stream, &[record]).await.unwrap();

        let mut trimmed = Trimmed::new();
        assert_eq!(engine.trim_expired(&mut trimmed).await.unwrap(), 0);
        clock.advance_millis(2 * 3_600_000);
        assert_eq!(engine.trim_expired(&mut trimmed).await.unwrap(), 1);
        assert_eq!(engine.trim_expired(&mut trimmed).await.unwrap(), 0, "nothing new has expired");
        let limit = ReadLimit { records: 9, bytes: 999 };
        let shard = stream.shards[0].log;
        let old = log.read(shard, Position(0), limit).await;
        assert_eq!(old.unwrap_err(), ReadError::Trimmed { earliest: Position(1) });
        assert_eq!(log.read(shard, Position(1), limit).await.unwrap().batches.len(), 1);
    }
}
