use super::Handle;
use crate::buckets::Object;
use crate::configuration::{View, describe};
use crate::names::Target;
use crate::service::{Context, Lambda};
use crate::settings::{self, NotBuilt};
use crate::upload::{Upload, code_of};
use crate::{Failure, caps, error};
use api::{Architecture, CreateFunctionRequest, FunctionConfiguration, PackageType};
use millstream_api_lambda as api;
use millstream_control::{Code, CreateFunction, FunctionSettings, LoggingSettings, Refusal};
use millstream_host::entropy;

impl Handle for api::CreateFunction {
    fn first(input: &CreateFunctionRequest) -> Result<(), Failure> {
        input.runtime.as_ref().map_or(Ok(()), |runtime| settings::known_runtime(runtime.as_str()).map(drop))
    }

    async fn handle(
        lambda: &Lambda,
        input: CreateFunctionRequest,
        _context: Context<'_>,
    ) -> Result<FunctionConfiguration, Failure> {
        let name = new_name(lambda, &input.function_name)?;
        refuse_what_is_not_built(&input)?;
        let state = lambda.control().state();
        let key = lambda.home().key(&name);
        if state.functions.contains_key(&key) {
            return Err(error::submit(lambda.home(), Refusal::FunctionExists(name).into()));
        }
        let settings = settings_of(lambda, &input, &name).await?;
        let asked = input.architectures.iter().flatten().map(Architecture::as_str);
        let architectures = settings::architectures(asked, &settings.runtime)?;
        let code = code_given(lambda, &input, &settings).await?;
        let command = CreateFunction {
            arn: lambda.home().function_arn(&name),
            name: key,
            code,
            settings,
            architectures,
            tags: settings::tags(input.tags)?,
            revision_id: entropy::uuid(),
            publish: input.publish == Some(true),
        };
        let made = lambda.control().submit(command).await;
        let function = made.map_err(|error| error::submit(lambda.home(), error))?;
        let mut shown = describe(lambda.home(), &function, View::Created, false);
        if input.publish == Some(true) {
            shown.version = Some(function.published.newest.to_string());
        }
        Ok(shown)
    }
}

fn new_name(lambda: &Lambda, asked: &str) -> Result<String, Failure> {
    let target = Target::parse(lambda.home(), asked)?;
    if target.qualifier.is_some() {
        return Err(Failure::invalid(format!("A new function's name cannot have a qualifier: {asked}")));
    }
    if target.name.chars().count() > caps::NAME_CHARS {
        return Err(Failure::invalid(format!(
            "1 validation error detected: Value '{asked}' at 'functionName' failed to satisfy constraint: Member must \
             have length less than or equal to {}",
            caps::NAME_CHARS
        )));
    }
    Ok(target.name)
}

fn refuse_what_is_not_built(input: &CreateFunctionRequest) -> Result<(), Failure> {
    let known = [PackageType::Zip, PackageType::Image];
    let other_package = input.package_type.as_ref().is_some_and(|package| !known.contains(package));
    let given = |text: Option<&String>| text.is_some_and(|text| !text.is_empty());
    NotBuilt {
        vpc_config: input.vpc_config.as_ref(),
        kms_key_arn: input.kms_key_arn.as_deref(),
        file_systems: input.file_system_configs.as_ref().map_or(0, Vec::len),
        image_config: input.image_config.as_ref(),
        snap_start: input.snap_start.as_ref(),
        others: &[
            (other_package, "A PackageType other than Zip and Image"),
            (input.publish_to.is_some(), "PublishTo"),
            (given(input.code_signing_config_arn.as_ref()), "CodeSigningConfigArn"),
            (given(input.code.source_kms_key_arn.as_ref()), "Code.SourceKMSKeyArn"),
            (input.tenancy_config.is_some(), "TenancyConfig"),
            (input.capacity_provider_config.is_some(), "CapacityProviderConfig"),
            (input.durable_config.is_some(), "DurableConfig"),
            (input.runtime_config.is_some(), "RuntimeConfig"),
            (input.accelerator_config.is_some(), "AcceleratorConfig"),
        ],
    }
    .check()
}

fn is_image(input: &CreateFunctionRequest) -> bool {
    input.package_type == Some(PackageType::Image)
}

async fn code_given(
    lambda: &Lambda,
    input: &CreateFunctionRequest,
    settings: &FunctionSettings,
) -> Result<Code, Failure> {
    if is_image(input) {
        let uri = input.code.image_uri.as_deref().filter(|uri| !uri.is_empty());
        return lambda.elsewhere(uri.ok_or_else(|| {
            Failure::invalid("Please provide ImageUri when creating a function with packageType Image.")
        })?);
    }
    if input.code.image_uri.is_some() {
        return Err(Failure::invalid(
            "Please don't provide ImageUri when creating a function with packageType Zip.",
        ));
    }
    let stored = lambda
        .store(Upload {
            zip_file: input.code.zip_file.as_ref(),
            object: Object {
                bucket: input.code.s3_bucket.as_deref(),
                key: input.code.s3_key.as_deref(),
                version: input.code.s3_object_version.as_deref(),
            },
        })
        .await?;
    lambda.check_unzipped(stored.unzipped_size, &settings.layers).await?;
    Ok(code_of(&stored))
}

/// Runtime and handler: an image brings its own.
async fn runs(lambda: &Lambda, input: &CreateFunctionRequest) -> Result<(String, String), Failure> {
    if is_image(input) {
        if input.runtime.is_some()
            || input.handler.is_some()
            || input.layers.as_ref().is_some_and(|l| !l.is_empty())
        {
            return Err(settings::not_for_images());
        }
        return Ok((String::new(), String::new()));
    }
    let (Some(runtime), Some(handler)) = (&input.runtime, &input.handler) else {
        return Err(settings::handler_and_runtime_needed());
    };
    let handler = settings::check_handler(handler)?;
    Ok((lambda.check_runtime(runtime.as_str()).await?, handler))
}

async fn settings_of(
    lambda: &Lambda,
    input: &CreateFunctionRequest,
    name: &str,
) -> Result<FunctionSettings, Failure> {
    let (runtime, handler) = runs(lambda, input).await?;
    let state = lambda.control().state();
    let tracing = input.tracing_config.as_ref().and_then(|config| config.mode.as_ref());
    Ok(FunctionSettings {
        description: input.description.clone().unwrap_or_default(),
        role: input.role.clone(),
        handler,
        timeout_secs: settings::timeout(input.timeout.unwrap_or(3))?,
        memory_mb: settings::memory(input.memory_size.unwrap_or(128))?,
        ephemeral_mb: settings::ephemeral(
            input.ephemeral_storage.as_ref().map_or(512, |storage| storage.size),
        )?,
        environment: input.environment.as_ref().map(settings::environment).transpose()?.unwrap_or_default(),
        layers: lambda.resolve_layers(&state, input.layers.as_deref().unwrap_or_default())?,
        tracing_mode: tracing.map_or("PassThrough", |mode| mode.as_str()).to_owned(),
        dead_letter: input
            .dead_letter_config
            .as_ref()
            .map(|config| lambda.dead_letter(config))
            .transpose()?
            .unwrap_or_default(),
        logging: settings::logging(input.logging_config.as_ref(), name, LoggingSettings::default())?,
        runtime,
    })
}
