//! What every `Cargo.toml` says: the workspace's lints, and no dependency version of its own.

use anyhow::Context as _;
use toml::{Table, Value};

use super::Finding;
use crate::os;
use crate::workspace::Workspace;

const DEPENDENCY_TABLES: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];

/// Every member's manifest.
pub(crate) fn check(workspace: &Workspace) -> anyhow::Result<Vec<Finding>> {
    let root = os::root();
    let mut findings = Vec::new();
    for package in &workspace.packages {
        let path = &package.manifest_path;
        let place = path.strip_prefix(&root).unwrap_or(path).display().to_string();
        let manifest = os::read(path)?.parse().with_context(|| place.clone())?;
        findings.extend(judge(&manifest).into_iter().map(|what| Finding { place: place.clone(), what }));
    }
    Ok(findings)
}

fn judge(manifest: &Table) -> Vec<String> {
    let mut wrong = Vec::new();
    let lints = manifest.get("lints").and_then(|lints| lints.get("workspace"));
    if lints != Some(&Value::Boolean(true)) {
        wrong.push("does not take the workspace's lints; add `[lints]` with `workspace = true`".to_owned());
    }
    for table in DEPENDENCY_TABLES {
        let Some(dependencies) = manifest.get(table).and_then(Value::as_table) else { continue };
        for (name, dependency) in dependencies {
            if dependency.get("workspace") != Some(&Value::Boolean(true)) {
                wrong.push(format!(
                    "{table}.{name} has its own version; put it into the workspace's table and write `{name}.workspace = true`"
                ));
            }
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(manifest: &str) -> usize {
        judge(&manifest.parse().unwrap()).len()
    }

    #[test]
    fn a_manifest_that_leaves_everything_to_the_workspace_is_fine() {
        let text = "[lints]\nworkspace = true\n[dependencies]\na.workspace = true\nb = { workspace = true, features = [\"c\"] }";
        assert_eq!(wrong(text), 0);
    }

    #[test]
    fn missing_lints_and_own_versions_are_found() {
        assert_eq!(wrong("[package]\nname = \"a\""), 1);
        assert_eq!(wrong("[lints]\nworkspace = false"), 1);
        assert_eq!(
            wrong("[lints]\nworkspace = true\n[dev-dependencies]\na = \"1\"\nb = { version = \"2\" }"),
            2
        );
    }
}
