//! The control log (`docs/formats/control.md`).

use super::PLAIN;
use crate::seeds::control;
use crate::{Target, Verdict};
use millstream_control::{EntryError, Record, State};
use millstream_control_node::{ControlHandle, OpenError, SnapshotPolicy, open_with};
use millstream_host::clock::ManualClock;
use millstream_log::{Batch, Log, MemoryLog, RetentionClass};
use millstream_types::{LogShard, Position, Timestamp};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

/// Between records in a golden file.
const SEPARATOR: u8 = 0x1e;

pub(super) const CONTROL_RECORD: Target = Target {
    name: "control_record",
    about: "one record of the control log",
    seeds: || records(&control("control-1.log")).map(<[u8]>::to_vec).collect(),
    check: |bytes| Verdict::of(&record(bytes)),
    // A stream may have 20,000 shards.
    memory: (16 << 20, 64),
    ..PLAIN
};

fn records(log: &[u8]) -> impl Iterator<Item = &[u8]> {
    log.split(|byte| *byte == SEPARATOR).filter(|record| !record.is_empty())
}

fn record(bytes: &[u8]) -> Result<(), EntryError> {
    let record = Record::decode(bytes)?;
    let encoded = match &record {
        Record::Entry(entry) => {
            // A refusal is an answer; a panic is not, nor is another state the second time.
            let (mut once, mut twice) = (State::default(), State::default());
            assert_eq!(entry.apply(&mut once).is_ok(), entry.apply(&mut twice).is_ok());
            assert_eq!(once, twice);
            entry.encode()?
        }
        Record::Snapshot(snapshot) => snapshot.encode()?,
        Record::Part(part, content) => [&part.encode_head()?, *content].concat(),
    };
    assert_eq!(Record::decode(&encoded)?, record, "what is written reads as what it was");
    Ok(())
}

pub(super) const CONTROL_SNAPSHOT: Target = Target {
    name: "control_snapshot",
    about: "the state in a snapshot of the control log",
    seeds: || vec![control("control-1.state")],
    check: |bytes| Verdict::of(&State::from_snapshot(bytes).map(|state| same_again(&state))),
    memory: (1 << 20, 64),
    tries: 4_000,
    ..PLAIN
};

fn same_again(state: &State) {
    let (mut lines, mut bytes) = (state.snapshot_lines(), Vec::new());
    while lines.write_next(&mut bytes).expect("a state can be written") {}
    let again = State::from_snapshot(&bytes).expect("what was written can be read");
    assert_eq!(again, *state);
}

pub(super) const CONTROL_LOG: Target = Target {
    name: "control_log",
    about: "replay of a whole control log; its records end at 0x1e",
    seeds: || {
        let whole = control("control-1.log");
        let begin =
            records(&whole).take_while(|record| !record.starts_with(b"{\"snapshot\":{\"begin\"")).count();
        let tail: Vec<u8> =
            records(&whole).skip(begin).flat_map(|record| [&[SEPARATOR], record].concat()).collect();
        let head = records(&whole).take(begin).collect::<Vec<_>>().join(&SEPARATOR);
        vec![[&[0][..], &whole].concat(), [&[1][..], &tail].concat(), [&[0][..], &head].concat()]
    },
    repair: Some(make_snapshots_whole),
    check: replay,
    // The largest stream that a command can ask for has 20,000 shards.
    memory: (32 << 20, 256),
    tries: 500,
    ..PLAIN
};

const NEVER: SnapshotPolicy =
    SnapshotPolicy { commands: u64::MAX, bytes: u64::MAX, percent_of_last: 0, part_bytes: 1_000 };

/// The first byte says whether something was there before that is trimmed.
fn replay(input: &[u8]) -> Verdict {
    let Some((trimmed, log_bytes)) = input.split_first() else { return Verdict::Refused };
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime needs nothing");
    runtime.block_on(async {
        let log: Arc<dyn Log> = Arc::new(MemoryLog::new());
        log.create(LogShard::CONTROL, RetentionClass::Forever).await.expect("memory takes it");
        let mut planted: Vec<&[u8]> = records(log_bytes).collect();
        if trimmed % 2 == 1 {
            planted.insert(0, b"gone");
        }
        for record in &planted {
            let batch = Batch::single(Timestamp::from_millis(1), record);
            let ticket = log.append(vec![(LogShard::CONTROL, batch)], Duration::ZERO).await;
            ticket.expect("memory takes it").durable().await.expect("memory is durable");
        }
        if trimmed % 2 == 1 {
            log.trim(LogShard::CONTROL, Position(1)).await.expect("memory takes it");
        }
        let first = match start(&log).await {
            Err(error) => {
                assert!(error.to_string().len() > 40, "{error}");
                return Verdict::Refused;
            }
            Ok(first) => first,
        };
        same_again(&first.state());
        let second = start(&log).await.expect("what was replayed can be replayed again");
        assert_eq!(*first.state(), *second.state(), "the same log gives the same state");
        Verdict::Read
    })
}

async fn start(log: &Arc<dyn Log>) -> Result<ControlHandle, OpenError> {
    open_with(log.clone(), ManualClock::at(Timestamp::from_millis(1_700_000_000_000)), NEVER).await
}

/// The last record of each snapshot says what its parts are.
fn make_snapshots_whole(input: &mut Vec<u8>) {
    let Some((first, log)) = input.split_first() else { return };
    let (mut out, mut content, mut parts) = (vec![*first], Vec::new(), 0_u64);
    for record in records(log) {
        out.push(SEPARATOR);
        let line = record.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let value: serde_json::Value = serde_json::from_slice(line).unwrap_or_default();
        let snapshot = &value["snapshot"];
        if snapshot["begin"].is_object() {
            (parts, content) = (0, Vec::new());
        } else if snapshot["part"].is_object() {
            parts += 1;
            content.extend_from_slice(record.get(line.len() + 1..).unwrap_or_default());
        } else if let Some(id) = snapshot["end"]["id"].as_u64() {
            let sha256 = Sha256::digest(&content).iter().fold(String::new(), |mut text, byte| {
                write!(text, "{byte:02x}").expect("writing to a String cannot fail");
                text
            });
            let end = json!({"id": id, "parts": parts, "bytes": content.len(), "sha256": sha256});
            out.extend_from_slice(json!({"snapshot": {"end": end}}).to_string().as_bytes());
            continue;
        }
        out.extend_from_slice(record);
    }
    *input = out;
}
