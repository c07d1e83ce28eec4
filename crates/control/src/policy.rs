use serde::{Deserialize, Serialize};

/// Who else may use a function, or one of its versions or aliases, or a version of a layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResourcePolicy {
    /// JSON.
    pub text: String,
    pub revision_id: String,
}

/// What a resource policy of Lambda is attached to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum PolicyOf {
    Function {
        name: String,
        /// A version or an alias; empty for the function without one.
        qualifier: String,
    },
    LayerVersion {
        layer: String,
        version: u64,
    },
}
