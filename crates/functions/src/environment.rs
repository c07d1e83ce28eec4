//! The environment variables of a worker, those that were recorded on AWS.

use crate::options::{Credentials, Options};
use crate::runtimes::Runtime;
use crate::sandbox::Isolation;
use crate::spec::FunctionSpec;
use std::collections::BTreeMap;

/// Where things are, as the function sees it.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    pub task: String,
    pub opt: String,
    pub runtime: String,
}

/// All variables of a worker. Lambda's own come first, then the user's replace them, then the reserved ones are set.
pub(crate) fn variables(
    spec: &FunctionSpec,
    options: &Options,
    places: &Places,
    runtime_api: &str,
    (log_stream, session): (&str, Option<&Credentials>),
) -> Vec<(String, String)> {
    let mut all = replaceable(options, places, spec.runtime);
    all.extend(spec.environment.clone());
    let Places { task, opt, runtime } = places;
    // arn:PARTITION:lambda:REGION:ACCOUNT:…
    let mut home = spec.arn.split(':').skip(3);
    let region = home.next().unwrap_or(&options.region);
    let credentials = session.cloned().unwrap_or_else(|| Credentials::of_account(home.next()));
    let memory = spec.memory_mb.to_string();
    let mut reserved = vec![
        ("_HANDLER", spec.handler.as_str()),
        ("AWS_ACCESS_KEY_ID", credentials.access_key_id.as_str()),
        ("AWS_SECRET_ACCESS_KEY", credentials.secret_access_key.as_str()),
        ("AWS_SESSION_TOKEN", credentials.session_token.as_str()),
        ("AWS_REGION", region),
        ("AWS_DEFAULT_REGION", region),
        ("AWS_LAMBDA_FUNCTION_NAME", spec.name.as_str()),
        ("AWS_LAMBDA_FUNCTION_VERSION", spec.version.as_str()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", memory.as_str()),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", spec.log_group.as_str()),
        ("AWS_LAMBDA_LOG_STREAM_NAME", log_stream),
        ("AWS_LAMBDA_RUNTIME_API", runtime_api),
        ("LAMBDA_TASK_ROOT", task.as_str()),
        ("LAMBDA_RUNTIME_DIR", runtime.as_str()),
    ];
    let execution = format!("AWS_Lambda_{}", spec.runtime);
    if spec.runtime.is_interpreted() {
        reserved.push(("AWS_EXECUTION_ENV", execution.as_str()));
    }
    if let Some(json) = &spec.json_logs {
        reserved.push(("AWS_LAMBDA_LOG_FORMAT", "JSON"));
        reserved.push(("AWS_LAMBDA_LOG_LEVEL", json.application.as_str()));
    }
    if options.isolation == Isolation::Process {
        reserved.push(("MILLSTREAM_LAYERS", opt.as_str()));
    }
    all.extend(reserved.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())));
    all.into_iter().collect()
}

/// What a user may set otherwise.
fn replaceable(options: &Options, places: &Places, of: Runtime) -> BTreeMap<String, String> {
    let Places { task, opt, runtime } = places;
    let mut path = format!("/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:{opt}/bin");
    let mut libraries =
        format!("/var/lang/lib:/lib64:/usr/lib64:{runtime}:{runtime}/lib:{task}:{task}/lib:{opt}/lib");
    if options.isolation == Isolation::Process {
        let host = std::env::var("PATH").unwrap_or_default();
        path = format!("{host}:{opt}/bin");
        libraries = format!("{task}:{task}/lib:{opt}/lib");
    }
    let mut all = BTreeMap::from(
        [
            ("AWS_XRAY_CONTEXT_MISSING", "LOG_ERROR"),
            ("AWS_XRAY_DAEMON_ADDRESS", "169.254.79.129:2000"),
            ("_AWS_XRAY_DAEMON_ADDRESS", "169.254.79.129"),
            ("_AWS_XRAY_DAEMON_PORT", "2000"),
            ("LANG", "en_US.UTF-8"),
            ("TZ", ":UTC"),
            ("PATH", path.as_str()),
            ("LD_LIBRARY_PATH", libraries.as_str()),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    if let Runtime::Node { major } = of {
        // After those of AWS: what the machine has installed globally, such as the AWS SDK.
        let modules = format!(
            "{opt}/nodejs/node{major}/node_modules:{opt}/nodejs/node_modules:{runtime}/node_modules:{runtime}:{task}:\
             /var/lang/lib/node_modules"
        );
        all.insert("NODE_PATH".to_owned(), modules);
    } else if !matches!(of, Runtime::Java { .. }) {
        all.insert("PYTHONPATH".to_owned(), runtime.clone());
    }
    if let Some(url) = &options.endpoint_url {
        all.insert("AWS_ENDPOINT_URL".to_owned(), url.clone());
    }
    all
}
/// Whether a variable is the server's own address, and not one that the function's owner has set.
pub(crate) fn points_home((name, value): &(String, String), options: &Options) -> bool {
    name == "AWS_ENDPOINT_URL" && Some(value) == options.endpoint_url.as_ref()
}

#[cfg(test)]
mod tests {
    use super::points_home;
    use crate::options::Options;

    #[test]
    fn an_endpoint_of_the_owner_s_is_not_ours() {
        let home = "http://127.0.0.1:4566".to_owned();
        let options = Options { endpoint_url: Some(home.clone()), ..Options::default() };
        let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert!(points_home(&variable("AWS_ENDPOINT_URL", &home), &options));
        assert!(!points_home(&variable("AWS_ENDPOINT_URL", "http://elsewhere"), &options));
        assert!(!points_home(&variable("HOME", &home), &options));
        assert!(!points_home(&variable("AWS_ENDPOINT_URL", ""), &Options::default()));
    }
}
