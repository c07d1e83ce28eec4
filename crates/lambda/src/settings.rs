//! What a function may be set to, beyond what the service model says.

use crate::service::Lambda;
use crate::{Failure, caps};
use millstream_api_lambda as api;
use millstream_control::{LogLevels, LoggingSettings};
use millstream_functions::Runtime;
use millstream_mapping::DEAGGREGATE_TAG;
use std::collections::BTreeMap;

/// Names that Lambda sets itself. Those that begin with an underscore no variable may have anyway.
const RESERVED_KEYS: [&str; 18] = [
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_DEFAULT_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_LAMBDA_MAX_CONCURRENCY",
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_REGION",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SECRET_KEY",
    "AWS_SESSION_TOKEN",
    "LAMBDA_RUNTIME_DIR",
    "LAMBDA_TASK_ROOT",
];

/// Members of `CreateFunction` and `UpdateFunctionConfiguration` that are taken only with the value that means "none".
#[derive(Debug)]
pub(crate) struct NotBuilt<'a> {
    pub(crate) vpc_config: Option<&'a api::VpcConfig>,
    pub(crate) kms_key_arn: Option<&'a str>,
    pub(crate) file_systems: usize,
    pub(crate) image_config: Option<&'a api::ImageConfig>,
    pub(crate) snap_start: Option<&'a api::SnapStart>,
    /// Whatever else there is: whether it was asked for, and its name.
    pub(crate) others: &'a [(bool, &'static str)],
}

impl NotBuilt<'_> {
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let some = |list: Option<&Vec<String>>| list.is_some_and(|list| !list.is_empty());
        let in_vpc = self
            .vpc_config
            .is_some_and(|vpc| some(vpc.subnet_ids.as_ref()) || some(vpc.security_group_ids.as_ref()));
        let image = self.image_config.is_some_and(|image| {
            some(image.entry_point.as_ref())
                || some(image.command.as_ref())
                || image.working_directory.as_deref().is_some_and(|path| !path.is_empty())
        });
        let snapshots = self
            .snap_start
            .and_then(|snap_start| snap_start.apply_on.as_ref())
            .is_some_and(|apply_on| apply_on.as_str() != "None");
        let asked = [
            (in_vpc, "VpcConfig with subnets or security groups"),
            (self.kms_key_arn.is_some_and(|arn| !arn.is_empty()), "KMSKeyArn"),
            (self.file_systems > 0, "FileSystemConfigs"),
            (image, "ImageConfig"),
            (snapshots, "SnapStart for published versions"),
        ];
        Failure::unless_built(asked.iter().chain(self.others).copied())
    }
}

/// How a function logs, from how it did and what is asked for.
pub(crate) fn logging(
    asked: Option<&api::LoggingConfig>,
    function: &str,
    mut logging: LoggingSettings,
) -> Result<LoggingSettings, Failure> {
    let Some(asked) = asked else { return Ok(logging) };
    match asked.log_format.as_ref().map(api::LogFormat::as_str) {
        Some("JSON") => {
            let info = || "INFO".to_owned();
            logging.json.get_or_insert_with(|| LogLevels { application: info(), system: info() });
        }
        Some(_) => logging.json = None,
        None => {}
    }
    let (application, system) = (&asked.application_log_level, &asked.system_log_level);
    match &mut logging.json {
        Some(levels) => {
            if let Some(level) = application {
                level.as_str().clone_into(&mut levels.application);
            }
            if let Some(level) = system {
                level.as_str().clone_into(&mut levels.system);
            }
        }
        None if application.is_some() || system.is_some() => {
            return Err(Failure::invalid(
                "ApplicationLogLevel and SystemLogLevel can be set only with the LogFormat JSON.",
            ));
        }
        None => {}
    }
    if let Some(group) = &asked.log_group {
        let own = group.strip_prefix("/aws/lambda/") == Some(function);
        logging.group = (!own).then(|| group.clone());
    }
    Ok(logging)
}

impl Lambda {
    /// The runtime must be one that this version runs, and be installed on this host.
    pub(crate) async fn check_runtime(&self, runtime: &str) -> Result<String, Failure> {
        self.functions()
            .check_runtime(known_runtime(runtime)?)
            .await
            .map_err(|missing| Failure::invalid(missing.to_string()))?;
        Ok(runtime.to_owned())
    }
}

/// In AWS's words, with the runtimes of this version. One that AWS has and this version has not is unknown too.
pub(crate) fn known_runtime(runtime: &str) -> Result<Runtime, Failure> {
    runtime.parse().map_err(|_unknown| {
        Failure::invalid(format!(
            "Value {runtime} at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: \
             [provided.al2023, provided.al2, provided.wasm, python3.9, python3.10, python3.11, python3.12, python3.13, python3.14, \
             nodejs18.x, nodejs20.x, nodejs22.x, nodejs24.x, java11, java17, java21, java25] or be a valid ARN"
        ))
    })
}

/// This machine's architecture as Lambda names it.
fn host_architecture() -> &'static str {
    match std::env::consts::ARCH {
        "aarch64" => "arm64",
        other => other,
    }
}

/// What a function is made for. `provided` runtimes run machine code, which must be this machine's; what is interpreted
/// or WebAssembly runs anywhere, so there the name is only kept.
pub(crate) fn architectures(
    asked: impl IntoIterator<Item = impl AsRef<str>>,
    runtime: &str,
) -> Result<Vec<String>, Failure> {
    let host = host_architecture();
    let asked: Vec<String> = asked.into_iter().map(|name| name.as_ref().to_owned()).collect();
    if asked.is_empty() {
        return Ok(vec![host.to_owned()]);
    }
    let is_machine_code = runtime.parse().is_ok_and(Runtime::is_machine_code);
    match asked.iter().find(|name| *name != host) {
        Some(other) if is_machine_code => Err(Failure::invalid(format!(
            "A function of the runtime {runtime} for {other} cannot run here: this machine runs {host}. Build the code \
             for {host} and set Architectures to it."
        ))),
        _ => Ok(asked),
    }
}

pub(crate) fn check_handler(handler: &str) -> Result<String, Failure> {
    if handler.is_empty() {
        return Err(handler_and_runtime_needed());
    }
    Ok(handler.to_owned())
}

pub(crate) fn handler_and_runtime_needed() -> Failure {
    Failure::invalid(
        "Runtime and Handler are mandatory parameters for functions created with deployment packages.",
    )
}

pub(crate) fn not_for_images() -> Failure {
    Failure::invalid(
        "Please don't provide Handler or Runtime or Layer when the intended function PackageType is Image.",
    )
}

/// Values between ours and the model's are for managed instances, which are not built.
fn at_most(value: i32, max: i32, member: &str) -> Result<u32, Failure> {
    if value > max {
        let constraint = format!("Member must have value less than or equal to {max}");
        return Err(Failure::constraint(&value.to_string(), member, &constraint));
    }
    u32::try_from(value).map_err(|_negative| {
        Failure::constraint(&value.to_string(), member, "Member must have value greater than or equal to 0")
    })
}

pub(crate) fn timeout(seconds: i32) -> Result<u32, Failure> {
    at_most(seconds, caps::TIMEOUT_SECS, "timeout")
}

pub(crate) fn memory(mb: i32) -> Result<u32, Failure> {
    at_most(mb, caps::MEMORY_MB, "memorySize")
}

pub(crate) fn ephemeral(mb: i32) -> Result<u32, Failure> {
    at_most(mb, caps::EPHEMERAL_MB, "ephemeralStorage.size")
}

pub(crate) fn environment(asked: &api::Environment) -> Result<BTreeMap<String, String>, Failure> {
    let variables = asked.variables.clone().unwrap_or_default();
    let reserved: Vec<&str> =
        variables.keys().map(String::as_str).filter(|key| RESERVED_KEYS.contains(key)).collect();
    if !reserved.is_empty() {
        return Err(Failure::invalid(format!(
            "Lambda was unable to configure your environment variables because the environment variables you have \
             provided contains reserved keys that are currently not supported for modification. Reserved keys used in \
             this request: {}",
            reserved.join(", ")
        )));
    }
    let json = serde_json::to_string(&variables)
        .map_err(|error| Failure::service("The environment variables could not be measured.", &error))?;
    if json.len() > caps::ENVIRONMENT_BYTES {
        return Err(Failure::invalid(format!(
            "Lambda was unable to configure your environment variables because the environment variables you have \
             provided exceeded the 4KB limit. String measured: {json}"
        )));
    }
    Ok(variables)
}

pub(crate) fn tags(asked: Option<BTreeMap<String, String>>) -> Result<BTreeMap<String, String>, Failure> {
    let tags = asked.unwrap_or_default();
    if tags.len() > caps::TAGS {
        return Err(Failure::invalid(format!(
            "Number of tags exceeds resource tag limit of {}.",
            caps::TAGS
        )));
    }
    if let Some(reserved) = tags.keys().find(|key| key.starts_with("aws:")) {
        return Err(Failure::invalid(format!("The tag key {reserved} begins with aws:, which is reserved.")));
    }
    let is_yes_or_no = |value: &String| value == "true" || value == "false";
    if tags.get(DEAGGREGATE_TAG).is_some_and(|value| !is_yes_or_no(value)) {
        return Err(Failure::invalid(format!("The value of the tag {DEAGGREGATE_TAG} is true or false.")));
    }
    Ok(tags)
}

#[cfg(test)]
mod tests {
    use super::{architectures, host_architecture};
    use millstream_shapes::ErrorName;

    #[test]
    fn only_code_for_this_machine_is_taken_where_it_matters() {
        let host = host_architecture();
        let other = if host == "x86_64" { "arm64" } else { "x86_64" };
        assert_eq!(architectures([other], "python3.12").unwrap(), [other]);
        for runtime in ["provided.al2", "provided.al2023"] {
            assert_eq!(architectures([host], runtime).unwrap(), [host]);
            assert_eq!(architectures(Vec::<String>::new(), runtime).unwrap(), [host]);
            let refused = architectures([other], runtime).unwrap_err().error;
            assert_eq!(refused.code.name(), "InvalidParameterValueException");
            assert!(refused.message.contains(&format!("this machine runs {host}")), "{}", refused.message);
        }
    }
}
