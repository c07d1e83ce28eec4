//! Functions to measure: packages, and what the product's own commands do with them.

use std::path::Path;
use std::process::Command;

use anyhow::Context as _;
use serde_json::Value;

use super::context::Bench;
use super::process::Scratch;
use super::server::Server;
use super::system;
use crate::os;

/// What is deployed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Function<'a> {
    pub(crate) name: &'a str,
    pub(crate) runtime: &'a str,
    pub(crate) handler: &'a str,
    /// `NAME=VALUE`.
    pub(crate) environment: &'a [String],
}

/// A command of the product against a server; what it prints, in JSON.
fn ask(bench: &Bench, server: &Server, arguments: &[&str]) -> anyhow::Result<Value> {
    let mut command = Command::new(&bench.server);
    command.args(arguments).args(["--output", "json"]);
    command.arg("--endpoint-url").arg(format!("http://{}", server.address));
    // What the user has set up for AWS has no part in this.
    for name in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_LAMBDA", "AWS_ENDPOINT_URL_KINESIS", "AWS_PROFILE"] {
        command.env_remove(name);
    }
    let printed = os::output(&mut command)?;
    if printed.trim().is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_str(&printed).with_context(|| format!("{} printed {printed:?}", os::describe(&command)))
}

/// Makes a function of a directory, or gives it new code; it is active when this returns.
pub(crate) fn deploy(
    bench: &Bench,
    server: &Server,
    function: Function<'_>,
    directory: &Path,
) -> anyhow::Result<()> {
    let Function { name, runtime, handler, environment } = function;
    let directory = directory.to_str().context("a path that is not text")?;
    let mut arguments = vec!["function", "deploy", directory, "--name", name, "--runtime", runtime];
    // Enough for a whole processor, as at AWS: a share of one would be measured otherwise.
    arguments.extend(["--handler", handler, "--memory", "1769", "--timeout", "30"]);
    arguments.extend(environment.iter().flat_map(|variable| ["--environment", variable.as_str()]));
    ask(bench, server, &arguments).map(drop).with_context(|| format!("function {name}"))
}

/// Has the records of a stream go to a function, from the first on; the mapping's UUID.
pub(crate) fn map(
    bench: &Bench,
    server: &Server,
    stream: &str,
    function: &str,
    batch: u32,
) -> anyhow::Result<String> {
    let batch = batch.to_string();
    let mut arguments = vec!["mapping", "create", "--stream", stream, "--function", function];
    arguments.extend(["--from", "trim-horizon", "--batch-size", &batch, "--wait"]);
    let mapping = ask(bench, server, &arguments)?;
    Ok(mapping["UUID"].as_str().context("a mapping without UUID")?.to_owned())
}

/// Ends a mapping, and the function with it.
pub(crate) fn unmap(bench: &Bench, server: &Server, mapping: &str, function: &str) -> anyhow::Result<()> {
    ask(bench, server, &["mapping", "delete", mapping, "--wait"])?;
    ask(bench, server, &["function", "delete", function]).map(drop)
}

/// A directory with the native function that does nothing.
pub(crate) fn native_package(bench: &Bench, name: &str) -> anyhow::Result<Scratch> {
    let package = Scratch::new(bench, name)?;
    system::copy(&bench.program("bench-worker"), &package.0.join("bootstrap"))?;
    Ok(package)
}

/// A directory with files of `bench/functions`.
pub(crate) fn package_of(bench: &Bench, name: &str, files: &[&str]) -> anyhow::Result<Scratch> {
    let package = Scratch::new(bench, name)?;
    for file in files {
        let source = os::root().join("bench/functions").join(file);
        let base = source.file_name().context("a file without a name")?;
        system::copy(&source, &package.0.join(base))?;
    }
    Ok(package)
}

/// What this machine has of the runtimes whose names begin so, the newest first: the runtime's name and its program.
pub(crate) fn installed(bench: &Bench, begin: &str) -> anyhow::Result<Vec<(String, String)>> {
    let mut command = Command::new(&bench.server);
    command.args(["function", "runtimes", "--output", "json"]);
    let found: Value = serde_json::from_str(&os::output(&mut command)?)?;
    let all = found["Runtimes"].as_array().context("no list of runtimes")?;
    let mut found: Vec<(String, String)> = all
        .iter()
        .filter_map(|one| Some((one["Runtime"].as_str()?.to_owned(), one["Program"].as_str()?.to_owned())))
        .filter(|(runtime, _)| runtime.starts_with(begin))
        .collect();
    found.sort_by_key(|(runtime, _)| {
        let digits =
            |part: &str| part.chars().filter(char::is_ascii_digit).collect::<String>().parse().unwrap_or(0);
        std::cmp::Reverse(runtime.split('.').map(digits).collect::<Vec<u32>>())
    });
    Ok(found)
}
