//! What callers see of a disk that fails.

use super::fixture::{FILE_BYTES, Random, batch, commit, observe, open};
use crate::embedded::Core;
use crate::queue::Work;
use millstream_host::disk::{Fault, SimDisk};
use millstream_log::{AppendError, Outcome, Refused, RetentionClass};
use millstream_types::LogShard;

const SHARD: LogShard = LogShard(1);

fn with_a_batch(disk: &SimDisk) -> Core {
    let mut core = open(disk, 0).unwrap();
    let create = Work::Create(SHARD, RetentionClass::Hours(24));
    let outcomes = commit(&mut core, vec![create, append(1)]);
    assert!(outcomes.iter().all(Result::is_ok));
    core
}

fn append(seed: u64) -> Work {
    Work::Append(vec![(SHARD, batch(&mut Random(seed)))])
}

#[test]
fn a_failed_write_or_sync_stops_the_log_for_good() {
    for (fault, what) in [(Fault::Write, "writing to the WAL"), (Fault::Sync, "syncing the WAL")] {
        let disk = SimDisk::new(1);
        let mut core = with_a_batch(&disk);
        let before = observe(&core, 2, &mut Random(1)).unwrap();
        disk.fail(fault, 0);
        let outcomes = commit(&mut core, vec![append(2), append(3)]);
        for outcome in &outcomes {
            let error = outcome.as_ref().unwrap_err();
            assert_eq!(error.outcome(), Outcome::Unknown);
            assert!(error.to_string().contains(what), "{error}");
        }
        let reason = core.shared.failstop.reason().unwrap().to_owned();
        let outcomes = commit(&mut core, vec![append(4)]);
        assert_eq!(outcomes, [Err(AppendError::Refused(Refused::Stopped(reason.clone())))]);
        assert_eq!(core.shared.refusal(), Some(Refused::Stopped(reason)));
        assert_eq!(observe(&core, 2, &mut Random(1)).unwrap(), before, "reads of durable data go on");
    }
}

#[test]
fn a_full_disk_refuses_and_recovers_by_itself() {
    let disk = SimDisk::new(1);
    let mut core = with_a_batch(&disk);
    disk.set_capacity(Some(disk.used() + FILE_BYTES / 2));
    let mut seed = 2;
    let refused = loop {
        seed += 1;
        let outcome = commit(&mut core, vec![append(seed)]).remove(0);
        if let Err(error) = outcome {
            break error;
        }
        assert!(seed < 1_000, "the file is never full");
    };
    assert_eq!(refused, AppendError::Refused(Refused::NoSpace));
    assert_eq!(refused.outcome(), Outcome::NotDone);
    assert_eq!(core.shared.failstop.reason(), None);
    let before = observe(&core, 2, &mut Random(1)).unwrap();
    disk.set_capacity(None);
    assert!(commit(&mut core, vec![append(seed)])[0].is_ok());
    assert_ne!(observe(&core, 2, &mut Random(1)).unwrap(), before);
}

#[test]
fn a_failed_read_is_an_error_of_that_read_only() {
    let disk = SimDisk::new(1);
    let core = with_a_batch(&disk);
    disk.fail(Fault::Read, 0);
    assert!(observe(&core, 2, &mut Random(1)).is_err());
    assert!(observe(&core, 2, &mut Random(1)).is_ok());
    assert_eq!(core.shared.failstop.reason(), None);
}
