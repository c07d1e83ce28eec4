use super::Handle;
use crate::buckets::Object;
use crate::configuration::{View, describe};
use crate::names::Target;
use crate::service::{Context, Lambda};
use crate::upload::{Upload, code_of, is_elsewhere};
use crate::{Failure, error, settings};
use api::{Architecture, FunctionConfiguration, UpdateFunctionCodeRequest};
use millstream_api_lambda as api;
use millstream_control::{Code, Function, Refusal, UpdateFunction};
use millstream_host::entropy;

impl Handle for api::UpdateFunctionCode {
    async fn handle(
        lambda: &Lambda,
        input: UpdateFunctionCodeRequest,
        _context: Context<'_>,
    ) -> Result<FunctionConfiguration, Failure> {
        let home = lambda.home();
        let target = Target::parse(home, &input.function_name)?;
        let function = target.find(home, &lambda.control().state())?;
        refuse_what_is_not_built(&input)?;
        // Checked again when the command is applied; here, so that nothing is stored for nothing.
        let current = &function.revision_id;
        if input.revision_id.as_ref().is_some_and(|expected| expected != current) {
            let (name, actual) = (function.name.clone(), current.clone());
            return Err(error::submit(home, Refusal::RevisionMismatch { name, actual }.into()));
        }
        let runtime = &function.shown().1.runtime;
        let architectures = input.architectures.as_deref().filter(|asked| !asked.is_empty());
        let architectures = architectures
            .map(|asked| settings::architectures(asked.iter().map(Architecture::as_str), runtime))
            .transpose()?;
        let code = code_given(lambda, &input, &function).await?;
        if input.dry_run == Some(true) {
            return Ok(describe(home, &as_if(&function, code, architectures), View::Full, false));
        }
        let command = UpdateFunction {
            name: function.name.clone(),
            code: Some(code),
            settings: None,
            architectures,
            expected_revision: input.revision_id,
            revision_id: entropy::uuid(),
            publish: input.publish == Some(true),
        };
        let updated = lambda.control().submit(command).await.map_err(|error| error::submit(home, error))?;
        let mut shown = describe(home, &updated, View::Full, false);
        if input.publish == Some(true) {
            let version = updated.published.newest;
            shown.version = Some(version.to_string());
            shown.function_arn = Some(format!("{}:{version}", updated.arn));
        }
        Ok(shown)
    }
}

async fn code_given(
    lambda: &Lambda,
    input: &UpdateFunctionCodeRequest,
    function: &Function,
) -> Result<Code, Failure> {
    let object = Object {
        bucket: input.s3_bucket.as_deref(),
        key: input.s3_key.as_deref(),
        version: input.s3_object_version.as_deref(),
    };
    if is_elsewhere(function) {
        if object.is_named() || input.zip_file.is_some() {
            return Err(Failure::invalid(
                "Please don't provide ZipFile or S3 location when updating a function with packageType Image.",
            ));
        }
        let uri = input.image_uri.as_deref().filter(|uri| !uri.is_empty());
        return lambda.elsewhere(uri.ok_or_else(|| {
            Failure::invalid("Please provide ImageUri when updating a function with packageType Image.")
        })?);
    }
    if input.image_uri.is_some() {
        return Err(Failure::invalid(
            "Please don't provide ImageUri when updating a function with packageType Zip.",
        ));
    }
    let stored = lambda.store(Upload { zip_file: input.zip_file.as_ref(), object }).await?;
    lambda.check_unzipped(stored.unzipped_size, &function.shown().1.layers).await?;
    Ok(code_of(&stored))
}

fn refuse_what_is_not_built(input: &UpdateFunctionCodeRequest) -> Result<(), Failure> {
    let key = input.source_kms_key_arn.as_ref().is_some_and(|arn| !arn.is_empty());
    Failure::unless_built([(input.publish_to.is_some(), "PublishTo"), (key, "SourceKMSKeyArn")])
}

/// What a dry run shows: the function as it is, with the code it would get.
fn as_if(function: &Function, code: Code, architectures: Option<Vec<String>>) -> Function {
    let mut shown = function.clone();
    if let Some(next) = &mut shown.next {
        next.0 = code.clone();
    }
    shown.code = code;
    shown.architectures = architectures.unwrap_or(shown.architectures);
    shown
}
