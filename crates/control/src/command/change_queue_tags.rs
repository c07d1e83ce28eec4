use crate::{ControlCommand, Refusal, State, caps};
use millstream_types::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Give a queue tags, or take some away. What is there already gets its new value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeQueueTags {
    pub id: String,
    pub set: BTreeMap<String, String>,
    pub remove: BTreeSet<String>,
}

impl ControlCommand for ChangeQueueTags {
    type Outcome = ();

    fn apply(&self, state: &mut State, _at: Timestamp) -> Result<(), Refusal> {
        let tags = &state.queue(&self.id)?.tags;
        let new = self.set.keys().filter(|key| !tags.contains_key(*key)).count();
        if new > 0 && tags.len() + new > caps::TAGS {
            return Err(Refusal::Limit { what: "tags of a queue", limit: caps::TAGS });
        }
        let tags = &mut state.change_queue(&self.id)?.tags;
        tags.extend(self.set.iter().map(|(key, value)| (key.clone(), value.clone())));
        tags.retain(|key, _| !self.remove.contains(key));
        Ok(())
    }
}
