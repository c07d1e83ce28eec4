use crate::{Alias, AliasTarget, ControlCommand, Function, Refusal, State, caps};
use millstream_types::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A new name for a version of a function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateAlias {
    pub function: String,
    pub name: String,
    pub target: AliasTarget,
    pub description: String,
    pub revision_id: String,
}

impl ControlCommand for CreateAlias {
    type Outcome = Arc<Alias>;

    fn apply(&self, state: &mut State, _at: Timestamp) -> Result<Arc<Alias>, Refusal> {
        let function = state.function(&self.function)?;
        if function.published.aliases.contains_key(&self.name) {
            return Err(Refusal::AliasExists { function: self.function.clone(), alias: self.name.clone() });
        }
        if function.published.aliases.len() >= caps::ALIASES_PER_FUNCTION {
            return Err(Refusal::Limit { what: "aliases of a function", limit: caps::ALIASES_PER_FUNCTION });
        }
        refuse_unknown(function, &self.target)?;
        let alias = Arc::new(Alias {
            target: self.target.clone(),
            description: self.description.clone(),
            revision_id: self.revision_id.clone(),
        });
        state.change_function(&self.function)?.published.aliases.insert(self.name.clone(), alias.clone());
        Ok(alias)
    }
}

/// An alias leads to versions that are there.
pub(super) fn refuse_unknown(function: &Function, target: &AliasTarget) -> Result<(), Refusal> {
    let additional = target.additional.iter().map(|(version, _)| version);
    for version in std::iter::once(&target.version).chain(additional) {
        if !function.published.has_version(version) {
            return Err(Refusal::NoSuchVersion { function: function.name.clone(), version: version.clone() });
        }
    }
    Ok(())
}
