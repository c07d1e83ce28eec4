use crate::evaluate::{Denial, decide};
use crate::facts::{Facts, Request};
use crate::policy::Policy;
use crate::principal::Principal;
use millstream_types::Timestamp;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::net::IpAddr;
use std::sync::Arc;

/// What roles may do: for services that act for somebody under another name.
pub trait Roles: Debug + Send + Sync {
    /// The principal and the policies of a role's sessions.
    fn role(&self, account: &str, role_arn: &str) -> Option<(Principal, Vec<Arc<Policy>>)>;
}

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
    pub roles: Option<Arc<dyn Roles>>,
}

impl Caller {
    /// The same request, made under a role. `None` where roles are not known.
    pub fn under(&self, account: &str, role_arn: &str) -> Option<Self> {
        let (principal, policies) = self.roles.as_ref()?.role(account, role_arn)?;
        Some(Self { principal, policies, tags: BTreeMap::new(), source_function: None, ..self.clone() })
    }

    /// Nobody that is known, asking at `now`.
    pub fn anonymous(region: String, source_ip: Option<IpAddr>, secure: bool, now: Timestamp) -> Self {
        Self {
            principal: Principal::Anonymous,
            policies: Vec::new(),
            tags: BTreeMap::new(),
            region,
            source_ip,
            secure,
            user_agent: None,
            source_function: None,
            now,
            roles: None,
        }
    }

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
