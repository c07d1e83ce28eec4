//! The simulation and the fuzz targets are workspaces of their own and run the house's code: what they depend on as well
//! as the house has one version.

use anyhow::Context as _;
use toml::{Table, Value};

use super::Finding;
use crate::os;

/// The versions of the workspaces that run the house's code against the house's.
pub(crate) fn check() -> anyhow::Result<Vec<Finding>> {
    let house = table(&os::read(&os::root().join("Cargo.toml"))?).context("Cargo.toml")?;
    let mut findings = Vec::new();
    for place in ["testing/sim/Cargo.toml", "fuzz/Cargo.toml"] {
        let other = table(&os::read(&os::root().join(place))?).context(place)?;
        findings
            .extend(judge(&house, &other).into_iter().map(|what| Finding { place: place.to_owned(), what }));
    }
    Ok(findings)
}

fn table(manifest: &str) -> anyhow::Result<Table> {
    let manifest: Table = manifest.parse()?;
    let table = manifest.get("workspace").and_then(|workspace| workspace.get("dependencies"));
    table.and_then(Value::as_table).cloned().context("has no [workspace.dependencies]")
}

fn judge(house: &Table, simulation: &Table) -> Vec<String> {
    let differs = simulation.iter().filter_map(|(name, theirs)| {
        let (ours, theirs) = (version(house.get(name)?)?, version(theirs)?);
        (ours != theirs).then(|| format!("{name} is {theirs} here and {ours} in the house"))
    });
    differs.collect()
}

fn version(dependency: &Value) -> Option<&str> {
    dependency.as_str().or_else(|| dependency.get("version")?.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_another_version_of_the_same_crate_is_found() {
        let table = |text: &str| text.parse::<Table>().unwrap();
        let house = table("a = \"1.2.3\"\nb = { version = \"2.0.0\" }\nc = { path = \"crates/c\" }");
        let same = "a = { version = \"1.2.3\", features = [\"x\"] }\nb = \"2.0.0\"\nc = { path = \"../c\" }\nd = \"1.0.0\"";
        assert_eq!(judge(&house, &table(same)), Vec::<String>::new());
        assert_eq!(judge(&house, &table("a = \"1.2.4\"")).len(), 1);
    }
}
