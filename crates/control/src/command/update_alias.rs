use super::create_alias::refuse_unknown;
use crate::{Alias, AliasTarget, ControlCommand, Refusal, State};
use millstream_types::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Lead an alias to another version, or describe it otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdateAlias {
    pub function: String,
    pub name: String,
    pub version: Option<String>,
    /// A second version and its share, or none any more if this is empty.
    pub additional: Option<Vec<(String, u32)>>,
    pub description: Option<String>,
    /// Refuse unless the alias still has this revision.
    pub expected_revision: Option<String>,
    pub revision_id: String,
}

impl ControlCommand for UpdateAlias {
    type Outcome = Arc<Alias>;

    fn apply(&self, state: &mut State, _at: Timestamp) -> Result<Arc<Alias>, Refusal> {
        let function = state.function(&self.function)?;
        let none = || Refusal::NoSuchAlias { function: self.function.clone(), alias: self.name.clone() };
        let now = function.published.aliases.get(&self.name).ok_or_else(none)?;
        if self.expected_revision.as_ref().is_some_and(|expected| *expected != now.revision_id) {
            let actual = now.revision_id.clone();
            return Err(Refusal::RevisionMismatch { name: self.name.clone(), actual });
        }
        let target = AliasTarget {
            version: self.version.clone().unwrap_or_else(|| now.target.version.clone()),
            additional: match &self.additional {
                Some(additional) => additional.first().cloned(),
                None => now.target.additional.clone(),
            },
        };
        refuse_unknown(function, &target)?;
        if function.provisioned.contains_key(&self.name) {
            let additional = target.additional.iter().map(|(version, _)| version.as_str());
            let versions: Vec<&str> = std::iter::once(target.version.as_str()).chain(additional).collect();
            function.check_provisioned_alias(&versions)?;
        }
        let alias = Arc::new(Alias {
            target,
            description: self.description.clone().unwrap_or_else(|| now.description.clone()),
            revision_id: self.revision_id.clone(),
        });
        state.change_function(&self.function)?.published.aliases.insert(self.name.clone(), alias.clone());
        Ok(alias)
    }
}
