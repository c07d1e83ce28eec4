//! Reads the service models out of the botocore package and keeps their facts.

use super::Service;
use super::model::{self, Model, Ordered};
use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The botocore release whose models we follow. Raise it here, import, and read the diff.
const BOTOCORE: &str = "1.44.5";

pub(super) fn run(root: &Path, services: &[Service]) -> Result<()> {
    let data = install(&root.join("target/codegen/botocore"))?;
    for service in services {
        let packed = data.join(service.source).join("service-2.json.gz");
        let unpacked = capture(Command::new("gzip").arg("-dc").arg(&packed))?;
        let mut whole: Json = serde_json::from_slice(&unpacked)?;
        if !service.only.is_empty() {
            keep_only(&mut whole, service.only).with_context(|| format!("in {}", packed.display()))?;
        }
        let model: Model = serde_json::from_str(&serde_json::to_string(&whole)?)
            .with_context(|| format!("{} has something new in it", packed.display()))?;
        let mut text = serde_json::to_string_pretty(&model)?;
        text.push('\n');
        let target = root.join(format!("models/{}.json", service.name));
        std::fs::write(&target, text).with_context(|| format!("writing {}", target.display()))?;
        model::read(&target)?;
    }
    Ok(())
}

/// JSON whose objects keep their order.
#[derive(Debug, Deserialize, Serialize)]
#[serde(untagged)]
enum Json {
    Object(Ordered<Json>),
    Array(Vec<Json>),
    Other(Value),
}

impl Json {
    fn object(&mut self, name: &str) -> Result<&mut Ordered<Self>> {
        match self {
            Self::Object(members) => match members.get_mut(name) {
                Some(Self::Object(found)) => Ok(found),
                _ => bail!("the model has no {name}"),
            },
            _ => bail!("the model is no object"),
        }
    }

    /// What any member called `shape` below this says.
    fn names_of_shapes(&self, into: &mut Vec<String>) {
        match self {
            Self::Object(members) => {
                for (key, value) in members.iter() {
                    match value {
                        Self::Other(Value::String(name)) if key == "shape" => into.push(name.clone()),
                        other => other.names_of_shapes(into),
                    }
                }
            }
            Self::Array(items) => items.iter().for_each(|item| item.names_of_shapes(into)),
            Self::Other(_) => {}
        }
    }
}

/// Leave these operations in a model, and the shapes that they need.
fn keep_only(model: &mut Json, wanted: &[&str]) -> Result<()> {
    let operations = model.object("operations")?;
    operations.0.retain(|(name, _)| wanted.contains(&name.as_str()));
    ensure!(operations.0.len() == wanted.len(), "the model lacks some of {wanted:?}");
    let mut next = Vec::new();
    operations.iter().for_each(|(_, operation)| operation.names_of_shapes(&mut next));
    let shapes = model.object("shapes")?;
    let mut needed = BTreeSet::new();
    while let Some(name) = next.pop() {
        if let Some(shape) = shapes.get(&name).filter(|_| needed.insert(name.clone())) {
            shape.names_of_shapes(&mut next);
        }
    }
    shapes.0.retain(|(name, _)| needed.contains(name));
    Ok(())
}

/// Botocore alone, without its dependencies, in a directory of its own; answers where its models are.
fn install(target: &Path) -> Result<PathBuf> {
    let data = target.join(BOTOCORE).join("botocore/data");
    if !data.is_dir() {
        capture(
            Command::new("python3")
                .args(["-m", "pip", "install", "--quiet", "--no-deps", "--target"])
                .arg(target.join(BOTOCORE))
                .arg(format!("botocore=={BOTOCORE}")),
        )?;
    }
    Ok(data)
}

fn capture(command: &mut Command) -> Result<Vec<u8>> {
    let output = command.output().with_context(|| format!("cannot run {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(output.stdout)
}
