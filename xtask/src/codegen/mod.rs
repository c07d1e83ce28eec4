//! `cargo xtask codegen`: service models in, Rust types out.
//!
//! `models/<service>.json` holds the facts of a service's model, `models/<service>.overlay.toml` what the model does not
//! say. Everything under `crates/api-<service>/src/generated/` is written from those two and never by hand.

#![expect(clippy::disallowed_methods, reason = "a build tool reads and writes the source tree")]

mod compatibility;
mod emit;
mod import;
mod model;
mod names;
mod overlay;
mod pattern;
mod plan;
mod tree;

use anyhow::{Context, Result, bail};
use clap::Args;
use std::path::{Path, PathBuf};

pub(crate) use compatibility::{
    CompatibilityArgs, findings as compatibility_findings, run as write_compatibility,
};

#[derive(Debug, Args)]
pub(crate) struct CodegenArgs {
    /// Read the models from botocore again, before generating.
    #[arg(long)]
    import: bool,
    /// Write nothing; fail if the generated code is not what the models say.
    #[arg(long, conflicts_with = "import")]
    check: bool,
}

/// A service whose API is generated.
#[derive(Debug)]
struct Service {
    name: &'static str,
    /// Where botocore keeps the model.
    source: &'static str,
    /// The operations that are kept of it; none means all.
    only: &'static [&'static str],
}

const SERVICES: [Service; 3] = [
    Service { name: "kinesis", source: "kinesis/2013-12-02", only: &[] },
    Service { name: "lambda", source: "lambda/2015-03-31", only: &[] },
    // Of a service of well over a hundred operations: what functions' logs are written, kept and read with.
    Service {
        name: "logs",
        source: "logs/2014-03-28",
        only: &[
            "CreateLogGroup",
            "CreateLogStream",
            "DeleteLogGroup",
            "DeleteLogStream",
            "DeleteRetentionPolicy",
            "DescribeLogGroups",
            "DescribeLogStreams",
            "FilterLogEvents",
            "GetLogEvents",
            "PutLogEvents",
            "PutRetentionPolicy",
            "StartLiveTail",
        ],
    },
];

pub(crate) fn run(args: &CodegenArgs) -> Result<()> {
    let root = workspace_root()?;
    if args.import {
        import::run(&root, &SERVICES)?;
    }
    let mut drifted = Vec::new();
    for service in &SERVICES {
        let files = generate(&root, service).with_context(|| format!("generating {}", service.name))?;
        let target = root.join(format!("crates/api-{}/src/generated", service.name));
        let formatted = tree::format(&root, service.name, &files)?;
        if args.check {
            drifted.extend(tree::differences(&target, &formatted)?);
        } else {
            tree::replace(&target, &formatted)?;
        }
    }
    if !drifted.is_empty() {
        bail!(
            "generated code differs from the models; run `cargo xtask codegen` and commit:\n  {}",
            drifted.join("\n  ")
        );
    }
    Ok(())
}

fn generate(root: &Path, service: &Service) -> Result<tree::Files> {
    let models = root.join("models");
    let mut model = model::read(&models.join(format!("{}.json", service.name)))?;
    let overlay = overlay::read(&models.join(format!("{}.overlay.toml", service.name)))?;
    overlay.apply(&mut model)?;
    let plan = plan::Plan::new(&model)?;
    emit::service(service.name, &model, &overlay, &plan)
}

fn workspace_root() -> Result<PathBuf> {
    let here = std::env::current_dir().context("no current directory")?;
    let found = here.ancestors().find(|dir| dir.join("floors.toml").is_file());
    found.map(Path::to_path_buf).context("run this inside the Millstream repository")
}
