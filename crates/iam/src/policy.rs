//! A policy, taken apart and ready to be asked.

use crate::condition::Condition;
use crate::evaluate::Grant;
use crate::facts::Request;
use crate::parse::{self, PolicyError};
use crate::pattern::{Case, Pattern};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    Allow,
    Deny,
}

/// What a policy is attached to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// To a principal: it names resources and no principals.
    Identity,
    /// To a resource: it names principals.
    Resource,
}

/// A policy document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    pub(crate) statements: Vec<Statement>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Statement {
    pub(crate) effect: Effect,
    pub(crate) principals: Option<Principals>,
    pub(crate) actions: Set,
    pub(crate) resources: Option<Set>,
    pub(crate) conditions: Vec<Condition>,
}

/// Some things, or all but some: `Action` and `NotAction`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Set {
    pub(crate) negated: bool,
    pub(crate) patterns: Vec<Pattern>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Principals {
    pub(crate) negated: bool,
    pub(crate) list: Vec<Named>,
}

/// A principal as a policy names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    Everybody,
    Account(String),
    Arn(String),
    /// A service or a federation: none of those calls here.
    Other(String),
}

impl Policy {
    /// # Errors
    /// What is wrong with it, in a sentence.
    pub fn parse(text: &str, kind: Kind) -> Result<Self, PolicyError> {
        parse::policy(text, kind)
    }

    /// The actions and resources that it names, as they are written: for checks of a service's own.
    pub fn actions(&self) -> impl Iterator<Item = String> {
        let all = self.statements.iter().flat_map(|statement| &statement.actions.patterns);
        all.map(Pattern::text)
    }

    pub fn resources(&self) -> impl Iterator<Item = String> {
        let all = self.statements.iter().filter_map(|statement| statement.resources.as_ref());
        all.flat_map(|set| &set.patterns).map(Pattern::text)
    }

    /// How far statements of this effect go for a request.
    pub(crate) fn has(&self, effect: Effect, request: &Request<'_>) -> Grant {
        let matching = self.statements.iter().filter(|statement| statement.effect == effect);
        matching.map(|statement| statement.grant(request)).max().unwrap_or(Grant::None)
    }
}

impl Statement {
    fn grant(&self, request: &Request<'_>) -> Grant {
        let applies = self.actions.contains(request.action, Case::Ignored, request)
            && self.resources.as_ref().is_none_or(|set| set.contains(request.resource, Case::Exact, request))
            && self.conditions.iter().all(|condition| condition.holds(request));
        if !applies {
            return Grant::None;
        }
        self.principals.as_ref().map_or(Grant::Principal, |principals| principals.grant(request))
    }
}

impl Set {
    fn contains(&self, text: &str, case: Case, request: &Request<'_>) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches(text, case, request)) != self.negated
    }
}

impl Principals {
    fn grant(&self, request: &Request<'_>) -> Grant {
        let grant = self.list.iter().map(|named| named.grant(request)).max().unwrap_or(Grant::None);
        match (self.negated, grant) {
            (false, grant) => grant,
            (true, Grant::None) => Grant::Principal,
            (true, Grant::Account | Grant::Principal) => Grant::None,
        }
    }
}

impl Named {
    fn grant(&self, request: &Request<'_>) -> Grant {
        let principal = &request.caller.principal;
        match self {
            Self::Everybody => Grant::Principal,
            Self::Account(account) if account == principal.account() => Grant::Account,
            Self::Arn(arn) if *arn == principal.arn() || *arn == principal.principal_arn() => {
                Grant::Principal
            }
            Self::Account(_) | Self::Arn(_) | Self::Other(_) => Grant::None,
        }
    }
}
