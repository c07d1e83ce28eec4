use crate::{ControlCommand, Distribution, Refusal, Shard, State, Stream, StreamMode, StreamStatus, caps};
use millstream_types::{HashRange, ShardId, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A new stream, `Creating` until its log shards are there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateStream {
    pub name: String,
    pub arn: String,
    pub shards: u32,
    pub mode: StreamMode,
    pub max_record_kib: u32,
    pub tags: BTreeMap<String, String>,
}

impl ControlCommand for CreateStream {
    type Outcome = ();

    fn apply(&self, state: &mut State, at: Timestamp) -> Result<(), Refusal> {
        if state.streams.contains_key(&self.name) {
            return Err(Refusal::StreamExists(self.name.clone()));
        }
        if state.streams.len() >= caps::STREAMS {
            return Err(Refusal::Limit { what: "streams", limit: caps::STREAMS });
        }
        let (asked, existing) = (u64::from(self.shards), state.shard_count());
        if existing + asked > caps::SHARDS {
            return Err(Refusal::ShardLimit { asked, existing, limit: caps::SHARDS });
        }
        let shards = HashRange::tile(self.shards)
            .into_iter()
            .zip(0..)
            .map(|(range, number)| Shard {
                id: ShardId(number),
                log: state.next_log_shard(),
                range,
                parent: None,
                adjacent_parent: None,
                closed_at: None,
                opened: None,
                closed: None,
            })
            .collect();
        let stream = Stream {
            name: self.name.clone(),
            arn: self.arn.clone(),
            created: at,
            status: StreamStatus::Creating,
            mode: self.mode,
            retention_hours: 24,
            max_record_kib: self.max_record_kib,
            shards,
            consumers: BTreeMap::new(),
            tags: self.tags.clone(),
            kept_from: Timestamp::ZERO,
            reshard: None,
            distribution: Distribution::default(),
            monitoring: BTreeSet::new(),
            warm_mibps: None,
            count_updates: Vec::new(),
            policy: None,
            encryption: None,
            data_keys: Vec::new(),
            encryption_change: None,
        };
        state.streams.insert(self.name.clone(), Arc::new(stream));
        Ok(())
    }
}
