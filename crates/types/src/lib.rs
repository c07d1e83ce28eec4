//! The vocabulary of Millstream: what a Kinesis or Lambda user would call things, as types that cannot be confused.
//!
//! Invariant: this crate knows nothing of HTTP, disks or tasks, and reads no clock.

mod arn;
mod decimal;
mod hash_key;
mod home;
mod log_position;
mod sequence_number;
mod shard_id;
mod time;

pub use arn::{Arn, ArnError};
pub use hash_key::{HashKey, HashRange, ParseHashKeyError};
pub use home::{Home, name_of_key};
pub use log_position::{LogShard, Position};
pub use sequence_number::{ParseSequenceNumberError, SequenceNumber, SequenceNumberText};
pub use shard_id::{ParseShardIdError, ShardId, ShardIdText};
pub use time::Timestamp;
