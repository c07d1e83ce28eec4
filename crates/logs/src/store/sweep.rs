//! What goes: old events, events that there is no room for, and streams of functions whose events are gone.

use super::group::{Group, Segment};
use super::record::Entry;
use super::writer::{Writer, declare_stream, note};
use crate::caps;
use millstream_host::fs;
use millstream_types::Timestamp;

const DAY_MILLIS: u64 = 24 * 60 * 60 * 1_000;

/// Events before this are not shown any more, and go.
pub(super) fn horizon(group: &Group, default_days: Option<u32>, now: Timestamp) -> Timestamp {
    let days = group.meta.retention_days.or(default_days);
    days.map_or(Timestamp::ZERO, |days| now.minus_millis(u64::from(days) * DAY_MILLIS))
}

impl Writer {
    /// How much room the disk has.
    pub(super) fn look(&mut self) {
        let reserve = self.shared.options.disk_reserve_bytes;
        // Where the system does not say, writes will.
        let free = fs::free_bytes(&self.shared.directory).unwrap_or(u64::MAX);
        let full = free < reserve;
        let mut state = self.shared.state();
        if full && !state.disk_full {
            tracing::warn!(
                free,
                "the disk is nearly full: what functions print is not kept until there is room"
            );
        }
        state.disk_full = full;
    }

    /// Let the oldest segments go until all is within its limits.
    pub(super) fn make_room(&mut self) {
        while let Some((key, number)) = self.too_much() {
            if !self.drop_segment(&key, number) {
                return;
            }
        }
    }

    /// The segment that has to go next, if one has to.
    fn too_much(&self) -> Option<(String, u64)> {
        let options = &self.shared.options;
        let state = self.shared.state();
        let of_group = state.groups.values().find_map(|group| {
            let over = group.bytes() > options.group_bytes || group.streams.len() > caps::STREAMS_PER_GROUP;
            let oldest = group.segments.iter().find(|segment| segment.summary.events > 0)?;
            over.then(|| (group.key().to_owned(), oldest.number))
        });
        if of_group.is_some() {
            return of_group;
        }
        if state.bytes() <= options.total_bytes && state.spans() <= caps::SPANS {
            return None;
        }
        let oldest = |group: &Group| {
            let with_events = group.segments.iter().find(|segment| segment.summary.events > 0);
            with_events.map(|segment| (segment.summary.ingested, group.key().to_owned(), segment.number))
        };
        let (_, key, number) = state.groups.values().filter_map(oldest).min()?;
        Some((key, number))
    }

    /// Whether it is gone.
    fn drop_segment(&mut self, key: &str, number: u64) -> bool {
        let (path, streams, gone) = {
            let state = self.shared.state();
            let Some(group) = state.groups.get(key) else { return false };
            let (streams, gone) = group.kept_of(number);
            (group.path(number), streams, gone)
        };
        if let Some(group) = self.shared.state().groups.get_mut(key) {
            group.forget(number);
        }
        self.forget_file(&path);
        if !streams.is_empty() || !gone.is_empty() {
            // First, so that a crash between the two has them twice and not never.
            let kept = self.declare(key, |group, _, bytes| {
                for id in streams {
                    declare_stream(group, id, bytes);
                }
                for id in gone {
                    note(group, &Entry::Gone { id }, bytes);
                }
            });
            if let Err(error) = kept {
                tracing::warn!(%error, "log streams may be forgotten");
            }
        }
        let removed = fs::remove_file(&path.with_extension("json")).and_then(|()| fs::remove_file(&path));
        if let Err(error) = removed {
            tracing::warn!(%error, path = %path.display(), "old functions' logs could not be removed");
            return false;
        }
        true
    }

    /// Let go of what is too old, and close segments that could not go by themselves.
    pub(super) fn sweep(&mut self) {
        let now = self.shared.options.clock.now();
        let (mut old, mut aged) = (Vec::new(), Vec::new());
        {
            let state = self.shared.state();
            for group in state.groups.values() {
                let horizon = horizon(group, self.shared.options.retention_days, now);
                let is_old = |segment: &&Segment| {
                    let summary = &segment.summary;
                    // Without events it only says what streams there are, and may be needed for that.
                    let needed = || group.kept_of(segment.number) != (Vec::new(), Vec::new());
                    if summary.events > 0 { summary.last < horizon } else { !segment.open && !needed() }
                };
                old.extend(group.segments.iter().filter(is_old).map(|s| (group.key().to_owned(), s.number)));
                let limit = u64::try_from(caps::SEGMENT_AGE.as_millis()).unwrap_or(u64::MAX);
                let is_aged = |s: &&Segment| {
                    s.open && s.summary.events > 0 && now.millis_since(s.summary.begun) >= limit
                };
                aged.extend(group.segments.back().filter(is_aged).map(|_| group.key().to_owned()));
            }
        }
        for key in aged {
            self.close(&key);
        }
        for (key, number) in old {
            self.drop_segment(&key, number);
        }
        self.make_room();
    }
}
