//! What reads of the disk take, and give back.

use super::hooked::{Call, HookedDisk};
use crate::caps;
use crate::embedded::EmbeddedLog;
use millstream_host::disk::SimDisk;
use millstream_log::{Batch, Log, ReadLimit, RetentionClass};
use millstream_types::{LogShard, Position, Timestamp};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

const SHARD: LogShard = LogShard(1);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_whose_caller_is_gone_holds_its_permit_until_it_is_done() {
    let held = Arc::new(AtomicBool::new(false));
    let (entered, entries) = mpsc::channel();
    let (release, releases) = mpsc::channel::<()>();
    let (hook_held, releases) = (Arc::clone(&held), Mutex::new(releases));
    let disk = HookedDisk::new(&SimDisk::new(1), move |call, _| {
        if call == Call::Read && hook_held.load(Ordering::SeqCst) {
            entered.send(()).unwrap();
            // An error says that the test is over.
            if releases.lock().unwrap().recv().is_err() {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
        }
        Ok(())
    });
    let log = Arc::new(EmbeddedLog::open(&disk.options()).unwrap().0);
    log.create(SHARD, RetentionClass::Hours(24)).await.unwrap();
    let batch = (SHARD, Batch::single(Timestamp::ZERO, b"a record"));
    log.append(vec![batch], Duration::from_secs(30)).await.unwrap().durable().await.unwrap();
    held.store(true, Ordering::SeqCst);
    let reader = Arc::clone(&log);
    let read = tokio::spawn(async move {
        reader.read(SHARD, Position::ZERO, ReadLimit { records: 1, bytes: 1_000 }).await
    });
    entries.recv().unwrap();
    read.abort();
    assert!(read.await.unwrap_err().is_cancelled());
    assert_eq!(log.reads.available_permits(), caps::CONCURRENT_READS - 1, "the disk is still at it");
    held.store(false, Ordering::SeqCst);
    release.send(()).unwrap();
    let all = u32::try_from(caps::CONCURRENT_READS).unwrap();
    drop(log.reads.acquire_many(all).await.unwrap());
}
