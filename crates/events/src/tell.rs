//! Tells who is to be told of what became of an event.

use crate::deliver::{self, is_hopeless};
use crate::entry::Whole;
use crate::event::{Address, Condition, Outcome};
use crate::service::{Core, NewEvent};
use crate::{caps, decide, record};
use bytes::Bytes;
use millstream_engine::NewRecord;
use millstream_host::entropy;
use millstream_mapping::{Letter, Subject};
use millstream_types::Arn;

/// Tell all of an event whose turn it is. Those who have not taken it are told later.
pub(crate) async fn tell(core: &Core, id: u64) {
    let Some(live) = core.table.get(id) else { return };
    let Some(outcome) = live.progress.outcome.clone() else { return };
    let left = match deliver::read(core, &live).await {
        Ok(whole) => tell_once(core, &whole, &outcome).await,
        // They are told when it can be read again.
        Err(error) if deliver::is_passing(&error) => {
            tracing::warn!(%error, function = live.event.function, "an event cannot be read at the moment");
            outcome.to.clone()
        }
        Err(error) => {
            tracing::error!(%error, function = live.event.function, "nobody is told of an event");
            return core.done(id).await;
        }
    };
    let due = decide::later(core.engine.now(), decide::pause(live.progress.not_told));
    if left.is_empty() {
        return core.done(id).await;
    }
    if is_hopeless(&outcome, due) {
        let (function, request) = (&live.event.function, &live.event.request);
        tracing::warn!(
            function,
            request,
            "somebody could not be told of an event, and is not tried any longer"
        );
        return core.done(id).await;
    }
    core.table.told_again(id, left, due);
}

/// Those who have not taken it.
pub(crate) async fn tell_once(core: &Core, whole: &Whole, outcome: &Outcome) -> Vec<Address> {
    let mut left = Vec::new();
    for address in &outcome.to {
        let Err(error) = send(core, whole, outcome, address).await else { continue };
        let (event, arn) = (&whole.event, address.arn());
        core.board.not_told(&event.function, &event.arn, matches!(address, Address::DeadLetters(_)));
        tracing::warn!(
            function = event.function,
            request = event.request,
            arn,
            error,
            "could not tell of an event"
        );
        left.push(address.clone());
    }
    left
}

async fn send(core: &Core, whole: &Whole, outcome: &Outcome, address: &Address) -> Result<(), String> {
    let arn = match address {
        Address::Destination(arn) => arn,
        Address::DeadLetters(arn) => {
            let attributes = record::attributes(whole, outcome);
            let (arn, body) = (arn.clone(), whole.payload.clone());
            return core.destinations.send(&Letter { arn, body, attributes, ..Letter::default() }).await;
        }
    };
    let told = |limit| record::invocation_record(whole, outcome, limit);
    match arn.split(':').nth(2) {
        Some("lambda") => invoke(core, arn, told(caps::FUNCTION_RECORD)).await,
        Some("kinesis") => put(core, arn, &whole.event.request, told).await,
        service => {
            let limit = match service {
                Some("sqs") => caps::SQS_RECORD,
                Some("sns") => caps::SNS_RECORD,
                Some("events") => caps::BUS_RECORD,
                _ => usize::MAX,
            };
            let kind = if outcome.condition == Condition::Success { "Success" } else { "Failure" };
            let letter = Letter {
                arn: arn.clone(),
                body: told(limit),
                key: record::object_key(&whole.event, outcome.at, &entropy::uuid()),
                attributes: Vec::new(),
                subject: Subject {
                    detail_type: format!("Lambda Function Invocation Result - {kind}"),
                    resources: vec![arn.clone(), record::invoked_arn(&whole.event)],
                },
            };
            core.destinations.send(&letter).await
        }
    }
}

/// A function of this server: the record is an event of its own.
async fn invoke(core: &Core, arn: &str, payload: Bytes) -> Result<(), String> {
    let gone = || "there is no such function".to_owned();
    let parsed: Arn = arn.parse().map_err(|_not| gone())?;
    let rest = parsed.resource.strip_prefix("function:").ok_or_else(gone)?;
    let (name, qualifier) = rest.split_once(':').map_or((rest, None), |(name, of)| (name, Some(of)));
    let key = core.home.beside(&parsed.region, &parsed.account).key(name);
    let state = core.engine.control().state();
    let function = state.functions.get(&key).ok_or_else(gone)?;
    if qualifier.is_some_and(|qualifier| !function.published.has_qualifier(qualifier)) {
        return Err(gone());
    }
    let event = NewEvent {
        request_id: entropy::uuid(),
        arn: function.arn.clone(),
        function: key,
        qualifier: qualifier.map(str::to_owned),
        payload,
        trace_id: None,
    };
    core.accept(event).await.map_err(|refused| refused.to_string())
}

/// A stream of this server, which is our own addition.
async fn put(
    core: &Core,
    arn: &str,
    partition_key: &str,
    told: impl Fn(usize) -> Bytes,
) -> Result<(), String> {
    let state = core.engine.control().state();
    let stream = state.streams.values().find(|stream| stream.arn == arn);
    let stream = stream.ok_or("there is no such stream")?;
    let limit = (stream.max_record_kib as usize) << 10;
    let data = told(limit.saturating_sub(partition_key.len()));
    let record = NewRecord { partition_key: partition_key.to_owned(), explicit_hash_key: None, data };
    core.engine.append(stream, &[record]).await.map(drop).map_err(|error| error.to_string())
}
