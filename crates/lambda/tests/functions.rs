//! The operations on functions: requests and what comes back.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{
    FUNCTION_ARN, NOW_TEXT, ROLE, create, create_with, still_world, without, world, zip_bytes, zip_of,
};
use serde_json::{Value, json};
use std::time::Duration;

const FUNCTIONS: &str = "/2015-03-31/functions";

/// This machine's architecture, and one that it has not.
const HOST: &str = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };
const OTHER: &str = if cfg!(target_arch = "aarch64") { "x86_64" } else { "arm64" };

/// What every function made by `create` shows, whatever the operation.
fn settings(name: &str, code: &[u8]) -> Value {
    json!({
        "FunctionName": name,
        "FunctionArn": format!("{FUNCTION_ARN}:{name}"),
        "Runtime": "provided.al2023",
        "Role": ROLE,
        "Handler": "main.handle",
        "CodeSize": code.len(),
        "Description": "",
        "Timeout": 3,
        "MemorySize": 128,
        "LastModified": NOW_TEXT,
        "Version": "$LATEST",
        "TracingConfig": { "Mode": "PassThrough" },
        "PackageType": "Zip",
        "Architectures": [HOST],
        "EphemeralStorage": { "Size": 512 },
        "SnapStart": { "ApplyOn": "None", "OptimizationStatus": "Off" },
        "LoggingConfig": { "LogFormat": "Text", "LogGroup": format!("/aws/lambda/{name}") },
    })
}

fn with(mut value: Value, members: &Value) -> Value {
    for (member, set) in members.as_object().unwrap() {
        value[member] = set.clone();
    }
    value
}

#[tokio::test]
async fn creating_shows_a_pending_function_and_later_an_active_one() {
    let world = still_world(millstream_functions::Options::default()).await;
    let code = zip_bytes(&[("bootstrap", "#!/bin/sh\n")]);
    let made = world.call("POST", FUNCTIONS, create("offer")).await;
    assert_eq!(made.status, 201);
    let pending = json!({
        "State": "Pending",
        "StateReason": "The function is being created.",
        "StateReasonCode": "Creating",
    });
    let volatile = ["RevisionId", "CodeSha256", "RuntimeVersionConfig"];
    let expected = with(settings("offer", &code), &pending);
    assert_eq!(without(made.body.clone(), &volatile), expected);

    tokio::spawn(world.lambda.clone().run_lifecycle());
    world.settled("offer").await;
    let got = world.call("GET", &format!("{FUNCTIONS}/offer/configuration"), Value::Null).await;
    assert_eq!(got.status, 200);
    let active = json!({ "State": "Active", "LastUpdateStatus": "Successful" });
    assert_eq!(without(got.body.clone(), &volatile), with(settings("offer", &code), &active));
    assert_eq!(got.body["CodeSha256"], made.body["CodeSha256"]);
    let runtime = got.body["RuntimeVersionConfig"]["RuntimeVersionArn"].as_str().unwrap();
    assert!(runtime.starts_with("arn:aws:lambda:us-east-1::runtime:"), "{runtime}");
}

#[tokio::test]
async fn what_is_set_is_shown() {
    let world = world().await;
    let set = json!({
        "Description": "offers", "Timeout": 900, "MemorySize": 10_240, "EphemeralStorage": { "Size": 10_240 },
        "Environment": { "Variables": { "PROFILES": "profiles" } }, "TracingConfig": { "Mode": "Active" },
        "Architectures": [HOST],
    });
    let made = world.call("POST", FUNCTIONS, create_with("offer", set.clone())).await;
    assert_eq!(made.status, 201, "{:?}", made.body);
    for (member, value) in set.as_object().unwrap() {
        assert_eq!(made.body[member], *value, "{member}");
    }
}

#[tokio::test]
async fn machine_code_for_another_machine_is_refused() {
    let world = world().await;
    let asked = json!({ "Architectures": [OTHER] });
    let refused = world.call("POST", FUNCTIONS, create_with("offer", asked.clone())).await.error();
    assert_eq!((refused.0, refused.1.as_str()), (400, "InvalidParameterValueException"));
    assert!(refused.2.contains(&format!("this machine runs {HOST}")), "{}", refused.2);

    world.function("offer").await;
    let path = format!("{FUNCTIONS}/offer/code");
    let mut body = json!({ "ZipFile": zip_of(&[("bootstrap", "#!/bin/sh\n# again")]) });
    body["Architectures"] = asked["Architectures"].clone();
    let refused = world.call("PUT", &path, body.clone()).await.error();
    assert_eq!((refused.0, refused.1.as_str()), (400, "InvalidParameterValueException"));
    body["Architectures"] = json!([HOST]);
    assert_eq!(world.call("PUT", &path, body).await.status, 200);
}

#[tokio::test]
async fn get_function_links_to_the_code() {
    let world = world().await;
    let tags = json!({ "Tags": { "team": "growth" } });
    assert_eq!(world.call("POST", FUNCTIONS, create_with("offer", tags)).await.status, 201);
    world.settled("offer").await;
    for name in ["offer", "offer:$LATEST", "000000000000:function:offer", &format!("{FUNCTION_ARN}:offer")] {
        let got = world.call("GET", &format!("{FUNCTIONS}/{}", name.replace(':', "%3A")), Value::Null).await;
        assert_eq!(got.status, 200, "{name}: {:?}", got.body);
        let qualified = if name.ends_with("$LATEST") { ":$LATEST" } else { "" };
        let arn = format!("{FUNCTION_ARN}:offer{qualified}");
        assert_eq!(got.body["Configuration"]["FunctionArn"], arn);
        assert_eq!(got.body["Tags"], json!({ "team": "growth" }));
        assert_eq!(got.body["Code"]["RepositoryType"], "S3");
        let location = got.body["Code"]["Location"].as_str().unwrap();
        let key = location.strip_prefix("http://127.0.0.1:4567/_millstream/code/").unwrap();
        let code = world.lambda.code(key).await.unwrap().unwrap();
        assert_eq!(code, zip_bytes(&[("bootstrap", "#!/bin/sh\n")]));
    }
    assert_eq!(world.lambda.code(&"0".repeat(64)).await.unwrap(), None);
    assert_eq!(world.lambda.code("../../etc/passwd").await.unwrap(), None);
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let world = world().await;
    world.function("there").await;
    let missing = |arn: &str| {
        (404, "ResourceNotFoundException".into(), format!("Function not found: {FUNCTION_ARN}:{arn}"))
    };
    let cases = [
        ("GET", "/gone", "gone"),
        ("GET", "/gone/configuration", "gone"),
        ("GET", "/gone?Qualifier=1", "gone:1"),
        ("GET", "/there?Qualifier=live", "there:live"),
        ("DELETE", "/gone", "gone"),
        ("POST", "/gone/invocations", "gone:$LATEST"),
        ("POST", "/there/invocations?Qualifier=7", "there:7"),
    ];
    for (method, path, arn) in cases {
        let reply = world.call(method, &format!("{FUNCTIONS}{path}"), Value::Null).await;
        assert_eq!(reply.error(), missing(arn), "{method} {path}");
        assert!(reply.body["Message"].is_string(), "the member is written with a capital: {:?}", reply.body);
        assert_eq!(reply.body["Type"], "User");
    }
    let body = json!({ "ZipFile": zip_of(&[("f", "")]) });
    let reply = world.call("PUT", &format!("{FUNCTIONS}/gone/code"), body).await;
    assert_eq!(reply.error(), missing("gone"));
    let reply = world.call("PUT", &format!("{FUNCTIONS}/gone/configuration"), json!({ "Timeout": 4 })).await;
    assert_eq!(reply.error(), missing("gone"));
}

#[tokio::test]
async fn a_name_is_given_once() {
    let world = world().await;
    world.function("offer").await;
    let again = world.call("POST", FUNCTIONS, create("offer")).await;
    assert_eq!(
        again.error(),
        (409, "ResourceConflictException".into(), "Function already exist: offer".into())
    );
    assert_eq!(again.body["Type"], "User");
}

#[tokio::test]
async fn values_out_of_bounds_are_refused_in_awss_words() {
    let world = world().await;
    let detected = "1 validation error detected: Value";
    let cases = [
        (json!({ "Timeout": 901 }), "ValidationException", format!("{detected} '901' at 'timeout' failed to satisfy constraint: Member must have value less than or equal to 900")),
        (json!({ "Timeout": 0 }), "ValidationException", format!("{detected} '0' at 'timeout' failed to satisfy constraint: Member must have value greater than or equal to 1")),
        (json!({ "MemorySize": 10_241 }), "ValidationException", format!("{detected} '10241' at 'memorySize' failed to satisfy constraint: Member must have value less than or equal to 10240")),
        (json!({ "MemorySize": 127 }), "ValidationException", format!("{detected} '127' at 'memorySize' failed to satisfy constraint: Member must have value greater than or equal to 128")),
        (json!({ "EphemeralStorage": { "Size": 10_241 } }), "ValidationException", format!("{detected} '10241' at 'ephemeralStorage.size' failed to satisfy constraint: Member must have value less than or equal to 10240")),
        (json!({ "Role": "r1" }), "ValidationException", format!("{detected} 'r1' at 'role' failed to satisfy constraint: Member must satisfy regular expression pattern: arn:(aws[a-zA-Z-]*)?:iam::\\d{{12}}:role/?[a-zA-Z_0-9+=,.@\\-_/]+")),
        (json!({ "Runtime": "cobol85" }), "InvalidParameterValueException", "Value cobol85 at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [provided.al2023, provided.al2, provided.wasm, python3.9, python3.10, python3.11, python3.12, python3.13, python3.14, nodejs18.x, nodejs20.x, nodejs22.x, nodejs24.x, java11, java17, java21, java25] or be a valid ARN".into()),
        (json!({ "Handler": null }), "InvalidParameterValueException", "Runtime and Handler are mandatory parameters for functions created with deployment packages.".into()),
        (json!({ "FunctionName": "n".repeat(65) }), "InvalidParameterValueException", format!("{detected} '{}' at 'functionName' failed to satisfy constraint: Member must have length less than or equal to 64", "n".repeat(65))),
        (json!({ "Environment": { "Variables": { "AWS_SESSION_TOKEN": "y", "AWS_REGION": "x", "MINE": "z" } } }), "InvalidParameterValueException", "Lambda was unable to configure your environment variables because the environment variables you have provided contains reserved keys that are currently not supported for modification. Reserved keys used in this request: AWS_REGION, AWS_SESSION_TOKEN".into()),
        (json!({ "Code": { "ZipFile": base64_simd::STANDARD.encode_to_string("no zip") } }), "InvalidParameterValueException", "Could not unzip uploaded file. Please check your file, then try to upload again.".into()),
        (json!({ "Code": {} }), "InvalidParameterValueException", "Please provide a source for function code.".into()),
    ];
    for (members, code, message) in cases {
        let reply = world.call("POST", FUNCTIONS, create_with("offer", members.clone())).await;
        assert_eq!(reply.error(), (400, code.into(), message), "{members}");
    }
    assert!(world.control.state().functions.is_empty());
}

#[tokio::test]
async fn the_environment_has_four_kilobytes() {
    let world = world().await;
    // {"KEY":"…"} has ten bytes around the value.
    let fits = json!({ "Environment": { "Variables": { "KEY": "v".repeat(4_096 - 10) } } });
    assert_eq!(world.call("POST", FUNCTIONS, create_with("fits", fits)).await.status, 201);
    let over = json!({ "Environment": { "Variables": { "KEY": "v".repeat(4_096 - 9) } } });
    let (status, code, message) = world.call("POST", FUNCTIONS, create_with("over", over)).await.error();
    assert_eq!((status, code.as_str()), (400, "InvalidParameterValueException"));
    assert!(message.contains("exceeded the 4KB limit. String measured: {\"KEY\":\"vvv"), "{message}");
}

#[tokio::test]
async fn what_is_not_built_is_refused_and_not_ignored() {
    let world = world().await;
    let cases = [
        (json!({ "VpcConfig": { "SubnetIds": ["subnet-1"] } }), "VpcConfig with subnets or security groups"),
        (json!({ "KMSKeyArn": "arn:aws:kms:us-east-1:000000000000:key/k" }), "KMSKeyArn"),
        (json!({ "ImageConfig": { "Command": ["x"] } }), "ImageConfig"),
        (json!({ "SnapStart": { "ApplyOn": "PublishedVersions" } }), "SnapStart for published versions"),
        (json!({ "DurableConfig": { "RetentionPeriodInDays": 1 } }), "DurableConfig"),
        (json!({ "TenancyConfig": { "TenantIsolationMode": "PER_TENANT" } }), "TenancyConfig"),
    ];
    for (members, what) in cases {
        let reply = world.call("POST", FUNCTIONS, create_with("offer", members)).await;
        let message = format!("{what} is not supported by this version of Millstream. Leave it out.");
        assert_eq!(reply.error(), (400, "InvalidParameterValueException".into(), message));
    }
    let in_s3 = json!({ "Code": { "S3Bucket": "bucket", "S3Key": "key" } });
    let (status, _, message) = world.call("POST", FUNCTIONS, create_with("offer", in_s3)).await.error();
    assert!(
        status == 400 && message.contains("No directory of this server stands for an S3 bucket"),
        "{message}"
    );
    // The values that mean "none".
    let none = json!({
        "Publish": false, "PackageType": "Zip", "VpcConfig": { "SubnetIds": [], "SecurityGroupIds": [] },
        "DeadLetterConfig": {}, "KMSKeyArn": "", "SnapStart": { "ApplyOn": "None" }, "FileSystemConfigs": [],
        "LoggingConfig": { "LogFormat": "Text", "LogGroup": "/aws/lambda/offer" }, "Layers": [],
    });
    let reply = world.call("POST", FUNCTIONS, create_with("offer", none)).await;
    assert_eq!(reply.status, 201, "{:?}", reply.body);
}

#[tokio::test]
async fn new_code_is_in_place_when_the_update_is_done() {
    let world = still_world(millstream_functions::Options::default()).await;
    let lifecycle = tokio::spawn(world.lambda.clone().run_lifecycle());
    let made = world.function("offer").await;
    lifecycle.abort();
    assert!(lifecycle.await.unwrap_err().is_cancelled());

    let body = json!({ "ZipFile": zip_of(&[("bootstrap", "#!/bin/sh\nexit 1\n")]), "RevisionId": made["RevisionId"] });
    let path = format!("{FUNCTIONS}/offer/code");
    let update = world.call("PUT", &path, body.clone()).await;
    assert_eq!(update.status, 200, "{:?}", update.body);
    assert_eq!(update.body["State"], "Active");
    assert_eq!(update.body["LastUpdateStatus"], "InProgress");
    assert_eq!(update.body["LastUpdateStatusReason"], "The function is being created.");
    assert_eq!(update.body["LastUpdateStatusReasonCode"], "Creating");
    assert_ne!(update.body["CodeSha256"], made["CodeSha256"]);
    assert_ne!(update.body["RevisionId"], made["RevisionId"]);

    let busy = json!({ "Timeout": 4 });
    let busy = world.call("PUT", &format!("{FUNCTIONS}/offer/configuration"), busy).await;
    let why = format!(
        "The operation cannot be performed at this time. An update is in progress for resource: {FUNCTION_ARN}:offer"
    );
    assert_eq!(busy.error(), (409, "ResourceConflictException".into(), why));

    tokio::spawn(world.lambda.clone().run_lifecycle());
    world.settled("offer").await;
    let got = world.call("GET", &format!("{FUNCTIONS}/offer/configuration"), Value::Null).await;
    assert_eq!(got.body["LastUpdateStatus"], "Successful");
    assert_eq!(got.body["CodeSha256"], update.body["CodeSha256"]);
    let stale = world.call("PUT", &path, body).await;
    assert_eq!(
        stale.error(),
        (
            412,
            "PreconditionFailedException".into(),
            "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to \
             retrieve the latest Revision Id"
                .into()
        )
    );
}

#[tokio::test]
async fn a_dry_run_of_new_code_changes_nothing() {
    let world = world().await;
    let made = world.function("offer").await;
    let body = json!({ "ZipFile": zip_of(&[("bootstrap", "other")]), "DryRun": true });
    let dry = world.call("PUT", &format!("{FUNCTIONS}/offer/code"), body).await;
    assert_eq!(dry.status, 200);
    assert_ne!(dry.body["CodeSha256"], made["CodeSha256"]);
    let got = world.call("GET", &format!("{FUNCTIONS}/offer/configuration"), Value::Null).await;
    assert_eq!(got.body["CodeSha256"], made["CodeSha256"]);
    assert_eq!(got.body["RevisionId"], made["RevisionId"]);
}

#[tokio::test]
async fn a_configuration_changes_where_the_request_says() {
    let world = world().await;
    let environment = json!({ "Environment": { "Variables": { "MINE": "1" } } });
    assert_eq!(world.call("POST", FUNCTIONS, create_with("offer", environment)).await.status, 201);
    world.settled("offer").await;
    let path = format!("{FUNCTIONS}/offer/configuration");
    let changed = world.call("PUT", &path, json!({ "Timeout": 30, "Description": "d" })).await;
    assert_eq!(changed.status, 200, "{:?}", changed.body);
    assert_eq!(changed.body["LastUpdateStatus"], "InProgress");
    world.settled("offer").await;
    let got = world.call("GET", &path, Value::Null).await.body;
    assert_eq!(
        (&got["Timeout"], &got["Description"], &got["MemorySize"]),
        (&json!(30), &json!("d"), &json!(128))
    );
    assert_eq!(got["Environment"], json!({ "Variables": { "MINE": "1" } }));

    let cleared = world.call("PUT", &path, json!({ "Environment": {} })).await;
    assert_eq!(cleared.body["Environment"], Value::Null);
    world.settled("offer").await;
    let stale = world.call("PUT", &path, json!({ "Timeout": 5, "RevisionId": "old" })).await;
    assert_eq!(stale.error().1, "PreconditionFailedException");
}

#[tokio::test]
async fn functions_are_listed_in_pages_by_name() {
    let world = world().await;
    for name in ["c", "a", "b"] {
        world.function(name).await;
    }
    let first = world.call("GET", &format!("{FUNCTIONS}?MaxItems=2"), Value::Null).await;
    assert_eq!(first.status, 200);
    let marker = first.body["NextMarker"].as_str().unwrap();
    let second = world.call("GET", &format!("{FUNCTIONS}/?MaxItems=2&Marker={marker}"), Value::Null).await;
    let names = |reply: &common::Reply| -> Vec<String> {
        let functions = reply.body["Functions"].as_array().unwrap();
        functions.iter().map(|function| function["FunctionName"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!((names(&first), names(&second)), (vec!["a".into(), "b".into()], vec!["c".into()]));
    assert_eq!(second.body["NextMarker"], Value::Null);
    let code = zip_bytes(&[("bootstrap", "#!/bin/sh\n")]);
    let listed = without(second.body["Functions"][0].clone(), &["RevisionId", "CodeSha256"]);
    assert_eq!(listed, settings("c", &code));

    let all = world.call("GET", &format!("{FUNCTIONS}?FunctionVersion=ALL"), Value::Null).await;
    assert_eq!(all.body["Functions"][0]["FunctionArn"], format!("{FUNCTION_ARN}:a:$LATEST"));
    let bad = world.call("GET", &format!("{FUNCTIONS}?Marker=%25"), Value::Null).await;
    assert_eq!(bad.error().1, "InvalidParameterValueException");
}

#[tokio::test]
async fn a_deleted_function_is_gone() {
    let world = world().await;
    world.function("offer").await;
    let latest = world.call("DELETE", &format!("{FUNCTIONS}/offer?Qualifier=$LATEST"), Value::Null).await;
    let why = "$LATEST version cannot be deleted without deleting the function.";
    assert_eq!(latest.error(), (400, "InvalidParameterValueException".into(), why.into()));
    let version = world.call("DELETE", &format!("{FUNCTIONS}/offer?Qualifier=3"), Value::Null).await;
    assert_eq!(version.status, 204);
    assert!(world.control.state().function("offer").is_ok());

    let deleted = world.call("DELETE", &format!("{FUNCTIONS}/offer"), Value::Null).await;
    assert_eq!((deleted.status, &deleted.bytes[..]), (204, &b""[..]));
    assert_eq!(world.call("GET", &format!("{FUNCTIONS}/offer"), Value::Null).await.status, 404);
}

#[tokio::test]
async fn an_unknown_operation_is_named() {
    let world = world().await;
    let signing = world.call("GET", "/2020-04-22/code-signing-configs", Value::Null).await;
    let why = "ListCodeSigningConfigs is not supported by this version of Millstream.";
    assert_eq!(signing.error(), (404, "UnknownOperationException".into(), why.into()));
    let nothing = world.call("GET", "/2015-03-31/nothing", Value::Null).await;
    assert_eq!(nothing.error().1, "UnknownOperationException");
    assert!(millstream_lambda::Lambda::operation("GET", "/2015-03-31/nothing", "").is_none());
}

#[tokio::test]
async fn code_that_cannot_be_unpacked_fails_the_function_and_new_code_heals_it() {
    let world = still_world(millstream_functions::Options::default()).await;
    assert_eq!(world.call("POST", FUNCTIONS, create("offer")).await.status, 201);
    // The zip goes missing between the upload and the unpacking.
    let key = world.control.state().function("offer").unwrap().code.key.clone();
    let directory = world.functions.code().directory();
    for made in [format!("zips/{key}.zip"), format!("unzipped/{key}")] {
        let path = directory.join(made);
        if path.is_dir() {
            millstream_host::fs::remove_dir_all(&path).unwrap();
        } else {
            millstream_host::fs::remove_file(&path).unwrap();
        }
    }
    tokio::spawn(world.lambda.clone().run_lifecycle());
    world.settled("offer").await;
    let path = format!("{FUNCTIONS}/offer/configuration");
    let failed = world.call("GET", &path, Value::Null).await.body;
    assert_eq!((&failed["State"], &failed["StateReasonCode"]), (&json!("Failed"), &json!("InternalError")));
    let invoke = world.call("POST", &format!("{FUNCTIONS}/offer/invocations"), Value::Null).await;
    let why = "The operation cannot be performed at this time. The function is currently in the following state: Failed";
    assert_eq!(invoke.error(), (409, "ResourceConflictException".into(), why.into()));

    let body = json!({ "ZipFile": zip_of(&[("bootstrap", "#!/bin/sh\n")]) });
    assert_eq!(world.call("PUT", &format!("{FUNCTIONS}/offer/code"), body).await.status, 200);
    world.settled("offer").await;
    assert_eq!(world.call("GET", &path, Value::Null).await.body["State"], "Active");
}

#[tokio::test]
async fn a_running_server_clears_away_code_that_nothing_refers_to() {
    let world = world().await;
    world.function("offer").await;
    world.function("other").await;
    let kept = world.control.state().function("offer").unwrap().code.key.clone();
    let orphan = old_orphan(&world);

    tokio::time::pause();
    assert_eq!(world.call("DELETE", &format!("{FUNCTIONS}/other"), Value::Null).await.status, 204);
    let begin = tokio::time::Instant::now();
    while orphan.exists() {
        assert!(begin.elapsed() < Duration::from_hours(24), "it is never cleared away");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert!(orphan.with_file_name(format!("{kept}.zip")).exists());
}

/// A zip that nothing refers to, older than the grace that uploads have.
fn old_orphan(world: &common::World) -> std::path::PathBuf {
    let path = world.functions.code().directory().join("zips").join(format!("{}.zip", "0".repeat(64)));
    millstream_host::fs::write_durable(&path, b"from long ago").unwrap();
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    file.set_modified(std::time::UNIX_EPOCH).unwrap();
    path
}

#[tokio::test]
async fn a_start_clears_away_code_that_nothing_refers_to() {
    let world = world().await;
    world.function("offer").await;
    let orphan = old_orphan(&world);
    let lambda = world.restarted().await;
    assert!(!orphan.exists());
    let key = world.control.state().function("offer").unwrap().code.key.clone();
    assert!(lambda.code(&key).await.unwrap().is_some());
}
