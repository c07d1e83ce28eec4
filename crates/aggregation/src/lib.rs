//! Records that the Kinesis Producer Library (KPL) has put together into one, and back.
//!
//! ```text
//! F3 89 9A C2 | AggregatedRecord | MD5 of the AggregatedRecord (16 bytes)
//!
//! AggregatedRecord { repeated string partition_key_table = 1; repeated string explicit_hash_key_table = 2;
//!                    repeated Record records = 3 }
//! Record           { required uint64 partition_key_index = 1; optional uint64 explicit_hash_key_index = 2;
//!                    required bytes data = 3; repeated Tag tags = 4 }
//! ```
//!
//! [`Aggregate::read`] takes a record's data apart, [`Aggregator`] puts user records together. Both hold a limit: reading
//! keeps two numbers for each key of the tables beside the record's own bytes, and gives out user records one by one.

mod read;
mod wire;
mod write;

pub use read::{Aggregate, NotAggregated, UserRecord, UserRecords};
pub use write::Aggregator;

/// What an aggregated record begins with.
pub const MAGIC: [u8; 4] = [0xf3, 0x89, 0x9a, 0xc2];
/// The MD5 digest at its end, in bytes.
pub const DIGEST_BYTES: usize = 16;
/// The partition key that the KPL gives to an aggregated record, which goes by its explicit hash key.
pub const OUTER_PARTITION_KEY: &str = "a";
