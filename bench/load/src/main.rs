//! The load of `cargo xtask bench`: a Kinesis client that costs as little as it can, because it shares the machine with
//! what it measures. Requests are bytes made in advance; answers are read by their length and looked into now and then.
//!
//! Every command prints one JSON object.

mod bodies;
mod checks;
mod connections;
mod disk;
mod functions;
mod get;
mod http;
mod memory;
mod process;
mod put;
mod stats;
mod streams;
mod subscribe;

use anyhow::Result;
use clap::Parser;
use functions::{bare, collect, events, invoke, spawn, started};
use serde_json::Value;
use std::process::ExitCode;

#[derive(Debug, Parser)]
#[command(name = "bench-load")]
enum Command {
    /// Make a stream and wait until it is active
    Create(streams::CreateArgs),
    /// Write records as fast as the server takes them
    Put(put::PutArgs),
    /// Read records as fast as the server gives them, or at a pace
    Get(get::GetArgs),
    /// Measure the way from a put to its delivery by SubscribeToShard
    Subscribe(subscribe::SubscribeArgs),
    /// Open very many connections, leave them idle, then put from each
    Connections(connections::ConnectionsArgs),
    /// Measure one fdatasync of 4 KiB
    Disk(disk::DiskArgs),
    /// Measure the writing to fresh memory
    Memory(memory::MemoryArgs),
    /// Make one call of the Lambda API
    Call(functions::CallArgs),
    /// Invoke a function again and again
    Invoke(invoke::InvokeArgs),
    /// Measure a worker on a Runtime API with nothing behind it
    Bare(bare::BareArgs),
    /// Measure a program's start, to the first byte that it prints
    Spawn(spawn::SpawnArgs),
    /// Measure the way from a put to a function's start
    Started(started::StartedArgs),
    /// Count the records that reach functions
    Collect(collect::CollectArgs),
    /// Make events of records and parse them, in this process
    Events(events::EventsArgs),
}

fn main() -> ExitCode {
    match measure() {
        Ok(result) => {
            println!("{result}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn measure() -> Result<Value> {
    let command = Command::parse();
    match command {
        Command::Disk(arguments) => disk::run(&arguments),
        Command::Memory(arguments) => Ok(memory::run(&arguments)),
        Command::Bare(arguments) => bare::run(&arguments),
        Command::Spawn(arguments) => spawn::run(&arguments),
        Command::Events(arguments) => events::run(&arguments),
        other => tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(run(other)),
    }
}

async fn run(command: Command) -> Result<Value> {
    match command {
        Command::Create(arguments) => streams::create(&arguments).await,
        Command::Put(arguments) => put::run(arguments).await,
        Command::Get(arguments) => get::run(arguments).await,
        Command::Subscribe(arguments) => subscribe::run(arguments).await,
        Command::Connections(arguments) => connections::run(arguments).await,
        Command::Disk(arguments) => disk::run(&arguments),
        Command::Memory(arguments) => Ok(memory::run(&arguments)),
        Command::Call(arguments) => functions::call(&arguments).await,
        Command::Invoke(arguments) => invoke::run(&arguments).await,
        Command::Bare(arguments) => bare::run(&arguments),
        Command::Spawn(arguments) => spawn::run(&arguments),
        Command::Started(arguments) => started::run(arguments).await,
        Command::Collect(arguments) => collect::run(&arguments).await,
        Command::Events(arguments) => events::run(&arguments),
    }
}
