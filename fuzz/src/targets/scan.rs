//! What a data directory holds, found by looking at every place where something may be. Knows the formats from
//! `docs/formats/` and nothing of the code under test.

use super::repair::{u32_at, u64_at};
use crate::seeds::Files;
use std::collections::BTreeMap;

/// Batches by shard and first position: timestamp, count, bytes.
pub(super) type Batches = BTreeMap<(u64, u64), (u64, usize, Vec<u8>)>;

/// Header and body of each group, in the files' order.
pub(super) fn groups(file: &[u8]) -> impl Iterator<Item = &[u8]> {
    (4_096..file.len()).step_by(4_096).filter_map(|at| {
        let group = file[at..].strip_prefix(b"MSWG").map(|_| &file[at..])?;
        group.get(..64 + u32_at(group, 32)?)
    })
}

/// The frames of a segment.
pub(super) fn frames(file: &[u8]) -> Vec<&[u8]> {
    let footer = file.len().checked_sub(32).and_then(|at| u64_at(file, at)).unwrap_or(0);
    let mut rest = usize::try_from(footer).ok().and_then(|end| file.get(64..end)).unwrap_or_default();
    let mut frames = Vec::new();
    // Where records are gone, there are zeros.
    while let Some(end) = u32_at(rest, 28).map(|length| 40 + length).filter(|end| *end <= rest.len()) {
        frames.push(&rest[..end]);
        rest = &rest[end..];
    }
    frames
}

/// Every batch that was ever written and is still to be seen, whatever the log says of it.
pub(super) fn batches(files: &Files) -> Batches {
    let mut found = Batches::new();
    for (name, file) in files {
        if name.starts_with("segments/") {
            for frame in frames(file) {
                note(&mut found, frame, [0, 8, 16], 24);
            }
        }
        for group in groups(file).filter(|_| name.starts_with("wal/")) {
            let mut rest = &group[64..];
            while let Some(end) = u32_at(rest, 32).map(|length| 40 + length).filter(|end| *end <= rest.len())
            {
                if rest[0] == 1 {
                    note(&mut found, &rest[..end], [8, 16, 24], 4);
                }
                rest = &rest[end..];
            }
        }
    }
    found
}

fn note(found: &mut Batches, bytes: &[u8], [shard, first, timestamp]: [usize; 3], count: usize) {
    let field = |at| u64_at(bytes, at).unwrap_or(0);
    let batch = (field(timestamp), u32_at(bytes, count).unwrap_or(0), bytes[40..].to_vec());
    if batch.1 > 0 {
        found.insert((field(shard), field(first)), batch);
    }
}
