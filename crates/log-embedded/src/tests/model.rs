//! Random histories with crashes and faults as commands, against the shadow. The laws: what was acknowledged can be
//! read after any crash; positions are dense and ordered; nothing above the durable tail is ever read; what was
//! refused never appears; replaying twice is replaying once; damage is found, and never served.

use super::fixture::{FILE_BYTES, Random, Shadow, batch, commit, observe, open_threaded, open_with, options};
use crate::embedded::Core;
use crate::error::OpenError;
use crate::options::Options;
use crate::queue::Work;
use crate::wal::files;
use crate::wal::group::BLOCK;
use crate::wal::recover::RecoveryReport;
use millstream_host::disk::{Disk, Fault, SimDisk};
use millstream_log::{AppendError, Appended, Refused, RetentionClass};
use millstream_types::{LogShard, Position};

/// As many as `drops` has.
const SHARDS: u64 = 6;
pub(super) const STEPS: u64 = 60;
/// Histories in a usual run.
const USUAL: u64 = 800;
/// And at most so many with threads.
const THREADED: usize = 200;

/// What a start replays beyond `replay_bytes`: a flush's cut counts by groups, and what is done to make room (trims,
/// drops, discards) and marks are written whether there is room for them or not.
const REPLAY_SLACK: u64 = (64 << 10) + 8 * BLOCK;

const FAULTS: [Fault; 10] = [
    Fault::Write,
    Fault::Sync,
    Fault::Read,
    Fault::SyncDir,
    Fault::Rename,
    Fault::RenameDone,
    Fault::Remove,
    Fault::Open,
    Fault::List,
    Fault::Len,
];

/// How often a run came to the interesting places.
#[derive(Debug, Default)]
pub(super) struct Tally {
    openings: u64,
    power_cuts: u64,
    failed_openings: u64,
    unknown_groups: u64,
    refusals_for_space: u64,
    flushes: u64,
    failed_flushes: u64,
    discards: u64,
    pub(super) rot_found: u64,
    pub(super) rot_as_torn_tail: u64,
    pub(super) rot_in_segments_refused: u64,
    pub(super) rot_in_segments_not_served: u64,
    pub(super) rot_in_checkpoints: u64,
}

pub(super) struct Trial {
    pub(super) random: Random,
    pub(super) disk: SimDisk,
    pub(super) core: Option<Core>,
    /// What was acknowledged.
    pub(super) certain: Shadow,
    /// What it may be instead, because a group's outcome is unknown.
    possible: Option<Shadow>,
    /// What was acknowledged before the newest group.
    pub(super) before_newest: Shadow,
    pub(super) options: Options,
    /// How often each shard was dropped: a number is never used again.
    drops: [u64; 6],
    /// Whether files are made and flushes done on threads. Such a trial may take another course with the same seed.
    threaded: bool,
}

impl Trial {
    pub(super) fn new(seed: u64) -> Self {
        Self::begin(seed, false)
    }

    fn begin(seed: u64, threaded: bool) -> Self {
        let mut random = Random(seed);
        let disk = SimDisk::new(random.next());
        let memory = [0, 5_000, 1 << 20][usize::try_from(random.below(3)).unwrap_or(0)];
        let mut options = options(&disk, memory);
        // Some trials flush by themselves, and some only when told to.
        if random.one_in(2) {
            (options.flush_bytes, options.replay_bytes) = (2 * FILE_BYTES, 8 * FILE_BYTES);
        }
        let core = Some(open_by(&options, threaded).unwrap().0);
        let (certain, before_newest) = (Shadow::default(), Shadow::default());
        Self { random, disk, core, certain, possible: None, before_newest, options, drops: [0; _], threaded }
    }

    pub(super) fn open(&self) -> Result<(Core, RecoveryReport), OpenError> {
        open_by(&self.options, self.threaded)
    }

    /// Bring all to segments, as the writer's thread does now and then.
    fn flush(&mut self) {
        let shared = &self.core().shared;
        if shared.failstop.reason().is_none() && !shared.flush.is_busy() {
            self.core().writer.flush();
        }
    }

    fn count(&self, tally: &mut Tally) {
        if let Some(core) = &self.core {
            let stats = core.shared.stats();
            tally.flushes += stats.flushes;
            tally.failed_flushes += stats.flush_failures;
        }
    }

    fn core(&mut self) -> &mut Core {
        self.core.as_mut().expect("open between steps")
    }

    /// As many numbers as shards have had.
    pub(super) fn numbers(&self) -> u64 {
        SHARDS * (1 + self.drops.iter().max().copied().unwrap_or_default())
    }

    fn work(&mut self) -> Work {
        let slot = self.random.below(SHARDS);
        let drops = &mut self.drops[usize::try_from(slot).unwrap_or(0)];
        let shard = LogShard(slot + SHARDS * *drops);
        match self.random.below(12) {
            0 | 1 => {
                let hours = [24, 100, 8_760][usize::try_from(slot % 3).unwrap_or(0)];
                let class = if slot == 0 { RetentionClass::Forever } else { RetentionClass::Hours(hours) };
                Work::Create(shard, class)
            }
            2 => Work::Trim(shard, Position(self.random.below(60))),
            3 if self.random.one_in(3) => {
                *drops += 1;
                Work::Drop(shard)
            }
            _ => {
                let known: Vec<LogShard> = self.certain.shards.keys().copied().collect();
                let count = 1 + self.random.below(3);
                let random = &mut self.random;
                let mut pick = || match known.len() as u64 {
                    0 => shard,
                    // Now and then one that may not be there.
                    _ if random.one_in(20) => shard,
                    len => known[usize::try_from(random.below(len)).unwrap_or(0)],
                };
                let shards: Vec<LogShard> = (0..count).map(|_| pick()).collect();
                Work::Append(shards.into_iter().map(|shard| (shard, batch(&mut self.random))).collect())
            }
        }
    }

    pub(super) fn commit(&mut self, tally: &mut Tally) {
        let limit = self.core().writer.group_bytes();
        let mut works = Vec::new();
        let mut bytes = 0;
        for _ in 0..=self.random.below(5) {
            let work = self.work();
            bytes += work.encoded_len();
            if bytes > limit {
                break;
            }
            works.push(work);
        }
        let mut after = self.certain.clone();
        let expected: Vec<_> = works.iter().map(|work| after.apply(work)).collect();
        let stopped = self.core().shared.failstop.reason().is_some();
        let groups = self.core().shared.stats().groups;
        let outcomes = commit(self.core(), works.clone());
        if stopped {
            let refused = |outcome| matches!(outcome, Err(AppendError::Refused(Refused::Stopped(_))));
            assert!(outcomes.into_iter().all(refused), "a stopped log takes nothing");
        } else if outcomes.iter().any(|outcome| matches!(outcome, Err(AppendError::Unknown(_)))) {
            tally.unknown_groups += 1;
            // What was refused in the same breath is not among it.
            let mut possible = self.certain.clone();
            for (work, _) in works.iter().zip(&outcomes).filter(|(_, outcome)| !is_refusal(outcome)) {
                // An error here is one of the work itself, which has no effect.
                drop(possible.apply(work));
            }
            self.possible = Some(possible);
            assert!(self.core().shared.failstop.reason().is_some(), "an unknown outcome stops the log");
        } else if outcomes.iter().any(is_refusal) {
            tally.refusals_for_space += 1;
            // What makes room is done all the same, as far as there is room to say it.
            let before = self.certain.clone();
            for (work, outcome) in works.iter().zip(&outcomes) {
                if is_refusal(outcome) {
                    continue;
                }
                assert!(may_make_room(work), "{work:?} of a call that was refused");
                assert_eq!(outcome, &self.certain.apply(work));
            }
            if self.core().shared.stats().groups > groups {
                self.before_newest = before;
            }
        } else {
            assert_eq!(outcomes, expected);
            let before = std::mem::replace(&mut self.certain, after);
            if self.core().shared.stats().groups > groups {
                self.before_newest = before;
            }
        }
    }

    /// What readers see is what was acknowledged, no more and no less.
    pub(super) fn check(&mut self) {
        self.disk.heal();
        if self.disk.is_off() {
            self.reopen(&mut Tally::default());
        }
        let core = self.core.as_ref().expect("open between steps");
        assert_eq!(observe(core, self.numbers(), &mut self.random).unwrap(), self.certain);
    }

    /// Of the WAL's files, the recycled ones included.
    fn wal_bytes(&self) -> u64 {
        let names = self.disk.list(files::DIRECTORY).unwrap();
        let path = |name: &String| format!("{}/{name}", files::DIRECTORY);
        names.iter().map(|name| self.disk.contents(&path(name)).unwrap().len() as u64).sum()
    }

    pub(super) fn reopen(&mut self, tally: &mut Tally) {
        match self.random.below(3) {
            _ if self.disk.is_off() => {}
            0 => self.disk.kill(),
            // Until the log is gone: its threads must not go on with the disk of its next life.
            1 => self.disk.power_off(),
            _ => {}
        }
        self.count(tally);
        self.core = None;
        tally.openings += 1;
        tally.power_cuts += u64::from(self.disk.power_on());
        self.disk.heal();
        self.disk.set_capacity(None);
        // An opening may fail or be cut short too, again and again.
        while self.random.one_in(3) {
            if self.random.one_in(2) {
                let fault = self.fault();
                self.disk.fail(fault, self.random.below(10));
            } else {
                self.disk.cut_power_after(self.random.below(20));
            }
            match self.open() {
                Ok((core, _)) => drop(core),
                Err(error) => {
                    assert!(matches!(error, OpenError::Io { .. }), "{error}");
                    tally.failed_openings += 1;
                }
            }
            self.disk.heal();
            if !self.disk.power_on() && self.random.one_in(2) {
                self.disk.crash();
            }
        }
        let (core, report) = self.open().unwrap();
        let most = self.options.replay_bytes.saturating_add(REPLAY_SLACK);
        assert!(report.replayed_bytes <= most, "{report:?}");
        assert_eq!(core.shared.stats().wal_bytes, self.wal_bytes(), "the WAL's files are counted");
        let seen = observe(&core, self.numbers(), &mut self.random).unwrap();
        match self.possible.take() {
            // All of the unknown group, or nothing of it.
            Some(possible) if seen == possible => {
                self.before_newest = std::mem::replace(&mut self.certain, possible);
            }
            _ => assert_eq!(seen, self.certain),
        }
        self.core = Some(core);
    }

    fn fault(&mut self) -> Fault {
        FAULTS[usize::try_from(self.random.below(FAULTS.len() as u64)).unwrap_or(0)]
    }

    pub(super) fn step(&mut self, tally: &mut Tally) {
        if self.disk.is_off() {
            self.reopen(tally);
        }
        match self.random.below(31) {
            24 => self.disk.cut_power_after(self.random.below(60)),
            25 => self.disk.fail(Fault::SyncDir, self.random.below(2)),
            26 => {
                let fault = self.fault();
                self.disk.fail(fault, self.random.below(5));
            }
            0 => self.core().writer.mark(),
            20 | 21 => self.flush(),
            22 | 23 => {
                let dead = self.core().shared.segments.has_dead();
                self.core().writer.tend();
                tally.discards += u64::from(dead && !self.core().shared.segments.has_dead());
            }
            1 | 2 => self.reopen(tally),
            3 => self.disk.fail(Fault::Write, self.random.below(4)),
            4 => self.disk.fail(Fault::Sync, self.random.below(4)),
            5 => self.disk.set_capacity(Some(self.disk.used() + self.random.below(FILE_BYTES))),
            6 => self.disk.set_capacity(None),
            7 => self.disk.set_short_io(self.random.one_in(2)),
            8 => self.check(),
            _ => self.commit(tally),
        }
    }
}

fn open_by(options: &Options, threaded: bool) -> Result<(Core, RecoveryReport), OpenError> {
    if threaded { open_threaded(options) } else { open_with(options) }
}

/// What is done on a full disk as long as there is room to say it.
fn may_make_room(work: &Work) -> bool {
    match work {
        Work::Trim(..) | Work::Drop(_) => true,
        Work::Append(batches) => batches.iter().all(|(shard, _)| *shard == LogShard::CONTROL),
        Work::Create(..) => false,
    }
}

fn is_refusal(outcome: &Result<Vec<Appended>, AppendError>) -> bool {
    matches!(outcome, Err(AppendError::Refused(Refused::NoSpace | Refused::Stopped(_))))
}

fn run(mut trial: Trial, tally: &mut Tally) {
    for _ in 0..STEPS {
        trial.step(tally);
    }
    trial.check();
    trial.reopen(tally);
    trial.check();
    if trial.random.one_in(2) {
        trial.rot(tally);
    }
}

/// The seeds to try: one (`MILLSTREAM_SEED=n`), as many as are asked for (`MILLSTREAM_SEEDS=n`, for a long run), or some.
pub(super) fn seeds() -> Vec<u64> {
    let number = |name| std::env::var(name).ok().map(|value: String| value.parse::<u64>().unwrap());
    match (number("MILLSTREAM_SEED"), number("MILLSTREAM_SEEDS")) {
        (Some(seed), _) => vec![seed],
        (None, Some(count)) => (0..count).collect(),
        (None, None) => (0..USUAL).collect(),
    }
}

#[test]
fn random_histories_keep_the_laws() {
    let mut tally = Tally::default();
    let seeds = seeds();
    for seed in &seeds {
        let trial = std::panic::AssertUnwindSafe(|| run(Trial::new(*seed), &mut tally));
        if let Err(panic) = std::panic::catch_unwind(trial) {
            println!(
                "again: MILLSTREAM_SEED={seed} cargo test -p millstream-log-embedded --lib random_histories"
            );
            std::panic::resume_unwind(panic);
        }
    }
    println!("{tally:?}");
    if seeds.len() as u64 >= USUAL {
        // A model that never gets to the interesting places proves nothing.
        let Tally { openings, .. } = tally;
        let visits = [
            tally.power_cuts,
            tally.failed_openings,
            tally.unknown_groups,
            tally.refusals_for_space,
            tally.flushes,
            tally.failed_flushes,
            tally.discards,
            tally.rot_found,
            tally.rot_as_torn_tail,
            tally.rot_in_segments_refused,
            tally.rot_in_segments_not_served,
            tally.rot_in_checkpoints,
        ];
        assert!(openings > 3_000 && visits.iter().all(|visits| *visits > 5), "{tally:?}");
    }
}

/// With flushes and new files on threads, so that the writer goes on while a flush is under way. A seed says what
/// happens and not when: one that fails may have to be tried more than once.
#[test]
fn random_threaded_histories_keep_the_laws() {
    let mut tally = Tally::default();
    let seeds = seeds();
    for seed in seeds.iter().take(THREADED) {
        let trial = std::panic::AssertUnwindSafe(|| run(Trial::begin(*seed, true), &mut tally));
        if let Err(panic) = std::panic::catch_unwind(trial) {
            println!(
                "again: MILLSTREAM_SEED={seed} cargo test -p millstream-log-embedded --lib random_threaded"
            );
            std::panic::resume_unwind(panic);
        }
    }
    println!("{tally:?}");
    if seeds.len() >= THREADED {
        let visits = [
            tally.power_cuts,
            tally.failed_openings,
            tally.unknown_groups,
            tally.flushes,
            tally.failed_flushes,
        ];
        assert!(visits.iter().all(|visits| *visits > 5), "{tally:?}");
    }
}
