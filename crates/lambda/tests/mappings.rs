//! The operations on event source mappings.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{FUNCTION_ARN, World, without, world};
use millstream_control::{MappingState, RegisterConsumer};
use serde_json::{Value, json};

const MAPPINGS: &str = "/2015-03-31/event-source-mappings";
const ACCOUNT: &str = "arn:aws:kinesis:us-east-1:000000000000";

async fn prepared() -> World {
    let world = world().await;
    world.function("offer").await;
    world.stream("signups").await;
    world
}

fn request(members: &Value) -> Value {
    let mut body = json!({
        "EventSourceArn": format!("{ACCOUNT}:stream/signups"), "FunctionName": "offer", "StartingPosition": "LATEST",
    });
    for (member, value) in members.as_object().unwrap() {
        body[member] = value.clone();
    }
    body
}

async fn enabled(world: &World, uuid: &str) {
    world.until(|state| state.mapping(uuid).is_ok_and(|mapping| mapping.state.is_settled())).await;
}

#[tokio::test]
async fn creating_answers_as_recorded() {
    let world = prepared().await;
    let made = world.call("POST", &format!("{MAPPINGS}/"), request(&json!({}))).await;
    assert_eq!(made.status, 202, "{:?}", made.body);
    let uuid = made.body["UUID"].as_str().unwrap();
    let expected = json!({
        "BatchSize": 100,
        "BisectBatchOnFunctionError": false,
        "DestinationConfig": { "OnFailure": {} },
        "EventSourceArn": format!("{ACCOUNT}:stream/signups"),
        "EventSourceMappingArn": format!("arn:aws:lambda:us-east-1:000000000000:event-source-mapping:{uuid}"),
        "FunctionArn": format!("{FUNCTION_ARN}:offer"),
        "FunctionResponseTypes": [],
        "LastModified": 1_700_000_000.123,
        "LastProcessingResult": "No records processed",
        "MaximumBatchingWindowInSeconds": 0,
        "MaximumRecordAgeInSeconds": -1,
        "MaximumRetryAttempts": -1,
        "ParallelizationFactor": 1,
        "StartingPosition": "LATEST",
        "State": "Creating",
        "StateTransitionReason": "User action",
        "TumblingWindowInSeconds": 0,
        "UUID": uuid,
    });
    assert_eq!(made.body, expected);

    enabled(&world, uuid).await;
    let got = world.call("GET", &format!("{MAPPINGS}/{uuid}"), Value::Null).await;
    assert_eq!(got.status, 200);
    assert_eq!(got.body["State"], "Enabled");
    assert_eq!(without(got.body, &["State"]), without(expected, &["State"]));
}

#[tokio::test]
async fn the_function_may_be_named_in_every_form() {
    let forms = [
        ("offer", "offer"),
        ("function:offer", "offer"),
        ("000000000000:function:offer:$LATEST", "offer:$LATEST"),
        (&format!("{FUNCTION_ARN}:offer"), "offer"),
        (&format!("{FUNCTION_ARN}:offer:$LATEST"), "offer"),
    ];
    for (form, shown) in forms {
        let world = prepared().await;
        let made = world.call("POST", MAPPINGS, request(&json!({ "FunctionName": form }))).await;
        assert_eq!(made.status, 202, "{form}: {:?}", made.body);
        assert_eq!(made.body["FunctionArn"], format!("{FUNCTION_ARN}:{shown}"), "{form}");
    }
}

#[tokio::test]
async fn refusals_are_in_awss_words() {
    let world = prepared().await;
    let gone = format!("{ACCOUNT}:stream/gone");
    let consumer = format!("{ACCOUNT}:stream/signups/consumer/app:17");
    let null = "1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: Member must not be null.";
    let cases = [
        (json!({ "EventSourceArn": gone }), "InvalidParameterValueException", format!("Stream not found: {gone}")),
        (json!({ "EventSourceArn": consumer }), "InvalidParameterValueException", format!("Stream not found: {consumer}")),
        (json!({ "EventSourceArn": null }), "InvalidParameterValueException", "Unrecognized event source.".into()),
        (json!({ "FunctionName": "gone" }), "InvalidParameterValueException", "Function does not exist".into()),
        (json!({ "FunctionName": "offer:1" }), "InvalidParameterValueException", "Function does not exist".into()),
        (json!({ "StartingPosition": null }), "InvalidParameterValueException", null.into()),
        (json!({ "DestinationConfig": { "OnSuccess": {} } }), "InvalidParameterValueException", "Unsupported DestinationConfig parameter for given event source mapping type.".into()),
        (json!({ "BatchSize": 10_001 }), "ValidationException", "1 validation error detected: Value '10001' at 'batchSize' failed to satisfy constraint: Member must have value less than or equal to 10000".into()),
        (json!({ "StartingPosition": "invalid" }), "ValidationException", "1 validation error detected: Value 'invalid' at 'startingPosition' failed to satisfy constraint: Member must satisfy enum value set: [LATEST, AT_TIMESTAMP, TRIM_HORIZON]".into()),
        (json!({ "StartingPosition": "AT_TIMESTAMP", "StartingPositionTimestamp": 1_800_000_000 }), "InvalidParameterValueException", "StartingPositionTimestamp must not be in the future.".into()),
    ];
    for (members, code, message) in cases {
        let reply = world.call("POST", MAPPINGS, request(&members)).await;
        assert_eq!(reply.error(), (400, code.into(), message), "{members}");
    }
    assert!(world.control.state().mappings.is_empty());
}

#[tokio::test]
async fn what_is_not_built_is_refused_and_its_default_is_not() {
    let world = prepared().await;
    let queue = "arn:aws:sqs:us-east-1:000000000000:q";
    let cases = [
        (json!({ "KMSKeyArn": "arn:aws:kms:us-east-1:000000000000:key/k" }), "KMSKeyArn"),
        (json!({ "Topics": ["t1"] }), "Topics"),
        (json!({ "LoggingConfig": { "SystemLogLevel": "INFO" } }), "LoggingConfig"),
    ];
    for (members, what) in cases {
        let reply = world.call("POST", MAPPINGS, request(&members)).await;
        let message = format!("{what} is not supported by this version of Millstream. Leave it out.");
        assert_eq!(reply.error(), (400, "InvalidParameterValueException".into(), message));
    }
    let reply = world.call("POST", MAPPINGS, request(&json!({ "EventSourceArn": queue }))).await;
    assert!(reply.error().2.starts_with("An event source of sqs is not supported"), "{:?}", reply.body);
    let defaults = json!({
        "ParallelizationFactor": 1, "BisectBatchOnFunctionError": false, "MaximumRetryAttempts": -1,
        "MaximumRecordAgeInSeconds": -1, "TumblingWindowInSeconds": 0, "FunctionResponseTypes": [],
        "FilterCriteria": { "Filters": [] }, "DestinationConfig": { "OnFailure": {} }, "KMSKeyArn": "",
        "MetricsConfig": { "Metrics": [] }, "BatchSize": 10_000, "MaximumBatchingWindowInSeconds": 300,
        "StartingPosition": "AT_TIMESTAMP", "StartingPositionTimestamp": 1_600_000_000.5,
    });
    let reply = world.call("POST", MAPPINGS, request(&defaults)).await;
    assert_eq!(reply.status, 202, "{:?}", reply.body);
    assert_eq!(reply.body["StartingPositionTimestamp"], 1_600_000_000.5);
    assert_eq!(
        (&reply.body["BatchSize"], &reply.body["MaximumBatchingWindowInSeconds"]),
        (&json!(10_000), &json!(300))
    );
    assert_eq!(reply.body["FilterCriteria"], Value::Null);
}

#[tokio::test]
async fn one_stream_and_function_have_one_mapping() {
    let world = prepared().await;
    let made = world.call("POST", MAPPINGS, request(&json!({}))).await;
    let uuid = made.body["UUID"].as_str().unwrap();
    let again = world.call("POST", MAPPINGS, request(&json!({ "BatchSize": 1 }))).await;
    let message = format!(
        "The event source arn (\" {ACCOUNT}:stream/signups \") and function (\" offer \") provided mapping already \
         exists. Please update or delete the existing mapping with UUID {uuid}"
    );
    assert_eq!(again.error(), (409, "ResourceConflictException".into(), message));
}

#[tokio::test]
async fn a_consumer_can_be_the_source() {
    let world = prepared().await;
    let command = RegisterConsumer {
        stream: "signups".into(),
        name: "app".into(),
        tags: std::collections::BTreeMap::new(),
        limit: 20,
    };
    let consumer = world.control.submit(command).await.unwrap();
    world
        .until(|state| {
            let consumer = state.consumer("signups", "app");
            consumer.is_ok_and(|consumer| consumer.status == millstream_control::ConsumerStatus::Active)
        })
        .await;
    let made = world.call("POST", MAPPINGS, request(&json!({ "EventSourceArn": consumer.arn }))).await;
    assert_eq!((made.status, made.body["EventSourceArn"].as_str()), (202, Some(consumer.arn.as_str())));
}

#[tokio::test]
async fn a_mapping_is_changed_switched_off_and_deleted() {
    let world = prepared().await;
    world.function("other").await;
    let made = world.call("POST", MAPPINGS, request(&json!({}))).await;
    let uuid = made.body["UUID"].as_str().unwrap().to_owned();
    let path = format!("{MAPPINGS}/{uuid}");
    enabled(&world, &uuid).await;

    let changed = world.call("PUT", &path, json!({ "BatchSize": 7, "FunctionName": "other" })).await;
    assert_eq!(changed.status, 202, "{:?}", changed.body);
    assert_eq!((&changed.body["State"], &changed.body["BatchSize"]), (&json!("Updating"), &json!(7)));
    assert_eq!(changed.body["FunctionArn"], format!("{FUNCTION_ARN}:other"));
    enabled(&world, &uuid).await;

    let off = world.call("PUT", &path, json!({ "Enabled": false })).await;
    assert_eq!((&off.body["State"], &off.body["BatchSize"]), (&json!("Disabling"), &json!(7)));
    world
        .until(|state| state.mapping(&uuid).is_ok_and(|mapping| mapping.state == MappingState::Disabled))
        .await;
    let refused =
        world.call("PUT", &path, json!({ "KMSKeyArn": "arn:aws:kms:us-east-1:000000000000:key/k" })).await;
    assert_eq!(refused.error().1, "InvalidParameterValueException");

    let deleted = world.call("DELETE", &path, Value::Null).await;
    assert_eq!((deleted.status, &deleted.body["State"]), (202, &json!("Deleting")));
    world.until(|state| state.mapping(&uuid).is_err()).await;
    let missing = "The resource you requested does not exist.";
    for (method, body) in [("GET", Value::Null), ("PUT", json!({})), ("DELETE", Value::Null)] {
        let reply = world.call(method, &path, body).await;
        assert_eq!(reply.error(), (404, "ResourceNotFoundException".into(), missing.into()), "{method}");
    }
}

#[tokio::test]
async fn a_mapping_outlives_its_function() {
    let world = prepared().await;
    let made = world.call("POST", MAPPINGS, request(&json!({}))).await;
    let uuid = made.body["UUID"].as_str().unwrap().to_owned();
    enabled(&world, &uuid).await;
    assert_eq!(world.call("DELETE", "/2015-03-31/functions/offer", Value::Null).await.status, 204);
    let got = world.call("GET", &format!("{MAPPINGS}/{uuid}"), Value::Null).await;
    assert_eq!((got.status, &got.body["State"]), (200, &json!("Enabled")));
}

#[tokio::test]
async fn lists_are_cut_by_source_function_and_page() {
    let world = prepared().await;
    world.function("other").await;
    world.stream("orders").await;
    let orders = format!("{ACCOUNT}:stream/orders");
    for members in [json!({}), json!({ "FunctionName": "other" }), json!({ "EventSourceArn": orders })] {
        assert_eq!(world.call("POST", MAPPINGS, request(&members)).await.status, 202);
    }
    let count = async |query: &str| {
        let reply = world.call("GET", &format!("{MAPPINGS}{query}"), Value::Null).await;
        assert_eq!(reply.status, 200, "{:?}", reply.body);
        reply.body["EventSourceMappings"].as_array().unwrap().len()
    };
    assert_eq!(count("").await, 3);
    assert_eq!(count("?FunctionName=offer").await, 2);
    assert_eq!(count("?FunctionName=offer:$LATEST").await, 2);
    assert_eq!(count("?FunctionName=offer:7").await, 0);
    assert_eq!(count("?FunctionName=nobody").await, 0);
    assert_eq!(
        count(&format!("?EventSourceArn={}", orders.replace(':', "%3A").replace('/', "%2F"))).await,
        1
    );
    let first = world.call("GET", &format!("{MAPPINGS}?MaxItems=2"), Value::Null).await.body;
    let marker = first["NextMarker"].as_str().unwrap();
    assert_eq!(count(&format!("?MaxItems=2&Marker={marker}")).await, 1);
}
