use millstream_control::{Code, Function, FunctionSettings, FunctionVersion};
use millstream_functions::{CodeKey, FunctionSpec, JsonLogs, Runtime, Share, SystemLevel};
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::sync::Arc;

/// Why a function of the control state cannot be run by this version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    #[error("function {function} wants the runtime {runtime}, which this version of Millstream does not run")]
    Runtime { function: String, runtime: String },
    /// `key` is not one of the code store's.
    #[error("function {function} has no version or alias {qualifier}")]
    NoSuchQualifier { function: String, qualifier: String },
    #[error("the code of function {function} has the key {key:?}, which is not one of the code store's")]
    Code { function: String, key: String },
}

/// What runs when `function` is invoked now: the code and settings in place, not those of an update in progress.
///
/// Whether the function may be invoked at all (`Function::status`) is the caller's to check.
pub fn function_spec(function: &Function) -> Result<Arc<FunctionSpec>, SpecError> {
    let (code, settings) = (&function.code, &function.settings);
    Ok(Arc::new(spec_of(function, code, settings, function.arn.clone(), Function::LATEST)?))
}

/// What runs when a version or an alias of `function` is invoked now; `None` and `$LATEST` are the function itself.
pub fn qualified_spec(function: &Function, qualifier: Option<&str>) -> Result<Arc<FunctionSpec>, SpecError> {
    let Some(qualifier) = qualifier else { return function_spec(function) };
    let arn = format!("{}:{qualifier}", function.arn);
    let of = |version: &str| {
        let none = || SpecError::NoSuchQualifier {
            function: function.own_name().to_owned(),
            qualifier: qualifier.to_owned(),
        };
        if version == Function::LATEST {
            return spec_of(function, &function.code, &function.settings, arn.clone(), version);
        }
        let found: &FunctionVersion = function.published.version(version).ok_or_else(none)?;
        spec_of(function, &found.code, &found.settings, arn.clone(), version)
    };
    let Some(alias) = function.published.aliases.get(qualifier) else {
        return Ok(Arc::new(of(qualifier)?));
    };
    let mut spec = of(&alias.target.version)?;
    if let Some((version, billionths)) = &alias.target.additional {
        spec.shared_with = Some(Share { spec: Arc::new(of(version)?), billionths: *billionths });
    }
    Ok(Arc::new(spec))
}

fn spec_of(
    function: &Function,
    code: &Code,
    settings: &FunctionSettings,
    arn: String,
    version: &str,
) -> Result<FunctionSpec, SpecError> {
    let runtime = match code.image_uri {
        Some(_) => Runtime::Elsewhere,
        None => settings.runtime.parse().map_err(|_unknown| SpecError::Runtime {
            function: function.name.clone(),
            runtime: settings.runtime.clone(),
        })?,
    };
    let key = |key: &str| {
        key.parse::<CodeKey>()
            .map_err(|_not| SpecError::Code { function: function.name.clone(), key: key.to_owned() })
    };
    Ok(FunctionSpec {
        arn,
        name: function.own_name().to_owned(),
        version: version.to_owned(),
        revision: revision(&code.key, settings),
        runtime,
        handler: settings.handler.clone(),
        timeout_secs: settings.timeout_secs,
        memory_mb: settings.memory_mb,
        ephemeral_mb: settings.ephemeral_mb,
        environment: settings.environment.clone(),
        code: key(&code.key)?,
        elsewhere: code.image_uri.clone(),
        layers: settings.layers.iter().map(|layer| key(&layer.key)).collect::<Result<_, _>>()?,
        role_arn: settings.role.clone(),
        log_group: settings
            .logging
            .group
            .clone()
            .unwrap_or_else(|| format!("/aws/lambda/{}", function.own_name())),
        json_logs: settings.logging.json.as_ref().map(|levels| JsonLogs {
            application: levels.application.clone(),
            system: SystemLevel::named(&levels.system),
        }),
        reserved_concurrency: function.reserved_concurrency,
        shared_with: None,
    })
}

/// Equal exactly if a worker of the one can serve the other: a digest of the code and of every setting that a worker
/// sees. The revision id of the API will not do, because it changes when an update begins, not when it is in place.
fn revision(code: &str, settings: &FunctionSettings) -> String {
    // Named field by field, so that a new setting is a question to whoever adds it.
    let FunctionSettings {
        description: _,
        role,
        runtime,
        handler,
        timeout_secs,
        memory_mb,
        ephemeral_mb,
        environment,
        layers,
        tracing_mode: _,
        dead_letter: _,
        logging,
    } = settings;
    let mut digest = Sha256::new();
    let mut text = |text: &str| {
        digest.update((text.len() as u64).to_le_bytes());
        digest.update(text);
    };
    for part in [code, role, runtime, handler] {
        text(part);
    }
    text(&format!("{timeout_secs} {memory_mb} {ephemeral_mb} {} {}", environment.len(), layers.len()));
    for (name, value) in environment {
        text(name);
        text(value);
    }
    for layer in layers {
        text(&layer.key);
    }
    text(&format!("{logging:?}"));
    digest.finalize().iter().fold(String::with_capacity(64), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("writing to a String cannot fail");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use millstream_control::{Code, FunctionStatus, LayerUse, UpdateStatus};
    use millstream_types::Timestamp;
    use std::collections::BTreeMap;

    fn function() -> Function {
        Function {
            name: "offer".into(),
            arn: "arn:aws:lambda:us-east-1:000000000000:function:offer".into(),
            code: Code { key: "a".repeat(64), sha256: String::new(), size: 1, image_uri: None },
            settings: FunctionSettings {
                description: String::new(),
                role: "arn:aws:iam::000000000000:role/r".into(),
                runtime: "python3.12".into(),
                handler: "handler.handle".into(),
                timeout_secs: 3,
                memory_mb: 128,
                ephemeral_mb: 512,
                environment: BTreeMap::from([("A".into(), "1".into())]),
                layers: vec![LayerUse { arn: "l:1".into(), key: "b".repeat(64), size: 1 }],
                tracing_mode: "PassThrough".into(),
                dead_letter: String::new(),
                logging: millstream_control::LoggingSettings::default(),
            },
            architectures: vec!["x86_64".into()],
            tags: BTreeMap::new(),
            revision_id: "r1".into(),
            modified: Timestamp::ZERO,
            status: FunctionStatus::Active,
            update: UpdateStatus::Successful,
            next: None,
            published: millstream_control::Published::default(),
            reserved_concurrency: None,
            event_invoke: BTreeMap::new(),
            policies: BTreeMap::new(),
            urls: BTreeMap::new(),
            provisioned: BTreeMap::new(),
        }
    }

    #[test]
    fn the_revision_changes_when_the_update_is_in_place_and_not_before() {
        let before = function_spec(&function()).unwrap();
        let mut updating = function();
        let mut code = updating.code.clone();
        code.key = "c".repeat(64);
        updating.revision_id = "r2".into();
        updating.update = UpdateStatus::InProgress;
        updating.next = Some(Box::new((code.clone(), updating.settings.clone())));
        let during = function_spec(&updating).unwrap();
        assert_eq!((&during.revision, &during.code), (&before.revision, &before.code));

        updating.code = code;
        updating.next = None;
        let after = function_spec(&updating).unwrap();
        assert_ne!(after.revision, before.revision);
        assert_eq!(after.code.to_string(), "c".repeat(64));
    }

    #[test]
    fn every_setting_that_a_worker_sees_changes_the_revision() {
        let changes: [fn(&mut Function); 8] = [
            |f| f.settings.role.push('x'),
            |f| f.settings.handler.push('x'),
            |f| f.settings.timeout_secs += 1,
            |f| f.settings.memory_mb += 1,
            |f| f.settings.ephemeral_mb += 1,
            |f| f.settings.environment = BTreeMap::from([("A1".into(), String::new())]),
            |f| f.settings.layers.clear(),
            |f| f.settings.runtime = "provided.al2023".into(),
        ];
        let plain = function_spec(&function()).unwrap().revision.clone();
        for (number, change) in changes.iter().enumerate() {
            let mut other = function();
            change(&mut other);
            assert_ne!(function_spec(&other).unwrap().revision, plain, "change {number}");
        }
        let mut described = function();
        described.settings.description = "words".into();
        assert_eq!(function_spec(&described).unwrap().revision, plain);
    }

    #[test]
    fn what_cannot_run_is_named() {
        let mut cobol = function();
        cobol.settings.runtime = "cobol85".into();
        assert_eq!(
            function_spec(&cobol).unwrap_err(),
            SpecError::Runtime { function: "offer".into(), runtime: "cobol85".into() }
        );
        let mut lost = function();
        lost.code.key = "../x".into();
        assert!(matches!(function_spec(&lost), Err(SpecError::Code { .. })));
    }
}
