//! A snapshot that is not certain stops the start, in words that say what to do.

use crate::commands::stream;
use crate::crash_log::CrashLog;
use crate::{NEVER, often, settle, start, submit};
use bytes::Bytes;
use millstream_control::{Record, SnapshotEnd, SnapshotPart, SnapshotRecord};
use millstream_control_node::{OpenError, SnapshotError};
use millstream_log::Log;
use millstream_types::{LogShard, Position};
use sha2::{Digest, Sha256};

/// Three commands, then the records of a snapshot of them.
async fn whole_log() -> Vec<Bytes> {
    let log = CrashLog::new();
    let control = start(&log, often(3)).await.unwrap();
    for name in ["a", "b", "c"] {
        submit(&control, stream(name, 1)).await.unwrap();
    }
    settle(&log).await;
    let records = log.all();
    assert!(records.len() > 8 && records[3].starts_with(br#"{"snapshot":{"begin""#));
    records
}

async fn open_records(records: &[Bytes], trimmed: u64) -> Result<(), OpenError> {
    let log = CrashLog::new();
    log.plant(records).await;
    log.trim(LogShard::CONTROL, Position(trimmed)).await.unwrap();
    start(&log, NEVER).await.map(drop)
}

fn replaced(bytes: &Bytes, from: &str, to: &str) -> Bytes {
    let text = std::str::from_utf8(bytes).unwrap();
    assert!(text.contains(from), "{text}");
    text.replacen(from, to, 1).into()
}

fn snapshot_error(result: Result<(), OpenError>) -> SnapshotError {
    match result {
        Err(OpenError::Snapshot { source, .. }) => source,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_was_written_is_accepted() {
    let records = whole_log().await;
    for trimmed in [0, 3] {
        open_records(&records, trimmed).await.unwrap();
    }
}

#[tokio::test]
async fn damage_is_found_with_and_without_the_commands() {
    let mut records = whole_log().await;
    let stream_a = records.iter().position(|record| record.starts_with(br#"{"snapshot":{"part""#)).unwrap();
    records[stream_a] = replaced(&records[stream_a], "last_log_shard\":3", "last_log_shard\":4");
    for trimmed in [0, 3] {
        let error = open_records(&records, trimmed).await;
        let text = error.as_ref().unwrap_err().to_string();
        assert!(text.contains("position 3") && text.contains("start from a copy"), "{text}");
        assert!(matches!(snapshot_error(error), SnapshotError::Damaged { .. }), "{text}");
    }
}

#[tokio::test]
async fn a_state_that_the_commands_do_not_give_is_refused() {
    let mut records = whole_log().await;
    records[0] = replaced(&records[0], "\"max_record_kib\":1024", "\"max_record_kib\":1025");
    let error = open_records(&records, 0).await;
    let text = error.as_ref().unwrap_err().to_string();
    assert!(matches!(snapshot_error(error), SnapshotError::Differs { .. }), "{text}");
    // With the commands trimmed there is nothing to compare it with.
    open_records(&records, 3).await.unwrap();
}

#[tokio::test]
async fn a_missing_command_is_noticed() {
    let records = whole_log().await;
    let error = snapshot_error(open_records(&records[1..], 0).await);
    assert!(matches!(error, SnapshotError::Commands { written: 3, replayed: 2 }), "{error}");
}

#[tokio::test]
async fn every_missing_record_of_it_is_noticed() {
    let records = whole_log().await;
    for missing in 3..records.len() {
        let mut rest = records.clone();
        rest.remove(missing);
        let opened = open_records(&rest, 0).await;
        if missing + 1 == records.len() {
            // Without its end it is one that a crash cut short.
            opened.unwrap();
        } else {
            snapshot_error(opened);
        }
        assert!(open_records(&rest, 3).await.is_err(), "record {missing}");
    }
}

#[tokio::test]
async fn records_out_of_order_are_noticed() {
    let records = whole_log().await;
    for first in 3..records.len() - 1 {
        let mut swapped = records.clone();
        swapped.swap(first, first + 1);
        assert!(open_records(&swapped, 0).await.is_err(), "records {first} and the next");
        assert!(open_records(&swapped, 3).await.is_err(), "records {first} and the next");
    }
    // The same snapshot twice.
    let twice = [&records[..], &records[3..]].concat();
    let error = snapshot_error(open_records(&twice, 0).await);
    assert!(matches!(error, SnapshotError::Number { found: 1, last: 1 }), "{error}");
}

#[tokio::test]
async fn a_history_without_its_beginning_is_none() {
    let records = whole_log().await;
    let end = records.len() as u64 - 1;
    for (records, trimmed) in
        [(&records[..3], 2), (&records[..3], 3), (&records[..], 2), (&records[..], 4), (&records[..], end)]
    {
        let error = open_records(records, trimmed).await.unwrap_err();
        assert!(matches!(error, OpenError::NoSnapshot { earliest } if earliest.0 == trimmed), "{error}");
        assert!(error.to_string().contains("start from a copy"), "{error}");
    }
}

#[tokio::test]
async fn another_format_is_said_to_be_one() {
    let mut records = whole_log().await;
    records[3] = replaced(&records[3], "\"format\":1", "\"format\":2");
    let error = open_records(&records, 3).await;
    assert!(error.as_ref().unwrap_err().to_string().contains("start that version"));
    let error = snapshot_error(error);
    assert!(matches!(error, SnapshotError::Format { found: 2, known: 1 }), "{error}");
}

#[tokio::test]
async fn a_member_that_is_not_known_is_not_left_out() {
    let mut records = whole_log().await;
    let parts = records.iter().filter_map(|record| match Record::decode(record).unwrap() {
        Record::Part(_, bytes) => Some(bytes),
        _ => None,
    });
    let content = parts.collect::<Vec<_>>().concat();
    let content = replaced(&content.into(), "\"status\":", "\"mood\":\"good\",\"status\":");
    let sha256 =
        Sha256::digest(&content).iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    let end = SnapshotEnd { id: 1, parts: 1, bytes: content.len() as u64, sha256 };
    let head = SnapshotPart { id: 1, number: 0 }.encode_head().unwrap();
    records.truncate(4);
    records.push([&head[..], &content].concat().into());
    records.push(SnapshotRecord::End(end).encode().unwrap().into());
    for trimmed in [0, 3] {
        let error = open_records(&records, trimmed).await;
        let text = error.as_ref().unwrap_err().to_string();
        assert!(text.contains("`mood`") && text.contains("start that version"), "{text}");
        assert!(matches!(snapshot_error(error), SnapshotError::Unreadable(_)), "{text}");
    }
}
