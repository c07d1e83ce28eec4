//! The simulated machine and the real server on it: log, control node, engine, Kinesis, events, Lambda, front. No function
//! runs here: who is invoked is [`Outside`].

use crate::client::PORT;
use crate::clock::SimClock;
use crate::disk::PoweredDisk;
use crate::mutant::{Mutant, Mutation};
use crate::outside::Outside;
use crate::plan::{Plan, Scenario};
use crate::random::Random;
use crate::trace::Trace;
use crate::workshop::Workshop;
use anyhow::Result;
use millstream_control_node::{ControlHandle, SnapshotPolicy};
use millstream_engine::Engine;
use millstream_events::Events;
use millstream_front::{Front, Health, Listener, Metrics, Options as FrontOptions, serve};
use millstream_host::{Clock, threads};
use millstream_kinesis::Kinesis;
use millstream_lambda::Lambda;
use millstream_log::{Log, MemoryLog};
use millstream_log_embedded::{Driver, EmbeddedLog, Options};
use millstream_mapping::Mappings;
use millstream_types::Home;
use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use turmoil::net::{TcpListener, TcpStream};

/// A log that is quiet for so long notes on the disk what is durable.
const IDLE_MARK: Duration = Duration::from_millis(100);

/// Which log the server stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// The embedded log on the simulated disk.
    Disk,
    /// The model, which survives a crash because it is taken to be durable at once.
    Memory,
}

/// What outlives the server's process, and how to reach into it.
#[derive(Debug)]
pub(crate) struct Machine {
    pub disk: PoweredDisk,
    pub clock: Arc<SimClock>,
    /// What is outside of it.
    pub outside: Outside,
    /// Asks the server to stop in an orderly way.
    pub stop: Notify,
    /// Why the last start did not come to be.
    pub not_started: Mutex<Option<String>>,
    memory: Arc<MemoryLog>,
    mutation: Option<Mutation>,
    plan: Plan,
    workshop: Workshop,
    trace: Trace,
    random: Mutex<Random>,
}

impl Machine {
    pub(crate) fn new(plan: &Plan, workshop: Workshop, trace: Trace, random: &mut Random) -> Arc<Self> {
        let disk = PoweredDisk::new(random.next(), plan.mutation == Some(Mutation::Unsynced));
        disk.sim().set_short_io(plan.short_io);
        let clock = Arc::<SimClock>::default();
        // Of its own, so that streams go as they went before there were events.
        let outside = Outside::new(clock.clone(), trace.clone(), Random::new(plan.seed ^ 0xe7e7));
        Arc::new(Self {
            disk,
            clock,
            outside,
            stop: Notify::new(),
            not_started: Mutex::default(),
            memory: Arc::default(),
            mutation: plan.mutation,
            plan: plan.clone(),
            workshop,
            trace,
            random: Mutex::new(random.fork()),
        })
    }

    fn fork(&self) -> Random {
        self.random.lock().unwrap_or_else(PoisonError::into_inner).fork()
    }

    fn open(&self) -> Result<Arc<dyn Log>> {
        let log: Arc<dyn Log> = match self.plan.storage {
            Storage::Memory => self.memory.clone(),
            Storage::Disk => self.open_disk()?,
        };
        Ok(match self.mutation {
            None | Some(Mutation::Unsynced) => log,
            Some(mutation) => {
                let journals = self.plan.scenario != Scenario::Streams;
                Arc::new(Mutant::new(log, mutation, journals, self.fork()))
            }
        })
    }

    fn open_disk(&self) -> Result<Arc<dyn Log>> {
        let plan = &self.plan;
        let options = Options {
            wal_file_bytes: plan.wal_file_bytes,
            admission_bytes: plan.admission_bytes,
            memory_tail_bytes: plan.memory_tail_bytes,
            flush_bytes: plan.flush_bytes,
            flush_after: plan.flush_after,
            replay_bytes: 2 * plan.flush_bytes.max(plan.wal_file_bytes),
            ..Options::new(Arc::new(self.disk.clone()))
        };
        let (log, driver, report) = EmbeddedLog::open_driven(&options, self.clock.clone())?;
        self.trace.line("server", format_args!("the log is open: {report:?}"));
        tokio::spawn(drive(driver, self.fork(), plan.disk_latency));
        Ok(Arc::new(log))
    }
}

/// The disk's own pace: what comes while one step takes its time is written with the next.
async fn drive(mut driver: Driver, mut random: Random, latency: Duration) {
    let latency = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
    let mut quiet = false;
    loop {
        let ready = match timeout(IDLE_MARK, driver.ready()).await {
            Ok(true) => true,
            Ok(false) => return,
            Err(_) => false,
        };
        if ready {
            sleep(Duration::from_micros(random.below(latency))).await;
        }
        if ready || !quiet {
            driver.step();
        }
        quiet = !ready;
    }
}

/// The server's process, from its start to its end.
pub(crate) async fn run(machine: Arc<Machine>) -> turmoil::Result {
    // The machine's time is set at its first tick.
    sleep(Duration::from_millis(1)).await;
    let started = start(&machine).await;
    let shutdown = CancellationToken::new();
    let Started { log, front, events, listener } = match started {
        Ok(parts) => parts,
        Err(error) => {
            let why = format!("{error:#}");
            machine.trace.line("server", format_args!("did not start: {why}"));
            *machine.not_started.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
            return Ok(());
        }
    };
    machine.trace.line("server", format_args!("started"));
    let options = FrontOptions { open_files: 100_000, tls: None, inner: false };
    let serving = serve(Port(listener), front, options, shutdown.clone());
    tokio::pin!(serving);
    tokio::select! {
        biased;
        () = machine.stop.notified() => shutdown.cancel(),
        () = &mut serving => return Ok(()),
    }
    serving.await;
    events.shutdown().await;
    if machine.plan.storage == Storage::Disk {
        // The model is never closed: it stands for what the next process finds.
        log.close().await;
    }
    machine.trace.line("server", format_args!("stopped"));
    Ok(())
}

struct Started {
    log: Arc<dyn Log>,
    front: Arc<Front>,
    events: Events,
    listener: TcpListener,
}

async fn start(machine: &Machine) -> Result<Started> {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT)).await?;
    let log = machine.open()?;
    let clock: Arc<dyn Clock> = machine.clock.clone();
    let snapshots = SnapshotPolicy {
        commands: machine.plan.snapshot_commands,
        percent_of_last: 0,
        part_bytes: 300,
        ..SnapshotPolicy::default()
    };
    let control = millstream_control_node::open_with(log.clone(), clock.clone(), snapshots).await?;
    let engine = Engine::new(log.clone(), control.clone(), clock.clone());
    let kinesis = Kinesis::new(engine.clone(), Home::default());
    if machine.plan.scenario == Scenario::Events {
        machine.outside.begin_process();
        let (outside, control) = (machine.outside.clone(), control.clone());
        tokio::spawn(async move {
            while outside.make_functions(&control).await.is_err() {
                sleep(Duration::from_millis(200)).await;
            }
        });
    }
    let events = Events::start(millstream_events::Options {
        engine: engine.clone(),
        functions: machine.outside.clone(),
        destinations: Arc::new(machine.outside.clone()),
        home: Home::default(),
    });
    let lambda = lambda(machine, &engine, &control, events.clone())?;
    tokio::spawn(engine.clone().run_lifecycle(machine.plan.lifecycle_delay));
    tokio::spawn(engine.clone().run_retention());
    let front = Front::new(kinesis, lambda, Arc::new(Well), Metrics::new(Vec::new()), clock, false);
    Ok(Started { log, front: Arc::new(front), events, listener })
}

/// Lambda clears its code store on a thread when it starts. What a simulated runtime waits for on a thread makes it turn
/// an arbitrary number of rounds, so this happens elsewhere while all of the simulation stands still.
fn lambda(machine: &Machine, engine: &Engine, control: &ControlHandle, events: Events) -> Result<Lambda> {
    let functions = machine.workshop.functions().clone();
    let home = Home::default();
    let mappings = Mappings::start(millstream_mapping::Options {
        engine: engine.clone(),
        functions: functions.clone(),
        destinations: Arc::new(millstream_mapping::NoDestinations),
    });
    let options = millstream_lambda::Options {
        control: control.clone(),
        engine: engine.clone(),
        functions,
        mappings,
        events,
        home,
        endpoint: format!("http://server:{PORT}"),
    };
    let workshop = machine.workshop.clone();
    let started = threads::spawn("lambda", move || workshop.block_on(Lambda::start(options)))?.join();
    started.map_err(|_panic| anyhow::anyhow!("Lambda panicked as it started"))
}

struct Port(TcpListener);

impl Listener for Port {
    type Connection = TcpStream;

    async fn accept(&mut self) -> io::Result<TcpStream> {
        self.0.accept().await.map(|(stream, _)| stream)
    }
}

/// Nobody asks.
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
