//! What all clients of a simulation share.

use crate::client::{Client, decode};
use crate::clients::caller::SentEvent;
use crate::clock::SimClock;
use crate::history::{History, Seen};
use crate::queue_history::QueueHistory;
use crate::random::Random;
use crate::trace::Trace;
use millstream_types::SequenceNumber;
use serde_json::Value;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

#[derive(Debug)]
pub(crate) struct World {
    pub history: RefCell<History>,
    pub queue: RefCell<QueueHistory>,
    /// Events for functions, by their number.
    pub events: RefCell<Vec<SentEvent>>,
    /// The server's.
    pub clock: Arc<SimClock>,
    pub trace: Trace,
    /// The clients should come to an end.
    pub over: Cell<bool>,
}

impl World {
    pub(crate) fn new(trace: Trace, clock: Arc<SimClock>) -> Rc<Self> {
        Rc::new(Self {
            history: RefCell::default(),
            queue: RefCell::default(),
            events: RefCell::default(),
            clock,
            trace,
            over: Cell::new(false),
        })
    }

    pub(crate) fn client(&self, name: &str, random: &mut Random) -> Client {
        let patience = Duration::from_millis(random.within(300, 3_000));
        Client::new(name, self.trace.clone(), patience)
    }

    /// A stream that should be there, if there is any.
    pub(crate) fn live_stream(&self, random: &mut Random) -> Option<String> {
        random.pick(&self.history.borrow().live_streams()).cloned()
    }

    /// A stream that was active is said not to be there.
    pub(crate) fn not_found(&self, stream: &str) {
        let mut history = self.history.borrow_mut();
        if !history.stream(stream).delete_asked {
            history.violation(format!("stream {stream} is said not to exist"));
        }
    }

    /// Records as GetRecords and SubscribeToShard write them.
    pub(crate) fn records(&self, value: &Value) -> Vec<Seen> {
        value.as_array().into_iter().flatten().filter_map(|record| self.record(record)).collect()
    }

    fn record(&self, record: &Value) -> Option<Seen> {
        let Some(number) = sequence_number(&record["SequenceNumber"]) else {
            self.history.borrow_mut().violation(format!("a record without a sequence number: {record}"));
            return None;
        };
        Some(Seen {
            number,
            key: record["PartitionKey"].as_str().unwrap_or_default().to_owned(),
            data: decode(&record["Data"]),
            arrival: record["ApproximateArrivalTimestamp"].to_string(),
        })
    }
}

pub(crate) fn sequence_number(value: &Value) -> Option<SequenceNumber> {
    value.as_str()?.parse().ok()
}

/// The number in a shard's name.
pub(crate) fn shard_number(id: &Value) -> Option<u64> {
    id.as_str()?.strip_prefix("shardId-")?.parse().ok()
}

/// First and last hash key of a shard as ListShards tells of it; nothing can be in the range of one that says none.
pub(crate) fn hash_range(shard: &Value) -> (u128, u128) {
    let key = |name: &str| shard["HashKeyRange"][name].as_str()?.parse::<u128>().ok();
    (key("StartingHashKey").unwrap_or(1), key("EndingHashKey").unwrap_or(0))
}

/// Whether a shard still takes records.
pub(crate) fn is_open(shard: &Value) -> bool {
    shard["SequenceNumberRange"]["EndingSequenceNumber"].is_null()
}

pub(crate) fn shard_name(number: u64) -> String {
    millstream_types::ShardId(number).to_string()
}
