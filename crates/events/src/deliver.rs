//! One attempt to have an event processed, and what comes of it.

use crate::decide::{self, Next, Over, Terms};
use crate::entry::{Entry, Whole};
use crate::event::{Address, Condition, Event, Outcome};
use crate::journal::JournalError;
use crate::service::Core;
use crate::table::Live;
use crate::{caps, tell};
use bytes::Bytes;
use millstream_control::{Function, FunctionStatus};
use millstream_functions::{Invocation, InvokeError};
use millstream_log::ReadError;
use millstream_mapping::{Invoker, qualified_spec};
use millstream_types::Timestamp;

/// The status of an error that is the server's own.
const NOT_RUN: u16 = 500;

/// Give an event whose turn it is to its function.
pub(crate) async fn deliver<I: Invoker>(core: &Core, invoker: &I, id: u64) {
    let Some(live) = core.table.get(id) else { return };
    let event = &live.event;
    let state = core.engine.control().state();
    let Some(function) = state.functions.get(&event.function) else {
        core.board.dropped(&event.function, &event.arn);
        return core.done(id).await;
    };
    let terms = Terms::of(event.config(function));
    let now = core.engine.now();
    let reserved = function.reserved_concurrency;
    if let Some(over) = decide::before(now, event.accepted, terms, &live.progress, reserved) {
        return end(core, &live, function, over, None, Bytes::new()).await;
    }
    let whole = match read(core, &live).await {
        Ok(whole) => whole,
        Err(error) if is_passing(&error) => {
            return not_run(
                core,
                &live,
                &decide::not_run(now, event.accepted, terms, &live.progress, NOT_RUN),
            );
        }
        Err(error) => {
            // It will never be readable again.
            tracing::error!(%error, function = event.function, request = event.request, "an event is lost");
            core.board.dropped(&event.function, &event.arn);
            return core.done(id).await;
        }
    };
    let spec = qualified_spec(function, event.qualifier.as_deref());
    let Some(spec) = spec.ok().filter(|_| function.status == FunctionStatus::Active) else {
        return not_run(core, &live, &decide::not_run(now, event.accepted, terms, &live.progress, NOT_RUN));
    };
    core.board.given(&event.function, &event.arn, now, now.millis_since(event.accepted));
    let call = Invocation {
        request_id: event.request.clone(),
        payload: whole.payload.clone(),
        client_context: None,
        trace_id: event.trace.clone(),
    };
    let result = invoker.invoke(spec, call).await;
    if matches!(&result, Err(InvokeError::ShuttingDown)) {
        // The next start finds it as it was.
        return;
    }
    let now = core.engine.now();
    match decide::after(now, event.accepted, terms, &live.progress, &result) {
        Next::Failed { failed, due } => {
            if let Some((position, bytes)) = core.note(&Entry::Failed { id, failed, due }).await {
                core.table.written(position, bytes);
                core.table.again(id, due, |progress| {
                    (progress.failed, progress.not_run, progress.refused) = (failed, 0, None);
                });
            }
        }
        next @ Next::NotRun { .. } => {
            if let Err(error) = &result {
                tracing::debug!(%error, function = event.function, request = event.request, "an event waits");
            }
            core.table.close(&event.function, decide::later(now, caps::CLOSED));
            not_run(core, &live, &next);
        }
        Next::Over(over) => {
            let response = result.map(|reply| reply.payload).unwrap_or_default();
            end(core, &live, function, over, Some(whole), response).await;
        }
    }
}

fn not_run(core: &Core, live: &Live, next: &Next) {
    let Next::NotRun { refused, due } = *next else { return };
    core.table.again(live.event.id, due, |progress| {
        progress.not_run = progress.not_run.saturating_add(1);
        progress.refused = Some(refused);
    });
}

/// Whether an event that could not be read may be readable later.
pub(crate) fn is_passing(error: &JournalError) -> bool {
    matches!(error, JournalError::Read(ReadError::Io(_) | ReadError::NoSuchShard(_)))
}

pub(crate) async fn read(core: &Core, live: &Live) -> Result<Whole, JournalError> {
    let journal = core.journal().await.map_err(|error| ReadError::Io(error.to_string()))?;
    journal.read(live.position).await
}

/// Events of functions that are gone.
pub(crate) async fn drop_all(core: &Core, ids: &[u64]) {
    for id in ids {
        if let Some(live) = core.table.get(*id) {
            core.board.dropped(&live.event.function, &live.event.arn);
        }
    }
    if let Some((position, bytes)) = core.note(&Entry::Done(ids.to_vec())).await {
        core.table.written(position, bytes);
        core.table.remove(ids);
    }
}

/// An event is over: write down who is to be told of it, or that nobody is. `whole`: the event, if it was read already.
async fn end(
    core: &Core,
    live: &Live,
    function: &Function,
    over: Over,
    whole: Option<Whole>,
    response: Bytes,
) {
    let event = &live.event;
    let at = core.engine.now();
    let to = addresses(event, function, &over);
    let whole = match whole {
        Some(whole) => Ok(whole),
        None if to.is_empty() => Err(None),
        None => read(core, live).await.map_err(Some),
    };
    if let Err(Some(error)) = &whole
        && is_passing(error)
    {
        // Its turn comes again, and it is over then too.
        tracing::warn!(%error, function = event.function, request = event.request, "an event cannot be read at the moment");
        return core.table.again(event.id, decide::later(at, caps::RETRY), |_| {});
    }
    if over.condition != Condition::Success {
        core.board.dropped(&event.function, &event.arn);
        let (condition, request) = (over.condition.name(), &event.request);
        tracing::warn!(
            function = event.function,
            request,
            condition,
            told = to.len(),
            "an event is given up"
        );
    }
    if to.is_empty() {
        return core.done(event.id).await;
    }
    let outcome = Outcome { condition: over.condition, at, count: over.count, answer: over.answer, to };
    let whole = match whole {
        Ok(whole) => whole,
        Err(error) => {
            let error = error.map(|error| error.to_string());
            tracing::error!(
                error,
                function = event.function,
                request = event.request,
                "nobody is told of an event"
            );
            return core.done(event.id).await;
        }
    };
    let bytes = response.len() as u64;
    let failed = live.progress.failed;
    let whole = Whole { failed, due: at, outcome: Some(outcome.clone()), response, ..whole };
    if !core.table.keep_answer(bytes) {
        // There is no room for it to wait.
        tell::tell_once(core, &whole, &outcome).await;
        return core.done(event.id).await;
    }
    if let Some(place) = core.note(&Entry::Whole(Box::new(whole))).await {
        core.table.over(event.id, outcome, place, bytes);
        core.news.notify_one();
    }
}

/// Who is to be told: who is set for the function, version or alias as it was invoked; of failures also the dead-letter
/// queue of the version.
fn addresses(event: &Event, function: &Function, over: &Over) -> Vec<Address> {
    let config = event.config(function);
    if over.condition == Condition::Success {
        let arn = config.and_then(|config| config.on_success.clone());
        return arn.map(Address::Destination).into_iter().collect();
    }
    let arn = config.and_then(|config| config.on_failure.clone());
    let version = over.answer.as_ref().and_then(|answer| answer.version.as_deref());
    let alias = function.published.aliases.get(event.qualifier());
    let version = version.or_else(|| alias.map(|alias| alias.target.version.as_str()));
    let settings = match function.published.version(version.unwrap_or_else(|| event.qualifier())) {
        Some(published) => &published.settings,
        None => &function.settings,
    };
    let dead_letters = Some(settings.dead_letter.clone()).filter(|arn| !arn.is_empty());
    arn.map(Address::Destination).into_iter().chain(dead_letters.map(Address::DeadLetters)).collect()
}

/// Whether it is of no use to try a destination any longer.
pub(crate) fn is_hopeless(outcome: &Outcome, due: Timestamp) -> bool {
    due > decide::later(outcome.at, caps::TOLD_WITHIN)
}
