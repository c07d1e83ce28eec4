//! Which of a shard's records are a lane's own, and which the filters let pass.

use crate::plan::Plan;
use millstream_engine::Record;
use millstream_pattern::Pattern;
use serde_json::{Map, Value};

/// Where the data of a record is, decoded. Everything else is a member of the event's `kinesis` object.
const DATA: &str = "data";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    Take,
    /// Another lane of the shard takes it.
    Leave,
    /// No filter lets it pass, so it counts as processed.
    FilteredOut,
}

#[derive(Clone, Debug)]
pub(super) struct Selection {
    /// This lane's number, and of how many.
    share: (u64, u64),
    /// A record must match one; all do if there is none. `Err` if this version cannot read them.
    filters: Result<Vec<Pattern>, String>,
}

/// Check a mapping's filters as Lambda does when they are set.
///
/// # Errors
/// What is wrong with the first bad one.
pub fn check_filters(filters: &[String]) -> Result<(), String> {
    parse(filters).map(drop)
}

fn parse(filters: &[String]) -> Result<Vec<Pattern>, String> {
    let parsed = filters.iter().map(|text| {
        let pattern = Pattern::parse(text).map_err(|error| error.to_string())?;
        // Data is JSON or never matches, so a pattern on its text cannot be meant.
        if pattern.asks_for_value_of(DATA) { Err("data must be an object".to_owned()) } else { Ok(pattern) }
    });
    parsed.collect()
}

impl Selection {
    pub(super) fn new(plan: &Plan, lane: u32) -> Self {
        let share = (u64::from(lane), u64::from(plan.lanes()));
        Self { share, filters: parse(&plan.mapping.settings.delivery.filters) }
    }

    /// Why nothing can be chosen.
    pub(super) fn problem(&self) -> Option<&str> {
        self.filters.as_ref().err().map(String::as_str)
    }

    /// Whether every record is this lane's.
    pub(super) fn is_everything(&self) -> bool {
        self.share.1 == 1 && self.filters.as_ref().is_ok_and(Vec::is_empty)
    }

    /// Of the lanes of a shard, the one that counts what none of them saw.
    pub(super) fn counts_expired(&self) -> bool {
        self.share.0 == 0
    }

    pub(super) fn choose(&self, record: &Record) -> Choice {
        // Records without a key have no order to keep, so they go round.
        let key = &record.partition_key;
        let place = if key.is_empty() { record.position.0 } else { spread(key) };
        if self.share.1 > 1 && place % self.share.1 != self.share.0 {
            return Choice::Leave;
        }
        match &self.filters {
            Ok(filters) if filters.is_empty() || passes(filters, record) => Choice::Take,
            Ok(_) => Choice::FilteredOut,
            Err(_) => Choice::Leave,
        }
    }
}

/// FNV-1a, with its high bits folded into the low ones. All records of a partition key go the same way; nothing else hangs
/// on it, so it may change with a version.
fn spread(key: &str) -> u64 {
    let hash = key.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    hash ^ (hash >> 32)
}

fn passes(filters: &[Pattern], record: &Record) -> bool {
    let mut event = Map::new();
    event.insert("kinesisSchemaVersion".into(), "1.0".into());
    event.insert("partitionKey".into(), record.partition_key.clone().into());
    event.insert("sequenceNumber".into(), record.sequence_number.to_string().into());
    let millis = record.arrival.millis();
    let arrival = format!("{}.{:03}", millis / 1_000, millis % 1_000);
    event.insert("approximateArrivalTimestamp".into(), serde_json::from_str(&arrival).unwrap_or(Value::Null));
    let asked = filters.iter().any(|filter| filter.asks_for(DATA));
    let data: Option<Value> = if asked { serde_json::from_slice(&record.data).ok() } else { None };
    let is_json = data.is_some();
    event.insert(DATA.into(), data.unwrap_or(Value::Null));
    let event = Value::Object(event);
    filters.iter().any(|filter| (is_json || !filter.asks_for(DATA)) && filter.matches(&event))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use millstream_types::{Position, SequenceNumber, ShardId, Timestamp};
    use std::collections::HashMap;

    fn record(key: &str, data: &str) -> Record {
        Record {
            position: Position(7),
            sequence_number: SequenceNumber::of_record(ShardId(0), Position(7)),
            partition_key: key.into(),
            data: Bytes::copy_from_slice(data.as_bytes()),
            arrival: Timestamp::from_millis(1_545_084_650_987),
            encrypted: false,
        }
    }

    #[test]
    fn filters_see_the_data_and_the_record() {
        let cases = [
            (r#"{"data":{"n":[300]}}"#, "k", r#"{"n":300.0}"#, true),
            (r#"{"data":{"n":[300]}}"#, "k", r#"{"n":301}"#, false),
            (r#"{"data":{"n":[300]}}"#, "k", "not json", false),
            (r#"{"data":{"n":[{"exists":false}]}}"#, "k", "not json", false),
            (r#"{"data":{"n":[{"exists":false}]}}"#, "k", "5", true),
            (r#"{"partitionKey":["k"]}"#, "k", "not json", true),
            (r#"{"partitionKey":["k"]}"#, "x", "{}", false),
            (r#"{"partitionKey":["k"],"data":{"n":[1]}}"#, "k", r#"{"n":1}"#, true),
            (r#"{"approximateArrivalTimestamp":[{"numeric":[">",1545084650.98]}]}"#, "k", "", true),
            (r#"{"kinesisSchemaVersion":["1.0"],"sequenceNumber":[{"prefix":"4"}]}"#, "k", "", true),
        ];
        for (filter, key, data, wanted) in cases {
            let filters = parse(&[filter.to_owned()]).unwrap();
            assert_eq!(passes(&filters, &record(key, data)), wanted, "{filter} {key} {data}");
        }
        let both = parse(&[r#"{"data":{"n":[1]}}"#.into(), r#"{"partitionKey":["k"]}"#.into()]).unwrap();
        assert!(passes(&both, &record("k", "not json")) && !passes(&both, &record("x", "not json")));
    }

    #[test]
    fn a_filter_on_the_text_of_data_is_refused() {
        for filter in [r#"{"data":["x"]}"#, r#"{"$or":[{"data":["x"]},{"partitionKey":["k"]}]}"#, "x", "{}"] {
            assert!(check_filters(&[r#"{"data":{"a":[1]}}"#.into(), filter.into()]).is_err(), "{filter}");
        }
    }

    #[test]
    fn every_lane_gets_a_part_of_the_keys() {
        let mut counts: HashMap<u64, u32> = HashMap::new();
        for number in 0..10_000 {
            *counts.entry(spread(&format!("customer-{number}")) % 10).or_default() += 1;
        }
        assert!(
            counts.len() == 10 && counts.values().all(|count| (800..1_200).contains(count)),
            "{counts:?}"
        );
    }
}
