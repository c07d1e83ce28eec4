//! Shards: where a record goes, how it is kept, how it is read and followed.
//!
//! The engine turns streams (from the control state) and log shards (from the log) into what Kinesis users know:
//! sequence numbers, retention, a tail to follow, subscriptions of enhanced fan-out.
//!
//! Invariant: nothing here knows HTTP or an API's texts, and nothing polls on a timer: followers wake on the durable tail.

mod append;
mod end;
mod engine;
mod keep;
mod lifecycle;
mod md5_lanes;
mod read;
mod record;
mod reroute;
mod reshard;
mod retention;
mod router;
mod scaling;
mod sealing;
mod spread;
mod steady_time;
mod subscribe;

pub mod caps;

pub use append::{Appendable, NewRecord, Placed, Prepared, Stored};
pub use engine::{Engine, EngineError};
pub use read::{Page, PageLimit, Start};
pub use record::Record;
pub use router::hash_of;
pub use scaling::ScalingSettings;
pub use subscribe::{Event, Room, SubscribeError, Subscription, SubscriptionEnd};
