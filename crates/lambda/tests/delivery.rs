//! What a mapping may ask of delivery, as the API takes, shows and refuses it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{World, world};
use serde_json::{Value, json};

const MAPPINGS: &str = "/2015-03-31/event-source-mappings";
const STREAM: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/signups";
const QUEUE: &str = "arn:aws:sqs:us-east-1:000000000000:q";

async fn prepared() -> World {
    let world = world().await;
    world.function("offer").await;
    world.stream("signups").await;
    world
}

async fn create(world: &World, members: &Value) -> common::Reply {
    let mut body =
        json!({ "EventSourceArn": STREAM, "FunctionName": "offer", "StartingPosition": "TRIM_HORIZON" });
    for (member, value) in members.as_object().unwrap() {
        body[member] = value.clone();
    }
    world.call("POST", MAPPINGS, body).await
}

async fn settled(world: &World, uuid: &str) -> Value {
    world.until(|state| state.mapping(uuid).is_ok_and(|mapping| mapping.state.is_settled())).await;
    world.call("GET", &format!("{MAPPINGS}/{uuid}"), Value::Null).await.body
}

fn all() -> Value {
    json!({
        "ParallelizationFactor": 10, "MaximumRetryAttempts": 10_000, "MaximumRecordAgeInSeconds": 604_800,
        "BisectBatchOnFunctionError": true, "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "FilterCriteria": { "Filters": [{ "Pattern": "{\"data\":{\"n\":[{\"numeric\":[\">\",5]}]}}" }] },
        "DestinationConfig": { "OnFailure": { "Destination": QUEUE } },
        "MetricsConfig": { "Metrics": ["EventCount"] }, "TumblingWindowInSeconds": 0,
    })
}

#[tokio::test]
async fn every_parameter_is_taken_shown_kept_and_taken_back() {
    let world = prepared().await;
    let made = create(&world, &all()).await;
    assert_eq!(made.status, 202, "{:?}", made.body);
    let uuid = made.body["UUID"].as_str().unwrap().to_owned();
    let shown = settled(&world, &uuid).await;
    for (member, value) in all().as_object().unwrap() {
        assert_eq!((&made.body[member], &shown[member]), (value, value), "{member}");
    }
    // What an update leaves out stays; what it empties goes.
    let path = format!("{MAPPINGS}/{uuid}");
    let changed = world.call("PUT", &path, json!({ "BatchSize": 3 })).await;
    assert_eq!(changed.status, 202, "{:?}", changed.body);
    let shown = settled(&world, &uuid).await;
    for (member, value) in all().as_object().unwrap() {
        assert_eq!(&shown[member], value, "{member}");
    }
    let emptied = json!({
        "ParallelizationFactor": 1, "MaximumRetryAttempts": -1, "MaximumRecordAgeInSeconds": -1,
        "BisectBatchOnFunctionError": false, "FunctionResponseTypes": [], "FilterCriteria": { "Filters": [] },
        "DestinationConfig": { "OnFailure": {} }, "MetricsConfig": { "Metrics": [] }, "TumblingWindowInSeconds": 900,
    });
    let changed = world.call("PUT", &path, emptied).await;
    assert_eq!((changed.status, &changed.body["State"]), (202, &json!("Updating")), "{:?}", changed.body);
    let shown = settled(&world, &uuid).await;
    let wanted = json!({
        "ParallelizationFactor": 1, "MaximumRetryAttempts": -1, "MaximumRecordAgeInSeconds": -1,
        "BisectBatchOnFunctionError": false, "FunctionResponseTypes": [], "FilterCriteria": null,
        "DestinationConfig": { "OnFailure": {} }, "MetricsConfig": null, "TumblingWindowInSeconds": 900,
    });
    for (member, value) in wanted.as_object().unwrap() {
        assert_eq!(&shown[member], value, "{member}");
    }
}

#[tokio::test]
async fn bounds_are_lambdas() {
    let world = prepared().await;
    let above = |most: &str| format!("Member must have value less than or equal to {most}");
    let below = |least: &str| format!("Member must have value greater than or equal to {least}");
    let cases = [
        ("ParallelizationFactor", "parallelizationFactor", 0, below("1")),
        ("ParallelizationFactor", "parallelizationFactor", 11, above("10")),
        ("MaximumRetryAttempts", "maximumRetryAttempts", -2, below("-1")),
        ("MaximumRetryAttempts", "maximumRetryAttempts", 10_001, above("10000")),
        ("MaximumRecordAgeInSeconds", "maximumRecordAgeInSeconds", -2, below("-1")),
        ("MaximumRecordAgeInSeconds", "maximumRecordAgeInSeconds", 604_801, above("604800")),
        (
            "MaximumRecordAgeInSeconds",
            "maximumRecordAgeInSeconds",
            59,
            "Member must be -1, or have value greater than or equal to 60".into(),
        ),
        ("TumblingWindowInSeconds", "tumblingWindowInSeconds", -1, below("0")),
        ("TumblingWindowInSeconds", "tumblingWindowInSeconds", 901, above("900")),
        ("MaximumBatchingWindowInSeconds", "maximumBatchingWindowInSeconds", 301, above("300")),
        ("BatchSize", "batchSize", 0, below("1")),
    ];
    for (member, name, value, constraint) in cases {
        let reply = create(&world, &json!({ member: value })).await;
        let message = format!(
            "1 validation error detected: Value '{value}' at '{name}' failed to satisfy constraint: {constraint}"
        );
        assert_eq!(reply.error(), (400, "ValidationException".into(), message));
    }
    for members in [
        json!({ "FunctionResponseTypes": ["Other"] }),
        json!({ "FunctionResponseTypes": ["ReportBatchItemFailures", "ReportBatchItemFailures"] }),
        json!({ "MetricsConfig": { "Metrics": ["Other"] } }),
        json!({ "FilterCriteria": { "Filters": [{ "Pattern": "x".repeat(4_097) }] } }),
        json!({ "DestinationConfig": { "OnFailure": { "Destination": "not an arn" } } }),
    ] {
        assert_eq!(create(&world, &members).await.error().1, "ValidationException", "{members}");
    }
    assert!(world.control.state().mappings.is_empty());
}

#[tokio::test]
async fn refusals_are_in_words() {
    let world = prepared().await;
    let filter = |pattern: &str| json!({ "FilterCriteria": { "Filters": [{ "Pattern": pattern }] } });
    let bad_filter = "Invalid filter pattern definition.";
    let told = |arn: &str| json!({ "DestinationConfig": { "OnFailure": { "Destination": arn } } });
    let config = |arn: &str| {
        format!(
            "The provided destination config DestinationConfig(onSuccess=null, \
             onFailure=OnFailure(destination={arn})) is invalid."
        )
    };
    let (fifo, topic) =
        (format!("{QUEUE}.fifo"), "arn:aws:sns:nowhere-1:000000000000:t".replace("nowhere", "us-nowhere"));
    let gone = STREAM.replace("signups", "gone");
    let cases = [
        (filter("not json"), bad_filter.to_owned()),
        (filter(r#""text""#), bad_filter.into()),
        (filter(r#"{"data":{"a":"x"}}"#), bad_filter.into()),
        (filter(r#"{"data":{"a":[]}}"#), bad_filter.into()),
        (filter(r#"{"data":{"a":null}}"#), bad_filter.into()),
        (filter(r#"{"data":["x"]}"#), bad_filter.into()),
        (json!({ "FilterCriteria": { "Filters": [{}] } }), bad_filter.into()),
        (told(&fifo), config(&fifo)),
        (told("kafka://topic"), config("kafka://topic")),
        (
            told("arn:aws:lambda:us-east-1:000000000000:function:f"),
            config("arn:aws:lambda:us-east-1:000000000000:function:f"),
        ),
        (
            told(STREAM),
            "The failures of a stream's mapping cannot go to the same stream: they would come back to it."
                .into(),
        ),
        (told(&gone), format!("Stream not found: {gone}")),
        (told(&topic), format!("This server can send nothing to {topic}.")),
        (
            json!({ "MetricsConfig": { "Metrics": ["ErrorCount"] } }),
            "The metric ErrorCount is not supported for Kinesis event sources.".into(),
        ),
        (
            json!({ "ParallelizationFactor": 2, "TumblingWindowInSeconds": 5 }),
            "A ParallelizationFactor other than 1 is not supported with TumblingWindowInSeconds.".into(),
        ),
    ];
    for (members, message) in cases {
        let reply = create(&world, &members).await;
        assert_eq!(reply.error(), (400, "InvalidParameterValueException".into(), message), "{members}");
    }
    let many: Vec<Value> =
        (0..11).map(|n| json!({ "Pattern": format!(r#"{{"data":{{"n":[{n}]}}}}"#) })).collect();
    assert_eq!(create(&world, &json!({ "FilterCriteria": { "Filters": many } })).await.error().0, 400);
    world.stream("dead").await;
    for members in [
        told(&STREAM.replace("signups", "dead")),
        told("arn:aws:s3:::bucket"),
        json!({ "FilterCriteria": {} }),
    ] {
        let made = create(&world, &members).await;
        assert_eq!(made.status, 202, "{members} {:?}", made.body);
        let uuid = made.body["UUID"].as_str().unwrap().to_owned();
        settled(&world, &uuid).await;
        world.call("DELETE", &format!("{MAPPINGS}/{uuid}"), Value::Null).await;
        world.until(|state| state.mapping(&uuid).is_err()).await;
    }
}

#[tokio::test]
async fn an_update_is_checked_with_what_stays() {
    let world = prepared().await;
    let made = create(&world, &json!({ "TumblingWindowInSeconds": 5 })).await;
    let uuid = made.body["UUID"].as_str().unwrap().to_owned();
    settled(&world, &uuid).await;
    let refused =
        world.call("PUT", &format!("{MAPPINGS}/{uuid}"), json!({ "ParallelizationFactor": 2 })).await;
    assert_eq!(refused.error().0, 400, "{:?}", refused.body);
    let both = json!({ "ParallelizationFactor": 2, "TumblingWindowInSeconds": 0 });
    assert_eq!(world.call("PUT", &format!("{MAPPINGS}/{uuid}"), both).await.status, 202);
}

#[tokio::test]
async fn mappings_and_functions_have_tags() {
    let world = prepared().await;
    let made = create(&world, &json!({ "Tags": { "team": "growth" } })).await;
    assert_eq!(made.body.get("Tags"), None);
    let mapping = made.body["EventSourceMappingArn"].as_str().unwrap().to_owned();
    let function = "arn:aws:lambda:us-east-1:000000000000:function:offer".to_owned();
    let path = |arn: &str| format!("/2017-03-31/tags/{}", arn.replace(':', "%3A"));
    let tags = async |arn: &str| world.call("GET", &path(arn), Value::Null).await.body["Tags"].clone();
    assert_eq!(tags(&mapping).await, json!({ "team": "growth" }));
    for arn in [&mapping, &function] {
        let set = world.call("POST", &path(arn), json!({ "Tags": { "a": "1", "b": "2" } })).await;
        assert_eq!((set.status, set.body), (204, Value::Null), "{arn}");
        let removed =
            world.call("DELETE", &format!("{}?tagKeys=a&tagKeys=team", path(arn)), Value::Null).await;
        assert_eq!(removed.status, 204, "{arn}");
        assert_eq!(tags(arn).await, json!({ "b": "2" }), "{arn}");
        let many: serde_json::Map<String, Value> = (0..50).map(|n| (format!("k{n}"), json!(""))).collect();
        let refused = world.call("POST", &path(arn), json!({ "Tags": many })).await;
        assert_eq!(refused.error().2, "Number of tags exceeds resource tag limit of 50.");
        let empty = world.call("POST", &path(arn), json!({ "Tags": {} })).await;
        assert_eq!(empty.error().2, "An error occurred and the request cannot be processed.");
    }
    let gone = mapping.replace(&mapping[mapping.len() - 36..], "00000000-0000-0000-0000-000000000000");
    let missing = world.call("GET", &path(&gone), Value::Null).await;
    assert_eq!(
        missing.error(),
        (404, "ResourceNotFoundException".into(), "The resource you requested does not exist.".into())
    );
    let missing = world.call("GET", &path(&function.replace("offer", "gone")), Value::Null).await;
    assert_eq!(missing.error().2, format!("Function not found: {}", function.replace("offer", "gone")));
}
