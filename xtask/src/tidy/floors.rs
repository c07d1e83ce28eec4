//! The floor rule: a crate depends only on crates of a lower floor (`floors.toml`).

use std::collections::BTreeMap;

use anyhow::Context as _;
use serde::Deserialize;

use super::Finding;
use crate::os;
use crate::workspace::{Package, Workspace};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Plan {
    floors: BTreeMap<String, f64>,
    outside: Outside,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Outside {
    crates: Vec<String>,
    /// Which crates of the house may link which crate from outside.
    may_be_used_by: BTreeMap<String, Vec<String>>,
}

/// Every edge between members, of every kind, against the plan.
pub(crate) fn check(workspace: &Workspace) -> anyhow::Result<Vec<Finding>> {
    let plan = toml::from_str(&os::read(&os::root().join("floors.toml"))?).context("floors.toml")?;
    Ok(judge(&plan, &workspace.packages))
}

fn judge(plan: &Plan, packages: &[Package]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in packages {
        let members = package.dependencies.iter().filter(|dependency| dependency.path.is_some());
        if let Some(what) = unlisted(plan, &package.name) {
            findings.push(Finding { place: package.name.clone(), what });
            continue;
        }
        for dependency in members {
            if let Some(what) = edge(plan, &package.name, &dependency.name) {
                findings.push(Finding { place: package.name.clone(), what });
            }
        }
    }
    for listed in plan.floors.keys().chain(&plan.outside.crates) {
        if !packages.iter().any(|package| package.name == *listed) {
            let what = "is listed in floors.toml and does not exist; take the line out".to_owned();
            findings.push(Finding { place: listed.clone(), what });
        }
    }
    findings
}

fn unlisted(plan: &Plan, name: &str) -> Option<String> {
    let (inside, outside) =
        (plan.floors.contains_key(name), plan.outside.crates.iter().any(|other| other == name));
    match (inside, outside) {
        (true, false) | (false, true) => None,
        (false, false) => Some("has no floor; give it one in floors.toml".to_owned()),
        (true, true) => Some("is listed both on a floor and outside".to_owned()),
    }
}

/// What is wrong with `from` depending on `to`, if anything is.
fn edge(plan: &Plan, from: &str, to: &str) -> Option<String> {
    match (plan.floors.get(from), plan.floors.get(to)) {
        (Some(upper), Some(lower)) if lower < upper => None,
        (Some(own), Some(other)) => {
            Some(format!("on floor {own} depends on {to} on floor {other}; only lower floors are allowed"))
        }
        (Some(_), None) => {
            let users = plan.outside.may_be_used_by.get(to);
            let allowed = users.is_some_and(|users| users.iter().any(|user| user == from));
            (!allowed)
                .then(|| format!("depends on {to}, which is outside the house (floors.toml, may_be_used_by)"))
        }
        (None, Some(_)) => Some(format!(
            "is outside the house and depends on {to}; it may know Millstream only through the network"
        )),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Dependency;

    fn package(name: &str, uses: &[&str]) -> Package {
        let dependencies = uses
            .iter()
            .map(|used| Dependency { name: (*used).to_owned(), path: Some("somewhere".into()) })
            .collect();
        Package { name: name.to_owned(), manifest_path: "Cargo.toml".into(), dependencies }
    }

    fn plan() -> Plan {
        toml::from_str(
            r#"
            [floors]
            ground = 0.0
            cellar = 0.0
            app = 6.0
            [outside]
            crates = ["example", "tool"]
            may_be_used_by = { example = ["app"] }
            "#,
        )
        .unwrap()
    }

    fn findings(changed: Package) -> Vec<String> {
        let names = ["ground", "cellar", "app", "example", "tool"];
        let mut packages: Vec<Package> =
            names.iter().filter(|name| **name != changed.name).map(|name| package(name, &[])).collect();
        packages.push(changed);
        judge(&plan(), &packages)
            .into_iter()
            .map(|finding| format!("{} {}", finding.place, finding.what))
            .collect()
    }

    #[test]
    fn an_app_may_use_the_ground_and_its_example() {
        assert_eq!(findings(package("app", &["ground", "example"])), Vec::<String>::new());
    }

    #[test]
    fn upward_and_level_edges_are_refused() {
        assert_eq!(
            findings(package("ground", &["app", "cellar"])),
            [
                "ground on floor 0 depends on app on floor 6; only lower floors are allowed",
                "ground on floor 0 depends on cellar on floor 0; only lower floors are allowed"
            ]
        );
    }

    #[test]
    fn a_crate_without_a_floor_is_refused() {
        assert_eq!(findings(package("shed", &[])), ["shed has no floor; give it one in floors.toml"]);
    }

    #[test]
    fn what_is_outside_stays_outside() {
        assert_eq!(findings(package("ground", &["example"])).len(), 1);
        assert_eq!(findings(package("tool", &["ground"])).len(), 1);
        assert_eq!(findings(package("tool", &["example"])), Vec::<String>::new());
    }
}
