//! `models/compatibility.toml`: what becomes of a parameter where an operation's own file does not say it.

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// By service.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct Rules(BTreeMap<String, Vec<Rule>>);

/// One rule, for some parameters of some operations.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rule {
    /// All operations that have the parameter, if there are none here.
    #[serde(default)]
    pub(super) operations: Vec<String>,
    /// Paths, such as `Code.S3Bucket`. What is below a path follows it, unless another rule has a longer path.
    pub(super) parameters: Vec<String>,
    pub(super) status: Status,
    /// Words of the refusal, which the service's sources must have, where they are not the last name of the path: a rule that
    /// says that something is refused must not outlive the refusal.
    pub(super) words: Option<String>,
    /// For the reader of the page.
    pub(super) why: String,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Status {
    Supported,
    /// Some values are refused with an error.
    Partly,
    /// Refused with an error.
    Refused,
    /// Taken, and nothing comes of it.
    WithoutEffect,
}

pub(super) fn read(path: &Path) -> Result<Rules> {
    let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let rules: Rules = toml::from_str(&text).with_context(|| path.display().to_string())?;
    for rule in rules.0.values().flatten() {
        let names = format!("{:?} {:?}", rule.operations, rule.parameters);
        ensure!(!rule.why.trim().is_empty() && !rule.parameters.is_empty(), "{names} says nothing");
    }
    Ok(rules)
}

impl Rules {
    pub(super) fn of(&self, service: &str) -> Result<&[Rule]> {
        self.0.get(service).map(Vec::as_slice).with_context(|| format!("nothing about {service}"))
    }
}

impl Rule {
    /// How closely the rule fits a parameter: by the length of its path, then by whether it names the operation.
    pub(super) fn fit(&self, operation: &str, path: &str) -> Option<(usize, bool)> {
        let named = self.operations.iter().any(|name| name == operation);
        if !named && !self.operations.is_empty() {
            return None;
        }
        let covers = |rule: &&String| {
            path.strip_prefix(rule.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        self.parameters.iter().filter(covers).map(|rule| (rule.len(), named)).max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_rule_fits_best() {
        let rule = |operations: &[&str], parameters: &[&str]| Rule {
            operations: operations.iter().map(|&name| name.to_owned()).collect(),
            parameters: parameters.iter().map(|&name| name.to_owned()).collect(),
            status: Status::Refused,
            words: None,
            why: "because".into(),
        };
        let all = rule(&[], &["Code", "Other"]);
        assert_eq!(all.fit("Put", "Code.S3Bucket"), Some((4, false)));
        assert_eq!(all.fit("Put", "CodeSigning"), None);
        let one = rule(&["Put"], &["Code"]);
        assert!(one.fit("Put", "Code") > all.fit("Put", "Code"));
        assert_eq!(one.fit("Get", "Code"), None);
        let longer = rule(&[], &["Code.S3Bucket"]);
        assert!(longer.fit("Put", "Code.S3Bucket") > one.fit("Put", "Code.S3Bucket"));
    }
}
