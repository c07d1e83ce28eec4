//! What functions can run with on this machine: what a server that is started here finds.

use crate::commands::connection::Output;
use crate::commands::table;
use anyhow::Result;
use serde_json::json;
use std::process::ExitCode;

pub(super) async fn run(output: Output) -> Result<ExitCode> {
    let found = millstream_functions::installed_runtimes().await;
    let program = |found: &millstream_functions::FoundRuntime| {
        found.interpreter.as_ref().map(|interpreter| interpreter.program.display().to_string())
    };
    let json =
        found.iter().map(|found| json!({ "Runtime": found.runtime.to_string(), "Program": program(found) }));
    let json = json!({ "Runtimes": json.collect::<Vec<_>>() });
    table::print(output, &json, || {
        let mut table = table::Table::new(["runtime", "program"]);
        for found in &found {
            let program = program(found).unwrap_or_else(|| "the function's own bootstrap".to_owned());
            table.row([found.runtime.to_string(), program]);
        }
        table.render()
    })?;
    Ok(ExitCode::SUCCESS)
}
