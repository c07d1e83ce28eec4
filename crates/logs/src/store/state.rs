//! All groups.

use super::group::Group;
use std::collections::BTreeMap;

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) groups: BTreeMap<String, Group>,
    /// The number of the newest event, of all groups.
    pub(super) number: u64,
    /// The disk has less room than is to be left.
    pub(super) disk_full: bool,
}

impl State {
    pub(super) fn bytes(&self) -> u64 {
        self.groups.values().map(Group::bytes).sum()
    }

    pub(super) fn spans(&self) -> usize {
        self.groups.values().map(Group::spans).sum()
    }
}
