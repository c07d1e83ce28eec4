use crate::{Function, State};
use millstream_types::Timestamp;
use serde::{Deserialize, Serialize};

/// Workers that are kept ready for a version or an alias.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provisioned {
    /// At least 1.
    pub executions: u32,
    pub modified: Timestamp,
}

/// What all functions of the server share: invocations at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConcurrencyLimit {
    pub all: u32,
    /// So many stay with the functions that have none reserved.
    pub unreserved: u32,
}

/// Why invocations cannot be kept for a function as asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConcurrencyRefusal {
    /// `provisioned`: for what is provisioned, and not for what is reserved.
    #[error("fewer than {floor} invocations would stay unreserved")]
    TooFewUnreserved { floor: u32, provisioned: bool },
    #[error("{reserved} reserved invocations are fewer than the {provisioned} provisioned ones")]
    BelowProvisioned { reserved: u32, provisioned: u32 },
    #[error("more than the {reserved} reserved invocations would be provisioned")]
    AboveReserved { reserved: u32 },
    #[error("more than the {unreserved} unreserved invocations would be provisioned")]
    AboveUnreserved { unreserved: u32 },
    #[error("$LATEST cannot be provisioned")]
    Unpublished,
    #[error("an alias of two versions cannot be provisioned")]
    Weighted,
    #[error("a version that the alias leads to is provisioned itself")]
    VersionIsProvisioned,
    #[error("an alias that leads to the version is provisioned")]
    AliasIsProvisioned,
}

impl Function {
    /// Provisioned invocations of all versions and aliases together.
    pub fn provisioned_executions(&self) -> u32 {
        self.provisioned.values().fold(0, |sum, provisioned| sum.saturating_add(provisioned.executions))
    }

    /// What the function takes of the invocations that all functions share.
    fn taken(&self) -> u32 {
        self.reserved_concurrency.unwrap_or_else(|| self.provisioned_executions())
    }

    /// The provisioned invocations of each version, in no order: those of an alias go to the version that it leads to, or
    /// by weight to its two.
    pub fn provisioned_versions(&self) -> Vec<(String, &str, Provisioned)> {
        let mut all = Vec::new();
        for (qualifier, provisioned) in &self.provisioned {
            let Some(alias) = self.published.aliases.get(qualifier) else {
                all.push((qualifier.clone(), qualifier.as_str(), *provisioned));
                continue;
            };
            let mut rest = provisioned.executions;
            if let Some((version, billionths)) = &alias.target.additional {
                let part = (u64::from(rest) * u64::from(*billionths)).div_ceil(1_000_000_000);
                let part = u32::try_from(part).unwrap_or(rest).min(rest);
                rest -= part;
                let executions = part;
                all.push((version.clone(), qualifier.as_str(), Provisioned { executions, ..*provisioned }));
            }
            let version = alias.target.version.clone();
            all.push((version, qualifier.as_str(), Provisioned { executions: rest, ..*provisioned }));
        }
        all.retain(|(_, _, provisioned)| provisioned.executions > 0);
        all
    }

    /// An alias that is provisioned leads to published versions that are not so themselves.
    pub(crate) fn check_provisioned_alias(&self, versions: &[&str]) -> Result<(), ConcurrencyRefusal> {
        if versions.contains(&Self::LATEST) {
            return Err(ConcurrencyRefusal::Unpublished);
        }
        if versions.iter().any(|version| self.provisioned.contains_key(*version)) {
            return Err(ConcurrencyRefusal::VersionIsProvisioned);
        }
        Ok(())
    }
}

impl State {
    /// Invocations at once that are reserved for functions, or provisioned for those that have none reserved.
    pub fn taken_concurrency(&self) -> u32 {
        self.functions.values().fold(0, |sum, function| sum.saturating_add(function.taken()))
    }

    /// [`State::taken_concurrency`] of all functions but one.
    pub(crate) fn taken_by_others(&self, function: &Function) -> u32 {
        self.taken_concurrency().saturating_sub(function.taken())
    }
}
