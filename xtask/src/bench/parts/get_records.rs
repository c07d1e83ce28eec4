//! GetRecords beside a null server that sends the same bytes, and what catching up costs those who write.

use std::path::Path;

use anyhow::{Context as _, anyhow};
use serde_json::{Value, json};

use crate::bench::context::{Bench, words};
use crate::bench::figures::{percent, shown};
use crate::bench::process::Scratch;
use crate::bench::put::{Load, Side, alternate, fill, side, turn};
use crate::bench::report::{Section, Table, Target};
use crate::bench::server::Server;
use crate::os;

const OURS: &str = "Millstream";
const NULL: &str = "null server, same bytes";
const ENCODE: &str = "null server, encodes them each time";
const SHARE: f64 = 0.8;
const WRITERS_SHARE: f64 = 0.9;

const MB: u64 = 1_000_000;

/// A way to read.
struct Reading {
    what: &'static str,
    stream: &'static str,
    /// Arguments of the load generator.
    arguments: &'static str,
    /// MB/s are compared, not answers a second.
    by_bytes: bool,
}

/// 16 connections are enough for small answers; four take large ones, which are 14 MB each.
const READINGS: [Reading; 3] = [
    Reading {
        what: "at the tail, nothing new",
        stream: "recent",
        arguments: "--latest --connections 16",
        by_bytes: false,
    },
    Reading {
        what: "at the tail, from memory, 500 records",
        stream: "recent",
        arguments: "--limit 500 --connections 4",
        by_bytes: true,
    },
    Reading {
        what: "catching up from segments, 10,000 records or 10 MiB",
        stream: "old",
        arguments: "--limit 10000 --pass-bytes 250000000 --connections 4",
        by_bytes: true,
    },
];

pub(crate) fn run(bench: &Bench) -> anyhow::Result<Section> {
    let mut section = Section::new("GetRecords");
    let old = bench.or_quick(2_000, 300) * MB;
    let after = bench.or_quick(1_000, 300) * MB;
    section.text.push(format!(
        "Records of 1 KiB in JSON, 4 shards; MB/s of answers' bodies, against a server that sends one of the same answers \
         again and again (null), and one that makes that answer anew each time from records in memory (null, encode), which is \
         what a server has to do that does not keep its answers. The old records are the first of {} MB, with {} MB written \
         after them; a first pass brings them into the page cache, so this is the server's work and not the disk's.",
        old / MB,
        after / MB
    ));
    section.text.push(bench.provenance());
    let server = Server::on_disk(bench, "get-records")?;
    for (stream, bytes) in [("old", old), ("between", after), ("recent", 40 * MB)] {
        os::say(&format!("writing {} MB to stream {stream}", bytes / MB));
        server.create(bench, stream, 4)?;
        fill(bench, &server, stream, bytes)?;
    }
    let samples = Scratch::new(bench, "samples")?;
    let mut raw = Vec::new();
    for reading in &READINGS {
        let found = compare(bench, &server, reading, &samples.0, &mut section);
        match found {
            Ok(found) => raw.push(found),
            Err(error) => section.notes.push(format!("{}: not measured: {error:#}", reading.what)),
        }
    }
    let slowed = slow_down(bench, &server, &samples.0.join("2"), &mut section)?;
    section.raw = json!({ "readings": raw, "writers": slowed });
    Ok(section)
}

fn get(bench: &Bench, address: &str, reading: &Reading, more: &str) -> anyhow::Result<Value> {
    let Reading { stream, arguments, .. } = reading;
    let (seconds, warm_up) = (bench.seconds, bench.warm_up);
    bench.load(&words(&format!(
        "get --address {address} --stream {stream} --seconds {seconds} --warm-up {warm_up} {arguments} {more}"
    )))
}

fn compare(
    bench: &Bench,
    server: &Server,
    reading: &Reading,
    samples: &Path,
    section: &mut Section,
) -> anyhow::Result<Value> {
    let at = READINGS.iter().position(|other| other.what == reading.what).context("no such reading")?;
    let sample = samples.join(at.to_string());
    get(bench, &server.address, reading, &format!("--save {}", sample.display()))?;
    let null = Server::ladder(bench, "null-get", &format!("--answer {}", sample.display()))?;
    let encode = Server::ladder(bench, "encode-get", &format!("--answer {} --encode", sample.display()))?;
    let ours = || get(bench, &server.address, reading, &format!("--pid {}", server.pid()));
    let same = |null: &Server| get(bench, &null.address, reading, &format!("--null --pid {}", null.pid()));
    let mut sides =
        [Side::new(NULL, || same(&null)), Side::new(ENCODE, || same(&encode)), Side::new(OURS, ours)];
    alternate(bench, bench.rounds, reading.what, &mut sides);
    let mut table = Table::new(&[reading.what, "answers per s", "MB/s", "p50 ms", "p99 ms"]);
    for side in &sides {
        section
            .notes
            .extend(side.trouble.iter().map(|why| format!("{}, {}: {why}", reading.what, side.name)));
        let latency = |name: &str| shown(side.median(&["latency", name]) / 1e3);
        let rates = [&["per_s"], &["mb_per_s"]].map(|path| shown(side.median(path)));
        table.row([side.name.clone()].into_iter().chain(rates).chain([latency("p50_us"), latency("p99_us")]));
    }
    section.tables.push(table);
    let rate = if reading.by_bytes { ["mb_per_s"] } else { ["per_s"] };
    let share = side(&sides, OURS)?.median(&rate) / side(&sides, NULL)?.median(&rate);
    section.targets.push(Target::at_least(
        format!("{}: of the null server", reading.what),
        share,
        SHARE,
        percent,
    ));
    Ok(json!({ "what": reading.what, "sides": sides.each_ref().map(Side::raw) }))
}

/// Readers at a pace of one full answer a second each, which is five times what AWS allows for a shard.
const READERS: &str = "--connections 4 --limit 10000 --pace-ms 1000 --pass-bytes 250000000";

/// Writers alone, with readers of old records, and with the same readers on the null server: what the readers' own
/// bytes cost a machine with few cores is not the log's doing.
fn slow_down(bench: &Bench, server: &Server, sample: &Path, section: &mut Section) -> anyhow::Result<Value> {
    const ALONE: &str = "writers alone";
    const WITH: &str = "writers beside 4 catch-up readers";
    const CONTROL: &str = "writers beside 4 readers of the null server";
    server.create(bench, "writers", 4)?;
    let null = Server::ladder(bench, "null-get", &format!("--answer {}", sample.display()))?;
    let load = Load { records: 500, size: 1_024, encoding: "json", connections: 16 };
    let share = bench.disk_share(3 * bench.rounds as u64)?;
    let put = || turn(bench, load, &server.address, "writers", server.pid(), share);
    let beside = |address: &str, more: &str| {
        let seconds = bench.seconds + bench.warm_up;
        let line =
            format!("get --address {address} --stream old --seconds {seconds} --warm-up 0 {READERS} {more}");
        std::thread::scope(|scope| {
            let readers = scope.spawn(|| bench.load(&words(&line)));
            let mut found = put()?;
            let readers = readers.join().map_err(|_panic| anyhow!("the readers panicked"))??;
            found["readers"] = readers;
            Ok(found)
        })
    };
    let mut sides = [
        Side::new(ALONE, put),
        Side::new(WITH, || beside(&server.address, "")),
        Side::new(CONTROL, || beside(&null.address, "--null")),
    ];
    alternate(bench, bench.rounds, "writers and readers", &mut sides);
    let alone = side(&sides, ALONE)?.median(&["mb_per_s"]);
    let mut table =
        Table::new(&["PutRecords 500 × 1 KiB, 16 connections", "MB/s", "of alone", "readers' MB/s"]);
    for side in &sides {
        section.notes.extend(side.trouble.iter().map(|why| format!("{}: {why}", side.name)));
        let (rate, read) = (side.median(&["mb_per_s"]), side.median(&["readers", "mb_per_s"]));
        table.row([side.name.clone(), shown(rate), percent(rate / alone), shown(read)]);
    }
    section.tables.push(table);
    let share = side(&sides, WITH)?.median(&["mb_per_s"]) / alone;
    section.targets.push(Target::at_least(format!("{WITH}: of alone"), share, WRITERS_SHARE, percent));
    Ok(json!(sides.each_ref().map(Side::raw)))
}
