//! From a put to its delivery by SubscribeToShard, on a system that does nothing else.

use serde_json::{Value, json};

use crate::bench::context::{Bench, words};
use crate::bench::figures::{count, median, number, shown};
use crate::bench::peers::{self, PEERS};
use crate::bench::report::{Section, Table, Target, ms};
use crate::bench::server::Server;
use crate::os;

/// What a delivery may take longer than the acknowledgement, in milliseconds.
const LATER_MS: f64 = 0.2;

/// "Flat": what 1,000 subscriptions may add to the memory while records go out, as a factor of what they took idle.
const GROWTH: f64 = 1.25;

pub(crate) fn run(bench: &Bench) -> anyhow::Result<Section> {
    let mut section = Section::new("Put to SubscribeToShard, idle system");
    section.text.push(
        "Records of 1 KiB, one after another with 20 ms between; the time from the put's first byte to the acknowledgement, and \
         to the event with the record, seen by one process."
            .to_owned(),
    );
    section.text.push(bench.provenance());
    let mut table =
        Table::new(&["", "subscribers", "put p50 ms", "put p99 ms", "delivery p50 ms", "delivery p99 ms"]);
    let mut raw = Vec::new();
    for (name, server) in [
        ("Millstream, durable", Server::on_disk(bench, "subscribe")?),
        ("Millstream, --memory", Server::in_memory(bench, "subscribe-memory")?),
    ] {
        let mut found = Vec::new();
        for round in 1..=bench.rounds {
            let stream = format!("s{round}");
            server.create(bench, &stream, 1)?;
            let puts = bench.or_quick(200, 50);
            found.push(subscribe(
                bench,
                &server.address,
                &stream,
                &format!("--puts {puts} --pid {}", server.pid()),
            )?);
            os::say(&format!("{name}, run {round} of {}", bench.rounds));
        }
        row(&mut table, name, &found);
        let (put, delivery) = (median(&found, &["put", "p50_us"]), median(&found, &["delivery", "p50_us"]));
        let target = format!("{name}: delivery p50, of put p50 and {} µs", count(LATER_MS * 1e3));
        section.targets.push(Target::at_most(target, delivery / 1e3, put / 1e3 + LATER_MS, ms));
        section.notes.extend(lost(name, &found));
        raw.push(json!({ "name": name, "runs": found }));
    }
    match thousand(bench, &mut table, &mut section) {
        Ok(found) => raw.push(found),
        Err(error) => {
            section.notes.push(format!("1,000 subscribers: not measured: {}", peers::short(&error)));
        }
    }
    raw.extend(beside_peers(bench, &mut table));
    section.tables.push(table);
    section.raw = json!(raw);
    Ok(section)
}

fn subscribe(bench: &Bench, address: &str, stream: &str, more: &str) -> anyhow::Result<Value> {
    bench.load(&words(&format!("subscribe --address {address} --stream {stream} {more}")))
}

fn row(table: &mut Table, name: &str, found: &[Value]) {
    let at = |path: &[&str]| shown(median(found, path) / 1e3);
    let subscribers = count(median(found, &["subscribers"]));
    let times = [["put", "p50_us"], ["put", "p99_us"], ["delivery", "p50_us"], ["delivery", "p99_us"]];
    table.row([name.to_owned(), subscribers].into_iter().chain(times.iter().map(|path| at(path))));
}

/// A note when records did not arrive.
fn lost(name: &str, found: &[Value]) -> Option<String> {
    let incomplete = found.iter().find(|found| found["all_delivered"] != true)?;
    Some(format!(
        "{name}: only {} of {} records arrived",
        incomplete["delivery"]["count"], incomplete["expected"]
    ))
}

/// 1,000 subscribers on one shard, which AWS's limit of consumers does not allow.
fn thousand(bench: &Bench, table: &mut Table, section: &mut Section) -> anyhow::Result<Value> {
    let (asked, puts) = (bench.or_quick(1_000, 100), bench.or_quick(200, 30));
    let server = Server::with_flags(bench, "subscribe-many", &format!("--consumers-per-stream {asked}"))?;
    server.create(bench, "many", 1)?;
    let more = format!("--subscribers {asked} --puts {puts} --pause-ms 100 --pid {}", server.pid());
    let found = subscribe(bench, &server.address, "many", &more)?;
    let name = "Millstream, durable, many on one shard";
    row(table, name, std::slice::from_ref(&found));
    section.notes.extend(lost(name, std::slice::from_ref(&found)));
    if let Some(refused) = found["subscribers_refused"].as_str() {
        section.notes.push(format!("{} of {asked} subscribers: {refused}", found["subscribers"]));
    }
    let memory = |when: &str| number(&found, &["rss_bytes", when]) / 1e6;
    section.notes.push(format!(
        "memory with {} subscribers: {} MB before, {} MB subscribed and idle, {} MB after {puts} records to each",
        found["subscribers"],
        shown(memory("before")),
        shown(memory("subscribed")),
        shown(memory("after"))
    ));
    let growth = memory("after") / memory("subscribed");
    let what = format!("{} subscribers: memory after {puts} records, of idle", found["subscribers"]);
    section.targets.push(Target::at_most(what, growth, GROWTH, crate::bench::report::times));
    Ok(json!({ "name": name, "runs": [found] }))
}

fn beside_peers(bench: &Bench, table: &mut Table) -> Vec<Value> {
    let mut raw = Vec::new();
    for peer in PEERS.iter().filter(|peer| peer.pushes) {
        let name = format!("{} {}, in memory", peer.name, peer.version);
        let measured = peers::start(bench, peer).and_then(|running| {
            peers::create(bench, &running.address, "s", 1)?;
            subscribe(bench, &running.address, "s", "--puts 40 --warm-up 5")
        });
        match measured {
            Ok(found) => {
                row(table, &name, std::slice::from_ref(&found));
                raw.push(json!({ "name": name, "runs": [found] }));
            }
            Err(error) => table.row([name, format!("not measured: {}", peers::short(&error))]),
        }
        os::say(peer.name);
    }
    raw
}
