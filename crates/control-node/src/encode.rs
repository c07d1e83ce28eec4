//! From a state to the records of its snapshot.

use bytes::{BufMut, BytesMut};
use millstream_control::{EntryError, SnapshotEnd, SnapshotLines, SnapshotPart, SnapshotRecord, State};
use millstream_log::{Batch, BatchBuilder};
use millstream_types::Timestamp;
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// The records that follow a snapshot's first one, made one at a time. No thread of its own: what comes between two of
/// them is then the same in every run of a simulation.
#[derive(Debug)]
pub(crate) struct Encoder {
    id: u64,
    part_bytes: usize,
    lines: SnapshotLines,
    /// Encoded, and not yet in a part.
    ready: BytesMut,
    parts: u64,
    bytes: u64,
    hash: Sha256,
}

/// The next record, alone in its batch.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) batch: Batch,
    /// If it is the last one: the bytes of the whole state.
    pub(crate) end: Option<u64>,
}

impl Encoder {
    pub(crate) fn new(state: &State, id: u64, part_bytes: usize) -> Self {
        let (lines, part_bytes) = (state.snapshot_lines(), part_bytes.max(1));
        Self { id, part_bytes, lines, ready: BytesMut::new(), parts: 0, bytes: 0, hash: Sha256::new() }
    }

    pub(crate) fn next_piece(&mut self, at: Timestamp) -> Result<Piece, EntryError> {
        while self.ready.len() < self.part_bytes && self.lines.write_next((&mut self.ready).writer())? {}
        if self.ready.is_empty() {
            let sha256 = hex(&self.hash.clone().finalize());
            let end = SnapshotEnd { id: self.id, parts: self.parts, bytes: self.bytes, sha256 };
            let record = SnapshotRecord::End(end).encode()?;
            return Ok(Piece { batch: Batch::single(at, &record), end: Some(self.bytes) });
        }
        let content = self.ready.split_to(self.part_bytes.min(self.ready.len()));
        let head = SnapshotPart { id: self.id, number: self.parts }.encode_head()?;
        self.hash.update(&content);
        self.parts += 1;
        self.bytes += content.len() as u64;
        let mut batch = BatchBuilder::with_capacity(head.len() + content.len() + BatchBuilder::OVERHEAD);
        batch.push_parts(&[&head, &content]);
        Ok(Piece { batch: batch.finish(at), end: None })
    }
}

/// SHA-256 of a state's lines, as a snapshot's last record has it.
pub(crate) fn hash_of(state: &State) -> Result<String, EntryError> {
    let (mut lines, mut line, mut hash) = (state.snapshot_lines(), Vec::new(), Sha256::new());
    while lines.write_next(&mut line)? {
        hash.update(&line);
        line.clear();
    }
    Ok(hex(&hash.finalize()))
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(digest: &[u8]) -> String {
    digest.iter().fold(String::with_capacity(2 * digest.len()), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a String cannot fail");
        text
    })
}
