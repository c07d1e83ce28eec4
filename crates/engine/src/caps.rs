//! Limits of the engine, and the times that AWS documents for its surface.

use std::time::Duration;

/// How long an append waits for room in the log before the client is throttled.
pub const ADMISSION: Duration = Duration::from_secs(5);

/// How long an append waits for the closing of its shard. Closing takes one write to the disk.
pub const CLOSING: Duration = Duration::from_secs(30);

/// How long a read at the end of a shard that is being closed waits for that, before it says that there is nothing new.
pub const CLOSING_READ: Duration = Duration::from_secs(1);

/// A subscription's life (API reference, SubscribeToShard: five minutes).
pub const SUBSCRIPTION_LIFE: Duration = Duration::from_mins(5);

/// A second subscription within this time of a live one is refused; after it, it takes over.
pub const SUBSCRIPTION_HOLD: Duration = Duration::from_secs(5);

/// An idle subscription says so at least this often. Clients' read timeouts start at 10 s (AWS SDK for Java 2).
pub const SUBSCRIPTION_IDLE: Duration = Duration::from_secs(4);

/// Records' bytes in one event of a subscription; one larger record goes alone.
pub const EVENT_BYTES: usize = 1 << 20;
pub const EVENT_RECORDS: usize = 10_000;

/// Events of subscriptions that are made or wait for their clients, all together, in KiB. Where there is no room, records wait in
/// the log.
pub const EVENTS_KIB: usize = 1 << 20;

/// What a record may add to an event besides its bytes: its sequence number, its time and the names of its members.
pub const EVENT_RECORD_OVERHEAD: usize = 256;

/// Log shards made or dropped at the same time when a stream comes or goes.
pub const SHARDS_AT_ONCE: usize = 1_000;

/// How often expired records are let go.
pub const RETENTION_SWEEP: Duration = Duration::from_mins(1);

/// The wall clock may run this far ahead of the time that passed before it is not believed.
pub const CLOCK_JUMP_MILLIS: u64 = 300_000;

/// A wall clock that stays ahead this long is believed.
pub const CLOCK_SETTLES: Duration = Duration::from_hours(1);

/// What a shard takes in a second, by which on-demand streams are scaled (Developer Guide, "Quotas and limits").
pub const SHARD_BYTES: u64 = 1 << 20;
pub const SHARD_RECORDS: u64 = 1_000;

/// Shards that an on-demand stream begins with and never goes below (Developer Guide, "On-demand mode": 4 MB/s).
pub const ON_DEMAND_SHARDS: u32 = 4;
