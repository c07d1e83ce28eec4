//! What the clients did and saw, and the laws that can be checked as it happens. `laws.rs` has those of the end.

use millstream_types::SequenceNumber;
use std::collections::BTreeMap;

/// A record as it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    pub key: String,
    /// Names the put and the record's place in it, so that every record ever sent is unlike every other.
    pub data: String,
}

/// A record as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub number: SequenceNumber,
    pub key: String,
    pub data: String,
    /// `ApproximateArrivalTimestamp`, as written.
    pub arrival: String,
}

/// What a client knows of a put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// No answer came, or one that says that the outcome is unknown.
    Unknown,
    /// The answer says that nothing was done, or the request never left.
    NotDone,
    /// The sequence number of each record.
    Acknowledged(Vec<SequenceNumber>),
}

/// One PutRecord or PutRecords.
#[derive(Clone, Debug)]
pub(crate) struct Put {
    pub stream: String,
    pub records: Vec<Sent>,
    pub fate: Fate,
    /// The highest number acknowledged before this put began: of each shard, and of each of its partition keys.
    shard_floor: BTreeMap<u64, SequenceNumber>,
    key_floor: BTreeMap<String, SequenceNumber>,
}

/// What the clients know of a stream.
#[expect(clippy::struct_excessive_bools, reason = "facts that are learnt one by one, not states")]
#[derive(Clone, Debug, Default)]
pub(crate) struct StreamLife {
    pub active: bool,
    pub shards: u64,
    pub delete_asked: bool,
    /// Somebody asked to split or merge. While that is under way, what a closing shard takes is shown a moment later
    /// than it is acknowledged.
    pub reshard_asked: bool,
    pub deleted: bool,
}

#[derive(Debug, Default)]
pub(crate) struct History {
    pub puts: Vec<Put>,
    pub streams: BTreeMap<String, StreamLife>,
    /// What stands where, as told by an acknowledgement or seen by a reader: stream and number to put and record.
    pub(crate) places: BTreeMap<(String, SequenceNumber), Place>,
    shard_tops: BTreeMap<(String, u64), SequenceNumber>,
    key_tops: BTreeMap<(String, String), SequenceNumber>,
    /// The position after the last record of a closed shard, once a reader was told.
    ends: BTreeMap<(String, u64), u64>,
    violations: Vec<String>,
    pub reads: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) put: usize,
    pub(crate) index: usize,
    /// Known once a reader saw it.
    pub(crate) arrival: Option<String>,
}

impl History {
    pub(crate) fn violation(&mut self, what: String) {
        self.violations.push(what);
    }

    pub(crate) fn violations(&self) -> &[String] {
        &self.violations
    }

    /// Streams that are there for all that the clients know.
    pub(crate) fn live_streams(&self) -> Vec<String> {
        let live = self.streams.iter().filter(|(_, life)| life.active && !life.delete_asked);
        live.map(|(name, _)| name.clone()).collect()
    }

    pub(crate) fn stream(&mut self, name: &str) -> &mut StreamLife {
        self.streams.entry(name.to_owned()).or_default()
    }

    /// A put of records with these keys and sizes begins.
    pub(crate) fn begin(&mut self, stream: &str, drafts: Vec<(String, usize)>) -> usize {
        let id = self.puts.len();
        let records: Vec<Sent> = drafts
            .into_iter()
            .zip(0..)
            .map(|((key, size), index)| Sent { key, data: format!("{id}#{index}|{}", "x".repeat(size)) })
            .collect();
        let tops = self.shard_tops.iter().filter(|((of, _), _)| of == stream);
        let shard_floor = tops.map(|((_, shard), number)| (*shard, *number)).collect();
        let key_floor = records.iter().filter_map(|record| {
            let top = self.key_tops.get(&(stream.to_owned(), record.key.clone()))?;
            Some((record.key.clone(), *top))
        });
        let key_floor = key_floor.collect();
        let stream = stream.to_owned();
        self.puts.push(Put { stream, records, fate: Fate::Unknown, shard_floor, key_floor });
        id
    }

    pub(crate) fn not_done(&mut self, put: usize) {
        self.puts[put].fate = Fate::NotDone;
    }

    /// The server says that the records are durable, and where.
    pub(crate) fn acknowledged(&mut self, id: usize, numbers: Vec<SequenceNumber>) {
        let put = self.puts[id].clone();
        if numbers.len() != put.records.len() {
            self.violation(format!("put {id}: {} records, {} numbers", put.records.len(), numbers.len()));
            return;
        }
        let mut last: BTreeMap<u64, SequenceNumber> = BTreeMap::new();
        for (index, (number, record)) in numbers.iter().zip(&put.records).enumerate() {
            let shard = number.shard().0;
            let floor = put.shard_floor.get(&shard).max(put.key_floor.get(&record.key));
            if floor.is_some_and(|floor| number <= floor) {
                self.violation(format!(
                    "order: put {id} record {index} is at {number}, not after {floor:?}, acknowledged before it began"
                ));
            }
            if let Some(before) = last.insert(shard, *number)
                && before.position_after() != number.position()
            {
                self.violation(format!(
                    "order: put {id} record {index} at {number} does not follow {before}"
                ));
            }
            self.place(&put.stream, *number, Place { put: id, index, arrival: None });
            let top = self.shard_tops.entry((put.stream.clone(), shard)).or_insert(*number);
            *top = (*top).max(*number);
            let top = self.key_tops.entry((put.stream.clone(), record.key.clone())).or_insert(*number);
            *top = (*top).max(*number);
        }
        self.puts[id].fate = Fate::Acknowledged(numbers);
    }

    /// The position after the last record that was acknowledged on a shard.
    pub(crate) fn acknowledged_end(&self, stream: &str, shard: u64) -> u64 {
        let top = self.shard_tops.get(&(stream.to_owned(), shard));
        top.map_or(0, |number| number.position_after().0)
    }

    /// The position that a reader must come to who asks now, as far as it can be known.
    pub(crate) fn visible_end(&self, stream: &str, shard: u64) -> u64 {
        let resharding = self.streams.get(stream).is_some_and(|life| life.reshard_asked);
        if resharding { 0 } else { self.acknowledged_end(stream, shard) }
    }

    /// A reader got a record.
    pub(crate) fn seen(&mut self, stream: &str, shard: u64, record: &Seen) {
        self.reads += 1;
        let Some((put, index)) = identity(&record.data) else {
            self.violation(format!("{stream} {}: data that nobody sent: {:?}", record.number, record.data));
            return;
        };
        let sent = self.puts.get(put).filter(|put| put.stream == stream);
        let sent = sent.and_then(|put| put.records.get(index));
        if sent.is_none_or(|sent| sent.data != record.data || sent.key != record.key) {
            self.violation(format!("{stream} {}: not as sent: {record:?}", record.number));
            return;
        }
        if record.number.shard().0 != shard {
            self.violation(format!("{stream} {}: read from shard {shard}", record.number));
        }
        self.place(stream, record.number, Place { put, index, arrival: Some(record.arrival.clone()) });
    }

    /// A reader is told that a shard has ended at a position, for good.
    fn ended(&mut self, stream: &str, shard: u64, end: u64) {
        let known = *self.ends.entry((stream.to_owned(), shard)).or_insert(end);
        let acknowledged = self.acknowledged_end(stream, shard);
        if known != end || acknowledged > end {
            self.violation(format!(
                "{stream} shard {shard} is said to end at {end}, was said to end at {known}, and {acknowledged} was \
                 acknowledged"
            ));
        }
    }

    /// The same record stands at the same number for ever.
    fn place(&mut self, stream: &str, number: SequenceNumber, found: Place) {
        let end = self.ends.get(&(stream.to_owned(), number.shard().0)).copied();
        if end.is_some_and(|end| number.position().0 >= end) {
            self.violation(format!("{stream} {number}: its shard had ended at {end:?}"));
        }
        let known = self.places.entry((stream.to_owned(), number)).or_insert_with(|| found.clone());
        if (known.put, known.index) != (found.put, found.index) {
            let known = known.clone();
            self.violation(format!(
                "{stream} {number}: record {}#{} and record {}#{} are both said to stand there",
                known.put, known.index, found.put, found.index
            ));
        } else if known.arrival.is_none() {
            known.arrival = found.arrival;
        } else if found.arrival.is_some() && known.arrival != found.arrival {
            let known = known.arrival.clone();
            self.violation(format!("{stream} {number}: arrived at {known:?} and at {:?}", found.arrival));
        }
    }
}

/// Which put, and which of its records.
pub(crate) fn identity(data: &str) -> Option<(usize, usize)> {
    let (put, index) = data.split_once('|')?.0.split_once('#')?;
    Some((put.parse().ok()?, index.parse().ok()?))
}

/// One reader's way through one shard, over any number of requests, connections and crashes.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub stream: String,
    pub shard: u64,
    /// The next position, once it is known.
    pub next: Option<u64>,
    /// No record before this position may come.
    pub least: u64,
    pub last: Option<SequenceNumber>,
}

impl Session {
    pub(crate) fn take(&mut self, history: &mut History, records: &[Seen]) {
        for record in records {
            let position = record.number.position().0;
            let wrong = match self.next {
                Some(next) => next != position,
                None => position < self.least,
            };
            if wrong {
                let (stream, number) = (&self.stream, record.number);
                history.violation(format!(
                    "once, dense, in order: {stream} {number} at position {position} where {:?} (at least {}) was due",
                    self.next, self.least
                ));
            }
            history.seen(&self.stream, self.shard, record);
            self.next = Some(position + 1);
            self.last = Some(record.number);
        }
    }

    /// The server says that the shard has ended and that there will never be more.
    pub(crate) fn at_end(&self, history: &mut History) {
        if let Some(next) = self.next {
            history.ended(&self.stream, self.shard, next);
        }
    }

    /// The server says that there is no more yet; `end` is where acknowledgements had come to when it was asked.
    pub(crate) fn at_tail(&self, history: &mut History, end: u64) {
        if self.next.is_some_and(|next| next < end) {
            history.violation(format!(
                "acknowledged and not delivered: {} shard {} is said to end at {:?}, and {end} was acknowledged",
                self.stream, self.shard, self.next
            ));
        }
    }
}
