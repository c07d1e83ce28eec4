//! PutRecord, one record of 1 KiB at a time: latency on an idle system, and what many connections share.

use serde_json::json;

use crate::bench::context::Bench;
use crate::bench::figures::{percent, shown};
use crate::bench::put::{Load, Side, alternate, settle, side, turn};
use crate::bench::report::{Section, Table, Target, ms, times};
use crate::bench::server::Server;

const CONNECTIONS: [u32; 3] = [1, 64, 512];

const DISK: &str = "one fdatasync of 4 KiB";
const NULL: &str = "ladder: null";
const ALL: &str = "ladder: all rungs (parse, sha, wal)";
const OURS: &str = "Millstream, durable";

/// Round trips beside the fdatasync that one connection may take.
const ROUND_TRIPS: f64 = 2.0;
const RATE_SHARE: f64 = 0.8;
const P99_TIMES: f64 = 3.0;

pub(crate) fn run(bench: &Bench) -> anyhow::Result<Section> {
    let mut section = Section::new("PutRecord");
    section.text.push("Records of 1 KiB in JSON, one a request, 4 shards.".to_owned());
    section.text.push(bench.provenance());
    let null = Server::ladder(bench, "ladder-null", "")?;
    let all = Server::ladder(bench, "ladder-all", &bench.with_wal("--sha"))?;
    let ours = Server::on_disk(bench, "put-record")?;
    ours.create(bench, "s", 4)?;
    settle(bench, &ours, "s")?;
    let mut raw = Vec::new();
    for connections in CONNECTIONS {
        let load = Load { records: 0, size: 1_024, encoding: "json", connections };
        let mut sides = Vec::new();
        if connections == 1 {
            sides.push(Side::new(DISK, || Ok(json!({ "latency": bench.fdatasync()? }))));
        }
        for (name, server) in [(NULL, &null), (ALL, &all), (OURS, &ours)] {
            let turn = move || turn(bench, load, &server.address, "s", server.pid(), u64::MAX);
            sides.push(Side::new(name, turn));
        }
        let what = format!("PutRecord, {connections} connections");
        alternate(bench, bench.rounds, &what, &mut sides);
        judge(connections, &sides, &mut section)?;
        let sides: Vec<_> = sides.iter().map(Side::raw).collect();
        raw.push(json!({ "connections": connections, "sides": sides }));
    }
    section.raw = json!(raw);
    Ok(section)
}

fn judge(connections: u32, sides: &[Side<'_>], section: &mut Section) -> anyhow::Result<()> {
    let what =
        if connections == 1 { "1 connection".to_owned() } else { format!("{connections} connections") };
    let mut table = Table::new(&[&what, "per second", "p50 ms", "p99 ms", "CPU s per GB"]);
    for side in sides {
        section.notes.extend(side.trouble.iter().map(|trouble| format!("{what}, {}: {trouble}", side.name)));
        section.notes.extend(side.errors().map(|errors| format!("{what}, {}: {errors}", side.name)));
        let latency = |name: &str| shown(side.median(&["latency", name]) / 1e3);
        let rate = shown(side.median(&["per_s"]));
        table.row([side.name.clone(), rate, latency("p50_us"), latency("p99_us"), shown(side.cpu_per_gb())]);
    }
    section.tables.push(table);
    let latency = |name: &str, at: &str| anyhow::Ok(side(sides, name)?.median(&["latency", at]) / 1e3);
    if connections == 1 {
        let most = latency(DISK, "p50_us")? + ROUND_TRIPS * latency(NULL, "p50_us")?;
        let [low, middle, high] =
            [latency(DISK, "p10_us")?, latency(DISK, "p50_us")?, latency(DISK, "p90_us")?].map(ms);
        section.notes.push(format!(
            "one fdatasync took {low} (p10), {middle} (p50) and {high} (p90): where these lie far apart the disk answers at \
             ticks of its own, and the ladder with all rungs is the better measure"
        ));
        let target = format!("{what}: p50, of {DISK} and two null round trips");
        section.targets.push(Target::at_most(target, latency(OURS, "p50_us")?, most, ms));
        return Ok(());
    }
    let rate = |name: &str| anyhow::Ok(side(sides, name)?.median(&["per_s"]));
    let share = rate(OURS)? / rate(ALL)?;
    section.targets.push(Target::at_least(format!("{what}: rate, of all rungs"), share, RATE_SHARE, percent));
    let slower = latency(OURS, "p99_us")? / latency(ALL, "p99_us")?;
    section.targets.push(Target::at_most(format!("{what}: p99, of all rungs"), slower, P99_TIMES, times));
    Ok(())
}
