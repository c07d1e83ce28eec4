//! Resource policies: what AWS takes as one, and what is attached to a resource.

use crate::Kinesis;
use crate::error::{self, Failure};
use millstream_api_kinesis::Operation;
use millstream_control::SetPolicy;
use millstream_iam::{Kind, Policy, caps};
use std::collections::BTreeMap;

/// What a stream or consumer has that policies ask for.
#[derive(Debug, Default)]
pub(crate) struct Attached {
    pub(crate) tags: Option<BTreeMap<String, String>>,
    pub(crate) policy: Option<Policy>,
}

/// What has a resource policy: a stream, or one of its consumers.
pub(crate) struct Governed {
    stream: String,
    consumer: Option<String>,
    arn: String,
    pub(crate) policy: Option<String>,
}

impl Kinesis {
    /// What is attached to the resource with this ARN; nothing if there is no such resource.
    pub(crate) fn attached(&self, arn: &str) -> Attached {
        let Ok(stream) = self.stream(None, Some(arn)) else { return Attached::default() };
        let (tags, policy) = if arn.contains("/consumer/") {
            let Some(consumer) = stream.consumer_by_arn(arn) else { return Attached::default() };
            (&consumer.tags, &consumer.policy)
        } else {
            (&stream.tags, &stream.policy)
        };
        // It was read when it was put.
        let policy = policy.as_deref().and_then(|text| Policy::parse(text, Kind::Resource).ok());
        Attached { tags: Some(tags.clone()), policy }
    }

    /// The stream or consumer with this ARN.
    pub(crate) fn governed(&self, arn: &str) -> Result<Governed, Failure> {
        if arn.contains("/consumer/") {
            let (stream, consumer) = self.consumer(Some(arn), None, None)?;
            let (stream, arn) = (stream.name.clone(), consumer.arn);
            return Ok(Governed { stream, consumer: Some(consumer.name), arn, policy: consumer.policy });
        }
        let stream = self.stream(None, Some(arn))?;
        let (arn, policy) = (stream.arn.clone(), stream.policy.clone());
        Ok(Governed { stream: stream.name.clone(), consumer: None, arn, policy })
    }
}

impl Governed {
    /// The answer where there is none.
    pub(crate) fn has_none(&self) -> Failure {
        Failure::not_found(format!("No resource policy found for resource ARN {}.", self.arn))
    }

    /// Put a policy in the place of the one that is there, or take it away. Whether there was one.
    pub(crate) async fn set(&self, service: &Kinesis, policy: Option<String>) -> Result<bool, Failure> {
        let set = SetPolicy { stream: self.stream.clone(), consumer: self.consumer.clone(), policy };
        let done = service.control().submit(set).await;
        done.map_err(|error| error::control(error, &service.home.account))
    }

    /// Refuse what is no policy for this resource.
    pub(crate) fn check(&self, text: &str) -> Result<(), Failure> {
        if text.len() > caps::POLICY_BYTES {
            return Err(Failure::invalid(format!(
                "The policy is too large: it has {} bytes, and may have {}.",
                text.len(),
                caps::POLICY_BYTES
            )));
        }
        let policy = Policy::parse(text, Kind::Resource)
            .map_err(|error| Failure::invalid(format!("Invalid resource policy. {error}")))?;
        if let Some(action) = policy.actions().find(|action| !is_action(action)) {
            return Err(Failure::invalid(format!(
                "Invalid resource policy. {action} is not an action of Kinesis."
            )));
        }
        // It is the policy of this resource: one that names another would never do anything.
        if let Some(other) = policy.resources().find(|resource| *resource != "*" && *resource != self.arn) {
            return Err(Failure::invalid(format!(
                "Invalid resource policy. {other} is not the resource that the policy is attached to: {}.",
                self.arn
            )));
        }
        Ok(())
    }
}

/// `kinesis:*`, `kinesis:Get*`, or an operation's name, without regard to case.
fn is_action(text: &str) -> bool {
    let Some((service, name)) = text.split_once(':') else { return text == "*" };
    let wild = name.contains(['*', '?']);
    service.eq_ignore_ascii_case("kinesis")
        && (wild || Operation::ALL.iter().any(|operation| operation.name().eq_ignore_ascii_case(name)))
}
