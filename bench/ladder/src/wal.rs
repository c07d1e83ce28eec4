//! The least a durable server does: one file, one writer, one fdatasync for all that waits.

use anyhow::{Context as _, Result, ensure};
use std::fs::File;
use std::io::{IoSlice, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use tokio::sync::{mpsc, oneshot};

/// Bytes that one group takes at most, as the embedded log does.
const GROUP_BYTES: usize = 8 << 20;

/// Groups begin at multiples of it.
const BLOCK: usize = 4_096;

/// Slices that one write may have (Linux: `IOV_MAX`).
const SLICES: usize = 1_024;

/// Calls that may wait for the writer.
const WAITING: usize = 4_096;

type Call = (Vec<u8>, oneshot::Sender<()>);

#[derive(Debug)]
pub(crate) struct Wal(mpsc::Sender<Call>);

impl Wal {
    /// Writes the whole file once, so that no later write has to find room, then starts the writer.
    pub(crate) fn start(path: &Path, bytes: u64) -> Result<Self> {
        ensure!(bytes >= 2 * GROUP_BYTES as u64, "the file must hold some groups");
        let mut file = File::create(path).with_context(|| format!("cannot make {}", path.display()))?;
        let zeros = vec![0_u8; 1 << 20];
        let mut written = 0;
        while written < bytes {
            file.write_all(&zeros).context("cannot fill the file")?;
            written += zeros.len() as u64;
        }
        file.sync_all().context("cannot sync the file")?;
        file.seek(SeekFrom::Start(0))?;
        let (sender, receiver) = mpsc::channel(WAITING);
        let writer = Writer { file, at: 0, bytes, receiver };
        std::thread::Builder::new().name("wal".to_owned()).spawn(move || writer.run())?;
        Ok(Self(sender))
    }

    /// Returns when the bytes are on the disk.
    pub(crate) async fn write(&self, bytes: Vec<u8>) -> Result<()> {
        let (done, durable) = oneshot::channel();
        self.0.send((bytes, done)).await.context("the writer has stopped")?;
        durable.await.context("the writer has stopped")
    }
}

#[derive(Debug)]
struct Writer {
    file: File,
    at: u64,
    bytes: u64,
    receiver: mpsc::Receiver<Call>,
}

impl Writer {
    fn run(mut self) {
        let mut group = Vec::new();
        while let Some(first) = self.receiver.blocking_recv() {
            let mut length = first.0.len();
            group.push(first);
            while length < GROUP_BYTES && group.len() + 1 < SLICES {
                let Ok(next) = self.receiver.try_recv() else { break };
                length += next.0.len();
                group.push(next);
            }
            if let Err(error) = self.commit(&group, length) {
                eprintln!("the write-ahead log of the ladder: {error:#}");
                return;
            }
            for (_, done) in group.drain(..) {
                // A connection that has gone is told nothing.
                done.send(()).unwrap_or_default();
            }
        }
    }

    fn commit(&mut self, group: &[Call], length: usize) -> Result<()> {
        let padding = [0_u8; BLOCK];
        let whole = length.next_multiple_of(BLOCK);
        if self.at + whole as u64 > self.bytes {
            self.at = 0;
            self.file.seek(SeekFrom::Start(0))?;
        }
        let mut slices: Vec<IoSlice<'_>> = group.iter().map(|(bytes, _)| IoSlice::new(bytes)).collect();
        slices.push(IoSlice::new(&padding[..whole - length]));
        let mut rest = slices.as_mut_slice();
        let mut left = whole;
        while left > 0 {
            let written = self.file.write_vectored(rest).context("cannot write")?;
            ensure!(written > 0, "nothing was written");
            IoSlice::advance_slices(&mut rest, written);
            left -= written;
        }
        self.at += whole as u64;
        self.file.sync_data().context("cannot sync")
    }
}
