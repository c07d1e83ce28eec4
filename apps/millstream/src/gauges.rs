//! What the metrics page reads from the parts of the server.

use millstream_front::Gauge;
use millstream_functions::Functions;
use millstream_log_embedded::EmbeddedLog;
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
        Gauge { name, help, read: Box::new(move || single(read(&functions) as u64)) }
    };
    vec![
        of("function_workers_busy", "Workers with an invocation", |functions| functions.workers().busy),
        of("function_workers_idle", "Workers kept warm", |functions| functions.workers().idle),
        of("function_workers_limit", "Workers there may be", |functions| functions.workers().limit),
    ]
}

pub(crate) fn mappings(mappings: &Mappings) -> Vec<Gauge> {
    let of = |name, help, read: fn(&LaneStatus) -> u64| {
        let mappings = mappings.clone();
        let read_all = move || {
            let lanes = mappings.statuses();
            lanes.iter().map(|lane| (labels(lane), float(read(lane)))).collect()
        };
        Gauge { name, help, read: Box::new(read_all) }
    };
    vec![
        of("mapping_iterator_age_milliseconds", "Age of the oldest record read and not processed", |lane| {
            lane.iterator_age_ms
        }),
        of("mapping_records", "Records processed since the server started", |lane| lane.records),
        of("mapping_invocations", "Invocations since the server started", |lane| lane.invocations),
        of("mapping_errors", "Failed invocations since the server started", |lane| lane.errors),
        of("mapping_attempt", "Failed attempts at the batch under way", |lane| u64::from(lane.attempt)),
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
    let of = |name, help, read: fn(&EmbeddedLog) -> u64| {
        let log = log.clone();
        Gauge { name, help, read: Box::new(move || single(read(&log))) }
    };
    vec![
        of("log_groups", "Groups committed since the server started", |log| log.stats().groups),
        of("log_bytes", "Bytes written to the write-ahead log since the server started", |log| {
            log.stats().bytes
        }),
        of("log_memory_tail_bytes", "Recent records kept in memory", |log| log.stats().memory_tail_bytes),
        of("log_wal_bytes", "Size of the write-ahead log on disk", |log| log.stats().wal_bytes),
    ]
}
