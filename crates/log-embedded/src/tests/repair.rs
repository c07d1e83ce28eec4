//! Damage at the end of a random history, then inspection, repair and another start. The laws: an inspection changes
//! nothing and says whether a start is refused; after a repair the log opens; and every record that was not declared
//! lost reads back as it was.

use super::fixture::{Shadow, commit, open_with};
use super::model::{STEPS, Tally, Trial, seeds};
use crate::checkpoint;
use crate::embedded::Core;
use crate::error::OpenError;
use crate::inspect::report::Gone;
use crate::options::Options;
use crate::queue::Work;
use crate::segment;
use crate::wal::files;
use crate::{Depth, Inspection, Repairer, inspect};
use millstream_host::disk::{Disk, Fault, SimDisk};
use millstream_log::{Batch, ReadError, ReadLimit, StoredBatch};
use millstream_types::{LogShard, Position, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How often a run came to the interesting places.
#[derive(Debug, Default)]
struct Visits {
    refused: u64,
    only_unreadable: u64,
    without_loss: u64,
    checkpoint: u64,
    holes: u64,
    cuts: u64,
    interrupted: u64,
}

/// What an inspection cannot know.
#[derive(Clone, Copy)]
struct Doubt {
    twice: bool,
    /// The newest group was damaged, which looks as if it had never been durable; or the oldest file is gone, and with it
    /// what there was before.
    unseen: bool,
}

type Files = BTreeMap<String, Vec<u8>>;

fn contents(disk: &SimDisk) -> Files {
    let directories = ["", files::DIRECTORY, segment::DIRECTORY, checkpoint::DIRECTORY];
    let mut files = Files::new();
    for directory in directories {
        for name in disk.list(directory).unwrap() {
            let name = if directory.is_empty() { name } else { format!("{directory}/{name}") };
            if name != "LOCK" {
                files.insert(name.clone(), disk.contents(&name).unwrap());
            }
        }
    }
    files
}

fn copy(files: &Files) -> SimDisk {
    let disk = SimDisk::new(1);
    for (name, contents) in files {
        disk.plant(name, contents);
    }
    disk
}

fn on(disk: &SimDisk, options: &Options) -> Options {
    Options { disk: Arc::new(disk.clone()), ..options.clone() }
}

fn look(disk: &SimDisk) -> Result<Inspection, OpenError> {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    inspect(&disk, Depth::Deep, &|done, all| assert!(done <= all))
}

fn repair(disk: &SimDisk) -> Result<(), OpenError> {
    Repairer::new(Arc::new(disk.clone()), &|_, _| ())?.repair("then").map(drop)
}

/// The first position of a shard, its tail, and its batches.
type Seen = (Position, Position, Vec<StoredBatch>);

/// All that can be read of the shards, and whether all of it could be.
fn read_all(core: &Core, shards: u64) -> Option<BTreeMap<LogShard, Seen>> {
    let mut all = BTreeMap::new();
    for shard in (0..shards).map(LogShard) {
        let (mut earliest, mut next, mut batches) = (Position::ZERO, Position::ZERO, Vec::new());
        loop {
            match core.shared.read(shard, next, ReadLimit { records: 50, bytes: 1 << 20 }) {
                Err(ReadError::Trimmed { earliest: at }) => (earliest, next) = (at, at),
                Err(ReadError::NoSuchShard(_)) => break,
                Err(_) => return None,
                Ok(chunk) => {
                    next = chunk.batches.last().map_or(next, StoredBatch::end);
                    batches.extend(chunk.batches);
                    if next == chunk.tail {
                        all.insert(shard, (earliest, next, batches));
                        break;
                    }
                }
            }
        }
    }
    Some(all)
}

/// Whether each record that was there is there still, or was declared lost.
fn compare(before: &Shadow, inspection: &Inspection, core: &Core, numbers: u64, doubt: Doubt) {
    let seen = read_all(core, numbers).expect("everything can be read after a repair");
    let is_cut = inspection.notes.iter().any(|note| note.starts_with("The write-ahead log "));
    let has_no_checkpoint = inspection.notes.iter().any(|note| note.starts_with("Without its checkpoint"));
    for (shard, state) in &before.shards {
        let lost = |position: Position| {
            let mut of_shard = inspection.losses.iter().filter(|loss| loss.shard == *shard);
            of_shard.any(|loss| (loss.first..loss.end).contains(&position))
        };
        let found = seen.get(shard);
        for stored in state.batches() {
            for (position, record) in stored.records().filter(|(position, _)| *position >= state.earliest()) {
                let after = found.and_then(|(_, _, batches)| {
                    let mut records = batches.iter().flat_map(StoredBatch::records);
                    records.find(|(at, _)| *at == position)
                });
                // Without a checkpoint, nobody knows of a file that is missing too.
                let unknown = (has_no_checkpoint && (doubt.twice || doubt.unseen))
                    || found.is_none_or(|(earliest, tail, _)| {
                        ((is_cut || doubt.unseen) && position >= *tail)
                            || (has_no_checkpoint && earliest.0 >= 1 << 40)
                    });
                match after {
                    Some((_, after)) => assert_eq!(after, record, "{shard} {position}"),
                    None => assert!(lost(position) || unknown, "{shard} {position} is gone: {inspection}"),
                }
            }
        }
        assert!(
            found.is_some() || is_cut || doubt.unseen || state.batches().is_empty() || has_no_checkpoint,
            "{shard}: {inspection}"
        );
    }
    for (shard, (earliest, tail, batches)) in &seen {
        assert_eq!(batches.last().map_or(*tail, StoredBatch::end), *tail, "{shard}");
        assert!(batches.first().is_none_or(|first| first.first <= *earliest), "{shard} has no hole");
    }
}

impl Trial {
    /// Damage something. Returns whether nothing on the disk can tell it from a crash; `None` if nothing was there.
    fn damage(&mut self) -> Option<bool> {
        let list = |directory| self.disk.list(directory).unwrap();
        let (segments, checkpoints) = (list(segment::DIRECTORY), list(checkpoint::DIRECTORY));
        let wal: Vec<String> =
            list(files::DIRECTORY).into_iter().filter(|name| files::number(name).is_some()).collect();
        let never_flushed = checkpoints.is_empty();
        let choose = self.random.below(11);
        let (directory, names) = match choose {
            0..=3 => (segment::DIRECTORY, segments),
            4 | 5 => (checkpoint::DIRECTORY, checkpoints),
            6 => {
                self.flip("FORMAT", 0, 20);
                return Some(false);
            }
            7 => (files::DIRECTORY, wal),
            _ => {
                let groups = self.groups();
                let group = self.pick(&groups)?;
                self.flip(&files::name(group.file), group.start, group.end);
                return Some(groups.last().is_some_and(|last| last.number == group.number));
            }
        };
        let all = (names.len() as u64).max(1);
        let name = names.get(usize::try_from(self.random.below(all)).unwrap())?;
        // Without the first file and a checkpoint, nothing tells what there was.
        let first = never_flushed && names.first() == Some(name);
        let newest = choose == 7 && (first || names.last() == Some(name));
        let name = format!("{directory}/{name}");
        if self.random.one_in(3) {
            self.disk.remove(&name).unwrap();
            self.disk.sync_dir(directory).unwrap();
            return Some(newest);
        }
        let bytes = self.disk.contents(&name).unwrap().len() as u64;
        let end = if choose == 7 { 64 } else { bytes };
        self.flip(&name, 0, end);
        Some(false)
    }

    fn damaged_and_repaired(mut self, visits: &mut Visits) {
        self.disk.heal();
        self.disk.set_capacity(None);
        self.disk.set_short_io(false);
        self.core = None;
        let Some(unseen) = self.damage() else { return };
        let again = if self.random.one_in(4) { self.damage() } else { None };
        let doubt = Doubt { twice: again.is_some(), unseen: unseen || again == Some(true) };
        let before = contents(&self.disk);
        let inspection = look(&self.disk).unwrap();
        assert_eq!(contents(&self.disk), before, "an inspection changes nothing");
        let twin = copy(&before);
        let opened = open_with(&on(&twin, &self.options));
        assert_eq!(opened.is_err(), inspection.refuses_start(), "{:?} {inspection}", opened.err());
        visits.refused += u64::from(opened.is_err());
        if let Ok((core, _)) = &opened
            && inspection.is_sound()
        {
            assert!(read_all(core, self.numbers()).is_some(), "{inspection}");
            return;
        }
        visits.only_unreadable += u64::from(opened.is_ok());
        visits.without_loss += u64::from(inspection.losses.is_empty() && inspection.notes.is_empty());
        visits.checkpoint += u64::from(inspection.checkpoint.is_none());
        visits.holes += u64::from(inspection.losses.iter().any(|loss| loss.why != Gone::AfterTheCut));
        visits.cuts += u64::from(inspection.losses.iter().any(|loss| loss.why == Gone::AfterTheCut));
        self.repair(visits);
        let after = look(&self.disk).unwrap();
        assert!(after.is_sound(), "{after}\nbefore: {inspection}");
        let (mut core, _) = self.open().unwrap_or_else(|error| panic!("{error} {inspection}"));
        compare(&self.certain, &inspection, &core, self.numbers(), doubt);
        // The log goes on.
        let new = LogShard(1_000_000);
        let work = Work::Create(new, millstream_log::RetentionClass::Hours(24));
        let batch = Batch::single(Timestamp::from_millis(1), b"on");
        let outcomes = commit(&mut core, vec![work, Work::Append(vec![(new, batch)])]);
        assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
        core.writer.flush();
        drop(core);
        self.disk.crash();
        let (core, _) = self.open().unwrap();
        compare(&self.certain, &inspection, &core, self.numbers(), doubt);
    }

    /// A repair may fail or die anywhere, and is begun again.
    fn repair(&mut self, visits: &mut Visits) {
        while self.random.one_in(2) {
            let fault = [Fault::Write, Fault::Sync][usize::try_from(self.random.below(2)).unwrap()];
            self.disk.fail(fault, self.random.below(20));
            let failed = repair(&self.disk).is_err();
            self.disk.heal();
            if self.random.one_in(2) {
                self.disk.crash();
            }
            visits.interrupted += u64::from(failed);
        }
        repair(&self.disk).unwrap();
    }
}

#[test]
fn what_is_not_declared_lost_survives_a_repair() {
    let mut visits = Visits::default();
    let seeds = seeds();
    for seed in &seeds {
        let trial = std::panic::AssertUnwindSafe(|| {
            let mut trial = Trial::new(seed.wrapping_add(1 << 32));
            let tally = &mut Tally::default();
            for _ in 0..STEPS {
                trial.step(tally);
            }
            trial.check();
            trial.reopen(tally);
            trial.damaged_and_repaired(&mut visits);
        });
        if let Err(panic) = std::panic::catch_unwind(trial) {
            println!(
                "again: MILLSTREAM_SEED={seed} cargo test -p millstream-log-embedded --lib declared_lost"
            );
            std::panic::resume_unwind(panic);
        }
    }
    println!("{visits:?}");
    if seeds.len() > 500 {
        let Visits { refused, only_unreadable, without_loss, checkpoint, holes, cuts, interrupted } = visits;
        let visits = [refused, only_unreadable, without_loss, checkpoint, holes, cuts, interrupted];
        assert!(visits.iter().all(|visits| *visits > 5), "{visits:?}");
    }
}
