//! PutRecords: the rungs of the ladder, Millstream on disk and in memory, and the peers.

use serde_json::{Value, json};

use crate::bench::context::{Bench, memory_share, touch};
use crate::bench::figures::{count, number, percent, shown};
use crate::bench::peers::{self, PEERS};
use crate::bench::put::{Load, Side, alternate, settle, side, turn};
use crate::bench::report::{Section, Table, Target, times};
use crate::bench::server::Server;
use crate::os;

/// Sizes of a record, and how they are called.
const SIZES: [(u32, &str); 2] = [(1_024, "500 × 1 KiB"), (100, "500 × 100 B")];
const ENCODINGS: [(&str, &str); 2] = [("json", "JSON"), ("cbor", "CBOR")];
const SHARDS: [u32; 2] = [4, 1_000];

const NULL: &str = "ladder: null";
const PARSE: &str = "ladder: parse";
const SHA: &str = "ladder: parse, sha";
const WAL: &str = "ladder: parse, wal";
const ALL: &str = "ladder: all rungs (parse, sha, wal)";

fn on_disk(shards: u32) -> String {
    format!("Millstream, durable, {} shards", count(f64::from(shards)))
}

fn in_memory(shards: u32) -> String {
    format!("Millstream, --memory, {} shards", count(f64::from(shards)))
}

/// Of all rungs, durable; of *parse*, in memory; of the best peer.
const DURABLE_SHARE: f64 = 0.8;
const MEMORY_SHARE: f64 = 0.75;
const PEER_TIMES: f64 = 8.0;

pub(crate) fn run(bench: &Bench) -> anyhow::Result<Section> {
    let mut section = Section::new("PutRecords");
    section.text.push(
        "16 connections, HTTP/1.1, requests made in advance, MB/s of record data. The ladder does only the unavoidable work \
         over the same HTTP set-up: read the body and answer (null), decode it (parse), SHA-256 of the body as a verified \
         signature needs it (sha), write the records to one prewritten file with group commit and fdatasync (wal). Millstream \
         runs without credentials, so it does not hash bodies; its targets hold against all rungs all the same, and \
         *parse, wal* says what the same work allows. With --memory records are kept, which *parse* does not; as much memory \
         is written to and let go just before."
            .to_owned(),
    );
    section.text.push(bench.provenance());
    let ladders = ladders(bench)?;
    let mut raw = Vec::new();
    let mut ours = Vec::new();
    for (size, size_name) in SIZES {
        for (encoding, encoding_name) in ENCODINGS {
            let load = Load { records: 500, size, encoding, connections: 16 };
            let what = format!("{size_name}, {encoding_name}");
            let (sides, best) = measure(bench, load, &what, &ladders, &mut section)?;
            if encoding == "json" {
                ours.push((size, size_name, best));
            }
            raw.push(json!({ "load": what, "sides": sides }));
        }
    }
    let peers = beside_peers(bench, &ours, &mut section);
    section.raw = json!({ "comparisons": raw, "peers": peers });
    Ok(section)
}

/// All rungs as processes. They cost nothing while it is not their turn.
fn ladders(bench: &Bench) -> anyhow::Result<Vec<(&'static str, Server)>> {
    os::say("starting the ladder; two of its rungs fill a file first");
    let rungs = [
        (NULL, String::new()),
        (PARSE, "--parse".to_owned()),
        (SHA, "--parse --sha".to_owned()),
        (WAL, bench.with_wal("")),
        (ALL, bench.with_wal("--sha")),
    ];
    let start = |(at, (name, flags)): (usize, (&'static str, String))| {
        Ok((name, Server::ladder(bench, &format!("ladder-{at}"), &flags)?))
    };
    rungs.into_iter().enumerate().map(start).collect()
}

/// One comparison; its raw results, and MB/s of Millstream on disk with 4 shards.
fn measure(
    bench: &Bench,
    load: Load,
    what: &str,
    ladders: &[(&str, Server)],
    section: &mut Section,
) -> anyhow::Result<(Vec<Value>, f64)> {
    let disk = Server::on_disk(bench, "put-records")?;
    for shards in SHARDS {
        disk.create(bench, &format!("s{shards}"), shards)?;
    }
    settle(bench, &disk, &format!("s{}", SHARDS[0]))?;
    let turns = bench.rounds as u64 * SHARDS.len() as u64;
    let (disk_share, memory_share) = (bench.disk_share(turns)?, memory_share()?);
    let mut sides: Vec<Side<'_>> = Vec::new();
    for (name, ladder) in ladders {
        let turn = move || turn(bench, load, &ladder.address, "s", ladder.pid(), u64::MAX);
        sides.push(Side::new(*name, turn));
    }
    for shards in SHARDS {
        let disk = &disk;
        let turn = move || turn(bench, load, &disk.address, &format!("s{shards}"), disk.pid(), disk_share);
        sides.push(Side::new(on_disk(shards), turn));
    }
    for shards in SHARDS {
        sides.push(Side::new(in_memory(shards), move || memory_turn(bench, load, shards, memory_share)));
    }
    alternate(bench, bench.rounds, what, &mut sides);
    judge(what, &sides, section)?;
    let best = side(&sides, &on_disk(SHARDS[0]))?.median(&["mb_per_s"]);
    Ok((sides.iter().map(Side::raw).collect(), best))
}

/// A server for each turn: what one turn left in memory must not be the next one's burden. As much memory is written to
/// just before, so that a virtual machine which gives free memory back to its host has some again.
fn memory_turn(bench: &Bench, load: Load, shards: u32, max_bytes: u64) -> anyhow::Result<Value> {
    bench.load(&touch(1.5)?)?;
    let server = Server::in_memory(bench, "put-records-memory")?;
    server.create(bench, "s", shards)?;
    turn(bench, load, &server.address, "s", server.pid(), max_bytes)
}

fn judge(what: &str, sides: &[Side<'_>], section: &mut Section) -> anyhow::Result<()> {
    let rate = |name: &str| anyhow::Ok(side(sides, name)?.median(&["mb_per_s"]));
    let (parse, all, wal) = (rate(PARSE)?, rate(ALL)?, rate(WAL)?);
    let mut table = Table::new(&[
        what,
        "MB/s",
        "of all rungs",
        "of parse, wal",
        "of parse",
        "p50 ms",
        "p99 ms",
        "CPU s per GB",
    ]);
    for side in sides {
        if let Some(trouble) = &side.trouble {
            section.notes.push(format!("{what}, {}: {trouble}", side.name));
        }
        if let Some(errors) = side.errors() {
            section.notes.push(format!("{what}, {}: {errors}", side.name));
        }
        let mb = side.median(&["mb_per_s"]);
        let latency = |name: &str| shown(side.median(&["latency", name]) / 1e3);
        let shares = [mb / all, mb / wal, mb / parse].map(percent);
        let mut cells = vec![side.name.clone(), shown(mb)];
        cells.extend(shares);
        cells.extend([latency("p50_us"), latency("p99_us"), shown(side.cpu_per_gb())]);
        table.row(cells);
    }
    section.tables.push(table);
    for shards in SHARDS {
        let (durable, memory) = (on_disk(shards), in_memory(shards));
        let share = rate(&durable)? / all;
        section.targets.push(Target::at_least(
            format!("{what}: {durable}, of all rungs"),
            share,
            DURABLE_SHARE,
            percent,
        ));
        let share = rate(&memory)? / parse;
        section.targets.push(Target::at_least(
            format!("{what}: {memory}, of parse"),
            share,
            MEMORY_SHARE,
            percent,
        ));
    }
    Ok(())
}

/// The same JSON load on every peer, one run each; a row for those that cannot be had says why.
fn beside_peers(bench: &Bench, ours: &[(u32, &str, f64)], section: &mut Section) -> Vec<Value> {
    let mut raw = Vec::new();
    let mut table = Table::new(&[
        "peers, in memory, JSON, 4 shards",
        "load",
        "MB/s",
        "p50 ms",
        "p99 ms",
        "Millstream / peer",
    ]);
    let mut best = vec![0.0_f64; ours.len()];
    for peer in PEERS {
        let mut loads = Vec::new();
        for (size, _, _) in ours {
            loads.push(Load { records: 500, size: *size, encoding: "json", connections: 16 });
        }
        for ((at, (_, size_name, our_rate)), found) in
            ours.iter().enumerate().zip(peers::put(bench, peer, &loads))
        {
            let cells = match &found {
                Ok(found) => {
                    let mb = number(found, &["mb_per_s"]);
                    best[at] = best[at].max(mb);
                    raw.push(json!({ "peer": peer.name, "load": size_name, "found": found }));
                    let latency = |name| shown(number(found, &["latency", name]) / 1e3);
                    vec![shown(mb), latency("p50_us"), latency("p99_us"), times(our_rate / mb)]
                }
                Err(error) => vec![format!("not measured: {}", peers::short(error))],
            };
            let name = format!("{} {}", peer.name, peer.version);
            table.row([name, (*size_name).to_owned()].into_iter().chain(cells));
        }
    }
    section.tables.push(table);
    for ((_, size_name, our_rate), best) in ours.iter().zip(best) {
        let share = if best > 0.0 { our_rate / best } else { f64::NAN };
        let what = format!("{size_name}, JSON: {}, of the best peer", on_disk(SHARDS[0]));
        section.targets.push(Target::at_least(what, share, PEER_TIMES, times));
    }
    raw
}
