//! The embedded log through the trait that the server uses.

use crate::{
    AppendArgs, BATCH_BYTES, READERS, RECORDS, Until, WRITERS, Written, appended, records, reopened,
};
use anyhow::{Context as _, Result, ensure};
use millstream_log::{BatchBuilder, Log, ReadLimit, RetentionClass};
use millstream_log_embedded::{EmbeddedLog, Options};
use millstream_types::{LogShard, Position, Timestamp};
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

const MAX_WAIT: Duration = Duration::from_mins(1);

// Log shard 0 is the control plane's; the writers have 1 to 16.

/// What one read may bring.
const READ_BYTES: usize = 4 << 20;

fn runtime() -> Result<Runtime> {
    Ok(Builder::new_multi_thread().enable_all().build()?)
}

pub(crate) fn append(arguments: &AppendArgs) -> Result<Value> {
    let (log, _) = EmbeddedLog::open(&Options::in_directory(&arguments.directory)?)?;
    let log: Arc<dyn Log> = Arc::new(log);
    let result = runtime()?.block_on(async {
        for shard in 1..=WRITERS {
            log.create(LogShard(shard), RetentionClass::Hours(24)).await?;
        }
        let until = Until::new(arguments);
        let mut tasks = JoinSet::new();
        for shard in 1..=WRITERS {
            tasks.spawn(write(log.clone(), LogShard(shard), until));
        }
        let mut all = Vec::new();
        while let Some(written) = tasks.join_next().await {
            all.push(written.context("a writer panicked")??);
        }
        appended(&until, &all)
    });
    // Left open, as by a process that is killed.
    std::mem::forget(log);
    result
}

async fn write(log: Arc<dyn Log>, shard: LogShard, until: Until) -> Result<Written> {
    let records = records(shard.0);
    let mut written = Written::new()?;
    while until.goes_on(written.batches) {
        let started = Instant::now();
        // Copying the records and their checksum are part of an append.
        let capacity = usize::try_from(BATCH_BYTES)? + records.len() * BatchBuilder::OVERHEAD;
        let mut builder = BatchBuilder::with_capacity(capacity);
        for record in &records {
            builder.push(record);
        }
        let batch = builder.finish(now()?);
        log.append(vec![(shard, batch)], MAX_WAIT).await?.durable().await?;
        written.note(&until, started);
    }
    Ok(written)
}

fn now() -> Result<Timestamp> {
    let millis = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
    Ok(Timestamp::from_millis(u64::try_from(millis)?))
}

pub(crate) fn reopen(directory: &Path) -> Result<Value> {
    let started = Instant::now();
    let (log, _) = EmbeddedLog::open(&Options::in_directory(directory)?)?;
    let opening = started.elapsed();
    let log: Arc<dyn Log> = Arc::new(log);
    runtime()?.block_on(async {
        let started = Instant::now();
        let mut tasks = JoinSet::new();
        for reader in 0..READERS {
            tasks.spawn(read(log.clone(), reader));
        }
        let mut bytes = 0;
        while let Some(read) = tasks.join_next().await {
            bytes += read.context("a reader panicked")??;
        }
        let reading = started.elapsed();
        log.close().await;
        Ok(reopened(opening, reading, bytes, directory))
    })
}

async fn read(log: Arc<dyn Log>, reader: u64) -> Result<u64> {
    let limit = ReadLimit { records: usize::MAX, bytes: READ_BYTES };
    let mut bytes = 0;
    for shard in (reader + 1..=WRITERS).step_by(usize::try_from(READERS)?) {
        let mut at = Position(0);
        loop {
            let chunk = log.read(LogShard(shard), at, limit).await?;
            let Some(last) = chunk.batches.last() else { break };
            at = last.end();
            for stored in &chunk.batches {
                ensure!(stored.batch.count == RECORDS, "a batch of {} records", stored.batch.count);
                bytes += stored.batch.records().map(|record| record.len() as u64).sum::<u64>();
            }
        }
    }
    Ok(bytes)
}
