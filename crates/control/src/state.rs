use crate::{
    Account, Commitment, Consumer, Function, Layer, LayerVersion, Mapping, OnDemandRefusal, Queue, Refusal,
    Reshard, Stream, StreamStatus, caps,
};
use imbl::OrdMap;
use millstream_types::{LogShard, Position, Timestamp};
use std::sync::Arc;

/// All that exists. Cloning is cheap: the maps share what did not change. What its members are made of is written down in
/// snapshots (`docs/formats/control.md`): a member added to one of them needs a default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    pub streams: OrdMap<String, Arc<Stream>>,
    pub functions: OrdMap<String, Arc<Function>>,
    pub layers: OrdMap<String, Arc<Layer>>,
    pub mappings: OrdMap<String, Arc<Mapping>>,
    /// By the end of their ARN.
    pub queues: OrdMap<String, Arc<Queue>>,
    /// Per mapping and log shard: the position to go on from.
    pub checkpoints: OrdMap<String, OrdMap<LogShard, Position>>,
    /// By what stands before the names of their resources: see `Home::key_prefix`.
    pub accounts: OrdMap<String, Arc<Account>>,
    /// Where the events of asynchronous invocations are kept, from the first of them on.
    pub event_journal: Option<LogShard>,
    /// The last number given to a log shard. 0 is the control plane's own.
    pub(crate) last_log_shard: u64,
}

impl State {
    pub fn stream(&self, name: &str) -> Result<&Arc<Stream>, Refusal> {
        self.streams.get(name).ok_or_else(|| Refusal::NoSuchStream(name.to_owned()))
    }

    pub fn function(&self, name: &str) -> Result<&Arc<Function>, Refusal> {
        self.functions.get(name).ok_or_else(|| Refusal::NoSuchFunction(name.to_owned()))
    }

    pub fn mapping(&self, uuid: &str) -> Result<&Arc<Mapping>, Refusal> {
        self.mappings.get(uuid).ok_or_else(|| Refusal::NoSuchMapping(uuid.to_owned()))
    }

    pub fn queue(&self, id: &str) -> Result<&Arc<Queue>, Refusal> {
        self.queues.get(id).ok_or_else(|| Refusal::NoSuchQueue(id.to_owned()))
    }

    /// The queues on a stream.
    pub fn queues_of(&self, stream: &str) -> impl Iterator<Item = &Arc<Queue>> {
        self.queues.values().filter(move |queue| queue.stream == stream)
    }

    pub fn layer_version(&self, layer: &str, version: u64) -> Option<&Arc<LayerVersion>> {
        self.layers.get(layer)?.versions.get(&version)
    }

    pub fn consumer(&self, stream: &str, consumer: &str) -> Result<&Consumer, Refusal> {
        self.stream(stream)?.consumers.get(consumer).ok_or_else(|| Refusal::NoSuchConsumer {
            stream: stream.to_owned(),
            consumer: consumer.to_owned(),
        })
    }

    pub fn checkpoint(&self, mapping: &str, shard: LogShard) -> Option<Position> {
        self.checkpoints.get(mapping)?.get(&shard).copied()
    }

    /// The throughput commitment of the account and region with this key prefix, running or over.
    pub fn commitment(&self, home: &str) -> Option<Commitment> {
        self.accounts.get(home)?.commitment
    }

    /// Whether the account that a stream belongs to may scale it by hand.
    pub fn is_committed(&self, stream: &str, at: Timestamp) -> bool {
        let home = stream.rfind(':').map_or("", |colon| &stream[..=colon]);
        self.commitment(home).is_some_and(|commitment| commitment.is_active(at))
    }

    pub(crate) fn check_warm(&self, stream: &str, mibps: u32, at: Timestamp) -> Result<(), Refusal> {
        if !self.is_committed(stream, at) {
            return Err(OnDemandRefusal::NoCommitment.into());
        }
        let (asked, limit) = (mibps, caps::WARM_MIBPS);
        if asked > limit { Err(OnDemandRefusal::TooWarm { asked, limit }.into()) } else { Ok(()) }
    }

    /// Shards of all streams, open and closed, with those that are being made.
    pub fn shard_count(&self) -> u64 {
        let coming = |stream: &Stream| stream.reshard.as_ref().map_or(0, |reshard| reshard.shards.len());
        self.streams.values().map(|stream| (stream.shards.len() + coming(stream)) as u64).sum()
    }

    pub(crate) fn next_log_shard(&mut self) -> LogShard {
        self.last_log_shard += 1;
        LogShard(self.last_log_shard)
    }

    /// Begin a reshard that was planned on the stream as it is.
    pub(crate) fn begin_reshard(&mut self, name: &str, reshard: Reshard) -> Result<(), Refusal> {
        let (asked, existing) = (reshard.shards.len() as u64, self.shard_count());
        if existing + asked > caps::SHARDS {
            return Err(Refusal::ShardLimit { asked, existing, limit: caps::SHARDS });
        }
        let status = self.stream(name)?.status;
        if status != StreamStatus::Active {
            return Err(Refusal::StreamBusy { name: name.to_owned(), status });
        }
        self.last_log_shard = reshard.shards.last().map_or(self.last_log_shard, |shard| shard.log.0);
        let stream = self.change_stream(name)?;
        stream.status = StreamStatus::Updating;
        stream.reshard = Some(reshard);
        Ok(())
    }

    /// Forget what mappings had checkpointed of log shards that are gone.
    pub(crate) fn forget_checkpoints(&mut self, logs: &[LogShard]) {
        let has = |positions: &OrdMap<LogShard, Position>| logs.iter().any(|log| positions.contains_key(log));
        let having = self.checkpoints.iter().filter(|(_, positions)| has(positions));
        let mappings: Vec<String> = having.map(|(mapping, _)| mapping.clone()).collect();
        for mapping in mappings {
            if let Some(positions) = self.checkpoints.get_mut(&mapping) {
                for log in logs {
                    positions.remove(log);
                }
            }
        }
    }

    /// Change a stream in place.
    pub(crate) fn change_stream(&mut self, name: &str) -> Result<&mut Stream, Refusal> {
        let stream = self.streams.get_mut(name).ok_or_else(|| Refusal::NoSuchStream(name.to_owned()))?;
        Ok(Arc::make_mut(stream))
    }

    pub(crate) fn change_function(&mut self, name: &str) -> Result<&mut Function, Refusal> {
        let function =
            self.functions.get_mut(name).ok_or_else(|| Refusal::NoSuchFunction(name.to_owned()))?;
        Ok(Arc::make_mut(function))
    }

    pub(crate) fn change_queue(&mut self, id: &str) -> Result<&mut Queue, Refusal> {
        let queue = self.queues.get_mut(id).ok_or_else(|| Refusal::NoSuchQueue(id.to_owned()))?;
        Ok(Arc::make_mut(queue))
    }

    pub(crate) fn change_mapping(&mut self, uuid: &str) -> Result<&mut Mapping, Refusal> {
        let mapping = self.mappings.get_mut(uuid).ok_or_else(|| Refusal::NoSuchMapping(uuid.to_owned()))?;
        Ok(Arc::make_mut(mapping))
    }
}
