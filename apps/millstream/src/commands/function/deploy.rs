use super::package::Package;
use super::{lookup, show, wait_until_ready, wait_until_settled, watch};
use crate::commands::connection::Connection;
use crate::commands::error::{Kind, Service};
use crate::commands::progress::Progress;
use crate::commands::{pairs, table};
use crate::terminal::note;
use anyhow::{Context, Result};
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{Environment, FunctionCode, FunctionConfiguration, Runtime};
use clap::Args;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Millstream wants a role in the right form and looks no further.
const LOCAL_ROLE: &str = "arn:aws:iam::000000000000:role/millstream";

const HELP: &str = "The directory becomes a zip. What a .millstreamignore file names stays out of it (in the form of a \
    .gitignore), and so do .git, __pycache__, .venv and the like.\n\nA function that is there already gets the new code and \
    what else is given here; all else of it stays.\n\nExamples:\n  millstream function deploy ./enrich --runtime python3.12 \
    --handler app.handler\n  millstream function deploy ./enrich --environment STREAM=offers --memory 256\n  millstream \
    function deploy ./enrich --watch";

#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(super) struct DeployArguments {
    /// Directory with the function's code, or a .zip file
    #[arg(value_name = "DIR")]
    pub(super) directory: PathBuf,

    /// Name of the function [default: the directory's]
    #[arg(long)]
    name: Option<String>,

    /// Runtime, such as python3.12 or provided.al2023; `millstream function runtimes` lists them
    #[arg(long)]
    runtime: Option<String>,

    /// What is called: file.function; for a runtime that the function brings itself: bootstrap
    #[arg(long)]
    handler: Option<String>,

    /// A layer's version, by its ARN; may be given several times, later ones lie over earlier ones
    #[arg(long = "layer", value_name = "ARN")]
    layers: Vec<String>,

    /// A variable; may be given several times
    #[arg(long = "environment", value_name = "KEY=VALUE", value_parser = pairs::pair)]
    environment: Vec<(String, String)>,

    /// Seconds that an invocation may take
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<i32>,

    /// Memory in MiB
    #[arg(long, value_name = "MIB")]
    memory: Option<i32>,

    /// Role that the function has [default where the server is not AWS: one that is made up]
    #[arg(long, value_name = "ARN")]
    role: Option<String>,

    /// What it is for
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,

    /// Leave these files out of the zip, as a line of .gitignore; may be given several times
    #[arg(long, value_name = "PATTERN")]
    pub(super) exclude: Vec<String>,

    /// Stay, and deploy again whenever a file changes. For development; Ctrl-C ends it
    #[arg(long)]
    watch: bool,
}

pub(super) async fn run(connection: &Connection, arguments: &DeployArguments) -> Result<ExitCode> {
    let name = match &arguments.name {
        Some(name) => name.clone(),
        None => name_of(&arguments.directory)?,
    };
    let package = Package::read(&arguments.directory, &arguments.exclude)?;
    let sha256 = package.code_sha256.clone();
    let progress = Progress::waiting(format!("deploying {name}"));
    let (function, outcome) = match lookup(connection, &name).await {
        Ok(existing) => update(connection, arguments, &name, &existing, package).await?,
        Err(error) if error.kind == Kind::NotFound => {
            create(connection, arguments, &name, package).await?;
            (wait_until_ready(connection, &name).await?, "created")
        }
        Err(error) => return Err(error.into()),
    };
    drop(progress);
    let mut json = show::to_json(&function);
    json["Outcome"] = outcome.into();
    table::print(connection.output, &json, || function.function_arn().unwrap_or_default().to_owned())?;
    note(format_args!("{name}: {outcome}"));
    if arguments.watch {
        watch::run(connection, arguments, &name, sha256).await?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The directory's own name, also where it is `.`
pub(super) fn name_of(directory: &Path) -> Result<String> {
    let whole = directory.canonicalize().with_context(|| format!("cannot read {}", directory.display()))?;
    let name = whole.file_name().and_then(|name| name.to_str()).context("say a name with --name")?;
    Ok(name.strip_suffix(".zip").unwrap_or(name).to_owned())
}

async fn create(
    connection: &Connection,
    arguments: &DeployArguments,
    name: &str,
    package: Package,
) -> Result<()> {
    let runtime = arguments.runtime.as_deref().with_context(|| {
        format!("there is no function {name} yet: to create it, say its --runtime, such as python3.12")
    })?;
    let own = runtime.starts_with("provided.");
    let handler = match &arguments.handler {
        Some(handler) => handler,
        None if own => "bootstrap",
        None => anyhow::bail!(
            "there is no function {name} yet: to create it, say its --handler, such as app.handler"
        ),
    };
    let role = match &arguments.role {
        Some(role) => role,
        None if connection.target(Service::Lambda).is_aws() => {
            anyhow::bail!("AWS wants to know as whom the function acts: name its --role")
        }
        None => LOCAL_ROLE,
    };
    check_files(&package, runtime, handler)?;
    let call = connection.lambda.create_function().function_name(name).runtime(Runtime::from(runtime));
    let call = call.handler(handler).role(role).set_description(arguments.description.clone());
    let call = call.set_timeout(arguments.timeout).set_memory_size(arguments.memory);
    let call = call.set_layers(some(&arguments.layers)).set_environment(environment(arguments));
    let code = FunctionCode::builder().zip_file(Blob::new(package.zip)).build();
    call.code(code)
        .send()
        .await
        .map_err(|error| connection.lambda_failed(format!("create the function {name}"), &error))?;
    Ok(())
}

/// Find out before it is sent what would fail at the first invocation.
fn check_files(package: &Package, runtime: &str, handler: &str) -> Result<()> {
    if runtime.starts_with("provided.") {
        let (what, file) = match runtime {
            "provided.wasm" if Path::new(handler).extension().is_some_and(|end| end == "wasm") => {
                ("the component", handler)
            }
            "provided.wasm" => ("the component", "bootstrap.wasm"),
            _ => ("a program named", "bootstrap"),
        };
        let there = package.has(file) != Some(false);
        anyhow::ensure!(there, "{runtime} runs {what} {file}, and the directory has none");
        return Ok(());
    }
    let files = handler_files(runtime, handler);
    if let Some(first) = files.first()
        && files.iter().all(|file| package.has(file) == Some(false))
    {
        note(format_args!(
            "millstream: the handler {handler} wants a file {first}, which the directory does not have"
        ));
    }
    Ok(())
}

/// The files of which one must hold a handler; none where that is not known.
fn handler_files(runtime: &str, handler: &str) -> Vec<String> {
    let Some((module, _)) = handler.rsplit_once('.') else { return Vec::new() };
    if runtime.starts_with("python") {
        let module = module.replace('.', "/");
        vec![format!("{module}.py"), format!("{module}/__init__.py")]
    } else if runtime.starts_with("nodejs") {
        [".js", ".mjs", ".cjs"].map(|end| format!("{module}{end}")).to_vec()
    } else {
        Vec::new()
    }
}

async fn update(
    connection: &Connection,
    arguments: &DeployArguments,
    name: &str,
    existing: &FunctionConfiguration,
    package: Package,
) -> Result<(FunctionConfiguration, &'static str)> {
    // Something may be under way already.
    wait_until_settled(connection, name).await?;
    let new_code = existing.code_sha256() != Some(&package.code_sha256);
    let changed = differs(arguments, existing);
    if new_code {
        update_code(connection, name, package).await?;
        if changed {
            wait_until_ready(connection, name).await?;
        }
    }
    if changed {
        let call = connection.lambda.update_function_configuration().function_name(name);
        let call = call.set_runtime(arguments.runtime.as_deref().map(Runtime::from));
        let call = call.set_handler(arguments.handler.clone()).set_role(arguments.role.clone());
        let call = call.set_description(arguments.description.clone()).set_timeout(arguments.timeout);
        let call = call.set_memory_size(arguments.memory).set_layers(some(&arguments.layers));
        call.set_environment(environment(arguments))
            .send()
            .await
            .map_err(|error| connection.lambda_failed(format!("update the function {name}"), &error))?;
    }
    let outcome = if new_code || changed { "updated" } else { "unchanged" };
    Ok((wait_until_ready(connection, name).await?, outcome))
}

pub(super) async fn update_code(connection: &Connection, name: &str, package: Package) -> Result<()> {
    let call = connection.lambda.update_function_code().function_name(name);
    call.zip_file(Blob::new(package.zip))
        .send()
        .await
        .map_err(|error| connection.lambda_failed(format!("update the code of {name}"), &error))?;
    Ok(())
}

/// Whether something is asked for that the function does not have.
fn differs(arguments: &DeployArguments, existing: &FunctionConfiguration) -> bool {
    fn other<T: PartialEq + ?Sized>(asked: Option<&T>, has: Option<&T>) -> bool {
        asked.is_some() && asked != has
    }
    let layers: Vec<_> = existing.layers().iter().filter_map(|layer| layer.arn()).collect();
    let variables = existing.environment().and_then(|environment| environment.variables());
    other(arguments.runtime.as_deref(), existing.runtime().map(Runtime::as_str))
        || other(arguments.handler.as_deref(), existing.handler())
        || other(arguments.role.as_deref(), existing.role())
        || other(arguments.description.as_deref(), existing.description())
        || other(arguments.timeout.as_ref(), existing.timeout.as_ref())
        || other(arguments.memory.as_ref(), existing.memory_size.as_ref())
        || (!arguments.layers.is_empty() && arguments.layers != layers)
        || other(pairs::some(&arguments.environment).as_ref(), variables)
}

fn environment(arguments: &DeployArguments) -> Option<Environment> {
    let variables = pairs::some(&arguments.environment)?;
    Some(Environment::builder().set_variables(Some(variables)).build())
}

fn some(list: &[String]) -> Option<Vec<String>> {
    (!list.is_empty()).then(|| list.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handler_is_looked_for_where_its_runtime_does() {
        assert_eq!(handler_files("python3.12", "a.b.handler"), ["a/b.py", "a/b/__init__.py"]);
        assert_eq!(handler_files("nodejs22.x", "lib/index.handler")[..2], ["lib/index.js", "lib/index.mjs"]);
        assert!(handler_files("java21", "a.B::c").is_empty());
        assert!(handler_files("python3.12", "handler").is_empty());
    }

    #[test]
    fn a_function_is_named_as_its_directory() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("v1.enrich");
        millstream_host::fs::create_dir_all(&directory).unwrap();
        millstream_host::fs::write(&home.path().join("code.zip"), b"").unwrap();
        assert_eq!(name_of(&directory.join(".")).unwrap(), "v1.enrich");
        assert_eq!(name_of(&home.path().join("code.zip")).unwrap(), "code");
        assert!(name_of(&home.path().join("nowhere")).is_err());
    }
}
