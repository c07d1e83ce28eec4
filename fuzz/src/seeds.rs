//! Good inputs: the golden files of the crates, and a data directory made here.

use millstream_host::disk::{Disk, SimDisk};
use millstream_host::{clock, entropy, fs};
use millstream_log::{BatchBuilder, Log, RetentionClass};
use millstream_log_embedded::{Driver, EmbeddedLog, Options};
use millstream_types::{LogShard, Position, Timestamp};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// Files by their names below a data directory.
pub(crate) type Files = Vec<(String, Vec<u8>)>;

/// The golden data directories, in order of their names, and one with segments, checkpoints and recycled files.
pub(crate) static DIRECTORIES: LazyLock<Vec<Files>> = LazyLock::new(|| {
    let golden = golden("log-embedded");
    let mut directories: Vec<Files> = list(&golden).iter().map(|directory| files(directory)).collect();
    directories.push(flushed());
    directories
});

/// The directory of a crate's golden files.
fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates").join(name).join("tests/golden")
}

/// A golden file of the control log.
pub(crate) fn control(name: &str) -> Vec<u8> {
    fs::read(&golden("control-node").join(name)).expect("the golden files are checked in")
}

fn list(directory: &Path) -> Vec<PathBuf> {
    let entries = directory.read_dir().expect("the golden files are checked in");
    let mut paths: Vec<PathBuf> =
        entries.map(|entry| entry.expect("the golden files can be listed").path()).collect();
    paths.sort();
    paths
}

fn files(directory: &Path) -> Files {
    let mut files = Files::new();
    for path in list(directory) {
        let below = if path.is_dir() { list(&path) } else { vec![path] };
        for path in below.iter().filter(|path| path.is_file()) {
            let name = path.strip_prefix(directory).expect("it was listed there").display().to_string();
            files.push((name, fs::read(path).expect("the golden files can be read")));
        }
    }
    files
}

/// The smallest of everything, so that a few calls make all kinds of files.
pub(crate) fn options(disk: &SimDisk) -> Options {
    Options {
        wal_file_bytes: 32 << 10,
        memory_tail_bytes: 0,
        flush_bytes: 64 << 10,
        replay_bytes: 256 << 10,
        ..Options::new(Arc::new(disk.clone()))
    }
}

/// What a future gives that waits for nothing.
pub(crate) fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("a log that is driven keeps nobody waiting"),
    }
}

/// A call that the driver carries out.
pub(crate) fn driven<T>(driver: &mut Driver, call: impl Future<Output = T>) -> T {
    let mut call = pin!(call);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..3 {
        if let Poll::Ready(value) = call.as_mut().poll(&mut context) {
            return value;
        }
        driver.step();
    }
    panic!("a log that is driven does what it is asked in one step")
}

const SHARDS: u64 = 5;

/// Some hundred small groups: five shards of two retentions, trims, a drop, flushes, and a tail that is in the WAL alone.
fn flushed() -> Files {
    let _seeded = entropy::seed(3);
    let disk = SimDisk::new(3);
    let clock = clock::ManualClock::at(Timestamp::from_millis(1_700_000_000_000));
    let (log, mut driver, _) =
        EmbeddedLog::open_driven(&options(&disk), clock).expect("a new log can be opened");
    for shard in 0..SHARDS {
        let class = if shard == 0 { RetentionClass::Forever } else { RetentionClass::Hours(24) };
        driven(&mut driver, log.create(LogShard(shard), class)).expect("there is no such shard yet");
    }
    for group in 0..50_u64 {
        let batches = (0..SHARDS).filter(|shard| group % (shard + 1) == 0 && (*shard != 4 || group < 25));
        let batches = batches.map(|shard| {
            let mut builder = BatchBuilder::default();
            for record in 0..=group % 3 {
                builder.push(format!("{shard} has record {record} of group {group}").as_bytes());
            }
            (LogShard(shard), builder.finish(Timestamp::from_millis(1_700_000_000_000 + group)))
        });
        let append = async { log.append(batches.collect(), Duration::ZERO).await?.durable().await };
        driven(&mut driver, append).expect("the disk has room");
        driver.step();
        match group {
            20 => driven(&mut driver, log.trim(LogShard(1), Position(9))).expect("the shard is there"),
            30 => driven(&mut driver, log.drop_shard(LogShard(4))).expect("the shard is there"),
            _ => {}
        }
    }
    let mut files = Files::new();
    for directory in ["", "checkpoint", "segments", "wal"] {
        for name in disk.list(directory).expect("a simulated disk can be listed") {
            let name = if directory.is_empty() { name } else { format!("{directory}/{name}") };
            files.push((name.clone(), disk.contents(&name).expect("it was listed")));
        }
    }
    drop(driver);
    drop(log);
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_kinds_of_files_are_there() {
        let made = DIRECTORIES.last().unwrap();
        for kind in ["FORMAT", ".wal", ".seg", ".ckp", ".spare"] {
            assert!(made.iter().any(|(name, _)| name.ends_with(kind)), "{kind}: {:?}", names(made));
        }
        assert_eq!(*made, flushed(), "the same every time");
        assert!(DIRECTORIES.len() > 1);
    }

    fn names(files: &Files) -> Vec<(&str, usize)> {
        files.iter().map(|(name, bytes)| (name.as_str(), bytes.len())).collect()
    }
}
