//! The laws of the end, when every stream has been read from its beginning after the last crash.

use crate::history::{Fate, History, Seen, identity};
use millstream_types::{HashKey, SequenceNumber};
use std::collections::{BTreeMap, BTreeSet};

/// A shard as ListShards tells of it, and all that is in it.
#[derive(Clone, Debug)]
pub(crate) struct FinalShard {
    pub shard: u64,
    /// First and last hash key.
    pub range: (u128, u128),
    /// It still takes records.
    pub open: bool,
    pub records: Vec<Seen>,
}

/// Every stream that is there.
pub(crate) type Final = BTreeMap<String, Vec<FinalShard>>;

pub(crate) fn check(history: &mut History, found: &Final) {
    streams(history, found);
    for (stream, shards) in found {
        for shard in shards {
            dense(history, stream, shard);
            routed(history, stream, shard);
        }
        whole(history, stream, shards);
        nothing_lost(history, stream, shards);
        puts(history, stream, shards);
    }
}

/// A stream whose creation was acknowledged is there until somebody asks to delete it, and not after that was done.
fn streams(history: &mut History, found: &Final) {
    for (name, life) in history.streams.clone() {
        let there = found.contains_key(&name);
        if life.active && !life.delete_asked && !there {
            history.violation(format!("stream {name} was active and is gone"));
        }
        if life.deleted && there {
            history.violation(format!("stream {name} was deleted and is back"));
        }
        let fewest = if life.active && there { life.shards } else { 0 };
        if found.get(&name).is_some_and(|shards| (shards.len() as u64) < fewest) {
            history.violation(format!("stream {name} has lost shards"));
        }
    }
    for name in found.keys() {
        if !history.streams.contains_key(name) {
            history.violation(format!("stream {name} was never made"));
        }
    }
}

fn dense(history: &mut History, stream: &str, shard: &FinalShard) {
    for (record, position) in shard.records.iter().zip(0..) {
        if record.number.position().0 != position {
            history.violation(format!("dense: {stream} {} where position {position} was due", record.number));
            return;
        }
    }
    let arrivals: Vec<f64> = shard.records.iter().filter_map(|record| record.arrival.parse().ok()).collect();
    if !arrivals.is_sorted() || arrivals.len() != shard.records.len() {
        history.violation(format!("{stream} shard {}: arrival times are not in order", shard.shard));
    }
}

/// Every hash key belongs to one open shard.
fn whole(history: &mut History, stream: &str, shards: &[FinalShard]) {
    let mut open: Vec<_> = shards.iter().filter(|shard| shard.open).map(|shard| shard.range).collect();
    open.sort_unstable();
    let gapless = open.windows(2).all(|pair| pair[0].1.checked_add(1) == Some(pair[1].0));
    let ends = (open.first().map(|range| range.0), open.last().map(|range| range.1));
    if !gapless || ends != (Some(0), Some(u128::MAX)) {
        history.violation(format!("stream {stream}: its open shards are {open:?}"));
    }
}

/// A record is in the shard that its key belongs to.
fn routed(history: &mut History, stream: &str, shard: &FinalShard) {
    let (first, last) = shard.range;
    for record in &shard.records {
        let HashKey(key) = millstream_engine::hash_of(&record.key);
        if !(first..=last).contains(&key) {
            history.violation(format!("{stream} {}: key {} is not this shard's", record.number, record.key));
        }
    }
}

/// What was acknowledged, and what any reader ever saw, is there still: nothing was shown before it was durable.
fn nothing_lost(history: &mut History, stream: &str, shards: &[FinalShard]) {
    let there: BTreeMap<SequenceNumber, &Seen> =
        shards.iter().flat_map(|shard| &shard.records).map(|record| (record.number, record)).collect();
    let known = history.places.iter().filter(|((of, _), _)| of == stream);
    let known: Vec<_> = known.map(|((_, number), place)| (*number, place.clone())).collect();
    for (number, place) in known {
        let same =
            there.get(&number).is_some_and(|record| identity(&record.data) == Some((place.put, place.index)));
        if !same {
            let how = if place.arrival.is_some() { "read" } else { "acknowledged" };
            history.violation(format!(
                "lost: {stream} {number} was {how} as record {}#{} and is not there at the end",
                place.put, place.index
            ));
        }
    }
}

/// A put is there as a whole or not at all, once, its records of one shard adjacent and in the order given.
fn puts(history: &mut History, stream: &str, shards: &[FinalShard]) {
    let mut found: BTreeMap<usize, Vec<(SequenceNumber, usize)>> = BTreeMap::new();
    for record in shards.iter().flat_map(|shard| &shard.records) {
        if let Some((put, index)) = identity(&record.data) {
            found.entry(put).or_default().push((record.number, index));
        }
    }
    for (id, put) in history.puts.clone().into_iter().enumerate().filter(|(_, put)| put.stream == stream) {
        let mut there = found.remove(&id).unwrap_or_default();
        there.sort_unstable();
        let whole: BTreeSet<usize> = there.iter().map(|(_, index)| *index).collect();
        let least = if matches!(put.fate, Fate::Acknowledged(_)) { put.records.len() } else { 0 };
        if !there.is_empty() && put.fate == Fate::NotDone {
            history.violation(format!("put {id} to {stream} was refused and is there"));
        }
        let count = there.len();
        if count < least || (count > 0 && count != put.records.len()) || whole.len() != count {
            history.violation(format!(
                "put {id} to {stream}: {count} of {} records are there, {} of them unlike ({:?})",
                put.records.len(),
                whole.len(),
                put.fate
            ));
        }
        for pair in there.windows(2).filter(|pair| pair[0].0.shard() == pair[1].0.shard()) {
            let adjacent = pair[0].0.position_after() == pair[1].0.position();
            if !adjacent || pair[0].1 > pair[1].1 {
                history.violation(format!("put {id} to {stream}: {pair:?} are not adjacent and in order"));
            }
        }
    }
}
