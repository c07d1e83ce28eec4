//! SubscribeToShard: records pushed as they become durable, for five minutes, as an event stream.
//!
//! The first frame is `initial-response`: botocore refuses a stream without it and the Go SDK waits for it for ever.

use crate::error::{self, Failure};
use crate::meter::{Call, StreamMeter};
use crate::ops::get_shard_iterator;
use crate::records::Records;
use crate::service::EventFrames;
use crate::{Kinesis, shapes};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream;
use millstream_api_kinesis::{self as api, ErrorCode};
use millstream_control::{ConsumerStatus, Stream};
use millstream_engine::{Event, Page, Record, Room, SubscribeError, Subscription, SubscriptionEnd};
use millstream_shapes::{Codec, Empty, Encode, Encoder, ErrorName};
use millstream_types::{LogShard, SequenceNumber, ShardId};
use millstream_wire::{error_body, event_stream};
use std::sync::Arc;

pub(crate) async fn run<C: Codec + Clone + Send + Sync + 'static>(
    service: &Kinesis,
    codec: &C,
    input: api::SubscribeToShardInput,
    call: &mut Call<'_>,
) -> Result<EventFrames, Failure> {
    let account = &service.home.account;
    let (stream, consumer) = service.consumer(Some(&input.consumer_arn), None, None)?;
    call.means(&stream);
    if consumer.status != ConsumerStatus::Active || !stream.status.is_serving() {
        return Err(Failure::in_use(format!("Consumer {} is not ACTIVE.", consumer.arn)));
    }
    let shard = service.shard(&stream, &input.shard_id)?;
    let at = &input.starting_position;
    let number = at.sequence_number.as_deref();
    let start = get_shard_iterator::start(service, &stream, shard, &at.r#type, number, at.timestamp)?;
    let in_use = || {
        Failure::in_use(format!(
            "Another active subscription exists for this consumer: {} and shard: {}",
            consumer.arn, input.shard_id
        ))
    };
    if input.dry_run == Some(true) && service.engine.is_subscribed(&consumer.arn, shard) {
        return Err(in_use());
    }
    Failure::if_dry_run(input.dry_run)?;
    let position = service.engine.position(&stream, shard, start).await;
    let position = position.map_err(|error| error::engine(error, account))?;
    let subscription =
        service.engine.subscribe(&stream, &consumer.arn, shard, position).map_err(|error| match error {
            SubscribeError::InUse { .. } => {
                call.subscription_refused();
                in_use()
            }
            SubscribeError::NoConsumer { .. } => {
                Failure::not_found(format!("Consumer {}, account {account} not found.", consumer.arn))
            }
            SubscribeError::Engine(error) => error::engine(error, account),
        })?;
    let hello = event_stream::initial_response(C::CONTENT_TYPE, &codec.encode(&Empty {}));
    let frames = Frames {
        service: service.clone(),
        codec: codec.clone(),
        subscription,
        shard: shard.id,
        log: shard.log,
        consumer: consumer.arn,
        meter: call.meter(),
    };
    let events = stream::unfold(Some(frames), next_frame);
    Ok(stream::once(async { hello }).chain(events).boxed())
}

struct Frames<C> {
    service: Kinesis,
    codec: C,
    subscription: Subscription,
    shard: ShardId,
    meter: Option<Arc<StreamMeter>>,
    log: LogShard,
    consumer: String,
}

/// The next frame, and what is left to do after it: nothing, after an error.
async fn next_frame<C: Codec>(frames: Option<Frames<C>>) -> Option<(Bytes, Option<Frames<C>>)> {
    let mut frames = frames?;
    // The consumer gets no more than its rate. After an event of ordinary size that takes half a second at most, after a
    // record of 10 MiB five: longer than a client bears silence.
    frames.subscription.hold(frames.service.sent(&frames.consumer, frames.log, 0));
    match frames.subscription.next().await {
        Ok(event) => {
            if frames.service.limits.is_some() {
                let bytes = event.page.records.iter().map(Record::size).sum();
                frames.service.sent(&frames.consumer, frames.log, bytes);
            }
            if let Some(meter) = &frames.meter {
                meter.event(&event.stream, frames.shard, &event.page, frames.service.minute());
            }
            let Event { page, stream, room } = event;
            let body = frames.codec.encode(&event_shape(page, &stream, frames.shard));
            let frame = event_stream::event(api::SubscribeToShardEvent::EVENT_TYPE, C::CONTENT_TYPE, &body);
            Some((held(frame, room), Some(frames)))
        }
        Err(SubscriptionEnd::Expired | SubscriptionEnd::ShardEnd) => None,
        Err(SubscriptionEnd::TakenOver) => {
            let taken = Failure::in_use("Another subscription of this consumer to this shard took over.");
            Some((exception(&frames.codec, &taken), None))
        }
        Err(SubscriptionEnd::Gone) => {
            let gone = Failure::not_found("The stream or the consumer of this subscription was deleted.");
            Some((exception(&frames.codec, &gone), None))
        }
        Err(SubscriptionEnd::Failed(error)) => {
            if let Some(meter) = &frames.meter {
                meter.events.success.add(0);
            }
            let home = &frames.service.home;
            let failure = error::engine(error, &home.account).told_at(home);
            tracing::error!(shard = %frames.shard, internal = failure.internal, "a subscription failed");
            Some((exception(&frames.codec, &failure), None))
        }
    }
}

/// A frame that has its share of memory until the connection has sent it.
fn held(frame: Bytes, mut room: Room) -> Bytes {
    struct Held(Bytes, #[expect(dead_code, reason = "held until it is dropped")] Room);
    impl AsRef<[u8]> for Held {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }
    room.shrink(frame.len());
    Bytes::from_owner(Held(frame, room))
}

fn exception<C: Codec>(codec: &C, failure: &Failure) -> Bytes {
    // Within an event stream the model has a name of its own for it.
    let name = match failure.error.code {
        ErrorCode::InternalFailure => ErrorCode::InternalFailureException.name(),
        other => other.name(),
    };
    event_stream::exception(name, C::CONTENT_TYPE, &error_body::exception(codec, &failure.error))
}

/// As [`api::SubscribeToShardEvent`].
struct EventShape {
    records: Records,
    continuation_sequence_number: Option<String>,
    millis_behind_latest: i64,
    child_shards: Option<Vec<api::ChildShard>>,
}

impl Encode for EventShape {
    fn encode<E: Encoder>(&self, e: &mut E) {
        e.open_structure();
        e.member("Records", &self.records);
        e.optional("ContinuationSequenceNumber", self.continuation_sequence_number.as_ref());
        e.member("MillisBehindLatest", &self.millis_behind_latest);
        e.optional("ChildShards", self.child_shards.as_ref());
        e.close_structure();
    }

    fn expected_bytes(&self) -> usize {
        self.records.expected_bytes() + 512
    }
}

fn event_shape(page: Page, stream: &Stream, shard: ShardId) -> EventShape {
    // "After this number" is where the reader stands, also when there was no record to name. At a shard's end there is
    // nowhere to go on but the children: consumers take a number there for a shard that goes on.
    let continuation = match page.next.0.checked_sub(1) {
        None => SequenceNumber::start_of(shard),
        Some(last) => SequenceNumber::of_record(shard, millstream_types::Position(last)),
    };
    EventShape {
        continuation_sequence_number: (!page.at_end).then(|| continuation.to_string()),
        millis_behind_latest: i64::try_from(page.behind_millis).unwrap_or(i64::MAX),
        child_shards: page.at_end.then(|| shapes::child_shards(stream, shard)),
        records: Records(page.records),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millstream_wire::{cbor, json};

    #[test]
    fn an_event_is_that_of_the_model() {
        for (continuation, children) in
            [(Some("number"), None), (None, Some(vec![api::ChildShard::default()]))]
        {
            let continuation_sequence_number = continuation.map(str::to_owned);
            let model = api::SubscribeToShardEvent {
                continuation_sequence_number: continuation_sequence_number.clone(),
                millis_behind_latest: 7,
                child_shards: children.clone(),
                ..Default::default()
            };
            let event = EventShape {
                records: Records(Vec::new()),
                continuation_sequence_number,
                millis_behind_latest: 7,
                child_shards: children,
            };
            assert_eq!(json::encode(&event), json::encode(&model));
            assert_eq!(cbor::encode(&event), cbor::encode(&model));
        }
    }
}
