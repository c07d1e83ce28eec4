//! The server, put together: from the log up to the port.

use crate::config::{Config, Storage};
use crate::event_gauges;
use crate::gauges;
use crate::health::ServerHealth;
use crate::keys;
use crate::log_options::{LogOptions, explain};
use crate::reload;
use crate::sessions::Sessions;
use crate::tls;
use anyhow::{Context, Result};
use millstream_control::State;
use millstream_credentials::Keyring;
use millstream_engine::Engine;
use millstream_events::Events;
use millstream_front::{Front, Gauge, Metrics, serve};
use millstream_functions::{CodeStore, Functions, Isolation, Runtime, TracingSink};
use millstream_host::{Clock, SystemClock};
use millstream_kinesis::Kinesis;
use millstream_lambda::Lambda;
use millstream_log::{Log, MemoryLog};
use millstream_log_embedded::EmbeddedLog;
use millstream_logs::{FunctionLogs, Logs, Store};
use millstream_mapping::Mappings;
use millstream_types::{Arn, Home};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    endpoint: String,
    /// Keeps a certificate authority that is in memory only.
    _authority: Option<TempDir>,
    log: Arc<dyn Log>,
    functions: Functions,
    function_logs: Store,
    mappings: Mappings,
    events: Events,
    shutdown: CancellationToken,
    fronts: Vec<JoinHandle<()>>,
    lifecycles: Vec<JoinHandle<()>>,
}

/// How long each part may take to stop; what is durable is durable whatever happens then.
const STOP: Duration = Duration::from_secs(6);

impl Server {
    pub(crate) async fn start(config: &Config) -> Result<Self> {
        Self::start_with(config, PathBuf::from("/proc/self/exe")).await
    }

    /// `sandbox_exe` is the program that sets up functions' sandboxes: this one, where it can be.
    pub(crate) async fn start_with(config: &Config, sandbox_exe: PathBuf) -> Result<Self> {
        let open_files = millstream_host::limits::raise_open_files().context("the limit on open files")?;
        // The port first: a second server on it must not touch the data.
        let listener = TcpListener::bind(config.bind).await.with_context(|| {
            format!("cannot listen on {} (is another Millstream running there?)", config.bind)
        })?;
        let address = listener.local_addr().context("the address listened on")?;
        let clock = SystemClock::shared();
        let keyring = Keyring::open(config.credentials.clone(), &config.home.account, clock.clone());
        let keyring = Arc::new(keyring.context("the credentials cannot be used")?);
        let vault = keys::vault(config.encryption_keys.as_deref(), &config.storage, clock.now())?;
        let (log, code, mut gauge_list) = open(&config.storage, config.log).await?;
        let (tls, authority) = tls::prepare(config.tls.as_ref(), &config.storage, &*clock)?;
        let endpoint = endpoint(address, tls.is_some());
        let (inner, home_endpoint) = inner_door(&endpoint, tls.is_some()).await?;
        let control = millstream_control_node::open(log.clone(), clock.clone()).await?;
        warn_of_another_home(&control.state(), &config.home);
        keys::warn_of_missing(&vault, &control.state());
        let engine = Engine::new(log.clone(), control.clone(), clock.clone()).with_vault(vault);
        let around = Around { endpoint: &home_endpoint, keyring: &keyring, clock: clock.clone() };
        let (functions, function_logs) = start_functions(config, sandbox_exe, code, around).await?;
        let (mappings, events) = start_deliveries(config, &engine, &functions, clock.clone());
        let lambda = Lambda::start(millstream_lambda::Options {
            control,
            engine: engine.clone(),
            functions: functions.clone(),
            mappings: mappings.clone(),
            events: events.clone(),
            home: config.home.clone(),
            endpoint: endpoint.clone(),
        })
        .await
        .with_signed_links();
        let lambda = config.code.given_to(lambda);
        let mut lifecycles = lifecycles(&engine, &lambda, config);
        lifecycles.extend(reload::certificate(config.tls.as_ref(), tls.as_ref())?);
        gauge_list.extend(gauges::functions(&functions));
        gauge_list.extend(gauges::function_logs(&function_logs));
        gauge_list.extend(gauges::mappings(&mappings));
        gauge_list.extend(event_gauges::all(&events));
        let health = Arc::new(ServerHealth {
            engine: engine.clone(),
            functions: functions.clone(),
            storage: config.storage.clone(),
        });
        let only_loopback = config.bind.ip().is_loopback();
        let kinesis =
            Kinesis::new(engine, config.home.clone()).with_consumers_per_stream(config.consumers_per_stream);
        let kinesis = kinesis.with_limits(config.limits.clone());
        gauge_list.push(gauges::limits(&kinesis));
        let logs = Logs::new(function_logs.clone(), config.home.clone(), clock.clone());
        let front = Front::new(kinesis, lambda, health, Metrics::new(gauge_list), clock, only_loopback);
        say_who_is_asked(&keyring);
        let front = front.with_logs(logs).with_keyring(keyring).with_faults(config.faults.open()?);
        let front = Arc::new(front);
        let shutdown = CancellationToken::new();
        let outer = millstream_front::Options { open_files, tls, inner: false };
        let fronts = open_doors(&front, (listener, outer), inner, &shutdown);
        Ok(Self {
            endpoint,
            _authority: authority,
            log,
            functions,
            function_logs,
            mappings,
            events,
            shutdown,
            fronts,
            lifecycles,
        })
    }

    /// The URL that clients use.
    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The runtimes that functions can have here.
    pub(crate) async fn runtimes(&self) -> Vec<Runtime> {
        self.functions.available_runtimes().await.into_iter().map(|found| found.runtime).collect()
    }

    /// Take no more requests and let go of everything, without waiting.
    pub(crate) fn abandon(&self) {
        self.shutdown.cancel();
        for lifecycle in &self.lifecycles {
            lifecycle.abort();
        }
    }

    /// Stop from the outside in: mappings first, while their functions can still reach the endpoint; then the port, the
    /// workers, and the log last. No step can keep the next from its turn.
    pub(crate) async fn stop(self) {
        within("mappings", self.mappings.shutdown()).await;
        within("events", self.events.shutdown()).await;
        self.shutdown.cancel();
        within("requests", async {
            for front in self.fronts {
                if let Err(error) = front.await {
                    tracing::warn!(%error, "the front ended badly");
                }
            }
        })
        .await;
        within("functions", self.functions.shutdown()).await;
        let function_logs = self.function_logs;
        within("functions' logs", async move {
            if let Err(error) = tokio::task::spawn_blocking(move || function_logs.close()).await {
                tracing::warn!(%error, "functions' logs ended badly");
            }
        })
        .await;
        for lifecycle in self.lifecycles {
            lifecycle.abort();
        }
        within("log", self.log.close()).await;
    }
}

/// What calls functions by itself.
fn start_deliveries(
    config: &Config,
    engine: &Engine,
    functions: &Functions,
    clock: Arc<dyn Clock>,
) -> (Mappings, Events) {
    let destinations = config.destinations.start(clock, &config.home.region);
    let mappings = Mappings::start(millstream_mapping::Options {
        engine: engine.clone(),
        functions: functions.clone(),
        destinations: destinations.clone(),
    });
    let events = Events::start(millstream_events::Options {
        engine: engine.clone(),
        functions: functions.clone(),
        destinations,
        home: config.home.clone(),
    });
    (mappings, events)
}

/// The tasks that do the work which the control state asks for.
fn lifecycles(engine: &Engine, lambda: &Lambda, config: &Config) -> Vec<JoinHandle<()>> {
    vec![
        tokio::spawn(engine.clone().run_lifecycle(Duration::ZERO)),
        tokio::spawn(engine.clone().run_retention()),
        tokio::spawn(engine.clone().run_scaling(config.scaling)),
        tokio::spawn(lambda.clone().run_lifecycle()),
    ]
}

/// Where functions call home. Without TLS, on a port of this machine alone: their SDKs need no certificate for it.
async fn inner_door(endpoint: &str, tls: bool) -> Result<(Option<TcpListener>, String)> {
    if !tls {
        return Ok((None, endpoint.to_owned()));
    }
    let inner = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("a port for functions")?;
    let home = self::endpoint(inner.local_addr()?, false);
    Ok((Some(inner), home))
}

/// Serve clients, and functions on a port of their own if there is one.
fn open_doors(
    front: &Arc<Front>,
    (listener, outer): (TcpListener, millstream_front::Options),
    inner: Option<TcpListener>,
    shutdown: &CancellationToken,
) -> Vec<JoinHandle<()>> {
    let for_functions = millstream_front::Options { tls: None, inner: true, ..outer.clone() };
    let inner = inner.map(|listener| (listener, for_functions));
    let doors = inner.into_iter().chain([(listener, outer)]);
    doors
        .map(|(listener, options)| tokio::spawn(serve(listener, front.clone(), options, shutdown.clone())))
        .collect()
}

/// Resources of the server's own home are kept by their names alone, so the settings must go on saying what it is.
fn warn_of_another_home(state: &State, home: &Home) {
    let arns = state.streams.values().map(|stream| (&stream.name, &stream.arn));
    let mut own = arns.filter(|(key, _)| home.has(key));
    let parsed = |arn: &String| arn.parse::<Arn>().is_ok_and(|arn| home.owns(&arn));
    if let Some((stream, arn)) = own.find(|(_, arn)| !parsed(arn)) {
        tracing::warn!(
            stream,
            arn,
            "this data was made with another --account or --region: its ARNs keep them, and are not found by them"
        );
    }
}

fn say_who_is_asked(keyring: &Keyring) {
    if keyring.is_enforced() {
        let keys = keyring.keys();
        tracing::info!(keys, "requests must be signed");
        if keys == 0 {
            tracing::warn!("the credentials file has no keys: nobody can use this server until there is one");
        }
    }
}

async fn within(what: &'static str, step: impl Future<Output = ()>) {
    if tokio::time::timeout(STOP, step).await.is_err() {
        tracing::warn!(what, "took too long to stop and is cut off; everything acknowledged is durable");
    }
}

/// The URL of an address: of this machine's own loopback where it listens everywhere.
fn endpoint(address: SocketAddr, tls: bool) -> String {
    let mut address = address;
    if address.ip().is_unspecified() {
        match address {
            SocketAddr::V4(_) => address.set_ip(Ipv4Addr::LOCALHOST.into()),
            SocketAddr::V6(_) => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        }
    }
    format!("{}://{address}", if tls { "https" } else { "http" })
}

type Opened = (Arc<dyn Log>, CodeStore, Vec<Gauge>);

async fn open(storage: &Storage, log: LogOptions) -> Result<Opened> {
    match storage {
        Storage::Memory => {
            let code =
                CodeStore::temporary().context("cannot make a temporary directory for function code")?;
            Ok((Arc::new(MemoryLog::new()), code, Vec::new()))
        }
        Storage::Directory(directory) => {
            let directory = directory.clone();
            tokio::task::spawn_blocking(move || open_directory(&directory, log)).await?
        }
    }
}

fn open_directory(directory: &Path, given: LogOptions) -> Result<Opened> {
    let opened = millstream_log_embedded::Options::in_directory(directory).and_then(|mut options| {
        given.apply(&mut options);
        EmbeddedLog::open(&options)
    });
    let (log, report) = opened
        .map_err(explain)
        .with_context(|| format!("cannot open the data directory {}", directory.display()))?;
    let millstream_log_embedded::RecoveryReport { groups, batches, shards, torn_bytes, segments, .. } =
        report;
    tracing::info!(
        directory = %directory.display(), groups, batches, shards, segments, torn_bytes, "the log is open"
    );
    if torn_bytes > 0 {
        tracing::warn!(
            torn_bytes,
            "a write was under way when the server stopped; it was never acknowledged and is gone"
        );
    }
    let code =
        CodeStore::open(&directory.join("functions")).context("cannot open the store of function code")?;
    let log = Arc::new(log);
    let gauges = gauges::log(&log);
    Ok((log, code, gauges))
}

async fn open_function_logs(config: &Config, clock: Arc<dyn Clock>) -> Result<Store> {
    let directory = match &config.storage {
        Storage::Memory => None,
        Storage::Directory(directory) => Some(directory.join("function-logs")),
    };
    let options = config.function_logs.store(directory, clock);
    let opened = tokio::task::spawn_blocking(move || Store::open(options)).await?;
    opened.context("cannot open functions' logs (the directory function-logs)")
}

/// What functions find around them.
struct Around<'a> {
    endpoint: &'a str,
    keyring: &'a Arc<Keyring>,
    clock: Arc<dyn Clock>,
}

async fn start_functions(
    config: &Config,
    sandbox_exe: PathBuf,
    code: CodeStore,
    Around { endpoint, keyring, clock }: Around<'_>,
) -> Result<(Functions, Store)> {
    let logs = open_function_logs(config, clock.clone()).await?;
    let sink = FunctionLogs::new(logs.clone(), config.home.clone(), Arc::new(TracingSink));
    // Below the data directory, so that a server that is killed leaves nothing elsewhere.
    let data = match &config.storage {
        Storage::Memory => None,
        Storage::Directory(directory) => Some(directory.clone()),
    };
    // A function that runs as the server's own user could read the secrets of everybody.
    let credentials = config.credentials.as_ref().and_then(|file| file.path().parent()).map(Path::to_owned);
    let keys_file = config.encryption_keys.as_ref().and_then(|file| std::path::absolute(file).ok());
    let options = millstream_functions::Options {
        credentials: Arc::new(Sessions(keyring.clone())),
        work_dir: data.as_ref().map(|data| data.join("run")),
        elsewhere: config.handoff.start(),
        compiled: data.as_ref().map(|data| data.join("compiled")),
        hidden_dirs: data.into_iter().chain(credentials).chain(keys_file).collect(),
        isolation: config.isolation,
        network: config.network,
        sandbox_exe,
        max_workers: config.max_workers,
        endpoint_url: Some(endpoint.to_owned()),
        region: config.home.region.clone(),
        log_sink: Arc::new(sink),
        clock,
        ..millstream_functions::Options::default()
    };
    let functions = Functions::start(code, options).await.context("cannot prepare to run functions")?;
    match (functions.isolation(), config.isolation) {
        (Err(unavailable), _) => tracing::warn!("functions cannot run: {unavailable}"),
        (Ok(_), Isolation::Process) => {
            tracing::warn!(
                "functions run without isolation, as asked: run only code that you trust with this machine"
            );
        }
        (Ok(_), Isolation::Namespaces) => {}
    }
    tracing::info!("functions are kept apart by: {}", functions.protection());
    Ok((functions, logs))
}
