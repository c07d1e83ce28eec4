use crate::delivery::Delivery;
use millstream_types::{Position, ShardId, Timestamp};
use serde::{Deserialize, Serialize};

/// One step of a queue's delivery state. Applied in order, the changes of a journal give the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Stored", from = "Stored")]
pub(crate) enum Change {
    /// A record is outstanding, as the delivery says.
    Set(ShardId, Position, Delivery),
    /// It is outstanding no more: acknowledged, or gone from the stream.
    Remove(ShardId, Position),
    /// All records of a shard below the position have been handed out.
    Next(ShardId, Position),
}

/// As it is written: short, as there are many.
#[derive(Serialize, Deserialize)]
enum Stored {
    /// Shard, position, receive count, deliveries, visible at, first received, dead.
    #[serde(rename = "s")]
    Set(u64, u64, u32, u32, u64, u64, bool),
    #[serde(rename = "r")]
    Remove(u64, u64),
    #[serde(rename = "n")]
    Next(u64, u64),
}

impl From<Change> for Stored {
    fn from(change: Change) -> Self {
        match change {
            Change::Set(shard, position, of) => Self::Set(
                shard.0,
                position.0,
                of.count,
                of.number,
                of.visible_at.millis(),
                of.first.millis(),
                of.dead,
            ),
            Change::Remove(shard, position) => Self::Remove(shard.0, position.0),
            Change::Next(shard, position) => Self::Next(shard.0, position.0),
        }
    }
}

impl From<Stored> for Change {
    fn from(stored: Stored) -> Self {
        let time = Timestamp::from_millis;
        match stored {
            Stored::Set(shard, position, count, number, visible_at, first, dead) => {
                let delivery =
                    Delivery { count, number, visible_at: time(visible_at), first: time(first), dead };
                Self::Set(ShardId(shard), Position(position), delivery)
            }
            Stored::Remove(shard, position) => Self::Remove(ShardId(shard), Position(position)),
            Stored::Next(shard, position) => Self::Next(ShardId(shard), Position(position)),
        }
    }
}
