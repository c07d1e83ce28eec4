use crate::{Code, ResourcePolicy};
use millstream_types::{Timestamp, name_of_key};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layer {
    /// Its key: see `Home::key`. [`Layer::own_name`] is what its owner called it.
    pub name: String,
    /// Without a version.
    pub arn: String,
    pub versions: BTreeMap<u64, Arc<LayerVersion>>,
    /// The newest number ever given, so that none is given twice.
    pub newest: u64,
}

impl Layer {
    pub fn own_name(&self) -> &str {
        name_of_key(&self.name)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerVersion {
    pub version: u64,
    /// With the version.
    pub arn: String,
    pub description: Option<String>,
    pub license: Option<String>,
    pub runtimes: Vec<String>,
    pub architectures: Vec<String>,
    pub code: Code,
    pub created: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Arc<ResourcePolicy>>,
}
