use crate::{ControlCommand, Refusal, State};
use millstream_types::Timestamp;
use serde::{Deserialize, Serialize};

/// Forget a version of a function, unless an alias leads to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeleteFunctionVersion {
    pub name: String,
    pub version: u64,
}

impl ControlCommand for DeleteFunctionVersion {
    type Outcome = ();

    fn apply(&self, state: &mut State, _at: Timestamp) -> Result<(), Refusal> {
        let published = &state.function(&self.name)?.published;
        let version = self.version.to_string();
        if !published.versions.contains_key(&self.version) {
            return Err(Refusal::NoSuchVersion { function: self.name.clone(), version });
        }
        let aliases: Vec<String> = published.aliases_of(&version).map(str::to_owned).collect();
        if !aliases.is_empty() {
            return Err(Refusal::VersionInUse { function: self.name.clone(), version, aliases });
        }
        let function = state.change_function(&self.name)?;
        function.published.versions.remove(&self.version);
        function.event_invoke.remove(&version);
        function.policies.remove(&version);
        function.provisioned.remove(&version);
        Ok(())
    }
}
