use crate::{ControlCommand, Refusal, State};
use millstream_types::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What Lambda's tags hang on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Tagged {
    /// By its key.
    Function(String),
    /// By its UUID.
    Mapping(String),
}

/// Set and remove tags of a function or an event source mapping.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeLambdaTags {
    pub of: Tagged,
    pub set: BTreeMap<String, String>,
    pub remove: BTreeSet<String>,
    /// How many there may be.
    pub limit: usize,
}

impl ControlCommand for ChangeLambdaTags {
    type Outcome = ();

    fn apply(&self, state: &mut State, _at: Timestamp) -> Result<(), Refusal> {
        let mut tags = match &self.of {
            Tagged::Function(key) => state.function(key)?.tags.clone(),
            Tagged::Mapping(uuid) => state.mapping(uuid)?.tags.clone(),
        };
        tags.extend(self.set.clone());
        tags.retain(|name, _| !self.remove.contains(name));
        if tags.len() > self.limit {
            return Err(Refusal::Limit { what: "tags", limit: self.limit });
        }
        match &self.of {
            Tagged::Function(key) => state.change_function(key)?.tags = tags,
            Tagged::Mapping(uuid) => state.change_mapping(uuid)?.tags = tags,
        }
        Ok(())
    }
}
