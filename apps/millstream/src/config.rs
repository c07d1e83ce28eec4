use crate::address;
use crate::byte_size::ByteSize;
use crate::cli::{ServeArguments, Source};
use crate::code_options::{Bucket, CodeOptions};
use crate::destination_options::DestinationOptions;
use crate::fault_options::FaultOptions;
use crate::function_log_options::FunctionLogOptions;
use crate::handoff_options::{FromText, HandoffOptions};
use crate::limits::{LimitValue, Limits, limit_settings};
use crate::log_options::LogOptions;
use crate::tls_options::{Tls, TlsMode, TlsOptions};
use anyhow::{Context, Result, bail, ensure};
use millstream_control::caps;
use millstream_credentials::CredentialsFile;
use millstream_engine::ScalingSettings;
use millstream_functions::{Isolation, Network};
use millstream_kinesis::LimitSettings;
use millstream_types::Home;
use serde::{Deserialize, Deserializer, de};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    #[default]
    Text,
    Json,
}

/// The file that `--config` names. A key it does not know keeps the server from starting: a misspelt setting that is
/// passed over is a setting that is not made.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    #[serde(default, deserialize_with = "bind")]
    bind: Option<SocketAddr>,
    data: Option<PathBuf>,
    memory: Option<bool>,
    ready_file: Option<PathBuf>,
    region: Option<String>,
    account: Option<String>,
    function_isolation: Option<String>,
    function_network: Option<String>,
    function_handoff: Option<Vec<FromText>>,
    function_code: Option<Vec<Bucket>>,
    max_workers: Option<usize>,
    consumers_per_stream: Option<usize>,
    limits: Option<Limits>,
    /// By name.
    #[serde(default)]
    limit: BTreeMap<String, LimitValue>,
    credentials: Option<PathBuf>,
    allow_insecure_bind: Option<bool>,
    fault: Option<Vec<String>>,
    fault_seed: Option<u64>,
    tls: Option<TlsMode>,
    tls_cert: Option<PathBuf>,
    tls_key: Option<PathBuf>,
    tls_name: Option<Vec<String>>,
    tls_ca_file: Option<PathBuf>,
    encryption_keys: Option<PathBuf>,
    log_level: Option<String>,
    log_format: Option<LogFormat>,
    log_flush_bytes: Option<ByteSize>,
    log_memory_bytes: Option<ByteSize>,
    log_admission_bytes: Option<ByteSize>,
    log_replay_bytes: Option<ByteSize>,
    log_wal_file_bytes: Option<ByteSize>,
    function_logs_bytes: Option<ByteSize>,
    function_log_group_bytes: Option<ByteSize>,
    function_logs_days: Option<u32>,
}

impl Settings {
    fn faults(&self) -> FaultOptions {
        FaultOptions { faults: self.fault.clone().unwrap_or_default(), seed: self.fault_seed }
    }

    fn tls(&self) -> TlsOptions {
        TlsOptions {
            mode: self.tls,
            cert: self.tls_cert.clone(),
            key: self.tls_key.clone(),
            names: self.tls_name.clone().unwrap_or_default(),
            ca_file: self.tls_ca_file.clone(),
        }
    }

    fn function_logs(&self) -> FunctionLogOptions {
        FunctionLogOptions {
            total: self.function_logs_bytes,
            group: self.function_log_group_bytes,
            days: self.function_logs_days,
        }
    }

    fn log(&self) -> LogOptions {
        LogOptions {
            flush_at: self.log_flush_bytes,
            memory_tail: self.log_memory_bytes,
            admission: self.log_admission_bytes,
            replay: self.log_replay_bytes,
            wal_file: self.log_wal_file_bytes,
        }
    }
}

fn bind<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SocketAddr>, D::Error> {
    let text = String::deserialize(deserializer)?;
    address::parse(&text).map(Some).map_err(de::Error::custom)
}

/// Where everything is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Storage {
    Memory,
    Directory(PathBuf),
}

#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) bind: SocketAddr,
    pub(crate) storage: Storage,
    pub(crate) ready_file: Option<PathBuf>,
    pub(crate) home: Home,
    pub(crate) isolation: Isolation,
    pub(crate) network: Network,
    pub(crate) max_workers: usize,
    pub(crate) consumers_per_stream: usize,
    pub(crate) faults: FaultOptions,
    pub(crate) tls: Option<Tls>,
    pub(crate) limits: LimitSettings,
    pub(crate) scaling: ScalingSettings,
    /// Where users and keys are; it need not be there yet.
    pub(crate) credentials: Option<CredentialsFile>,
    /// The file of master keys.
    pub(crate) encryption_keys: Option<PathBuf>,
    pub(crate) log: LogOptions,
    pub(crate) function_logs: FunctionLogOptions,
    pub(crate) destinations: DestinationOptions,
    pub(crate) handoff: HandoffOptions,
    pub(crate) code: CodeOptions,
    pub(crate) log_level: String,
    pub(crate) log_format: LogFormat,
}

const DEFAULT_BIND: &str = "127.0.0.1:4566";
const DEFAULT_DATA: &str = "millstream-data";
const DEFAULT_WORKERS: usize = 1_000;
const MOST_WORKERS: usize = 10_000;

impl Config {
    /// Put flags and environment (`arguments`) over the file over the defaults, and check the result.
    pub(crate) fn load(arguments: ServeArguments) -> Result<Self> {
        let file = match &arguments.config {
            Some(path) => read(path)?,
            None => Settings::default(),
        };
        let default_bind = DEFAULT_BIND.parse().context("the default address")?;
        let bind = arguments.bind.or(file.bind).unwrap_or(default_bind);
        let exposed = given(arguments.sources.allow_insecure_bind, arguments.allow_insecure_bind);
        let storage = storage(&places(&arguments, &file))?;
        let credentials =
            credentials(arguments.credentials.clone().or_else(|| file.credentials.clone()), &storage)?;
        let tls = arguments.tls.clone().or(file.tls()).resolve()?;
        let guarded = Guarded { credentials: credentials.as_ref().is_some_and(is_there), tls: tls.is_some() };
        refuse_exposed(bind, guarded, exposed.or(file.allow_insecure_bind).unwrap_or(false))?;
        let max_workers = arguments.max_workers.or(file.max_workers).unwrap_or(DEFAULT_WORKERS);
        ensure!((1..=MOST_WORKERS).contains(&max_workers), "max-workers must be from 1 to {MOST_WORKERS}");
        let consumers_per_stream = arguments.consumers_per_stream.or(file.consumers_per_stream);
        let consumers_per_stream = consumers_per_stream.unwrap_or(caps::CONSUMERS_PER_STREAM);
        let most = caps::MOST_CONSUMERS_PER_STREAM;
        ensure!((1..=most).contains(&consumers_per_stream), "consumers-per-stream must be from 1 to {most}");
        let limits = limit_settings(arguments.limits.or(file.limits), &file.limit, &arguments.limit)?;
        let faults = arguments.fault.clone().or(file.faults());
        faults.check()?;
        let log = arguments.log.or(file.log());
        log.check()?;
        let function_logs = arguments.function_logs.or(file.function_logs());
        function_logs.check()?;
        let isolation = arguments.function_isolation.or(file.function_isolation);
        let isolation = parse_isolation(isolation.as_deref())?;
        let network = parse_network(arguments.function_network.or(file.function_network).as_deref())?;
        ensure!(
            network == Network::Host || isolation == Isolation::Namespaces,
            "function-network needs functions in namespaces: leave out function-isolation"
        );
        Ok(Self {
            bind,
            storage,
            ready_file: arguments.ready_file.or(file.ready_file),
            home: home(arguments.region.or(file.region), arguments.account.or(file.account))?,
            isolation,
            network,
            max_workers,
            consumers_per_stream,
            faults,
            tls,
            limits,
            scaling: ScalingSettings::default().quicker(arguments.scaling_test_factor.unwrap_or(1)),
            credentials,
            log,
            function_logs,
            destinations: arguments.destinations,
            handoff: arguments.handoff.or(file.function_handoff),
            code: arguments.code.or(file.function_code),
            encryption_keys: arguments.encryption_keys.or(file.encryption_keys),
            log_level: arguments.log_level.or(file.log_level).unwrap_or_else(|| "info".to_owned()),
            log_format: arguments.log_format.or(file.log_format).unwrap_or_default(),
        })
    }
}

/// What stands between a server and whoever can reach it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Guarded {
    pub(crate) credentials: bool,
    pub(crate) tls: bool,
}

/// Refuse an address that other machines can reach, unless callers are known and cannot be listened to, or it was asked for.
pub(crate) fn refuse_exposed(bind: SocketAddr, guarded: Guarded, allowed: bool) -> Result<()> {
    if bind.ip().is_loopback() || allowed {
        return Ok(());
    }
    ensure!(
        guarded.credentials,
        "{bind} can be reached from other machines, and whoever reaches it could run code here: there are no \
         credentials to ask for. Make some with `millstream credentials create NAME --admin`, bind to 127.0.0.1, or \
         use `serve` with --allow-insecure-bind where only trusted machines can reach it"
    );
    ensure!(
        guarded.tls,
        "{bind} can be reached from other machines, and without TLS whoever is on the way can read records. Use \
         --tls self-signed or a certificate, bind to 127.0.0.1, or use --allow-insecure-bind where something in front \
         of this server speaks TLS, or only trusted machines can reach it"
    );
    Ok(())
}

/// The file that is named, which must be there: one that is misspelt would leave the server open. Else the data
/// directory's own, which may come while the server runs.
fn credentials(named: Option<PathBuf>, storage: &Storage) -> Result<Option<CredentialsFile>> {
    match (named, storage) {
        (Some(path), _) => {
            let whole =
                std::path::absolute(&path).with_context(|| format!("{} is no path", path.display()))?;
            let file = CredentialsFile::new(whole);
            ensure!(
                is_there(&file),
                "there are no credentials in {}: make some with `millstream credentials create NAME --admin`",
                path.display()
            );
            Ok(Some(file))
        }
        (None, Storage::Directory(directory)) => Ok(Some(CredentialsFile::of_data_directory(directory))),
        (None, Storage::Memory) => Ok(None),
    }
}

/// What cannot be looked at is there: reading it will say what is wrong.
pub(crate) fn is_there(file: &CredentialsFile) -> bool {
    !matches!(millstream_host::fs::stamp(file.path()), Ok(None))
}

fn read(path: &Path) -> Result<Settings> {
    let text = millstream_host::fs::read_to_string(path)
        .with_context(|| format!("cannot read {}", path.display()))?;
    toml::from_str(&text).with_context(|| format!("{} is not a configuration", path.display()))
}

/// A switch, if somebody said how it is to be.
fn given(source: Source, value: bool) -> Option<bool> {
    (source != Source::Nowhere).then_some(value)
}

/// What one source of settings says of where everything is kept.
#[derive(Debug, Default)]
struct Place {
    /// What to call the source's two settings.
    names: (&'static str, &'static str),
    data: Option<PathBuf>,
    memory: Option<bool>,
}

/// Flags, environment and file, in the order in which they decide.
fn places(arguments: &ServeArguments, file: &Settings) -> [Place; 3] {
    let sources = arguments.sources;
    let from = |source, names| Place {
        names,
        data: arguments.data.clone().filter(|_| sources.data == source),
        memory: given(sources.memory, arguments.memory).filter(|_| sources.memory == source),
    };
    [
        from(Source::Flag, ("--data", "--memory")),
        from(Source::Environment, ("MILLSTREAM_DATA", "MILLSTREAM_MEMORY")),
        Place { names: ("data", "memory"), data: file.data.clone(), memory: file.memory },
    ]
}

/// The first source that says anything decides; what contradicts itself is refused.
fn storage(places: &[Place]) -> Result<Storage> {
    let mut durable = false;
    for Place { names: (data_name, memory_name), data, memory } in places {
        match (data, memory) {
            (Some(data), Some(true)) => {
                bail!("{data_name} ({}) and {memory_name} exclude each other", data.display())
            }
            (Some(data), _) => return directory(data),
            // A source above this one has said that it is not to be.
            (None, Some(true)) if durable => {}
            (None, Some(true)) => return Ok(Storage::Memory),
            (None, Some(false)) => durable = true,
            (None, None) => {}
        }
    }
    directory(Path::new(DEFAULT_DATA))
}

fn directory(data: &Path) -> Result<Storage> {
    let whole = std::path::absolute(data).with_context(|| format!("{} is no path", data.display()))?;
    Ok(Storage::Directory(whole))
}

fn home(region: Option<String>, account: Option<String>) -> Result<Home> {
    let default = Home::default();
    let (region, account) = (region.unwrap_or(default.region), account.unwrap_or(default.account));
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    ensure!(!region.is_empty() && region.chars().all(plain), "{region:?} is not a region such as us-east-1");
    ensure!(
        account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit()),
        "{account:?} is not an account id: twelve digits"
    );
    Ok(Home::new(region, account))
}

pub(crate) fn parse_isolation(text: Option<&str>) -> Result<Isolation> {
    match text {
        None | Some("namespaces") => Ok(Isolation::Namespaces),
        Some("process") => Ok(Isolation::Process),
        Some(other) => bail!("{other:?} is no function isolation: use \"namespaces\" or \"process\""),
    }
}

/// What of the network functions reach.
fn parse_network(text: Option<&str>) -> Result<Network> {
    match text {
        None | Some("host") => Ok(Network::Host),
        Some("endpoint-only") => Ok(Network::EndpointOnly),
        Some("none") => Ok(Network::None),
        Some(other) => bail!("{other:?} is no function network: use \"host\", \"endpoint-only\" or \"none\""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Sources;

    fn with_file(text: &str, arguments: ServeArguments) -> Result<Config> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("millstream.toml");
        millstream_host::fs::write(&path, text.as_bytes()).unwrap();
        Config::load(ServeArguments { config: Some(path), ..arguments })
    }

    fn error(result: Result<Config>) -> String {
        format!("{:#}", result.unwrap_err())
    }

    #[test]
    fn flags_win_over_the_file_over_defaults() {
        let flags = ServeArguments { region: Some("eu-central-1".into()), ..ServeArguments::default() };
        let config = with_file("region = \"us-west-2\"\nmax_workers = 3\nmemory = true", flags).unwrap();
        assert_eq!((config.home.region.as_str(), config.max_workers), ("eu-central-1", 3));
        assert_eq!((config.storage, config.bind.to_string().as_str()), (Storage::Memory, DEFAULT_BIND));
    }

    #[test]
    fn flags_win_over_the_environment_over_the_file() {
        let place =
            |data: Option<&str>, memory| Place { data: data.map(PathBuf::from), memory, ..Place::default() };
        let in_directory = |name| directory(Path::new(name)).unwrap();
        let nothing = || place(None, None);
        for (places, expected) in [
            ([nothing(), nothing(), nothing()], in_directory(DEFAULT_DATA)),
            ([place(Some("d"), None), place(None, Some(true)), nothing()], in_directory("d")),
            ([place(None, Some(true)), place(Some("d"), None), place(Some("e"), None)], Storage::Memory),
            ([nothing(), place(None, Some(true)), place(Some("e"), None)], Storage::Memory),
            ([nothing(), place(None, Some(false)), place(None, Some(true))], in_directory(DEFAULT_DATA)),
            ([nothing(), place(None, Some(false)), place(Some("e"), None)], in_directory("e")),
            ([place(Some("d"), None), place(Some("e"), Some(true)), nothing()], in_directory("d")),
        ] {
            assert_eq!(storage(&places).unwrap(), expected, "{places:?}");
        }
        for level in 0..3 {
            let mut places = [nothing(), nothing(), nothing()];
            places[level] = place(Some("d"), Some(true));
            assert!(storage(&places).unwrap_err().to_string().contains("exclude each other"));
        }
    }

    #[test]
    fn sizes_and_names_are_understood_in_the_file() {
        let text =
            "bind = \"localhost:0\"\nlog_flush_bytes = \"1MiB\"\nlog_replay_bytes = 4194304\nmemory = true";
        let config = with_file(text, ServeArguments::default()).unwrap();
        assert_eq!(config.bind.to_string(), "127.0.0.1:0");
        assert_eq!(config.log.flush_at, Some(ByteSize(1 << 20)));
        assert_eq!(config.log.replay, Some(ByteSize(4 << 20)));
        let wrong = |text| error(with_file(text, ServeArguments::default()));
        assert!(wrong("log_flush_bytes = \"1MB\"").contains("256MiB"));
        assert!(wrong("log_admission_bytes = \"1MiB\"").contains("at least 16MiB"));
        assert!(wrong("bind = \"localhost\"").contains("127.0.0.1:4566"));
    }

    #[test]
    fn only_this_machine_may_reach_it_by_default() {
        for (address, fine) in
            [("127.0.0.1:0", true), ("[::1]:0", true), ("0.0.0.0:0", false), ("10.0.0.1:1", false)]
        {
            let refused = |credentials, tls, allowed| {
                refuse_exposed(address.parse().unwrap(), Guarded { credentials, tls }, allowed).is_err()
            };
            assert_eq!(refused(false, false, false), !fine, "{address}");
            assert_eq!(refused(true, false, false), !fine, "{address}");
            assert_eq!(refused(false, true, false), !fine, "{address}");
            assert!(!refused(true, true, false) && !refused(false, false, true));
        }
    }

    #[test]
    fn with_credentials_and_tls_other_machines_may_reach_it() {
        let data = tempfile::tempdir().unwrap();
        let serve = |credentials: Option<PathBuf>| {
            let data = credentials.is_none().then(|| data.path().to_owned());
            let memory = data.is_none();
            let sources = Sources { data: Source::Flag, ..Sources::default() };
            let arguments = ServeArguments { data, credentials, sources, ..ServeArguments::default() };
            let memory = if memory { "memory = true" } else { "" };
            with_file(&format!("bind = \"0.0.0.0:0\"\ntls = \"self-signed\"\n{memory}"), arguments)
        };
        assert!(error(serve(None)).contains("millstream credentials create"));
        let file = CredentialsFile::of_data_directory(data.path());
        assert!(error(serve(Some(file.path().to_owned()))).contains("there are no credentials in"));
        millstream_host::fs::write_private(file.path(), b"{\"format\":1}").unwrap();
        assert_eq!(serve(None).unwrap().credentials.unwrap().path(), file.path());
        assert!(serve(Some(file.path().to_owned())).is_ok());
    }

    #[test]
    fn what_is_wrong_keeps_the_server_from_starting() {
        let none = ServeArguments::default;
        assert!(error(with_file("bnid = \"127.0.0.1:1\"", none())).contains("unknown field `bnid`"));
        assert!(error(with_file("memory = true\ndata = \"x\"", none())).contains("exclude each other"));
        assert!(error(with_file("account = \"12\"", none())).contains("twelve digits"));
        assert!(error(with_file("function_isolation = \"docker\"", none())).contains("namespaces"));
        assert!(error(with_file("bind = \"0.0.0.0:4566\"", none())).contains("--allow-insecure-bind"));
        assert!(with_file("bind = \"0.0.0.0:4566\"\nallow_insecure_bind = true", none()).is_ok());
        let missing = ServeArguments { config: Some("/nowhere/x.toml".into()), ..none() };
        assert!(error(Config::load(missing)).contains("cannot read /nowhere/x.toml"));
    }
}
