use crate::{
    Code, ControlCommand, Function, FunctionSettings, FunctionStatus, Published, Refusal, State,
    UpdateStatus, caps,
};
use millstream_types::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A new function, `Pending` until its code is unpacked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateFunction {
    pub name: String,
    pub arn: String,
    pub code: Code,
    pub settings: FunctionSettings,
    pub architectures: Vec<String>,
    pub tags: BTreeMap<String, String>,
    pub revision_id: String,
    /// Publish version 1 at once.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub publish: bool,
}

impl ControlCommand for CreateFunction {
    type Outcome = Arc<Function>;

    fn apply(&self, state: &mut State, at: Timestamp) -> Result<Arc<Function>, Refusal> {
        if state.functions.contains_key(&self.name) {
            return Err(Refusal::FunctionExists(self.name.clone()));
        }
        if state.functions.len() >= caps::FUNCTIONS {
            return Err(Refusal::Limit { what: "functions", limit: caps::FUNCTIONS });
        }
        let mut function = Function {
            name: self.name.clone(),
            arn: self.arn.clone(),
            code: self.code.clone(),
            settings: self.settings.clone(),
            architectures: self.architectures.clone(),
            tags: self.tags.clone(),
            revision_id: self.revision_id.clone(),
            modified: at,
            status: FunctionStatus::Pending,
            update: UpdateStatus::Successful,
            next: None,
            published: Published::default(),
            reserved_concurrency: None,
            event_invoke: BTreeMap::new(),
            policies: BTreeMap::new(),
            urls: BTreeMap::new(),
            provisioned: BTreeMap::new(),
        };
        if self.publish {
            function.publish(None, self.revision_id.clone(), at);
        }
        let function = Arc::new(function);
        state.functions.insert(self.name.clone(), function.clone());
        Ok(function)
    }
}
