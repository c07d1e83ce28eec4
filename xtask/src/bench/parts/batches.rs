//! Records per second through a function that does nothing, beside a loop in one process that does the same with JSON.

use std::path::Path;
use std::process::Command;

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::bench::context::{Bench, words};
use crate::bench::figures::{count, median, number, percent, shown};
use crate::bench::functions::{self, installed};
use crate::bench::languages::{self, Language, collector};
use crate::bench::report::{Section, Table};
use crate::bench::server::Server;
use crate::os;

const BATCHES: [u32; 3] = [1, 100, 10_000];
const SHARDS: [u32; 2] = [1, 4];
/// Bytes of data in a record: 10,000 of them fit in one event.
const SIZE: u32 = 100;

/// Makes events and parses them, for so many seconds.
type Loop = fn(&Bench, &str) -> anyhow::Result<Value>;

pub(crate) fn run(bench: &Bench) -> anyhow::Result<Section> {
    let mut section = Section::new("Records per second through a function");
    let (server, isolation) = Server::for_functions(bench, "batches", 64)?;
    section.text.push(format!(
        "Records of {SIZE} B that lie in the stream already, through a standard mapping and a warm function that does nothing \
         but parse its event, as every function does; told by the function itself, from its first batches on. Durable, \
         ParallelizationFactor 1, so that a shard has one batch at a time. Beside it a loop in one process, on one core, that \
         does the same work with JSON and nothing else: it makes the event, the data in base64, and parses it; for Rust with \
         the parser of the function, for Python with `json` of the same interpreter. Isolation: {isolation}."
    ));
    section.text.push(bench.provenance());
    for shards in SHARDS {
        let stream = stream_of(shards);
        server.create(bench, &stream, shards)?;
        fill(bench, &server, &stream)?;
    }
    let mut table = Table::new(&[
        "",
        "records per s",
        "of the loop",
        "batches per s",
        "records in a batch",
        "the loop's records per s",
    ]);
    let mut raw = Vec::new();
    let loops: [(Language, Loop); 2] =
        [(languages::native(bench)?, in_rust), (languages::python(bench)?, in_python)];
    for (language, in_process) in loops {
        for batch in BATCHES {
            raw.push(compare(bench, &server, (&language, in_process), batch, &mut table)?);
        }
    }
    section.tables.push(table);
    section.raw = json!(raw);
    Ok(section)
}

fn stream_of(shards: u32) -> String {
    format!("s{shards}")
}

/// More records than a turn can take.
fn fill(bench: &Bench, server: &Server, stream: &str) -> anyhow::Result<()> {
    let bytes = bench.or_quick(600, 60) * 1_000_000;
    let found = bench.load(&words(&format!(
        "put --address {} --stream {stream} --records 500 --size {SIZE} --connections 4 --seconds 600 --warm-up 0 --max-bytes \
         {bytes}",
        server.address
    )))?;
    anyhow::ensure!(
        found["errors"].as_object().is_none_or(serde_json::Map::is_empty),
        "filling a stream: {found}"
    );
    Ok(())
}

fn compare(
    bench: &Bench,
    server: &Server,
    (language, in_process): (&Language, Loop),
    batch: u32,
    table: &mut Table,
) -> anyhow::Result<Value> {
    let mut alone = Vec::new();
    let mut found: Vec<Vec<Value>> = SHARDS.iter().map(|_| Vec::new()).collect();
    for round in 1..=bench.rounds {
        alone.push(in_process(
            bench,
            &format!("--batch {batch} --size {SIZE} --seconds {}", bench.seconds / 2.0),
        )?);
        for (&shards, all) in SHARDS.iter().zip(&mut found) {
            let one = turn(bench, server, language, (shards, batch))?;
            os::say(&format!(
                "{}, batches of {}, {shards} shards, turn {round} of {}: {} records per s",
                language.name,
                count(f64::from(batch)),
                bench.rounds,
                shown(number(&one, &["per_s"]))
            ));
            all.push(one);
        }
    }
    let base = median(&alone, &["per_s"]);
    for (shards, all) in SHARDS.iter().zip(&found) {
        let rate = median(all, &["per_s"]);
        let plural = if *shards == 1 { "" } else { "s" };
        table.row([
            format!("{}, BatchSize {}, {shards} shard{plural}", language.name, count(f64::from(batch))),
            shown(rate),
            percent(rate / base),
            shown(median(all, &["batches_per_s"])),
            shown(median(all, &["batch"])),
            shown(base),
        ]);
    }
    Ok(json!({ "function": language.name, "batch": batch, "loop": alone, "shards": SHARDS, "turns": found }))
}

/// A function and a mapping of its own, from the first record on.
fn turn(
    bench: &Bench,
    server: &Server,
    language: &Language,
    (shards, batch): (u32, u32),
) -> anyhow::Result<Value> {
    let collector = collector()?;
    let name = format!("f{}", collector.rsplit(':').next().unwrap_or_default());
    language.deploy_teller(bench, server, (&name, &collector), &[])?;
    let line =
        format!("collect --collector {collector} --seconds {} --warm-up {}", bench.seconds, bench.warm_up);
    let arguments = words(&line);
    std::thread::scope(|scope| {
        // It listens long before a mapping is made and a worker started.
        let counting = scope.spawn(|| bench.load(&arguments));
        let mapping = functions::map(bench, server, &stream_of(shards), &name, batch);
        let found = counting.join().map_err(|_panic| anyhow::anyhow!("the thread that counts panicked"))?;
        functions::unmap(bench, server, &mapping?, &name)?;
        found
    })
}

fn in_rust(bench: &Bench, arguments: &str) -> anyhow::Result<Value> {
    bench.load(&words(&format!("events {arguments}")))
}

fn in_python(bench: &Bench, arguments: &str) -> anyhow::Result<Value> {
    let (_, program) = installed(bench, "python")?.into_iter().next().context("there is no Python")?;
    let script = os::root().join("bench/functions/python/events.py");
    let mut command = Command::new(Path::new(&program));
    let printed = os::output(command.arg(script).args(words(arguments)))?;
    serde_json::from_str(&printed).with_context(|| format!("the loop in Python printed {printed:?}"))
}
