//! Snapshots: what is replayed from one is what all commands give, whatever happened while it was written.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod commands;
mod crash_log;
mod golden;
mod histories;
mod refusals;
mod writing;

use crash_log::CrashLog;
use millstream_control::{Command, ControlCommand, Refusal, State};
use millstream_control_node::{ControlHandle, OpenError, SnapshotPolicy, SubmitError, open_with};
use millstream_host::clock::ManualClock;
use millstream_types::Timestamp;
use std::sync::Arc;

/// Any command, as the node takes it.
#[derive(Clone, Debug)]
struct Any(Command);

impl From<Any> for Command {
    fn from(any: Any) -> Self {
        any.0
    }
}

impl ControlCommand for Any {
    type Outcome = ();

    fn apply(&self, state: &mut State, at: Timestamp) -> Result<(), Refusal> {
        self.0.apply(state, at)
    }
}

async fn start(log: &Arc<CrashLog>, policy: SnapshotPolicy) -> Result<ControlHandle, OpenError> {
    let clock = ManualClock::at(Timestamp::from_millis(1_700_000_000_000));
    open_with(log.clone(), clock, policy).await
}

async fn submit(control: &ControlHandle, command: impl Into<Command>) -> Result<(), SubmitError> {
    control.submit(Any(command.into())).await
}

/// Small enough that a few commands make a snapshot of several parts.
fn often(commands: u64) -> SnapshotPolicy {
    SnapshotPolicy { commands, bytes: u64::MAX, percent_of_last: 0, part_bytes: 150 }
}

const NEVER: SnapshotPolicy =
    SnapshotPolicy { commands: u64::MAX, bytes: u64::MAX, percent_of_last: 0, part_bytes: 1_000 };

/// Let the node do what it has begun. It shares this thread, and a log in memory never keeps it waiting.
async fn settle(log: &CrashLog) {
    let mut seen = usize::MAX;
    while seen != log.operations() {
        seen = log.operations();
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }
}
