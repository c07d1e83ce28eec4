use crate::address;
use crate::code_options::CodeOptions;
use crate::commands::completions::CompletionsArguments;
use crate::commands::consumer::ConsumerArguments;
use crate::commands::function::FunctionArguments;
use crate::commands::mapping::MappingArguments;
use crate::commands::queue::QueueArguments;
use crate::commands::shard::ShardArguments;
use crate::commands::stream::StreamArguments;
use crate::config::LogFormat;
use crate::credentials_command::CredentialsArguments;
use crate::destination_options::DestinationOptions;
use crate::fault_options::FaultOptions;
use crate::function_log_options::FunctionLogOptions;
use crate::handoff_options::HandoffOptions;
use crate::keys_command::KeysCommand;
use crate::limits::{GivenLimit, Limits};
use crate::log_command::LogCommand;
use crate::log_options::LogOptions;
use crate::tls_options::TlsOptions;
use clap::builder::BoolishValueParser;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use internet_provider::caps::MAX_RATE;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Amazon Kinesis Data Streams and AWS Lambda, self-hosted, in one binary.
///
/// Point any AWS SDK at it: AWS_ENDPOINT_URL=http://127.0.0.1:4566
#[derive(Debug, Parser)]
#[command(name = "millstream", version, propagate_version = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the server
    Serve(Box<ServeArguments>),
    /// Run the founding scenario, live: sign-ups from all over the world, enriched by a function
    Demo(DemoArguments),
    /// Create, list, change and delete streams; put records, follow, capture and replay them
    Stream(StreamArguments),
    /// List, split and merge the shards of a stream
    Shard(ShardArguments),
    /// Register, list and deregister consumers (enhanced fan-out)
    Consumer(ConsumerArguments),
    /// Create, list and delete queues; receive and acknowledge their records
    Queue(QueueArguments),
    /// Deploy, invoke, list and delete functions and layers
    Function(FunctionArguments),
    /// Map streams to functions
    Mapping(MappingArguments),
    /// Look at a data directory that no server uses, or repair it
    #[command(subcommand)]
    Log(LogCommand),
    /// Print what a shell needs to complete commands and flags
    Completions(CompletionsArguments),
    /// Users, their keys, and what they may do
    Credentials(CredentialsArguments),
    /// Make, list and rotate the master keys that records are encrypted with
    #[command(subcommand)]
    Keys(KeysCommand),
}

/// Every setting can be given as a flag, as an environment variable, or in the file that --config names. A flag wins
/// over the environment, the environment over the file.
#[derive(Debug, Default, Args)]
pub(crate) struct ServeArguments {
    /// Address to listen on; port 0 takes a free one [default: 127.0.0.1:4566]
    #[arg(long, env = "MILLSTREAM_BIND", value_name = "ADDRESS:PORT", value_parser = address::parse)]
    pub(crate) bind: Option<SocketAddr>,

    /// Directory that holds everything: streams, functions, checkpoints [default: ./millstream-data]
    #[arg(long, env = "MILLSTREAM_DATA", value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,

    /// Keep everything in memory and nothing after the end: for tests and CI
    #[arg(long, env = "MILLSTREAM_MEMORY", value_parser = BoolishValueParser::new())]
    pub(crate) memory: bool,

    /// TOML file with settings, named as the flags (log-level becomes log_level)
    #[arg(long, env = "MILLSTREAM_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Write the server's URL to this file once it answers
    #[arg(long, env = "MILLSTREAM_READY_FILE", value_name = "FILE")]
    pub(crate) ready_file: Option<PathBuf>,

    /// The server's own region: that of requests whose credentials name none [default: us-east-1]
    #[arg(long, env = "MILLSTREAM_REGION")]
    pub(crate) region: Option<String>,

    /// The server's own account: that of every access key but those of twelve digits, which are accounts themselves
    /// [default: 000000000000]
    #[arg(long, env = "MILLSTREAM_ACCOUNT", value_name = "ID")]
    pub(crate) account: Option<String>,

    /// How functions are kept apart: "namespaces", or "process" for trusted code on kernels that refuse those
    /// [default: namespaces]
    #[arg(long, env = "MILLSTREAM_FUNCTION_ISOLATION", value_name = "HOW")]
    pub(crate) function_isolation: Option<String>,

    /// What of the network functions reach: "host" for all that this machine reaches, "endpoint-only" for this server and
    /// nothing else, "none" for nothing [default: host]
    #[arg(long, env = "MILLSTREAM_FUNCTION_NETWORK", value_name = "NETWORK")]
    pub(crate) function_network: Option<String>,

    /// Function workers at the same time; more invocations are throttled [default: 64]
    #[arg(long, env = "MILLSTREAM_MAX_WORKERS", value_name = "N")]
    pub(crate) max_workers: Option<usize>,

    /// Consumers (enhanced fan-out) that a stream may have registered, up to 1000; AWS allows 20 [default: 20]
    #[arg(long, env = "MILLSTREAM_CONSUMERS_PER_STREAM", value_name = "N")]
    pub(crate) consumers_per_stream: Option<usize>,

    /// Which of AWS's limits on rates and counts are enforced: "aws" for all, "none" for sizes only [default: none]
    #[arg(long, env = "MILLSTREAM_LIMITS", value_name = "WHOSE")]
    pub(crate) limits: Option<Limits>,

    /// One limit by its name (docs/limits.md), such as shard-write-bytes=2MiB or DescribeStream=none. Can be repeated
    #[arg(long, env = "MILLSTREAM_LIMIT", value_name = "NAME=VALUE", value_delimiter = ',')]
    pub(crate) limit: Vec<GivenLimit>,

    /// For tests: shards of on-demand streams are full at one Nth of the load, and are split and merged N times as soon
    #[arg(
        long,
        env = "MILLSTREAM_SCALING_TEST_FACTOR",
        value_name = "N",
        hide = true,
        value_parser = clap::value_parser!(u32).range(1..=10_000)
    )]
    pub(crate) scaling_test_factor: Option<u32>,

    /// File of users and keys, made by `millstream credentials`; with one, every request must be signed
    /// [default: credentials.json in the data directory, if it is there]
    #[arg(long, env = "MILLSTREAM_CREDENTIALS", value_name = "FILE")]
    pub(crate) credentials: Option<PathBuf>,

    /// Listen on an address that other machines can reach, also without credentials or without TLS: whoever reaches it
    /// can do anything then, running code included, or read what passes
    #[arg(long, env = "MILLSTREAM_ALLOW_INSECURE_BIND", value_parser = BoolishValueParser::new())]
    pub(crate) allow_insecure_bind: bool,

    /// File of the master keys that streams are encrypted with; `millstream keys create FILE` makes one
    #[arg(long, env = "MILLSTREAM_ENCRYPTION_KEYS", value_name = "FILE")]
    pub(crate) encryption_keys: Option<PathBuf>,

    /// What to log: error, warn, info, debug, trace, or a filter such as "info,millstream_mapping=debug"
    /// [default: info]
    #[arg(long, env = "MILLSTREAM_LOG_LEVEL", value_name = "LEVEL")]
    pub(crate) log_level: Option<String>,

    /// How to log: text or json [default: text]
    #[arg(long, env = "MILLSTREAM_LOG_FORMAT", value_name = "FORMAT")]
    pub(crate) log_format: Option<LogFormat>,

    #[command(flatten)]
    pub(crate) tls: TlsOptions,

    #[command(flatten)]
    pub(crate) log: LogOptions,

    #[command(flatten)]
    pub(crate) function_logs: FunctionLogOptions,

    #[command(flatten)]
    pub(crate) destinations: DestinationOptions,

    #[command(flatten)]
    pub(crate) handoff: HandoffOptions,

    #[command(flatten)]
    pub(crate) code: CodeOptions,

    #[command(flatten)]
    pub(crate) fault: FaultOptions,

    #[arg(skip)]
    pub(crate) sources: Sources,
}

/// Where the settings come from of which one may undo another.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sources {
    pub(crate) data: Source,
    pub(crate) memory: Source,
    pub(crate) allow_insecure_bind: Source,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Source {
    /// Not given.
    #[default]
    Nowhere,
    Environment,
    Flag,
}

impl Source {
    fn of(matches: &ArgMatches, name: &str) -> Self {
        match matches.value_source(name) {
            Some(ValueSource::CommandLine) => Self::Flag,
            Some(ValueSource::EnvVariable) => Self::Environment,
            _ => Self::Nowhere,
        }
    }
}

impl Cli {
    /// Read the command line, and the environment for what it does not say. The error is for the user.
    pub(crate) fn read(
        arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    ) -> Result<Self, clap::Error> {
        let matches = Self::command().try_get_matches_from(arguments)?;
        let mut cli = Self::from_arg_matches(&matches)?;
        if let (Command::Serve(serve), Some((_, matches))) = (&mut cli.command, matches.subcommand()) {
            serve.sources = Sources {
                data: Source::of(matches, "data"),
                memory: Source::of(matches, "memory"),
                allow_insecure_bind: Source::of(matches, "allow_insecure_bind"),
            };
        }
        Ok(cli)
    }
}

#[derive(Debug, Args)]
pub(crate) struct DemoArguments {
    /// Directory to keep everything in, to go on with another time [default: a temporary one, removed at the end]
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,

    /// Sign-ups a second at the start (0 to 5000); the page can change it
    #[arg(long, default_value_t = 5.0, value_name = "N", value_parser = rate)]
    pub(crate) rate: f64,

    /// End after this time, such as 30s or 5m
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) duration: Option<std::time::Duration>,

    /// No page: a progress bar and a table at the end; exit code 1 if a sign-up was lost
    #[arg(long)]
    pub(crate) headless: bool,

    /// Address of the page; port 0 takes a free one [default: 127.0.0.1:8080, or a free port if that is taken]
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = address::parse)]
    pub(crate) page: Option<SocketAddr>,

    /// Address of the server; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDRESS:PORT", value_parser = address::parse)]
    pub(crate) bind: SocketAddr,

    /// Shards of each stream
    #[arg(long, default_value_t = 2, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) shards: u32,

    /// Generate the same sign-ups again
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,

    /// How functions are kept apart, as for `serve`
    #[arg(long, env = "MILLSTREAM_FUNCTION_ISOLATION", value_name = "HOW")]
    pub(crate) function_isolation: Option<String>,

    /// What the server logs
    #[arg(long, env = "MILLSTREAM_LOG_LEVEL", default_value = "warn", value_name = "LEVEL")]
    pub(crate) log_level: String,
}

/// Sign-ups a second.
fn rate(text: &str) -> Result<f64, String> {
    let within = text.parse().ok().filter(|rate| (0.0..=MAX_RATE).contains(rate));
    within.ok_or_else(|| format!("it must be a number from 0 to {MAX_RATE}"))
}

/// `30s`, `5m`, `1h`, or a number of seconds.
fn duration(text: &str) -> Result<std::time::Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3_600,
        other => return Err(format!("{other:?} is not a unit of time: use s, m or h")),
    };
    let number: u64 = digits.parse().map_err(|_bad| format!("{text:?} is not a time such as 30s or 5m"))?;
    number
        .checked_mul(unit)
        .filter(|seconds| *seconds > 0)
        .map(std::time::Duration::from_secs)
        .ok_or_else(|| format!("{text:?} is out of range"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serve(arguments: &[&str]) -> Result<ServeArguments, String> {
        let whole = ["millstream", "serve"].iter().chain(arguments);
        let cli = Cli::read(whole).map_err(|error| error.to_string())?;
        let Command::Serve(arguments) = cli.command else { panic!("it is serve that was asked for") };
        Ok(*arguments)
    }

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_flag_is_known_as_one() {
        let given = serve(&["--memory", "--data", "d", "--log-flush-bytes", "2MiB"]).unwrap();
        assert_eq!((given.sources.memory, given.sources.data), (Source::Flag, Source::Flag));
        assert_eq!(given.sources.allow_insecure_bind, Source::Nowhere);
        assert_eq!(given.log.flush_at.map(|size| size.0), Some(2 << 20));
        assert!(serve(&["--log-flush-bytes", "2MB"]).unwrap_err().contains("256MiB"));
        assert!(serve(&["--bind", "example:x"]).unwrap_err().contains("127.0.0.1:4566"));
    }

    #[test]
    fn rates_out_of_range_are_refused() {
        for good in ["0", "5", "0.5", "5000"] {
            assert!(rate(good).is_ok(), "{good}");
        }
        for bad in ["9999", "-1", "NaN", "inf", "fast", ""] {
            assert!(rate(bad).unwrap_err().contains("0 to 5000"), "{bad}");
        }
    }

    #[test]
    fn times_read_as_people_write_them() {
        for (text, seconds) in [("30s", 30), ("5m", 300), ("1h", 3_600), ("7", 7)] {
            assert_eq!(duration(text).unwrap().as_secs(), seconds);
        }
        for bad in ["", "s", "0s", "5 minutes", "5d", "-1s", "99999999999999999999s"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
