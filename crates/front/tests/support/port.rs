// A server of Kinesis' operations in this process: the front as it is, with connections that are pairs of buffers.

use millstream_engine::Engine;
use millstream_front::{Front, Health, Listener, Metrics, Options, serve};
use millstream_functions::{CodeStore, Functions, Isolation};
use millstream_host::clock::{Clock, SystemClock};
use millstream_host::threads;
use millstream_kinesis::Kinesis;
use millstream_lambda::Lambda;
use millstream_log::MemoryLog;
use millstream_types::Home;
use std::io;
use std::sync::{Arc, LazyLock};
use tokio::io::DuplexStream;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

/// What a connection holds that nobody has read yet, in bytes.
const BUFFER: usize = 64 << 10;

/// Ends when it is dropped.
pub(crate) struct Server {
    connections: mpsc::Sender<DuplexStream>,
    _ended: DropGuard,
}

impl Server {
    pub(crate) fn of(kinesis: &Kinesis) -> Self {
        Self::with(kinesis, &LAMBDA.0)
    }

    pub(crate) fn with(kinesis: &Kinesis, lambda: &Lambda) -> Self {
        let (connections, receiver) = mpsc::channel(1);
        let shutdown = CancellationToken::new();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
        let metrics = Metrics::new(Vec::new());
        let front = Front::new(kinesis.clone(), lambda.clone(), Arc::new(Well), metrics, clock, false);
        let options = Options { open_files: 1_000, tls: None, inner: false };
        tokio::spawn(serve(Port(receiver), Arc::new(front), options, shutdown.clone()));
        Self { connections, _ended: shutdown.drop_guard() }
    }

    pub(crate) async fn connect(&self) -> DuplexStream {
        let (ours, theirs) = tokio::io::duplex(BUFFER);
        self.connections.send(theirs).await.expect("the server listens");
        ours
    }
}

/// Where the service is asked, in memory.
struct Port(mpsc::Receiver<DuplexStream>);

impl Listener for Port {
    type Connection = DuplexStream;

    async fn accept(&mut self) -> io::Result<DuplexStream> {
        match self.0.recv().await {
            Some(connection) => Ok(connection),
            None => std::future::pending().await,
        }
    }
}

#[derive(Debug)]
struct Well;

impl Health for Well {
    fn trouble(&self) -> Option<String> {
        None
    }

    fn facts(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }
}

/// The front cannot be put together without it, and nobody here calls it. It has a runtime of its own, as each test has.
static LAMBDA: LazyLock<(Lambda, Runtime)> = LazyLock::new(|| {
    let made = threads::spawn("lambda", || {
        let runtime = Runtime::new().expect("a runtime");
        (runtime.block_on(lambda()), runtime)
    });
    made.expect("a thread").join().expect("Lambda starts")
});

async fn lambda() -> Lambda {
    let clock = Arc::new(SystemClock::default());
    let log = Arc::new(MemoryLog::new());
    let control = millstream_control_node::open(log.clone(), clock.clone()).await.expect("a control node");
    let engine = Engine::new(log, control.clone(), clock);
    let code = CodeStore::temporary().expect("a directory for code");
    let options = millstream_functions::Options { isolation: Isolation::Process, ..Default::default() };
    let functions = Functions::start(code, options).await.expect("functions are prepared");
    let destinations = Arc::new(millstream_mapping::NoDestinations);
    let mappings = millstream_mapping::Mappings::start(millstream_mapping::Options {
        engine: engine.clone(),
        functions: functions.clone(),
        destinations: destinations.clone(),
    });
    let events = millstream_events::Events::start(millstream_events::Options {
        engine: engine.clone(),
        functions: functions.clone(),
        destinations,
        home: Home::default(),
    });
    Lambda::start(millstream_lambda::Options {
        control,
        engine,
        functions,
        mappings,
        events,
        home: Home::default(),
        endpoint: "http://localhost".to_owned(),
    })
    .await
}
