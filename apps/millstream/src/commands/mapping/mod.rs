//! `millstream mapping`: which stream's records go to which function, and how.

mod parameters;
mod show;

use super::connection::{Connection, ConnectionArguments};
use super::error::{CallError, Kind};
use super::stream::reference::{self, StreamRef};
use super::times::{self, Start, to_sdk};
use super::wait::Patience;
use super::{caps, consumer, function, pairs, table};
use anyhow::{Context, Result};
use aws_sdk_lambda::types::EventSourcePosition;
use clap::{Args, Subcommand};
use millstream_host::{Clock, SystemClock};
use parameters::Parameters;
use serde_json::json;
use show::Mapping;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(crate) struct MappingArguments {
    #[command(subcommand)]
    command: MappingCommand,
    #[command(flatten)]
    connection: ConnectionArguments,
}

#[derive(Debug, Subcommand)]
enum MappingCommand {
    /// Have the records of a stream go to a function
    Create(Box<Create>),
    /// List the mappings
    List {
        /// Only those of this function
        #[arg(long, value_name = "FUNCTION")]
        function: Option<String>,
        /// Only those of this stream
        #[arg(long, value_name = "STREAM")]
        stream: Option<StreamRef>,
    },
    /// Show all of a mapping
    Describe {
        #[arg(value_name = "UUID")]
        uuid: String,
    },
    /// Change a mapping; what is not given stays
    Update(Box<Update>),
    /// Go on with a mapping that was disabled, where it was
    Enable(Switch),
    /// Stop a mapping; it remembers where it is
    Disable(Switch),
    /// Delete a mapping
    Delete(Switch),
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  millstream mapping create --stream signups --function enrich --from trim-horizon --wait\n  \
    millstream mapping create --stream signups --consumer web --function enrich --batch-size 500 --parallelization 4 \
    --bisect --retries 3 --on-failure arn:aws:sqs:us-east-1:000000000000:failed"
)]
struct Create {
    /// Name or ARN of the stream
    #[arg(long, value_name = "STREAM")]
    stream: StreamRef,

    /// Name or ARN of the function
    #[arg(long, value_name = "FUNCTION")]
    function: String,

    /// Read through this registered consumer (enhanced fan-out): its name or ARN
    #[arg(long, value_name = "CONSUMER")]
    consumer: Option<String>,

    /// Where to begin: latest, trim-horizon, a time (2026-11-23T09:00:00Z) or how long ago (15m)
    #[arg(long, value_name = "START", default_value = "latest", value_parser = times::start)]
    from: Start,

    /// Create it, and do not begin yet
    #[arg(long)]
    disabled: bool,

    /// A tag; may be given several times
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = pairs::pair)]
    tags: Vec<(String, String)>,

    #[command(flatten)]
    parameters: Parameters,

    /// Wait until it is enabled
    #[arg(long)]
    wait: bool,
}

#[derive(Debug, Args)]
struct Update {
    #[arg(value_name = "UUID")]
    uuid: String,

    /// Another function
    #[arg(long, value_name = "FUNCTION")]
    function: Option<String>,

    #[command(flatten)]
    parameters: Parameters,

    /// Wait until the change is in force
    #[arg(long)]
    wait: bool,
}

#[derive(Debug, Args)]
struct Switch {
    #[arg(value_name = "UUID")]
    uuid: String,

    /// Wait until it is done
    #[arg(long)]
    wait: bool,
}

pub(crate) async fn run(arguments: MappingArguments) -> Result<ExitCode> {
    let connection = Connection::open(&arguments.connection).await?;
    match arguments.command {
        MappingCommand::Create(arguments) => create(&connection, &arguments).await?,
        MappingCommand::List { function, stream } => {
            let mappings = list(&connection, function, stream.as_ref()).await?;
            let json =
                json!({ "EventSourceMappings": mappings.iter().map(Mapping::to_json).collect::<Vec<_>>() });
            table::print(connection.output, &json, || show::render_list(&mappings))?;
        }
        MappingCommand::Describe { uuid } => {
            let mapping = known(&connection, &uuid).await?;
            table::print(connection.output, &mapping.to_json(), || mapping.render())?;
        }
        MappingCommand::Update(arguments) => update(&connection, &arguments).await?,
        MappingCommand::Enable(switch) => enable(&connection, &switch, true).await?,
        MappingCommand::Disable(switch) => enable(&connection, &switch, false).await?,
        MappingCommand::Delete(switch) => delete(&connection, &switch).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn create(connection: &Connection, arguments: &Create) -> Result<()> {
    let source = match &arguments.consumer {
        Some(arn) if arn.starts_with("arn:") => arn.clone(),
        Some(name) => {
            let stream = reference::arn(connection, &arguments.stream).await?;
            consumer::find(connection, &stream, name).await?.consumer_arn
        }
        None => reference::arn(connection, &arguments.stream).await?,
    };
    let (position, at) = match arguments.from.settled(SystemClock::new().now()) {
        Start::TrimHorizon => (EventSourcePosition::TrimHorizon, None),
        Start::At(at) => (EventSourcePosition::AtTimestamp, Some(to_sdk(at))),
        Start::Latest | Start::Ago(_) => (EventSourcePosition::Latest, None),
    };
    let asked = &arguments.parameters;
    let call = connection.lambda.create_event_source_mapping().function_name(&arguments.function);
    let call = call.event_source_arn(source).starting_position(position).set_starting_position_timestamp(at);
    let call = call.enabled(!arguments.disabled).set_tags(pairs::some(&arguments.tags));
    let call = call.set_batch_size(asked.batch_size);
    let call = call.set_maximum_batching_window_in_seconds(asked.batch_window);
    let call = call.set_parallelization_factor(asked.parallelization);
    let call =
        call.set_maximum_retry_attempts(asked.retries).set_maximum_record_age_in_seconds(asked.max_age);
    let call = call.set_bisect_batch_on_function_error(asked.bisect);
    let call = call.set_function_response_types(asked.response_types());
    let call = call.set_filter_criteria(asked.filter_criteria()).set_destination_config(asked.destination());
    let call = call.set_metrics_config(asked.metrics_config()).set_kms_key_arn(asked.kms_key.clone());
    let sent = call.set_tumbling_window_in_seconds(asked.tumbling_window).send().await;
    let answer = match sent {
        Ok(answer) => answer,
        Err(error) => {
            let doing = format!("map {} to {}", arguments.stream, arguments.function);
            let error = connection.lambda_failed(doing, &error);
            return Err(function::did_you_mean(connection, &arguments.function, error).await);
        }
    };
    let uuid = answer.uuid.context("the answer has no UUID")?;
    settle(connection, &uuid, arguments.wait).await
}

async fn update(connection: &Connection, arguments: &Update) -> Result<()> {
    let asked = &arguments.parameters;
    let call = connection.lambda.update_event_source_mapping().uuid(&arguments.uuid);
    let call = call.set_function_name(arguments.function.clone()).set_batch_size(asked.batch_size);
    let call = call.set_maximum_batching_window_in_seconds(asked.batch_window);
    let call = call.set_parallelization_factor(asked.parallelization);
    let call =
        call.set_maximum_retry_attempts(asked.retries).set_maximum_record_age_in_seconds(asked.max_age);
    let call = call.set_bisect_batch_on_function_error(asked.bisect);
    let call = call.set_function_response_types(asked.response_types());
    let call = call.set_filter_criteria(asked.filter_criteria()).set_destination_config(asked.destination());
    let call = call.set_metrics_config(asked.metrics_config()).set_kms_key_arn(asked.kms_key.clone());
    call.set_tumbling_window_in_seconds(asked.tumbling_window)
        .send()
        .await
        .map_err(|error| missing(connection.lambda_failed(changing(&arguments.uuid), &error)))?;
    settle(connection, &arguments.uuid, arguments.wait).await
}

fn changing(uuid: &str) -> String {
    format!("change the mapping {uuid}")
}

fn missing(error: CallError) -> CallError {
    let hint = "`millstream mapping list` shows which mappings there are";
    let hint = (error.kind == Kind::NotFound).then(|| hint.to_owned());
    error.with_hint(hint)
}

async fn enable(connection: &Connection, switch: &Switch, enabled: bool) -> Result<()> {
    let call = connection.lambda.update_event_source_mapping().uuid(&switch.uuid).enabled(enabled);
    call.send().await.map_err(|error| missing(connection.lambda_failed(changing(&switch.uuid), &error)))?;
    settle(connection, &switch.uuid, switch.wait).await
}

async fn delete(connection: &Connection, switch: &Switch) -> Result<()> {
    let uuid = &switch.uuid;
    let call = connection.lambda.delete_event_source_mapping().uuid(uuid);
    let doing = || format!("delete the mapping {uuid}");
    call.send().await.map_err(|error| missing(connection.lambda_failed(doing(), &error)))?;
    let mut patience = Patience::new(format!("the end of the mapping {uuid}"));
    let state = loop {
        if !switch.wait {
            break "Deleting";
        }
        match get(connection, uuid).await {
            Ok(mapping) => patience.wait(&mapping.state).await?,
            Err(error) if error.kind == Kind::NotFound => break "Deleted",
            Err(error) => return Err(error.into()),
        }
    };
    drop(patience);
    let json = json!({ "UUID": uuid, "State": state });
    table::print(connection.output, &json, || format!("{uuid} is {state}"))
}

async fn get(connection: &Connection, uuid: &str) -> Result<Mapping, CallError> {
    let call = connection.lambda.get_event_source_mapping().uuid(uuid);
    let doing = || format!("look at the mapping {uuid}");
    let answer = call.send().await.map_err(|error| connection.lambda_failed(doing(), &error))?;
    Ok(show::of_answer(&answer))
}

async fn known(connection: &Connection, uuid: &str) -> Result<Mapping> {
    Ok(get(connection, uuid).await.map_err(missing)?)
}

/// Print what has become of a mapping, at once or when it is at rest.
async fn settle(connection: &Connection, uuid: &str, wait: bool) -> Result<()> {
    let mut patience = Patience::new(format!("the mapping {uuid}"));
    let mapping = loop {
        let mapping = get(connection, uuid).await?;
        if !wait || matches!(mapping.state.as_str(), "Enabled" | "Disabled") {
            break mapping;
        }
        patience.wait(&mapping.state).await?;
    };
    drop(patience);
    table::print(connection.output, &mapping.to_json(), || format!("{uuid} is {}", mapping.state))
}

async fn list(
    connection: &Connection,
    function: Option<String>,
    stream: Option<&StreamRef>,
) -> Result<Vec<Mapping>> {
    let source = match stream {
        Some(stream) => Some(reference::arn(connection, stream).await?),
        None => None,
    };
    let (mut mappings, mut marker) = (Vec::new(), None);
    loop {
        let call = connection.lambda.list_event_source_mappings().set_function_name(function.clone());
        let call = call.set_event_source_arn(source.clone()).set_marker(marker);
        let page =
            call.send().await.map_err(|error| connection.lambda_failed("list the mappings", &error))?;
        mappings.extend(page.event_source_mappings().iter().map(show::of_listed));
        marker = page.next_marker;
        if marker.is_none() || mappings.len() >= caps::LISTED {
            return Ok(mappings);
        }
    }
}
