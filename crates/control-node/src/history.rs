use crate::caps;

/// When a snapshot is due, and how it is cut.
#[derive(Clone, Copy, Debug)]
pub struct SnapshotPolicy {
    /// Commands since the last snapshot.
    pub commands: u64,
    /// Bytes of commands since the last snapshot; either number makes one due.
    pub bytes: u64,
    /// Not before the commands since the last snapshot have this many percent of its bytes, so that a large state is not
    /// written over and over for a few small changes. At 100, snapshots at most double what is written.
    pub percent_of_last: u64,
    /// Bytes of the state in one record, at least 1.
    pub part_bytes: usize,
}

impl Default for SnapshotPolicy {
    fn default() -> Self {
        Self {
            commands: caps::SNAPSHOT_COMMANDS,
            bytes: caps::SNAPSHOT_BYTES,
            percent_of_last: 100,
            part_bytes: caps::SNAPSHOT_PART,
        }
    }
}

/// A place in the history.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mark {
    /// Commands since the log's beginning, also those that are trimmed.
    pub(crate) commands: u64,
    /// Bytes of the commands that this process has read or written.
    bytes: u64,
}

/// What the log holds, as far as snapshots care.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct History {
    now: Mark,
    /// Where the newest whole snapshot stands, and the bytes of its state.
    covered: Mark,
    size: u64,
    /// The number of the newest snapshot that was begun.
    pub(crate) last_id: u64,
    /// No snapshot before so many commands, because one had to be given up.
    not_before: u64,
}

impl History {
    /// The history behind a snapshot: what came before it is not there any more.
    pub(crate) fn after(commands: u64) -> Self {
        let now = Mark { commands, bytes: 0 };
        Self { now, covered: now, ..Self::default() }
    }

    pub(crate) fn now(&self) -> Mark {
        self.now
    }

    pub(crate) fn command(&mut self, bytes: usize) {
        self.now.commands += 1;
        self.now.bytes += bytes as u64;
    }

    /// A snapshot of the state at `mark`, of `size` bytes, is whole.
    pub(crate) fn covered(&mut self, mark: Mark, size: u64) {
        self.covered = mark;
        self.size = size;
    }

    pub(crate) fn put_off(&mut self, policy: &SnapshotPolicy) {
        self.not_before = self.now.commands + (policy.commands / caps::SNAPSHOT_RETRY).max(1);
    }

    pub(crate) fn is_due(&self, policy: &SnapshotPolicy) -> bool {
        let commands = self.now.commands - self.covered.commands;
        let bytes = self.now.bytes - self.covered.bytes;
        let amortised = self.size.saturating_mul(policy.percent_of_last) / 100;
        commands > 0
            && (commands >= policy.commands || bytes >= policy.bytes)
            && bytes >= amortised
            && self.now.commands >= self.not_before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(history: History, commands: u64, bytes_each: usize) -> History {
        (0..commands).fold(history, |mut history, _| {
            history.command(bytes_each);
            history
        })
    }

    #[test]
    fn commands_or_bytes_make_one_due() {
        let policy = SnapshotPolicy::default();
        let history = History::default();
        assert!(!history.is_due(&policy));
        assert!(!with(history, caps::SNAPSHOT_COMMANDS - 1, 100).is_due(&policy));
        assert!(with(history, caps::SNAPSHOT_COMMANDS, 100).is_due(&policy));
        assert!(!with(history, 4 * 1_024 - 1, 1_024).is_due(&policy));
        assert!(with(history, 4 * 1_024, 1_024).is_due(&policy));
    }

    #[test]
    fn a_large_state_waits_for_as_much_change() {
        let policy = SnapshotPolicy::default();
        let mut history = with(History::default(), caps::SNAPSHOT_COMMANDS, 100);
        history.covered(history.now(), 20 << 20);
        assert!(!with(history, caps::SNAPSHOT_COMMANDS, 1_024).is_due(&policy));
        assert!(with(history, 20 * 1_024, 1_024).is_due(&policy));
    }

    #[test]
    fn one_given_up_is_tried_again_later() {
        let policy = SnapshotPolicy::default();
        let mut history = with(History::default(), caps::SNAPSHOT_COMMANDS, 100);
        history.put_off(&policy);
        assert!(!with(history, 999, 100).is_due(&policy));
        assert!(with(history, 1_000, 100).is_due(&policy));
    }
}
