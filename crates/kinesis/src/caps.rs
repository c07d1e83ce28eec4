//! Limits of the Kinesis API (API reference and Developer Guide, "Quotas and limits").

/// Records of one GetRecords answer, and their bytes.
pub const GET_RECORDS_COUNT: usize = 10_000;
pub const GET_RECORDS_BYTES: usize = 10 << 20;

/// Records of one PutRecords call, and their data and partition keys together.
pub const PUT_RECORDS_COUNT: usize = 500;
pub const PUT_RECORDS_BYTES: usize = 10 << 20;

/// A record's data and partition key, by default, in KiB.
pub const RECORD_KIB: u32 = 1_024;

/// Life of a shard iterator and of a ListShards token.
pub const ITERATOR_MILLIS: u64 = 300_000;
pub const TOKEN_MILLIS: u64 = 300_000;

/// Shards on a page of DescribeStream and of ListShards, whatever the caller asks for.
pub const DESCRIBE_SHARDS: usize = 100;
pub const LIST_SHARDS: usize = 1_000;

/// Hours that records are kept (API reference, IncreaseStreamRetentionPeriod).
pub const RETENTION_HOURS_MIN: u32 = 24;
pub const RETENTION_HOURS_MAX: u32 = 8_760;

/// Streams on a page of ListStreams when the caller names no limit.
pub const LIST_STREAMS: usize = 100;

/// Consumers on a page of ListStreamConsumers.
pub const LIST_CONSUMERS: usize = 100;

/// Shards of a new on-demand stream.
pub const ON_DEMAND_SHARDS: u32 = millstream_control::caps::ON_DEMAND_SHARDS;

/// Queues of one page of ListQueues.
pub const LIST_QUEUES: usize = 1_000;

/// Rates that are remembered at the same time, of shards, consumers and callers. One that was not used for a second is not.
pub const BUCKETS: usize = 65_536;
