use super::entry::{self, Entry};
use super::files::{self, FIRST_GROUP, Made, WalFile};
use super::group::{BLOCK, GroupHeader, HEADER, padded};
use super::spares::Spares;
use crate::Shared;
use crate::caps;
use crate::checkpoint::{Resume, ShardLine};
use crate::flush::Cut;
use crate::flusher::Flusher;
use crate::index::Place;
use crate::memory_tail::MemoryTail;
use crate::options::Options;
use crate::pieces::Pieces;
use crate::queue::{Command, Work};
use crate::shard::{Change, Gone, Shard};
use crate::stats::Counters;
use millstream_log::{AppendError, Appended, Batch, Completion, Refused, RetentionClass, StoredBatch};
use millstream_types::{LogShard, Position, Timestamp};
use rustc_hash::FxHashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;

/// A shard as the writer sees it: ahead of readers by the group under way.
#[derive(Debug)]
pub(crate) struct Tracked {
    pub(crate) shard: Arc<Shard>,
    pub(crate) class: RetentionClass,
    pub(crate) next: Position,
    pub(crate) newest: Option<Timestamp>,
    pub(crate) earliest: Position,
    /// What the group under way adds.
    pending: Vec<(Place, Option<StoredBatch>)>,
    /// The group that touched it last.
    touched: u64,
}

impl Tracked {
    pub(crate) fn new(id: LogShard, class: RetentionClass) -> Self {
        let zero = Position::ZERO;
        let shard = Shard::new(id);
        Self { shard, class, next: zero, newest: None, earliest: zero, pending: Vec::new(), touched: 0 }
    }

    pub(crate) fn restored(line: &ShardLine) -> Self {
        let ShardLine { shard, class, earliest, next, newest } = *line;
        let shard = Shard::restored(shard, earliest, next, newest);
        Self { shard, class, next, newest, earliest, pending: Vec::new(), touched: 0 }
    }

    fn line(&self) -> ShardLine {
        let Self { ref shard, class, next, newest, earliest, .. } = *self;
        ShardLine { shard: shard.id, class, earliest, next, newest }
    }
}

/// Where the next group goes.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) file: WalFile,
    pub(crate) offset: u64,
    /// The number of the next group.
    pub(crate) next: u64,
    /// Whether the newest group is nothing but a mark.
    pub(crate) marked: bool,
}

impl End {
    fn has_room(&self, bytes: u64) -> bool {
        self.offset + bytes <= self.file.len
    }
}

/// Turns commands into groups, one after the other: encode, write, sync, publish, complete. Synchronous, and the only
/// one who writes.
#[derive(Debug)]
pub(crate) struct Writer {
    shared: Arc<Shared>,
    spares: Spares,
    end: End,
    /// When to try again to go to the next file, which could not be had. By the monotonic clock.
    retry: Option<Duration>,
    shards: FxHashMap<LogShard, Tracked>,
    memory: MemoryTail,
    group: Group,
    flusher: Flusher,
    limits: Limits,
    /// When the oldest group was written that no flush has taken, if there is one. By the monotonic clock.
    oldest: Option<Duration>,
    /// What the batches that no flush has taken count for in the memory tail.
    held: u64,
}

/// When to flush, and what a WAL file has.
#[derive(Clone, Copy, Debug)]
struct Limits {
    file_bytes: u64,
    flush_bytes: u64,
    /// What makes a flush of at least a quarter of that worth while: reading batches back from the WAL, one by one where
    /// they are small and of many shards, costs more than larger segments save.
    flush_held: u64,
    flush_after: Duration,
    replay_bytes: u64,
}

/// The group under way.
#[derive(Debug, Default)]
struct Group {
    /// Header and entries.
    pieces: Pieces,
    entries: u32,
    touched: Vec<LogShard>,
    changes: Vec<Change>,
}

/// A command that has its place in the group, or was refused.
struct Staged {
    outcome: Result<Vec<Appended>, AppendError>,
    completion: Completion,
    permit: Option<OwnedSemaphorePermit>,
}

impl Group {
    fn clear(&mut self) {
        self.pieces.clear();
        self.pieces.buffer.resize(HEADER, 0);
        self.entries = 0;
        self.touched.clear();
    }

    fn push(&mut self, entry: &Entry<'_>) {
        entry.encode(&mut self.pieces.buffer);
        self.entries += 1;
    }

    /// An append. A large body is not copied.
    fn push_append(&mut self, shard: LogShard, stored: &StoredBatch) {
        let StoredBatch { first, batch: Batch { timestamp, count, crc, ref body } } = *stored;
        let entry = Entry::Append { shard, first, timestamp, count, crc, body };
        entry.encode_header(&mut self.pieces.buffer);
        self.pieces.push_body(body);
        self.entries += 1;
    }

    fn touch(&mut self, tracked: &mut Tracked, number: u64) {
        if tracked.touched != number {
            tracked.touched = number;
            self.touched.push(tracked.shard.id);
        }
    }
}

impl Writer {
    pub(crate) fn new(
        shared: Arc<Shared>,
        options: &Options,
        spares: Spares,
        flusher: Flusher,
        end: End,
        shards: FxHashMap<LogShard, Tracked>,
    ) -> Self {
        let memory = MemoryTail::new(options.memory_tail_bytes);
        let limits = Limits {
            file_bytes: options.wal_file_bytes,
            flush_bytes: options.flush_bytes,
            flush_held: flush_held(options),
            flush_after: options.flush_after,
            replay_bytes: options.replay_bytes,
        };
        let replayed = Counters::get(&shared.counters.written) > 0;
        let oldest = replayed.then(|| shared.clock.monotonic());
        let group = Group::default();
        Self { shared, spares, end, retry: None, shards, memory, group, flusher, limits, oldest, held: 0 }
    }

    /// Bytes of entries that one group may have, unless a single call has more.
    pub(crate) fn group_bytes(&self) -> u64 {
        caps::GROUP_BYTES.min(self.shared.call_bytes)
    }

    /// Whether the newest groups have no witness yet, and this file has room for one: a mark is not worth another file,
    /// nor what is kept for those that make room.
    pub(crate) fn wants_mark(&self) -> bool {
        let room = BLOCK + reserve(self.end.file.len);
        !self.end.marked && self.end.has_room(room) && self.shared.failstop.reason().is_none()
    }

    /// Write these commands as one group and complete them.
    pub(crate) fn commit(&mut self, mut commands: Vec<Command>) {
        if let Err(refused) = self.make_room(entries_bytes(&commands), false) {
            // What makes room needs little, and the end of the file is kept for it.
            let makes_room = |command: &Command| self.makes_room(&command.work);
            let (small, others): (Vec<_>, Vec<_>) = commands.into_iter().partition(makes_room);
            refuse(others, &refused);
            if small.is_empty() {
                return;
            }
            if let Err(refused) = self.make_room(entries_bytes(&small), true) {
                refuse(small, &refused);
                return;
            }
            commands = small;
        }
        self.commit_group(commands);
    }

    /// Whether space comes back when this is done: a trim within a segment's run gives none.
    fn makes_room(&self, work: &Work) -> bool {
        match work {
            Work::Drop(_) => true,
            Work::Trim(shard, before) => {
                self.shards.get(shard).is_some_and(|tracked| tracked.shard.frees_a_run(*before))
            }
            // What deletes a stream is a small command in the control plane's shard. The half of the room is left to those
            // above, for not every command there frees something.
            Work::Append(batches) => {
                let is_control = batches.iter().all(|(shard, _)| *shard == LogShard::CONTROL);
                let half = BLOCK + reserve(self.end.file.len) / 2;
                is_control && work.encoded_len() < caps::CONTROL_COMMAND_BYTES && self.end.has_room(half)
            }
            Work::Create(..) => false,
        }
    }

    fn commit_group(&mut self, commands: Vec<Command>) {
        self.group.clear();
        let calls = commands.len() as u64;
        let staged: Vec<Staged> = commands.into_iter().map(|command| self.stage(command)).collect();
        let written = if self.group.entries == 0 { Ok(()) } else { self.write() };
        match written {
            Ok(()) => {
                self.publish();
                Counters::add(&self.shared.counters.calls, calls);
                for staged in staged {
                    // Room for those who wait for it before the caller hears and comes with more.
                    drop(staged.permit);
                    staged.completion.complete(staged.outcome);
                }
            }
            Err(reason) => {
                for staged in staged {
                    let unknown = AppendError::Unknown(reason.clone());
                    staged.completion.complete(staged.outcome.and(Err(unknown)));
                }
            }
        }
    }

    /// How long the writer may sleep if nothing comes; `idle` is how long a log must be quiet to get a mark.
    pub(crate) fn sleep(&self, idle: Duration) -> Option<Duration> {
        let mark = self.wants_mark().then_some(idle);
        let now = self.shared.clock.monotonic();
        let flush = if self.shared.flush.is_busy() || self.shared.segments.has_dead() {
            // Nobody wakes the writer when that changes.
            Some(caps::FLUSH_RETRY)
        } else {
            self.flush_at().map(|at| at.saturating_sub(now).max(idle))
        };
        mark.into_iter().chain(flush).min()
    }

    /// When a flush is due, if nothing more is written and none is under way.
    fn flush_at(&self) -> Option<Duration> {
        if self.shared.flush.is_busy() || self.shared.failstop.reason().is_some() {
            return None;
        }
        if let Some(retry) = self.shared.flush.retry() {
            return Some(retry);
        }
        let Limits { flush_bytes, flush_held, .. } = self.limits;
        let unflushed = self.unflushed();
        if unflushed >= flush_bytes || (self.held >= flush_held && unflushed >= flush_bytes / 4) {
            return Some(Duration::ZERO);
        }
        self.oldest.map(|oldest| oldest.saturating_add(self.limits.flush_after))
    }

    fn unflushed(&self) -> u64 {
        Counters::get(&self.shared.counters.written) - self.shared.flush.flushed()
    }

    /// What is not a caller's business: start a flush if one is due, give back the space of what is gone.
    pub(crate) fn tend(&mut self) {
        if self.shared.segments.has_dead() {
            self.discard();
        }
        if self.shared.segments.has_work() {
            self.flusher.sweep();
        }
        if self.flush_at().is_some_and(|at| at <= self.shared.clock.monotonic()) {
            self.flush();
        }
    }

    /// Have all that is in the WAL brought to segments. Only while no flush is under way.
    pub(crate) fn flush(&mut self) {
        let resume = Resume {
            group: self.end.next - 1,
            file: self.end.file.number,
            salt: self.end.file.salt,
            offset: self.end.offset,
        };
        let shards = self.shards.values().map(|tracked| (Arc::clone(&tracked.shard), tracked.line()));
        let written = Counters::get(&self.shared.counters.written);
        let cut = Cut { resume, written, shards: shards.collect() };
        self.oldest = None;
        self.held = 0;
        self.flusher.flush(cut);
    }

    /// Say in the WAL that a start must not miss the segments of which nothing is left.
    fn discard(&mut self) {
        let most = self.group_bytes() / entry::HEADER as u64;
        let mut dead = self.shared.segments.take_dead();
        while !dead.is_empty() {
            let some = dead.split_off(dead.len().saturating_sub(usize::try_from(most).unwrap_or(1)));
            let said = self.make_room((some.len() * entry::HEADER) as u64, true).is_ok() && {
                self.group.clear();
                for segment in &some {
                    self.group.push(&Entry::Discard { segment: *segment });
                }
                self.write().is_ok()
            };
            if !said {
                dead.extend(some);
                // Another day: the next checkpoint does not name them.
                self.shared.segments.still_dead(dead);
                return;
            }
            self.shared.segments.disown(&some);
        }
    }

    /// Write a group that says nothing but that the groups before it are durable.
    pub(crate) fn mark(&mut self) {
        if !self.wants_mark() {
            return;
        }
        self.group.clear();
        self.group.push(&Entry::Mark);
        let oldest = self.oldest;
        // A failure stops the log, which is all there is to do about it: nobody waits for a mark.
        if self.write().is_ok() {
            self.end.marked = true;
            // A mark is not worth a flush.
            self.oldest = oldest;
        }
    }

    /// Go to the next file if a group with entries of this size does not fit into this one. The end of a file is kept
    /// for what makes room.
    fn make_room(&mut self, bytes: u64, makes_room: bool) -> Result<(), Refused> {
        if let Some(reason) = self.shared.failstop.reason() {
            return Err(Refused::Stopped(reason.to_owned()));
        }
        let bytes = padded(HEADER as u64 + bytes);
        if !makes_room {
            self.hold_back(bytes)?;
        }
        let reserve = if makes_room { 0 } else { reserve(self.end.file.len) };
        // A group that is larger than a file without its reserve gets a file's all.
        let fresh = self.end.offset == FIRST_GROUP && self.end.has_room(bytes);
        if !fresh && !self.end.has_room(bytes + reserve) {
            self.rotate()?;
        } else if self.is_soon_full() && self.retry.is_none() {
            self.spares.prepare();
        }
        Ok(())
    }

    fn is_soon_full(&self) -> bool {
        let End { offset, file, .. } = &self.end;
        *offset > file.len / 2 || file.len < self.limits.file_bytes
    }

    /// A start replays what is in no segment. When that would become too much, writing waits for the flush; and is
    /// refused while flushing does not work.
    fn hold_back(&mut self, bytes: u64) -> Result<(), Refused> {
        while self.unflushed() + bytes > self.limits.replay_bytes {
            let retry = self.shared.flush.retry();
            if retry.is_some_and(|retry| self.shared.clock.monotonic() < retry) {
                return Err(Refused::NoSpace);
            }
            let before = (!self.shared.flush.is_busy()).then(|| self.shared.flush.flushed());
            if before.is_some() {
                self.flush();
            }
            self.shared.flush.wait();
            // Nothing left to flush: what is asked for is more than all.
            if before == Some(self.shared.flush.flushed()) && self.shared.flush.retry().is_none() {
                return Err(Refused::Full);
            }
            if let Some(reason) = self.shared.failstop.reason() {
                return Err(Refused::Stopped(reason.to_owned()));
            }
        }
        Ok(())
    }

    fn rotate(&mut self) -> Result<(), Refused> {
        // Each attempt writes to the disk until it fails: not one for every call.
        if self.retry.is_some_and(|retry| self.shared.clock.monotonic() < retry) {
            return Err(Refused::NoSpace);
        }
        match self.spares.take() {
            Ok(Made { file, is_new }) => {
                if self.retry.take().is_some() {
                    tracing::info!("there is another WAL file again; appends are taken");
                }
                if is_new {
                    Counters::add(&self.shared.counters.wal_bytes, file.len);
                }
                self.end.file = file;
                self.end.offset = FIRST_GROUP;
                Ok(())
            }
            Err(error) if files::passes(&error) => {
                if self.retry.is_none() {
                    tracing::warn!(%error, "no other WAL file can be had; appends are refused until one can");
                }
                self.retry = Some(self.shared.clock.monotonic() + caps::ROTATE_RETRY);
                Err(Refused::NoSpace)
            }
            Err(error) => {
                let reason = self.shared.failstop.stop("making a WAL file", &error);
                Err(Refused::Stopped(reason.to_owned()))
            }
        }
    }

    fn stage(&mut self, command: Command) -> Staged {
        let Command { work, completion, permit } = command;
        let outcome = match work {
            Work::Append(batches) => self.stage_append(batches),
            Work::Create(shard, class) => {
                self.stage_create(shard, class);
                Ok(Vec::new())
            }
            Work::Trim(shard, before) => self.stage_trim(shard, before),
            Work::Drop(shard) => {
                if let Some(tracked) = self.shards.remove(&shard) {
                    self.group.push(&Entry::Drop { shard });
                    self.group.changes.push(Change::Dropped(tracked.shard));
                }
                Ok(Vec::new())
            }
        };
        Staged { outcome, completion, permit }
    }

    fn stage_append(&mut self, batches: Vec<(LogShard, Batch)>) -> Result<Vec<Appended>, AppendError> {
        if let Some((shard, _)) = batches.iter().find(|(shard, _)| !self.shards.contains_key(shard)) {
            return Err(Refused::NoSuchShard(*shard).into());
        }
        let mut appended = Vec::with_capacity(batches.len());
        for (shard, mut batch) in batches {
            let Some(tracked) = self.shards.get_mut(&shard) else { continue };
            let timestamp = tracked.newest.map_or(batch.timestamp, |newest| newest.max(batch.timestamp));
            let first = tracked.next;
            appended.push(Appended { shard, first, timestamp });
            if batch.count == 0 {
                continue;
            }
            let offset = self.end.offset + self.group.pieces.len() as u64;
            batch.timestamp = timestamp;
            let place = place(self.end.file.number, offset, first, &batch);
            let stored = StoredBatch { first, batch };
            self.group.push_append(shard, &stored);
            tracked.next = stored.end();
            tracked.newest = Some(timestamp);
            tracked.pending.push((place, Some(stored)));
            self.group.touch(tracked, self.end.next);
        }
        Ok(appended)
    }

    fn stage_create(&mut self, id: LogShard, class: RetentionClass) {
        if self.shards.contains_key(&id) {
            return;
        }
        let tracked = Tracked::new(id, class);
        self.group.push(&Entry::Create { shard: id, class });
        self.group.changes.push(Change::Created(Arc::clone(&tracked.shard)));
        self.shards.insert(id, tracked);
    }

    fn stage_trim(&mut self, shard: LogShard, before: Position) -> Result<Vec<Appended>, AppendError> {
        let tracked = self.shards.get_mut(&shard).ok_or(Refused::NoSuchShard(shard))?;
        let before = before.min(tracked.next);
        if before > tracked.earliest {
            tracked.earliest = before;
            self.group.push(&Entry::Trim { shard, before });
            self.group.touch(tracked, self.end.next);
        }
        Ok(Vec::new())
    }

    /// Write and sync the group. An error stops the log and is its reason.
    fn write(&mut self) -> Result<(), String> {
        let length = self.group.pieces.len() - HEADER;
        let mut parts = self.group.pieces.parts();
        // Its first part begins with the room for the header, of which the checksum knows nothing.
        parts[0] = &parts[0][HEADER..];
        let header = GroupHeader {
            salt: self.end.file.salt,
            number: self.end.next,
            durable: self.end.next - 1,
            length: u32::try_from(length).expect("a group fits into a file of at most 1 GiB"),
            entries: self.group.entries,
            body_crc: parts.iter().fold(0, |crc, part| crc32c::crc32c_append(crc, part)),
        };
        drop(parts);
        self.group.pieces.buffer[..HEADER].copy_from_slice(&header.encode());
        let bytes = padded(self.group.pieces.len() as u64);
        let padding =
            usize::try_from(bytes).expect("it is in memory but for its padding") - self.group.pieces.len();
        self.group.pieces.buffer.resize(self.group.pieces.buffer.len() + padding, 0);
        let put = self.put();
        // The bodies are their shards' from here on, and go when those let them go.
        self.group.pieces.let_go();
        put.map_err(|(what, error)| self.shared.failstop.stop(what, &error).to_owned())?;
        self.end.offset += bytes;
        self.end.next += 1;
        self.end.marked = false;
        if self.oldest.is_none() {
            self.oldest = Some(self.shared.clock.monotonic());
        }
        let counters = &self.shared.counters;
        Counters::add(&counters.written, bytes);
        Counters::add(&counters.groups, 1);
        Counters::add(&counters.syncs, 1);
        Counters::add(&counters.bytes, bytes);
        Ok(())
    }

    fn put(&self) -> Result<(), (&'static str, io::Error)> {
        let file = &self.end.file.file;
        file.write_all_at(self.end.offset, &self.group.pieces.parts())
            .map_err(|error| ("writing to the WAL", error))?;
        let started = self.shared.clock.monotonic();
        file.sync_data().map_err(|error| ("syncing the WAL", error))?;
        let took = self.shared.clock.monotonic().saturating_sub(started);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.shared.counters.last_sync_micros.store(micros, Ordering::Relaxed);
        Ok(())
    }

    /// Show readers what the group, now durable, did.
    fn publish(&mut self) {
        let mut freed = 0;
        let segments = &self.shared.segments;
        let mut let_go = |shard: LogShard, gone: Gone| {
            freed += gone.memory;
            segments.release(shard, &gone.runs);
        };
        for (shard, gone) in self.shared.shards.apply(std::mem::take(&mut self.group.changes)) {
            let_go(shard, gone);
        }
        let mut held = 0;
        for shard in &self.group.touched {
            // A shard that the same group dropped is gone.
            let Some(tracked) = self.shards.get_mut(shard) else { continue };
            let stored = tracked.pending.iter().filter_map(|(_, stored)| stored.as_ref());
            let cost = stored.map(crate::shard::memory_cost).sum();
            if cost > 0 {
                self.memory.hold(&tracked.shard, tracked.next, cost);
                held += cost;
            }
            let_go(*shard, tracked.shard.publish(tracked.pending.drain(..), tracked.earliest));
        }
        self.held += held;
        freed += self.memory.evict();
        let bytes = &self.shared.counters.memory_tail_bytes;
        bytes.fetch_add(held, Ordering::Relaxed);
        bytes.fetch_sub(freed, Ordering::Relaxed);
    }
}

/// Half of the memory tail; a tail that holds less than the least flush takes never has it all.
fn flush_held(options: &Options) -> u64 {
    let tail = options.memory_tail_bytes;
    if tail < options.flush_bytes / 4 { u64::MAX } else { tail / 2 }
}

/// What is kept at the end of a file for trims, drops and discards, which make room.
fn reserve(file_bytes: u64) -> u64 {
    let eighth = file_bytes / 8;
    (eighth - eighth % BLOCK).min(caps::RESERVE_BYTES)
}

fn refuse(commands: Vec<Command>, refused: &Refused) {
    for command in commands {
        command.completion.complete(Err(refused.clone().into()));
    }
}

fn entries_bytes(commands: &[Command]) -> u64 {
    commands.iter().map(|command| command.work.encoded_len()).sum()
}

fn place(file: u32, offset: u64, first: Position, batch: &Batch) -> Place {
    let small = "a WAL file is at most 1 GiB";
    Place {
        first,
        timestamp: batch.timestamp,
        file,
        offset: u32::try_from(offset).expect(small),
        length: u32::try_from(batch.body.len()).expect(small),
        count: batch.count,
    }
}
