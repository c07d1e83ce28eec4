use crate::{Code, ControlCommand, Layer, LayerVersion, Refusal, State, caps};
use millstream_types::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A new version of a layer, which is made if this is its first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishLayerVersion {
    pub name: String,
    /// The layer's ARN, without a version.
    pub arn: String,
    pub description: Option<String>,
    pub license: Option<String>,
    pub runtimes: Vec<String>,
    pub architectures: Vec<String>,
    pub code: Code,
}

impl ControlCommand for PublishLayerVersion {
    type Outcome = Arc<LayerVersion>;

    fn apply(&self, state: &mut State, at: Timestamp) -> Result<Arc<LayerVersion>, Refusal> {
        let mut layer = match state.layers.get(&self.name) {
            Some(layer) => Layer::clone(layer),
            None if state.layers.len() >= caps::LAYERS => {
                return Err(Refusal::Limit { what: "layers", limit: caps::LAYERS });
            }
            None => {
                Layer { name: self.name.clone(), arn: self.arn.clone(), versions: BTreeMap::new(), newest: 0 }
            }
        };
        if layer.versions.len() >= caps::VERSIONS_PER_LAYER {
            return Err(Refusal::Limit { what: "versions of a layer", limit: caps::VERSIONS_PER_LAYER });
        }
        layer.newest += 1;
        let version = Arc::new(LayerVersion {
            version: layer.newest,
            arn: format!("{}:{}", layer.arn, layer.newest),
            description: self.description.clone(),
            license: self.license.clone(),
            runtimes: self.runtimes.clone(),
            architectures: self.architectures.clone(),
            code: self.code.clone(),
            created: at,
            policy: None,
        });
        layer.versions.insert(layer.newest, version.clone());
        state.layers.insert(self.name.clone(), Arc::new(layer));
        Ok(version)
    }
}
