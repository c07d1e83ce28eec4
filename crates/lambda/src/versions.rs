//! Versions and aliases: how requests name them, and how the API shows them.

use crate::configuration::{View, describe};
use crate::error::{Failure, not_found};
use crate::names::{LATEST, Target};
use millstream_api_lambda as api;
use millstream_control::{Alias, Function, FunctionVersion, State};
use millstream_types::Home;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Billionths in a whole, as the control plane counts the weights of aliases.
const WHOLE: f64 = 1_000_000_000.0;

/// What of a function a request means.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    /// The function itself; for a published version, as it was then.
    pub(crate) function: Arc<Function>,
    /// `$LATEST` or a number.
    pub(crate) version: String,
    /// As the request named it: a version or an alias.
    qualifier: Option<String>,
}

impl Target {
    /// The function, or the version or alias of it that the qualifier names.
    pub(crate) fn find_version(&self, home: &Home, state: &State) -> Result<Found, Failure> {
        let function = self.unqualified().find(home, state).map_err(|_none| self.missing(home))?;
        let qualifier = self.qualifier.as_deref().unwrap_or(LATEST);
        let alias = function.published.aliases.get(qualifier);
        let version = alias.map_or(qualifier, |alias| alias.target.version.as_str()).to_owned();
        let function = if version == LATEST {
            function
        } else {
            let published = function.published.version(&version).ok_or_else(|| self.missing(home))?;
            Arc::new(function.as_published(published))
        };
        Ok(Found { function, version, qualifier: self.qualifier.clone() })
    }

    /// The function itself, whatever the qualifier.
    pub(crate) fn unqualified(&self) -> Self {
        Self { qualifier: None, ..self.clone() }
    }
}

impl Found {
    /// The ARN names what the request named.
    pub(crate) fn describe(&self, home: &Home, view: View) -> api::FunctionConfiguration {
        let mut shown = describe(home, &self.function, view, false);
        shown.version = Some(self.version.clone());
        if let Some(qualifier) = &self.qualifier {
            shown.function_arn = Some(format!("{}:{qualifier}", self.function.arn));
        }
        shown
    }
}

/// A version as lists and its publishing show it: its ARN names it.
pub(crate) fn show_version(
    home: &Home,
    function: &Function,
    number: u64,
    version: &FunctionVersion,
    view: View,
) -> api::FunctionConfiguration {
    let mut shown = describe(home, &function.as_published(version), view, false);
    shown.version = Some(number.to_string());
    shown.function_arn = Some(format!("{}:{number}", function.arn));
    shown
}

pub(crate) fn show_alias(function: &Function, name: &str, alias: &Alias) -> api::AliasConfiguration {
    let routing = alias.target.additional.as_ref().map(|(version, billionths)| {
        let weight = f64::from(*billionths) / WHOLE;
        api::AliasRoutingConfiguration {
            additional_version_weights: Some(BTreeMap::from([(version.clone(), weight)])),
        }
    });
    api::AliasConfiguration {
        alias_arn: Some(alias_arn(function, name)),
        name: Some(name.to_owned()),
        function_version: Some(alias.target.version.clone()),
        description: Some(alias.description.clone()),
        routing_config: routing,
        revision_id: Some(alias.revision_id.clone()),
    }
}

pub(crate) fn alias_arn(function: &Function, name: &str) -> String {
    format!("{}:{name}", function.arn)
}

/// The second version of an alias and its share, if there is one. `base` is the first. Texts as recorded on AWS.
pub(crate) fn additional_version(
    routing: &api::AliasRoutingConfiguration,
    base: &str,
) -> Result<Option<(String, u32)>, Failure> {
    let weights = routing.additional_version_weights.clone().unwrap_or_default();
    if weights.len() > 1 {
        return Err(Failure::invalid("Number of items in AdditionalVersionWeights cannot be greater than 1"));
    }
    let Some((version, weight)) = weights.into_iter().next() else { return Ok(None) };
    let refused = |constraint: &str| {
        Failure::constraint(
            &format!("{{{version}={weight}}}"),
            "routingConfig.additionalVersionWeights",
            constraint,
        )
    };
    if !(0.0..=1.0).contains(&weight) {
        return Err(refused(
            "Map value must satisfy constraint: [Member must have value less than or equal to 1.0, Member must have value \
             greater than or equal to 0.0, Member must not be null]",
        ));
    }
    if version.is_empty() || !version.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(refused(
            "Map keys must satisfy constraint: [Member must have length less than or equal to 1024, Member must have \
             length greater than or equal to 1, Member must satisfy regular expression pattern: [0-9]+, Member must not \
             be null]",
        ));
    }
    if base == LATEST {
        return Err(Failure::invalid(
            "$LATEST is not supported for an alias pointing to more than 1 version",
        ));
    }
    if version == base {
        return Err(Failure::invalid(format!(
            "Invalid function version {version}. Function version {version} is already included in routing \
             configuration."
        )));
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and a billion, which u32 holds"
    )]
    let billionths = (weight * WHOLE).round() as u32;
    Ok(Some((version, billionths)))
}

/// AWS's words for an alias that is not there.
pub(crate) fn no_alias(function: &Function, name: &str) -> Failure {
    not_found(format!("Cannot find alias arn: {}", alias_arn(function, name)))
}
