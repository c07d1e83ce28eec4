//! Random histories with crashes and faults as commands, against the shadow. The laws: what was acknowledged can be
//! read after any crash; positions are dense and ordered; nothing above the durable tail is ever read; what was
//! refused never appears; replaying twice is replaying once; damage is found, and never served.

use super::fixture::{FILE_BYTES, Random, Shadow, batch, commit, observe, open};
use crate::embedded::Core;
use crate::error::OpenError;
use crate::queue::Work;
use crate::wal::files;
use millstream_host::disk::{Fault, SimDisk};
use millstream_log::{AppendError, Appended, Refused, RetentionClass};
use millstream_types::{LogShard, Position};

const SHARDS: u64 = 6;
const STEPS: u64 = 60;

/// A group on the disk.
#[derive(Clone, Copy, Debug)]
struct Written {
    file: u32,
    start: u64,
    /// Header and entries; padding is behind it.
    end: u64,
}

#[derive(Default)]
struct Tally {
    crashes: u64,
    unknown: u64,
    no_space: u64,
    failed_opens: u64,
    rot_found: u64,
    rot_as_torn_tail: u64,
}

struct Trial {
    random: Random,
    disk: SimDisk,
    core: Option<Core>,
    /// What was acknowledged.
    certain: Shadow,
    /// What it may be instead, because a group's outcome is unknown.
    possible: Option<Shadow>,
    /// What was acknowledged before the newest group.
    before_newest: Shadow,
    memory: u64,
}

impl Trial {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let disk = SimDisk::new(random.next());
        let memory = [0, 5_000, 1 << 20][usize::try_from(random.below(3)).unwrap_or(0)];
        let core = Some(open(&disk, memory).unwrap());
        let (certain, before_newest) = (Shadow::default(), Shadow::default());
        Self { random, disk, core, certain, possible: None, before_newest, memory }
    }

    fn core(&mut self) -> &mut Core {
        self.core.as_mut().expect("open between steps")
    }

    fn work(&mut self) -> Work {
        let shard = LogShard(self.random.below(SHARDS));
        match self.random.below(12) {
            0 | 1 => Work::Create(shard, RetentionClass::Hours(24)),
            2 => Work::Trim(shard, Position(self.random.below(30))),
            3 if self.random.one_in(3) => Work::Drop(shard),
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

    fn commit(&mut self, tally: &mut Tally) {
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
        let groups = self.core().shared.counters.read(0).groups;
        let outcomes = commit(self.core(), works);
        if stopped {
            let refused = |outcome| matches!(outcome, Err(AppendError::Refused(Refused::Stopped(_))));
            assert!(outcomes.into_iter().all(refused), "a stopped log takes nothing");
        } else if outcomes.iter().any(|outcome| matches!(outcome, Err(AppendError::Unknown(_)))) {
            tally.unknown += 1;
            self.possible = Some(after);
            assert!(self.core().shared.failstop.reason().is_some(), "an unknown outcome stops the log");
        } else if is_refusal(&outcomes) {
            tally.no_space += 1;
        } else {
            assert_eq!(outcomes, expected);
            let before = std::mem::replace(&mut self.certain, after);
            if self.core().shared.counters.read(0).groups > groups {
                self.before_newest = before;
            }
        }
    }

    /// What readers see is what was acknowledged, no more and no less.
    fn check(&mut self) {
        self.disk.heal();
        let core = self.core.as_ref().expect("open between steps");
        assert_eq!(observe(core, SHARDS, &mut self.random).unwrap(), self.certain);
    }

    fn reopen(&mut self, tally: &mut Tally) {
        match self.random.below(3) {
            0 => self.disk.kill(),
            1 => self.disk.crash(),
            _ => {}
        }
        self.core = None;
        tally.crashes += 1;
        self.disk.heal();
        self.disk.set_capacity(None);
        // An opening may fail or be cut short too, again and again.
        while self.random.one_in(3) {
            let fault =
                [Fault::Write, Fault::Sync, Fault::Read][usize::try_from(self.random.below(3)).unwrap_or(0)];
            self.disk.fail(fault, self.random.below(6));
            match open(&self.disk, self.memory) {
                Ok(core) => drop(core),
                Err(error) => {
                    assert!(matches!(error, OpenError::Io { .. }), "{error}");
                    tally.failed_opens += 1;
                }
            }
            self.disk.heal();
            if self.random.one_in(2) {
                self.disk.crash();
            }
        }
        let core = open(&self.disk, self.memory).unwrap();
        let seen = observe(&core, SHARDS, &mut self.random).unwrap();
        match self.possible.take() {
            // All of the unknown group, or nothing of it.
            Some(possible) if seen == possible => {
                self.before_newest = std::mem::replace(&mut self.certain, possible);
            }
            _ => assert_eq!(seen, self.certain),
        }
        self.core = Some(core);
    }

    fn step(&mut self, tally: &mut Tally) {
        match self.random.below(20) {
            0 => self.core().writer.mark(),
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

    /// Turn over a bit somewhere in a group, at the end of a history.
    fn rot(mut self, tally: &mut Tally) {
        self.disk.set_capacity(None);
        self.reopen(tally);
        if self.random.one_in(2) {
            self.commit(tally);
        }
        let groups = self.groups();
        let count = groups.len() as u64;
        let Some(group) = groups.get(usize::try_from(self.random.below(count.max(1))).unwrap_or(0)).copied()
        else {
            return;
        };
        let newest = groups.last().is_some_and(|last| (last.file, last.start) == (group.file, group.start));
        let offset = group.start + self.random.below(group.end - group.start);
        let bit = self.random.next().to_le_bytes()[0];
        self.disk.flip_bit(&files::name(group.file), offset, bit).unwrap();
        // A reader is told, or served what is right from memory.
        let core = self.core.take().expect("open between steps");
        if let Ok(seen) = observe(&core, SHARDS, &mut self.random) {
            assert_eq!(seen, self.certain);
        }
        drop(core);
        match open(&self.disk, self.memory) {
            Err(OpenError::Corrupt { file, offset, .. }) => {
                assert!(!newest, "nothing says that the newest group was durable");
                assert_eq!(
                    (file, offset),
                    (files::name(group.file), group.start),
                    "the right place is named"
                );
                tally.rot_found += 1;
            }
            Err(error) => panic!("{error}"),
            // The known limit: no later group is there to tell.
            Ok(core) => {
                assert!(newest, "rot in {group:?} was taken for a torn tail");
                let seen = observe(&core, SHARDS, &mut self.random).unwrap();
                assert!(seen == self.before_newest || seen == self.certain);
                tally.rot_as_torn_tail += 1;
            }
        }
    }

    /// The groups on the disk, found by their headers in order.
    fn groups(&self) -> Vec<Written> {
        use crate::wal::group::{Found, GroupHeader, padded};
        let mut groups = Vec::new();
        for number in 1.. {
            let Ok(bytes) = self.disk.contents(&files::name(number)) else { break };
            let salt = files::FileHeader::decode(&bytes, number).unwrap().salt;
            let mut start = files::FIRST_GROUP;
            while let Some(rest) = bytes.get(usize::try_from(start).unwrap()..)
                && let Found::Header(header) = GroupHeader::find(rest, salt)
            {
                groups.push(Written { file: number, start, end: start + header.bytes() });
                start += padded(header.bytes());
            }
        }
        groups
    }
}

fn is_refusal(outcomes: &[Result<Vec<Appended>, AppendError>]) -> bool {
    !outcomes.is_empty()
        && outcomes.iter().all(|outcome| {
            matches!(outcome, Err(AppendError::Refused(Refused::NoSpace | Refused::Stopped(_))))
        })
}

fn run(seed: u64, tally: &mut Tally) {
    let mut trial = Trial::new(seed);
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

#[test]
fn random_histories_keep_the_laws() {
    let seeds = match std::env::var("MILLSTREAM_SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => (0..800).collect(),
    };
    let mut tally = Tally::default();
    for seed in seeds {
        let trial = std::panic::AssertUnwindSafe(|| run(seed, &mut tally));
        if let Err(panic) = std::panic::catch_unwind(trial) {
            println!(
                "again: MILLSTREAM_SEED={seed} cargo test -p millstream-log-embedded --lib random_histories"
            );
            std::panic::resume_unwind(panic);
        }
    }
    println!(
        "{} openings, {} failed ones, {} unknown groups, {} refused for space, rot: {} found, {} as a torn tail",
        tally.crashes,
        tally.failed_opens,
        tally.unknown,
        tally.no_space,
        tally.rot_found,
        tally.rot_as_torn_tail,
    );
    if std::env::var("MILLSTREAM_SEED").is_err() {
        // A model that never gets to the interesting places proves nothing.
        let visits =
            [tally.failed_opens, tally.unknown, tally.no_space, tally.rot_found, tally.rot_as_torn_tail];
        assert!(tally.crashes > 3_000 && visits.iter().all(|visits| *visits > 5), "{visits:?}");
    }
}
