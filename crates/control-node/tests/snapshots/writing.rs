//! When snapshots are written, how they are cut, and what a crash or a full disk leaves of one.

use crate::commands::{Random, function, mapping, stream};
use crate::crash_log::{CrashLog, Last};
use crate::{NEVER, often, settle, start, submit};
use millstream_control::{ActivateStream, Checkpoint, Record, RegisterConsumer, SnapshotRecord};
use millstream_control_node::{ControlHandle, SnapshotPolicy, SubmitError, caps};
use millstream_log::Log;
use millstream_types::{LogShard, Position};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Eight commands that touch everything.
async fn some_commands(control: &ControlHandle, tag: &str) -> Result<(), SubmitError> {
    let name = format!("stream-{tag}");
    submit(control, stream(&name, 3)).await?;
    submit(control, ActivateStream { name: name.clone() }).await?;
    let consumer =
        RegisterConsumer { stream: name.clone(), name: "app".into(), tags: BTreeMap::new(), limit: 20 };
    submit(control, consumer).await?;
    submit(control, function(tag, &mut Random(1))).await?;
    submit(control, mapping(tag, &name, &mut Random(1))).await?;
    for position in 1..4 {
        let shard = control.state().stream(&name).unwrap().shards[1].log;
        submit(control, Checkpoint { mapping: tag.into(), shard, position: Position(position) }).await?;
    }
    Ok(())
}

async fn assert_restart_gives_it_all(log: &Arc<CrashLog>) {
    let again = start(&log.restarted(), NEVER).await.unwrap();
    assert_eq!(*again.state(), log.full_replay());
}

#[tokio::test]
async fn a_snapshot_takes_the_place_of_what_came_before() {
    let log = CrashLog::new();
    let control = start(&log, often(8)).await.unwrap();
    some_commands(&control, "a").await.unwrap();
    settle(&log).await;
    assert_eq!((log.earliest().await, log.snapshots_ended()), (8, 1));
    let records = log.records().await;
    assert!(matches!(
        Record::decode(&records[0]).unwrap(),
        Record::Snapshot(SnapshotRecord::Begin(begin)) if (begin.id, begin.commands) == (1, 8)
    ));
    let last = records.last().unwrap();
    assert!(
        matches!(Record::decode(last).unwrap(), Record::Snapshot(SnapshotRecord::End(end)) if end.parts > 5)
    );
    some_commands(&control, "b").await.unwrap();
    settle(&log).await;
    assert_eq!(log.snapshots_ended(), 2);
    assert_restart_gives_it_all(&log).await;
}

#[tokio::test]
async fn commands_go_on_between_the_parts() {
    let log = CrashLog::new();
    let control = start(&log, SnapshotPolicy { part_bytes: 1, ..often(8) }).await.unwrap();
    some_commands(&control, "a").await.unwrap();
    // The state has thousands of bytes, each a part of its own: the snapshot is still under way here.
    some_commands(&control, "b").await.unwrap();
    assert_eq!((log.earliest().await, log.snapshots_ended()), (0, 0));
    settle(&log).await;
    let records = log.all();
    assert!(records[8].starts_with(br#"{"snapshot":{"begin""#));
    let first = records[8..].iter().take_while(|record| !record.starts_with(br#"{"snapshot":{"end""#));
    assert_eq!(first.filter(|record| record.starts_with(br#"{"at""#)).count(), 8);
    assert_restart_gives_it_all(&log).await;
    // A start right after it reads the commands before the state that they change.
    let log = CrashLog::new();
    log.plant(
        &records[..records.iter().rposition(|record| record.starts_with(b"{\"snapshot\":{\"begin")).unwrap()],
    )
    .await;
    log.trim(LogShard::CONTROL, Position(8)).await.unwrap();
    let again = start(&log, NEVER).await.unwrap();
    assert_eq!(again.state().streams.len(), 2);
    assert_restart_gives_it_all(&log).await;
}

/// Every operation of a history with three snapshots, lost or done without an answer.
#[tokio::test]
async fn power_may_go_at_any_operation() {
    let log = CrashLog::new();
    let control = start(&log, often(7)).await.unwrap();
    for tag in ["a", "b", "c", "d"] {
        some_commands(&control, tag).await.unwrap();
    }
    settle(&log).await;
    assert_eq!(log.snapshots_ended(), 3);
    let (operations, mut seen_untrimmed) = (log.operations(), 0);
    for crash in 0..operations {
        for last in [Last::Lost, Last::Done] {
            let log = CrashLog::new();
            log.crash_after(crash, last);
            let control = start(&log, often(7)).await.unwrap();
            for tag in ["a", "b", "c", "d"] {
                if some_commands(&control, tag).await.is_err() {
                    break;
                }
            }
            settle(&log).await;
            let (before, ended) = (log.earliest().await, log.snapshots_ended());
            let log = log.restarted();
            let again = start(&log, NEVER).await.unwrap();
            assert_eq!(*again.state(), log.full_replay(), "{last:?} at operation {crash}");
            // What a crash before the trim left is trimmed now.
            assert_eq!(log.earliest().await > 0, ended > 0, "{last:?} at operation {crash}");
            seen_untrimmed += usize::from(log.earliest().await > before);
            // And the log can be gone on with, to the next snapshot.
            let next = start(&log, often(1)).await.unwrap();
            submit(&next, stream("last", 1)).await.unwrap();
            settle(&log).await;
            assert!(log.snapshots_ended() > ended);
            assert_restart_gives_it_all(&log).await;
        }
    }
    assert!(seen_untrimmed >= 3, "no crash came between a snapshot and its trim");
}

#[tokio::test]
async fn one_that_finds_no_room_is_tried_again() {
    let log = CrashLog::new();
    let control = start(&log, often(8)).await.unwrap();
    // Its first record, the first part, and so on: eight commands come before.
    for (refused, tag) in ["a", "b", "c"].iter().enumerate() {
        log.refuse_after(8 + refused, 1);
        some_commands(&control, tag).await.unwrap();
        settle(&log).await;
    }
    let ended = log.snapshots_ended();
    some_commands(&control, "d").await.unwrap();
    settle(&log).await;
    assert!(log.snapshots_ended() > ended, "it is not tried again");
    assert_restart_gives_it_all(&log).await;
}

#[tokio::test]
async fn the_trim_is_not_needed_to_go_on() {
    let log = CrashLog::new();
    let control = start(&log, often(8)).await.unwrap();
    some_commands(&control, "a").await.unwrap();
    settle(&log).await;
    let operations = log.operations();
    // The last operation of such a life is the trim.
    let log = CrashLog::new();
    log.refuse_after(operations - 1, 1);
    let control = start(&log, often(8)).await.unwrap();
    some_commands(&control, "a").await.unwrap();
    settle(&log).await;
    assert_eq!((log.earliest().await, log.snapshots_ended()), (0, 1));
    submit(&control, stream("more", 1)).await.unwrap();
    assert_restart_gives_it_all(&log).await;
    assert_eq!(log.earliest().await, 8, "the start trims");
}

#[tokio::test]
async fn bytes_make_one_due_too_and_short_lives_add_up() {
    let log = CrashLog::new();
    let policy = SnapshotPolicy { bytes: 1_500, ..NEVER };
    let mut lives = 0;
    while log.snapshots_ended() == 0 {
        let log = log.restarted();
        let control = start(&log, policy).await.unwrap();
        submit(&control, stream(&format!("stream-{lives}"), 1)).await.unwrap();
        settle(&log).await;
        lives += 1;
        assert!(lives < 20, "no snapshot after {lives} starts with one command each");
    }
    assert!(lives > 2, "a snapshot after {lives} commands");
    assert_restart_gives_it_all(&log).await;
}

#[tokio::test]
async fn a_large_state_is_cut_into_bounded_parts() {
    let log = CrashLog::new();
    let policy = SnapshotPolicy { commands: 40, ..SnapshotPolicy::default() };
    let control = start(&log, policy).await.unwrap();
    for number in 0..39 {
        submit(&control, stream(&format!("stream-{number}"), 256)).await.unwrap();
    }
    // One stream whose line alone is longer than a part.
    submit(&control, stream("wide", 4_000)).await.unwrap();
    settle(&log).await;
    assert_eq!(log.snapshots_ended(), 1);
    let mut parts = Vec::new();
    for record in log.records().await {
        if let Record::Part(_, bytes) = Record::decode(&record).unwrap() {
            parts.push(bytes.len());
        }
    }
    assert!(parts.len() > 8, "{parts:?}");
    let (last, full) = parts.split_last().unwrap();
    assert!(
        full.iter().all(|bytes| *bytes == caps::SNAPSHOT_PART) && *last <= caps::SNAPSHOT_PART,
        "{parts:?}"
    );
    assert_restart_gives_it_all(&log).await;
}
