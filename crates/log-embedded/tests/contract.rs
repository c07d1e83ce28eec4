//! The embedded log keeps the contract, on a simulated disk and on the machine's own, with memory for everything and
//! with memory for nothing.

use millstream_host::disk::{Disk, OsDisk, SimDisk};
use millstream_log::{Log, contract};
use millstream_log_embedded::{EmbeddedLog, Options};
use std::sync::Arc;

fn open(disk: Arc<dyn Disk>, memory_tail_bytes: u64) -> Arc<dyn Log> {
    let options = Options { wal_file_bytes: 256 << 10, memory_tail_bytes, ..Options::new(disk) };
    Arc::new(EmbeddedLog::open(&options).expect("the log opens").0)
}

#[tokio::test]
async fn on_a_simulated_disk() {
    contract::all(async || open(Arc::new(SimDisk::new(1)), 1 << 20)).await;
}

#[tokio::test]
async fn on_a_simulated_disk_with_short_io_and_nothing_kept_in_memory() {
    contract::all(async || {
        let disk = SimDisk::new(2);
        disk.set_short_io(true);
        open(Arc::new(disk), 0)
    })
    .await;
}

#[tokio::test]
async fn on_the_machines_disk() {
    let directory = tempfile::tempdir().unwrap();
    let count = std::sync::atomic::AtomicU32::new(0);
    contract::all(async || {
        let number = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        open(Arc::new(OsDisk::open(directory.path().join(number.to_string())).unwrap()), 1 << 20)
    })
    .await;
}

#[tokio::test]
async fn reopened_on_a_simulated_disk() {
    let disk = SimDisk::new(3);
    contract::durable(async || open(Arc::new(disk.clone()), 1 << 20)).await;
}

#[tokio::test]
async fn reopened_after_power_cuts() {
    for seed in 0..100 {
        let disk = SimDisk::new(seed);
        contract::durable(async || {
            disk.crash();
            open(Arc::new(disk.clone()), 0)
        })
        .await;
    }
}

#[tokio::test]
async fn reopened_on_the_machines_disk() {
    let directory = tempfile::tempdir().unwrap();
    contract::durable(async || open(Arc::new(OsDisk::open(directory.path()).unwrap()), 0)).await;
}
