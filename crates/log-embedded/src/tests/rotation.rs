//! Going to the next WAL file when it cannot be had.

use super::fixture::{FILE_BYTES, Random, batch, commit, observe, open};
use super::hooked::{Call, HookedDisk};
use crate::embedded::Core;
use crate::names;
use crate::queue::Work;
use crate::wal::files::{self, Maker};
use crate::wal::pool::Pool;
use crate::wal::spares::Spares;
use millstream_host::clock::ManualClock;
use millstream_host::disk::{Disk, Fault, OpenMode, SimDisk};
use millstream_host::threads;
use millstream_log::{AppendError, Batch, Outcome, Refused, RetentionClass};
use millstream_types::{LogShard, Timestamp};
use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

const SHARD: LogShard = LogShard(1);

fn append() -> Work {
    Work::Append(vec![(SHARD, Batch::single(Timestamp::ZERO, b"a record"))])
}

/// A group of one block for each that the file has behind its header, but for the last one, kept for what makes room.
fn fill(core: &mut Core) {
    let create = Work::Create(SHARD, RetentionClass::Hours(24));
    assert!(commit(core, vec![create])[0].is_ok());
    for _ in 3..FILE_BYTES / 4_096 {
        assert!(commit(core, vec![append()])[0].is_ok());
    }
}

fn refused(core: &mut Core) -> bool {
    commit(core, vec![append()]) == [Err(AppendError::Refused(Refused::NoSpace))]
}

/// Counts what is logged as a warning or worse.
#[derive(Clone, Default)]
struct Warnings(Arc<AtomicU64>);

impl tracing::Subscriber for Warnings {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() <= tracing::Level::WARN
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, _: &tracing::Event<'_>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

/// ENOMEM, ENFILE, EMFILE, ENOSPC.
const PASSING: [i32; 4] = [12, 23, 24, 28];

#[test]
fn want_of_handles_memory_or_room_refuses_and_is_tried_again_once_a_second() {
    for number in PASSING {
        let (errno, attempts) = (Arc::new(AtomicI32::new(0)), Arc::new(AtomicU64::new(0)));
        let (hook_errno, hook_attempts) = (Arc::clone(&errno), Arc::clone(&attempts));
        let disk = HookedDisk::new(&SimDisk::new(1), move |call, name| {
            if call == Call::Open(OpenMode::CreateNew) && names::is_temporary(name) {
                hook_attempts.fetch_add(1, Ordering::SeqCst);
                match hook_errno.load(Ordering::SeqCst) {
                    0 => {}
                    errno => return Err(io::Error::from_raw_os_error(errno)),
                }
            }
            Ok(())
        });
        let clock = ManualClock::at(Timestamp::ZERO);
        let (mut core, _) = Core::open(&disk.options(), false, Arc::<ManualClock>::clone(&clock)).unwrap();
        fill(&mut core);
        let before = observe(&core, 2, &mut Random(1)).unwrap();
        errno.store(number, Ordering::SeqCst);
        attempts.store(0, Ordering::SeqCst);
        let warnings = Warnings::default();
        tracing::subscriber::with_default(warnings.clone(), || {
            for second in 1..=3 {
                for _ in 0..10 {
                    let outcome = commit(&mut core, vec![append()]).remove(0).unwrap_err();
                    assert_eq!(outcome, AppendError::Refused(Refused::NoSpace), "error {number}");
                    assert_eq!(outcome.outcome(), Outcome::NotDone);
                }
                assert_eq!(attempts.load(Ordering::SeqCst), second, "one attempt a second");
                clock.advance_millis(1_000);
            }
        });
        assert_eq!(warnings.0.load(Ordering::SeqCst), 1, "said once");
        assert_eq!(core.shared.failstop.reason(), None);
        assert_eq!(observe(&core, 2, &mut Random(1)).unwrap(), before);
        errno.store(0, Ordering::SeqCst);
        assert!(commit(&mut core, vec![append()])[0].is_ok());
    }
}

#[test]
fn a_spare_that_cannot_be_opened_is_not_lost() {
    let disk = SimDisk::new(1);
    drop(open(&disk, 0).unwrap());
    let mut maker = maker(Arc::new(disk.clone()), 2);
    drop(maker.make(&AtomicBool::new(false)).unwrap());
    let mut core = open(&disk, 0).unwrap();
    fill(&mut core);
    disk.set_open_files(Some(disk.open_files()));
    assert!(refused(&mut core) && refused(&mut core));
    disk.set_open_files(None);
    assert!(commit(&mut core, vec![append()])[0].is_ok());
    assert!(disk.contents(&files::name(3)).is_err(), "the spare was used");
}

#[test]
fn a_failed_sync_of_a_new_file_stops_the_log() {
    for skip in 0..3 {
        let disk = SimDisk::new(1);
        let mut core = open(&disk, 0).unwrap();
        fill(&mut core);
        // Of its zeros, of its header, of its name.
        disk.fail(Fault::Sync, skip);
        let outcome = commit(&mut core, vec![append()]).remove(0).unwrap_err();
        let reason = core.shared.failstop.reason().unwrap().to_owned();
        assert!(reason.starts_with("making a WAL file"), "{reason}");
        assert_eq!(outcome, AppendError::Refused(Refused::Stopped(reason)));
    }
}

#[test]
fn a_mark_is_not_worth_another_file() {
    let disk = SimDisk::new(1);
    let mut core = open(&disk, 0).unwrap();
    fill(&mut core);
    assert!(!core.writer.wants_mark(), "nothing is to be done when the log is idle");
    core.writer.mark();
    assert!(disk.contents(&files::name(2)).is_err());
    let before = observe(&core, 2, &mut Random(1)).unwrap();
    drop(core);
    disk.kill();
    // Nor when the log is opened.
    let mut core = open(&disk, 0).unwrap();
    assert!(disk.contents(&files::name(2)).is_err());
    assert_eq!(observe(&core, 2, &mut Random(1)).unwrap(), before);
    let outcomes = commit(&mut core, vec![Work::Append(vec![(SHARD, batch(&mut Random(1)))])]);
    assert!(outcomes[0].is_ok());
    assert!(disk.contents(&files::name(2)).is_ok() && core.writer.wants_mark());
}

fn maker(disk: Arc<dyn Disk>, next: u32) -> Maker {
    Maker { disk, pool: Arc::new(Pool::new(FILE_BYTES, 1)), bytes: FILE_BYTES, next }
}

fn spares(disk: HookedDisk) -> Spares {
    Spares::background(VecDeque::new(), maker(Arc::new(disk), 1)).unwrap()
}

#[test]
fn a_rotation_does_not_wait_for_a_thread_that_panicked() {
    let disk = HookedDisk::new(&SimDisk::new(1), |_, name| panic!("a test panics at {name}"));
    let mut spares = spares(disk);
    let (done, outcome) = mpsc::channel();
    let thread = threads::spawn("takes twice", move || {
        done.send([spares.take().map(drop), spares.take().map(drop)]).unwrap();
    });
    // Ends early if all is well; the time is there for the case that it is not.
    for error in outcome.recv_timeout(Duration::from_secs(30)).expect("it does not wait for ever") {
        assert!(!files::passes(&error.unwrap_err()), "it stops the log");
    }
    thread.unwrap().join().unwrap();
}

#[test]
fn a_file_whose_sync_failed_ahead_of_its_time_is_not_just_made_again() {
    let disk = SimDisk::new(1);
    disk.fail(Fault::Sync, 0);
    let mut spares = spares(HookedDisk::new(&disk, |_, _| Ok(())));
    spares.prepare();
    while !spares.has_failed() {
        std::thread::yield_now();
    }
    assert!(!files::passes(&spares.take().map(drop).unwrap_err()));
}
