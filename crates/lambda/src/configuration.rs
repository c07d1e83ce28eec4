//! A function as the API shows it.

use crate::names::LATEST;
use millstream_api_lambda as api;
use millstream_control::{Code, Function, FunctionSettings, FunctionStatus, LoggingSettings, UpdateStatus};
use millstream_functions::runtime_version_arn;
use millstream_types::Home;

/// What is left out depends on the operation, as recorded on AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum View {
    /// Everything.
    Full,
    /// `CreateFunction`: nothing of updates yet.
    Created,
    /// `ListFunctions`: no state, no runtime version.
    Listed,
}

const CREATING: &str = "Creating";
const BEING_CREATED: &str = "The function is being created.";

/// `qualified` puts the version into the ARN: it is there when the client named one.
pub(crate) fn describe(
    home: &Home,
    function: &Function,
    view: View,
    qualified: bool,
) -> api::FunctionConfiguration {
    let (code, settings) = function.shown();
    let mut shown = what_was_set(home, function, code, settings);
    if qualified {
        shown.function_arn = Some(format!("{}:{LATEST}", function.arn));
    }
    match view {
        View::Full => {
            show_status(function, &mut shown);
            show_update(function, &mut shown);
        }
        View::Created => show_status(function, &mut shown),
        View::Listed => shown.runtime_version_config = None,
    }
    shown
}

fn what_was_set(
    home: &Home,
    function: &Function,
    code: &Code,
    settings: &FunctionSettings,
) -> api::FunctionConfiguration {
    let layers: Vec<api::Layer> = settings
        .layers
        .iter()
        .map(|layer| api::Layer {
            arn: Some(layer.arn.clone()),
            code_size: Some(signed(layer.size)),
            ..Default::default()
        })
        .collect();
    let is_image = code.image_uri.is_some();
    let environment =
        api::EnvironmentResponse { variables: Some(settings.environment.clone()), ..Default::default() };
    api::FunctionConfiguration {
        function_name: Some(function.own_name().to_owned()),
        function_arn: Some(function.arn.clone()),
        runtime: (!is_image).then(|| settings.runtime.as_str().into()),
        role: Some(settings.role.clone()),
        handler: (!is_image).then(|| settings.handler.clone()),
        code_size: Some(signed(code.size)),
        code_sha256: Some(code.sha256.clone()),
        description: Some(settings.description.clone()),
        timeout: Some(small(settings.timeout_secs)),
        memory_size: Some(small(settings.memory_mb)),
        last_modified: Some(function.modified.lambda_date()),
        version: Some(LATEST.to_owned()),
        dead_letter_config: (!settings.dead_letter.is_empty())
            .then(|| api::DeadLetterConfig { target_arn: Some(settings.dead_letter.clone()) }),
        environment: (!settings.environment.is_empty()).then_some(environment),
        tracing_config: Some(api::TracingConfigResponse {
            mode: Some(settings.tracing_mode.as_str().into()),
        }),
        revision_id: Some(function.revision_id.clone()),
        layers: (!layers.is_empty()).then_some(layers),
        package_type: Some(if is_image { "Image" } else { "Zip" }.into()),
        architectures: Some(function.architectures.iter().map(|name| name.as_str().into()).collect()),
        ephemeral_storage: Some(api::EphemeralStorage {
            size: small(settings.ephemeral_mb),
            ..Default::default()
        }),
        snap_start: Some(api::SnapStartResponse {
            apply_on: Some("None".into()),
            optimization_status: Some("Off".into()),
        }),
        runtime_version_config: (!is_image).then(|| api::RuntimeVersionConfig {
            runtime_version_arn: Some(runtime_version_arn(&home.partition, &home.region, &settings.runtime)),
            ..Default::default()
        }),
        logging_config: Some(logging(function, &settings.logging)),
        ..Default::default()
    }
}

fn logging(function: &Function, logging: &LoggingSettings) -> api::LoggingConfig {
    let json = logging.json.as_ref();
    let own = || format!("/aws/lambda/{}", function.own_name());
    api::LoggingConfig {
        log_format: Some(if json.is_some() { "JSON" } else { "Text" }.into()),
        application_log_level: json.map(|levels| levels.application.as_str().into()),
        system_log_level: json.map(|levels| levels.system.as_str().into()),
        log_group: Some(logging.group.clone().unwrap_or_else(own)),
    }
}

fn show_status(function: &Function, shown: &mut api::FunctionConfiguration) {
    let (state, why) = match &function.status {
        FunctionStatus::Pending => ("Pending", Some((CREATING, BEING_CREATED))),
        FunctionStatus::Active => ("Active", None),
        FunctionStatus::Failed { code, reason } => ("Failed", Some((code.as_str(), reason.as_str()))),
    };
    shown.state = Some(state.into());
    if let Some((code, reason)) = why {
        shown.state_reason_code = Some(code.into());
        shown.state_reason = Some(reason.to_owned());
    }
}

fn show_update(function: &Function, shown: &mut api::FunctionConfiguration) {
    let (status, why) = match (&function.status, &function.update) {
        // Nothing was ever in place that an update could have changed.
        (FunctionStatus::Pending, _) => return,
        (_, UpdateStatus::InProgress) => ("InProgress", Some((CREATING, BEING_CREATED))),
        (_, UpdateStatus::Failed { code, reason }) => ("Failed", Some((code.as_str(), reason.as_str()))),
        (FunctionStatus::Failed { code, reason }, UpdateStatus::Successful) => {
            ("Failed", Some((code.as_str(), reason.as_str())))
        }
        (FunctionStatus::Active, UpdateStatus::Successful) => ("Successful", None),
    };
    shown.last_update_status = Some(status.into());
    if let Some((code, reason)) = why {
        shown.last_update_status_reason_code = Some(code.into());
        shown.last_update_status_reason = Some(reason.to_owned());
    }
}

/// Sizes are far below where this could saturate.
pub(crate) fn signed(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

pub(crate) fn small(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
