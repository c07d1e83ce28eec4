//! Provisioned concurrency: how requests name it, what is kept ready for it, and how the API shows it.

use crate::configuration::small;
use crate::error::{Failure, no_version, not_found};
use crate::names::{LATEST, Target};
use crate::service::Lambda;
use crate::versions::no_alias;
use api::{ErrorCode, GetProvisionedConcurrencyConfigResponse};
use millstream_api_lambda as api;
use millstream_control::{ConcurrencyLimit, Function, Provisioned, State};
use millstream_functions::{Booking, FunctionSpec, KeptReady, Runtime};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Invocations that stay unreserved whatever is reserved: AWS's 100, or its 10 for accounts with a small limit.
const UNRESERVED: u32 = 100;
const UNRESERVED_OF_FEW: u32 = 10;

/// A version or an alias of a function.
#[derive(Clone, Debug)]
pub(crate) struct Qualified {
    pub(crate) function: Arc<Function>,
    pub(crate) qualifier: String,
}

impl Lambda {
    /// The version or alias that a request names. `unpublished`: the words for `$LATEST`.
    pub(crate) fn provisioned_target(
        &self,
        name: &str,
        qualifier: &str,
        unpublished: &str,
    ) -> Result<Qualified, Failure> {
        let home = self.home();
        let target = Target::parse(home, name)?.with_qualifier(Some(qualifier))?;
        if qualifier == LATEST {
            return Err(Failure::invalid(unpublished));
        }
        let found = target.unqualified().find(home, &self.control().state());
        let function = found.map_err(|_none| target.missing(home))?;
        let published = &function.published;
        if !published.has_qualifier(qualifier) {
            let is_number = qualifier.bytes().all(|byte| byte.is_ascii_digit());
            return Err(if is_number {
                no_version(&function, qualifier)
            } else {
                no_alias(&function, qualifier)
            });
        }
        Ok(Qualified { function, qualifier: qualifier.to_owned() })
    }

    /// The invocations at once that all functions share.
    pub(crate) fn concurrency_limit(&self) -> ConcurrencyLimit {
        let all = u32::try_from(self.functions().workers().limit).unwrap_or(u32::MAX);
        let unreserved = if all >= 2 * UNRESERVED { UNRESERVED } else { UNRESERVED_OF_FEW };
        ConcurrencyLimit { all, unreserved }
    }

    /// Tell what is kept for functions to who keeps it.
    pub(crate) fn book(&self, state: &State) {
        let has_any = |function: &&Arc<Function>| {
            function.reserved_concurrency.is_some() || !function.provisioned.is_empty()
        };
        let bookings = state.functions.values().filter(has_any).map(|function| booking(function)).collect();
        self.functions().book(bookings);
    }

    /// How the API shows what is provisioned for a version or an alias.
    pub(crate) fn show_provisioned(
        &self,
        function: &Function,
        qualifier: &str,
        provisioned: Provisioned,
    ) -> GetProvisionedConcurrencyConfigResponse {
        let mut shown = Shown { ready: true, ..Shown::default() };
        for (version, of, part) in function.provisioned_versions() {
            if of == qualifier {
                shown.add(self.show_version(function, &version, qualifier, part.executions));
            }
        }
        let status = match (&shown.failed, shown.ready) {
            (Some(_), _) => "FAILED",
            (None, true) => "READY",
            (None, false) => "IN_PROGRESS",
        };
        GetProvisionedConcurrencyConfigResponse {
            requested_provisioned_concurrent_executions: Some(small(provisioned.executions)),
            available_provisioned_concurrent_executions: Some(small(shown.available)),
            allocated_provisioned_concurrent_executions: Some(small(shown.allocated)),
            status: Some(status.into()),
            status_reason: shown.failed,
            last_modified: Some(provisioned.modified.lambda_date()),
        }
    }

    /// A qualifier's part of a version's workers: those of the qualifiers before it come first.
    fn show_version(&self, function: &Function, version: &str, qualifier: &str, wanted: u32) -> Shown {
        if let Err(why) = spec_to_keep(function, version) {
            return Shown { failed: Some(why), ..Shown::default() };
        }
        let count = self.functions().provisioned(&function.arn, version);
        let all = function.provisioned_versions();
        let parts = all.iter().filter(|(of, ..)| of == version);
        let before: u32 = parts
            .clone()
            .take_while(|(_, of, _)| *of != qualifier)
            .map(|(.., provisioned)| provisioned.executions)
            .sum();
        let since = parts.map(|(.., provisioned)| provisioned.modified.millis()).max().unwrap_or_default();
        let is_current = count.since == since && count.wanted >= before + wanted;
        Shown {
            allocated: count.allocated.saturating_sub(before).min(wanted),
            available: count.available.saturating_sub(before).min(wanted),
            ready: is_current && count.reached,
            failed: count.failed.filter(|_| is_current),
        }
    }
}

/// Of one or two versions.
#[derive(Debug, Default)]
struct Shown {
    allocated: u32,
    available: u32,
    ready: bool,
    failed: Option<String>,
}

impl Shown {
    fn add(&mut self, other: Self) {
        self.allocated += other.allocated;
        self.available += other.available;
        self.ready &= other.ready;
        self.failed = self.failed.take().or(other.failed);
    }
}

fn booking(function: &Function) -> Booking {
    let mut versions: BTreeMap<String, KeptReady> = BTreeMap::new();
    for (version, _, part) in function.provisioned_versions() {
        let since = part.modified.millis();
        if let Some(kept) = versions.get_mut(&version) {
            kept.executions += part.executions;
            kept.since = kept.since.max(since);
        } else if let Ok(spec) = spec_to_keep(function, &version) {
            versions.insert(version, KeptReady { spec, executions: part.executions, since });
        }
    }
    Booking {
        function_arn: function.arn.clone(),
        reserved: function.reserved_concurrency,
        provisioned: versions.into_values().collect(),
    }
}

/// What is started for a version; or why nothing can be.
pub(crate) fn spec_to_keep(function: &Function, version: &str) -> Result<Arc<FunctionSpec>, String> {
    let spec = millstream_mapping::qualified_spec(function, Some(version)).map_err(|why| why.to_string())?;
    match spec.runtime {
        Runtime::Elsewhere => Err("A function that runs elsewhere cannot be kept ready here.".to_owned()),
        Runtime::ProvidedWasm => {
            Err("A WebAssembly component has nothing to be kept ready: it runs inside the server.".to_owned())
        }
        _ => Ok(spec),
    }
}

/// AWS's words for a version or an alias for which nothing is provisioned.
pub(crate) fn none_provisioned() -> Failure {
    Failure::new(
        ErrorCode::ProvisionedConcurrencyConfigNotFoundException,
        "No Provisioned Concurrency Config found for this function",
    )
}

/// AWS's words for a function that is not there.
pub(crate) fn no_function(lambda: &Lambda, target: &Target) -> Failure {
    not_found(format!("Function not found: {}", lambda.home().function_arn(&target.name)))
}

/// `$LATEST` where a published version is needed, for reading and for deleting.
pub(crate) const NOT_PUBLISHED: &str =
    "The function resource provided must be an alias or a published version.";
/// The same for writing.
pub(crate) const UNPUBLISHED: &str =
    "Provisioned Concurrency Configs cannot be applied to unpublished function versions.";
