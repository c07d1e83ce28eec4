//! Tumbling windows: stretches of time, by the arrival of records, over which a function hands a state from one batch to the
//! next. The state is kept nowhere: a window that is interrupted begins again with its first record, because the checkpoint
//! moves when the window is closed.

use super::item::{Item, Place};
use crate::caps;
use crate::plan::Plan;
use millstream_types::{Position, SequenceNumber, Timestamp};
use std::time::Duration;

#[derive(Debug)]
pub(super) struct Window {
    pub(super) start: Timestamp,
    /// Records that arrived from here on are not in it.
    pub(super) end: Timestamp,
    /// JSON, as the function returned it last.
    pub(super) state: String,
    /// Where its first record is, and up to where it is processed.
    pub(super) begin: Place,
    pub(super) reached: Position,
    pub(super) seen: Seen,
}

/// The records that a window has had.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) first: (SequenceNumber, Timestamp),
    pub(super) last: (SequenceNumber, Timestamp),
    pub(super) count: usize,
}

impl Seen {
    pub(super) fn of(records: &[Item]) -> Option<Self> {
        let mark = |record: &Item| (record.sequence_number, record.arrival);
        let (first, last) = (mark(records.first()?), mark(records.last()?));
        Some(Self { first, last, count: records.len() })
    }
}

impl Window {
    /// The window that a record falls in.
    pub(super) fn of(record: &Item, secs: u32) -> Self {
        let length = u64::from(secs) * 1_000;
        let start = record.arrival.millis() / length * length;
        let mark = (record.sequence_number, record.arrival);
        Self {
            start: Timestamp::from_millis(start),
            end: Timestamp::from_millis(start + length),
            state: "{}".into(),
            begin: record.place(),
            reached: record.position,
            seen: Seen { first: mark, last: mark, count: 0 },
        }
    }

    /// Its state is larger than it may be, so it ends before its time.
    pub(super) fn is_overfull(&self) -> bool {
        self.state.len() > caps::STATE_BYTES
    }

    /// How long until no record can come for it, by the clock.
    pub(super) fn left(&self, now: Timestamp) -> Duration {
        Duration::from_millis(self.end.millis_since(now)) + caps::WINDOW_GRACE
    }

    pub(super) fn is_over(&self, now: Timestamp) -> bool {
        let grace = u64::try_from(caps::WINDOW_GRACE.as_millis()).unwrap_or(u64::MAX);
        now >= self.end.plus_millis(grace)
    }

    pub(super) fn had(&mut self, records: &[Item]) {
        if let Some(seen) = Seen::of(records) {
            self.seen.last = seen.last;
            self.seen.count += seen.count;
        }
    }

    /// What an event has behind its records.
    pub(super) fn tail(&self, plan: &Plan, is_final: bool) -> String {
        let (start, end) = (seconds(self.start), seconds(self.end));
        let source = serde_json::Value::from(plan.mapping.source.arn());
        format!(
            r#","window":{{"start":"{start}","end":"{end}"}},"state":{},"shardId":"{}","eventSourceARN":{source},"isFinalInvokeForWindow":{is_final},"isWindowTerminatedEarly":{}"#,
            self.state,
            plan.shard.id,
            is_final && self.is_overfull(),
        )
    }
}

/// As AWS writes a window's ends: without a fraction.
fn seconds(at: Timestamp) -> String {
    let (year, month, day, hour, minute, second, _) = at.civil();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}
