//! Pages of events, in the order of their times.

use super::segment::visit;
use super::sweep::horizon;
use super::{Shared, StoreError};
use crate::caps;
use crate::filter::Filter;
use millstream_host::fs;
use millstream_types::Timestamp;
use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// Where an event is among the others of its group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) timestamp: Timestamp,
    pub(crate) number: u64,
}

/// Which streams of a group.
#[derive(Clone, Debug)]
pub(crate) enum Streams {
    All,
    /// One that must be there.
    One(String),
    /// Those of these that are there.
    Named(Vec<String>),
    Prefix(String),
}

#[derive(Clone, Debug)]
pub(crate) struct Query {
    pub(crate) key: String,
    pub(crate) streams: Streams,
    /// Times from the first to before the second.
    pub(crate) times: (Timestamp, Timestamp),
    /// Only what is beyond this, in the direction of reading.
    pub(crate) beyond: Option<Place>,
    pub(crate) newest_first: bool,
    pub(crate) limit: usize,
    pub(crate) filter: Option<Arc<Filter>>,
}

#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) place: Place,
    pub(crate) stream: Arc<str>,
    pub(crate) ingested: Timestamp,
    pub(crate) text: String,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Page {
    /// In the direction of reading.
    pub(crate) events: Vec<Event>,
    /// Beyond this there may be more.
    pub(crate) next: Option<Place>,
}

/// A segment that may have something.
struct Candidate {
    path: PathBuf,
    bytes: u64,
    first: Timestamp,
    last: Timestamp,
}

/// What a query asks of a group as it is now.
struct Wanted<'a> {
    query: &'a Query,
    times: (Timestamp, Timestamp),
    streams: HashMap<u64, Arc<str>>,
}

pub(super) fn page(shared: &Shared, query: &Query) -> Result<Page, StoreError> {
    let (wanted, candidates) = candidates(shared, query)?;
    let mut found = Found { query, events: Vec::new(), cut: false };
    let mut read = 0;
    for candidate in &candidates {
        // Sorted by the end that comes first: what is not read yet is beyond it.
        let frontier = if query.newest_first { candidate.last } else { candidate.first };
        if found.is_complete_before(frontier) {
            break;
        }
        if read >= caps::SCAN_BYTES && found.can_stop_at(frontier, wanted.start()) {
            return Ok(found.page_up_to(frontier));
        }
        read += candidate.bytes;
        match fs::read(&candidate.path) {
            Ok(bytes) => visit(&bytes, |event| found.take(&wanted, &event)),
            // It has just gone for its age.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(StoreError::Io(error.to_string())),
        }
        found.trim();
    }
    Ok(found.page())
}

fn candidates<'a>(shared: &Shared, query: &'a Query) -> Result<(Wanted<'a>, Vec<Candidate>), StoreError> {
    let state = shared.state();
    let group = state.groups.get(&query.key).ok_or(StoreError::NoGroup)?;
    let known = |name: &String| {
        let (name, id) = group.names.get_key_value(name.as_str())?;
        Some((*id, name.clone()))
    };
    let all = || group.names.iter().map(|(name, id)| (*id, name.clone()));
    let streams: HashMap<u64, Arc<str>> = match &query.streams {
        Streams::All => all().collect(),
        Streams::One(name) => [known(name).ok_or(StoreError::NoStream)?].into(),
        Streams::Named(names) => names.iter().filter_map(known).collect(),
        Streams::Prefix(prefix) => all().filter(|(_, name)| name.starts_with(prefix.as_str())).collect(),
    };
    let horizon = horizon(group, shared.options.retention_days, shared.options.clock.now());
    let times = (query.times.0.max(horizon), query.times.1);
    let wanted = Wanted { query, times, streams };
    let mut candidates: Vec<Candidate> = group
        .segments
        .iter()
        .filter(|segment| segment.summary.events > 0 && wanted.may_be_in(&segment.summary))
        .map(|segment| Candidate {
            path: group.path(segment.number),
            bytes: segment.summary.bytes,
            first: segment.summary.first,
            last: segment.summary.last,
        })
        .collect();
    drop(state);
    if query.newest_first {
        candidates.sort_by_key(|candidate| std::cmp::Reverse(candidate.last));
    } else {
        candidates.sort_by_key(|candidate| candidate.first);
    }
    Ok((wanted, candidates))
}

impl Wanted<'_> {
    fn may_be_in(&self, summary: &super::segment::Summary) -> bool {
        let beyond = self.query.beyond.is_none_or(|place| {
            if self.query.newest_first {
                summary.first <= place.timestamp
            } else {
                summary.last >= place.timestamp
            }
        });
        let in_time = summary.last >= self.times.0 && summary.first < self.times.1;
        beyond
            && in_time
            && summary.spans.iter().any(|span| span.events > 0 && self.streams.contains_key(&span.id))
    }

    fn takes(&self, event: &super::segment::Found<'_>, place: Place) -> bool {
        let (start, end) = self.times;
        let beyond =
            self.query.beyond.is_none_or(|at| if self.query.newest_first { place < at } else { place > at });
        beyond
            && (start..end).contains(&event.timestamp)
            && self.streams.contains_key(&event.stream)
            && self.query.filter.as_ref().is_none_or(|filter| filter.takes(event.text))
    }

    /// Where reading begins: the time before which, in its direction, nothing is asked for.
    fn start(&self) -> Timestamp {
        let beyond = self.query.beyond.map(|place| place.timestamp);
        if self.query.newest_first {
            beyond.map_or(self.times.1, |place| place.min(self.times.1))
        } else {
            beyond.map_or(self.times.0, |place| place.max(self.times.0))
        }
    }
}

/// The first events of what was asked for, as far as they are known.
struct Found<'a> {
    query: &'a Query,
    events: Vec<Event>,
    /// There are more.
    cut: bool,
}

impl Found<'_> {
    fn take(&mut self, wanted: &Wanted<'_>, event: &super::segment::Found<'_>) {
        let place = Place { timestamp: event.timestamp, number: event.number };
        if !wanted.takes(event, place) {
            return;
        }
        let Some(stream) = wanted.streams.get(&event.stream) else { return };
        let (ingested, text) = (event.ingested, event.text.to_owned());
        self.events.push(Event { place, stream: stream.clone(), ingested, text });
        if self.events.len() > 2 * self.query.limit + 1_024 {
            self.trim();
        }
    }

    /// Keep what fits on a page.
    fn trim(&mut self) {
        if self.query.newest_first {
            self.events.sort_by_key(|event| std::cmp::Reverse(event.place));
        } else {
            self.events.sort_by_key(|event| event.place);
        }
        let mut bytes = 0;
        let fits = self.events.iter().take_while(|event| {
            bytes += event.text.len() + caps::BATCH_EVENT_BYTES;
            bytes <= caps::PAGE_BYTES
        });
        let fits = fits.count().min(self.query.limit).max(1);
        if self.events.len() > fits {
            self.events.truncate(fits);
            self.cut = true;
        }
    }

    /// Whether nothing from `frontier` on, in the direction of reading, could find a place on the page.
    fn is_complete_before(&self, frontier: Timestamp) -> bool {
        self.cut
            && self.events.last().is_some_and(|last| {
                let last = last.place.timestamp;
                if self.query.newest_first { frontier < last } else { frontier > last }
            })
    }

    /// Whether stopping there would get somebody further who began at `start`.
    fn can_stop_at(&self, frontier: Timestamp, start: Timestamp) -> bool {
        if self.query.newest_first { frontier < start } else { frontier > start }
    }

    /// What is certain before `frontier`, and the rest for later.
    fn page_up_to(mut self, frontier: Timestamp) -> Page {
        let newest_first = self.query.newest_first;
        let certain = |event: &Event| {
            if newest_first { event.place.timestamp > frontier } else { event.place.timestamp < frontier }
        };
        let known = self.events.len();
        self.events.retain(certain);
        if self.cut && self.events.len() == known {
            return self.page();
        }
        let next = if newest_first {
            Place { timestamp: frontier.plus_millis(1), number: 0 }
        } else {
            Place { timestamp: frontier.minus_millis(1), number: u64::MAX }
        };
        Page { events: self.events, next: Some(next) }
    }

    fn page(self) -> Page {
        let next = self.events.last().filter(|_| self.cut).map(|event| event.place);
        Page { events: self.events, next }
    }
}
