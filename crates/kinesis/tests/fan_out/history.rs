//! What was asked and what came of it, as clients saw it.

use std::collections::BTreeMap;
use std::fmt;

/// Moments are ordered; `at` is the time, in milliseconds.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment {
    pub(crate) order: u64,
    pub(crate) at: u64,
}

impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{} at {}", self.order, self.at)
    }
}

/// A stream made anew has shards of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ShardKey {
    pub(crate) life: usize,
    pub(crate) id: u64,
}

/// A record, under a partition key of its own.
#[derive(Clone, Debug)]
pub(crate) struct Put {
    pub(crate) life: usize,
    pub(crate) asked: Moment,
    pub(crate) answered: Option<Placed>,
    pub(crate) failed: Option<String>,
}

/// Its acknowledgement. Sequence numbers are compared as texts, which have one length.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    pub(crate) at: Moment,
    pub(crate) shard: u64,
    pub(crate) number: String,
}

#[derive(Clone, Debug)]
pub(crate) struct Shard {
    pub(crate) range: (u128, u128),
    pub(crate) parents: Vec<u64>,
    pub(crate) children: Vec<u64>,
    /// When the reshard that closes it was asked for, and when the stream was seen to be active after it.
    pub(crate) closing: Option<Moment>,
    pub(crate) closed: Option<Moment>,
}

#[derive(Clone, Debug)]
pub(crate) struct Consumer {
    pub(crate) life: usize,
    pub(crate) name: u8,
    pub(crate) arn: String,
    pub(crate) asked: Moment,
    pub(crate) active: Option<Moment>,
    /// When somebody asked for its end, and when that was answered.
    pub(crate) leaving: Option<Moment>,
    pub(crate) left: Option<Moment>,
}

#[derive(Clone, Debug)]
pub(crate) enum Start {
    TrimHorizon,
    Latest,
    At(String),
    After(String),
    Time(u64),
}

#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Accepted,
    Refused { code: String, message: String },
}

#[derive(Clone, Debug)]
pub(crate) struct Subscription {
    pub(crate) arn: String,
    pub(crate) shard: ShardKey,
    pub(crate) start: Start,
    pub(crate) asked: Moment,
    pub(crate) answered: Option<(Moment, Answer)>,
    pub(crate) frames: Vec<Frame>,
    /// When the server or the client let go of it.
    pub(crate) over: Option<Moment>,
}

#[derive(Clone, Debug)]
pub(crate) struct Frame {
    /// When the client began to wait for it.
    pub(crate) polled: Moment,
    /// Since when it waited without a break.
    pub(crate) since: Moment,
    pub(crate) came: Moment,
    pub(crate) what: What,
}

#[derive(Clone, Debug)]
pub(crate) enum What {
    Hello,
    Event(Event),
    Exception(String),
    End,
}

#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) records: Vec<Record>,
    pub(crate) continuation: Option<String>,
    pub(crate) behind: i64,
    pub(crate) children: Option<Vec<Child>>,
}

#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) key: String,
    pub(crate) number: String,
    pub(crate) arrival: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Child {
    pub(crate) id: u64,
    pub(crate) parents: Vec<u64>,
    pub(crate) range: (u128, u128),
}

#[derive(Debug, Default)]
pub(crate) struct History {
    pub(crate) puts: BTreeMap<String, Put>,
    pub(crate) shards: BTreeMap<ShardKey, Shard>,
    pub(crate) consumers: Vec<Consumer>,
    pub(crate) subscriptions: Vec<Subscription>,
    /// When the deletion of a stream was asked for.
    pub(crate) deletions: BTreeMap<usize, Moment>,
}

impl Subscription {
    /// When it was accepted, if it was.
    pub(crate) fn accepted(&self) -> Option<Moment> {
        match &self.answered {
            Some((at, Answer::Accepted)) => Some(*at),
            _ => None,
        }
    }

    pub(crate) fn events(&self) -> impl DoubleEndedIterator<Item = (&Frame, &Event)> {
        self.frames.iter().filter_map(|frame| match &frame.what {
            What::Event(event) => Some((frame, event)),
            _ => None,
        })
    }

    /// Where its client would go on. Nothing after the end of a shard.
    pub(crate) fn stands(&self) -> Option<Start> {
        match self.events().next_back() {
            None => Some(self.start.clone()),
            Some((_, event)) => event.continuation.clone().map(Start::After),
        }
    }

    /// Until when it held its consumer's place at the shard.
    pub(crate) fn lives_at(&self, moment: Moment) -> bool {
        self.accepted().is_some_and(|at| at < moment) && self.over.is_none_or(|over| over > moment)
    }
}
