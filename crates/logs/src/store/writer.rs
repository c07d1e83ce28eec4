//! The thread that writes.

use super::group::{Group, META, Meta, Segment};
use super::job::{Ask, Done, Job, Line, Put};
use super::live::LiveEvent;
use super::record::{Entry, HEADER};
use super::segment::{Summary, summary};
use super::{Shared, StoreError};
use crate::caps;
use millstream_host::disk::is_full;
use millstream_host::{entropy, fs};
use millstream_types::Timestamp;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub(super) struct Writer {
    pub(super) shared: Arc<Shared>,
    /// Open segments' files.
    files: HashMap<PathBuf, Arc<File>>,
    looked: Duration,
    swept: Duration,
    /// What was last said of a disk that does not take what it should.
    complained: Option<Duration>,
}

/// Lines and events of one group that are written together.
#[derive(Default)]
struct Batch {
    lines: Vec<Line>,
    puts: Vec<Put>,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            files: HashMap::new(),
            looked: Duration::ZERO,
            swept: Duration::ZERO,
            complained: None,
        }
    }

    /// Until the queue is closed.
    pub(super) fn run(mut self) {
        self.look();
        loop {
            let (jobs, closed) = self.shared.queue.take(caps::LOOK_EVERY);
            let idle = jobs.is_empty();
            self.work(jobs);
            let now = self.shared.options.clock.monotonic();
            if now.saturating_sub(self.looked) >= caps::LOOK_EVERY {
                self.looked = now;
                self.look();
                self.make_room();
            }
            if now.saturating_sub(self.swept) >= caps::SWEEP_EVERY {
                self.swept = now;
                self.sweep();
            }
            if closed && idle {
                return;
            }
        }
    }

    fn work(&mut self, jobs: impl IntoIterator<Item = Job>) {
        let mut batches: BTreeMap<String, Batch> = BTreeMap::new();
        for job in jobs {
            match job {
                Job::Line(line) => batches.entry(line.key.clone()).or_default().lines.push(line),
                Job::Put(put) => batches.entry(put.key.clone()).or_default().puts.push(put),
                Job::Ask { key, what, done } => {
                    self.write_all(&mut batches);
                    let result = self.change(key, what);
                    answer(done, result);
                }
                Job::Barrier(done) => {
                    self.write_all(&mut batches);
                    answer(done, Ok(()));
                }
            }
        }
        self.write_all(&mut batches);
    }

    fn write_all(&mut self, batches: &mut BTreeMap<String, Batch>) {
        for (key, batch) in std::mem::take(batches) {
            self.write_lines(&key, &batch.lines);
            if !batch.puts.is_empty() {
                self.write_puts(&key, batch.puts);
            }
        }
    }

    fn write_lines(&mut self, key: &str, lines: &[Line]) {
        if lines.is_empty() {
            return;
        }
        let count = lines.len() as u64;
        self.shared
            .lives
            .tell(key, lines.iter().map(|line| live(&line.stream, line.at, line.at, &line.text)));
        let disk_full = self.shared.state().disk_full;
        let kept = if disk_full { Err(StoreError::NoRoom) } else { self.keep_lines(key, lines) };
        if let Err(error) = kept {
            self.shared.drop_lines(count);
            if !disk_full {
                self.complain(&error);
            }
        }
    }

    fn keep_lines(&mut self, key: &str, lines: &[Line]) -> Result<(), StoreError> {
        if !self.shared.state().groups.contains_key(key) {
            self.create_group(key.to_owned(), BTreeMap::new())?;
        }
        let events = lines.iter().map(|line| (line.stream.as_str(), line.at, line.text.as_str()));
        self.append(key, events, Some(false)).map(drop)
    }

    /// Write events that clients sent, sync once, then tell them.
    fn write_puts(&mut self, key: &str, puts: Vec<Put>) {
        let mut written: Vec<(Put, Vec<PathBuf>)> = Vec::new();
        let now = self.shared.options.clock.now();
        for put in puts {
            let state = self.shared.state();
            let known = match state.groups.get(key) {
                _ if state.disk_full => Err(StoreError::NoRoom),
                None => Err(StoreError::NoGroup),
                Some(group) if !group.names.contains_key(put.stream.as_str()) => Err(StoreError::NoStream),
                Some(_) => Ok(()),
            };
            drop(state);
            let events = put.events.iter().map(|(at, text)| (put.stream.as_str(), *at, text.as_str()));
            match known.and_then(|()| self.append(key, events, None)) {
                Ok(paths) => written.push((put, paths)),
                Err(error) => answer(put.done, Err(error)),
            }
        }
        let mut paths: Vec<&PathBuf> = written.iter().flat_map(|(_, paths)| paths).collect();
        paths.sort_unstable();
        paths.dedup();
        let synced = paths.into_iter().try_for_each(|path| self.sync(path)).map_err(|error| failed(&error));
        for (put, _) in written {
            if synced.is_ok() {
                let events = put.events.iter();
                self.shared.lives.tell(key, events.map(|(at, text)| live(&put.stream, *at, now, text)));
            }
            answer(put.done, synced.clone());
        }
    }

    /// Write events to a group's segments and say which. `make_streams`: streams that are not there are made, as asked for by
    /// somebody or not.
    fn append<'a>(
        &mut self,
        key: &str,
        events: impl Iterator<Item = (&'a str, Timestamp, &'a str)>,
        make_streams: Option<bool>,
    ) -> Result<Vec<PathBuf>, StoreError> {
        let mut events = events.peekable();
        let mut paths = Vec::new();
        while events.peek().is_some() {
            let path = self.open_segment(key)?;
            let mut bytes = Vec::new();
            let from = {
                let now = self.shared.options.clock.now();
                let segment_bytes = self.shared.options.segment_bytes;
                let mut state = self.shared.state();
                let mut number = state.number;
                let group = state.groups.get_mut(key).ok_or(StoreError::NoGroup)?;
                let from = group.segments.back().map_or(0, |segment| segment.summary.bytes);
                while let Some((stream, at, text)) = events.next_if(|_| !group.is_full(segment_bytes)) {
                    let index = stream_index(group, stream, now, make_streams, &mut bytes)?;
                    number += 1;
                    let entry = Entry::Event { index, timestamp: at, ingested: now, number, text };
                    note(group, &entry, &mut bytes);
                }
                state.number = number;
                from
            };
            self.write(key, &path, from, &bytes)?;
            paths.push(path);
        }
        Ok(paths)
    }

    /// Write to the open segment. What could not be written is as if it had never been.
    fn write(&mut self, key: &str, path: &Path, from: u64, bytes: &[u8]) -> Result<(), StoreError> {
        let file = self.file(path).map_err(|error| failed(&error))?;
        let Err(error) = file.write_all_at(bytes, from) else { return Ok(()) };
        let cut = file.set_len(from);
        self.files.remove(path);
        let found = cut.and_then(|()| summary(path)).ok().flatten();
        let mut state = self.shared.state();
        if let Some(group) = state.groups.get_mut(key)
            && let Some(segment) = group.segments.back_mut()
        {
            segment.open = false;
            segment.summary = found.unwrap_or_default();
            group.indexes.clear();
        }
        Err(failed(&error))
    }

    fn file(&mut self, path: &Path) -> io::Result<Arc<File>> {
        if let Some(file) = self.files.get(path) {
            return Ok(file.clone());
        }
        if self.files.len() >= caps::OPEN_FILES {
            self.files.clear();
        }
        let file = Arc::new(fs::open_for_writing(path)?);
        self.files.insert(path.to_owned(), file.clone());
        Ok(file)
    }

    /// The group's open segment, which is begun if there is none or if it is full.
    fn open_segment(&mut self, key: &str) -> Result<PathBuf, StoreError> {
        let full = {
            let state = self.shared.state();
            let group = state.groups.get(key).ok_or(StoreError::NoGroup)?;
            match group.segments.back().filter(|segment| segment.open) {
                Some(segment) if !group.is_full(self.shared.options.segment_bytes) => {
                    return Ok(group.path(segment.number));
                }
                open => open.is_some(),
            }
        };
        if full {
            self.close_segment(key);
            self.make_room();
        }
        self.begin_segment(key).map_err(|error| failed(&error))
    }

    fn begin_segment(&mut self, key: &str) -> io::Result<PathBuf> {
        let (mut number, directory) = {
            let state = self.shared.state();
            let group = state.groups.get(key).ok_or(io::ErrorKind::NotFound)?;
            (group.segments.back().map_or(1, |segment| segment.number + 1), group.directory.clone())
        };
        let (path, file) = loop {
            let path = super::group::segment_path(&directory, number);
            match fs::create_new(&path) {
                Ok(file) => break (path, file),
                // One of another format, which was left alone.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(error),
            }
        };
        if let Err(error) = file.write_all_at(&HEADER, 0) {
            fs::remove_file(&path)?;
            return Err(error);
        }
        self.files.insert(path.clone(), Arc::new(file));
        let summary = Summary { bytes: HEADER.len() as u64, ..Summary::default() };
        if let Some(group) = self.shared.state().groups.get_mut(key) {
            group.indexes.clear();
            group.segments.push_back(Segment { number, summary, open: true });
        }
        Ok(path)
    }

    /// Make what was written to a segment durable, and its name.
    fn sync(&mut self, path: &Path) -> io::Result<()> {
        self.file(path)?.sync_data()?;
        path.parent().map_or(Ok(()), fs::sync_dir)
    }

    /// Nothing is added to the open segment any more.
    fn close_segment(&mut self, key: &str) {
        let closed = {
            let mut state = self.shared.state();
            let Some(group) = state.groups.get_mut(key) else { return };
            group.indexes.clear();
            let directory = group.directory.clone();
            group.segments.back_mut().filter(|segment| segment.open).map(|segment| {
                segment.open = false;
                let path = super::group::segment_path(&directory, segment.number);
                (path, serde_json::to_vec(&segment.summary))
            })
        };
        let Some((path, text)) = closed else { return };
        self.files.remove(&path);
        let Ok(text) = text else { return };
        // Without it the next start reads the segment instead.
        if let Err(error) = fs::write(&path.with_extension("json"), &text) {
            tracing::debug!(%error, "the summary of a segment could not be written");
        }
    }

    fn change(&mut self, key: String, what: Ask) -> Result<(), StoreError> {
        match what {
            Ask::CreateGroup { tags } => {
                if self.shared.state().groups.contains_key(&key) {
                    return Err(StoreError::GroupExists);
                }
                self.create_group(key, tags)
            }
            Ask::DeleteGroup => self.delete_group(&key),
            Ask::SetRetention { days } => self.set_retention(&key, days),
            Ask::CreateStream { name } => self.create_stream(&key, &name),
            Ask::DeleteStream { name } => self.delete_stream(&key, &name),
        }
    }

    fn create_group(&mut self, key: String, tags: BTreeMap<String, String>) -> Result<(), StoreError> {
        {
            let state = self.shared.state();
            if state.disk_full {
                return Err(StoreError::NoRoom);
            }
            if state.groups.len() >= caps::GROUPS {
                return Err(StoreError::TooMany { what: "log groups", limit: caps::GROUPS });
            }
        }
        let directory = self.shared.directory.join(format!("group-{:016x}", entropy::u64()));
        let meta = Meta::new(key, self.shared.options.clock.now(), tags);
        let made = fs::create_dir_all(&directory)
            .and_then(|()| write_meta(&directory, &meta))
            .and_then(|()| fs::sync_dir(&self.shared.directory));
        if let Err(error) = made {
            // A directory without a group is removed at the next start.
            drop(fs::remove_dir_all(&directory));
            return Err(failed(&error));
        }
        self.shared.state().groups.insert(meta.key.clone(), Group::new(meta, directory));
        Ok(())
    }

    fn delete_group(&mut self, key: &str) -> Result<(), StoreError> {
        let directory = self.group_directory(key)?;
        fs::remove_file(&directory.join(META))
            .and_then(|()| fs::sync_dir(&directory))
            .map_err(|error| failed(&error))?;
        self.shared.state().groups.remove(key);
        self.files.retain(|path, _| !path.starts_with(&directory));
        if let Err(error) = fs::remove_dir_all(&directory) {
            tracing::warn!(%error, "a deleted log group's files are removed at the next start");
        }
        Ok(())
    }

    fn set_retention(&mut self, key: &str, days: Option<u32>) -> Result<(), StoreError> {
        let directory = self.group_directory(key)?;
        let mut meta = self.shared.state().groups.get(key).map(|group| group.meta.clone());
        let meta = meta.as_mut().ok_or(StoreError::NoGroup)?;
        meta.retention_days = days;
        write_meta(&directory, meta).map_err(|error| failed(&error))?;
        if let Some(group) = self.shared.state().groups.get_mut(key) {
            group.meta.retention_days = days;
        }
        Ok(())
    }

    fn group_directory(&self, key: &str) -> Result<PathBuf, StoreError> {
        let state = self.shared.state();
        state.groups.get(key).map(|group| group.directory.clone()).ok_or(StoreError::NoGroup)
    }

    fn create_stream(&mut self, key: &str, name: &str) -> Result<(), StoreError> {
        {
            let state = self.shared.state();
            let group = state.groups.get(key).ok_or(StoreError::NoGroup)?;
            if group.names.contains_key(name) {
                return Err(StoreError::StreamExists);
            }
            if state.disk_full {
                return Err(StoreError::NoRoom);
            }
            if group.streams.len() >= caps::STREAMS_PER_GROUP || state.spans() >= caps::SPANS {
                let limit = caps::STREAMS_PER_GROUP;
                return Err(StoreError::TooMany { what: "log streams in this log group", limit });
            }
        }
        self.declare(key, |group, now, bytes| {
            let id = entropy::u64();
            group.add_stream(id, name, now, true);
            declare_stream(group, id, bytes);
        })
    }

    fn delete_stream(&mut self, key: &str, name: &str) -> Result<(), StoreError> {
        let id = {
            let state = self.shared.state();
            let group = state.groups.get(key).ok_or(StoreError::NoGroup)?;
            *group.names.get(name).ok_or(StoreError::NoStream)?
        };
        self.declare(key, |group, _, bytes| {
            note(group, &Entry::Gone { id }, bytes);
            group.indexes.remove(&id);
            group.remove_stream(id);
        })
    }

    /// Write entries that are no events, and sync them.
    pub(super) fn declare(
        &mut self,
        key: &str,
        entries: impl FnOnce(&mut Group, Timestamp, &mut Vec<u8>),
    ) -> Result<(), StoreError> {
        let path = self.open_segment(key)?;
        let mut bytes = Vec::new();
        let from = {
            let now = self.shared.options.clock.now();
            let mut state = self.shared.state();
            let group = state.groups.get_mut(key).ok_or(StoreError::NoGroup)?;
            let from = group.segments.back().map_or(0, |segment| segment.summary.bytes);
            entries(group, now, &mut bytes);
            from
        };
        self.write(key, &path, from, &bytes)?;
        self.sync(&path).map_err(|error| failed(&error))
    }

    pub(super) fn forget_file(&mut self, path: &Path) {
        self.files.remove(path);
    }

    pub(super) fn close(&mut self, key: &str) {
        self.close_segment(key);
    }

    /// Once a minute at most: a disk that is full would fill the log of the server too.
    fn complain(&mut self, error: &StoreError) {
        let now = self.shared.options.clock.monotonic();
        if self.complained.is_none_or(|last| now.saturating_sub(last) >= caps::SWEEP_EVERY) {
            self.complained = Some(now);
            tracing::warn!(%error, "what functions print is not kept; they run on");
        }
    }
}

/// The index of a stream in the open segment, where it is declared if it is not yet.
fn stream_index(
    group: &mut Group,
    name: &str,
    now: Timestamp,
    make: Option<bool>,
    bytes: &mut Vec<u8>,
) -> Result<u32, StoreError> {
    let known = group.names.get(name).copied();
    let id = match (known, make) {
        (Some(id), _) => id,
        (None, Some(asked_for)) => {
            let id = entropy::u64();
            group.add_stream(id, name, now, asked_for);
            id
        }
        (None, None) => return Err(StoreError::NoStream),
    };
    Ok(match group.indexes.get(&id) {
        Some(index) => *index,
        None => declare_stream(group, id, bytes),
    })
}

/// Say in the open segment what stream it is; returns its index there.
pub(super) fn declare_stream(group: &mut Group, id: u64, bytes: &mut Vec<u8>) -> u32 {
    let Some(stream) = group.streams.get(&id).cloned() else { return u32::MAX };
    let index = group.segments.back().map_or(0, |segment| segment.summary.spans.len());
    let index = u32::try_from(index).unwrap_or(u32::MAX);
    let name = &*stream.name;
    note(
        group,
        &Entry::Stream { index, id, created: stream.created, asked_for: stream.asked_for, name },
        bytes,
    );
    group.indexes.insert(id, index);
    index
}

/// Add an entry to the open segment in memory, and its bytes to what is written.
pub(super) fn note(group: &mut Group, entry: &Entry<'_>, bytes: &mut Vec<u8>) {
    let before = bytes.len();
    entry.write(bytes);
    if let Some(segment) = group.segments.back_mut() {
        segment.summary.add(entry);
        segment.summary.bytes += (bytes.len() - before) as u64;
    }
}

fn live(stream: &str, timestamp: Timestamp, ingested: Timestamp, text: &str) -> LiveEvent {
    LiveEvent { group: 0, stream: stream.to_owned(), timestamp, ingested, text: text.to_owned() }
}

fn write_meta(directory: &Path, meta: &Meta) -> io::Result<()> {
    fs::write_durable(&directory.join(META), &serde_json::to_vec_pretty(meta)?)
}

fn failed(error: &io::Error) -> StoreError {
    if is_full(error) { StoreError::NoRoom } else { StoreError::Io(error.to_string()) }
}

fn answer(done: Done, result: Result<(), StoreError>) {
    // Who asked may have gone.
    drop(done.send(result));
}
