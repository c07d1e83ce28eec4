//! Cold and warm invocations of a function that does nothing, in each runtime, beside what they cannot do without.

use serde_json::{Value, json};

use crate::bench::context::{Bench, words};
use crate::bench::figures::{median, middle, number, shown};
use crate::bench::languages::{self, Language, PAUSE_MS};
use crate::bench::peers::short;
use crate::bench::report::{Section, Table, Target, ms};
use crate::bench::server::Server;
use crate::os;

/// What a warm invocation may take longer than a bare round trip, in milliseconds.
const WARM_MS: f64 = 0.2;
/// What a cold one may take, in milliseconds: of a native function, of a component, and beyond the bare interpreter.
const NATIVE_MS: f64 = 10.0;
const COMPONENT_MS: f64 = 1.0;
const INTERPRETER_MS: f64 = 30.0;

/// How a language's cold starts are judged.
#[derive(Debug, Clone, Copy)]
enum Judged {
    AtMost(f64),
    BeyondTheLeast(f64),
    /// There is no target.
    Told,
}

type Make = fn(&Bench) -> anyhow::Result<Language>;

const LANGUAGES: [(&str, Make, Judged); 5] = [
    ("Rust", languages::native, Judged::AtMost(NATIVE_MS)),
    ("Python", languages::python, Judged::BeyondTheLeast(INTERPRETER_MS)),
    ("Node.js", languages::node, Judged::BeyondTheLeast(INTERPRETER_MS)),
    ("Java", languages::java, Judged::Told),
    ("WebAssembly", languages::component, Judged::AtMost(COMPONENT_MS)),
];

/// What was measured of one language, turn by turn.
#[derive(Debug, Default)]
struct Found {
    least: Vec<Value>,
    /// Starts of the worker outside of a sandbox, and round trips with one.
    starts: Vec<Value>,
    bare: Vec<Value>,
    /// Every cold invocation.
    cold: Vec<Value>,
    warm: Vec<Value>,
}

impl Found {
    fn raw(&self, name: &str) -> Value {
        let Self { least, starts, bare, cold, warm } = self;
        json!({ "name": name, "least": least, "starts": starts, "bare": bare, "cold": cold, "warm": warm })
    }
}

pub(crate) fn run(bench: &Bench) -> anyhow::Result<Section> {
    let mut section = Section::new("Cold and warm invocations");
    let (server, isolation) = Server::for_functions(bench, "function-starts", 64)?;
    let null = Server::ladder(bench, "ladder-null", "")?;
    section.text.push(format!(
        "A function that does nothing, invoked through the Lambda API (RequestResponse), HTTP/1.1 without an SDK, one invocation \
         after another on one connection, {PAUSE_MS} ms apart. *Cold*: the first invocation after the function was given new \
         code and is active again, as its client sees it; and what REPORT calls Init Duration. Beside it, on the same machine \
         in the same turns, the least that must be started, from its start to the first byte that it prints: the interpreter \
         importing the modules that the runtime's client imports, for Java a virtual machine that prints a line; and the worker itself outside of any \
         sandbox, from its start to its first call of the Runtime API. *Warm*: beside a bare Runtime API round trip, the same \
         worker outside of any sandbox, handed events by a server that does nothing else, at the same pace. Every \
         invocation of a component has an instance of its own, so warm is as cold. Isolation: {isolation}."
    ));
    section.text.push(bench.provenance());
    let mut all = Vec::new();
    for (name, make, judged) in LANGUAGES {
        match make(bench) {
            Ok(language) => all.push((language, judged, Found::default())),
            Err(error) => section.notes.push(format!("{name}: not measured: {}", short(&error))),
        }
    }
    let mut trips = Vec::new();
    for round in 1..=bench.rounds {
        trips.push(round_trip(bench, &null)?);
        for (language, _, found) in &mut all {
            turn(bench, &server, language, round, found)?;
            os::say(&format!(
                "{}, turn {round} of {}: cold {} ms, warm {} ms",
                language.name,
                bench.rounds,
                shown(middle(found.cold.iter().map(cold_ms).collect())),
                shown(median(&found.warm, &["latency", "p50_us"]) / 1e3)
            ));
        }
    }
    let trip = median(&trips, &["latency", "p50_us"]) / 1e3;
    section.notes.push(format!(
        "a request with such a body to a server that only answers took {} (p50), which is part of every invocation here and of no \
         bare round trip",
        ms(trip)
    ));
    tell_cold(&all, &mut section);
    tell_warm(&all, &mut section);
    let languages: Vec<_> = all.iter().map(|(language, _, found)| found.raw(&language.name)).collect();
    section.raw = json!({ "languages": languages, "round_trip": trips });
    Ok(section)
}

fn turn(
    bench: &Bench,
    server: &Server,
    language: &Language,
    round: usize,
    found: &mut Found,
) -> anyhow::Result<()> {
    let starts = bench.or_quick(10_u32, 2);
    let requests = bench.or_quick(1_500_u32, 100);
    if language.least.is_some() {
        found.least.push(language.least(bench, starts)?);
    }
    if language.worker.is_some() {
        found.starts.push(language.bare(bench, starts, 1)?);
        // As many as warm invocations: some runtimes become faster for a long time.
        found.bare.push(language.bare(bench, 1, requests)?);
    }
    let name = language.runtime.replace('.', "-");
    let invoke = |more: &str| {
        bench.load(&words(&format!("invoke --address {} --function {name} {more}", server.address)))
    };
    for start in 0..starts {
        language.deploy(bench, server, &name, &format!("{round}.{start}"))?;
        found.cold.push(invoke("--requests 1 --init")?);
    }
    found
        .warm
        .push(invoke(&format!("--requests {requests} --warm-up {} --pause-ms {PAUSE_MS}", requests / 10))?);
    Ok(())
}

/// A request of the same size to a server that only answers.
fn round_trip(bench: &Bench, null: &Server) -> anyhow::Result<Value> {
    bench.load(&words(&format!(
        "put --address {} --stream s --records 0 --size 16 --connections 1 --seconds {} --warm-up {}",
        null.address,
        bench.seconds / 2.0,
        bench.warm_up
    )))
}

/// Of one cold invocation, as its client saw it.
fn cold_ms(one: &Value) -> f64 {
    number(one, &["latency", "max_us"]) / 1e3
}

fn slowest(values: &[Value], of: fn(&Value) -> f64) -> f64 {
    values.iter().map(of).fold(f64::NAN, f64::max)
}

type Measured = [(Language, Judged, Found)];

fn tell_cold(all: &Measured, section: &mut Section) {
    let mut table = Table::new(&[
        "cold",
        "the least, p50 ms",
        "worker without sandbox, p50 ms",
        "Init Duration, p50 ms",
        "Invoke, p50 ms",
        "Invoke, slowest ms",
        "Invoke / the least",
        "Invoke / worker",
    ]);
    for (language, judged, found) in all {
        let start = |values: &[Value]| median(values, &["start", "p50_us"]) / 1e3;
        let (least, worker) = (start(&found.least), start(&found.starts));
        let cold = middle(found.cold.iter().map(cold_ms).collect());
        table.row([
            language.name.clone(),
            shown(least),
            shown(worker),
            shown(median(&found.cold, &["init_ms"])),
            shown(cold),
            shown(slowest(&found.cold, cold_ms)),
            shown(cold / least),
            shown(cold / worker),
        ]);
        let name = &language.name;
        section.targets.extend(match judged {
            Judged::AtMost(most) => {
                Some(Target::at_most(format!("{name}: cold Invoke, p50"), cold, *most, ms))
            }
            Judged::BeyondTheLeast(most) => {
                let what = language.least.as_ref().map_or("the least", |(what, _)| what);
                let target = format!("{name}: cold Invoke, p50, beyond {what}");
                Some(Target::at_most(target, cold - least, *most, ms))
            }
            Judged::Told => None,
        });
    }
    section.tables.push(table);
}

fn tell_warm(all: &Measured, section: &mut Section) {
    let mut table = Table::new(&[
        "warm",
        "bare p50 ms",
        "bare p99 ms",
        "Invoke p50 ms",
        "Invoke p99 ms",
        "Invoke / bare, p50",
        "Invoke − bare, p50 ms",
    ]);
    for (language, _, found) in all {
        let alone = |at: &str| median(&found.bare, &["round_trip", at]) / 1e3;
        let warm = |at: &str| median(&found.warm, &["latency", at]) / 1e3;
        let (base, ours) = (alone("p50_us"), warm("p50_us"));
        table.row([
            language.name.clone(),
            shown(base),
            shown(alone("p99_us")),
            shown(ours),
            shown(warm("p99_us")),
            shown(ours / base),
            shown(ours - base),
        ]);
        if language.worker.is_some() {
            let target = format!("{}: warm Invoke, p50, beyond a bare round trip", language.name);
            section.targets.push(Target::at_most(target, ours - base, WARM_MS, ms));
        }
    }
    section.tables.push(table);
}
