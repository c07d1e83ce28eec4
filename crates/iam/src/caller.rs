use crate::evaluate::{Denial, decide};
use crate::facts::{Facts, Request};
use crate::policy::Policy;
use crate::principal::Principal;
use millstream_types::Timestamp;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

/// A principal whose signature was verified, with its policies and with how its request came here.
#[derive(Clone, Debug)]
pub struct Caller {
    pub principal: Principal,
    /// Its identity-based policies.
    pub policies: Vec<Arc<Policy>>,
    /// `aws:PrincipalTag/KEY`
    pub tags: BTreeMap<String, String>,
    /// The region in the scope of its signature.
    pub region: String,
    pub source_ip: Option<IpAddr>,
    /// Whether the connection is encrypted.
    pub secure: bool,
    pub user_agent: Option<String>,
    /// The function whose session it is.
    pub source_function: Option<String>,
    pub now: Timestamp,
}

impl Caller {
    /// Whether it may do `action` (`kinesis:PutRecord`) to `resource` (an ARN, or `*` for actions that have none).
    ///
    /// `resource_policy` is the resource's own, if it has one.
    ///
    /// # Errors
    /// Why it may not.
    pub fn may(
        &self,
        action: &str,
        resource: &str,
        facts: Facts<'_>,
        resource_policy: Option<&Policy>,
    ) -> Result<(), Denial> {
        decide(&Request { caller: self, action, resource, facts }, resource_policy)
    }
}
