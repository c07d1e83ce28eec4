//! The rule: an explicit deny wins, then what allows it, else it is denied.

use crate::facts::{Request, account_of};
use crate::policy::{Effect, Policy};
use crate::principal::Principal;
use std::fmt;

/// What stands in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// No identity-based policy allows it.
    NoIdentityPolicy,
    /// The resource is another account's, and its policy does not allow it.
    NoResourcePolicy,
    DeniedByIdentity,
    DeniedByResource,
}

/// A no, with all that AWS says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    pub principal: String,
    pub action: String,
    pub resource: String,
    pub why: Why,
}

impl fmt::Display for Denial {
    /// In AWS's words (IAM User Guide, "Troubleshoot access denied error messages").
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { principal, action, resource, why } = self;
        write!(f, "User: {principal} is not authorized to perform: {action} on resource: {resource} ")?;
        match why {
            Why::NoIdentityPolicy => write!(f, "because no identity-based policy allows the {action} action"),
            Why::NoResourcePolicy => write!(f, "because no resource-based policy allows the {action} action"),
            Why::DeniedByIdentity => f.write_str("with an explicit deny in an identity-based policy"),
            Why::DeniedByResource => f.write_str("with an explicit deny in a resource-based policy"),
        }
    }
}

impl std::error::Error for Denial {}

/// Of a resource policy: whether it allows the principal by itself, or its account, which leaves the rest to the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Grant {
    None,
    Account,
    Principal,
}

pub(crate) fn decide(request: &Request<'_>, resource_policy: Option<&Policy>) -> Result<(), Denial> {
    let no = |why| {
        Err(Denial {
            principal: request.caller.principal.arn(),
            action: request.action.to_owned(),
            resource: request.resource.to_owned(),
            why,
        })
    };
    let identity = &request.caller.policies;
    if identity.iter().any(|policy| policy.has(Effect::Deny, request) > Grant::None) {
        return no(Why::DeniedByIdentity);
    }
    if resource_policy.is_some_and(|policy| policy.has(Effect::Deny, request) > Grant::None) {
        return no(Why::DeniedByResource);
    }
    let allows = identity.iter().any(|policy| policy.has(Effect::Allow, request) > Grant::None);
    let grant = resource_policy.map_or(Grant::None, |policy| policy.has(Effect::Allow, request));
    // Nobody's account has a say in what nobody does.
    if request.caller.principal == Principal::Anonymous {
        return if grant == Grant::Principal { Ok(()) } else { no(Why::NoResourcePolicy) };
    }
    // Within an account either is enough, but naming the account only hands the decision on. Across accounts both are needed.
    let same_account =
        account_of(request.resource).is_none_or(|account| account == request.caller.principal.account());
    match (allows, grant, same_account) {
        (true, _, true) | (_, Grant::Principal, true) | (true, Grant::Account | Grant::Principal, false) => {
            Ok(())
        }
        (true, Grant::None, false) => no(Why::NoResourcePolicy),
        (false, _, _) => no(Why::NoIdentityPolicy),
    }
}
