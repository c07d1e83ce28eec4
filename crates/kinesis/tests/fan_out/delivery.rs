//! What one subscription delivers, against the records that there are.

use crate::history::{Child, Event, Frame, History, ShardKey, Start, Subscription};
use crate::truth::{DAY, Known};

/// Where a reader stands: the record that it gets next is one of `low..=high`. It is known better than that as soon as
/// the server has said something.
pub(crate) struct Cursor<'a> {
    known: &'a [Known],
    low: usize,
    high: usize,
    continuation: Option<String>,
}

impl<'a> Cursor<'a> {
    pub(crate) fn start(known: &'a [Known], subscription: &Subscription) -> Self {
        let at = |place| (place, place);
        let after_all = |is: &dyn Fn(&Known) -> bool| known.iter().rposition(is).map_or(0, |last| last + 1);
        let first = |is: &dyn Fn(&Known) -> bool| known.iter().position(is).unwrap_or(known.len());
        let (asked, accepted) = (subscription.asked, subscription.accepted().unwrap_or_default());
        let was_there = |record: &Known| record.acknowledged.is_some_and(|moment| moment < asked);
        let (low, high) = match &subscription.start {
            Start::TrimHorizon => at(0),
            Start::Latest => (after_all(&was_there), first(&|record| record.asked > accepted)),
            Start::At(number) => at(first(&|record| record.number >= *number)),
            Start::After(number) => at(first(&|record| record.number > *number)),
            Start::Time(time) => (
                after_all(&|record| record.arrived_before(*time) && was_there(record)),
                first(&|record| record.arrived_since(*time) || record.asked > accepted),
            ),
        };
        let continuation = match &subscription.start {
            Start::After(number) => Some(number.clone()),
            _ => None,
        };
        Self { known, low, high, continuation }
    }

    /// The reader goes on with the record at `place`.
    fn move_to(&mut self, place: usize, now: u64) -> Result<(), String> {
        if place < self.low {
            return Err(format!("goes back to {}", self.known[place].number));
        }
        self.passes_over(place, now)?;
        (self.low, self.high) = (place, place);
        Ok(())
    }

    /// Only what has expired is passed over.
    fn passes_over(&self, place: usize, now: u64) -> Result<(), String> {
        let range = self.high.min(place)..place;
        match self.known[range].iter().find(|record| !record.may_have_expired(now)) {
            Some(lost) => Err(format!("passes over {}, put at {:?}", lost.number, lost.asked)),
            None => Ok(()),
        }
    }

    pub(crate) fn event(
        &mut self,
        history: &History,
        shard: ShardKey,
        frame: &Frame,
        event: &Event,
    ) -> Result<(), String> {
        for record in &event.records {
            let place = self.known.partition_point(|known| known.number < record.number);
            self.move_to(place, frame.came.at)?;
            if record.arrival + DAY < frame.polled.at {
                return Err(format!("delivers {}, which has expired", record.number));
            }
            (self.low, self.high) = (place + 1, place + 1);
        }
        match (&event.continuation, &event.children) {
            (Some(number), None) => self.goes_on(number, frame.came.at)?,
            (None, Some(children)) => self.ends(history, shard, frame, children)?,
            other => return Err(format!("neither goes on nor ends, or both: {other:?}")),
        }
        self.behind(history, shard, frame, event)
    }

    /// Whoever goes on after the number gets what this reader would have got.
    fn goes_on(&mut self, number: &String, now: u64) -> Result<(), String> {
        if self.continuation.as_ref().is_some_and(|before| before > number) {
            return Err(format!("continues at {number}, before {:?}", self.continuation));
        }
        let place = self.known.partition_point(|known| known.number <= *number);
        self.move_to(place, now).map_err(|wrong| format!("the continuation {number} {wrong}"))?;
        self.continuation = Some(number.clone());
        Ok(())
    }

    fn ends(
        &self,
        history: &History,
        shard: ShardKey,
        frame: &Frame,
        children: &[Child],
    ) -> Result<(), String> {
        self.passes_over(self.known.len(), frame.came.at).map_err(|wrong| format!("ends and {wrong}"))?;
        let parent = &history.shards[&shard];
        let Some(closing) = parent.closing.filter(|closing| *closing < frame.came) else {
            return Err("ends, and nobody has asked for it".to_owned());
        };
        let expected: Vec<Child> = parent
            .children
            .iter()
            .map(|&id| {
                let child = &history.shards[&ShardKey { id, ..shard }];
                Child { id, parents: child.parents.clone(), range: child.range }
            })
            .collect();
        // After a day the children may have ended and gone, too.
        if children != expected && closing.at + DAY >= frame.came.at {
            return Err(format!("ends with {children:?} instead of {expected:?}"));
        }
        Ok(())
    }

    fn behind(&self, history: &History, shard: ShardKey, frame: &Frame, event: &Event) -> Result<(), String> {
        let behind =
            u64::try_from(event.behind).map_err(|_negative| format!("is {} behind", event.behind))?;
        if behind == 0 {
            let waiting = self.known[self.high..].iter().find(|record| {
                record.acknowledged.is_some_and(|moment| moment < frame.polled)
                    && !record.may_have_expired(frame.came.at)
            });
            return match waiting {
                Some(record) => Err(format!("is told to have caught up, before {}", record.number)),
                None => Ok(()),
            };
        }
        let more = self.known[self.low..].iter().any(|record| record.asked < frame.came);
        let shard = &history.shards[&shard];
        let closing = shard.closing.is_some_and(|began| began < frame.came)
            && shard.closed.is_none_or(|closed| closed > frame.polled);
        if !more && !closing {
            return Err(format!("is {behind} behind, and there is nothing more"));
        }
        if let Some(last) = event.records.last() {
            let age = |now: u64| now.saturating_sub(last.arrival).max(1);
            if behind < age(frame.polled.at) || behind > age(frame.came.at) {
                return Err(format!("is {behind} behind, with {last:?}"));
            }
        }
        Ok(())
    }

    /// Nothing is left that it should have delivered.
    pub(crate) fn has_all(&self, now: u64) -> Result<(), String> {
        self.passes_over(self.known.len(), now)
    }
}
