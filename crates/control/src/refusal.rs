use crate::{ConcurrencyRefusal, MappingState, QueueStatus, StreamStatus};
use millstream_types::{HashKey, HashRange, ShardId};

/// Why a command was not applied. Nothing changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("stream {0} already exists")]
    StreamExists(String),
    #[error("stream {0} does not exist")]
    NoSuchStream(String),
    #[error("stream {name} is {status:?}")]
    StreamBusy { name: String, status: StreamStatus },
    #[error("{asked} more shards would pass the limit of {limit}; there are {existing}")]
    ShardLimit { asked: u64, existing: u64, limit: u64 },
    #[error("there may be at most {limit} {what}")]
    Limit { what: &'static str, limit: usize },
    #[error("stream {stream} and its consumers have at most {limit} tags each")]
    TooManyTags { stream: String, limit: usize },
    #[error("stream {stream} has {count} consumers")]
    StreamHasConsumers { stream: String, count: usize },
    #[error("consumer {consumer} of stream {stream} already exists")]
    ConsumerExists { stream: String, consumer: String },
    #[error("consumer {consumer} of stream {stream} does not exist")]
    NoSuchConsumer { stream: String, consumer: String },
    #[error("{asked} hours of retention are less than the {existing} of stream {name}")]
    RetentionShorter { name: String, asked: u32, existing: u32 },
    #[error("{asked} hours of retention are more than the {existing} of stream {name}")]
    RetentionLonger { name: String, asked: u32, existing: u32 },
    #[error("stream {stream} has {count} queues")]
    StreamHasQueues { stream: String, count: usize },
    #[error("stream {0} is not in on-demand mode")]
    QueueNeedsOnDemand(String),
    #[error("queue {0} already exists")]
    QueueExists(String),
    #[error("queue {0} does not exist")]
    NoSuchQueue(String),
    #[error("queue {id} is {status:?}")]
    QueueBusy { id: String, status: QueueStatus },
    #[error(transparent)]
    OnDemand(#[from] OnDemandRefusal),
    #[error(transparent)]
    Reshard(#[from] ReshardRefusal),
    #[error("function {0} already exists")]
    FunctionExists(String),
    #[error("function {0} does not exist")]
    NoSuchFunction(String),
    #[error("function {name} has revision {actual}")]
    RevisionMismatch { name: String, actual: String },
    #[error("an update of function {0} is in progress")]
    FunctionBusy(String),
    #[error("function {0} is not active yet")]
    FunctionPending(String),
    #[error("function {function} has no version {version}")]
    NoSuchVersion { function: String, version: String },
    #[error("version {version} of function {function} has aliases")]
    VersionInUse { function: String, version: String, aliases: Vec<String> },
    #[error("function {function} already has an alias {alias}")]
    AliasExists { function: String, alias: String },
    #[error("function {function} has no alias {alias}")]
    NoSuchAlias { function: String, alias: String },
    #[error("nothing is set for asynchronous invocations of function {function} as {qualifier}")]
    NoEventInvokeConfig { function: String, qualifier: String },
    #[error("the resource policy was changed meanwhile")]
    PolicyChanged,
    #[error("layer {layer} has no version {version}")]
    NoSuchLayerVersion { layer: String, version: u64 },
    #[error("function {function} already has a URL (alias: {alias})")]
    UrlExists { function: String, alias: String },
    #[error("function {function} has no URL (alias: {alias})")]
    NoSuchUrl { function: String, alias: String },
    #[error(transparent)]
    Concurrency(#[from] ConcurrencyRefusal),
    #[error("mapping {uuid} of {source_arn} to {function} exists already")]
    MappingExists { uuid: String, source_arn: String, function: String },
    #[error("mapping {0} does not exist")]
    NoSuchMapping(String),
    #[error("mapping {uuid} is {state:?}")]
    MappingBusy { uuid: String, state: MappingState },
}

/// Why shards cannot be split or merged as asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReshardRefusal {
    #[error("stream {stream} has no shard {shard}")]
    NoSuchShard { stream: String, shard: ShardId },
    #[error("shard {shard} of stream {stream} has been split or merged already")]
    AlreadyClosed { stream: String, shard: ShardId },
    #[error("hash key {key} does not cut shard {shard} of stream {stream} in two")]
    NoCut { stream: String, shard: ShardId, key: HashKey, range: HashRange },
    #[error("shard {adjacent} of stream {stream} does not begin where shard {shard} ends")]
    NotAdjacent { stream: String, shard: ShardId, adjacent: ShardId },
    #[error("stream {0} manages its shards by itself")]
    OnDemand(String),
    #[error(
        "{target} shards are more than twice or less than half the {open} open shards of stream {stream}"
    )]
    TooFar { stream: String, target: u32, open: u32 },
    #[error("shards of stream {stream} were counted anew {limit} times in 24 hours")]
    TooOften { stream: String, limit: u32 },
    /// The server wanted to reshard it, and its owner has taken that over.
    #[error("stream {0} does not manage its shards by itself")]
    NotOnDemand(String),
    #[error("a stream has at most {limit} open shards")]
    TooManyShards { limit: u32 },
    /// The reshard that the command belongs to is not in the state for it: another command came first.
    #[error("no reshard of stream {0} waits for this")]
    NotUnderWay(String),
    #[error("shard {shard} of stream {stream} has not expired")]
    NotExpired { stream: String, shard: ShardId },
}

/// Why a stream cannot have what only some on-demand streams have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OnDemandRefusal {
    #[error("stream {0} distributes records by itself, which only on-demand streams do")]
    AutoDistribution(String),
    #[error("stream {0} is not on-demand, and only those are scaled by their throughput")]
    Provisioned(String),
    #[error("the account has no throughput commitment")]
    NoCommitment,
    #[error("{asked} MiB a second are more than the {limit} that a stream can be scaled for")]
    TooWarm { asked: u32, limit: u32 },
}
