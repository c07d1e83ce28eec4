//! Which records there are: what was acknowledged, and what somebody was given.

use crate::history::{Frame, History, Moment, Record, ShardKey};
use std::collections::{BTreeMap, HashMap};

/// How long the stream keeps records, in milliseconds.
pub(crate) const DAY: u64 = 24 * 3_600_000;

#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) number: String,
    pub(crate) asked: Moment,
    pub(crate) acknowledged: Option<Moment>,
    /// As it was told to whoever got it.
    pub(crate) arrival: Option<u64>,
}

impl Known {
    pub(crate) fn arrived_before(&self, time: u64) -> bool {
        match self.arrival {
            Some(arrival) => arrival < time,
            None => self.acknowledged.is_some_and(|moment| moment.at < time),
        }
    }

    pub(crate) fn arrived_since(&self, time: u64) -> bool {
        self.arrival.unwrap_or(self.asked.at) >= time
    }

    pub(crate) fn may_have_expired(&self, now: u64) -> bool {
        self.arrival.unwrap_or(self.asked.at) + DAY < now
    }
}

/// The records of each shard, in their order.
#[derive(Debug, Default)]
pub(crate) struct Truth(BTreeMap<ShardKey, Vec<Known>>);

impl Truth {
    pub(crate) fn of(history: &History) -> Result<Self, String> {
        let mut found = Found::default();
        for (key, put) in &history.puts {
            let Some(placed) = &put.answered else { continue };
            let shard = ShardKey { life: put.life, id: placed.shard };
            if let Some(other) = found.keys.insert((shard, placed.number.clone()), key.clone()) {
                return Err(format!("{key} and {other} have one number, {}", placed.number));
            }
        }
        for subscription in &history.subscriptions {
            for (frame, event) in subscription.events() {
                for record in &event.records {
                    found.delivered(history, subscription.shard, frame, record)?;
                }
            }
        }
        let mut truth = Self::default();
        for ((shard, number), key) in found.keys {
            let put = &history.puts[&key];
            let acknowledged = put.answered.as_ref().map(|placed| placed.at);
            let arrival = found.arrivals.get(&(shard, number.clone())).copied();
            let in_time = |at| at >= put.asked.at && acknowledged.is_none_or(|end| at <= end.at);
            if arrival.is_some_and(|arrival| !in_time(arrival)) {
                return Err(format!("{key} arrived at {arrival:?}, and was put {put:?}"));
            }
            let known = Known { number, asked: put.asked, acknowledged, arrival };
            truth.0.entry(shard).or_default().push(known);
        }
        Ok(truth)
    }

    pub(crate) fn shard(&self, shard: ShardKey) -> &[Known] {
        self.0.get(&shard).map_or(&[], Vec::as_slice)
    }
}

/// By shard and number: which record it is, and when it arrived.
#[derive(Default)]
struct Found {
    keys: BTreeMap<(ShardKey, String), String>,
    arrivals: HashMap<(ShardKey, String), u64>,
}

impl Found {
    /// All that is told of a record is the same, whoever is told.
    fn delivered(
        &mut self,
        history: &History,
        shard: ShardKey,
        frame: &Frame,
        record: &Record,
    ) -> Result<(), String> {
        let Record { key, number, arrival } = record;
        let put = history.puts.get(key).filter(|put| put.asked < frame.came);
        let put = put.ok_or_else(|| format!("nobody put {key}, and {number} is it"))?;
        if put.life != shard.life {
            return Err(format!("{key} is of another stream than its reader"));
        }
        let told = put.answered.as_ref();
        if let Some(placed) = told.filter(|placed| placed.number != *number || placed.shard != shard.id) {
            return Err(format!("{key} is {}, and was delivered as {number}", placed.number));
        }
        let place = (shard, number.clone());
        let same = self.keys.entry(place.clone()).or_insert_with(|| key.clone()) == key
            && self.arrivals.entry(place).or_insert(*arrival) == arrival;
        if same { Ok(()) } else { Err(format!("{number} was delivered before with another key or time")) }
    }
}
