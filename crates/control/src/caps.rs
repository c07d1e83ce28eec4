//! Limits of the control plane: what a client can make it hold.

/// Open and closed shards of one server. AWS's default quota is 20,000 to 500 by region.
pub const SHARDS: u64 = 20_000;

/// Open shards that UpdateShardCount gives one stream (API reference, UpdateShardCount).
pub const SHARDS_PER_STREAM: u32 = 10_000;

/// Consumers registered on one stream, unless the server is set to allow more (AWS: 20).
pub const CONSUMERS_PER_STREAM: usize = 20;

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
