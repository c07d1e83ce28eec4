//! A server's life: from its start to the first answer, memory, many shards, recovery after kill -9.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::bench::context::Bench;
use crate::bench::figures::{count, float, middle, shown};
use crate::bench::process::{Process, Scratch};
use crate::bench::put::fill;
use crate::bench::report::{Section, Table, Target, ms};
use crate::bench::server::{Server, millstream, wal_of};
use crate::bench::system;
use crate::os;

const HEALTH: &str = "/_millstream/health";
const START: Duration = Duration::from_mins(5);

const FIRST_ANSWER_MS: f64 = 50.0;
const IDLE_MB: f64 = 30.0;
const MANY_SHARDS_MS: f64 = 1_000.0;

const GIB: f64 = 1_073_741_824.0;

pub(crate) fn run(bench: &Bench) -> anyhow::Result<Section> {
    let mut section = Section::new("Start, memory, recovery");
    section.text.push(format!("Machine: {}. Measured on {}.", bench.machine, bench.date));
    let mut table = Table::new(&["", "measured"]);
    let empty = empty_start(bench, &mut table, &mut section)?;
    let loaded = memory(bench, &mut table, &mut section)?;
    let shards = many_shards(bench, &mut table, &mut section);
    let shards = shards.unwrap_or_else(|error| {
        section.notes.push(format!("10,000 shards: not measured: {error:#}"));
        Value::Null
    });
    let recovery = recovery(bench, &mut table)?;
    section.tables.push(table);
    section.raw = json!({ "empty_start": empty, "memory": loaded, "shards": shards, "recovery": recovery });
    Ok(section)
}

fn seconds(value: f64) -> String {
    format!("{} s", shown(value))
}

fn megabytes(value: f64) -> String {
    format!("{} MB", shown(value))
}

/// Starts a server on a directory and waits until it answers; the process, its address and how long that took.
fn start(bench: &Bench, data: &Path) -> anyhow::Result<(Process, String, f64)> {
    let address = format!("127.0.0.1:{}", system::free_port()?);
    let command = millstream(bench, &address, Some(data));
    let started = os::now();
    let mut process = Process::start(bench, "lifecycle", &command)?;
    process.wait_for(START, |_| Ok(matches!(system::status_of(&address, HEALTH), Ok(200)).then_some(())))?;
    Ok((process, address, started.elapsed().as_secs_f64()))
}

fn empty_start(bench: &Bench, table: &mut Table, section: &mut Section) -> anyhow::Result<Value> {
    let mut all = Vec::new();
    for _ in 0..bench.or_quick(11, 3) {
        let data = Scratch::new(bench, "empty")?;
        let (process, _, took) = start(bench, &data.0)?;
        all.push(took * 1e3);
        drop(process);
    }
    let median = middle(all.clone());
    os::say(&format!("start to first answer: {}", ms(median)));
    table.row(["start → first answer, empty directory, p50".to_owned(), ms(median)]);
    section.targets.push(Target::at_most(
        "start → first answer, empty directory",
        median,
        FIRST_ANSWER_MS,
        ms,
    ));
    Ok(json!(all))
}

fn memory(bench: &Bench, table: &mut Table, section: &mut Section) -> anyhow::Result<Value> {
    let server = Server::on_disk(bench, "memory")?;
    system::sleep(1.0);
    let (idle, _) = system::memory_of(server.pid())?;
    server.create(bench, "s", 4)?;
    let bytes = bench.or_quick(4_000, 300) * 1_000_000;
    fill(bench, &server, "s", bytes)?;
    let (after, peak) = system::memory_of(server.pid())?;
    system::sleep(bench.or_quick(10.0, 1.0));
    let (rested, _) = system::memory_of(server.pid())?;
    os::say(&format!("memory: {} idle, {} at most", megabytes(idle), megabytes(peak)));
    let written = format!("{} GB", shown(float(bytes) / 1e9));
    table.row(["RSS idle, empty directory".to_owned(), megabytes(idle)]);
    table.row([format!("RSS at most while {written} came in over 16 connections"), megabytes(peak)]);
    table.row([format!("RSS right after {written}"), megabytes(after)]);
    table.row(["RSS some seconds later".to_owned(), megabytes(rested)]);
    section.targets.push(Target::at_most("RSS idle", idle, IDLE_MB, megabytes));
    Ok(json!({ "idle_mb": idle, "peak_mb": peak, "after_mb": after, "rested_mb": rested, "bytes": bytes }))
}

/// Ten streams of a thousand shards each.
fn many_shards(bench: &Bench, table: &mut Table, section: &mut Section) -> anyhow::Result<Value> {
    let (streams, shards) = bench.or_quick((10_u32, 1_000_u32), (2, 100));
    let all = count(f64::from(streams * shards));
    let data = Scratch::new(bench, "shards")?;
    {
        let mut server = Server::on(bench, "shards", Some(&data.0))?;
        for stream in 0..streams {
            server.create(bench, &format!("s{stream}"), shards)?;
        }
        let (idle, _) = system::memory_of(server.pid())?;
        table.row([format!("RSS with {all} shards, all idle"), megabytes(idle)]);
        server.process.terminate()?;
    }
    let mut clean = Vec::new();
    let mut killed = Vec::new();
    for _ in 0..bench.or_quick(5, 2) {
        let (mut process, _, took) = start(bench, &data.0)?;
        clean.push(took * 1e3);
        process.kill();
        let (mut process, _, took) = start(bench, &data.0)?;
        killed.push(took * 1e3);
        process.terminate()?;
    }
    let (after_stop, after_kill) = (middle(clean.clone()), middle(killed.clone()));
    os::say(&format!("start with {all} shards: {}", ms(after_stop)));
    table.row([format!("start → first answer, {all} shards, after a clean stop, p50"), ms(after_stop)]);
    table.row([format!("start → first answer, {all} shards, after kill -9, p50"), ms(after_kill)]);
    for (how, took) in [("a clean stop", after_stop), ("kill -9", after_kill)] {
        let what = format!("start with {all} shards after {how}");
        section.targets.push(Target::at_most(what, took, MANY_SHARDS_MS, ms));
    }
    Ok(json!({ "clean_ms": clean, "killed_ms": killed }))
}

/// Fill, kill -9, start. What has to be replayed depends on when the log last flushed, so the WAL's size is told with it.
fn recovery(bench: &Bench, table: &mut Table) -> anyhow::Result<Value> {
    let mut raw = Vec::new();
    for megabytes in bench.or_quick(vec![200_u64, 900, 3_000], vec![200]) {
        let data = Scratch::new(bench, "recovery")?;
        {
            let mut server = Server::on(bench, "recovery", Some(&data.0))?;
            server.create(bench, "s", 16)?;
            fill(bench, &server, "s", megabytes * 1_000_000)?;
            server.process.kill();
        }
        let wal = float(system::size_of(&wal_of(&data.0))?) / GIB;
        let (process, address, took) = start(bench, &data.0)?;
        let readable = system::status_of(&address, HEALTH).context("after recovery")?;
        drop(process);
        let per_gib = took / wal;
        os::say(&format!("recovery after {megabytes} MB: {}", seconds(took)));
        let what = format!(
            "kill -9 after {megabytes} MB → first answer, with {} GiB of files in wal/ (spare ones among them)",
            shown(wal)
        );
        table.row([what, format!("{}, {} per GiB", seconds(took), seconds(per_gib))]);
        raw.push(json!({ "megabytes": megabytes, "wal_gib": wal, "seconds": took, "status": readable }));
    }
    Ok(json!(raw))
}
