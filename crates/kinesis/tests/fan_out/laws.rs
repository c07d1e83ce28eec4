//! The laws of enhanced fan-out, as AWS documents them for SubscribeToShard. They know a history only.

use crate::delivery::Cursor;
use crate::history::{Answer, Consumer, Frame, History, Moment, ShardKey, Subscription, What};
use crate::truth::{DAY, Truth};

/// A second subscription is refused for this long; then it takes over.
const HOLD: u64 = 5_000;
const LIFE: u64 = 300_000;
/// The longest silence.
const SILENCE: u64 = 5_000;
/// What a read at a shard that is being closed may take.
const READ: u64 = 1_000;

type Found = Result<(), String>;

/// Nothing happens any more at `end`, and all clients read.
pub(crate) fn check(history: &History, end: Moment) -> Found {
    for (key, put) in &history.puts {
        if put.answered.is_none() && !history.deletions.contains_key(&put.life) {
            return Err(format!("{key} was not acknowledged: {:?}", put.failed));
        }
    }
    let truth = Truth::of(history)?;
    for (place, subscription) in history.subscriptions.iter().enumerate() {
        let case = Case { history, subscription, end };
        let found = match &subscription.answered {
            None => Err("was not answered".to_owned()),
            Some((at, Answer::Accepted)) => case.accepted(*at, &truth),
            Some((at, Answer::Refused { code, message })) => case.refused(*at, code, message),
        };
        found.map_err(|wrong| format!("subscription {place} {wrong}\n{subscription:#?}"))?;
    }
    Ok(())
}

struct Case<'a> {
    history: &'a History,
    subscription: &'a Subscription,
    end: Moment,
}

impl Case<'_> {
    /// Subscriptions to the same shard of the consumer that the ARN means at a moment.
    fn rivals(&self, at: Moment) -> impl Iterator<Item = (&Subscription, Moment)> {
        let named = |other: &&Subscription| {
            other.arn == self.subscription.arn && other.shard == self.subscription.shard
        };
        let registered = move |at| self.consumer(at).map(|consumer| consumer.asked);
        let named = self.history.subscriptions.iter().filter(named);
        let accepted = named.filter_map(|other| other.accepted().map(|accepted| (other, accepted)));
        accepted.filter(move |(_, accepted)| registered(*accepted) == registered(at))
    }

    /// The consumer that an ARN meant: one that is registered anew within a second has the ARN of the one before.
    fn consumer(&self, at: Moment) -> Option<&Consumer> {
        let named = |consumer: &&Consumer| consumer.arn == self.subscription.arn && consumer.asked < at;
        self.history.consumers.iter().rfind(named)
    }

    fn stream_is_going(&self, by: Moment) -> bool {
        self.history.deletions.get(&self.subscription.shard.life).is_some_and(|asked| *asked < by)
    }

    /// All of the shard may have expired, and it with them.
    fn shard_may_be_gone(&self, by: Moment) -> bool {
        let closing = self.history.shards[&self.subscription.shard].closing;
        closing.is_some_and(|closing| closing.at + DAY <= by.at)
    }

    /// The reshard that makes the shard may have been under way.
    fn shard_may_be_to_come(&self, asked: Moment) -> bool {
        let shard = self.subscription.shard;
        let mut parents = self.history.shards[&shard].parents.iter();
        parents
            .any(|&id| self.history.shards[&ShardKey { id, ..shard }].closed.is_none_or(|made| made > asked))
    }

    fn refused(&self, at: Moment, code: &str, message: &str) -> Found {
        let asked = self.subscription.asked;
        let consumers =
            || self.history.consumers.iter().filter(|c| c.arn == self.subscription.arn && c.asked < at);
        let leaves = consumers().any(|consumer| consumer.leaving.is_some_and(|leaving| leaving < at));
        let begins = consumers().any(|consumer| consumer.active.is_none_or(|active| active > asked));
        let right = match (code, message) {
            ("ResourceInUseException", text) if text.starts_with("Another active subscription exists") => {
                self.rivals(at).any(|(rival, since)| rival.lives_at(at) && at.at - since.at < HOLD)
            }
            ("ResourceInUseException", text) if text.ends_with("is not ACTIVE.") => {
                leaves || begins || self.stream_is_going(at)
            }
            ("ResourceNotFoundException", _) => {
                leaves
                    || self.stream_is_going(at)
                    || self.shard_may_be_gone(at)
                    || self.shard_may_be_to_come(asked)
            }
            _ => false,
        };
        if right { Ok(()) } else { Err(format!("was refused without reason: {code}, {message}")) }
    }

    fn accepted(&self, at: Moment, truth: &Truth) -> Found {
        let held = self.rivals(at).find(|(rival, since)| rival.lives_at(at) && at.at - since.at < HOLD);
        if let Some((rival, _)) = held {
            return Err(format!("was accepted beside {rival:?}"));
        }
        let consumer = self.consumer(at).ok_or("was accepted without a consumer")?;
        if consumer.left.is_some_and(|left| left < self.subscription.asked) {
            return Err("was accepted for a consumer that has gone".to_owned());
        }
        if consumer.active.is_none() && consumer.leaving.is_none() {
            return Err("was accepted for a consumer that never was active".to_owned());
        }
        self.delivers(at, consumer, truth)
    }

    fn delivers(&self, at: Moment, consumer: &Consumer, truth: &Truth) -> Found {
        let (history, shard) = (self.history, self.subscription.shard);
        let mut cursor = Cursor::start(truth.shard(shard), self.subscription);
        let mut ended = false;
        let frames = &self.subscription.frames;
        for (number, frame) in frames.iter().enumerate() {
            let wrong = |wrong: String| format!("{wrong}: {frame:?}");
            Self::is_in_time(at, frame).map_err(wrong)?;
            match &frame.what {
                What::Hello if number == 0 => {}
                What::Hello => return Err(format!("says hello twice: {frame:?}")),
                _ if number == 0 => return Err(format!("says no hello: {frame:?}")),
                _ if ended && !matches!(frame.what, What::End) => {
                    return Err(format!("goes on after its end: {frame:?}"));
                }
                What::Event(event) => {
                    cursor.event(history, shard, frame, event).map_err(wrong)?;
                    self.may_deliver(at, consumer, frame).map_err(wrong)?;
                    ended = event.children.is_some();
                }
                What::Exception(code) => {
                    self.may_fail(at, consumer, frame, code).map_err(wrong)?;
                    ended = true;
                }
                What::End => {
                    if !ended && frame.came.at < at.at + LIFE {
                        return Err(format!("ends before its time: {frame:?}"));
                    }
                }
            }
        }
        if self.subscription.over.is_some() { Ok(()) } else { self.lives(at, consumer, &cursor, ended) }
    }

    fn is_in_time(accepted: Moment, frame: &Frame) -> Found {
        if frame.came.at > frame.since.at + SILENCE {
            return Err("is silent for too long before it".to_owned());
        }
        let late = frame.came.at > frame.since.at.max(accepted.at + LIFE) + READ;
        if late { Err("comes after the subscription's life".to_owned()) } else { Ok(()) }
    }

    /// When another subscription took this one's place.
    fn taken_over(&self, accepted: Moment) -> Option<Moment> {
        self.rivals(accepted).map(|(_, since)| since).filter(|since| *since > accepted).min()
    }

    /// An event for which the client began to wait when the subscription had come to its end is one too many.
    fn may_deliver(&self, accepted: Moment, consumer: &Consumer, frame: &Frame) -> Found {
        let before = |moment: Option<Moment>| moment.is_some_and(|moment| moment < frame.polled);
        if before(self.taken_over(accepted)) {
            return Err("comes after another subscription took over".to_owned());
        }
        if before(consumer.left) {
            return Err("comes after the end of the consumer".to_owned());
        }
        if frame.polled.at >= accepted.at + LIFE {
            return Err("comes after the subscription's life".to_owned());
        }
        Ok(())
    }

    fn may_fail(&self, accepted: Moment, consumer: &Consumer, frame: &Frame, code: &str) -> Found {
        let before = |moment: Option<Moment>| moment.is_some_and(|moment| moment < frame.came);
        let right = match code {
            "ResourceInUseException" => before(self.taken_over(accepted)),
            "ResourceNotFoundException" => {
                before(consumer.leaving)
                    || self.stream_is_going(frame.came)
                    || self.shard_may_be_gone(frame.came)
            }
            _ => false,
        };
        if right { Ok(()) } else { Err("fails without reason".to_owned()) }
    }

    /// One that is not over at the end is as it should be.
    fn lives(&self, accepted: Moment, consumer: &Consumer, cursor: &Cursor<'_>, ended: bool) -> Found {
        let end = self.end;
        let closed = self.history.shards[&self.subscription.shard].closed;
        let reasons = [
            ("its shard has ended", ended || closed.is_some()),
            ("another took over", self.taken_over(accepted).is_some()),
            ("its consumer has gone", consumer.left.is_some()),
            ("its stream has gone", self.stream_is_going(end)),
            ("its time is over", end.at > accepted.at + LIFE + READ),
        ];
        if let Some((reason, _)) = reasons.iter().find(|(_, is)| *is) {
            return Err(format!("lives on, and {reason}"));
        }
        let last = self.subscription.frames.last().map_or(accepted.at, |frame| frame.came.at);
        if end.at > last + SILENCE {
            return Err("is silent in the end".to_owned());
        }
        cursor.has_all(end.at)
    }
}
