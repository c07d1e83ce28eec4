//! The log as a library beside fjall, which would be the quicker way to build one.

use anyhow::ensure;
use serde_json::{Value, json};

use crate::bench::context::{Bench, words};
use crate::bench::figures::{median, number, shown};
use crate::bench::process::Scratch;
use crate::bench::report::{Section, Table, Target, times};
use crate::bench::system;
use crate::os;

/// What `bench-fjall --engine` calls them, and what they are.
const ENGINES: [(&str, &str); 3] = [
    ("embedded", "millstream-log-embedded"),
    ("fjall-records", "fjall, a key for each record"),
    ("fjall-batches", "fjall, a key for each batch, values apart"),
];

const GIB: f64 = 1_073_741_824.0;

pub(crate) fn run(bench: &Bench) -> anyhow::Result<Section> {
    let mut section = Section::new("The log as a library, beside fjall");
    section.text.push(
        "Batches of 500 × 1 KiB from 16 writers to 16 shards, each durable before the writer goes on, after some seconds of the same; fjall keyed (shard, \
         position), without compression, its writers sharing each fdatasync. Then the process ends without closing anything, the \
         directory is opened again, and 4 readers read all of it, from the page cache."
            .to_owned(),
    );
    section.text.push(bench.provenance());
    let mut found: Vec<Vec<Value>> = vec![Vec::new(); ENGINES.len()];
    for round in 1..=bench.rounds {
        for ((engine, name), found) in ENGINES.iter().zip(&mut found) {
            system::sleep(bench.or_quick(2.0, 0.1));
            match once(bench, engine) {
                Ok(value) => {
                    let rate = shown(number(&value, &["append", "mb_per_s"]));
                    os::say(&format!("turn {round} of {}: {name}: {rate} MB/s", bench.rounds));
                    found.push(value);
                }
                Err(error) => section.notes.push(format!("{name}: {error:#}")),
            }
        }
    }
    ensure!(found.iter().any(|turns| !turns.is_empty()), "no engine could be measured");
    judge(&found, &mut section);
    let raw: Vec<Value> = ENGINES
        .iter()
        .zip(&found)
        .map(|((engine, _), turns)| json!({ "engine": engine, "turns": turns }))
        .collect();
    section.raw = json!(raw);
    Ok(section)
}

fn once(bench: &Bench, engine: &str) -> anyhow::Result<Value> {
    let data = Scratch::new(bench, "library")?;
    let place = format!("--engine {engine} --directory {}", data.0.display());
    let bytes = bench.disk_share(2)?;
    let append = format!(
        "append {place} --seconds {} --warm-up {} --max-bytes {bytes}",
        bench.seconds,
        bench.or_quick(3.0, 0.3)
    );
    let append = bench.measure("bench-fjall", &words(&append))?;
    let reopen = bench.measure("bench-fjall", &words(&format!("reopen {place}")))?;
    Ok(json!({ "append": append, "reopen": reopen }))
}

fn judge(found: &[Vec<Value>], section: &mut Section) {
    let mut table =
        Table::new(&["", "append MB/s", "p50 ms", "p99 ms", "reopen s", "reopen s per GiB", "read MB/s"]);
    let (mut append, mut read) = (Vec::new(), Vec::new());
    for ((_, name), found) in ENGINES.iter().zip(found) {
        append.push(median(found, &["append", "mb_per_s"]));
        read.push(median(found, &["reopen", "read_mb_per_s"]));
        let open = median(found, &["reopen", "open_seconds"]);
        let gib = median(found, &["reopen", "record_bytes"]) / GIB;
        let latency = |at: &str| median(found, &["append", at]) / 1e3;
        let numbers = [
            append[append.len() - 1],
            latency("p50_us"),
            latency("p99_us"),
            open,
            open / gib,
            read[read.len() - 1],
        ];
        table.row([(*name).to_owned()].into_iter().chain(numbers.map(shown)));
    }
    section.tables.push(table);
    for (what, rates) in [("append", append), ("catch-up read", read)] {
        let best = rates[1..].iter().copied().fold(f64::NAN, f64::max);
        section.targets.push(Target::at_least(
            format!("{what}: of the better fjall"),
            rates[0] / best,
            1.0,
            times,
        ));
    }
}
