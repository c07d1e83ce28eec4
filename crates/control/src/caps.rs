//! Limits of the control plane: what a client can make it hold.

/// Open and closed shards of one server. AWS's default quota is 20,000 to 500 by region.
pub const SHARDS: u64 = 20_000;

/// Open shards that UpdateShardCount gives one stream (API reference, UpdateShardCount).
pub const SHARDS_PER_STREAM: u32 = 10_000;

/// Shards of a new on-demand stream (Developer Guide, "On-demand mode").
pub const ON_DEMAND_SHARDS: u32 = 4;

/// MiB a second that an on-demand stream can be scaled for (API reference, UpdateStreamWarmThroughput: 10 GiB).
pub const WARM_MIBPS: u32 = 10_240;

/// Accounts and regions with settings of their own: access keys name them, and anyone can think of one.
pub const ACCOUNTS: usize = 1_000;

/// Consumers registered on one stream, unless the server is set to allow more (AWS: 20).
pub const CONSUMERS_PER_STREAM: usize = 20;

/// Consumers registered on an on-demand stream of an account with a throughput commitment ("On-demand Advantage").
pub const CONSUMERS_PER_ADVANTAGE_STREAM: usize = 50;

/// What it can be set to.
pub const MOST_CONSUMERS_PER_STREAM: usize = 1_000;

/// Tags of a stream, and of a consumer (Developer Guide, "Tag restrictions").
pub const TAGS: usize = 50;

/// Streams of one server.
pub const STREAMS: usize = 10_000;

pub const FUNCTIONS: usize = 10_000;

/// Published versions kept of one function, and its aliases. AWS bounds them by the size of all code only.
pub const VERSIONS_PER_FUNCTION: usize = 1_000;
pub const ALIASES_PER_FUNCTION: usize = 1_000;

/// Names of layers, and versions kept of one.
pub const LAYERS: usize = 1_000;
pub const VERSIONS_PER_LAYER: usize = 10_000;

pub const MAPPINGS: usize = 10_000;

pub const QUEUES: usize = 1_000;
/// Characters kept of what came of a mapping's last batch.
pub const RESULT_CHARS: usize = 512;

/// Data keys of one stream. It gets another only for another master key, or a new version of one.
pub const DATA_KEYS_PER_STREAM: usize = 1_000;
