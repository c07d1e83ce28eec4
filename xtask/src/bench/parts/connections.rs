//! Hundreds of thousands of sources: connections that are mostly silent.

use std::process::Command;

use serde_json::Value;

use crate::bench::context::{Bench, words};
use crate::bench::figures::{count, float, number, shown};
use crate::bench::report::{Section, Table, Target};
use crate::bench::server::{self, Server};
use crate::os;

/// Memory that an idle connection may take, in bytes.
const MOST_BYTES: f64 = 16_384.0;

/// The server leaves half of the open files that it may have to the rest of itself.
const SERVER_FILES: u64 = 2;

/// Connections that are not made for files of other kinds.
const SPARE: u64 = 64;

pub(crate) fn run(bench: &Bench) -> anyhow::Result<Section> {
    let mut section = Section::new("Idle connections");
    let asked: u32 = bench.or_quick(100_000, 2_000);
    let needed = (u64::from(asked) + SPARE) * SERVER_FILES;
    let allowed = server::open_files(needed)?;
    let possible = u32::try_from((allowed / SERVER_FILES).saturating_sub(SPARE))?.min(asked);
    if possible < 1_000 {
        section.notes.push(format!(
            "Not measured: a process may have {allowed} open files here and {asked} connections need {needed}. Raise the hard \
             limit (`ulimit -Hn`), as root or in the session's settings."
        ));
        return Ok(section);
    }
    if possible < asked {
        section.notes.push(format!(
            "{} connections instead of {}: a process may have {} open files here, of which the server gives half to connections, \
             and raising that limit takes a privilege (CAP_SYS_RESOURCE)",
            count(f64::from(possible)),
            count(f64::from(asked)),
            count(float(allowed))
        ));
    }
    section.text.push(format!(
        "{} keep-alive connections from several loopback addresses: each puts a record when it is opened, is silent for some \
         seconds, and puts again. The memory is the server's own (RSS) while all are silent, less that before the first.",
        count(f64::from(possible))
    ));
    section.text.push(format!("Machine: {}. Measured on {}, one run.", bench.machine, bench.date));
    let server = Server::with_open_files(bench, "connections", needed)?;
    server.create(bench, "s", 4)?;
    let mut load = Command::new(bench.program("bench-load"));
    load.args(words(&format!(
        "connections --address {} --stream s --connections {possible} --pid {}",
        server.address,
        server.pid()
    )));
    let printed = os::output(&mut server::with_open_files(&load, needed))?;
    let found: Value = serde_json::from_str(&printed)?;
    tell(&found, possible, &mut section);
    section.raw = found;
    Ok(section)
}

fn tell(found: &Value, asked: u32, section: &mut Section) {
    let (opened, again) = (number(found, &["opened", "served"]), number(found, &["again", "served"]));
    let memory = |when: &str| number(found, &["rss_bytes", when]);
    let each = (memory("idle") - memory("before")) / opened;
    let mut table =
        Table::new(&["", "connections", "seconds", "put p50 ms", "put p99 ms", "server's memory, MB"]);
    for (name, phase, seconds, memory) in [
        ("opened, one put each", "opened", "opening_seconds", memory("idle")),
        ("one more put each", "again", "putting_seconds", memory("after")),
    ] {
        let latency = |at: &str| shown(number(found, &[phase, "latency", at]) / 1e3);
        table.row([
            name.to_owned(),
            count(number(found, &[phase, "served"])),
            shown(number(found, &[seconds])),
            latency("p50_us"),
            latency("p99_us"),
            shown(memory / 1e6),
        ]);
        if let Some(errors) = found[phase]["errors"].as_object().filter(|errors| !errors.is_empty()) {
            let errors: Vec<String> =
                errors.iter().map(|(name, count)| format!("{name} ({count})")).collect();
            section.notes.push(format!("{name}: {}", errors.join(", ")));
        }
    }
    section.tables.push(table);
    let bytes = |value: f64| format!("{} bytes", shown(value));
    section.targets.push(Target::at_most("memory of an idle connection", each, MOST_BYTES, bytes));
    section.targets.push(Target::at_least("connections opened and served", opened, f64::from(asked), count));
    section.targets.push(Target::at_least(
        "connections served again after silence",
        again,
        f64::from(asked),
        count,
    ));
}
