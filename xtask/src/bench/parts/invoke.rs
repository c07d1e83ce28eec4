//! From a put to a function's first line, on a system that does nothing else and on one with work to do.

use serde_json::{Value, json};

use crate::bench::context::{Bench, words};
use crate::bench::figures::{median, number, shown};
use crate::bench::functions;
use crate::bench::languages::{self, Language, collector};
use crate::bench::report::{Section, Table};
use crate::bench::server::Server;
use crate::os;

/// What is put.
#[derive(Debug, Clone, Copy)]
struct Load {
    name: &'static str,
    shards: u32,
    connections: u32,
    /// Milliseconds from one put of a connection to its next.
    every_ms: u32,
    puts: u32,
}

const LOADS: [Load; 2] = [
    Load { name: "idle", shards: 1, connections: 1, every_ms: 20, puts: 500 },
    Load { name: "at load", shards: 4, connections: 16, every_ms: 8, puts: 1_000 },
];

/// Bare round trips in a round.
const ROUND_TRIPS: u32 = 2_000;

pub(crate) fn run(bench: &Bench) -> anyhow::Result<Section> {
    let mut section = Section::new("Put to invoke");
    let (server, isolation) = Server::for_functions(bench, "put-to-invoke", 64)?;
    section.text.push(format!(
        "Records of 1 KiB, put one by one: *idle*, one after another, 20 ms apart, 1 shard; *at load*, by 16 connections, each \
         every 8 ms, 2,000 a second in all, 4 shards. The time from the put's first byte to its acknowledgement, and to the \
         function that has the event in hand (in Python its first line), behind a standard mapping with its defaults; warm, \
         durable, told by the function itself. The base is a bare Runtime API round trip in the same run: the same worker \
         outside of any sandbox, handed an event by a server that does nothing else. Isolation: {isolation}."
    ));
    section.text.push(bench.provenance());
    let mut table = Table::new(&["", "per s", "p50 ms", "p99 ms", "p50 / bare", "p99 / bare"]);
    let mut raw = Vec::new();
    for language in [languages::native(bench)?, languages::python(bench)?] {
        let mut bare = Vec::new();
        let mut found: Vec<Vec<Value>> = LOADS.iter().map(|_| Vec::new()).collect();
        for round in 1..=bench.rounds {
            bare.push(language.bare(bench, 1, bench.or_quick(ROUND_TRIPS, 200))?);
            for (load, all) in LOADS.iter().zip(&mut found) {
                let one = turn(bench, &server, &language, *load)?;
                let p50 = shown(number(&one, &["started", "p50_us"]) / 1e3);
                os::say(&format!(
                    "{}, {}, turn {round} of {}: p50 {p50} ms",
                    language.name, load.name, bench.rounds
                ));
                all.push(one);
            }
        }
        rows(&mut table, &language.name, &bare, &found);
        let loads: Vec<_> =
            LOADS.iter().zip(&found).map(|(load, all)| json!({ "load": load.name, "turns": all })).collect();
        raw.push(json!({ "function": language.name, "bare": bare, "loads": loads }));
    }
    section.tables.push(table);
    section.raw = json!(raw);
    Ok(section)
}

/// A stream, a function and a mapping of its own, and records.
fn turn(bench: &Bench, server: &Server, language: &Language, load: Load) -> anyhow::Result<Value> {
    let Load { shards, connections, every_ms, puts, .. } = load;
    let (collector, address) = (collector()?, &server.address);
    // The port is nobody else's at this moment: two turns have two.
    let name = format!("f{}", collector.rsplit(':').next().unwrap_or_default());
    server.create(bench, &name, shards)?;
    language.deploy_teller(bench, server, (&name, &collector), &["BENCH_STAMPS=1"])?;
    let mapping = functions::map(bench, server, &name, &name, 100)?;
    let (puts, warm_up) = bench.or_quick((puts, 50), (100, 10));
    let found = bench.load(&words(&format!(
        "started --address {address} --stream {name} --collector {collector} --connections {connections} --puts {puts} \
         --warm-up {warm_up} --every-ms {every_ms}"
    )));
    functions::unmap(bench, server, &mapping, &name)?;
    found
}

fn rows(table: &mut Table, name: &str, bare: &[Value], found: &[Vec<Value>]) {
    let least = |at: &str| median(bare, &["round_trip", at]) / 1e3;
    let cells = |what: String, rate: String, all: &[Value], latency: &str| {
        let at = |at: &str| median(all, &[latency, at]) / 1e3;
        let ratio = |at_: &str| shown(at(at_) / least(at_));
        [what, rate, shown(at("p50_us")), shown(at("p99_us")), ratio("p50_us"), ratio("p99_us")]
    };
    table.row(cells(format!("{name}: bare Runtime API round trip"), String::new(), bare, "round_trip"));
    for (load, all) in LOADS.iter().zip(found) {
        let rate = shown(median(all, &["puts_per_s"]));
        for (what, latency) in
            [("PutRecord → acknowledged", "put"), ("PutRecord → function started", "started")]
        {
            table.row(cells(format!("{name}, {}: {what}", load.name), rate.clone(), all, latency));
        }
    }
}
