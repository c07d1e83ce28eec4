//! Listing, describing and deleting functions.

use super::{all, did_you_mean, lookup};
use crate::commands::connection::Connection;
use crate::commands::table;
use anyhow::Result;
use aws_sdk_lambda::types::{FunctionConfiguration, LastUpdateStatus, Runtime, State};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::process::ExitCode;

pub(super) async fn list(connection: &Connection) -> Result<ExitCode> {
    let functions = all(connection).await?;
    let json = json!({ "Functions": functions.iter().map(to_json).collect::<Vec<_>>() });
    table::print(connection.output, &json, || {
        if functions.is_empty() {
            return "There are no functions. `millstream function deploy DIR` makes one".to_owned();
        }
        let mut table = table::Table::new(["name", "runtime", "handler", "memory", "timeout", "modified"]);
        for function in &functions {
            let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
            table.row([
                text(function.function_name()),
                text(function.runtime().map(Runtime::as_str)),
                text(function.handler()),
                format!("{} MiB", function.memory_size().unwrap_or_default()),
                format!("{} s", function.timeout().unwrap_or_default()),
                text(function.last_modified()),
            ]);
        }
        table.render()
    })?;
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn describe(connection: &Connection, name: &str) -> Result<ExitCode> {
    let function = match lookup(connection, name).await {
        Ok(function) => function,
        Err(error) => return Err(did_you_mean(connection, name, error).await),
    };
    table::print(connection.output, &to_json(&function), || render(&function))?;
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn delete(connection: &Connection, name: &str) -> Result<ExitCode> {
    if let Err(error) = connection.lambda.delete_function().function_name(name).send().await {
        let error = connection.lambda_failed(format!("delete the function {name}"), &error);
        return Err(did_you_mean(connection, name, error).await);
    }
    let json = json!({ "FunctionName": name, "Deleted": true });
    table::print(connection.output, &json, || format!("{name} is deleted"))?;
    Ok(ExitCode::SUCCESS)
}

fn variables(function: &FunctionConfiguration) -> BTreeMap<&str, &str> {
    let variables = function.environment().and_then(|environment| environment.variables());
    variables.into_iter().flatten().map(|(key, value)| (key.as_str(), value.as_str())).collect()
}

fn layers(function: &FunctionConfiguration) -> Vec<&str> {
    function.layers().iter().filter_map(|layer| layer.arn()).collect()
}

pub(super) fn to_json(function: &FunctionConfiguration) -> Value {
    json!({
        "FunctionName": function.function_name(),
        "FunctionArn": function.function_arn(),
        "Runtime": function.runtime().map(Runtime::as_str),
        "Handler": function.handler(),
        "Role": function.role(),
        "Description": function.description(),
        "CodeSize": function.code_size(),
        "CodeSha256": function.code_sha256(),
        "Timeout": function.timeout(),
        "MemorySize": function.memory_size(),
        "LastModified": function.last_modified(),
        "Version": function.version(),
        "State": function.state().map(State::as_str),
        "StateReason": function.state_reason(),
        "LastUpdateStatus": function.last_update_status().map(LastUpdateStatus::as_str),
        "Environment": variables(function),
        "Layers": layers(function),
    })
}

fn render(function: &FunctionConfiguration) -> String {
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    let code = u64::try_from(function.code_size()).unwrap_or_default();
    // Values may be secrets; who wants to see them asks for JSON.
    let names: Vec<_> = variables(function).into_keys().collect();
    table::facts([
        ("Name", text(function.function_name())),
        ("ARN", text(function.function_arn())),
        ("State", text(function.state().map(State::as_str))),
        ("Reason", text(function.state_reason())),
        ("Last update", text(function.last_update_status().map(LastUpdateStatus::as_str))),
        ("Description", text(function.description())),
        ("Runtime", text(function.runtime().map(Runtime::as_str))),
        ("Handler", text(function.handler())),
        ("Role", text(function.role())),
        ("Memory", format!("{} MiB", function.memory_size().unwrap_or_default())),
        ("Timeout", format!("{} s", function.timeout().unwrap_or_default())),
        ("Code", format!("{}, SHA-256 {}", table::count(code, "byte"), text(function.code_sha256()))),
        ("Layers", layers(function).join(", ")),
        ("Variables", names.join(", ")),
        ("Modified", text(function.last_modified())),
    ])
}
