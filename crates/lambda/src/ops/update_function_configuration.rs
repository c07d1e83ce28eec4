use super::Handle;
use crate::configuration::{View, describe};
use crate::names::Target;
use crate::service::{Context, Lambda};
use crate::settings::{self, NotBuilt};
use crate::{Failure, error};
use api::{FunctionConfiguration, UpdateFunctionConfigurationRequest};
use millstream_api_lambda as api;
use millstream_control::{FunctionSettings, Refusal, UpdateFunction};
use millstream_control_node::SubmitError;
use millstream_host::entropy;

impl Handle for api::UpdateFunctionConfiguration {
    fn first(input: &UpdateFunctionConfigurationRequest) -> Result<(), Failure> {
        input.runtime.as_ref().map_or(Ok(()), |runtime| settings::known_runtime(runtime.as_str()).map(drop))
    }

    async fn handle(
        lambda: &Lambda,
        input: UpdateFunctionConfigurationRequest,
        _context: Context<'_>,
    ) -> Result<FunctionConfiguration, Failure> {
        let home = lambda.home();
        let target = Target::parse(home, &input.function_name)?;
        let function = target.find(home, &lambda.control().state())?;
        refuse_what_is_not_built(&input)?;
        let (code, current) = function.shown();
        let of_code = input.runtime.is_some()
            || input.handler.is_some()
            || input.layers.as_ref().is_some_and(|l| !l.is_empty());
        if code.image_uri.is_some() && of_code {
            return Err(settings::not_for_images());
        }
        let settings = changed(lambda, &input, function.own_name(), current).await?;
        if input.runtime.is_some() {
            settings::architectures(&function.architectures, &settings.runtime)?;
        }
        if settings.layers != current.layers && !settings.layers.is_empty() {
            let unzipped = lambda.unzipped_size(&code.key).await?;
            lambda.check_unzipped(unzipped, &settings.layers).await?;
        }
        // The settings were made from this revision's: if another change comes in between, it must not be undone.
        let asked_for = input.revision_id.is_some();
        let expected = input.revision_id.unwrap_or_else(|| function.revision_id.clone());
        let command = UpdateFunction {
            name: function.name.clone(),
            code: None,
            settings: Some(settings),
            architectures: None,
            expected_revision: Some(expected),
            revision_id: entropy::uuid(),
            publish: false,
        };
        let updated = lambda.control().submit(command).await.map_err(|error| match error {
            SubmitError::Refused(Refusal::RevisionMismatch { name, .. }) if !asked_for => {
                error::submit(home, Refusal::FunctionBusy(name).into())
            }
            error => error::submit(home, error),
        })?;
        Ok(describe(home, &updated, View::Full, false))
    }
}

fn refuse_what_is_not_built(input: &UpdateFunctionConfigurationRequest) -> Result<(), Failure> {
    NotBuilt {
        vpc_config: input.vpc_config.as_ref(),
        kms_key_arn: input.kms_key_arn.as_deref(),
        file_systems: input.file_system_configs.as_ref().map_or(0, Vec::len),
        image_config: input.image_config.as_ref(),
        snap_start: input.snap_start.as_ref(),
        others: &[
            (input.capacity_provider_config.is_some(), "CapacityProviderConfig"),
            (input.durable_config.is_some(), "DurableConfig"),
            (input.runtime_config.is_some(), "RuntimeConfig"),
            (input.accelerator_config.is_some(), "AcceleratorConfig"),
        ],
    }
    .check()
}

/// The current settings with what the request names in its place.
async fn changed(
    lambda: &Lambda,
    input: &UpdateFunctionConfigurationRequest,
    name: &str,
    current: &FunctionSettings,
) -> Result<FunctionSettings, Failure> {
    let mut settings = current.clone();
    if let Some(description) = &input.description {
        settings.description.clone_from(description);
    }
    if let Some(role) = &input.role {
        settings.role.clone_from(role);
    }
    if let Some(handler) = &input.handler {
        settings.handler = settings::check_handler(handler)?;
    }
    if let Some(seconds) = input.timeout {
        settings.timeout_secs = settings::timeout(seconds)?;
    }
    if let Some(mb) = input.memory_size {
        settings.memory_mb = settings::memory(mb)?;
    }
    if let Some(storage) = &input.ephemeral_storage {
        settings.ephemeral_mb = settings::ephemeral(storage.size)?;
    }
    if let Some(environment) = &input.environment {
        settings.environment = settings::environment(environment)?;
    }
    if let Some(layers) = &input.layers {
        settings.layers = lambda.resolve_layers(&lambda.control().state(), layers)?;
    }
    if let Some(mode) = input.tracing_config.as_ref().and_then(|config| config.mode.as_ref()) {
        mode.as_str().clone_into(&mut settings.tracing_mode);
    }
    if let Some(config) = &input.dead_letter_config {
        settings.dead_letter = lambda.dead_letter(config)?;
    }
    settings.logging = settings::logging(input.logging_config.as_ref(), name, settings.logging)?;
    if let Some(runtime) = &input.runtime {
        settings.runtime = lambda.check_runtime(runtime.as_str()).await?;
    }
    Ok(settings)
}
