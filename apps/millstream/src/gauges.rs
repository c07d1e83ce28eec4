//! What the metrics page reads from the parts of the server.

use millstream_front::{Gauge, ReadGauge};
use millstream_functions::Functions;
use millstream_kinesis::Kinesis;
use millstream_log::Log;
use millstream_log_embedded::{EmbeddedLog, Stats};
use millstream_logs::{Store, StoreStats};
use millstream_mapping::{LaneStatus, Mappings};
use std::sync::Arc;

#[expect(clippy::cast_precision_loss, reason = "a metric is a float")]
fn float(value: u64) -> f64 {
    value as f64
}

fn single(value: u64) -> Vec<(Vec<(&'static str, String)>, f64)> {
    vec![(Vec::new(), float(value))]
}

pub(crate) fn functions(functions: &Functions) -> Vec<Gauge> {
    let of = |name, help, read: fn(&Functions) -> usize| {
        let functions = functions.clone();
        Gauge::new(name, help, Box::new(move || single(read(&functions) as u64)))
    };
    vec![
        of("function_workers_busy", "Workers with an invocation", |functions| functions.workers().busy),
        of("function_workers_idle", "Workers kept warm", |functions| functions.workers().idle),
        of("function_workers_limit", "Workers there may be", |functions| functions.workers().limit),
    ]
}

pub(crate) fn function_logs(store: &Store) -> Vec<Gauge> {
    let read_one = |read: fn(StoreStats) -> u64| -> ReadGauge {
        let store = store.clone();
        Box::new(move || single(read(store.stats())))
    };
    vec![
        Gauge::new("function_log_groups", "Log groups kept", read_one(|stats| stats.groups)),
        Gauge::new("function_log_bytes", "Size of functions' logs on disk", read_one(|stats| stats.bytes)),
        Gauge::new(
            "function_log_disk_full",
            "1 while the disk is so full that what functions print is not kept",
            read_one(|stats| u64::from(stats.disk_full)),
        ),
        Gauge::counter(
            "function_log_dropped_lines",
            "Lines of functions that could not be kept",
            read_one(|stats| stats.dropped_lines),
        ),
    ]
}

pub(crate) fn limits(kinesis: &Kinesis) -> Gauge {
    let kinesis = kinesis.clone();
    let read = move || {
        let throttles = kinesis.throttles();
        throttles.into_iter().map(|(limit, met)| (vec![("limit", limit.to_owned())], float(met))).collect()
    };
    let help = "Records and calls that were refused because of a limit, by the limit's name";
    Gauge::counter("throttled", help, Box::new(read))
}

pub(crate) fn mappings(mappings: &Mappings) -> Vec<Gauge> {
    let read_all = |read: fn(&LaneStatus) -> u64| -> ReadGauge {
        let mappings = mappings.clone();
        Box::new(move || {
            let lanes = mappings.statuses();
            lanes.iter().map(|lane| (labels(lane), float(read(lane)))).collect()
        })
    };
    let now = |name, help, read| Gauge::new(name, help, read_all(read));
    let total = |name, help, read| Gauge::counter(name, help, read_all(read));
    vec![
        now("mapping_iterator_age_milliseconds", "Age of the oldest record read and not processed", |lane| {
            lane.iterator_age_ms
        }),
        total("mapping_records", "Records processed since the server started", |lane| lane.records),
        total("mapping_invocations", "Invocations since the server started", |lane| lane.invocations),
        total("mapping_errors", "Failed invocations since the server started", |lane| lane.errors),
        total("mapping_filtered_records", "Records that no filter let pass", |lane| lane.filtered),
        total("mapping_given_up_records", "Records given up by retries or age", |lane| lane.given_up),
        total(
            "mapping_destination_errors",
            "Times that a failure destination did not take a record",
            |lane| lane.destination_errors,
        ),
        now("mapping_attempt", "Failed attempts at the batch under way", |lane| u64::from(lane.attempt)),
    ]
}

fn labels(lane: &LaneStatus) -> Vec<(&'static str, String)> {
    vec![
        ("mapping", lane.mapping.clone()),
        ("stream", lane.stream.clone()),
        ("function", lane.function.clone()),
        ("shard", lane.shard.to_string()),
    ]
}

pub(crate) fn log(log: &Arc<EmbeddedLog>) -> Vec<Gauge> {
    let read_one = |read: fn(&Stats) -> u64| -> ReadGauge {
        let log = log.clone();
        Box::new(move || single(read(&log.stats())))
    };
    let now = |name, help, read| Gauge::new(name, help, read_one(read));
    let total = |name, help, read| Gauge::counter(name, help, read_one(read));
    let stopped = log.clone();
    let stopped = Box::new(move || single(u64::from(stopped.stopped().is_some())));
    let last_sync = log.clone();
    let last_sync = Box::new(move || vec![(Vec::new(), last_sync.stats().last_sync.as_secs_f64())]);
    vec![
        Gauge::new(
            "log_stopped",
            "1 when the log has stopped taking writes; /_millstream/health says why",
            stopped,
        ),
        total("log_groups", "Groups committed to the write-ahead log", |stats| stats.groups),
        total("log_calls", "Requests that those groups carried", |stats| stats.calls),
        total("log_written_bytes", "Bytes written to the write-ahead log", |stats| stats.bytes),
        total("log_syncs", "Syncs of the write-ahead log", |stats| stats.syncs),
        Gauge::new("log_last_sync_seconds", "How long the newest sync took", last_sync),
        now("log_memory_tail_bytes", "Recent records kept in memory", |stats| stats.memory_tail_bytes),
        now("log_shards", "Shards that the log holds", |stats| stats.shards),
        now("log_wal_disk_bytes", "Size of the write-ahead log's files, spare ones included", |stats| {
            stats.wal_bytes
        }),
        now("log_unflushed_bytes", "Write-ahead log that is in no segment yet: a start reads it", |stats| {
            stats.unflushed_bytes
        }),
        now("log_segments", "Segment files", |stats| stats.segments),
        now("log_segment_disk_bytes", "Size of the segments on disk", |stats| stats.segment_bytes),
        total("log_flushes", "Flushes of the write-ahead log to segments", |stats| stats.flushes),
        total("log_flush_failures", "Flushes that failed and are tried again", |stats| stats.flush_failures),
        total("log_failed_reads", "Reads of damaged or unreadable records, which were not served", |stats| {
            stats.failed_reads
        }),
    ]
}
