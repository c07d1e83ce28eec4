use crate::{ControlCommand, PolicyOf, Refusal, ResourcePolicy, State};
use millstream_types::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Give a function, a version or alias of it, or a version of a layer a resource policy in the place of the one that was
/// read before, or take it away. It goes with what it is attached to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetLambdaPolicy {
    pub of: PolicyOf,
    /// JSON; none to take it away.
    pub policy: Option<String>,
    /// The revision of the policy that this one was made from; none if there was no policy.
    pub replaces: Option<String>,
    pub revision_id: String,
}

impl ControlCommand for SetLambdaPolicy {
    type Outcome = ();

    fn apply(&self, state: &mut State, _at: Timestamp) -> Result<(), Refusal> {
        let new = self.policy.as_ref().map(|text| {
            Arc::new(ResourcePolicy { text: text.clone(), revision_id: self.revision_id.clone() })
        });
        let is_current = |present: Option<&Arc<ResourcePolicy>>| {
            if present.map(|policy| &policy.revision_id) == self.replaces.as_ref() {
                Ok(())
            } else {
                Err(Refusal::PolicyChanged)
            }
        };
        match &self.of {
            PolicyOf::Function { name, qualifier } => {
                let function = state.function(name)?;
                if !function.published.names(qualifier) {
                    let (function, version) = (name.clone(), qualifier.clone());
                    return Err(Refusal::NoSuchVersion { function, version });
                }
                is_current(function.policies.get(qualifier))?;
                let policies = &mut state.change_function(name)?.policies;
                drop(match new {
                    Some(policy) => policies.insert(qualifier.clone(), policy),
                    None => policies.remove(qualifier),
                });
            }
            PolicyOf::LayerVersion { layer, version } => {
                let none = || Refusal::NoSuchLayerVersion { layer: layer.clone(), version: *version };
                is_current(state.layer_version(layer, *version).ok_or_else(none)?.policy.as_ref())?;
                let layer = Arc::make_mut(state.layers.get_mut(layer).ok_or_else(none)?);
                Arc::make_mut(layer.versions.get_mut(version).ok_or_else(none)?).policy = new;
            }
        }
        Ok(())
    }
}
