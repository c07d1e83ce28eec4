//! Layers: what several functions have in common, at /opt.

use super::deploy::name_of;
use super::package::Package;
use crate::commands::connection::Connection;
use crate::commands::progress::Progress;
use crate::commands::{caps, table};
use anyhow::Result;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{LayerVersionContentInput, Runtime};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(super) struct LayerArguments {
    #[command(subcommand)]
    command: LayerCommand,
}

#[derive(Debug, Subcommand)]
enum LayerCommand {
    /// Publish a new version of a layer from a directory
    #[command(
        after_help = "The directory lies at /opt: libraries for Python belong into its python directory.\n\nExample:\n  \
        millstream function layer publish ./geo --runtime python3.12"
    )]
    Publish {
        /// Directory with the layer's files, or a .zip file
        #[arg(value_name = "DIR")]
        directory: PathBuf,
        /// Name of the layer [default: the directory's]
        #[arg(long)]
        name: Option<String>,
        /// A runtime that it is for; may be given several times
        #[arg(long = "runtime", value_name = "RUNTIME")]
        runtimes: Vec<String>,
        /// What it is for
        #[arg(long, value_name = "TEXT")]
        description: Option<String>,
        /// Leave these files out, as a line of .gitignore; may be given several times
        #[arg(long, value_name = "PATTERN")]
        exclude: Vec<String>,
    },
    /// List the layers, each with its newest version; or the versions of one
    List {
        /// Name of a layer
        #[arg(value_name = "LAYER")]
        name: Option<String>,
    },
    /// Delete a version of a layer; functions that have it keep it
    Delete {
        /// Name of the layer
        #[arg(value_name = "LAYER")]
        name: String,
        /// Number of the version
        #[arg(value_name = "VERSION")]
        number: i64,
    },
}

pub(super) async fn run(connection: &Connection, arguments: &LayerArguments) -> Result<ExitCode> {
    match &arguments.command {
        LayerCommand::Publish { directory, name, runtimes, description, exclude } => {
            let name = &name.clone().map_or_else(|| name_of(directory), Ok)?;
            let package = Package::read(directory, exclude)?;
            let progress = Progress::waiting(format!("publishing {name}"));
            let runtimes: Vec<_> = runtimes.iter().map(|runtime| Runtime::from(runtime.as_str())).collect();
            let content = LayerVersionContentInput::builder().zip_file(Blob::new(package.zip)).build();
            let call = connection.lambda.publish_layer_version().layer_name(name).content(content);
            let call = call.set_description(description.clone());
            let answer = call
                .set_compatible_runtimes((!runtimes.is_empty()).then_some(runtimes))
                .send()
                .await
                .map_err(|error| connection.lambda_failed(format!("publish the layer {name}"), &error))?;
            drop(progress);
            let arn = answer.layer_version_arn().unwrap_or_default();
            let json = json!({
                "LayerVersionArn": arn, "LayerArn": answer.layer_arn(), "Version": answer.version(),
            });
            table::print(connection.output, &json, || arn.to_owned())?;
        }
        LayerCommand::List { name: None } => show(connection, &newest(connection).await?, None)?,
        LayerCommand::List { name: Some(name) } => {
            show(connection, &versions(connection, name).await?, Some(name))?;
        }
        LayerCommand::Delete { name, number } => {
            let call = connection.lambda.delete_layer_version().layer_name(name).version_number(*number);
            let doing = || format!("delete version {number} of the layer {name}");
            call.send().await.map_err(|error| connection.lambda_failed(doing(), &error))?;
            let json = json!({ "LayerName": name, "Version": number, "Deleted": true });
            table::print(connection.output, &json, || format!("version {number} of {name} is deleted"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A version of a layer.
struct Version {
    name: String,
    arn: String,
    number: i64,
    created: String,
    runtimes: String,
}

fn version(name: &str, listed: &aws_sdk_lambda::types::LayerVersionsListItem) -> Version {
    let runtimes: Vec<_> = listed.compatible_runtimes().iter().map(Runtime::as_str).collect();
    Version {
        name: name.to_owned(),
        arn: listed.layer_version_arn().unwrap_or_default().to_owned(),
        number: listed.version(),
        created: listed.created_date().unwrap_or_default().to_owned(),
        runtimes: runtimes.join(", "),
    }
}

async fn newest(connection: &Connection) -> Result<Vec<Version>> {
    let (mut layers, mut marker) = (Vec::new(), None);
    loop {
        let call = connection.lambda.list_layers().set_marker(marker);
        let page = call.send().await.map_err(|error| connection.lambda_failed("list the layers", &error))?;
        for layer in page.layers() {
            let name = layer.layer_name().unwrap_or_default();
            layers.extend(layer.latest_matching_version().map(|newest| version(name, newest)));
        }
        marker = page.next_marker;
        if marker.is_none() || layers.len() >= caps::LISTED {
            return Ok(layers);
        }
    }
}

async fn versions(connection: &Connection, name: &str) -> Result<Vec<Version>> {
    let (mut versions, mut marker) = (Vec::new(), None);
    loop {
        let call = connection.lambda.list_layer_versions().layer_name(name).set_marker(marker);
        let doing = || format!("list the versions of the layer {name}");
        let page = call.send().await.map_err(|error| connection.lambda_failed(doing(), &error))?;
        versions.extend(page.layer_versions().iter().map(|listed| version(name, listed)));
        marker = page.next_marker;
        if marker.is_none() || versions.len() >= caps::LISTED {
            return Ok(versions);
        }
    }
}

fn show(connection: &Connection, versions: &[Version], name: Option<&str>) -> Result<()> {
    let to_json = |version: &Version| -> Value {
        json!({
            "LayerName": version.name, "LayerVersionArn": version.arn, "Version": version.number,
            "CreatedDate": version.created,
        })
    };
    let json = json!({ "Layers": versions.iter().map(to_json).collect::<Vec<_>>() });
    table::print(connection.output, &json, || match (versions, name) {
        ([], None) => {
            "There are no layers. `millstream function layer publish DIR --name NAME` makes one".to_owned()
        }
        ([], Some(name)) => format!("There is no version of a layer {name}"),
        (versions, _) => {
            let mut table = table::Table::new(["layer", "version", "created", "runtimes", "arn"]);
            for Version { name, arn, number, created, runtimes } in versions {
                let cells = [name, &number.to_string(), created, runtimes, arn];
                table.row(cells.map(ToOwned::to_owned));
            }
            table.render()
        }
    })
}
