//! What keeps functions apart on this machine: what a server has that is started as this command was.

use crate::commands::connection::Output;
use crate::commands::table;
use anyhow::{Context, Result};
use millstream_functions::{Cgroups, CodeStore, Functions, Options};
use serde_json::{Value, json};
use std::process::ExitCode;

/// It fails where functions cannot be isolated.
pub(super) async fn run(output: Output) -> Result<ExitCode> {
    let options = Options { cgroups: Cgroups::Look, ..Options::default() };
    let code = CodeStore::temporary().context("a directory for functions")?;
    let functions = Functions::start(code, options).await.context("cannot try what this machine has")?;
    let protection = functions.protection();
    // The network is what the server is told it is.
    let layers: Vec<_> = protection.layers().into_iter().filter(|(name, _)| *name != "network").collect();
    let unavailable = protection.isolation.as_ref().err().map(ToString::to_string);
    let members: serde_json::Map<String, Value> =
        layers.iter().map(|(name, state)| ((*name).to_owned(), json!(state))).collect();
    let json = json!({ "Isolated": unavailable.is_none(), "Layers": members, "Advice": unavailable });
    table::print(output, &json, || {
        let mut table = table::Table::new(["layer", "in force"]);
        for (name, state) in layers {
            table.row([name.to_owned(), state]);
        }
        match &unavailable {
            Some(advice) => format!("{}\n\n{advice}", table.render()),
            None => table.render(),
        }
    })?;
    functions.shutdown().await;
    Ok(if unavailable.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
