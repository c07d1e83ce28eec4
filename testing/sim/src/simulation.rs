//! One simulation, from its plan to its report.

use crate::client::SERVER;
use crate::clients::caller::EventFate;
use crate::clients::{admin, auditor, caller, queue_admin, reader, receiver, subscriber, writer};
use crate::history::Fate;
use crate::laws;
use crate::laws_of_events;
use crate::plan::{Plan, Scenario, Trouble};
use crate::queue_history::Letter;
use crate::random::Random;
use crate::server::{self, Machine, Storage};
use crate::trace::{Tap, Trace};
use crate::workshop::Workshop;
use crate::world::World;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, SystemTime};
use turmoil::Sim;

/// The simulated time after which a simulation has got stuck.
const LONGEST: Duration = Duration::from_mins(2);

/// From the last trouble to the audit: what is still under way arrives.
const CALM: Duration = Duration::from_secs(1);

/// How a simulation went.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub violations: Vec<String>,
    pub trace: String,
    pub puts: usize,
    pub acknowledged: usize,
    pub reads: u64,
    /// How often the server started.
    pub starts: u64,
    /// Of the queue: deliveries, of dead letters among them, and records acknowledged.
    pub received: u64,
    pub dead: u64,
    pub settled: u64,
    /// Events that were taken, and what came of them: invocations, and how often somebody was told.
    pub events: usize,
    pub calls: usize,
    pub told: usize,
}

/// Run a plan to its end. The same plan gives the same report.
pub fn run(plan: &Plan, workshop: &Workshop) -> Report {
    let trace = Trace::default();
    let _seeded = millstream_host::entropy::seed(plan.seed);
    tracing::subscriber::with_default(Tap(trace.clone()), || Simulation::new(plan, workshop, trace).run())
}

struct Simulation<'a> {
    plan: &'a Plan,
    sim: Sim<'static>,
    world: Rc<World>,
    machine: Arc<Machine>,
    random: Random,
    clients: usize,
    /// What is due, the earliest first.
    due: VecDeque<(Duration, Event)>,
    starts: u64,
    /// Nothing fails any more: the server must start, and everything must work.
    calm: bool,
}

#[derive(Clone, Copy, Debug)]
enum Event {
    Trouble(Trouble),
    Start,
    Release(usize),
    Repair(usize),
    Room,
}

impl<'a> Simulation<'a> {
    fn new(plan: &'a Plan, workshop: &Workshop, trace: Trace) -> Self {
        let mut random = Random::new(plan.seed ^ 0x5eed);
        trace.line("plan", format_args!("{plan:?}"));
        let machine = Machine::new(plan, workshop.clone(), trace.clone(), &mut random);
        let mut sim = turmoil::Builder::new()
            .rng_seed(random.next())
            .epoch(SystemTime::UNIX_EPOCH)
            .simulation_duration(LONGEST)
            .max_message_latency(plan.latency)
            .tcp_capacity(4_096)
            .enable_random_order()
            .build();
        let host = machine.clone();
        sim.host(SERVER, move || server::run(host.clone()));
        let due = plan.troubles.iter().map(|(at, trouble)| (*at, Event::Trouble(*trouble))).collect();
        let world = World::new(trace, machine.clock.clone());
        let mut simulation =
            Self { plan, sim, world, machine, random, clients: 0, due, starts: 1, calm: false };
        simulation.add_clients();
        simulation
    }

    fn add_clients(&mut self) {
        let plan = self.plan;
        match plan.scenario {
            Scenario::Streams => {}
            Scenario::Queues => return self.add_queue_clients(),
            Scenario::Events => {
                for _ in 0..plan.writers {
                    let (world, random) = (self.world.clone(), self.random.fork());
                    self.client(|name| caller::run(world, name, random, plan.large_percent));
                }
                return;
            }
        }
        let world = self.world.clone();
        let admin = self.random.fork();
        self.client(|name| admin::run(world, name, admin, plan.streams, plan.reshards));
        for _ in 0..plan.writers {
            let (world, random) = (self.world.clone(), self.random.fork());
            self.client(|name| writer::run(world, name, random, plan.large_percent));
        }
        for _ in 0..plan.readers {
            let (world, random) = (self.world.clone(), self.random.fork());
            self.client(|name| reader::run(world, name, random));
        }
        for _ in 0..plan.subscribers {
            let (world, random) = (self.world.clone(), self.random.fork());
            self.client(|name| subscriber::run(world, name, random));
        }
    }

    fn add_queue_clients(&mut self) {
        let plan = self.plan;
        let (world, random) = (self.world.clone(), self.random.fork());
        self.client(|name| queue_admin::run(world, name, random, plan.reshards));
        for _ in 0..plan.writers {
            let (world, random) = (self.world.clone(), self.random.fork());
            self.client(|name| writer::run(world, name, random, plan.large_percent));
        }
        for letter in std::iter::repeat_n(Letter::Record, plan.readers).chain([Letter::Dead]) {
            let (world, random) = (self.world.clone(), self.random.fork());
            self.client(|name| receiver::run(world, name, random, letter));
        }
    }

    /// A machine of its own for a client.
    fn client<F: Future<Output = ()> + 'static>(&mut self, software: impl FnOnce(String) -> F) {
        let name = machine_name(self.clients);
        self.clients += 1;
        let software = software(name.clone());
        self.sim.client(name, async move {
            tokio::time::sleep(Duration::from_millis(1)).await;
            software.await;
            Ok(())
        });
    }

    fn run(mut self) -> Report {
        let found = Rc::new(RefCell::new(None));
        let ended = Rc::new(Cell::new(false));
        if self.go_on(Some(self.plan.length)) {
            self.calm_down();
            // The clients come to their end, with the server as it is.
            if self.go_on(None) {
                self.last_crash();
                let until = self.sim.elapsed() + CALM;
                self.go_on(Some(until));
                if self.plan.scenario == Scenario::Events {
                    let (world, ended) = (self.world.clone(), ended.clone());
                    let outside = self.machine.outside.clone();
                    self.client(|_| caller::let_time_pass(world, outside, ended));
                } else {
                    let (world, random, found) = (self.world.clone(), self.random.fork(), found.clone());
                    self.client(|_| auditor::run(world, random, found));
                }
                self.go_on(None);
            }
        }
        self.note_disk();
        let mut history = self.world.history.borrow_mut();
        let (queue, events) = (self.world.queue.borrow(), self.world.events.borrow());
        let book = self.machine.outside.book();
        match found.borrow().as_ref() {
            Some(found) => {
                laws::check(&mut history, found);
                queue.check_all(&mut history, found);
            }
            None if ended.get() => laws_of_events::check(&mut history, &events, &book),
            None if history.violations().is_empty() => {
                history.violation("it did not come to its end".to_owned());
            }
            None => {}
        }
        let acknowledged =
            history.puts.iter().filter(|put| matches!(put.fate, Fate::Acknowledged(_))).count();
        Report {
            violations: history.violations().to_vec(),
            trace: self.world.trace.text(),
            puts: history.puts.len(),
            acknowledged,
            reads: history.reads,
            starts: self.starts,
            received: queue.received,
            dead: queue.dead,
            settled: queue.acknowledged,
            events: events.iter().filter(|event| event.fate == EventFate::Taken).count(),
            calls: book.calls.len(),
            told: book.told.len(),
        }
    }

    /// Step until a moment, or until all clients have ended. False if something is wrong already.
    fn go_on(&mut self, until: Option<Duration>) -> bool {
        let mut steps = 0_u64;
        while until.is_none_or(|until| self.sim.elapsed() < until) {
            while self.due.front().is_some_and(|(at, _)| *at <= self.sim.elapsed()) {
                if let Some((_, event)) = self.due.pop_front() {
                    self.event(event);
                }
            }
            let ended = match catch_unwind(AssertUnwindSafe(|| self.sim.step())) {
                Ok(Ok(ended)) => ended,
                Ok(Err(error)) => {
                    self.world.history.borrow_mut().violation(format!("the simulation broke: {error}"));
                    return false;
                }
                Err(_panic) => {
                    let what = "something panicked, as standard error says".to_owned();
                    self.world.history.borrow_mut().violation(what);
                    return false;
                }
            };
            self.look_after_server();
            if !self.world.history.borrow().violations().is_empty() {
                return false;
            }
            steps += 1;
            if steps.is_multiple_of(100) {
                self.note_disk();
            }
            if ended && until.is_none() {
                return true;
            }
        }
        true
    }

    fn event(&mut self, event: Event) {
        self.note(format_args!("{event:?}"));
        match event {
            Event::Trouble(trouble) => self.trouble(trouble),
            Event::Start => self.start(),
            Event::Release(machine) => self.sim.release(SERVER, machine_name(machine)),
            Event::Repair(machine) => self.sim.repair(SERVER, machine_name(machine)),
            Event::Room => self.machine.disk.sim().set_capacity(None),
        }
    }

    fn trouble(&mut self, trouble: Trouble) {
        match trouble {
            Trouble::PowerCut { after_calls: 0 } => self.machine.disk.cut(),
            Trouble::PowerCut { after_calls } => self.machine.disk.cut_in(after_calls),
            Trouble::Kill if self.plan.storage == Storage::Disk => self.machine.disk.kill(),
            Trouble::Kill => {
                self.end_server(false);
                self.start_soon();
            }
            Trouble::Stop => self.machine.stop.notify_one(),
            Trouble::Hold { machine, millis } => {
                self.sim.hold(SERVER, machine_name(machine));
                self.after(millis, Event::Release(machine));
            }
            Trouble::Partition { machine, millis } => {
                self.sim.partition(SERVER, machine_name(machine));
                self.after(millis, Event::Repair(machine));
            }
            Trouble::Disk(fault, skip) => self.machine.disk.sim().fail(fault, skip),
            Trouble::Full { millis } => {
                let disk = self.machine.disk.sim();
                disk.set_capacity(Some(disk.used()));
                self.after(millis, Event::Room);
            }
            Trouble::Clock { ahead_millis } => {
                self.machine.clock.set_ahead(Duration::from_millis(ahead_millis));
            }
            Trouble::Leap { millis } => self.machine.clock.move_ahead(Duration::from_millis(millis)),
        }
    }

    /// A server that has lost its power, or that has ended, is started again after a while.
    fn look_after_server(&mut self) {
        let why = self.machine.not_started.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(why) = why.filter(|_| self.calm && self.machine.disk.is_on()) {
            self.world.history.borrow_mut().violation(format!("the server does not start: {why}"));
        }
        if self.will_start() {
            return;
        }
        if !self.machine.disk.is_on() {
            self.note_disk();
            self.end_server(self.machine.disk.lost_power());
            self.note(format_args!("the server is dead"));
            self.start_soon();
        } else if !self.sim.is_host_running(SERVER) {
            self.note(format_args!("the server has ended"));
            self.end_server(false);
            self.start_soon();
        }
    }

    fn start_soon(&mut self) {
        if !self.will_start() {
            let pause = self.random.within(5, 400);
            self.after(pause, Event::Start);
        }
    }

    fn will_start(&self) -> bool {
        self.due.iter().any(|(_, event)| matches!(event, Event::Start))
    }

    fn start(&mut self) {
        self.starts += 1;
        self.machine.disk.turn_on();
        self.sim.bounce(SERVER);
    }

    /// Nothing fails any more.
    fn calm_down(&mut self) {
        self.note(format_args!("calm"));
        self.due.retain(|(_, event)| matches!(event, Event::Start));
        for machine in 0..self.clients {
            self.sim.release(SERVER, machine_name(machine));
            self.sim.repair(SERVER, machine_name(machine));
        }
        self.machine.disk.sim().heal();
        self.machine.disk.sim().set_capacity(None);
        self.world.over.set(true);
    }

    /// What is checked at the end must have gone through a crash.
    fn last_crash(&mut self) {
        self.calm = true;
        match self.plan.storage {
            Storage::Disk if self.random.chance(70) => self.machine.disk.cut(),
            Storage::Disk => self.machine.disk.kill(),
            Storage::Memory => {
                self.end_server(false);
                self.start_soon();
            }
        }
    }

    /// Drop all that runs on the server's machine. `silently`: its clients hear nothing of it, as when the power fails;
    /// else their connections are closed by the machine.
    ///
    /// Tokio drops a runtime's tasks in an order that depends on how many tasks this process ever had. So that no client
    /// can tell, what the dropped connections send is lost, or arrives all at once.
    fn end_server(&mut self, silently: bool) {
        for machine in 0..self.clients {
            if silently {
                self.sim.partition(SERVER, machine_name(machine));
            } else {
                self.sim.hold(SERVER, machine_name(machine));
            }
        }
        self.sim.crash(SERVER);
        // What a server left behind that came to its own end goes with this one, which does nothing before its first tick.
        self.sim.bounce(SERVER);
        self.sim.crash(SERVER);
        for machine in 0..self.clients {
            if silently {
                self.sim.repair(SERVER, machine_name(machine));
            } else {
                self.sim.release(SERVER, machine_name(machine));
            }
        }
    }

    fn after(&mut self, millis: u64, event: Event) {
        let at = self.sim.elapsed() + Duration::from_millis(millis);
        let place = self.due.partition_point(|(other, _)| *other <= at);
        self.due.insert(place, (at, event));
    }

    fn note_disk(&self) {
        let (calls, hash) = self.machine.disk.calls();
        self.note(format_args!("{calls} calls of the disk, {hash:016x}"));
    }

    fn note(&self, what: std::fmt::Arguments<'_>) {
        self.world.trace.line_at(self.sim.elapsed(), "world", what);
    }
}

fn machine_name(number: usize) -> String {
    format!("client-{number}")
}
