//! A bit turned over at the end of a random history: in the WAL, in a segment, in the checkpoint. What is damaged is
//! never served, and what can be proven to be damaged refuses the start.

use super::fixture::observe;
use super::model::{Tally, Trial};
use crate::checkpoint;
use crate::error::OpenError;
use crate::segment::{self, footer};
use crate::wal::files;
use crate::wal::group::{Found, GroupHeader, padded};
use millstream_host::disk::Disk;
use millstream_log::ReadError;

/// A group on the disk.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written {
    pub(super) number: u64,
    pub(super) file: u32,
    pub(super) start: u64,
    /// Header and entries; padding is behind it.
    pub(super) end: u64,
}

impl Trial {
    pub(super) fn rot(mut self, tally: &mut Tally) {
        self.disk.set_capacity(None);
        self.reopen(tally);
        if self.random.one_in(2) {
            self.commit(tally);
        }
        match self.random.below(4) {
            0 => self.rot_in_checkpoint(tally),
            1 => self.rot_in_segment(tally),
            _ => self.rot_in_wal(tally),
        }
    }

    pub(super) fn pick<T: Copy>(&mut self, all: &[T]) -> Option<T> {
        let number = self.random.below((all.len() as u64).max(1));
        all.get(usize::try_from(number).unwrap_or(0)).copied()
    }

    /// Turn over a bit of a file between two of its bytes.
    pub(super) fn flip(&mut self, name: &str, start: u64, end: u64) {
        let offset = start + self.random.below(end - start);
        let bit = self.random.next().to_le_bytes()[0];
        self.disk.flip_bit(name, offset, bit).unwrap();
    }

    fn rot_in_wal(mut self, tally: &mut Tally) {
        let groups = self.groups();
        let Some(group) = self.pick(&groups) else { return };
        let flushed = checkpoint::load(&self.disk).unwrap().map_or(0, |checkpoint| checkpoint.resume.group);
        let newest = groups.last().is_some_and(|last| last.number == group.number);
        self.flip(&files::name(group.file), group.start, group.end);
        // A reader is told, or served what is right from memory.
        let core = self.core.take().expect("open between steps");
        if let Ok(seen) = observe(&core, self.numbers(), &mut self.random) {
            assert_eq!(seen, self.certain);
        }
        drop(core);
        match self.open() {
            Err(OpenError::Corrupt { file, offset, .. }) => {
                assert!(!newest && group.number > flushed, "no later group says that {group:?} was durable");
                let right = (file.as_str(), offset) == (&files::name(group.file), group.start);
                // A header that cannot be read at the start of a file: the end of the file before is as likely.
                let before = group.start == files::FIRST_GROUP && file == files::name(group.file - 1);
                assert!(right || before, "{file} at {offset} is named for {group:?}");
                tally.rot_found += 1;
            }
            // The newest group said that the segment is gone.
            Err(OpenError::MissingFile { .. }) if newest => tally.rot_found += 1,
            Err(error) => panic!("{error}"),
            Ok((core, _)) => {
                let seen = observe(&core, self.numbers(), &mut self.random).unwrap();
                if group.number <= flushed {
                    assert_eq!(seen, self.certain, "segments have it");
                    return;
                }
                // The known limit: no later group is there to tell.
                assert!(newest, "rot in {group:?} was taken for a torn tail");
                assert!(seen == self.before_newest || seen == self.certain);
                tally.rot_as_torn_tail += 1;
            }
        }
    }

    fn rot_in_segment(mut self, tally: &mut Tally) {
        let named = checkpoint::load(&self.disk).unwrap().map(|checkpoint| checkpoint.segments);
        let present = self.disk.list(segment::DIRECTORY).unwrap();
        let named: Vec<_> = named.unwrap_or_default();
        let here = named
            .iter()
            .filter(|(number, ..)| present.iter().any(|name| segment::number(name) == Some(*number)));
        let here: Vec<_> = here.copied().collect();
        let Some((number, bytes, _)) = self.pick(&here) else { return };
        self.core = None;
        let name = segment::name(number);
        // The end, which a start reads, is a small part of most segments: it has its turn.
        let start = if self.random.one_in(3) { bytes - footer::TRAILER as u64 } else { 0 };
        self.flip(&name, start, bytes);
        let core = match self.open() {
            Ok((core, _)) => core,
            Err(OpenError::Corrupt { file, .. }) => {
                assert_eq!(file, name);
                tally.rot_in_segments_refused += 1;
                return;
            }
            Err(error) => panic!("{error}"),
        };
        match observe(&core, self.numbers(), &mut self.random) {
            // Nobody needs that bit: it is of records that are gone, or of the header.
            Ok(seen) => assert_eq!(seen, self.certain),
            Err(ReadError::Corrupt { detail, .. }) => {
                assert!(detail.contains(&name), "{detail}");
                tally.rot_in_segments_not_served += 1;
                assert!(core.shared.stats().failed_reads > 0);
            }
            Err(error) => panic!("{error}"),
        }
    }

    fn rot_in_checkpoint(mut self, tally: &mut Tally) {
        let Some(newest) = checkpoint::list(&self.disk).unwrap().pop() else { return };
        self.core = None;
        let name = checkpoint::name(newest);
        let bytes = self.disk.contents(&name).unwrap().len() as u64;
        self.flip(&name, 0, bytes);
        match self.open() {
            Err(OpenError::Corrupt { file, .. }) => assert_eq!(file, name),
            other => panic!("{:?}", other.map(|(_, report)| report)),
        }
        tally.rot_in_checkpoints += 1;
    }

    /// The groups on the disk, found by their headers in order.
    pub(super) fn groups(&self) -> Vec<Written> {
        let names = self.disk.list(files::DIRECTORY).unwrap();
        let mut groups = Vec::new();
        for file in names.iter().filter_map(|name| files::number(name)) {
            let bytes = self.disk.contents(&files::name(file)).unwrap();
            let Ok(files::FileHeader { salt, .. }) = files::FileHeader::decode(&bytes, file) else {
                continue;
            };
            let mut start = files::FIRST_GROUP;
            while let Some(rest) = bytes.get(usize::try_from(start).unwrap()..)
                && let Found::Header(header) = GroupHeader::find(rest, salt)
            {
                groups.push(Written { number: header.number, file, start, end: start + header.bytes() });
                start += padded(header.bytes());
            }
        }
        groups
    }
}
