//! What a seed decides before a simulation begins: sizes, delays, and what goes wrong when.

use crate::mutant::Mutation;
use crate::random::Random;
use crate::server::Storage;
use millstream_host::disk::Fault;
use std::time::Duration;

/// What the clients are about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Scenario {
    /// Streams: writers, readers, subscribers.
    #[default]
    Streams,
    /// A queue on a stream: competing receivers, acknowledgements, dead letters.
    Queues,
    /// Asynchronous invocations of functions.
    Events,
}

/// A whole simulation.
#[derive(Clone, Debug)]
pub struct Plan {
    pub seed: u64,
    pub scenario: Scenario,
    pub storage: Storage,
    pub mutation: Option<Mutation>,
    /// Of events: callers.
    pub writers: usize,
    /// Of queues: receivers.
    pub readers: usize,
    pub subscribers: usize,
    pub streams: usize,
    /// Shards are split and merged.
    pub reshards: bool,
    /// Records in a hundred that are some KiB.
    pub large_percent: u64,
    /// The longest that a message is under way.
    pub latency: Duration,
    /// The longest that one step of the log takes.
    pub disk_latency: Duration,
    pub lifecycle_delay: Duration,
    pub short_io: bool,
    pub wal_file_bytes: u64,
    pub flush_bytes: u64,
    pub flush_after: Duration,
    /// Commands between two snapshots of the control state.
    pub snapshot_commands: u64,
    pub memory_tail_bytes: u64,
    pub admission_bytes: u64,
    /// How long clients are busy.
    pub length: Duration,
    pub troubles: Vec<(Duration, Trouble)>,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The power goes off after so many calls of the disk.
    PowerCut { after_calls: u64 },
    /// `kill -9`.
    Kill,
    /// The server is asked to stop, and does.
    Stop,
    /// Nothing passes between the server and one client's machine for a while; it arrives later.
    Hold { machine: usize, millis: u64 },
    /// What is sent between them for a while is lost.
    Partition { machine: usize, millis: u64 },
    /// One call of the disk fails.
    Disk(Fault, u64),
    /// The disk is full for a while.
    Full { millis: u64 },
    /// The wall clock is set, so far ahead of the time that passed.
    Clock { ahead_millis: u64 },
    /// The wall clock is set ahead of what it is. What waits for a time that was far off is due.
    Leap { millis: u64 },
}

impl Plan {
    pub fn new(seed: u64, storage: Storage, mutation: Option<Mutation>) -> Self {
        let mut random = Random::new(seed);
        let length = Duration::from_millis(random.within(2_000, 6_000));
        let (writers, readers, subscribers) = (random.within(2, 5), random.within(1, 3), random.within(0, 2));
        let machines = writers + readers + subscribers + 1;
        let size = |number: u64| usize::try_from(number).unwrap_or(1);
        let wal_file_bytes = *random.pick(&[64 << 10, 128 << 10, 256 << 10]).unwrap_or(&(128 << 10));
        let flush_bytes = *random.pick(&[64 << 10, 128 << 10, 512 << 10]).unwrap_or(&(128 << 10));
        Self {
            seed,
            scenario: Scenario::Streams,
            storage,
            mutation,
            writers: size(writers),
            readers: size(readers),
            subscribers: size(subscribers),
            streams: size(random.within(1, 3)),
            reshards: random.chance(60),
            large_percent: *random.pick(&[0, 3, 20]).unwrap_or(&0),
            latency: Duration::from_millis(random.within(1, 20)),
            disk_latency: Duration::from_millis(random.within(1, 30)),
            lifecycle_delay: Duration::from_millis(random.below(30)),
            short_io: random.chance(30),
            wal_file_bytes,
            flush_bytes,
            flush_after: Duration::from_millis(random.within(300, 20_000)),
            snapshot_commands: random.within(2, 40),
            memory_tail_bytes: *random.pick(&[0, 16 << 10, 1 << 20]).unwrap_or(&0),
            admission_bytes: *random.pick(&[64 << 10, 1 << 20]).unwrap_or(&(1 << 20)),
            length,
            troubles: troubles(&mut random, storage, length, machines),
        }
    }

    /// A simulation of something else than streams, beside the same troubles.
    pub fn of(scenario: Scenario, seed: u64, storage: Storage, mutation: Option<Mutation>) -> Self {
        let mut plan = Self { scenario, ..Self::new(seed, storage, mutation) };
        let mut random = Random::new(!seed);
        let size = |number: u64| usize::try_from(number).unwrap_or(1);
        // The longest leap.
        let (leap, machines) = match scenario {
            Scenario::Streams => return plan,
            Scenario::Queues => {
                plan.writers = size(random.within(1, 2));
                plan.readers = size(random.within(2, 4));
                // And one who makes the queue, and one for dead letters.
                (2_000, plan.writers + plan.readers + 2)
            }
            Scenario::Events => {
                plan.writers = size(random.within(2, 4));
                plan.readers = 0;
                (70_000, plan.writers)
            }
        };
        plan.subscribers = 0;
        plan.streams = 1;
        for (_, trouble) in &mut plan.troubles {
            match trouble {
                Trouble::Hold { machine, .. } | Trouble::Partition { machine, .. } => *machine %= machines,
                // Visibility and age are by this clock: what is known of them holds while it goes forward.
                Trouble::Clock { .. } => *trouble = Trouble::Leap { millis: random.below(leap) },
                _ => {}
            }
        }
        let end = u64::try_from(plan.length.as_millis()).unwrap_or(u64::MAX);
        for _ in 0..random.below(4) {
            let at = Duration::from_millis(random.within(1_000, end));
            plan.troubles.push((at, Trouble::Leap { millis: random.below(leap) }));
        }
        // Journals and records are read again and again, so a read that fails and then works is worth more of them. It stops
        // nothing, so nobody has to start the server again.
        if storage == Storage::Disk {
            plan.memory_tail_bytes = *random.pick(&[0, 0, 16 << 10]).unwrap_or(&0);
            for _ in 0..random.below(8) {
                let at = Duration::from_millis(random.within(300, end));
                plan.troubles.push((at, Trouble::Disk(Fault::Read, random.below(4))));
            }
        }
        plan.troubles.sort_by_key(|(at, _)| *at);
        plan
    }
}

fn troubles(
    random: &mut Random,
    storage: Storage,
    length: Duration,
    machines: u64,
) -> Vec<(Duration, Trouble)> {
    // Not every kind in every simulation: a rare one must get its chance to be alone.
    let kinds: Vec<u64> = (0..8).filter(|_| random.chance(50)).collect();
    let millis = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
    let machine = |random: &mut Random| usize::try_from(random.below(machines)).unwrap_or(0);
    let mut all: Vec<_> = (0..random.within(2, 10))
        .filter_map(|_| {
            let trouble = match random.pick(&kinds)? {
                0 => Trouble::PowerCut { after_calls: random.below(60) },
                1 => Trouble::Kill,
                2 => Trouble::Stop,
                3 => Trouble::Hold { machine: machine(random), millis: random.within(10, 800) },
                4 => Trouble::Partition { machine: machine(random), millis: random.within(10, 800) },
                5 => {
                    let fault = *random.pick(&[Fault::Sync, Fault::Write, Fault::Read])?;
                    Trouble::Disk(fault, random.below(8))
                }
                6 => Trouble::Full { millis: random.within(50, 1_500) },
                _ => Trouble::Clock { ahead_millis: random.below(4_000) },
            };
            Some((Duration::from_millis(random.within(200, millis)), trouble))
        })
        .filter(|(_, trouble)| storage == Storage::Disk || !is_of_disk(*trouble))
        .collect();
    // A disk that failed has stopped the log; somebody starts the server again.
    for index in 0..all.len() {
        if let (at, Trouble::Disk(..)) = all[index] {
            let again = if random.chance(50) { Trouble::Kill } else { Trouble::PowerCut { after_calls: 0 } };
            all.push((at + Duration::from_millis(random.within(100, 1_000)), again));
        }
    }
    all.sort_by_key(|(at, _)| *at);
    all
}

fn is_of_disk(trouble: Trouble) -> bool {
    matches!(trouble, Trouble::PowerCut { .. } | Trouble::Disk(..) | Trouble::Full { .. })
}
