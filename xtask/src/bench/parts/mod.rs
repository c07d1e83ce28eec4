//! The parts of the benchmark, in the order in which they run and stand in `BENCHMARKS.md`.

mod batches;
mod connections;
mod function_starts;
mod get_records;
mod idle_workers;
mod invoke;
mod library;
mod lifecycle;
mod put_record;
mod put_records;
mod subscribe;

use super::context::Bench;
use super::report::Section;

/// One part.
#[derive(Debug)]
pub(crate) struct Part {
    /// What `--only` and `--skip` call it.
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) run: fn(&Bench) -> anyhow::Result<Section>,
}

/// All of them.
pub(crate) const PARTS: &[Part] = &[
    Part { name: "put-records", about: "PutRecords beside the ladder and the peers", run: put_records::run },
    Part { name: "put-record", about: "PutRecord with 1, 64 and 512 connections", run: put_record::run },
    Part { name: "get-records", about: "GetRecords at the tail and catching up", run: get_records::run },
    Part { name: "subscribe", about: "from a put to its delivery by SubscribeToShard", run: subscribe::run },
    Part {
        name: "connections",
        about: "100,000 idle connections, then a put from each",
        run: connections::run,
    },
    Part { name: "lifecycle", about: "start, memory, 10,000 shards, recovery", run: lifecycle::run },
    Part { name: "library", about: "the log as a library beside fjall", run: library::run },
    Part {
        name: "put-to-invoke",
        about: "from a put to a function's first line, idle and at load",
        run: invoke::run,
    },
    Part {
        name: "batches",
        about: "records per second through a function that does nothing",
        run: batches::run,
    },
    Part {
        name: "function-starts",
        about: "cold and warm invocations of each runtime",
        run: function_starts::run,
    },
    Part { name: "idle-workers", about: "1,000 warm workers with nothing to do", run: idle_workers::run },
];
