//! What the clients of a queue did and saw, and the laws that can be checked as it happens.
//!
//! The server's clock only goes forward in these simulations, so what a request did is known to have been done between
//! its sending and its answer, by that clock. A receipt handle says which delivery of its record it is of
//! (`docs/formats/queue.md`).

use crate::history::{Fate, History, Seen, identity};
use crate::laws::Final;
use millstream_types::SequenceNumber;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Letter {
    Record,
    Dead,
}

/// When a request was sent and when its answer had come, in milliseconds of the server's clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub sent: u64,
    pub answered: u64,
}

/// One delivery, as its receiver keeps it.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub letter: Letter,
    pub record: SequenceNumber,
    /// Which delivery of the record.
    pub delivery: u32,
    pub handle: String,
}

/// A record as a receiver gets it.
#[derive(Clone, Debug)]
pub(crate) struct Got {
    pub seen: Seen,
    pub handle: String,
    pub count: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    Acknowledge,
    Hide { secs: u64 },
    Restore,
}

/// What came of one deed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Came {
    Done,
    NotDone,
    Unknown,
    /// The record was received again since.
    Stale,
    /// It was acknowledged.
    Gone,
    /// Anything else.
    Wrong,
}

#[derive(Clone, Debug)]
struct Delivery {
    letter: Letter,
    window: Window,
    /// Nobody else can have it before.
    held_until: u64,
}

#[derive(Clone, Debug, Default)]
struct Life {
    deliveries: BTreeMap<u32, Delivery>,
    /// Acknowledgements under way, done or of unknown fate.
    asked: u32,
    /// The delivery that was acknowledged, and when that was known.
    acknowledged: Option<(u32, u64)>,
    restore_asked: bool,
}

#[derive(Debug, Default)]
pub(crate) struct QueueHistory {
    pub stream: String,
    /// Once it delivers.
    pub arn: Option<String>,
    pub visibility_secs: u64,
    pub max_receives: Option<u64>,
    /// Puts before this one may have come before the queue.
    pub first_put: usize,
    lives: BTreeMap<SequenceNumber, Life>,
    /// Receives that were sent and are not known to have received nothing more than was seen.
    unanswered: u64,
    pub received: u64,
    pub acknowledged: u64,
    pub dead: u64,
}

impl QueueHistory {
    pub(crate) fn receiving(&mut self) {
        self.unanswered += 1;
    }

    /// The answer has come, or there was nothing done.
    pub(crate) fn not_received(&mut self) {
        self.unanswered -= 1;
    }

    /// What is held from now on.
    pub(crate) fn receive(
        &mut self,
        history: &mut History,
        letter: Letter,
        window: Window,
        secs: Option<u64>,
        all: &[Got],
    ) -> Vec<Held> {
        self.unanswered -= 1;
        let held_until = window.sent + secs.unwrap_or(self.visibility_secs) * 1_000;
        all.iter()
            .filter_map(|got| {
                let record = got.seen.number;
                history.seen(&self.stream, record.shard().0, &got.seen);
                let Some(delivery) = delivery_of(&got.handle) else {
                    history.violation(format!("queue: a receipt handle of no known form: {got:?}"));
                    return None;
                };
                self.received += 1;
                self.dead += u64::from(letter == Letter::Dead);
                let new = Delivery { letter, window, held_until };
                for wrong in self.check(record, delivery, &new, got.count) {
                    let life = self.lives.get(&record);
                    history.violation(format!(
                        "queue: {wrong}: {record} delivery {delivery}, {new:?}; before: {life:?}"
                    ));
                }
                self.lives.entry(record).or_default().deliveries.insert(delivery, new);
                Some(Held { letter, record, delivery, handle: got.handle.clone() })
            })
            .collect()
    }

    fn check(&self, record: SequenceNumber, number: u32, new: &Delivery, count: u64) -> Vec<&'static str> {
        let mut wrong = Vec::new();
        let nothing = Life::default();
        let life = self.lives.get(&record).unwrap_or(&nothing);
        let mut law = |kept: bool, broken: &'static str| {
            if !kept {
                wrong.push(broken);
            }
        };
        law(!life.deliveries.contains_key(&number), "one delivery came twice");
        law(life.acknowledged.is_none_or(|(of, _)| number < of), "it was acknowledged and comes again");
        let before = || life.deliveries.range(..number);
        let after = || life.deliveries.range(number + 1..);
        law(before().all(|(_, old)| old.held_until <= new.window.answered), "another receiver holds it");
        law(
            after().all(|(_, later)| new.held_until <= later.window.answered),
            "another receiver holds it already",
        );
        // Each delivery that nobody saw was in an answer that nobody saw.
        let known = before().count() as u64;
        law(
            u64::from(number) <= 1 + known + self.unanswered,
            "it was counted as received, and nobody received it",
        );
        law(count <= u64::from(number), "its receives are more than its deliveries");
        law(life.restore_asked || count == u64::from(number), "its receives are not its deliveries");
        let most = self.max_receives.unwrap_or(u64::MAX);
        match new.letter {
            Letter::Record => law(count <= most, "it should be a dead letter"),
            Letter::Dead => law(count > most, "it should not be a dead letter"),
        }
        wrong
    }

    /// A deed is about to be asked for.
    pub(crate) fn ask(&mut self, held: &Held, deed: Deed, sent: u64) {
        let life = self.lives.entry(held.record).or_default();
        let until = match deed {
            Deed::Acknowledge => {
                life.asked += 1;
                return;
            }
            Deed::Hide { secs } => sent + secs * 1_000,
            Deed::Restore => {
                life.restore_asked = true;
                0
            }
        };
        if let Some(delivery) = life.deliveries.get_mut(&held.delivery) {
            delivery.held_until = delivery.held_until.min(until);
        }
    }

    pub(crate) fn came(
        &mut self,
        history: &mut History,
        held: &Held,
        deed: Deed,
        window: Window,
        came: Came,
    ) {
        let life = self.lives.entry(held.record).or_default();
        let held_until = life.deliveries.get(&held.delivery).map_or(0, |delivery| delivery.held_until);
        // What is hidden no longer may be with another receiver before the answer to that has come.
        let last = deed == Deed::Acknowledge;
        let mut later = life.deliveries.range(held.delivery + 1..).map(|(_, later)| later.window.answered);
        let later = later.any(|answered| last || answered < window.sent);
        let gone = life.acknowledged.is_some_and(|(_, at)| last || at < window.sent);
        let wrong = match came {
            Came::Done if gone => Some("a receipt of an acknowledged record is honoured"),
            Came::Done if later => Some("a receipt is honoured although the record was received again"),
            Came::Stale if window.answered < held_until => {
                Some("a receipt is refused although nobody else can hold it")
            }
            Came::Gone if life.asked <= u32::from(deed == Deed::Acknowledge) => {
                Some("a record is said to be acknowledged, and nobody asked for that")
            }
            Came::Wrong => Some("a receipt is refused that was given out"),
            _ => None,
        };
        match (deed, came) {
            (Deed::Acknowledge, Came::Done) => {
                life.acknowledged = Some((held.delivery, window.answered));
                self.acknowledged += 1;
            }
            (Deed::Acknowledge, Came::NotDone | Came::Stale | Came::Gone | Came::Wrong) => life.asked -= 1,
            (Deed::Hide { secs }, Came::Done) => {
                if let Some(delivery) = life.deliveries.get_mut(&held.delivery) {
                    delivery.held_until = window.sent + secs * 1_000;
                }
            }
            _ => {}
        }
        if let Some(wrong) = wrong {
            history.violation(format!("queue: {wrong}: {deed:?} of {held:?} within {window:?}; {life:?}"));
        }
    }

    /// The queue has been emptied. Every record that it had to deliver is acknowledged.
    pub(crate) fn check_all(&self, history: &mut History, found: &Final) {
        let there: BTreeSet<SequenceNumber> = found
            .get(&self.stream)
            .into_iter()
            .flatten()
            .flat_map(|shard| &shard.records)
            .filter(|record| identity(&record.data).is_some_and(|(put, _)| put >= self.first_put))
            .map(|record| record.number)
            .collect();
        for record in &there {
            if self.lives.get(record).is_none_or(|life| life.asked == 0) {
                let life = self.lives.get(record);
                history.violation(format!("queue: {record} is lost or stuck: {life:?}"));
            }
        }
        let acknowledged =
            history.puts.iter().filter(|put| matches!(put.fate, Fate::Acknowledged(_))).count();
        if self.arn.is_some() && acknowledged > self.first_put + 1 && self.received == 0 {
            history.violation("queue: it delivered nothing at all".to_owned());
        }
    }
}

/// Which delivery a receipt handle is of.
fn delivery_of(handle: &str) -> Option<u32> {
    let bytes = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(handle).ok()?;
    bytes.get(17..21)?.try_into().ok().map(u32::from_be_bytes)
}

/// What an answer says of one entry that was not done.
pub(crate) fn refusal(entry: &Value) -> Came {
    let message = entry["ErrorMessage"].as_str().unwrap_or_default();
    match entry["ErrorCode"].as_str() {
        Some("ResourceNotFoundException") => Came::Gone,
        Some("InvalidArgumentException") if message.contains("received again") => Came::Stale,
        _ => Came::Wrong,
    }
}
