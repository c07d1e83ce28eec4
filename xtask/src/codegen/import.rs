//! Reads the service models out of the botocore package and keeps their facts.

use super::Service;
use super::model::{self, Model};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The botocore release whose models we follow. Raise it here, import, and read the diff.
const BOTOCORE: &str = "1.44.5";

pub(super) fn run(root: &Path, services: &[Service]) -> Result<()> {
    let data = install(&root.join("target/codegen/botocore"))?;
    for service in services {
        let packed = data.join(service.source).join("service-2.json.gz");
        let unpacked = capture(Command::new("gzip").arg("-dc").arg(&packed))?;
        let model: Model = serde_json::from_slice(&unpacked)
            .with_context(|| format!("{} has something new in it", packed.display()))?;
        let mut text = serde_json::to_string_pretty(&model)?;
        text.push('\n');
        let target = root.join(format!("models/{}.json", service.name));
        std::fs::write(&target, text).with_context(|| format!("writing {}", target.display()))?;
        model::read(&target)?;
    }
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
