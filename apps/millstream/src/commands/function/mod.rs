//! `millstream function`: functions, their layers, and what they can run with.

mod deploy;
mod invoke;
mod isolation;
mod layer;
mod logs;
pub(crate) mod package;
mod runtimes;
mod show;
mod watch;

use super::connection::{Connection, ConnectionArguments};
use super::error::{CallError, Kind, closest};
use super::{caps, wait::Patience};
use anyhow::{Result, bail};
use aws_sdk_lambda::types::{FunctionConfiguration, LastUpdateStatus, State};
use clap::{Args, Subcommand};
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(crate) struct FunctionArguments {
    #[command(subcommand)]
    command: FunctionCommand,
    #[command(flatten)]
    connection: ConnectionArguments,
}

#[derive(Debug, Subcommand)]
enum FunctionCommand {
    /// Create a function from a directory, or update it
    Deploy(Box<deploy::DeployArguments>),
    /// Invoke a function and print what it returns
    Invoke(invoke::InvokeArguments),
    /// Show what a function prints, and what Lambda says of its invocations
    Logs(logs::LogsArguments),
    /// List the functions
    List,
    /// Show all of a function
    Describe {
        /// Name or ARN of the function
        #[arg(value_name = "FUNCTION")]
        function: String,
    },
    /// Delete a function
    Delete {
        /// Name or ARN of the function
        #[arg(value_name = "FUNCTION")]
        function: String,
    },
    /// Publish, list and delete layers
    Layer(layer::LayerArguments),
    /// List the runtimes that functions can have on this machine; asks no server
    Runtimes,
    /// Show what keeps functions apart and within their limits on this machine; asks no server
    Isolation,
}

pub(crate) async fn run(arguments: FunctionArguments) -> Result<ExitCode> {
    let connect = || Connection::open(&arguments.connection);
    match arguments.command {
        FunctionCommand::Deploy(arguments) => deploy::run(&connect().await?, &arguments).await,
        FunctionCommand::Invoke(arguments) => invoke::run(&connect().await?, &arguments).await,
        FunctionCommand::Logs(arguments) => logs::run(&connect().await?, &arguments).await,
        FunctionCommand::List => show::list(&connect().await?).await,
        FunctionCommand::Describe { function } => show::describe(&connect().await?, &function).await,
        FunctionCommand::Delete { function } => show::delete(&connect().await?, &function).await,
        FunctionCommand::Layer(arguments) => layer::run(&connect().await?, &arguments).await,
        FunctionCommand::Runtimes => runtimes::run(arguments.connection.output()).await,
        FunctionCommand::Isolation => isolation::run(arguments.connection.output()).await,
    }
}

/// A function, if there is one of this name.
async fn lookup(connection: &Connection, name: &str) -> Result<FunctionConfiguration, CallError> {
    let call = connection.lambda.get_function().function_name(name);
    let doing = || format!("look at the function {name}");
    let answer = call.send().await.map_err(|error| connection.lambda_failed(doing(), &error))?;
    Ok(answer.configuration.unwrap_or_else(|| FunctionConfiguration::builder().build()))
}

/// All functions.
async fn all(connection: &Connection) -> Result<Vec<FunctionConfiguration>, CallError> {
    let mut functions = Vec::new();
    let mut marker = None;
    loop {
        let call = connection.lambda.list_functions().set_marker(marker);
        let page =
            call.send().await.map_err(|error| connection.lambda_failed("list the functions", &error))?;
        functions.extend(page.functions.unwrap_or_default());
        marker = page.next_marker;
        if marker.is_none() || functions.len() >= caps::LISTED {
            return Ok(functions);
        }
    }
}

/// Add to "no such function" which one may have been meant.
pub(super) async fn did_you_mean(connection: &Connection, name: &str, error: CallError) -> anyhow::Error {
    // A mapping to no function is refused with other words.
    if error.kind != Kind::NotFound && !error.message.contains("Function does not exist") {
        return error.into();
    }
    let hint = match all(connection).await {
        Err(_) => None,
        Ok(functions) if functions.is_empty() => {
            Some("There is no function yet. `millstream function deploy DIR` makes one".to_owned())
        }
        Ok(functions) => {
            let names = functions.iter().filter_map(FunctionConfiguration::function_name);
            Some(match closest(name, names) {
                Some(name) => format!("Did you mean {name}?"),
                None => "`millstream function list` shows which functions there are".to_owned(),
            })
        }
    };
    error.with_hint(hint).into()
}

/// Wait until a function can be invoked, with its last change in force.
async fn wait_until_ready(connection: &Connection, name: &str) -> Result<FunctionConfiguration> {
    let function = wait_until_settled(connection, name).await?;
    let failed = function.state() == Some(&State::Failed)
        || function.last_update_status() == Some(&LastUpdateStatus::Failed);
    if failed {
        let reason = function.state_reason().or_else(|| function.last_update_status_reason());
        bail!("the function {name} failed: {}", reason.unwrap_or("the service does not say why"));
    }
    Ok(function)
}

/// Wait until nothing is under way with a function, for better or worse: one that failed can be mended.
async fn wait_until_settled(connection: &Connection, name: &str) -> Result<FunctionConfiguration> {
    let mut patience = Patience::new(format!("the function {name}"));
    loop {
        let function = lookup(connection, name).await?;
        if function.state() == Some(&State::Pending) {
            patience.wait(State::Pending.as_str()).await?;
        } else if function.last_update_status() == Some(&LastUpdateStatus::InProgress) {
            patience.wait(LastUpdateStatus::InProgress.as_str()).await?;
        } else {
            return Ok(function);
        }
    }
}
