//! `internet-provider`: the example against any endpoint. `millstream demo` runs the same against its own.

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use internet_provider::{Config, Report};

/// Sign-ups from all over the world, answered with bandwidth options: an example for Kinesis and Lambda.
///
/// Sets up two streams, a layer, a function, an event source mapping and a stream consumer (or finds them from last
/// time), then serves a page with a sign-up form, a live list and live plots. Needs AWS credentials when it runs
/// against AWS itself; a local endpoint gets made-up ones if there are none.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own on the command line")]
struct Arguments {
    /// Endpoint of Kinesis and Lambda; without it, AWS
    #[arg(long, env = "AWS_ENDPOINT_URL", value_name = "URL")]
    endpoint_url: Option<String>,
    /// Region; without it, that of the environment or the profile, else us-east-1
    #[arg(long, value_name = "NAME")]
    region: Option<String>,
    /// Address of the page; port 0 is any free port
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    bind: SocketAddr,
    /// Generated sign-ups per second, 0 to 5000; the page can change it
    #[arg(long, value_name = "NUMBER", default_value_t = 5.0)]
    rate: f64,
    /// Run without a page, with a progress bar, and end with a table
    #[arg(long)]
    headless: bool,
    /// How long to generate sign-ups without a page, such as 30s, 5m or 1h
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration, requires = "headless")]
    duration: Duration,
    /// Print the table as JSON
    #[arg(long, requires = "headless")]
    json: bool,
    /// Seed of the generator: the same seed gives the same users
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// Role of the function; on AWS it must exist and may write to the stream bandwidth-offers
    #[arg(long, value_name = "ARN", default_value = "arn:aws:iam::000000000000:role/enrich-signup")]
    role_arn: String,
    /// Runtime of the function, any Python from 3.9 on
    #[arg(long, value_name = "NAME", default_value = "python3.12")]
    runtime: String,
    /// Shards of each stream, when it is created
    #[arg(long, value_name = "NUMBER", default_value_t = 2)]
    shards: u32,
    /// Change nothing: find the streams, the function and the rest as they are
    #[arg(long, conflicts_with = "teardown")]
    no_setup: bool,
    /// Delete everything that the set-up makes, with all records, and end
    #[arg(long)]
    teardown: bool,
}

fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let scale = match &text[digits.len()..] {
        "s" | "" => 1.0,
        "ms" => 0.001,
        "m" => 60.0,
        "h" => 3600.0,
        unit => return Err(format!("unknown unit {unit:?}: use ms, s, m or h")),
    };
    let number: f64 = digits.parse().map_err(|error| format!("{error}"))?;
    Duration::try_from_secs_f64(number * scale).map_err(|error| format!("{error}"))
}

impl Arguments {
    fn config(&self) -> Config {
        Config {
            endpoint_url: self.endpoint_url.clone(),
            region: self.region.clone(),
            shards: self.shards,
            runtime: self.runtime.clone(),
            role_arn: self.role_arn.clone(),
            rate: self.rate,
            seed: self.seed,
            bind: self.bind,
            ..Config::default()
        }
    }
}

/// Writes a line to the standard error. Output that nobody can read is no reason to stop.
fn say(line: &str) {
    writeln!(std::io::stderr(), "{line}").unwrap_or_default();
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(code) => code,
        Err(error) => {
            say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let config = arguments.config();
    if arguments.teardown {
        internet_provider::teardown(&config, &say).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let deployed = if arguments.no_setup {
        internet_provider::find(&config).await?
    } else {
        internet_provider::setup(&config, &say).await?
    };
    let shutdown = async {
        // Without a signal handler Ctrl-C ends the process by itself, so there is nothing to wait for.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    if arguments.headless {
        let report =
            internet_provider::run_headless(&config, &deployed, arguments.duration, shutdown).await?;
        print(&report, arguments.json)?;
        return Ok(if report.all_answered() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    let ready = |address| say(&format!("\nThe page is at http://{address}/ (Ctrl-C stops it)"));
    let report = internet_provider::run_page(&config, &deployed, ready, shutdown).await?;
    say(&format!("\n{report}"));
    Ok(ExitCode::SUCCESS)
}

fn print(report: &Report, json: bool) -> anyhow::Result<()> {
    let text = if json { serde_json::to_string_pretty(report)? } else { report.to_string() };
    writeln!(std::io::stdout(), "{text}").context("cannot write the report to the standard output")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;
    use internet_provider::caps;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
        let arguments = Arguments::parse_from(["internet-provider"]);
        assert_eq!(arguments.role_arn, Config::default().role_arn);
        assert_eq!(arguments.runtime, Config::default().runtime);
        assert!(arguments.rate <= caps::MAX_RATE);
    }

    #[test]
    fn durations_have_units() {
        assert_eq!(duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(duration("1.5m"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("7"), Ok(Duration::from_secs(7)));
        for bad in ["", "s", "3 days", "-1s", "1e300h"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
