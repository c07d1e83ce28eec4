//! `millstream demo`: the founding scenario on a server of its own. The application is the example's; it sees the server
//! only through the network, as it would see AWS.

use crate::cli::DemoArguments;
use crate::config::{Config, Guarded, LogFormat, Storage, is_there, parse_isolation, refuse_exposed};
use crate::destination_options::DestinationOptions;
use crate::server::Server;
use crate::terminal::{note, say};
use crate::{interrupt, logs};
use anyhow::{Context, Result, bail, ensure};
use internet_provider::{Deployed, Report};
use millstream_credentials::CredentialsFile;
use millstream_functions::Runtime;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

const PAGE_PORT: u16 = 8080;

pub(crate) async fn run(arguments: DemoArguments) -> Result<ExitCode> {
    logs::start(&arguments.log_level, LogFormat::Text)?;
    // The demo has no flag that opens it: its page and its server are for this machine.
    for address in [Some(arguments.bind), arguments.page].into_iter().flatten() {
        refuse_exposed(address, Guarded::default(), false)?;
    }
    let interrupted = interrupt::token()?;
    let (storage, temporary) = storage(&arguments)?;
    if let Storage::Directory(directory) = &storage {
        let asks = is_there(&CredentialsFile::of_data_directory(directory));
        ensure!(!asks, "{} has credentials, and the demo would let everybody at it", directory.display());
    }
    let config = Config {
        limits: millstream_kinesis::LimitSettings::none(),
        scaling: millstream_engine::ScalingSettings::default(),
        bind: arguments.bind,
        storage,
        ready_file: None,
        home: millstream_types::Home::default(),
        isolation: parse_isolation(arguments.function_isolation.as_deref())?,
        network: millstream_functions::Network::Host,
        max_workers: 64,
        consumers_per_stream: millstream_control::caps::CONSUMERS_PER_STREAM,
        faults: crate::fault_options::FaultOptions::default(),
        tls: None,
        destinations: DestinationOptions::default(),
        handoff: crate::handoff_options::HandoffOptions::default(),
        code: crate::code_options::CodeOptions::default(),
        credentials: None,
        encryption_keys: None,
        log: crate::log_options::LogOptions::default(),
        function_logs: crate::function_log_options::FunctionLogOptions::default(),
        log_level: arguments.log_level.clone(),
        log_format: LogFormat::Text,
    };
    let server = Server::start(&config).await?;
    let ran = scenario(&arguments, &config, &server, interrupted).await;
    server.stop().await;
    drop(temporary);
    let report = ran?;
    say(&report);
    Ok(if report.all_answered() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The directory asked for, or a temporary one that goes when its guard is dropped.
fn storage(arguments: &DemoArguments) -> Result<(Storage, Option<TempDir>)> {
    if let Some(directory) = &arguments.data {
        return Ok((Storage::Directory(directory.clone()), None));
    }
    let temporary = tempfile::Builder::new().prefix("millstream-demo-").tempdir();
    let temporary = temporary.context("cannot make a temporary data directory; name one with --data")?;
    Ok((Storage::Directory(temporary.path().join("data")), Some(temporary)))
}

async fn scenario(
    arguments: &DemoArguments,
    config: &Config,
    server: &Server,
    interrupted: CancellationToken,
) -> Result<Report> {
    let runtime = python(server).await?;
    note(format_args!("Millstream      {}", server.endpoint()));
    if let Storage::Directory(directory) = &config.storage {
        let fate =
            if arguments.data.is_some() { "kept" } else { "removed at the end; keep it with --data DIR" };
        note(format_args!("Data            {} ({fate})", directory.display()));
    }
    note(format_args!("Function        {runtime}"));
    let example = internet_provider::Config {
        endpoint_url: Some(server.endpoint().to_owned()),
        region: Some(config.home.region.clone()),
        shards: arguments.shards,
        runtime: runtime.to_string(),
        rate: arguments.rate,
        seed: arguments.seed,
        bind: page_address(arguments.page).await,
        ..internet_provider::Config::default()
    };
    let progress = |line: &str| note(format_args!("                {line}"));
    let deployed = tokio::select! {
        deployed = internet_provider::setup(&example, &progress) => deployed?,
        () = interrupted.cancelled() => bail!("interrupted"),
    };
    if arguments.headless {
        headless(arguments, &example, &deployed, interrupted).await
    } else {
        page(arguments, &example, &deployed, interrupted).await
    }
}

async fn headless(
    arguments: &DemoArguments,
    example: &internet_provider::Config,
    deployed: &Deployed,
    interrupted: CancellationToken,
) -> Result<Report> {
    let duration = arguments.duration.unwrap_or(std::time::Duration::MAX);
    let report = internet_provider::run_headless(example, deployed, duration, interrupted.cancelled_owned());
    Ok(report.await?)
}

async fn page(
    arguments: &DemoArguments,
    example: &internet_provider::Config,
    deployed: &Deployed,
    interrupted: CancellationToken,
) -> Result<Report> {
    let ready = |address| {
        note(format_args!(
            "Application     http://{address}   (open it in a browser; Ctrl-C stops everything)"
        ));
    };
    let ended = async {
        match arguments.duration {
            Some(duration) => {
                tokio::select! {
                    () = tokio::time::sleep(duration) => {}
                    () = interrupted.cancelled() => {}
                }
            }
            None => interrupted.cancelled().await,
        }
    };
    Ok(internet_provider::run_page(example, deployed, ready, ended).await?)
}

/// The address asked for; else the usual one, or any free one where that is taken.
async fn page_address(asked: Option<SocketAddr>) -> SocketAddr {
    let usual = SocketAddr::from((Ipv4Addr::LOCALHOST, PAGE_PORT));
    match asked {
        Some(address) => address,
        None if TcpListener::bind(usual).await.is_ok() => usual,
        None => SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
    }
}

/// The newest Python that functions can run with here.
async fn python(server: &Server) -> Result<Runtime> {
    let found = server.runtimes().await;
    let python = |runtime: &Runtime| match runtime {
        Runtime::Python { minor } => Some(*minor),
        _ => None,
    };
    found.into_iter().filter(|runtime| python(runtime).is_some()).max_by_key(python).context(
        "the demo's function needs Python 3.9 or newer, and none was found: install python3, or put it in PATH",
    )
}
