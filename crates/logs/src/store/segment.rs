//! One file of a group's events, and what is known of it without reading it.

use super::record::{Entries, Entry};
use millstream_host::fs;
use millstream_types::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::io;
use std::path::Path;

/// What a segment holds of one stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Span {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) created: Timestamp,
    /// Made by CreateLogStream: it stays when its events are gone.
    pub(super) asked_for: bool,
    pub(super) events: u64,
    /// Of its events; 0 where there are none.
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
    pub(super) ingested: Timestamp,
}

/// A segment without its events. Written beside a closed segment, so that a start need not read them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Summary {
    /// Whole entries, in bytes, with the header.
    pub(super) bytes: u64,
    /// Least and greatest time of an event.
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
    /// When the newest event came.
    pub(super) ingested: Timestamp,
    /// When the first entry was written.
    pub(super) begun: Timestamp,
    /// The greatest number of an event.
    pub(super) number: u64,
    pub(super) events: u64,
    /// By index.
    pub(super) spans: Vec<Span>,
    /// Streams that were deleted while this was the newest segment.
    pub(super) gone: Vec<u64>,
}

impl Summary {
    /// Take note of an entry.
    pub(super) fn add(&mut self, entry: &Entry<'_>) {
        match *entry {
            Entry::Stream { id, created, asked_for, name, .. } => {
                if self.begun == Timestamp::ZERO {
                    self.begun = created;
                }
                self.spans.push(Span {
                    id,
                    name: name.to_owned(),
                    created,
                    asked_for,
                    events: 0,
                    first: Timestamp::ZERO,
                    last: Timestamp::ZERO,
                    ingested: Timestamp::ZERO,
                });
            }
            Entry::Event { index, timestamp, ingested, number, .. } => {
                let none_yet = self.events == 0;
                self.first = if none_yet { timestamp } else { self.first.min(timestamp) };
                self.begun = if none_yet { ingested } else { self.begun };
                self.last = self.last.max(timestamp);
                self.ingested = self.ingested.max(ingested);
                self.number = self.number.max(number);
                self.events += 1;
                if let Some(span) = self.spans.get_mut(index as usize) {
                    span.first = if span.events == 0 { timestamp } else { span.first.min(timestamp) };
                    span.last = span.last.max(timestamp);
                    span.ingested = span.ingested.max(ingested);
                    span.events += 1;
                }
            }
            Entry::Gone { id } => self.gone.push(id),
        }
    }

    /// What a segment's bytes hold. `None` if they are none.
    fn of(bytes: &[u8]) -> Option<Self> {
        let mut entries = Entries::of(bytes)?;
        let mut summary = Self::default();
        entries.by_ref().for_each(|entry| summary.add(&entry));
        summary.bytes = entries.valid as u64;
        Some(summary)
    }
}

/// The summary of a segment on the disk: the one beside it, if it fits, else what reading it shows. `None` if the file is no
/// segment.
pub(super) fn summary(path: &Path) -> io::Result<Option<Summary>> {
    let size = fs::stamp(path)?.map_or(0, |stamp| stamp.bytes);
    let beside = fs::read(&path.with_extension("json")).ok();
    let beside = beside.and_then(|text| serde_json::from_slice::<Summary>(&text).ok());
    if let Some(summary) = beside.filter(|summary| summary.bytes == size) {
        return Ok(Some(summary));
    }
    Ok(Summary::of(&fs::read(path)?))
}

/// An event, with its stream's id in the group.
#[derive(Clone, Debug)]
pub(super) struct Found<'a> {
    pub(super) stream: u64,
    pub(super) timestamp: Timestamp,
    pub(super) ingested: Timestamp,
    pub(super) number: u64,
    pub(super) text: &'a str,
}

/// Hand each event of a segment's bytes to `visit`.
pub(super) fn visit<'a>(bytes: &'a [u8], mut visit: impl FnMut(Found<'a>)) {
    let Some(entries) = Entries::of(bytes) else { return };
    let mut streams: HashMap<u32, u64> = HashMap::new();
    for entry in entries {
        match entry {
            Entry::Stream { index, id, .. } => {
                streams.insert(index, id);
            }
            Entry::Event { index, timestamp, ingested, number, text } => {
                if let Some(&stream) = streams.get(&index) {
                    visit(Found { stream, timestamp, ingested, number, text });
                }
            }
            Entry::Gone { .. } => {}
        }
    }
}
