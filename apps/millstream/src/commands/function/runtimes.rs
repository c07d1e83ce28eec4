//! What functions can run with on this machine: what a server that is started here finds.

use crate::commands::connection::Output;
use crate::commands::table;
use anyhow::Result;
use millstream_functions::{FoundRuntime, Runtime};
use serde_json::json;
use std::process::ExitCode;

pub(super) async fn run(output: Output) -> Result<ExitCode> {
    let found = millstream_functions::installed_runtimes().await;
    let program = |found: &FoundRuntime| {
        found.interpreter.as_ref().map(|interpreter| interpreter.program.display().to_string())
    };
    let about = |found: &FoundRuntime| found.interpreter.clone();
    let client = |found: &FoundRuntime| {
        about(found).map(|interpreter| interpreter.client.unwrap_or_else(|| "bundled".to_owned()))
    };
    let shown = found.iter().map(|found| {
        json!({
            "Runtime": found.runtime.to_string(),
            "Version": about(found).map(|interpreter| interpreter.version),
            "Program": program(found),
            "Client": client(found),
            "Sdk": about(found).and_then(|interpreter| interpreter.sdk),
        })
    });
    let is_here = |runtime: &Runtime| found.iter().any(|found| found.runtime == *runtime);
    let missing: Vec<_> = Runtime::all().into_iter().filter(|runtime| !is_here(runtime)).collect();
    let absent =
        missing.iter().map(|runtime| json!({ "Runtime": runtime.to_string(), "Advice": runtime.advice() }));
    let json = json!({ "Runtimes": shown.collect::<Vec<_>>(), "Missing": absent.collect::<Vec<_>>() });
    table::print(output, &json, || {
        let mut table = table::Table::new(["runtime", "version", "client", "AWS SDK", "program"]);
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        for found in &found {
            let program = program(found).unwrap_or_else(|| "the function's own bootstrap".to_owned());
            let version = or_dash(about(found).map(|interpreter| interpreter.version));
            let sdk = or_dash(about(found).and_then(|interpreter| interpreter.sdk));
            table.row([found.runtime.to_string(), version, or_dash(client(found)), sdk, program]);
        }
        for runtime in &missing {
            let none = || "-".to_owned();
            table.row([runtime.to_string(), "missing".to_owned(), none(), none(), runtime.advice()]);
        }
        table.render()
    })?;
    Ok(ExitCode::SUCCESS)
}
