//! Those who follow what comes.

use super::Shared;
use crate::caps;
use crate::filter::Filter;
use millstream_host::entropy;
use millstream_types::Timestamp;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What somebody wants to follow.
#[derive(Clone, Debug, Default)]
pub(crate) struct LiveQuery {
    /// Keys of groups.
    pub(crate) groups: Vec<String>,
    /// Streams by name, or by what their names begin with; all of them, where both are empty.
    pub(crate) names: Vec<String>,
    pub(crate) prefixes: Vec<String>,
    pub(crate) filter: Option<Arc<Filter>>,
}

impl LiveQuery {
    fn takes(&self, event: &LiveEvent) -> bool {
        let any = self.names.is_empty() && self.prefixes.is_empty();
        let named = || self.names.contains(&event.stream);
        let begins = || self.prefixes.iter().any(|prefix| event.stream.starts_with(prefix));
        (any || named() || begins()) && self.filter.as_ref().is_none_or(|filter| filter.takes(&event.text))
    }
}

/// An event that has just come.
#[derive(Clone, Debug)]
pub(crate) struct LiveEvent {
    /// Which of the groups that were asked for.
    pub(crate) group: usize,
    pub(crate) stream: String,
    pub(crate) timestamp: Timestamp,
    pub(crate) ingested: Timestamp,
    pub(crate) text: String,
}

#[derive(Debug, Default)]
pub(super) struct Lives(Mutex<Vec<Arc<Follower>>>);

#[derive(Debug)]
struct Follower {
    id: u64,
    home: String,
    query: LiveQuery,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    events: VecDeque<LiveEvent>,
    bytes: usize,
    /// Some were left out.
    sampled: bool,
}

impl Lives {
    fn all(&self) -> MutexGuard<'_, Vec<Arc<Follower>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tell of events of a group. They are made only where somebody follows it.
    pub(super) fn tell(&self, key: &str, events: impl Iterator<Item = LiveEvent>) {
        let all = self.all();
        let following: Vec<(usize, &Arc<Follower>)> = all
            .iter()
            .filter_map(|follower| {
                let group = follower.query.groups.iter().position(|group| group == key)?;
                Some((group, follower))
            })
            .collect();
        if following.is_empty() {
            return;
        }
        for event in events {
            for (group, follower) in &following {
                if follower.query.takes(&event) {
                    follower.push(LiveEvent { group: *group, ..event.clone() });
                }
            }
        }
    }
}

impl Follower {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, event: LiveEvent) {
        let mut waiting = self.waiting();
        let bytes = waiting.bytes + event.text.len();
        if waiting.events.len() >= caps::LIVE_EVENTS || bytes > caps::LIVE_BYTES {
            waiting.sampled = true;
            return;
        }
        waiting.bytes = bytes;
        waiting.events.push_back(event);
    }
}

/// Somebody who follows; until it is dropped.
#[derive(Debug)]
pub(crate) struct LiveSession {
    shared: Arc<Shared>,
    follower: Arc<Follower>,
}

impl LiveSession {
    /// What has come since the last time, and whether some of it was left out.
    pub(crate) fn take(&self) -> (Vec<LiveEvent>, bool) {
        let Waiting { events, sampled, .. } = std::mem::take(&mut *self.follower.waiting());
        (events.into(), sampled)
    }
}

impl Drop for LiveSession {
    fn drop(&mut self) {
        self.shared.lives.all().retain(|other| other.id != self.follower.id);
    }
}

pub(super) fn open(shared: Arc<Shared>, home: String, query: LiveQuery) -> Option<LiveSession> {
    let follower = Arc::new(Follower { id: entropy::u64(), home, query, waiting: Mutex::default() });
    {
        let mut all = shared.lives.all();
        let of_home = all.iter().filter(|other| other.home == follower.home).count();
        if all.len() >= caps::LIVE_SESSIONS || of_home >= caps::LIVE_SESSIONS_PER_HOME {
            return None;
        }
        all.push(follower.clone());
    }
    Some(LiveSession { shared, follower })
}
