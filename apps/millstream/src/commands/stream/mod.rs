//! `millstream stream`: streams, and the records in them.

mod capture;
mod create;
mod delete;
mod describe;
mod follow;
mod keys;
mod lines;
mod list;
mod put;
mod putter;
mod record_line;
pub(super) mod reference;
mod replay;
mod reshard;
mod settings;
mod tail;
mod tree;

use super::connection::{Connection, ConnectionArguments};
use anyhow::Result;
use clap::{Args, Subcommand};
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(crate) struct StreamArguments {
    #[command(subcommand)]
    command: StreamCommand,
    #[command(flatten)]
    connection: ConnectionArguments,
}

#[derive(Debug, Subcommand)]
enum StreamCommand {
    /// Create a stream
    Create(create::CreateArguments),
    /// List the streams
    List(list::ListArguments),
    /// Show all of a stream: state, mode, retention, shards, consumers, tags
    Describe(describe::DescribeArguments),
    /// Delete a stream and all records in it
    Delete(delete::DeleteArguments),
    /// Change the number of shards
    Reshard(reshard::ReshardArguments),
    /// Change how long records are kept
    Retention(settings::RetentionArguments),
    /// Change between provisioned shards and on-demand
    Mode(settings::ModeArguments),
    /// Change how large a record may be
    RecordSize(settings::RecordSizeArguments),
    /// List, set and remove tags
    Tags(settings::TagsArguments),
    /// Put records: lines of standard input or of files
    Put(put::PutArguments),
    /// Print the records of all shards as they come
    Tail(tail::TailArguments),
    /// Write the records of all shards to a file, to replay them
    Capture(capture::CaptureArguments),
    /// Put the records of a captured file, as fast as they came or faster
    Replay(replay::ReplayArguments),
}

pub(crate) async fn run(arguments: StreamArguments) -> Result<ExitCode> {
    let connection = Connection::open(&arguments.connection).await?;
    match arguments.command {
        StreamCommand::Create(arguments) => create::run(&connection, &arguments).await,
        StreamCommand::List(arguments) => list::run(&connection, &arguments).await,
        StreamCommand::Describe(arguments) => describe::run(&connection, &arguments).await,
        StreamCommand::Delete(arguments) => delete::run(&connection, &arguments).await,
        StreamCommand::Reshard(arguments) => reshard::run(&connection, &arguments).await,
        StreamCommand::Retention(arguments) => settings::retention(&connection, &arguments).await,
        StreamCommand::Mode(arguments) => settings::mode(&connection, &arguments).await,
        StreamCommand::RecordSize(arguments) => settings::record_size(&connection, &arguments).await,
        StreamCommand::Tags(arguments) => settings::tags(&connection, &arguments).await,
        StreamCommand::Put(arguments) => put::run(&connection, arguments).await,
        StreamCommand::Tail(arguments) => tail::run(&connection, arguments).await,
        StreamCommand::Capture(arguments) => capture::run(&connection, arguments).await,
        StreamCommand::Replay(arguments) => replay::run(&connection, arguments).await,
    }
}
