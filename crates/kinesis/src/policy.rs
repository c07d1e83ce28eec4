//! Resource policies: what AWS takes as one, and what is attached to a resource.

use crate::Kinesis;
use crate::error::{self, Failure};
use millstream_api_kinesis::Operation;
use millstream_control::{SetPolicy, SetQueuePolicy};
use millstream_iam::{Kind, Policy, caps};
use millstream_types::Arn;
use std::collections::BTreeMap;

/// What a stream, consumer or queue has that policies ask for.
#[derive(Debug, Default)]
pub(crate) struct Attached {
    pub(crate) tags: Option<BTreeMap<String, String>>,
    pub(crate) policy: Option<Policy>,
}

/// What has a resource policy.
pub(crate) struct Governed {
    what: What,
    arn: String,
    pub(crate) policy: Option<String>,
}

enum What {
    /// By its key.
    Stream(String),
    /// By its stream's key, and its name.
    Consumer(String, String),
    /// By its id.
    Queue(String),
}

impl Kinesis {
    /// What is attached to the resource with this ARN; nothing if there is no such resource.
    pub(crate) fn attached(&self, arn: &str) -> Attached {
        // It was read when it was put.
        let read = |text: &str| Policy::parse(text, Kind::Resource).ok();
        if is_queue(arn) {
            let Ok(queue) = self.queue(arn) else { return Attached::default() };
            let policy = queue.policy.as_deref().and_then(read);
            return Attached { tags: Some(queue.tags.clone()), policy };
        }
        let Ok(stream) = self.stream(None, Some(arn)) else { return Attached::default() };
        let (tags, policy) = if arn.contains("/consumer/") {
            let Some(consumer) = stream.consumer_by_arn(arn) else { return Attached::default() };
            (&consumer.tags, &consumer.policy)
        } else {
            (&stream.tags, &stream.policy)
        };
        Attached { tags: Some(tags.clone()), policy: policy.as_deref().and_then(read) }
    }

    /// The stream, consumer or queue with this ARN.
    pub(crate) fn governed(&self, arn: &str) -> Result<Governed, Failure> {
        if is_queue(arn) {
            let queue = self.queue(arn)?;
            let (id, arn, policy) = (queue.id.clone(), queue.arn.clone(), queue.policy.clone());
            return Ok(Governed { what: What::Queue(id), arn, policy });
        }
        if arn.contains("/consumer/") {
            let (stream, consumer) = self.consumer(Some(arn), None, None)?;
            let what = What::Consumer(stream.name.clone(), consumer.name);
            return Ok(Governed { what, arn: consumer.arn, policy: consumer.policy });
        }
        let stream = self.stream(None, Some(arn))?;
        let (arn, policy) = (stream.arn.clone(), stream.policy.clone());
        Ok(Governed { what: What::Stream(stream.name.clone()), arn, policy })
    }
}

/// Whether this is the ARN of a queue, and not that of a stream with such a name.
fn is_queue(arn: &str) -> bool {
    arn.parse::<Arn>().is_ok_and(|arn| arn.resource.starts_with("queue/"))
}

impl Governed {
    /// The answer where there is none.
    pub(crate) fn has_none(&self) -> Failure {
        Failure::not_found(format!("No resource policy found for resource ARN {}.", self.arn))
    }

    /// Put a policy in the place of the one that is there, or take it away. Whether there was one.
    pub(crate) async fn set(&self, service: &Kinesis, policy: Option<String>) -> Result<bool, Failure> {
        let control = service.control();
        let done = match &self.what {
            What::Stream(stream) => {
                control.submit(SetPolicy { stream: stream.clone(), consumer: None, policy }).await
            }
            What::Consumer(stream, name) => {
                let (stream, consumer) = (stream.clone(), Some(name.clone()));
                control.submit(SetPolicy { stream, consumer, policy }).await
            }
            What::Queue(id) => control.submit(SetQueuePolicy { id: id.clone(), policy }).await,
        };
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
