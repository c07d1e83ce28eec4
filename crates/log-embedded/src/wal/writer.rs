use super::entry::Entry;
use super::files::{self, FIRST_GROUP, WalFile};
use super::group::{BLOCK, GroupHeader, HEADER, padded};
use super::spares::Spares;
use crate::Shared;
use crate::caps;
use crate::index::Place;
use crate::memory_tail::MemoryTail;
use crate::queue::{Command, Work};
use crate::shard::{Change, Shard};
use crate::stats::Counters;
use millstream_log::{AppendError, Appended, Batch, Completion, Refused, RetentionClass, StoredBatch};
use millstream_types::{LogShard, Position, Timestamp};
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;

/// A shard as the writer sees it: ahead of readers by the group under way.
#[derive(Debug)]
pub(crate) struct Tracked {
    pub(crate) shard: Arc<Shard>,
    pub(crate) next: Position,
    pub(crate) newest: Option<Timestamp>,
    pub(crate) earliest: Position,
    /// What the group under way adds.
    pending: Vec<(Place, Option<StoredBatch>)>,
    /// The group that touched it last.
    touched: u64,
}

impl Tracked {
    pub(crate) fn new(shard: Arc<Shard>) -> Self {
        let zero = Position::ZERO;
        Self { shard, next: zero, newest: None, earliest: zero, pending: Vec::new(), touched: 0 }
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
    shards: HashMap<LogShard, Tracked>,
    memory: MemoryTail,
    group: Group,
}

/// The group under way.
#[derive(Debug, Default)]
struct Group {
    /// Header, entries and padding; kept from group to group.
    buffer: Vec<u8>,
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
        self.buffer.clear();
        self.buffer.resize(HEADER, 0);
        self.entries = 0;
        self.touched.clear();
    }

    fn push(&mut self, entry: &Entry<'_>) {
        entry.encode(&mut self.buffer);
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
        spares: Spares,
        end: End,
        shards: HashMap<LogShard, Tracked>,
        memory_tail_bytes: u64,
    ) -> Self {
        let memory = MemoryTail::new(memory_tail_bytes);
        Self { shared, spares, end, retry: None, shards, memory, group: Group::default() }
    }

    /// Bytes of entries that one group may have, unless a single call has more.
    pub(crate) fn group_bytes(&self) -> u64 {
        caps::GROUP_BYTES.min(self.shared.call_bytes)
    }

    /// Whether the newest groups have no witness yet, and this file has room for one: a mark is not worth another file.
    pub(crate) fn wants_mark(&self) -> bool {
        !self.end.marked && self.end.has_room(BLOCK) && self.shared.failstop.reason().is_none()
    }

    /// Write these commands as one group and complete them.
    pub(crate) fn commit(&mut self, commands: Vec<Command>) {
        let bytes = commands.iter().map(|command| command.work.encoded_len()).sum();
        if let Err(refused) = self.make_room(bytes) {
            for command in commands {
                command.completion.complete(Err(refused.clone().into()));
            }
            return;
        }
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

    /// Write a group that says nothing but that the groups before it are durable.
    pub(crate) fn mark(&mut self) {
        if !self.wants_mark() {
            return;
        }
        self.group.clear();
        self.group.push(&Entry::Mark);
        // A failure stops the log, which is all there is to do about it: nobody waits for a mark.
        if self.write().is_ok() {
            self.end.marked = true;
        }
    }

    /// Go to the next file if a group with entries of this size does not fit into this one.
    fn make_room(&mut self, bytes: u64) -> Result<(), Refused> {
        if let Some(reason) = self.shared.failstop.reason() {
            return Err(Refused::Stopped(reason.to_owned()));
        }
        let bytes = padded(HEADER as u64 + bytes);
        if !self.end.has_room(bytes) {
            self.rotate()?;
        } else if self.end.offset > self.end.file.len / 2 && self.retry.is_none() {
            self.spares.prepare();
        }
        Ok(())
    }

    fn rotate(&mut self) -> Result<(), Refused> {
        // Each attempt writes to the disk until it fails: not one for every call.
        if self.retry.is_some_and(|retry| self.shared.clock.monotonic() < retry) {
            return Err(Refused::NoSpace);
        }
        match self.spares.take() {
            Ok((file, new)) => {
                if self.retry.take().is_some() {
                    tracing::info!("there is another WAL file again; appends are taken");
                }
                if new {
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
            let (count, crc) = (batch.count, batch.crc);
            let offset = self.end.offset + self.group.buffer.len() as u64;
            self.group.push(&Entry::Append { shard, first, timestamp, count, crc, body: &batch.body });
            let place = place(self.end.file.number, offset, first, timestamp, &batch);
            batch.timestamp = timestamp;
            tracked.next = first.plus(u64::from(count));
            tracked.newest = Some(timestamp);
            tracked.pending.push((place, Some(StoredBatch { first, batch })));
            self.group.touch(tracked, self.end.next);
        }
        Ok(appended)
    }

    fn stage_create(&mut self, id: LogShard, class: RetentionClass) {
        if self.shards.contains_key(&id) {
            return;
        }
        let shard = Shard::new(id);
        self.group.push(&Entry::Create { shard: id, class });
        self.group.changes.push(Change::Created(Arc::clone(&shard)));
        self.shards.insert(id, Tracked::new(shard));
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
        let body = &self.group.buffer[HEADER..];
        let header = GroupHeader {
            salt: self.end.file.salt,
            number: self.end.next,
            durable: self.end.next - 1,
            length: u32::try_from(body.len()).expect("a group fits into a file of at most 1 GiB"),
            entries: self.group.entries,
            body_crc: crc32c::crc32c(body),
        };
        self.group.buffer[..HEADER].copy_from_slice(&header.encode());
        let bytes = padded(self.group.buffer.len() as u64);
        self.group.buffer.resize(usize::try_from(bytes).expect("it is in memory but for its padding"), 0);
        self.put().map_err(|(what, error)| self.shared.failstop.stop(what, &error).to_owned())?;
        self.end.offset += bytes;
        self.end.next += 1;
        self.end.marked = false;
        let counters = &self.shared.counters;
        Counters::add(&counters.groups, 1);
        Counters::add(&counters.syncs, 1);
        Counters::add(&counters.bytes, bytes);
        Ok(())
    }

    fn put(&self) -> Result<(), (&'static str, io::Error)> {
        let file = &self.end.file.file;
        file.write_all_at(self.end.offset, &[&self.group.buffer])
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
        let mut freed = self.shared.shards.apply(std::mem::take(&mut self.group.changes));
        let mut held = 0;
        for shard in &self.group.touched {
            // A shard that the same group dropped is gone.
            let Some(tracked) = self.shards.get_mut(shard) else { continue };
            for stored in tracked.pending.iter().filter_map(|(_, stored)| stored.as_ref()) {
                held += crate::shard::memory_cost(stored);
                self.memory.hold(&tracked.shard, stored);
            }
            freed += tracked.shard.publish(tracked.pending.drain(..), tracked.earliest);
        }
        freed += self.memory.evict();
        let bytes = &self.shared.counters.memory_tail_bytes;
        bytes.fetch_add(held, Ordering::Relaxed);
        bytes.fetch_sub(freed, Ordering::Relaxed);
    }
}

fn place(file: u32, offset: u64, first: Position, timestamp: Timestamp, batch: &Batch) -> Place {
    let small = "a WAL file is at most 1 GiB";
    Place {
        first,
        timestamp,
        file,
        offset: u32::try_from(offset).expect(small),
        length: u32::try_from(batch.body.len()).expect(small),
        count: batch.count,
    }
}
