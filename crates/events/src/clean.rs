//! Keeps the journal short. What is done with is forgotten once nothing older waits; where an old event keeps much from being
//! forgotten, it is written anew, behind the rest.

use crate::caps;
use crate::entry::{Entry, Whole};
use crate::journal::{Journal, JournalError};
use crate::service::Core;
use crate::table::{Cleaning, Live};
use millstream_log::AppendError;
use millstream_types::Position;

#[derive(Debug)]
pub(crate) enum Work {
    Trim(Position),
    Move(Cleaning),
}

#[derive(Debug, thiserror::Error)]
enum MoveError {
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Append(#[from] AppendError),
    #[error(transparent)]
    Entry(#[from] crate::entry::EntryError),
}

/// What is worth doing, if anything. To be handed to [`clean`].
pub(crate) fn work(core: &Core) -> Option<Work> {
    if let Some(before) = core.table.to_trim() {
        // Once: whoever asks again finds it done.
        core.table.trimmed(before);
        return Some(Work::Trim(before));
    }
    core.table.begin_cleaning().map(Work::Move)
}

pub(crate) async fn clean(core: &Core, work: Work) {
    let Ok(journal) = core.journal().await else { return };
    match work {
        Work::Trim(before) => {
            // The next trim makes up for it.
            if let Err(error) = journal.trim(before).await {
                tracing::warn!(%error, "the journal of events could not be trimmed");
            }
        }
        Work::Move(cleaning) => {
            let moved = write_anew(core, journal, &cleaning.moved).await;
            if let Err(error) = &moved {
                tracing::warn!(%error, "the journal of events could not be cleaned");
            }
            let failed = moved.is_err();
            core.table.put_back(cleaning, moved.ok());
            if failed {
                // Its events take their turns meanwhile. Without a pause a disk that fails or is full would be asked again
                // and again, at once.
                core.news.notify_one();
                tokio::time::sleep(caps::RETRY).await;
            }
            core.table.cleaned();
        }
    }
}

/// Where the events are now, and how many bytes each takes.
async fn write_anew(
    core: &Core,
    journal: &Journal,
    events: &[Live],
) -> Result<Vec<(Position, u64)>, MoveError> {
    let mut records = Vec::new();
    for live in events {
        let whole = journal.read(live.position).await?;
        let (failed, outcome) = (live.progress.failed, live.progress.outcome.clone());
        records.push(Entry::Whole(Box::new(Whole { failed, due: live.due, outcome, ..whole })).encode()?);
    }
    let first = journal.append(&records, core.engine.now()).await?;
    let places = records.iter().zip(0_u64..);
    Ok(places.map(|(record, number)| (first.plus(number), record.len() as u64)).collect())
}
