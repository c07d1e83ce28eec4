//! Takes down what happens, in the order in which it does.

use crate::history::{Answer, Child, Event, Frame, History, Moment, Record, What};
use crate::world::{Clock, id_of};
use futures_util::StreamExt;
use millstream_host::Clock as _;
use millstream_kinesis::EventFrames;
use millstream_wire::event_stream;
use serde_json::Value;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::watch;

/// More than any subscription has.
const FRAMES: usize = 1_000;

pub(crate) struct Notes {
    clock: Arc<Clock>,
    order: AtomicU64,
    history: Mutex<History>,
}

/// What the client of a subscription does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Client {
    Reads,
    Pauses,
    HangsUp,
}

impl Notes {
    pub(crate) fn new(clock: Arc<Clock>) -> Self {
        Self { clock, order: AtomicU64::new(1), history: Mutex::default() }
    }

    pub(crate) fn now(&self) -> Moment {
        Moment { order: self.order.fetch_add(1, Ordering::SeqCst), at: self.clock.now().millis() }
    }

    pub(crate) fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap()
    }

    pub(crate) fn answered(&self, subscription: usize, answer: Answer) {
        let now = self.now();
        self.history().subscriptions[subscription].answered = Some((now, answer));
    }

    fn frame(&self, subscription: usize, frame: Frame) {
        let over = matches!(frame.what, What::Exception(_) | What::End).then_some(frame.came);
        let mut history = self.history();
        let subscription = &mut history.subscriptions[subscription];
        subscription.over = subscription.over.or(over);
        subscription.frames.push(frame);
    }

    fn frames(&self, subscription: usize) -> usize {
        self.history().subscriptions[subscription].frames.len()
    }

    fn over(&self, subscription: usize) {
        let now = self.now();
        self.history().subscriptions[subscription].over.get_or_insert(now);
    }

    /// A client with its subscription, to the end of one of them.
    pub(crate) async fn read(
        &self,
        subscription: usize,
        mut frames: EventFrames,
        mut client: watch::Receiver<Client>,
    ) {
        let mut polled = None;
        loop {
            let Ok(does) = client.wait_for(|does| *does != Client::Pauses).await.map(|does| *does) else {
                return;
            };
            if does == Client::HangsUp {
                drop(frames);
                return self.over(subscription);
            }
            let since = self.now();
            let first = *polled.get_or_insert(since);
            let frame = tokio::select! {
                biased;
                _ = client.changed() => continue,
                frame = frames.next() => frame,
            };
            polled = None;
            let what = frame.map_or(What::End, |frame| what(&frame));
            // One that says without end that it has ended would never let time pass.
            let end = matches!(what, What::End) || self.frames(subscription) > FRAMES;
            self.frame(subscription, Frame { polled: first, since, came: self.now(), what });
            if end {
                return;
            }
        }
    }
}

fn what(frame: &[u8]) -> What {
    let (frame, length) = event_stream::decode(frame).unwrap().unwrap();
    assert!(length > 0);
    if let Some(code) = frame.header(":exception-type") {
        return What::Exception(code.to_owned());
    }
    match frame.header(":event-type") {
        Some("initial-response") => What::Hello,
        Some("SubscribeToShardEvent") => What::Event(event(&serde_json::from_slice(&frame.payload).unwrap())),
        other => panic!("a frame of type {other:?}"),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn event(event: &Value) -> Event {
    let records = event["Records"].as_array().unwrap().iter().map(|record| Record {
        key: text(&record["PartitionKey"]),
        number: text(&record["SequenceNumber"]),
        arrival: millis(&record["ApproximateArrivalTimestamp"]),
    });
    let child = |child: &Value| Child {
        id: id_of(&child["ShardId"]),
        parents: child["ParentShards"].as_array().unwrap().iter().map(id_of).collect(),
        range: (bound(child, "StartingHashKey"), bound(child, "EndingHashKey")),
    };
    Event {
        records: records.collect(),
        continuation: event.get("ContinuationSequenceNumber").map(text),
        behind: event["MillisBehindLatest"].as_i64().unwrap(),
        children: event
            .get("ChildShards")
            .map(|children| children.as_array().unwrap().iter().map(child).collect()),
    }
}

fn bound(child: &Value, which: &str) -> u128 {
    child["HashKeyRange"][which].as_str().unwrap().parse().unwrap()
}

/// Seconds with a fraction, as JSON has times.
fn millis(seconds: &Value) -> u64 {
    let text = seconds.to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    format!("{whole}{fraction:0<3}").parse().unwrap()
}
