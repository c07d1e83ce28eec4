//! Event invoke configurations and dead-letter targets: taken, shown, changed, refused. Texts as recorded on AWS.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{FUNCTION_ARN, Reply, World, create_with, still_world, without, world};
use serde_json::{Value, json};

const QUEUE: &str = "arn:aws:sqs:us-east-1:000000000000:q";
const TOPIC: &str = "arn:aws:sns:us-east-1:000000000000:t";
const BUCKET: &str = "arn:aws:s3:::failures";
const BUS: &str = "arn:aws:events:us-east-1:000000000000:event-bus/bus";

fn path(function: &str) -> String {
    format!("/2019-09-25/functions/{function}/event-invoke-config")
}

async fn put(world: &World, function: &str, body: Value) -> Reply {
    world.call("PUT", &path(function), body).await
}

async fn update(world: &World, function: &str, body: Value) -> Reply {
    world.call("POST", &path(function), body).await
}

async fn get(world: &World, function: &str) -> Reply {
    world.call("GET", &path(function), Value::Null).await
}

async fn delete(world: &World, function: &str) -> Reply {
    world.call("DELETE", &path(function), Value::Null).await
}

/// Functions `f`, with version 1 and the alias `live`, and `g`.
async fn prepared() -> World {
    let world = world().await;
    world.function("f").await;
    world.function("g").await;
    let made = world.call("POST", "/2015-03-31/functions/f/versions", json!({})).await;
    assert_eq!(made.status, 201, "{:?}", made.body);
    let alias = json!({ "Name": "live", "FunctionVersion": "1" });
    assert_eq!(world.call("POST", "/2015-03-31/functions/f/aliases", alias).await.status, 201);
    world
}

fn config(
    qualifier: &str,
    retries: Value,
    age: Value,
    success: Option<&str>,
    failure: Option<&str>,
) -> Value {
    let end = |arn: Option<&str>| arn.map_or_else(|| json!({}), |arn| json!({ "Destination": arn }));
    let mut config = json!({
        "FunctionArn": format!("{FUNCTION_ARN}:f:{qualifier}"),
        "DestinationConfig": { "OnSuccess": end(success), "OnFailure": end(failure) },
    });
    for (member, value) in [("MaximumRetryAttempts", retries), ("MaximumEventAgeInSeconds", age)] {
        if !value.is_null() {
            config[member] = value;
        }
    }
    config
}

fn shown(reply: &Reply) -> Value {
    assert_eq!(reply.status, 200, "{:?}", reply.body);
    without(reply.body.clone(), &["LastModified"])
}

#[tokio::test]
async fn a_put_replaces_and_an_update_changes() {
    let world = prepared().await;
    let all = json!({
        "MaximumRetryAttempts": 2, "MaximumEventAgeInSeconds": 60,
        "DestinationConfig": { "OnSuccess": { "Destination": TOPIC }, "OnFailure": { "Destination": QUEUE } },
    });
    let made = put(&world, "f", all).await;
    let expected = config("$LATEST", json!(2), json!(60), Some(TOPIC), Some(QUEUE));
    assert_eq!(shown(&made), expected);
    assert_eq!(made.body["LastModified"], json!(1_700_000_000.123));
    assert_eq!(shown(&get(&world, "f").await), expected);

    let changed = update(&world, "f", json!({ "MaximumRetryAttempts": 0 })).await;
    assert_eq!(shown(&changed), config("$LATEST", json!(0), json!(60), Some(TOPIC), Some(QUEUE)));
    let bus = json!({ "DestinationConfig": { "OnSuccess": { "Destination": BUS } } });
    let changed = update(&world, "f", bus).await;
    assert_eq!(shown(&changed), config("$LATEST", json!(0), json!(60), Some(BUS), Some(QUEUE)));
    let none = json!({ "DestinationConfig": { "OnFailure": { "Destination": "" } } });
    let changed = update(&world, "f", none).await;
    assert_eq!(shown(&changed), config("$LATEST", json!(0), json!(60), Some(BUS), None));

    let replaced = put(&world, "f", json!({ "MaximumEventAgeInSeconds": 21_600 })).await;
    assert_eq!(shown(&replaced), config("$LATEST", Value::Null, json!(21_600), None, None));
    assert_eq!(shown(&get(&world, "f").await), config("$LATEST", Value::Null, json!(21_600), None, None));
    let bucket = json!({ "DestinationConfig": { "OnFailure": { "Destination": BUCKET } } });
    assert_eq!(
        shown(&put(&world, "f", bucket).await),
        config("$LATEST", Value::Null, Value::Null, None, Some(BUCKET))
    );
    for empty in [json!({ "OnSuccess": {} }), json!({ "OnFailure": {} })] {
        let made = put(&world, "f", json!({ "DestinationConfig": empty })).await;
        assert_eq!(shown(&made), config("$LATEST", Value::Null, Value::Null, None, None));
    }
    // Lambda after a restart shows the same.
    let restarted = world.restarted().await;
    let answer = restarted.call("r", "GET", &path("f"), "", Vec::new(), bytes::Bytes::new()).await;
    assert_eq!(answer.response.status, 200);
}

#[tokio::test]
async fn a_function_a_version_and_an_alias_have_each_their_own() {
    let world = prepared().await;
    let body = || json!({ "MaximumRetryAttempts": 1 });
    let own = |qualifier: &str| config(qualifier, json!(1), Value::Null, None, None);
    let arn = format!("{FUNCTION_ARN}:f:live");
    for (name, qualifier) in [
        ("f", "$LATEST"),
        ("f?Qualifier=$LATEST", "$LATEST"),
        ("f:$LATEST", "$LATEST"),
        ("f:1", "1"),
        ("f?Qualifier=1", "1"),
        ("f:live", "live"),
        ("f:live?Qualifier=live", "live"),
        (&arn, "live"),
    ] {
        let (name, query) = name.split_once('?').unwrap_or((name, ""));
        let target = format!("{}?{query}", path(&name.replace(':', "%3A")));
        assert_eq!(shown(&world.call("PUT", &target, body()).await), own(qualifier), "{name}");
    }
    let list = |query: &str| format!("{}/list?{query}", path("f"));
    let all = world.call("GET", &list(""), Value::Null).await;
    let arns = |reply: &Reply| -> Vec<String> {
        let configs = reply.body["FunctionEventInvokeConfigs"].as_array().unwrap();
        configs.iter().map(|config| config["FunctionArn"].as_str().unwrap().to_owned()).collect()
    };
    let expected: Vec<String> = ["$LATEST", "1", "live"].map(|of| format!("{FUNCTION_ARN}:f:{of}")).into();
    assert_eq!((arns(&all), all.body.get("NextMarker")), (expected.clone(), None));
    let first = world.call("GET", &list("MaxItems=2"), Value::Null).await;
    assert_eq!(arns(&first), expected[..2]);
    let marker = first.body["NextMarker"].as_str().unwrap();
    let second = world.call("GET", &list(&format!("Marker={marker}")), Value::Null).await;
    assert_eq!((arns(&second), second.body.get("NextMarker")), (expected[2..].to_vec(), None));

    // What goes with an alias or a version is gone with it.
    assert_eq!(world.call("DELETE", "/2015-03-31/functions/f/aliases/live", Value::Null).await.status, 204);
    assert_eq!(world.call("DELETE", "/2015-03-31/functions/f?Qualifier=1", Value::Null).await.status, 204);
    let left = world.call("GET", &list(""), Value::Null).await;
    assert_eq!(arns(&left), expected[..1]);
    let gone = delete(&world, "f").await;
    assert_eq!((gone.status, gone.body), (204, Value::Null));
    assert_eq!(arns(&world.call("GET", &list(""), Value::Null).await), Vec::<String>::new());
}

#[tokio::test]
async fn what_is_not_there_is_said_in_aws_s_words() {
    let world = prepared().await;
    let body = || json!({ "MaximumRetryAttempts": 1 });
    let missing = |text: &str| (404, "ResourceNotFoundException".to_owned(), text.to_owned());
    let nothing = "You must specify at least one of error handling or destination setting.";
    let nothing = (400, "InvalidParameterValueException".to_owned(), nothing.to_owned());
    for name in ["f", "nowhere"] {
        assert_eq!(put(&world, name, json!({})).await.error(), nothing);
        assert_eq!(update(&world, name, json!({})).await.error(), nothing);
    }
    let no_function = missing("The function doesn't exist.");
    for name in ["nowhere", "f:9", "f:later"] {
        assert_eq!(put(&world, name, body()).await.error(), no_function, "{name}");
        assert_eq!(update(&world, name, body()).await.error(), no_function, "{name}");
    }
    let list = world.call("GET", &format!("{}/list", path("nowhere")), Value::Null).await;
    assert_eq!(list.error(), no_function);
    for (name, qualified) in [("f", "f:$LATEST"), ("nowhere", "nowhere:$LATEST"), ("f:live", "f:live")] {
        let text = format!("The function {FUNCTION_ARN}:{qualified} doesn't have an EventInvokeConfig");
        assert_eq!(get(&world, name).await.error(), missing(&text));
        assert_eq!(delete(&world, name).await.error(), missing(&text));
        if !name.starts_with("nowhere") {
            assert_eq!(update(&world, name, body()).await.error(), missing(&text));
        }
    }
    let conflict = world.call("PUT", &format!("{}?Qualifier=1", path("f:live")), body()).await;
    let text = "The derived qualifier from the function name does not match the specified qualifier.";
    assert_eq!(conflict.error(), (400, "InvalidParameterValueException".into(), text.into()));
}

#[tokio::test]
async fn bounds_are_lambdas() {
    let world = prepared().await;
    for (member, name, value, constraint) in [
        ("MaximumRetryAttempts", "maximumRetryAttempts", -1, "greater than or equal to 0"),
        ("MaximumRetryAttempts", "maximumRetryAttempts", 3, "less than or equal to 2"),
        ("MaximumEventAgeInSeconds", "maximumEventAgeInSeconds", 59, "greater than or equal to 60"),
        ("MaximumEventAgeInSeconds", "maximumEventAgeInSeconds", 21_601, "less than or equal to 21600"),
    ] {
        let text = format!(
            "1 validation error detected: Value '{value}' at '{name}' failed to satisfy constraint: Member must have \
             value {constraint}"
        );
        for reply in [
            put(&world, "f", json!({ member: value })).await,
            update(&world, "f", json!({ member: value })).await,
        ] {
            assert_eq!(reply.error(), (400, "ValidationException".into(), text.clone()));
        }
    }
    let pattern = json!({ "DestinationConfig": { "OnFailure": { "Destination": "not an arn" } } });
    assert_eq!(put(&world, "f", pattern).await.error().1, "ValidationException");
    let list = world.call("GET", &format!("{}/list?MaxItems=51", path("f")), Value::Null).await;
    assert_eq!(list.error().1, "ValidationException");
    assert!(world.control.state().functions["f"].event_invoke.is_empty());
}

#[tokio::test]
async fn only_what_can_be_told_is_a_destination() {
    let world = prepared().await;
    let stream = world.stream("told").await;
    let lambda = |name: &str| format!("{FUNCTION_ARN}:{name}");
    let success = |arn: &str| json!({ "OnSuccess": { "Destination": arn } });
    let failure = |arn: &str| json!({ "OnFailure": { "Destination": arn } });
    for arn in [QUEUE, TOPIC, BUS, &stream, &lambda("g"), &lambda("g:$LATEST")] {
        for ends in [success(arn), failure(arn)] {
            let made = put(&world, "f", json!({ "DestinationConfig": ends })).await;
            assert_eq!(made.status, 200, "{arn}: {:?}", made.body);
        }
    }
    let whole = |success: &str, failure: &str| {
        format!(
            "The provided destination config DestinationConfig(onSuccess={success}, onFailure={failure}) is invalid."
        )
    };
    let invalid = |arn: &str| format!("The destination ARN {arn} is invalid.");
    let itself = "You can't specify the function as a destination for itself.".to_owned();
    let role = "arn:aws:iam::000000000000:role/r";
    let fifo = |arn: &str| format!("{arn}.fifo");
    let bus = "arn:aws:events:us-east-1:000000000000:rule/r";
    let nowhere = "arn:aws:sqs:us-nowhere-1:000000000000:q";
    let gone = stream.replace("told", "gone");
    for (ends, text) in [
        (success(&lambda("nowhere")), invalid(&lambda("nowhere"))),
        (success(&lambda("g:9")), invalid(&lambda("g:9"))),
        (success(&lambda("f")), itself.clone()),
        (failure(&lambda("f:live")), itself),
        (success(role), whole(&format!("OnSuccess(destination={role})"), "null")),
        (failure("kafka://topic"), whole("null", "OnFailure(destination=kafka://topic)")),
        (success(BUCKET), whole(&format!("OnSuccess(destination={BUCKET})"), "null")),
        (
            json!({ "OnSuccess": { "Destination": QUEUE }, "OnFailure": { "Destination": role } }),
            whole(&format!("OnSuccess(destination={QUEUE})"), &format!("OnFailure(destination={role})")),
        ),
        (failure(&fifo(QUEUE)), invalid(&fifo(QUEUE))),
        (failure(&fifo(TOPIC)), "FIFO-type Amazon SNS topics aren't supported as a destination.".into()),
        (failure(bus), invalid(bus)),
        (failure(nowhere), format!("This server can send nothing to {nowhere}.")),
        (failure(&gone), format!("Stream not found: {gone}")),
    ] {
        for reply in [
            put(&world, "f", json!({ "DestinationConfig": ends })).await,
            update(&world, "f", json!({ "DestinationConfig": ends })).await,
        ] {
            assert_eq!(reply.error(), (400, "InvalidParameterValueException".into(), text.clone()), "{ends}");
        }
    }
}

#[tokio::test]
async fn a_dead_letter_target_is_a_setting_of_the_version() {
    let world = world().await;
    let target = |arn: &str| json!({ "DeadLetterConfig": { "TargetArn": arn } });
    let made = world.call("POST", "/2015-03-31/functions", create_with("f", target(QUEUE))).await;
    assert_eq!(
        (made.status, &made.body["DeadLetterConfig"]["TargetArn"]),
        (201, &json!(QUEUE)),
        "{:?}",
        made.body
    );
    world.settled("f").await;
    let configuration = "/2015-03-31/functions/f/configuration";
    let version = world.call("POST", "/2015-03-31/functions/f/versions", json!({})).await;
    assert_eq!(version.status, 201, "{:?}", version.body);
    let changed = world.call("PUT", configuration, target(TOPIC)).await;
    assert_eq!((changed.status, &changed.body["DeadLetterConfig"]["TargetArn"]), (200, &json!(TOPIC)));
    world.settled("f").await;
    let other = world.call("PUT", configuration, json!({ "Timeout": 9 })).await;
    assert_eq!(other.body["DeadLetterConfig"]["TargetArn"], TOPIC);
    world.settled("f").await;
    let old = world.call("GET", &format!("{configuration}?Qualifier=1"), Value::Null).await;
    assert_eq!(old.body["DeadLetterConfig"]["TargetArn"], QUEUE);
    for none in [json!({ "DeadLetterConfig": {} }), target("")] {
        assert_eq!(world.call("PUT", configuration, target(TOPIC)).await.status, 200);
        world.settled("f").await;
        let cleared = world.call("PUT", configuration, none).await;
        assert_eq!((cleared.status, cleared.body.get("DeadLetterConfig")), (200, None));
        world.settled("f").await;
    }
}

#[tokio::test]
async fn only_queues_and_topics_take_dead_letters() {
    let world = still_world(millstream_functions::Options::default()).await;
    let only = "Only Amazon SQS queues and Amazon SNS topics are supported.";
    let fifo = |kind: &str| format!("FIFO {kind} is not supported for dead letter configuration");
    for (arn, why) in [
        (BUCKET.to_owned(), only.to_owned()),
        (BUS.to_owned(), only.to_owned()),
        (format!("{QUEUE}.fifo"), fifo("SQS queue")),
        (format!("{TOPIC}.fifo"), fifo("SNS topic")),
    ] {
        let body = create_with("f", json!({ "DeadLetterConfig": { "TargetArn": arn } }));
        let refused = world.call("POST", "/2015-03-31/functions", body).await;
        let text = format!("Invalid dead letter queue ARN: {why}");
        assert_eq!(refused.error(), (400, "InvalidParameterValueException".into(), text));
    }
    let nowhere = "arn:aws:sqs:us-nowhere-1:000000000000:q";
    let body = create_with("f", json!({ "DeadLetterConfig": { "TargetArn": nowhere } }));
    let refused = world.call("POST", "/2015-03-31/functions", body).await;
    assert_eq!(refused.error().2, format!("This server can send nothing to {nowhere}."));
}
