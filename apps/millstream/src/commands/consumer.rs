//! `millstream consumer`: the consumers of a stream with enhanced fan-out.

use super::connection::{Connection, ConnectionArguments};
use super::error::{CallError, Kind, closest};
use super::stream::reference::{self, StreamRef};
use super::wait::Patience;
use super::{caps, pairs, table};
use anyhow::Result;
use aws_sdk_kinesis::types::{Consumer, ConsumerStatus};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(crate) struct ConsumerArguments {
    #[command(subcommand)]
    command: ConsumerCommand,
    #[command(flatten)]
    connection: ConnectionArguments,
}

#[derive(Debug, Subcommand)]
enum ConsumerCommand {
    /// Register a consumer, to which the records of a stream are pushed
    #[command(
        after_help = "Example:\n  millstream consumer register signups web --wait\n  millstream stream tail signups \
        --consumer web"
    )]
    Register {
        #[command(flatten)]
        which: Which,
        /// A tag; may be given several times
        #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = pairs::pair)]
        tags: Vec<(String, String)>,
        /// Wait until it is active
        #[arg(long)]
        wait: bool,
    },
    /// List the consumers of a stream
    List {
        /// Name or ARN of the stream
        #[arg(value_name = "STREAM")]
        stream: StreamRef,
    },
    /// Show a consumer
    Describe {
        #[command(flatten)]
        which: Which,
    },
    /// Deregister a consumer
    Deregister {
        #[command(flatten)]
        which: Which,
        /// Wait until it is gone
        #[arg(long)]
        wait: bool,
    },
}

#[derive(Debug, Args)]
struct Which {
    /// Name or ARN of the stream
    #[arg(value_name = "STREAM")]
    stream: StreamRef,
    /// Name of the consumer
    #[arg(value_name = "NAME")]
    name: String,
}

pub(crate) async fn run(arguments: ConsumerArguments) -> Result<ExitCode> {
    let connection = Connection::open(&arguments.connection).await?;
    match arguments.command {
        ConsumerCommand::Register { which, tags, wait } => register(&connection, &which, &tags, wait).await?,
        ConsumerCommand::List { stream } => {
            let consumers = all(&connection, &reference::arn(&connection, &stream).await?).await?;
            let json = json!({ "Consumers": consumers.iter().map(to_json).collect::<Vec<_>>() });
            table::print(connection.output, &json, || match &consumers[..] {
                [] => format!(
                    "{stream} has no consumers. `millstream consumer register {stream} NAME` makes one"
                ),
                consumers => render(consumers),
            })?;
        }
        ConsumerCommand::Describe { which } => {
            let arn = reference::arn(&connection, &which.stream).await?;
            show(&connection, &find(&connection, &arn, &which.name).await?)?;
        }
        ConsumerCommand::Deregister { which, wait } => deregister(&connection, &which, wait).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn register(
    connection: &Connection,
    which: &Which,
    tags: &[(String, String)],
    wait: bool,
) -> Result<()> {
    let arn = reference::arn(connection, &which.stream).await?;
    let call = connection.kinesis.register_stream_consumer().stream_arn(&arn).consumer_name(&which.name);
    call.set_tags(pairs::some(tags)).send().await.map_err(|error| {
        connection.kinesis_failed(format!("register the consumer {}", which.name), &error)
    })?;
    let mut patience = Patience::new(format!("the consumer {}", which.name));
    let consumer = loop {
        let consumer = find(connection, &arn, &which.name).await?;
        if !wait || consumer.consumer_status == ConsumerStatus::Active {
            break consumer;
        }
        patience.wait(consumer.consumer_status.as_str()).await?;
    };
    drop(patience);
    let status = consumer.consumer_status.as_str();
    table::print(connection.output, &to_json(&consumer), || format!("{} is {status}", consumer.consumer_arn))
}

async fn deregister(connection: &Connection, which: &Which, wait: bool) -> Result<()> {
    let arn = reference::arn(connection, &which.stream).await?;
    let call = connection.kinesis.deregister_stream_consumer().stream_arn(&arn).consumer_name(&which.name);
    if let Err(error) = call.send().await {
        let error = connection.kinesis_failed(format!("deregister the consumer {}", which.name), &error);
        return Err(did_you_mean(connection, &arn, &which.name, error).await);
    }
    let mut patience = Patience::new(format!("the end of the consumer {}", which.name));
    let status = loop {
        if !wait {
            break "DELETING";
        }
        match describe(connection, &arn, &which.name).await {
            Ok(consumer) => patience.wait(consumer.consumer_status.as_str()).await?,
            Err(error) if error.kind == Kind::NotFound => break "DELETED",
            Err(error) => return Err(error.into()),
        }
    };
    drop(patience);
    let json = json!({ "ConsumerName": which.name, "ConsumerStatus": status });
    table::print(connection.output, &json, || format!("{} is {status}", which.name))
}

/// The consumers of a stream.
pub(super) async fn all(connection: &Connection, stream_arn: &str) -> Result<Vec<Consumer>> {
    let mut consumers = Vec::new();
    let mut token = None;
    loop {
        let call = connection.kinesis.list_stream_consumers().stream_arn(stream_arn).set_next_token(token);
        let page =
            call.send().await.map_err(|error| connection.kinesis_failed("list the consumers", &error))?;
        consumers.extend(page.consumers.unwrap_or_default());
        token = page.next_token;
        if token.is_none() || consumers.len() >= caps::LISTED {
            return Ok(consumers);
        }
    }
}

async fn describe(connection: &Connection, stream_arn: &str, name: &str) -> Result<Consumer, CallError> {
    let call = connection.kinesis.describe_stream_consumer().stream_arn(stream_arn).consumer_name(name);
    let doing = || format!("look at the consumer {name}");
    let answer = call.send().await.map_err(|error| connection.kinesis_failed(doing(), &error))?;
    let found = answer.consumer_description.expect("the SDK's builder refuses an answer without this member");
    let consumer = Consumer::builder()
        .consumer_name(found.consumer_name)
        .consumer_arn(found.consumer_arn)
        .consumer_status(found.consumer_status)
        .consumer_creation_timestamp(found.consumer_creation_timestamp);
    Ok(consumer.build().expect("all members are set"))
}

/// A consumer by its name; one that is not there may be one that is spelled like it.
pub(super) async fn find(connection: &Connection, stream_arn: &str, name: &str) -> Result<Consumer> {
    match describe(connection, stream_arn, name).await {
        Ok(consumer) => Ok(consumer),
        Err(error) => Err(did_you_mean(connection, stream_arn, name, error).await),
    }
}

async fn did_you_mean(
    connection: &Connection,
    stream_arn: &str,
    name: &str,
    error: CallError,
) -> anyhow::Error {
    if error.kind != Kind::NotFound {
        return error.into();
    }
    let consumers = all(connection, stream_arn).await.unwrap_or_default();
    let hint = match closest(name, consumers.iter().map(|consumer| consumer.consumer_name.as_str())) {
        Some(name) => format!("Did you mean {name}?"),
        None => format!("Register it with `millstream consumer register STREAM {name}`"),
    };
    error.with_hint(Some(hint)).into()
}

fn show(connection: &Connection, consumer: &Consumer) -> Result<()> {
    table::print(connection.output, &to_json(consumer), || {
        table::facts([
            ("Name", consumer.consumer_name.clone()),
            ("ARN", consumer.consumer_arn.clone()),
            ("Status", consumer.consumer_status.as_str().to_owned()),
            ("Created", table::time(consumer.consumer_creation_timestamp)),
        ])
    })
}

pub(super) fn to_json(consumer: &Consumer) -> Value {
    json!({
        "ConsumerName": consumer.consumer_name,
        "ConsumerARN": consumer.consumer_arn,
        "ConsumerStatus": consumer.consumer_status.as_str(),
        "ConsumerCreationTimestamp": table::time(consumer.consumer_creation_timestamp),
    })
}

pub(super) fn render(consumers: &[Consumer]) -> String {
    let mut table = table::Table::new(["consumer", "status", "created"]);
    for consumer in consumers {
        let status = consumer.consumer_status.as_str().to_owned();
        let created = table::time(consumer.consumer_creation_timestamp);
        table.row([consumer.consumer_name.clone(), status, created]);
    }
    table.render()
}
