//! Records of the journal. See `docs/formats/events.md`.

use crate::event::{Event, Outcome};
use bytes::Bytes;
use millstream_types::Timestamp;
use serde::{Deserialize, Serialize};

/// What this version writes and reads.
const FORMAT: u32 = 1;

/// One record of the journal, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    Whole(Box<Whole>),
    /// The function failed once more with it.
    Failed {
        id: u64,
        failed: u32,
        due: Timestamp,
    },
    /// Nothing is left to be done with these.
    Done(Vec<u64>),
}

/// All there is to know of an event: it replaces what older records say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Whole {
    pub(crate) event: Event,
    pub(crate) failed: u32,
    pub(crate) due: Timestamp,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) payload: Bytes,
    /// What the function answered, if that is to be told.
    pub(crate) response: Bytes,
}

/// The first line of a record.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    format: u32,
    entry: Stored,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Stored {
    Event(Box<StoredEvent>),
    Failed { id: u64, failed: u32, due: Timestamp },
    Done { ids: Vec<u64> },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredEvent {
    event: Event,
    #[serde(default, skip_serializing_if = "is_zero")]
    failed: u32,
    due: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    outcome: Option<Outcome>,
    /// Bytes of the payload; what is behind it is the response.
    payload: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands references")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum EntryError {
    #[error("a record of the journal of events cannot be read: {0}")]
    Unreadable(#[from] serde_json::Error),
    #[error("a record of the journal of events is shorter than it says")]
    Short,
    #[error("a record of the journal of events has format {0}, which a newer version of Millstream wrote")]
    Format(u32),
}

#[derive(Deserialize)]
struct FormatOnly {
    format: u32,
}

impl Entry {
    pub(crate) fn encode(&self) -> Result<Vec<u8>, EntryError> {
        let (entry, payload, response) = match self {
            Self::Whole(whole) => {
                let Whole { event, failed, due, outcome, payload, response } = *whole.clone();
                let stored = StoredEvent { event, failed, due, outcome, payload: payload.len() };
                (Stored::Event(Box::new(stored)), payload, response)
            }
            Self::Failed { id, failed, due } => {
                (Stored::Failed { id: *id, failed: *failed, due: *due }, Bytes::new(), Bytes::new())
            }
            Self::Done(ids) => (Stored::Done { ids: ids.clone() }, Bytes::new(), Bytes::new()),
        };
        let mut out = serde_json::to_vec(&Head { format: FORMAT, entry })?;
        out.reserve(1 + payload.len() + response.len());
        out.push(b'\n');
        out.extend_from_slice(&payload);
        out.extend_from_slice(&response);
        Ok(out)
    }

    pub(crate) fn decode(record: &Bytes) -> Result<Self, EntryError> {
        let end = record.iter().position(|byte| *byte == b'\n').ok_or(EntryError::Short)?;
        let head = &record[..end];
        let body = record.slice(end + 1..);
        // What another version wrote is told by its number, whatever else is in it.
        let FormatOnly { format } = serde_json::from_slice(head)?;
        if format != FORMAT {
            return Err(EntryError::Format(format));
        }
        let Head { entry, .. } = serde_json::from_slice(head)?;
        Ok(match entry {
            Stored::Event(stored) => {
                let StoredEvent { event, failed, due, outcome, payload } = *stored;
                if body.len() < payload {
                    return Err(EntryError::Short);
                }
                let (payload, response) = (body.slice(..payload), body.slice(payload..));
                Self::Whole(Box::new(Whole { event, failed, due, outcome, payload, response }))
            }
            Stored::Failed { id, failed, due } => Self::Failed { id, failed, due },
            Stored::Done { ids } => Self::Done(ids),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Address, Answer, Condition};
    use millstream_host::fs;
    use std::path::Path;

    const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/events-1.log");
    /// In front of each record of the golden file. None has it: JSON holds no control characters.
    const SEPARATOR: u8 = 0x1e;

    fn event(id: u64, qualifier: Option<&str>) -> Event {
        Event {
            id,
            request: format!("00000000-0000-4000-8000-00000000000{id}"),
            function: "enrich".into(),
            arn: "arn:aws:lambda:us-east-1:000000000000:function:enrich".into(),
            qualifier: qualifier.map(str::to_owned),
            accepted: Timestamp::from_millis(1_700_000_000_123),
            trace: qualifier.map(|_| "Root=1-5759e988-bd862e3fe1be46a994272793".into()),
        }
    }

    fn entries() -> Vec<Entry> {
        let due = Timestamp::from_millis(1_700_000_060_123);
        let plain = Whole {
            event: event(1, None),
            failed: 0,
            due: Timestamp::from_millis(1_700_000_000_123),
            outcome: None,
            payload: Bytes::from_static(b"{\"name\":\n\"Stra\xc3\x9fe\"}"),
            response: Bytes::new(),
        };
        let outcome = Outcome {
            condition: Condition::RetriesExhausted,
            at: due,
            count: 3,
            answer: Some(Answer { status: 200, version: Some("7".into()), error: Some("Unhandled".into()) }),
            to: vec![
                Address::Destination("arn:aws:sqs:us-east-1:000000000000:failures".into()),
                Address::DeadLetters("arn:aws:sns:us-east-1:000000000000:dead".into()),
            ],
        };
        let over = Whole {
            event: event(2, Some("live")),
            failed: 3,
            due,
            outcome: Some(outcome),
            payload: Bytes::from_static(b"[]"),
            response: Bytes::from_static(b"{\"errorMessage\":\"no\"}"),
        };
        vec![
            Entry::Whole(Box::new(plain)),
            Entry::Whole(Box::new(over)),
            Entry::Failed { id: 1, failed: 1, due },
            Entry::Done(vec![1, 2]),
        ]
    }

    #[test]
    fn what_is_written_is_read() {
        for entry in entries() {
            let record = Bytes::from(entry.encode().unwrap());
            assert_eq!(Entry::decode(&record).unwrap(), entry);
        }
    }

    /// Written by the version that made format 1. Every later one must read it.
    #[test]
    fn format_1_is_read() {
        let bytes = fs::read(Path::new(GOLDEN)).unwrap();
        let records = bytes.split(|byte| *byte == SEPARATOR).skip(1);
        let read: Vec<Entry> =
            records.map(|record| Entry::decode(&Bytes::copy_from_slice(record)).unwrap()).collect();
        assert_eq!(read, entries());
    }

    #[test]
    #[ignore = "makes the golden file, which is made once"]
    fn make_golden() {
        let mut bytes = Vec::new();
        for entry in entries() {
            bytes.push(SEPARATOR);
            bytes.extend(entry.encode().unwrap());
        }
        fs::create_dir_all(Path::new(GOLDEN).parent().unwrap()).unwrap();
        fs::write(Path::new(GOLDEN), &bytes).unwrap();
    }

    #[test]
    fn what_is_not_known_is_refused() {
        let newer = Bytes::from_static(b"{\"format\":2,\"entry\":{\"other\":1}}\n");
        assert!(matches!(Entry::decode(&newer), Err(EntryError::Format(2))));
        for record in [
            &b"{\"format\":1,\"entry\":{\"done\":{\"ids\":[1]}}}"[..],
            b"{\"format\":1,\"entry\":{\"done\":{\"ids\":[1],\"mood\":1}}}\n",
            b"{\"format\":1,\"entry\":{\"gone\":{}}}\n",
            b"\n",
            b"",
        ] {
            let record = Bytes::copy_from_slice(record);
            assert!(Entry::decode(&record).is_err(), "{record:?}");
        }
        let mut cut = entries()[0].encode().unwrap();
        cut.truncate(cut.len() - 1);
        assert!(matches!(Entry::decode(&Bytes::from(cut)), Err(EntryError::Short)));
    }
}
