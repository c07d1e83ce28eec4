//! Millstream: Amazon Kinesis Data Streams and AWS Lambda, self-hosted, in one binary.
//!
//! What others may use of it is [`testing`]: a server in the process of a test.

mod address;
mod byte_size;
mod cli;
mod code_options;
mod commands;
mod config;
mod credentials_command;
mod demo;
mod destination_options;
mod event_gauges;
mod fault_options;
mod function_log_options;
mod gauges;
mod handoff_options;
mod health;
mod interrupt;
mod keys;
mod keys_command;
mod limits;
mod log_command;
mod log_options;
mod logs;
mod reload;
mod serve;
mod server;
mod sessions;
mod terminal;
mod tls;
mod tls_options;

pub mod testing;

use std::ffi::OsStr;
use std::process::ExitCode;

/// The program.
pub fn main() -> ExitCode {
    // A function's sandbox is set up by this same binary, before anything else runs: no thread, no runtime.
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().as_deref() == Some(OsStr::new(millstream_functions::SANDBOX_COMMAND)) {
        return millstream_functions::sandbox_main(arguments);
    }
    let cli = cli::Cli::read(std::env::args_os()).unwrap_or_else(|error| error.exit());
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return terminal::failed(&anyhow::Error::new(error).context("cannot start threads")),
    };
    let result = runtime.block_on(async {
        match cli.command {
            cli::Command::Serve(arguments) => serve::run(*arguments).await,
            cli::Command::Demo(arguments) => demo::run(arguments).await,
            cli::Command::Stream(arguments) => commands::stream::run(arguments).await,
            cli::Command::Shard(arguments) => commands::shard::run(arguments).await,
            cli::Command::Consumer(arguments) => commands::consumer::run(arguments).await,
            cli::Command::Queue(arguments) => commands::queue::run(arguments).await,
            cli::Command::Function(arguments) => commands::function::run(arguments).await,
            cli::Command::Mapping(arguments) => commands::mapping::run(arguments).await,
            cli::Command::Log(command) => log_command::run(command),
            cli::Command::Keys(command) => keys_command::run(command),
            cli::Command::Completions(arguments) => commands::completions::run(&arguments),
            cli::Command::Credentials(arguments) => credentials_command::run(arguments),
        }
    });
    // Whatever still blocks a thread must not keep the process: what matters is durable already.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    result.unwrap_or_else(|error| terminal::failed(&error))
}
