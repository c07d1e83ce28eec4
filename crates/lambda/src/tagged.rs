//! What has tags, and changing them.

use crate::error::{self, no_such_resource};
use crate::names::Target;
use crate::service::Lambda;
use crate::{Failure, caps};
use millstream_control::{ChangeLambdaTags, Refusal, State, Tagged};
use millstream_control_node::SubmitError;
use std::collections::{BTreeMap, BTreeSet};

impl Lambda {
    /// The function or mapping of an ARN, with its tags.
    pub(crate) fn tagged(
        &self,
        state: &State,
        arn: &str,
    ) -> Result<(Tagged, BTreeMap<String, String>), Failure> {
        let kind = arn.split(':').nth(5).unwrap_or_default();
        match kind {
            "event-source-mapping" => {
                let mapping = self.mapping(state, arn.rsplit(':').next().unwrap_or_default())?;
                if mapping.arn != arn {
                    return Err(no_such_resource());
                }
                Ok((Tagged::Mapping(mapping.uuid.clone()), mapping.tags.clone()))
            }
            "function" => {
                let target = Target::parse(self.home(), arn)?;
                if target.qualifier.is_some() {
                    return Err(Failure::invalid(
                        "Tags on function aliases and versions are not supported. Please specify a function ARN.",
                    ));
                }
                let function = target.find(self.home(), state)?;
                Ok((Tagged::Function(function.name.clone()), function.tags.clone()))
            }
            _ => Err(no_such_resource()),
        }
    }

    pub(crate) async fn change_tags(
        &self,
        arn: &str,
        set: BTreeMap<String, String>,
        remove: BTreeSet<String>,
    ) -> Result<(), Failure> {
        let (of, _) = self.tagged(&self.control().state(), arn)?;
        let command = ChangeLambdaTags { of, set, remove, limit: caps::TAGS };
        self.control().submit(command).await.map_err(|error| match error {
            SubmitError::Refused(Refusal::Limit { limit, .. }) => {
                Failure::invalid(format!("Number of tags exceeds resource tag limit of {limit}."))
            }
            error => error::submit(self.home(), error),
        })
    }
}
