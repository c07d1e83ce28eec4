//! One log group in memory: what it is, its streams, and its segments without their events.

use super::segment::Summary;
use super::{GroupInfo, StreamInfo};
use crate::caps;
use millstream_types::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The file in a group's directory that says what group it is.
pub(super) const META: &str = "group.json";
const VERSION: u32 = 1;

/// What [`META`] holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Meta {
    pub(super) version: u32,
    /// The group's name, with account and region before it if they are not the server's own.
    pub(super) key: String,
    pub(super) created: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) retention_days: Option<u32>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) tags: BTreeMap<String, String>,
}

impl Meta {
    pub(super) fn new(key: String, created: Timestamp, tags: BTreeMap<String, String>) -> Self {
        Self { version: VERSION, key, created, retention_days: None, tags }
    }

    /// Whether this version of Millstream knows how to read it.
    pub(super) fn is_known(&self) -> bool {
        self.version == VERSION
    }
}

#[derive(Debug)]
pub(super) struct Segment {
    pub(super) number: u64,
    pub(super) summary: Summary,
    /// Entries may still be added.
    pub(super) open: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Stream {
    pub(super) name: Arc<str>,
    pub(super) created: Timestamp,
    pub(super) asked_for: bool,
}

#[derive(Debug)]
pub(super) struct Group {
    pub(super) meta: Meta,
    pub(super) directory: PathBuf,
    /// Oldest first; only the last may be open.
    pub(super) segments: VecDeque<Segment>,
    /// By id. What segments hold of other ids was deleted.
    pub(super) streams: HashMap<u64, Stream>,
    pub(super) names: BTreeMap<Arc<str>, u64>,
    /// Indexes of streams in the open segment, by id.
    pub(super) indexes: HashMap<u64, u32>,
}

impl Group {
    pub(super) fn new(meta: Meta, directory: PathBuf) -> Self {
        Self {
            meta,
            directory,
            segments: VecDeque::new(),
            streams: HashMap::new(),
            names: BTreeMap::new(),
            indexes: HashMap::new(),
        }
    }

    /// With the segments that were found on the disk, oldest first.
    pub(super) fn restore(&mut self, segments: Vec<Segment>) {
        let gone: HashSet<u64> = segments.iter().flat_map(|segment| segment.summary.gone.clone()).collect();
        for span in segments.iter().flat_map(|segment| &segment.summary.spans) {
            if !gone.contains(&span.id) && !self.streams.contains_key(&span.id) {
                self.add_stream(span.id, &span.name, span.created, span.asked_for);
            }
        }
        self.segments = segments.into();
        if let Some(open) = self.segments.back().filter(|segment| segment.open) {
            let ids = open.summary.spans.iter().map(|span| span.id);
            self.indexes = ids.zip(0..).collect();
        }
    }

    pub(super) fn key(&self) -> &str {
        &self.meta.key
    }

    pub(super) fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.summary.bytes).sum()
    }

    pub(super) fn spans(&self) -> usize {
        self.segments.iter().map(|segment| segment.summary.spans.len()).sum()
    }

    pub(super) fn info(&self) -> GroupInfo {
        GroupInfo {
            key: self.meta.key.clone(),
            created: self.meta.created,
            retention_days: self.meta.retention_days,
            bytes: self.bytes(),
        }
    }

    pub(super) fn stream_infos(&self) -> Vec<StreamInfo> {
        let mut infos: HashMap<u64, StreamInfo> = HashMap::with_capacity(self.streams.len());
        for (id, stream) in &self.streams {
            let info = StreamInfo {
                name: stream.name.clone(),
                created: stream.created,
                events: None,
                ingested: None,
            };
            infos.insert(*id, info);
        }
        for span in self.segments.iter().flat_map(|segment| &segment.summary.spans) {
            if let Some(info) = infos.get_mut(&span.id).filter(|_| span.events > 0) {
                let (first, last) = info.events.unwrap_or((span.first, span.last));
                info.events = Some((first.min(span.first), last.max(span.last)));
                info.ingested = info.ingested.max(Some(span.ingested));
            }
        }
        self.names.values().filter_map(|id| infos.remove(id)).collect()
    }

    pub(super) fn add_stream(&mut self, id: u64, name: &str, created: Timestamp, asked_for: bool) {
        let name: Arc<str> = name.into();
        self.names.insert(name.clone(), id);
        self.streams.insert(id, Stream { name, created, asked_for });
    }

    pub(super) fn remove_stream(&mut self, id: u64) {
        if let Some(stream) = self.streams.remove(&id) {
            self.names.remove(&stream.name);
        }
    }

    pub(super) fn path(&self, number: u64) -> PathBuf {
        segment_path(&self.directory, number)
    }

    /// What of a segment must not go with it: streams that were asked for and are nowhere else, and the deletions of what is
    /// still in others.
    pub(super) fn kept_of(&self, number: u64) -> (Vec<u64>, Vec<u64>) {
        let Some(segment) = self.segments.iter().find(|segment| segment.number == number) else {
            return (Vec::new(), Vec::new());
        };
        let others = self.segments.iter().filter(|other| other.number != number);
        let elsewhere: HashSet<u64> =
            others.flat_map(|other| other.summary.spans.iter().map(|span| span.id)).collect();
        let asked_for = |id: &u64| self.streams.get(id).is_some_and(|stream| stream.asked_for);
        let ids = segment.summary.spans.iter().map(|span| span.id);
        let streams = ids.filter(|id| asked_for(id) && !elsewhere.contains(id)).collect();
        let gone = segment.summary.gone.iter().copied().filter(|id| elsewhere.contains(id)).collect();
        (streams, gone)
    }

    /// Forget a segment, and the streams that were in it alone and that nobody asked for.
    pub(super) fn forget(&mut self, number: u64) {
        let Some(at) = self.segments.iter().position(|segment| segment.number == number) else { return };
        let Some(segment) = self.segments.remove(at) else { return };
        if segment.open {
            self.indexes.clear();
        }
        let elsewhere: HashSet<u64> =
            self.segments.iter().flat_map(|other| other.summary.spans.iter().map(|span| span.id)).collect();
        for span in &segment.summary.spans {
            let asked_for = self.streams.get(&span.id).is_some_and(|stream| stream.asked_for);
            if !asked_for && !elsewhere.contains(&span.id) {
                self.remove_stream(span.id);
            }
        }
    }

    /// Whether the open segment takes no more.
    pub(super) fn is_full(&self, segment_bytes: u64) -> bool {
        self.segments.back().is_some_and(|segment| {
            let summary = &segment.summary;
            segment.open
                && (summary.bytes >= segment_bytes
                    || summary.spans.len() >= caps::STREAMS_PER_SEGMENT
                    || summary.gone.len() >= caps::STREAMS_PER_SEGMENT)
        })
    }
}

pub(super) fn segment_path(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("{number:016}.log"))
}
