use crate::{ControlCommand, Refusal, State, StreamStatus, caps};
use millstream_types::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Give a stream or one of its consumers tags, or take some away. What is there already gets its new value; what is not
/// there is taken away without complaint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeTags {
    pub stream: String,
    /// The stream itself if none.
    pub consumer: Option<String>,
    pub set: BTreeMap<String, String>,
    pub remove: BTreeSet<String>,
}

impl ControlCommand for ChangeTags {
    type Outcome = ();

    fn apply(&self, state: &mut State, _at: Timestamp) -> Result<(), Refusal> {
        let stream = state.change_stream(&self.stream)?;
        if stream.status == StreamStatus::Deleting {
            return Err(Refusal::StreamBusy { name: self.stream.clone(), status: stream.status });
        }
        let tags = match &self.consumer {
            None => &mut stream.tags,
            Some(name) => {
                let none = || Refusal::NoSuchConsumer { stream: self.stream.clone(), consumer: name.clone() };
                &mut stream.consumers.get_mut(name).ok_or_else(none)?.tags
            }
        };
        let new = self.set.keys().filter(|key| !tags.contains_key(*key)).count();
        let (count, limit) = (tags.len() + new, caps::TAGS);
        if new > 0 && count > limit {
            return Err(Refusal::TooManyTags { stream: self.stream.clone(), limit });
        }
        tags.extend(self.set.iter().map(|(key, value)| (key.clone(), value.clone())));
        tags.retain(|key, _| !self.remove.contains(key));
        Ok(())
    }
}
