//! From a function to a running process: its directories, program, environment and Runtime API.

use crate::api::{self, Api, FunctionNames};
use crate::code::{CodeStore, Pin};
use crate::component::Components;
use crate::environment::{Places, points_home, variables};
use crate::groups::{Group, Groups};
use crate::memory::{Sampler, Tmps, Tree};
use crate::options::{Credentials, Options, WorkerCredentials};
use crate::outcome::Exit;
use crate::output::{Labels, Output};
use crate::protection::{Protection, protect};
use crate::runtimes::{Interpreter, Runtime, Runtimes, java_compiler};
use crate::sandbox::{Confine, Ending, Isolation, Launched, Plan, RUNTIME_API_PORT, Run, launch};
use crate::spec::{FunctionSpec, InvokeError};
use crate::worker::{Worker, supervise};
use crate::{caps, files, java, platform};
use millstream_host::{entropy, fs};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};

/// What interprets functions of each language, by its name in /var/runtime.
const BOOTSTRAPS: [(&str, &str); 2] = [
    ("bootstrap.py", include_str!("../bootstrap/bootstrap.py")),
    ("index.mjs", include_str!("../bootstrap/index.mjs")),
];
/// Sandboxes that may be ending at once; more than there can be.
const LIVING: u32 = 1 << 20;

/// What all workers are made with.
#[derive(Debug)]
pub(crate) struct Launcher {
    pub code: CodeStore,
    pub options: Options,
    pub runtimes: Runtimes,
    pub protection: Protection,
    groups: Option<Groups>,
    pub components: Components,
    /// Makes the names of log streams of this start differ from those of others.
    start: u64,
    work: WorkDir,
    java: java::Classes,
    /// One permit for each sandbox that is not reaped yet.
    living: Arc<Semaphore>,
    endings: Arc<Mutex<Endings>>,
    tmps: Arc<Tmps>,
}

/// Why a worker is started, as its environment says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Initialization {
    OnDemand,
    Provisioned,
}

impl Initialization {
    /// As AWS_LAMBDA_INITIALIZATION_TYPE has it.
    pub(crate) fn name(self) -> &'static str {
        if self == Self::Provisioned { "provisioned-concurrency" } else { "on-demand" }
    }

    fn tell(self, env: &mut [(String, String)]) {
        if self == Self::Provisioned {
            let told = env.iter_mut().find(|(name, _)| name == "AWS_LAMBDA_INITIALIZATION_TYPE");
            if let Some((_, value)) = told {
                self.name().clone_into(value);
            }
        }
    }
}

/// How to end every sandbox that is not reaped yet.
#[derive(Debug, Default)]
struct Endings {
    /// None is started any more.
    closing: bool,
    all: HashMap<u64, Ending>,
}

/// The directory with the runtimes' files; functions see parts of it.
#[derive(Debug)]
pub(crate) struct WorkDir {
    path: PathBuf,
    temporary: bool,
}

impl WorkDir {
    fn make(wanted: Option<&Path>) -> io::Result<Self> {
        let (path, temporary) = match wanted {
            Some(path) => (path.to_owned(), false),
            None => (fs::create_unique_dir(&std::env::temp_dir(), "millstream-work-")?, true),
        };
        let made = Self { path, temporary };
        fs::create_dir_all(&made.path)?;
        // Other users of the machine have no business here; a sandbox is shown what it may see by mounts.
        files::set_mode(&made.path, 0o700)?;
        for dir in [made.root(), made.empty(), made.runtime()] {
            fs::create_dir_all(&dir)?;
            // Functions of a server that runs as root are another user, whatever the umask is.
            files::set_mode(&dir, 0o755)?;
        }
        for (name, text) in BOOTSTRAPS {
            let script = made.runtime().join(name);
            fs::write(&script, text.as_bytes())?;
            files::set_mode(&script, 0o644)?;
        }
        Ok(made)
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.path.join("root")
    }

    pub(crate) fn empty(&self) -> PathBuf {
        self.path.join("empty")
    }

    pub(crate) fn runtime(&self) -> PathBuf {
        self.path.join("runtime")
    }
}

impl Drop for WorkDir {
    fn drop(&mut self) {
        if self.temporary
            && let Err(error) = fs::remove_dir_all(&self.path)
        {
            tracing::warn!(%error, path = %self.path.display(), "could not remove the functions' work directory");
        }
    }
}

impl Launcher {
    /// Prepare, and see whether functions can be isolated here.
    pub(crate) async fn prepare(code: CodeStore, options: Options) -> io::Result<Self> {
        let work = WorkDir::make(options.work_dir.as_deref())?;
        let mut hidden = options.hidden_dirs.clone();
        hidden.extend([work.path.clone(), code.directory().to_owned()]);
        let (protection, groups) = protect(&options, &work, &hidden).await;
        let components = Components::new(options.compiled.clone());
        let runtimes = Runtimes::new(options.runtime_dirs.clone(), hidden);
        let java = java::Classes::new(work.runtime(), work.path.clone());
        Ok(Self {
            java,
            code,
            options,
            runtimes,
            protection,
            groups,
            components,
            start: entropy::u64(),
            work,
            living: Arc::new(Semaphore::new(LIVING as usize)),
            endings: Arc::default(),
            tmps: Arc::new(Tmps::new()),
        })
    }

    /// Start a worker. It holds `room` for as long as it lives.
    pub(crate) async fn start(
        &self,
        spec: &Arc<FunctionSpec>,
        room: OwnedSemaphorePermit,
        initialization: Initialization,
    ) -> Result<Worker, InvokeError> {
        let isolation = self.protection.isolation.clone()?;
        let spawn = |error: io::Error| InvokeError::Spawn { why: error.to_string() };
        // In a network of its own the sandbox makes the socket.
        let listener = if self.options.network.is_own() {
            None
        } else {
            Some(TcpListener::bind("127.0.0.1:0").await.map_err(spawn)?)
        };
        let address = listener.as_ref().map(TcpListener::local_addr).transpose().map_err(spawn)?;
        let address =
            address.map_or_else(|| format!("127.0.0.1:{RUNTIME_API_PORT}"), |address| address.to_string());
        let log_stream = self.log_stream(spec);
        let mut keys = spec.layers.clone();
        keys.push(spec.code.clone());
        let pin = self.code.pin(keys);
        let session = self.options.credentials.open(spec);
        let signs = session.as_ref().map(|session| &session.credentials);
        let (mut plan, has_program) =
            self.plan(spec, isolation, &address, (&log_stream, signs, initialization)).await?;
        let (api, on_start) = Api::new(FunctionNames {
            name: spec.name.clone(),
            version: spec.version.clone(),
            handler: spec.handler.clone(),
        });
        let api = Arc::new(api);
        let living = self.admit()?;
        let group = self.group(spec, &mut plan).map_err(spawn)?;
        let launched_at = self.options.clock.monotonic();
        let mut launched = launch(&self.options.sandbox_exe, &plan).await.map_err(spawn)?;
        let (Some(pipe), Some(pid)) = (launched.output.take(), launched.pid) else {
            return Err(InvokeError::Spawn { why: "the sandbox ended at once".to_owned() });
        };
        let labels = labels_of(spec, &log_stream);
        let (sink, clock) = (Arc::clone(&self.options.log_sink), Arc::clone(&self.options.clock));
        let output =
            Output::new(Some(pipe), spec.runtime.is_interpreted(), labels, sink, clock).map_err(spawn)?;
        let now = self.options.clock.now();
        if let Some(first) = platform::init_start(spec, initialization, output.log_stream(), now) {
            output.add_untailed(&first);
        }
        let reading = tokio::spawn(Arc::clone(&output).read_to_end());
        let tree = Tree { pid, isolation };
        let mut sockets = std::mem::take(&mut launched.sockets).into_iter();
        // Without isolation a function can do as it likes anyway; in a network of its own it is alone.
        let welcome = (isolation == Isolation::Namespaces && listener.is_some()).then_some(tree);
        let listener = listener.map_or_else(|| inside(sockets.next()), Ok).map_err(spawn)?;
        let serving = tokio::spawn(api::serve(listener, Arc::clone(&api), welcome));
        let bridge = sockets.next().map(|socket| self.bridge(socket)).transpose().map_err(spawn)?;

        let ending = launched.ending();
        let exit = self.follow(launched, has_program, group.clone(), (living, pin, session));
        let memory = Sampler::new(tree, spec, Arc::clone(&self.tmps), ending.clone());
        let sampling = tokio::spawn(Arc::clone(&memory).run());
        Ok(Worker {
            spec: Arc::clone(spec),
            api,
            output,
            memory,
            exit,
            on_start: Some(on_start),
            launched_at,
            ending,
            group,
            tasks: [Some(reading), Some(serving), Some(sampling), bridge]
                .iter()
                .flatten()
                .map(JoinHandle::abort_handle)
                .collect(),
            room: Some(room),
            seat: None,
        })
    }

    /// The control group of a new worker, where there are some.
    fn group(&self, spec: &FunctionSpec, plan: &mut Plan) -> io::Result<Option<Arc<Group>>> {
        let group = self.groups.as_ref().map(|groups| groups.make(spec)).transpose()?;
        plan.group = group.as_ref().map(|group| group.path().to_owned());
        Ok(group.map(Arc::new))
    }

    /// The right to start a sandbox, unless all are being ended.
    fn admit(&self) -> Result<OwnedSemaphorePermit, InvokeError> {
        // Held to the end: a permit that is taken before all are ended is waited for.
        let known = self.endings();
        if known.closing {
            return Err(InvokeError::ShuttingDown);
        }
        Arc::clone(&self.living)
            .try_acquire_owned()
            .map_err(|error| InvokeError::Spawn { why: error.to_string() })
    }

    /// Follow a sandbox to its end, holding its place, its code and its session until then. One that was started while all were being ended is ended now.
    fn follow(
        &self,
        launched: Launched,
        has_program: bool,
        group: Option<Arc<Group>>,
        held: (OwnedSemaphorePermit, Pin, Option<WorkerCredentials>),
    ) -> watch::Receiver<Option<Exit>> {
        let id = entropy::u64();
        let mut known = self.endings();
        if known.closing {
            launched.end();
        }
        known.all.insert(id, launched.ending());
        drop(known);
        let (tell_exit, exit) = watch::channel(None);
        let endings = Arc::clone(&self.endings);
        tokio::spawn(async move {
            supervise(launched, tell_exit, has_program, group.as_deref()).await;
            endings.lock().unwrap_or_else(PoisonError::into_inner).all.remove(&id);
            drop(held);
        });
        exit
    }

    fn endings(&self) -> MutexGuard<'_, Endings> {
        self.endings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// End every sandbox, start none any more, and wait until they are reaped, at most [`caps::SHUTDOWN`].
    pub(crate) async fn end_all(&self) {
        {
            let mut known = self.endings();
            known.closing = true;
            for ending in known.all.values() {
                ending.end();
            }
        }
        // The semaphore is never closed, so only the time can run out.
        if tokio::time::timeout(caps::SHUTDOWN, self.living.acquire_many(LIVING)).await.is_err() {
            tracing::warn!("not all functions have ended; the kernel ends them with this process");
        }
    }

    /// `2026/11/22/[$LATEST]0123456789abcdef0123456789abcdef`, with the function's name before the bracket in a group that
    /// is not its own.
    fn log_stream(&self, spec: &FunctionSpec) -> String {
        self.log_stream_of(spec, (entropy::u64(), entropy::u64()))
    }

    fn log_stream_of(&self, spec: &FunctionSpec, (high, low): (u64, u64)) -> String {
        let (year, month, day, ..) = self.options.clock.now().civil();
        let (name, version) = (&spec.name, &spec.version);
        let own = spec.log_group.strip_prefix("/aws/lambda/") == Some(name);
        let name = if own { "" } else { name };
        format!("{year:04}/{month:02}/{day:02}/{name}[{version}]{high:016x}{low:016x}")
    }

    /// The output of what is no worker of its own: one log stream for all invocations of a version in a day.
    pub(crate) fn shared_output(&self, spec: &FunctionSpec) -> io::Result<(String, Arc<Output>)> {
        let mut hasher = DefaultHasher::new();
        (self.start, &spec.arn, &spec.revision).hash(&mut hasher);
        let log_stream = self.log_stream_of(spec, (self.start, hasher.finish()));
        let labels = labels_of(spec, &log_stream);
        let (sink, clock) = (Arc::clone(&self.options.log_sink), Arc::clone(&self.options.clock));
        Ok((log_stream, Output::new(None, false, labels, sink, clock)?))
    }

    /// See to it that Java functions have their client. A kit without a compiler is not taken for a runtime.
    async fn compile_java(&self, java: &Interpreter) -> io::Result<()> {
        match java_compiler(java) {
            Some(compiler) => self.java.compile(&compiler).await,
            None => Err(io::Error::other(format!("{} has no javac", java.prefix.display()))),
        }
    }

    /// The plan, and whether its program is there.
    async fn plan(
        &self,
        spec: &FunctionSpec,
        isolation: Isolation,
        runtime_api: &str,
        (log_stream, signs, initialization): (&str, Option<&Credentials>, Initialization),
    ) -> Result<(Plan, bool), InvokeError> {
        let interpreter = self.runtimes.find(spec.runtime).await?;
        if let (Runtime::Java { .. }, Some(java)) = (spec.runtime, &interpreter) {
            self.compile_java(java).await.map_err(|error| InvokeError::Spawn { why: error.to_string() })?;
        }
        let task = self.code.materialize(&spec.code).await?;
        let opt = self.code.materialize_layers(&spec.layers).await?;
        let runtime = self.work.runtime();
        let confined = isolation == Isolation::Namespaces;
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let places = if confined {
            Places { task: "/var/task".into(), opt: "/opt".into(), runtime: "/var/runtime".into() }
        } else {
            Places { task: text(&task), opt: text(&opt), runtime: text(&runtime) }
        };
        let (argv, has_program) = match (spec.runtime, &interpreter) {
            (Runtime::Java { .. }, Some(java)) => {
                (java::command(java, spec.memory_mb, &places.runtime, &places.task, &places.opt), true)
            }
            (runtime, interpreter) => command(runtime, interpreter.as_ref(), &task, &opt, &places),
        };
        let argv = match spec.environment.get("AWS_LAMBDA_EXEC_WRAPPER") {
            Some(wrapper) => wrapped(wrapper, argv),
            None => argv,
        };
        let mut read_only = self.options.read_only_paths.clone();
        read_only.extend(interpreter.iter().flat_map(|interpreter| interpreter.needs.clone()));
        let mut env = variables(spec, &self.options, &places, runtime_api, (log_stream, signs));
        initialization.tell(&mut env);
        self.point_home(&mut env);
        let confine = if confined { Confine::Nested } else { Confine::No };
        let frames = spec.runtime.is_interpreted();
        // Above the size of /tmp, so that a full one is told as such and not by a signal.
        let max_file_bytes = (u64::from(spec.ephemeral_mb) + u64::from(spec.memory_mb)) << 20;
        let max_file_bytes = confined.then_some(max_file_bytes);
        let cwd = PathBuf::from(&places.task);
        let run = Run { argv, env, cwd, confine, frames, max_file_bytes, tell: false };
        let plan = Plan {
            isolation,
            root: self.work.root(),
            task,
            opt,
            runtime,
            read_only,
            lang: interpreter.map(|interpreter| interpreter.prefix),
            tmp_mb: spec.ephemeral_mb,
            ports: self.options.own_ports(),
            group: None,
            run,
        };
        Ok((plan, has_program))
    }
}

fn labels_of(spec: &FunctionSpec, log_stream: &str) -> Labels {
    Labels {
        function: spec.name.clone(),
        function_arn: spec.arn.clone(),
        log_group: spec.log_group.clone(),
        log_stream: log_stream.to_owned(),
    }
}

/// A listening socket that came out of a sandbox.
fn inside(socket: Option<OwnedFd>) -> io::Result<TcpListener> {
    let socket = socket.ok_or_else(|| io::Error::other("the sandbox could not set up its own network"))?;
    let socket = std::net::TcpListener::from(socket);
    socket.set_nonblocking(true)?;
    TcpListener::from_std(socket)
}

impl Launcher {
    /// Carry a sandbox's connections to the server's endpoint, which it cannot reach itself.
    fn bridge(&self, socket: OwnedFd) -> io::Result<JoinHandle<()>> {
        let listener = inside(Some(socket))?;
        let home = self.options.endpoint_address();
        let home = home.ok_or_else(|| io::Error::other("the endpoint has no address"))?;
        Ok(tokio::spawn(async move {
            // They end with the worker, as this task does.
            let mut carried = JoinSet::new();
            loop {
                while carried.len() >= caps::MAX_BRIDGED {
                    carried.join_next().await;
                }
                let Ok((mut there, _)) = listener.accept().await else { return };
                carried.spawn(async move {
                    let Ok(mut here) = TcpStream::connect(&home).await else { return };
                    // An error is the end of one connection, which its ends see too.
                    drop(tokio::io::copy_bidirectional(&mut there, &mut here).await);
                });
                while carried.try_join_next().is_some() {}
            }
        }))
    }

    /// In a network of its own a function finds the server on the loopback interface, or not at all.
    fn point_home(&self, env: &mut Vec<(String, String)>) {
        let Some(ports) = self.options.own_ports() else { return };
        match ports.get(1) {
            None => env.retain(|variable| !points_home(variable, &self.options)),
            Some(port) => {
                if let Some((_, url)) = env.iter_mut().find(|variable| points_home(variable, &self.options)) {
                    *url = format!("http://127.0.0.1:{port}");
                }
            }
        }
    }
}

/// The command line of a runtime, and whether its program exists. `task` and `opt` are the host's directories.
fn command(
    runtime: Runtime,
    interpreter: Option<&Interpreter>,
    task: &Path,
    opt: &Path,
    places: &Places,
) -> (Vec<String>, bool) {
    if let Some(interpreter) = interpreter {
        let mut argv = vec![interpreter.program.to_string_lossy().into_owned()];
        let script = |name: &str| format!("{}/{name}", places.runtime);
        if matches!(runtime, Runtime::Node { .. }) {
            argv.push(script("index.mjs"));
        } else {
            argv.extend(["-X".to_owned(), "utf8".to_owned(), script("bootstrap.py")]);
        }
        return (argv, true);
    }
    let inside = |directory: &str| format!("{directory}/bootstrap");
    if task.join("bootstrap").exists() {
        (vec![inside(&places.task)], true)
    } else if opt.join("bootstrap").exists() {
        (vec![inside(&places.opt)], true)
    } else {
        (vec![inside(&places.task)], false)
    }
}

/// A wrapper script gets the runtime's command line as its arguments. The shell makes 127 of a missing one, as on AWS.
fn wrapped(wrapper: &str, argv: Vec<String>) -> Vec<String> {
    let mut all: Vec<String> =
        ["/bin/sh", "-c", r#"exec "$0" "$@""#, wrapper].map(ToOwned::to_owned).into_iter().collect();
    all.extend(argv);
    all
}
