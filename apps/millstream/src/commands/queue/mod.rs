//! `millstream queue`: queues on streams, and the records that they deliver.

mod call;
mod records;
mod reference;
mod show;
mod types;

use super::connection::{Connection, ConnectionArguments};
use super::error::Kind;
use super::stream::reference::{self as streams, StreamRef};
use super::times::{self, Start};
use super::wait::Patience;
use super::{pairs, table};
use anyhow::{Result, bail};
use call::call;
use clap::{ArgGroup, Args, Subcommand};
use millstream_host::{Clock, SystemClock};
use records::{Letters, ReceiveArguments, SettleArguments, Settling, VisibilityArguments};
use reference::{QueueRef, arn, describe, find};
use serde_json::{Map, Value, json};
use std::process::ExitCode;
use std::time::Duration;

#[derive(Debug, Args)]
pub(crate) struct QueueArguments {
    #[command(subcommand)]
    command: QueueCommand,
    #[command(flatten)]
    connection: ConnectionArguments,
}

#[derive(Debug, Subcommand)]
enum QueueCommand {
    /// Create a queue on an on-demand stream
    #[command(
        after_help = "Example:\n  millstream queue create signups welcome-mails --max-receives 3 --wait\n  millstream queue \
        receive welcome-mails --ack"
    )]
    Create {
        /// Name or ARN of the stream
        #[arg(value_name = "STREAM")]
        stream: StreamRef,
        /// Name of the queue
        #[arg(value_name = "NAME")]
        name: String,
        /// Where delivery begins: latest, trim-horizon, a time, or how long ago (15m)
        #[arg(long, default_value = "latest", value_parser = times::start)]
        from: Start,
        #[command(flatten)]
        settings: Settings,
        /// A tag; may be given several times
        #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = pairs::pair)]
        tags: Vec<(String, String)>,
        /// Wait until it is active
        #[arg(long)]
        wait: bool,
    },
    /// List queues
    List {
        /// Only those on this stream: its name or its ARN
        #[arg(long)]
        stream: Option<StreamRef>,
    },
    /// Show a queue
    Describe {
        /// Name or ARN of the queue
        #[arg(value_name = "QUEUE")]
        queue: QueueRef,
    },
    /// Change a queue
    #[command(group = ArgGroup::new("change").required(true).multiple(true).args(["visibility", "max_receives", "no_dead_letters"]))]
    Update {
        /// Name or ARN of the queue
        #[arg(value_name = "QUEUE")]
        queue: QueueRef,
        #[command(flatten)]
        settings: Settings,
    },
    /// Delete a queue. The records that it delivers stay in their stream
    Delete {
        /// Name or ARN of the queue
        #[arg(value_name = "QUEUE")]
        queue: QueueRef,
        /// Wait until it is gone
        #[arg(long)]
        wait: bool,
    },
    /// Receive records, which hides them from other receivers for a time
    Receive(ReceiveArguments),
    /// Acknowledge records, which are never delivered again then
    Ack(SettleArguments),
    /// Hide records for another time from now, or not any longer
    Visibility(VisibilityArguments),
    /// The records that were received too often and never acknowledged
    #[command(subcommand)]
    DeadLetters(DeadLettersCommand),
}

#[derive(Debug, Subcommand)]
enum DeadLettersCommand {
    /// Receive dead letters, which hides them from others for a time
    Receive(ReceiveArguments),
    /// Acknowledge dead letters, which are never delivered again then
    Ack(SettleArguments),
    /// Hide dead letters for another time from now, or not any longer
    Visibility(VisibilityArguments),
    /// Let `queue receive` return dead letters again, as if they had never been received
    Restore(SettleArguments),
}

#[derive(Debug, Args)]
struct Settings {
    /// How long a record that was received is hidden from others, such as 30s or 5m
    #[arg(long, value_name = "SPAN", value_parser = times::span)]
    visibility: Option<Duration>,
    /// Receives after which a record that nobody acknowledged is a dead letter
    #[arg(long, value_name = "COUNT", conflicts_with = "no_dead_letters")]
    max_receives: Option<u32>,
    /// Deliver records again however often they were received
    #[arg(long)]
    no_dead_letters: bool,
}

impl Settings {
    fn attributes(&self) -> Value {
        let mut attributes = Map::new();
        if let Some(span) = self.visibility {
            attributes.insert("VisibilityTimeoutSeconds".to_owned(), json!(span.as_secs()));
        }
        let dead_letters = match self.max_receives {
            Some(most) => Some(json!({ "TargetType": "BUILT_IN", "MaxReceiveCount": most })),
            None if self.no_dead_letters => Some(json!({ "TargetType": "NONE" })),
            None => None,
        };
        if let Some(configuration) = dead_letters {
            attributes.insert("DeadLetterConfiguration".to_owned(), configuration);
        }
        Value::Object(attributes)
    }
}

pub(crate) async fn run(arguments: QueueArguments) -> Result<ExitCode> {
    let connection = Connection::open(&arguments.connection).await?;
    match arguments.command {
        QueueCommand::Create { stream, name, from, settings, tags, wait } => {
            let input = creation(&connection, &stream, &name, from, &settings, &tags).await?;
            create(&connection, &name, &input, wait).await?;
        }
        QueueCommand::List { stream } => list(&connection, stream.as_ref()).await?,
        QueueCommand::Describe { queue } => show::one(&connection, &find(&connection, &queue).await?)?,
        QueueCommand::Update { queue, settings } => update(&connection, &queue, &settings).await?,
        QueueCommand::Delete { queue, wait } => delete(&connection, &queue, wait).await?,
        QueueCommand::Receive(receive) => {
            return records::receive(&connection, Letters::Living, &receive).await;
        }
        QueueCommand::Ack(settle) => {
            return records::settle(&connection, Letters::Living, Settling::Acknowledge, &settle).await;
        }
        QueueCommand::Visibility(visibility) => {
            return records::hide(&connection, Letters::Living, &visibility).await;
        }
        QueueCommand::DeadLetters(command) => return dead_letters(&connection, command).await,
    }
    Ok(ExitCode::SUCCESS)
}

async fn dead_letters(connection: &Connection, command: DeadLettersCommand) -> Result<ExitCode> {
    match command {
        DeadLettersCommand::Receive(receive) => records::receive(connection, Letters::Dead, &receive).await,
        DeadLettersCommand::Ack(settle) => {
            records::settle(connection, Letters::Dead, Settling::Acknowledge, &settle).await
        }
        DeadLettersCommand::Visibility(visibility) => {
            records::hide(connection, Letters::Dead, &visibility).await
        }
        DeadLettersCommand::Restore(settle) => {
            records::settle(connection, Letters::Dead, Settling::Restore, &settle).await
        }
    }
}

/// What CreateQueue is given.
async fn creation(
    connection: &Connection,
    stream: &StreamRef,
    name: &str,
    from: Start,
    settings: &Settings,
    tags: &[(String, String)],
) -> Result<Value> {
    let position = match from.settled(SystemClock::new().now()) {
        Start::Latest => json!({ "Type": "LATEST" }),
        Start::TrimHorizon => json!({ "Type": "TRIM_HORIZON" }),
        #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 have 41 bits")]
        Start::At(at) => json!({ "Type": "AT_TIMESTAMP", "Timestamp": at.millis() as f64 / 1_000.0 }),
        Start::Ago(_) => bail!("a span was not settled"),
    };
    let stream = streams::arn(connection, stream).await?;
    let mut input = json!({
        "QueueName": name,
        "StreamConfigurationList": [{ "StreamARN": stream, "StartingPosition": position }],
    });
    let attributes = settings.attributes();
    if attributes.as_object().is_some_and(|attributes| !attributes.is_empty()) {
        input["QueueAttributes"] = attributes;
    }
    if let Some(tags) = pairs::some(tags) {
        input["Tags"] = json!(tags);
    }
    Ok(input)
}

async fn create(connection: &Connection, name: &str, input: &Value, wait: bool) -> Result<()> {
    let made: types::Described =
        call(connection, "CreateQueue", &format!("create the queue {name}"), input).await?;
    let mut queue = made.queue_description;
    let mut patience = Patience::new(format!("the queue {name}"));
    while wait && queue.queue_status != "ACTIVE" {
        patience.wait(&queue.queue_status).await?;
        queue = describe(connection, &queue.queue_arn, name).await?;
    }
    drop(patience);
    table::print(connection.output, &show::to_json(&queue), || {
        format!("{} is {}", queue.queue_arn, queue.queue_status)
    })
}

async fn list(connection: &Connection, stream: Option<&StreamRef>) -> Result<()> {
    let stream_arn = match stream {
        Some(stream) => Some(streams::arn(connection, stream).await?),
        None => None,
    };
    let queues = reference::all(connection, stream_arn.as_deref()).await?;
    let json = json!({ "Queues": queues.iter().map(show::summary_to_json).collect::<Vec<_>>() });
    table::print(connection.output, &json, || match (&queues[..], stream) {
        ([], Some(stream)) => {
            format!("{stream} has no queues. `millstream queue create {stream} NAME` makes one")
        }
        ([], None) => {
            "There are no queues. `millstream queue create STREAM NAME` makes one on an on-demand stream"
                .to_owned()
        }
        (queues, _) => show::render(queues),
    })
}

async fn update(connection: &Connection, queue: &QueueRef, settings: &Settings) -> Result<()> {
    let arn = arn(connection, queue).await?;
    let input = json!({ "QueueARN": arn, "QueueAttributes": settings.attributes() });
    let doing = format!("change the queue {queue}");
    let changed: types::Described = call(connection, "UpdateQueue", &doing, &input).await?;
    show::one(connection, &changed.queue_description)
}

async fn delete(connection: &Connection, queue: &QueueRef, wait: bool) -> Result<()> {
    let arn = arn(connection, queue).await?;
    let doing = format!("delete the queue {queue}");
    let _: Value = call(connection, "DeleteQueue", &doing, &json!({ "QueueARN": arn })).await?;
    let mut patience = Patience::new(format!("the end of the queue {queue}"));
    let status = loop {
        if !wait {
            break "DELETING";
        }
        match describe(connection, &arn, &queue.to_string()).await {
            Ok(found) => patience.wait(&found.queue_status).await?,
            Err(error) if error.kind == Kind::NotFound => break "DELETED",
            Err(error) => return Err(error.into()),
        }
    };
    drop(patience);
    let json = json!({ "QueueARN": arn, "QueueStatus": status });
    table::print(connection.output, &json, || format!("{queue} is {status}"))
}
