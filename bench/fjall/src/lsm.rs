//! fjall, keyed (shard, position), as well as its interface lets it do this job.

use crate::{AppendArgs, Engine, READERS, RECORDS, Until, WRITERS, Written, appended, records, reopened};
use anyhow::{Context as _, Result, anyhow};
use fjall::config::CompressionPolicy;
use fjall::{CompressionType, Database, Keyspace, KeyspaceCreateOptions, KvSeparationOptions, PersistMode};
use serde_json::Value;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Instant;

fn open(engine: Engine, directory: &Path) -> Result<(Database, Keyspace)> {
    // The data is noise: nothing would come of compressing it.
    let database = Database::builder(directory).journal_compression(CompressionType::None).open()?;
    let keyspace = database.keyspace("records", || {
        let options =
            KeyspaceCreateOptions::default().data_block_compression_policy(CompressionPolicy::disabled());
        match engine {
            Engine::FjallBatches => options
                .with_kv_separation(Some(KvSeparationOptions::default().compression(CompressionType::None))),
            Engine::Embedded | Engine::FjallRecords => options,
        }
    })?;
    Ok((database, keyspace))
}

fn key(shard: u64, position: u64) -> [u8; 16] {
    ((u128::from(shard) << 64) | u128::from(position)).to_be_bytes()
}

pub(crate) fn append(arguments: &AppendArgs) -> Result<Value> {
    let (database, keyspace) = open(arguments.engine, &arguments.directory)?;
    let (commit, until) = (GroupCommit::default(), Until::new(arguments));
    let all = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|shard| {
                let (engine, database, keyspace) = (arguments.engine, &database, &keyspace);
                let commit = &commit;
                scope.spawn(move || write(engine, database, keyspace, commit, shard, until))
            })
            .collect();
        writers.into_iter().map(join).collect::<Result<Vec<_>>>()
    })?;
    let result = appended(&until, &all);
    // Left open, as by a process that is killed.
    std::mem::forget((database, keyspace));
    result
}

fn join<T>(thread: std::thread::ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    thread.join().map_err(|_| anyhow!("a thread panicked"))?
}

fn write(
    engine: Engine,
    database: &Database,
    keyspace: &Keyspace,
    commit: &GroupCommit,
    shard: u64,
    until: Until,
) -> Result<Written> {
    let records = records(shard);
    let mut written = Written::new()?;
    while until.goes_on(written.batches) {
        let started = Instant::now();
        let first = written.batches * u64::from(RECORDS);
        if engine == Engine::FjallBatches {
            keyspace.insert(key(shard, first), records.concat())?;
        } else {
            let mut batch = database.batch().durability(None);
            for (record, position) in records.iter().zip(first..) {
                batch.insert(keyspace, key(shard, position), record.as_slice());
            }
            batch.commit()?;
        }
        commit.sync(database)?;
        written.note(&until, started);
    }
    Ok(written)
}

/// One fdatasync for all who wait: whoever comes while one is under way shares the next.
#[derive(Debug, Default)]
struct GroupCommit {
    state: Mutex<State>,
    done: Condvar,
}

#[derive(Debug, Default)]
struct State {
    asked: u64,
    synced: u64,
    is_syncing: bool,
}

impl GroupCommit {
    /// Returns when everything that this thread has written is on the disk.
    fn sync(&self, database: &Database) -> Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.asked += 1;
        let own = state.asked;
        while state.synced < own {
            if state.is_syncing {
                state = self.done.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            state.is_syncing = true;
            let all = state.asked;
            drop(state);
            let synced = database.persist(PersistMode::SyncData);
            state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.is_syncing = false;
            synced.context("fjall cannot sync")?;
            state.synced = all;
            self.done.notify_all();
        }
        Ok(())
    }
}

pub(crate) fn reopen(engine: Engine, directory: &Path) -> Result<Value> {
    let started = Instant::now();
    let (_database, keyspace) = open(engine, directory)?;
    let opening = started.elapsed();
    let keyspace = Arc::new(keyspace);
    let started = Instant::now();
    let bytes = std::thread::scope(|scope| {
        let readers: Vec<_> = (0..READERS)
            .map(|reader| {
                let keyspace = keyspace.clone();
                scope.spawn(move || read(&keyspace, reader))
            })
            .collect();
        readers.into_iter().map(join).sum::<Result<u64>>()
    })?;
    Ok(reopened(opening, started.elapsed(), bytes, directory))
}

fn read(keyspace: &Keyspace, reader: u64) -> Result<u64> {
    let mut bytes = 0;
    for shard in (reader..WRITERS).step_by(usize::try_from(READERS)?) {
        for item in keyspace.prefix(shard.to_be_bytes()) {
            bytes += item.value()?.len() as u64;
        }
    }
    Ok(bytes)
}
