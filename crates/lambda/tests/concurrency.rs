//! Reserved and provisioned concurrency: taken, shown, refused. Texts as recorded on AWS.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{FUNCTION_ARN, NOW_TEXT, Reply, World, still_world, world};
use millstream_functions::Options;
use serde_json::{Value, json};

const FUNCTIONS: &str = "/2015-03-31/functions";

fn path(function: &str) -> String {
    format!("/2019-09-30/functions/{function}/provisioned-concurrency")
}

async fn put(world: &World, function: &str, qualifier: &str, executions: i64) -> Reply {
    let target = format!("{}?Qualifier={qualifier}", path(function));
    world.call("PUT", &target, json!({ "ProvisionedConcurrentExecutions": executions })).await
}

async fn get(world: &World, function: &str, qualifier: &str) -> Reply {
    world.call("GET", &format!("{}?Qualifier={qualifier}", path(function)), Value::Null).await
}

async fn delete(world: &World, function: &str, qualifier: &str) -> Reply {
    world.call("DELETE", &format!("{}?Qualifier={qualifier}", path(function)), Value::Null).await
}

async fn reserve(world: &World, function: &str, number: i64) -> Reply {
    let target = format!("/2017-10-31/functions/{function}/concurrency");
    world.call("PUT", &target, json!({ "ReservedConcurrentExecutions": number })).await
}

async fn done(world: &World, method: &str, target: &str, body: Value) {
    let reply = world.call(method, &format!("{FUNCTIONS}{target}"), body).await;
    assert!(reply.status < 300, "{:?}", reply.body);
}

/// Functions `f` and `g`, `f` with version 1, `live` that leads to it and `dev` that leads to $LATEST. Their code ends at once.
async fn prepared() -> World {
    let world = world().await;
    prepare(&world).await;
    world
}

async fn prepare(world: &World) {
    world.function("f").await;
    world.function("g").await;
    done(world, "POST", "/f/versions", json!({})).await;
    for (name, version) in [("live", "1"), ("dev", "$LATEST")] {
        done(world, "POST", "/f/aliases", json!({ "Name": name, "FunctionVersion": version })).await;
    }
}

fn error(status: u16, code: &str, text: &str) -> (u16, String, String) {
    (status, code.to_owned(), text.to_owned())
}

fn invalid(text: &str) -> (u16, String, String) {
    error(400, "InvalidParameterValueException", text)
}

#[tokio::test]
async fn what_is_provisioned_is_shown_until_it_is_deleted() {
    // Nothing is started in this world, so nothing is ready.
    let world = still_world(Options::default()).await;
    let lifecycle = tokio::spawn(world.lambda.clone().run_lifecycle());
    prepare(&world).await;
    lifecycle.abort();
    let expected = |number: i64| {
        json!({
            "RequestedProvisionedConcurrentExecutions": number, "AvailableProvisionedConcurrentExecutions": 0,
            "AllocatedProvisionedConcurrentExecutions": 0, "Status": "IN_PROGRESS", "LastModified": NOW_TEXT,
        })
    };
    let made = put(&world, "f", "live", 2).await;
    assert_eq!((made.status, made.body), (202, expected(2)));
    let found = get(&world, "f", "live").await;
    assert_eq!((found.status, found.body), (200, expected(2)));
    assert_eq!(put(&world, "f", "live", 3).await.body, expected(3));
    let list = |query: &str| format!("{}?List=ALL{query}", path("f"));
    done(&world, "POST", "/f/aliases", json!({ "Name": "next", "FunctionVersion": "1" })).await;
    assert_eq!(put(&world, "f", "next", 1).await.status, 202);
    let item = |qualifier: &str, number| {
        let mut item = expected(number);
        item["FunctionArn"] = format!("{FUNCTION_ARN}:f:{qualifier}").into();
        item
    };
    let all = world.call("GET", &list(""), Value::Null).await.body;
    assert_eq!(all, json!({ "ProvisionedConcurrencyConfigs": [item("live", 3), item("next", 1)] }));
    let first = world.call("GET", &list("&MaxItems=1"), Value::Null).await.body;
    assert_eq!(first["ProvisionedConcurrencyConfigs"], json!([item("live", 3)]));
    let marker = first["NextMarker"].as_str().unwrap();
    let second = world.call("GET", &list(&format!("&Marker={marker}")), Value::Null).await.body;
    assert_eq!(second, json!({ "ProvisionedConcurrencyConfigs": [item("next", 1)] }));

    let settings = world.call("GET", "/2016-08-19/account-settings", Value::Null).await.body;
    assert_eq!(settings["AccountLimit"]["ConcurrentExecutions"], 1_000);
    assert_eq!(settings["AccountLimit"]["UnreservedConcurrentExecutions"], 996);
    for _ in 0..2 {
        let gone = delete(&world, "f", "live").await;
        assert_eq!((gone.status, gone.body), (204, Value::Null));
    }
    let none = "No Provisioned Concurrency Config found for this function";
    assert_eq!(
        get(&world, "f", "live").await.error(),
        error(404, "ProvisionedConcurrencyConfigNotFoundException", none)
    );
    // What goes with an alias is gone with it.
    done(&world, "DELETE", "/f/aliases/next", Value::Null).await;
    let left = world.call("GET", &list(""), Value::Null).await.body;
    assert_eq!(left, json!({ "ProvisionedConcurrencyConfigs": [] }));
}

#[tokio::test]
async fn what_cannot_be_named_is_said_in_awss_words() {
    let world = prepared().await;
    let unpublished = "Provisioned Concurrency Configs cannot be applied to unpublished function versions.";
    assert_eq!(put(&world, "f", "$LATEST", 1).await.error(), invalid(unpublished));
    assert_eq!(put(&world, "f", "dev", 1).await.error(), invalid(unpublished));
    let latest = "The function resource provided must be an alias or a published version.";
    assert_eq!(get(&world, "f", "$LATEST").await.error(), invalid(latest));
    assert_eq!(delete(&world, "f", "$LATEST").await.error(), invalid(latest));
    let not_found = |text: String| error(404, "ResourceNotFoundException", &text);
    for (function, qualifier, text) in [
        ("f", "9", format!("Function not found: {FUNCTION_ARN}:f:9")),
        ("f", "gone", format!("Cannot find alias arn: {FUNCTION_ARN}:f:gone")),
        ("h", "1", format!("Function not found: {FUNCTION_ARN}:h:1")),
    ] {
        assert_eq!(put(&world, function, qualifier, 1).await.error(), not_found(text.clone()));
        assert_eq!(get(&world, function, qualifier).await.error(), not_found(text.clone()));
        assert_eq!(delete(&world, function, qualifier).await.error(), not_found(text));
    }
    let list = world.call("GET", &format!("{}?List=ALL", path("h")), Value::Null).await;
    assert_eq!(list.error(), not_found(format!("Function not found: {FUNCTION_ARN}:h")));
    let twice = put(&world, "f:live", "1", 1).await.error();
    let derived = "The derived qualifier from the function name does not match the specified qualifier.";
    assert_eq!(twice, invalid(derived));
    let none = put(&world, "f", "1", 0).await.error();
    assert_eq!((none.0, none.1.as_str()), (400, "ValidationException"));
    assert!(none.2.contains("'provisionedConcurrentExecutions' failed to satisfy constraint"), "{}", none.2);
    let list = world.call("GET", &format!("{}?List=ALL&MaxItems=51", path("f")), Value::Null).await.error();
    assert_eq!((list.0, list.1.as_str()), (400, "ValidationException"));
}

#[tokio::test]
async fn an_alias_and_its_version_are_not_both_provisioned() {
    let world = prepared().await;
    assert_eq!(put(&world, "f", "1", 1).await.status, 202);
    let conflict = |text: &str| error(409, "ResourceConflictException", text);
    let alias =
        "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version";
    assert_eq!(put(&world, "f", "live", 1).await.error(), conflict(alias));
    assert_eq!(delete(&world, "f", "1").await.status, 204);
    assert_eq!(put(&world, "f", "live", 1).await.status, 202);
    let version = "Version is pointed by a Provisioned Concurrency alias";
    assert_eq!(put(&world, "f", "1", 1).await.error(), conflict(version));

    let code = json!({ "ZipFile": common::zip_of(&[("bootstrap", "#!/bin/sh\n# two\n")]), "Publish": true });
    done(&world, "PUT", "/f/code", code).await;
    world.settled("f").await;
    let weights =
        json!({ "FunctionVersion": "1", "RoutingConfig": { "AdditionalVersionWeights": { "2": 0.5 } } });
    done(&world, "PUT", "/f/aliases/live", weights).await;
    assert_eq!(get(&world, "f", "live").await.body["RequestedProvisionedConcurrentExecutions"], 1);
    let weighted = "Alias with weights can not be used with Provisioned Concurrency";
    assert_eq!(put(&world, "f", "live", 1).await.error(), invalid(weighted));
    let away = json!({ "FunctionVersion": "$LATEST", "RoutingConfig": {} });
    let latest = world.call("PUT", &format!("{FUNCTIONS}/f/aliases/live"), away).await;
    let unpublished = "Provisioned Concurrency Configs cannot be applied to unpublished function versions.";
    assert_eq!(latest.error(), invalid(unpublished));
}

#[tokio::test]
async fn a_hundred_stay_unreserved() {
    let world = prepared().await;
    let few = |what: &str| {
        invalid(&format!(
            "Specified {what} for function decreases account's UnreservedConcurrentExecution below its minimum value of [100]."
        ))
    };
    assert_eq!(reserve(&world, "f", 901).await.error(), few("ReservedConcurrentExecutions"));
    assert_eq!(reserve(&world, "g", 700).await.status, 200);
    assert_eq!(reserve(&world, "f", 201).await.error(), few("ReservedConcurrentExecutions"));
    assert_eq!(put(&world, "f", "1", 201).await.error(), few("ConcurrentExecutions"));
    let above =
        "Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [300].";
    assert_eq!(put(&world, "f", "1", 301).await.error(), invalid(above));
    assert_eq!(reserve(&world, "f", 2).await.status, 200);
    let reserved = "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function";
    assert_eq!(put(&world, "f", "1", 3).await.error(), invalid(reserved));
    assert_eq!(put(&world, "f", "1", 2).await.status, 202);
    let below = "ReservedConcurrentExecutions 1 should not be lower than function's total provisioned concurrency [2].";
    assert_eq!(reserve(&world, "f", 1).await.error(), invalid(below));
}

#[tokio::test]
async fn of_few_ten_stay_unreserved() {
    let world = still_world(Options { max_workers: 20, ..Options::default() }).await;
    tokio::spawn(world.lambda.clone().run_lifecycle());
    prepare(&world).await;
    let few = "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below \
               its minimum value of [10].";
    assert_eq!(reserve(&world, "f", 11).await.error(), invalid(few));
    assert_eq!(reserve(&world, "f", 10).await.status, 200);
}

#[tokio::test]
async fn a_function_that_does_not_start_is_failed() {
    let world = prepared().await;
    if world.functions.isolation().is_err() {
        println!("SKIPPED: this machine runs no functions");
        return;
    }
    assert_eq!(put(&world, "f", "live", 1).await.status, 202);
    let failed = loop {
        let found = get(&world, "f", "live").await.body;
        if found["Status"] != "IN_PROGRESS" {
            break found;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    };
    assert_eq!(
        (&failed["Status"], &failed["AllocatedProvisionedConcurrentExecutions"]),
        (&json!("FAILED"), &json!(0))
    );
    assert_eq!(failed["StatusReason"], "FUNCTION_ERROR_INIT_FAILURE");
}

#[tokio::test]
async fn what_needs_no_start_cannot_be_kept_ready() {
    let world = prepared().await;
    let body = json!({
        "FunctionName": "w", "Runtime": "provided.wasm", "Handler": "h", "Role": common::ROLE,
        "Code": { "ZipFile": common::zip_of(&[("bootstrap.wasm", "not a component")]) }, "Publish": true,
    });
    done(&world, "POST", "", body).await;
    let refused = put(&world, "w", "1", 1).await.error();
    assert_eq!((refused.0, refused.1.as_str()), (400, "InvalidParameterValueException"));
    assert!(refused.2.contains("runs inside the server"), "{}", refused.2);
}
