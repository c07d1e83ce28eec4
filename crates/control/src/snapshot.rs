//! Snapshots of the state, as records of the control log. See `docs/formats/control.md`.

use crate::{Account, Entry, EntryError, Function, Layer, Mapping, Queue, State, Stream};
use imbl::OrdMap;
use millstream_types::{LogShard, Position, Timestamp};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::{fmt, io, iter};

/// The form of a snapshot's content that this version writes and reads.
pub const SNAPSHOT_FORMAT: u32 = 1;

/// How a snapshot's records begin, and no command's does.
const MARK: &[u8] = br#"{"snapshot":"#;

/// One record of the control log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record<'a> {
    Entry(Entry),
    Snapshot(SnapshotRecord),
    /// A piece of the state's encoding, with the bytes themselves.
    Part(SnapshotPart, &'a [u8]),
}

/// What a snapshot has beside its parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SnapshotRecord {
    /// The state as it is here: all commands before this record are in it, and none after.
    Begin(SnapshotBegin),
    End(SnapshotEnd),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnapshotBegin {
    /// Counted from 1; a snapshot that was given up has used its number.
    pub id: u64,
    pub format: u32,
    pub at: Timestamp,
    /// Commands before it since the log's beginning, also those that are trimmed.
    pub commands: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnapshotPart {
    pub id: u64,
    /// Counted from 0.
    pub number: u64,
}

/// Only with this record is a snapshot whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnapshotEnd {
    pub id: u64,
    pub parts: u64,
    /// Of all parts together, without their first lines.
    pub bytes: u64,
    /// SHA-256 of these bytes, 64 hexadecimal digits.
    pub sha256: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope<T> {
    snapshot: T,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Any {
    Begin(SnapshotBegin),
    Part(SnapshotPart),
    End(SnapshotEnd),
}

impl<'a> Record<'a> {
    /// # Errors
    /// `Unreadable` for whatever this version does not know: to skip it would make another state.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, EntryError> {
        if !bytes.starts_with(MARK) {
            return Ok(Self::Entry(serde_json::from_slice(bytes)?));
        }
        // JSON without blanks holds no line end, so the first one is where a part's bytes begin.
        let line_end = bytes.iter().position(|byte| *byte == b'\n');
        let (line, body) = line_end.map_or((bytes, None), |end| (&bytes[..end], Some(&bytes[end + 1..])));
        let Envelope { snapshot } = serde_json::from_slice(line)?;
        match (snapshot, body) {
            (Any::Begin(begin), None) => Ok(Self::Snapshot(SnapshotRecord::Begin(begin))),
            (Any::End(end), None) => Ok(Self::Snapshot(SnapshotRecord::End(end))),
            (Any::Part(part), Some(body)) => Ok(Self::Part(part, body)),
            (Any::Part(_), None) => Err(EntryError::Form("a part of a snapshot without its bytes")),
            (Any::Begin(_) | Any::End(_), Some(_)) => {
                Err(EntryError::Form("bytes after a snapshot's first or last record"))
            }
        }
    }
}

impl SnapshotRecord {
    pub fn encode(&self) -> Result<Vec<u8>, EntryError> {
        Ok(serde_json::to_vec(&Envelope { snapshot: self })?)
    }
}

impl SnapshotPart {
    /// What stands before the part's bytes.
    pub fn encode_head(self) -> Result<Vec<u8>, EntryError> {
        let mut head = serde_json::to_vec(&Envelope { snapshot: Any::Part(self) })?;
        head.push(b'\n');
        Ok(head)
    }
}

/// One line of a snapshot's content.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Item {
    Numbers {
        last_log_shard: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        event_journal: Option<LogShard>,
    },
    Stream(Arc<Stream>),
    Function(Arc<Function>),
    Layer(Arc<Layer>),
    Mapping(Arc<Mapping>),
    Queue(Arc<Queue>),
    Checkpoints {
        mapping: String,
        positions: OrdMap<LogShard, Position>,
    },
    Account {
        home: String,
        settings: Arc<Account>,
    },
}

/// A state on its way to its encoding, a line at a time, so that a large one needs neither all its bytes at once nor all
/// the time at once. The same state gives the same lines.
pub struct SnapshotLines {
    items: Box<dyn Iterator<Item = Item> + Send + Sync>,
}

impl fmt::Debug for SnapshotLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnapshotLines").finish_non_exhaustive()
    }
}

impl SnapshotLines {
    /// Write the next line, or false if there is none.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_next(&mut self, mut out: impl io::Write) -> Result<bool, EntryError> {
        let Some(item) = self.items.next() else { return Ok(false) };
        serde_json::to_writer(&mut out, &item)?;
        out.write_all(b"\n").map_err(serde_json::Error::io)?;
        Ok(true)
    }
}

impl State {
    /// All of it, in the order of its names.
    pub fn snapshot_lines(&self) -> SnapshotLines {
        // Every member by name: one that is added must not be forgotten here.
        let Self {
            streams,
            functions,
            layers,
            mappings,
            queues,
            checkpoints,
            accounts,
            event_journal,
            last_log_shard,
        } = self.clone();
        let items = iter::once(Item::Numbers { last_log_shard, event_journal })
            .chain(streams.into_iter().map(|(_, stream)| Item::Stream(stream)))
            .chain(functions.into_iter().map(|(_, function)| Item::Function(function)))
            .chain(layers.into_iter().map(|(_, layer)| Item::Layer(layer)))
            .chain(mappings.into_iter().map(|(_, mapping)| Item::Mapping(mapping)))
            .chain(queues.into_iter().map(|(_, queue)| Item::Queue(queue)))
            .chain(
                checkpoints.into_iter().map(|(mapping, positions)| Item::Checkpoints { mapping, positions }),
            )
            .chain(accounts.into_iter().map(|(home, settings)| Item::Account { home, settings }));
        SnapshotLines { items: Box::new(items) }
    }

    /// Read the lines of [`State::snapshot_lines`].
    ///
    /// # Errors
    /// `Unreadable` for a line or a member that this version does not know.
    pub fn from_snapshot(lines: &[u8]) -> Result<Self, EntryError> {
        let mut state = Self::default();
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            match serde_json::from_slice(line)? {
                Item::Numbers { last_log_shard, event_journal } => {
                    state.last_log_shard = last_log_shard;
                    state.event_journal = event_journal;
                }
                Item::Stream(stream) => drop(state.streams.insert(stream.name.clone(), stream)),
                Item::Function(function) => drop(state.functions.insert(function.name.clone(), function)),
                Item::Layer(layer) => drop(state.layers.insert(layer.name.clone(), layer)),
                Item::Mapping(mapping) => drop(state.mappings.insert(mapping.uuid.clone(), mapping)),
                Item::Queue(queue) => drop(state.queues.insert(queue.id.clone(), queue)),
                Item::Account { home, settings } => drop(state.accounts.insert(home, settings)),
                Item::Checkpoints { mapping, positions } => {
                    drop(state.checkpoints.insert(mapping, positions));
                }
            }
        }
        Ok(state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_what_it_was_written() {
        let begin =
            SnapshotBegin { id: 3, format: SNAPSHOT_FORMAT, at: Timestamp::from_millis(7), commands: 40_000 };
        let end = SnapshotEnd { id: 3, parts: 2, bytes: 5, sha256: "ab".into() };
        for record in [SnapshotRecord::Begin(begin), SnapshotRecord::End(end)] {
            let bytes = record.encode().unwrap();
            assert_eq!(Record::decode(&bytes).unwrap(), Record::Snapshot(record.clone()));
        }
        let part = SnapshotPart { id: 3, number: 1 };
        let mut bytes = part.encode_head().unwrap();
        // Parts are cut anywhere, also inside a character.
        bytes.extend_from_slice(b"\xa4\n{");
        assert_eq!(Record::decode(&bytes).unwrap(), Record::Part(part, b"\xa4\n{"));
    }

    #[test]
    fn other_records_are_refused() {
        for bytes in [
            &br#"{"snapshot":{"begin":{"id":1,"format":1,"at":0,"commands":0,"mood":"good"}}}"#[..],
            br#"{"snapshot":{"middle":{"id":1}}}"#,
            br#"{"snapshot":{"part":{"id":1,"number":0}}}"#,
            b"{\"snapshot\":{\"end\":{\"id\":1,\"parts\":0,\"bytes\":0,\"sha256\":\"\"}}}\nmore",
            br#"{"snapshot":{"part":{"id":1,"number":0}},"at":1}"#,
            br#"{"at":1}"#,
            b"",
        ] {
            assert!(Record::decode(bytes).is_err(), "{}", String::from_utf8_lossy(bytes));
        }
    }

    /// What protects a data directory from the program of before snapshots: it reads entries alone.
    #[test]
    fn no_snapshot_record_is_a_command() {
        let end = SnapshotEnd { id: 3, parts: 2, bytes: 5, sha256: "ab".into() };
        for bytes in [
            SnapshotRecord::End(end).encode().unwrap(),
            SnapshotPart { id: 3, number: 1 }.encode_head().unwrap(),
        ] {
            assert!(serde_json::from_slice::<Entry>(&bytes).is_err());
        }
    }
}
