//! How the service is set up.

use crate::caps;
use crate::elsewhere::{Elsewhere, Nowhere};
use crate::groups::Cgroups;
use crate::logs::{LogSink, TracingSink};
use crate::sandbox::{Isolation, Network, RUNTIME_API_PORT};
use crate::spec::FunctionSpec;
use millstream_host::clock::{Clock, SystemClock};
use std::fmt::Debug;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Options of [`crate::Functions`].
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the service keeps what it needs while it runs; `None` makes a directory below the system's temporary
    /// one, removed at the end. It becomes mode 700; functions do not see it.
    pub work_dir: Option<PathBuf>,
    pub isolation: Isolation,
    pub network: Network,
    pub cgroups: Cgroups,
    /// The program whose `main` calls [`crate::sandbox_main`].
    pub sandbox_exe: PathBuf,
    /// Worker processes at once, idle ones included; an idle one makes room for another function's.
    pub max_workers: usize,
    /// A runtime must ask for its first invocation within this, or it is started once more within the function's own
    /// time.
    pub init_timeout: Duration,
    /// An idle worker ends after this.
    pub idle_expiry: Duration,
    /// What functions get as AWS_ENDPOINT_URL, so that their SDK finds this server.
    pub endpoint_url: Option<String>,
    /// For functions whose ARN names none.
    pub region: String,
    /// Where workers get what they sign their own calls with.
    pub credentials: Arc<dyn CredentialSource>,
    /// Directories that hold `python3.12/bin/python3.12` and the like, looked at before PATH.
    pub runtime_dirs: Vec<PathBuf>,
    /// Further paths of the host that functions see, read-only and at the same place.
    pub read_only_paths: Vec<PathBuf>,
    /// Directories of the server that functions must not see, such as its data directory. The work directory and the
    /// code store are always among them. They are only ever visible through `read_only_paths` or an interpreter that
    /// is installed around them, and such an interpreter is not used.
    pub hidden_dirs: Vec<PathBuf>,
    /// Runs the functions that are somewhere else.
    pub elsewhere: Arc<dyn Elsewhere>,
    /// Keeps machine code of WebAssembly components from one start to the next; `None` keeps it in memory only. What is
    /// in it is run, so only the server may write there.
    pub compiled: Option<PathBuf>,
    pub log_sink: Arc<dyn LogSink>,
    pub clock: Arc<dyn Clock>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            work_dir: None,
            isolation: Isolation::default(),
            network: Network::default(),
            cgroups: Cgroups::default(),
            sandbox_exe: PathBuf::from("/proc/self/exe"),
            max_workers: caps::DEFAULT_MAX_WORKERS,
            init_timeout: caps::INIT_TIMEOUT,
            idle_expiry: caps::DEFAULT_IDLE_EXPIRY,
            endpoint_url: None,
            region: "us-east-1".to_owned(),
            credentials: Arc::new(NobodyAsks),
            runtime_dirs: Vec::new(),
            read_only_paths: Vec::new(),
            hidden_dirs: Vec::new(),
            elsewhere: Arc::new(Nowhere),
            compiled: None,
            log_sink: Arc::new(TracingSink),
            clock: SystemClock::shared(),
        }
    }
}

impl Options {
    /// The endpoint's address, if its URL has one and not a name.
    pub(crate) fn endpoint_address(&self) -> Option<SocketAddr> {
        let (_, rest) = self.endpoint_url.as_deref()?.split_once("://")?;
        rest.split('/').next()?.parse().ok()
    }

    /// The ports on which the server listens in a sandbox's own network: of the Runtime API, and of the endpoint if
    /// functions may reach it. `None` if functions have the host's network.
    pub(crate) fn own_ports(&self) -> Option<Vec<u16>> {
        if !self.network.is_own() {
            return None;
        }
        let endpoint = self.endpoint_address().filter(|_| self.network == Network::EndpointOnly);
        Some(std::iter::once(RUNTIME_API_PORT).chain(endpoint.map(|address| address.port())).collect())
    }
}

/// Gives each worker credentials of its own.
pub trait CredentialSource: Debug + Send + Sync {
    /// Those for a new worker of `spec`, good for as long as they are kept. `None` where nobody asks for credentials.
    fn open(&self, spec: &FunctionSpec) -> Option<WorkerCredentials>;
}

/// For a server that asks for no credentials, and knows accounts by access keys of twelve digits.
#[derive(Debug)]
struct NobodyAsks;

impl CredentialSource for NobodyAsks {
    fn open(&self, _spec: &FunctionSpec) -> Option<WorkerCredentials> {
        None
    }
}

/// A worker's credentials, and what ends with it.
#[derive(Debug)]
pub struct WorkerCredentials {
    pub credentials: Credentials,
    /// Dropped when the worker has ended.
    pub until: Box<dyn Until>,
}

/// What has an end of its own when it is dropped.
pub trait Until: Debug + Send + Sync {}

/// Credentials in a function's environment.
#[derive(Clone)]
pub struct Credentials {
    pub access_key_id: String,
    pub secret_access_key: String,
    pub session_token: String,
}

impl Credentials {
    /// Those of local development: nobody checks them.
    pub(crate) fn of_account(account: Option<&str>) -> Self {
        let test = || "test".to_owned();
        Self {
            access_key_id: account.map_or_else(test, str::to_owned),
            secret_access_key: test(),
            session_token: test(),
        }
    }
}

impl Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}
