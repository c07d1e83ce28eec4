//! The AWS SDK for Rust manages functions and event source mappings, unmodified, against the real server process.

mod support;

use std::io::{Cursor, Write as _};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_kinesis::config::{BehaviorVersion, Region};
use aws_sdk_lambda::Client;
use aws_sdk_lambda::client::Waiters as _;
use aws_sdk_lambda::error::DisplayErrorContext;
use aws_sdk_lambda::operation::invoke::InvokeOutput;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{
    AliasRoutingConfiguration, EventSourcePosition, FunctionCode, FunctionResponseType, LogType, State,
};
use tokio::process::Command;
use tokio::time::{sleep, timeout};

use support::{Server, start};

const PATIENCE: Duration = Duration::from_mins(1);
const ROLE: &str = "arn:aws:iam::000000000000:role/function";
const ECHO: &str = "
def handler(event, context):
    if event == 'fail':
        raise ValueError('as asked')
    return {'echo': event, 'version': context.function_version}
";
const REMEMBER: &str = "
import base64
def handler(event, context):
    with open('/tmp/seen', 'a') as file:
        for record in event.get('Records', []):
            file.write(base64.b64decode(record['kinesis']['data']).decode() + ' ')
    return {'seen': open('/tmp/seen').read()}
";

fn credentials(server: &Server) -> Credentials {
    let (id, secret) = server.key.clone();
    Credentials::new(id, secret, None, None, "the test")
}

fn client(server: &Server) -> Client {
    let config = aws_sdk_lambda::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(&server.address)
        .region(Region::new("us-east-1"))
        .credentials_provider(credentials(server))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    Client::from_conf(config)
}

fn kinesis(server: &Server) -> aws_sdk_kinesis::Client {
    let config = aws_sdk_kinesis::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(&server.address)
        .region(Region::new("us-east-1"))
        .credentials_provider(credentials(server))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    aws_sdk_kinesis::Client::from_conf(config)
}

/// A zip with one file.
fn zipped(name: &str, source: &str) -> Blob {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    archive.start_file(name, zip::write::SimpleFileOptions::default()).expect("a zip takes a file");
    archive.write_all(source.as_bytes()).expect("a zip takes its text");
    Blob::new(archive.finish().expect("a zip ends").into_inner())
}

/// The name of the runtime for the Python of this machine.
async fn python() -> String {
    let script = "import sys; print('python%d.%d' % sys.version_info[:2], end='')";
    let printed = Command::new("python3").args(["-c", script]).output().await.expect("there is a Python");
    String::from_utf8(printed.stdout).expect("it prints text")
}

/// Creates a function and waits until it is active; its ARN.
async fn deploy(client: &Client, name: &str, source: &str) -> String {
    let request = client
        .create_function()
        .function_name(name)
        .runtime(python().await.as_str().into())
        .handler("main.handler")
        .role(ROLE)
        .timeout(20)
        .code(FunctionCode::builder().zip_file(zipped("main.py", source)).build());
    let made = request.send().await.expect("CreateFunction");
    assert_eq!(made.state, Some(State::Pending));
    client
        .wait_until_function_active_v2()
        .function_name(name)
        .wait(PATIENCE)
        .await
        .expect("it becomes active");
    made.function_arn.expect("a function has an ARN")
}

async fn updated(client: &Client, name: &str) {
    client.wait_until_function_updated_v2().function_name(name).wait(PATIENCE).await.expect("it is updated");
}

async fn invoke(client: &Client, name: &str, payload: &str) -> InvokeOutput {
    let request = client.invoke().function_name(name).payload(Blob::new(payload)).log_type(LogType::Tail);
    request.send().await.expect("Invoke")
}

/// What a function answered, as text.
fn body(answer: &InvokeOutput) -> &str {
    std::str::from_utf8(answer.payload.as_ref().expect("an answer").as_ref()).expect("JSON is text")
}

#[tokio::test]
async fn a_function_is_created_invoked_changed_and_deleted() {
    let server = start().await;
    let client = client(&server);
    let arn = deploy(&client, "life", ECHO).await;
    let answer = invoke(&client, "life", r#"{"a": 1}"#).await;
    assert_eq!((answer.status_code, answer.executed_version()), (200, Some("$LATEST")));
    assert_eq!(body(&answer), r#"{"echo": {"a": 1}, "version": "$LATEST"}"#);
    assert!(answer.log_result.is_some_and(|log| !log.is_empty()));
    let failed = invoke(&client, "life", r#""fail""#).await;
    assert_eq!(failed.function_error(), Some("Unhandled"));
    assert!(body(&failed).contains(r#""errorType": "ValueError""#), "{}", body(&failed));

    let changed = zipped("main.py", &ECHO.replace("'echo'", "'changed'"));
    let request = client.update_function_code().function_name("life").zip_file(changed);
    request.send().await.expect("UpdateFunctionCode");
    updated(&client, "life").await;
    let request = client.update_function_configuration().function_name("life").memory_size(256);
    request.send().await.expect("UpdateFunctionConfiguration");
    updated(&client, "life").await;
    assert_eq!(body(&invoke(&client, &arn, "1").await), r#"{"changed": 1, "version": "$LATEST"}"#);
    let settings = client.get_function_configuration().function_name("life").send().await;
    assert_eq!(settings.expect("GetFunctionConfiguration").memory_size, Some(256));
    let listed = client.list_functions().into_paginator().items().send().collect::<Result<Vec<_>, _>>().await;
    let names: Vec<_> =
        listed.expect("ListFunctions").into_iter().filter_map(|it| it.function_name).collect();
    assert_eq!(names, ["life"]);

    client.delete_function().function_name("life").send().await.expect("DeleteFunction");
    let refused = client.get_function().function_name("life").send().await.expect_err("it is deleted");
    let error = refused.into_service_error();
    assert!(error.is_resource_not_found_exception(), "{error:?}");
    assert_eq!(error.meta().message(), Some(format!("Function not found: {arn}").as_str()));
}

#[tokio::test]
async fn versions_and_aliases_run_their_own_code() {
    let server = start().await;
    let client = client(&server);
    deploy(&client, "versioned", ECHO).await;
    let published = client.publish_version().function_name("versioned").send().await.expect("PublishVersion");
    assert_eq!(published.version(), Some("1"));
    let request = client.create_alias().function_name("versioned").name("live").function_version("1");
    request.send().await.expect("CreateAlias");
    let second = zipped("main.py", &ECHO.replace("'echo'", "'second'"));
    let request = client.update_function_code().function_name("versioned").zip_file(second).publish(true);
    assert_eq!(request.send().await.expect("UpdateFunctionCode").version(), Some("2"));
    updated(&client, "versioned").await;
    assert_eq!(body(&invoke(&client, "versioned:live", "1").await), r#"{"echo": 1, "version": "1"}"#);
    let all = AliasRoutingConfiguration::builder().additional_version_weights("2", 1.0).build();
    let request = client.update_alias().function_name("versioned").name("live").routing_config(all);
    request.send().await.expect("UpdateAlias");
    assert_eq!(body(&invoke(&client, "versioned:live", "1").await), r#"{"second": 1, "version": "2"}"#);
    client.delete_alias().function_name("versioned").name("live").send().await.expect("DeleteAlias");
    let refused = client.get_alias().function_name("versioned").name("live").send().await;
    assert!(refused.expect_err("it is deleted").into_service_error().is_resource_not_found_exception());
}

/// Creates a stream and waits until it is active; its ARN.
async fn create_stream(kinesis: &aws_sdk_kinesis::Client, name: &str) -> String {
    use aws_sdk_kinesis::client::Waiters as _;

    kinesis.create_stream().stream_name(name).shard_count(1).send().await.expect("CreateStream");
    let active = kinesis.wait_until_stream_exists().stream_name(name).wait(PATIENCE).await;
    let described = active.expect("it becomes active").into_result().expect("DescribeStream");
    described.stream_description.expect("a description").stream_arn
}

#[tokio::test]
async fn a_stream_is_mapped_to_a_function() {
    let server = start().await;
    let (client, kinesis) = (client(&server), kinesis(&server));
    let stream = create_stream(&kinesis, "mapped").await;
    deploy(&client, "worker", REMEMBER).await;
    // One worker has one /tmp.
    let request = client.put_function_concurrency().function_name("worker").reserved_concurrent_executions(1);
    request.send().await.expect("PutFunctionConcurrency");
    let request = client
        .create_event_source_mapping()
        .event_source_arn(&stream)
        .function_name("worker")
        .starting_position(EventSourcePosition::TrimHorizon)
        .function_response_types(FunctionResponseType::ReportBatchItemFailures);
    let uuid = request.send().await.expect("CreateEventSourceMapping").uuid.expect("a mapping has an id");
    for data in ["one", "two"] {
        let data = Blob::new(data);
        let request = kinesis.put_record().stream_name("mapped").partition_key("k").data(data);
        request.send().await.expect("PutRecord");
    }
    let seen = timeout(PATIENCE, async {
        loop {
            let request = client.invoke().function_name("worker").payload(Blob::new("{}"));
            match request.send().await {
                Ok(answer) if body(&answer) == r#"{"seen": "one two "}"# => break,
                Ok(_) => {}
                Err(busy) => {
                    let error = busy.into_service_error();
                    assert!(error.is_too_many_requests_exception(), "{}", DisplayErrorContext(&error));
                }
            }
            sleep(Duration::from_millis(20)).await;
        }
    });
    seen.await.expect("the function sees the records in order");
    let state = async || {
        let got = client.get_event_source_mapping().uuid(&uuid).send().await;
        got.expect("GetEventSourceMapping").state.expect("a mapping has a state")
    };
    assert_eq!(state().await, "Enabled");
    let request = client.update_event_source_mapping().uuid(&uuid).batch_size(7).enabled(false);
    assert_eq!(request.send().await.expect("UpdateEventSourceMapping").batch_size, Some(7));
    let disabled = timeout(PATIENCE, async {
        while state().await != "Disabled" {
            sleep(Duration::from_millis(20)).await;
        }
    });
    disabled.await.expect("the mapping is disabled");
    let listed = client.list_event_source_mappings().event_source_arn(&stream).send().await;
    assert_eq!(listed.expect("ListEventSourceMappings").event_source_mappings().len(), 1);
    let deleted = client.delete_event_source_mapping().uuid(&uuid).send().await;
    assert_eq!(deleted.expect("DeleteEventSourceMapping").state(), Some("Deleting"));
}
