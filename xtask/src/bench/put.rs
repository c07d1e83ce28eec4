//! Comparisons of servers that take records: each side has its turn, again and again.

use anyhow::{Context as _, anyhow};
use serde_json::{Value, json};

use super::context::{Bench, words};
use super::figures::{median, number, shown};
use super::peers::short;
use super::server::Server;
use super::system;
use crate::os;

/// What is put.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// Records of a request; 0 is PutRecord.
    pub(crate) records: u32,
    pub(crate) size: u32,
    pub(crate) encoding: &'static str,
    pub(crate) connections: u32,
}

/// Puts for one turn.
pub(crate) fn turn(
    bench: &Bench,
    load: Load,
    address: &str,
    stream: &str,
    pid: u32,
    max_bytes: u64,
) -> anyhow::Result<Value> {
    let Load { records, size, encoding, connections } = load;
    let (seconds, warm_up) = (bench.seconds, bench.warm_up);
    bench.load(&words(&format!(
        "put --address {address} --stream {stream} --records {records} --size {size} --encoding {encoding} \
         --connections {connections} --seconds {seconds} --warm-up {warm_up} --max-bytes {max_bytes} --pid {pid}"
    )))
}

/// Writes so many bytes of records, 500 × 1 KiB in a request; an error if the server refuses any.
pub(crate) fn fill(bench: &Bench, server: &Server, stream: &str, bytes: u64) -> anyhow::Result<Value> {
    let found = bench.load(&words(&format!(
        "put --address {} --stream {stream} --seconds 600 --warm-up 0 --max-bytes {bytes} --pid {}",
        server.address,
        server.pid()
    )))?;
    let errors = found["errors"].as_object().filter(|errors| !errors.is_empty());
    errors.map_or(Ok(()), |errors| Err(anyhow!("writing to stream {stream}: {errors:?}")))?;
    Ok(found)
}

/// Writes until a new server's files are made and go round, and its background work has begun.
pub(crate) fn settle(bench: &Bench, server: &Server, stream: &str) -> anyhow::Result<()> {
    let bytes = bench.or_quick(1_000, 50) * 1_000_000;
    os::say(&format!("writing {} MB first, so that files are made and in use again", bytes / 1_000_000));
    fill(bench, server, stream, bytes).map(drop)
}

/// One side of a comparison, and what each of its turns found.
pub(crate) struct Side<'a> {
    pub(crate) name: String,
    turn: Box<dyn FnMut() -> anyhow::Result<Value> + 'a>,
    pub(crate) found: Vec<Value>,
    /// Why it has no more turns.
    pub(crate) trouble: Option<String>,
}

impl<'a> Side<'a> {
    pub(crate) fn new(name: impl Into<String>, turn: impl FnMut() -> anyhow::Result<Value> + 'a) -> Self {
        Self { name: name.into(), turn: Box::new(turn), found: Vec::new(), trouble: None }
    }

    pub(crate) fn median(&self, path: &[&str]) -> f64 {
        median(&self.found, path)
    }

    /// Seconds of all cores for a GB of records.
    pub(crate) fn cpu_per_gb(&self) -> f64 {
        let each = self
            .found
            .iter()
            .map(|value| number(value, &["server", "cpu_seconds"]) / number(value, &["record_bytes"]) * 1e9);
        super::figures::middle(each.collect())
    }

    /// Errors that answers told of, in any turn.
    pub(crate) fn errors(&self) -> Option<String> {
        let all: Vec<String> = self.found.iter().filter_map(errors_of).collect();
        all.first().cloned()
    }

    pub(crate) fn raw(&self) -> Value {
        json!({ "name": self.name, "turns": self.found, "trouble": self.trouble })
    }

    fn take_turn(&mut self) {
        match (self.turn)() {
            Ok(value) if value["requests"].as_u64() == Some(0) => {
                self.trouble =
                    Some(errors_of(&value).unwrap_or_else(|| "no answer in a whole turn".to_owned()));
            }
            Ok(value) => self.found.push(value),
            Err(error) => {
                self.trouble = Some(short(&error));
            }
        }
    }
}

/// Errors with their counts, the records that were refused among them.
fn errors_of(value: &Value) -> Option<String> {
    let mut all: Vec<String> = Vec::new();
    if let Some(errors) = value["errors"].as_object() {
        all.extend(errors.iter().map(|(name, count)| format!("{name} ({count} times)")));
    }
    let failed = number(value, &["failed_share"]);
    if failed > 0.0 {
        all.push(format!("{} % of the records refused", shown(failed * 100.0)));
    }
    (!all.is_empty()).then(|| all.join(", "))
}

/// A B A B …: every side that has no trouble has a turn in each round.
pub(crate) fn alternate(bench: &Bench, rounds: usize, what: &str, sides: &mut [Side<'_>]) {
    for round in 1..=rounds {
        for side in sides.iter_mut().filter(|side| side.trouble.is_none()) {
            // What the side before has left to write must not be this one's burden.
            system::sleep(bench.or_quick(1.0, 0.1));
            side.take_turn();
            let told = match (&side.trouble, side.found.last()) {
                (Some(trouble), _) => trouble.clone(),
                (None, Some(found)) => summary(found),
                (None, None) => String::new(),
            };
            os::say(&format!("{what}, turn {round} of {rounds}: {}: {told}", side.name));
        }
    }
}

fn summary(found: &Value) -> String {
    let p50 = number(found, &["latency", "p50_us"]) / 1e3;
    format!(
        "{} MB/s, {} per s, p50 {} ms",
        shown(number(found, &["mb_per_s"])),
        shown(number(found, &["per_s"])),
        shown(p50)
    )
}

/// The side of that name.
pub(crate) fn side<'a, 'b>(sides: &'a [Side<'b>], name: &str) -> anyhow::Result<&'a Side<'b>> {
    sides.iter().find(|side| side.name == name).with_context(|| format!("no side is called {name}"))
}
