//! A thousand warm workers with nothing to do: what they cost the server that keeps them.

use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use crate::bench::context::{Bench, words};
use crate::bench::figures::{count, float, number, shown};
use crate::bench::languages;
use crate::bench::report::{Section, Table};
use crate::bench::server::Server;
use crate::bench::system;
use crate::os;

/// Invocations that AWS keeps free of provisioned ones.
const UNRESERVED: u64 = 100;
/// How long the workers may take to be ready.
const READY: Duration = Duration::from_mins(10);

/// The server at rest.
#[derive(Debug, Clone, Copy)]
struct Rest {
    resident_mb: f64,
    /// Of one core.
    cpu_share: f64,
    /// Of the machine.
    available_mb: f64,
}

pub(crate) fn run(bench: &Bench) -> anyhow::Result<Section> {
    let mut section = Section::new("Idle workers");
    let workers = bench.or_quick(1_000_u64, 20);
    let (server, isolation) = Server::for_functions(bench, "idle-workers", workers + UNRESERVED)?;
    let seconds = bench.or_quick(60.0, 3.0);
    section.text.push(format!(
        "{} workers of a native function, kept ready by provisioned concurrency, each in its own sandbox, and nothing to do. \
         The server's own memory (RSS) and CPU at rest over {} s, beside the same server before it had any; and what of the \
         machine's memory all is gone, the workers' processes and the kernel's part included. Isolation: {isolation}.",
        count(float(workers)),
        shown(seconds)
    ));
    section.text.push(format!("Machine: {}. Measured on {}, one run.", bench.machine, bench.date));
    let native = languages::native(bench)?;
    native.deploy(bench, &server, "idle", "1")?;
    let before = rest(bench, &server, seconds)?;
    let started = os::now();
    let version = call(bench, &server, "POST", "/2015-03-31/functions/idle/versions", "{}")?;
    let version = version["Version"].as_str().context("a version without a number")?;
    let path = format!("/2019-09-30/functions/idle/provisioned-concurrency?Qualifier={version}");
    call(bench, &server, "PUT", &path, &json!({ "ProvisionedConcurrentExecutions": workers }).to_string())?;
    wait_until_ready(bench, &server, &path)?;
    let took = started.elapsed().as_secs_f64();
    os::say(&format!("{workers} workers ready after {} s", shown(took)));
    let after = rest(bench, &server, seconds)?;
    let warm = bench.load(&words(&format!(
        "invoke --address {} --function idle:{version} --requests {} --warm-up 10",
        server.address,
        bench.or_quick(2_000, 50)
    )))?;
    let mut table =
        Table::new(&["the server at rest", "RSS MB", "CPU, % of a core", "memory of the machine, MB"]);
    let row = |what: &str, rest: Rest, gone: f64| {
        [what.to_owned(), shown(rest.resident_mb), shown(rest.cpu_share * 100.0), shown(gone)]
    };
    let gone = before.available_mb - after.available_mb;
    table.row(row("without workers", before, f64::NAN));
    table.row(row(&format!("with {} workers", count(float(workers))), after, gone));
    let each = |all: f64| shown(all / float(workers) * 1e3);
    table.row([
        "for each worker, KB and ppm of a core".to_owned(),
        each(after.resident_mb - before.resident_mb),
        shown((after.cpu_share - before.cpu_share) / float(workers) * 1e6),
        each(gone),
    ]);
    table.row([
        "with / without".to_owned(),
        format!("{} ×", shown(after.resident_mb / before.resident_mb)),
        format!("{} ×", shown(after.cpu_share / before.cpu_share)),
        String::new(),
    ]);
    section.tables.push(table);
    section.notes.push(format!(
        "all were ready {} s after they were asked for, {} a second; an invocation of one of them took {} ms (p50)",
        shown(took),
        shown(float(workers) / took),
        shown(number(&warm, &["latency", "p50_us"]) / 1e3)
    ));
    section.raw = json!({
        "workers": workers, "seconds_to_ready": took, "before": raw(before), "after": raw(after), "invoke": warm,
    });
    Ok(section)
}

fn raw(rest: Rest) -> Value {
    let Rest { resident_mb, cpu_share, available_mb } = rest;
    json!({ "resident_mb": resident_mb, "cpu_share": cpu_share, "available_mb": available_mb })
}

fn call(bench: &Bench, server: &Server, method: &str, path: &str, body: &str) -> anyhow::Result<Value> {
    let mut arguments = words(&format!("call --address {} --method {method} --path {path}", server.address));
    arguments.push(format!("--body={body}"));
    bench.load(&arguments)
}

fn wait_until_ready(bench: &Bench, server: &Server, path: &str) -> anyhow::Result<()> {
    let started = os::now();
    loop {
        let found = call(bench, server, "GET", path, "")?;
        match found["Status"].as_str() {
            Some("READY") => return Ok(()),
            Some("IN_PROGRESS") => {}
            _ => bail!("the workers are not made ready: {found}"),
        }
        if started.elapsed() > READY {
            bail!("after {} s: {found}", READY.as_secs());
        }
        system::sleep(0.05);
    }
}

/// Waits until what was begun is done, then looks for some seconds.
fn rest(bench: &Bench, server: &Server, seconds: f64) -> anyhow::Result<Rest> {
    system::sleep(bench.or_quick(20.0, 1.0));
    let (used, started) = (system::cpu_seconds(server.pid())?, os::now());
    system::sleep(seconds);
    let cpu_share = (system::cpu_seconds(server.pid())? - used) / started.elapsed().as_secs_f64();
    let (resident_mb, _) = system::memory_of(server.pid())?;
    Ok(Rest { resident_mb, cpu_share, available_mb: float(system::free_memory()?) / 1e6 })
}
