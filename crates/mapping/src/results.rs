//! Writes down what came of mappings' last batches, so that it is known after a restart.

use crate::board::{Board, NOTHING_YET};
use crate::caps;
use millstream_control::RecordResult;
use millstream_control_node::ControlHandle;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::time::sleep;

/// Until the end is asked for. Not more often than the pause says: a mapping whose batches fail and succeed in turn changes
/// its mind many times a second.
pub(crate) async fn keep(board: Arc<Board>, control: ControlHandle, mut stop: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            biased;
            stopped = stop.wait_for(|stop| *stop) => {
                if stopped.is_err() {
                    tracing::debug!("nobody holds the event source mappings any more");
                }
                return;
            }
            () = board.changed() => {}
        }
        sleep(caps::RESULT_PAUSE).await;
        write(&board, &control).await;
    }
}

/// Write down what is not written down yet.
pub(crate) async fn write(board: &Board, control: &ControlHandle) {
    let state = control.state();
    for (uuid, result) in board.results() {
        let Some(mapping) = state.mappings.get(&uuid) else { continue };
        let result: String = result.chars().take(millstream_control::caps::RESULT_CHARS).collect();
        if mapping.last_result.as_deref().unwrap_or(NOTHING_YET) == result {
            continue;
        }
        if let Err(error) = control.submit(RecordResult { uuid, result }).await {
            // It is shown all the same, and tried again with the next change.
            tracing::debug!(%error, "a mapping's last result was not written down");
        }
    }
}
