use super::Handle;
use crate::buckets::Object;
use crate::layers::{item, layer_arn};
use crate::service::{Context, Lambda};
use crate::upload::{Upload, code_of};
use crate::{Failure, error};
use api::{PublishLayerVersionRequest, PublishLayerVersionResponse};
use millstream_api_lambda as api;
use millstream_control::PublishLayerVersion;

impl Handle for api::PublishLayerVersion {
    async fn handle(
        lambda: &Lambda,
        input: PublishLayerVersionRequest,
        _context: Context<'_>,
    ) -> Result<PublishLayerVersionResponse, Failure> {
        let name = lambda.layer_name(&input.layer_name)?.to_owned();
        let stored = lambda
            .store(Upload {
                zip_file: input.content.zip_file.as_ref(),
                object: Object {
                    bucket: input.content.s3_bucket.as_deref(),
                    key: input.content.s3_key.as_deref(),
                    version: input.content.s3_object_version.as_deref(),
                },
            })
            .await?;
        let runtimes = input.compatible_runtimes.unwrap_or_default();
        let architectures = input.compatible_architectures.unwrap_or_default();
        let command = PublishLayerVersion {
            arn: lambda.home().arn("lambda", format_args!("layer:{name}")),
            name: lambda.home().key(&name),
            description: input.description,
            license: input.license_info,
            runtimes: runtimes.iter().map(|name| name.as_str().to_owned()).collect(),
            architectures: architectures.iter().map(|name| name.as_str().to_owned()).collect(),
            code: code_of(&stored),
        };
        let made = lambda.control().submit(command).await;
        let version = made.map_err(|error| error::submit(lambda.home(), error))?;
        let item = item(&version);
        Ok(PublishLayerVersionResponse {
            content: Some(lambda.layer_content(&version)),
            layer_arn: Some(layer_arn(&version)),
            layer_version_arn: item.layer_version_arn,
            description: item.description,
            created_date: item.created_date,
            version: item.version,
            compatible_architectures: item.compatible_architectures,
            compatible_runtimes: item.compatible_runtimes,
            license_info: item.license_info,
        })
    }
}
