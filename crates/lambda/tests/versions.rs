//! Versions, aliases and reserved concurrency: requests and what comes back.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{FUNCTION_ARN, World, create, create_with, world, zip_of};
use serde_json::{Value, json};

const FUNCTIONS: &str = "/2015-03-31/functions";

/// With an active function `f`.
async fn with_function() -> World {
    let world = world().await;
    assert_eq!(world.call("POST", FUNCTIONS, create("f")).await.status, 201);
    settled(&world).await;
    world
}

/// Until no update of `f` is in progress.
async fn settled(world: &World) {
    let done = |state: &std::sync::Arc<millstream_control::State>| {
        state.functions.get("f").is_some_and(|function| {
            function.status != millstream_control::FunctionStatus::Pending && function.next.is_none()
        })
    };
    world.control.watch().wait_for(done).await.unwrap();
}

async fn ok(world: &World, method: &str, path: &str, body: Value) -> Value {
    let reply = world.call(method, &format!("{FUNCTIONS}/f{path}"), body).await;
    assert!(reply.status < 300, "{method} {path}: {:?}", reply.error());
    reply.body
}

async fn refused(world: &World, method: &str, path: &str, body: Value) -> (u16, String, String) {
    world.call(method, &format!("{FUNCTIONS}/f{path}"), body).await.error()
}

/// Other code than `create` gives.
async fn update(world: &World, text: &str, more: Value) -> Value {
    let mut body = json!({ "ZipFile": zip_of(&[("bootstrap", text)]) });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let shown = ok(world, "PUT", "/code", body).await;
    settled(world).await;
    shown
}

#[tokio::test]
async fn a_version_keeps_what_was_published() {
    let world = with_function().await;
    let first = ok(&world, "POST", "/versions", json!({ "Description": "first" })).await;
    assert_eq!((&first["Version"], &first["Description"]), (&json!("1"), &json!("first")));
    assert_eq!(first["FunctionArn"], format!("{FUNCTION_ARN}:f:1"));
    assert_eq!(first["State"], "Active");
    let again = ok(&world, "POST", "/versions", json!({ "Description": "not again" })).await;
    assert_eq!((&again["Version"], &again["Description"]), (&json!("1"), &json!("first")), "nothing changed");

    update(&world, "#!/bin/sh\n# two\n", json!({})).await;
    let second = ok(&world, "POST", "/versions", json!({})).await;
    assert_eq!((&second["Version"], &second["Description"]), (&json!("2"), &json!("")));
    assert_ne!(first["CodeSha256"], second["CodeSha256"]);
    for (qualifier, sha) in [("1", &first), ("2", &second), ("$LATEST", &second)] {
        let shown = ok(&world, "GET", &format!("/configuration?Qualifier={qualifier}"), json!(null)).await;
        assert_eq!(shown["CodeSha256"], sha["CodeSha256"], "{qualifier}");
        assert_eq!(shown["Version"], qualifier);
        assert_eq!(shown["FunctionArn"], format!("{FUNCTION_ARN}:f:{qualifier}"));
    }
    let list = ok(&world, "GET", "/versions", json!(null)).await;
    let versions: Vec<_> =
        list["Versions"].as_array().unwrap().iter().map(|shown| &shown["Version"]).collect();
    assert_eq!(versions, ["$LATEST", "1", "2"]);
    let page = ok(&world, "GET", "/versions?MaxItems=2", json!(null)).await;
    let marker = page["NextMarker"].as_str().unwrap();
    let rest = ok(&world, "GET", &format!("/versions?Marker={marker}"), json!(null)).await;
    assert_eq!(rest["Versions"][0]["Version"], "2");
    let all = world.call("GET", &format!("{FUNCTIONS}?FunctionVersion=ALL"), json!(null)).await.body;
    assert_eq!(all["Functions"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn code_is_published_as_it_is_deployed() {
    let world = world().await;
    let made = world.call("POST", FUNCTIONS, create_with("f", json!({ "Publish": true }))).await;
    assert_eq!((made.status, &made.body["Version"]), (201, &json!("1")));
    settled(&world).await;
    let updated = update(&world, "#!/bin/sh\n# two\n", json!({ "Publish": true })).await;
    assert_eq!(
        (&updated["Version"], &updated["FunctionArn"]),
        (&json!("2"), &json!(format!("{FUNCTION_ARN}:f:2")))
    );
    let same = update(&world, "#!/bin/sh\n# two\n", json!({ "Publish": true })).await;
    assert_eq!(same["Version"], "2");
}

#[tokio::test]
async fn publishing_can_be_refused() {
    let world = with_function().await;
    let sha = ok(&world, "GET", "/configuration", json!(null)).await["CodeSha256"].clone();
    let (status, code, message) =
        refused(&world, "POST", "/versions", json!({ "CodeSha256": "other" })).await;
    assert_eq!((status, code.as_str()), (400, "InvalidParameterValueException"));
    assert_eq!(
        message,
        format!(
            "CodeSHA256 (other) is different from current CodeSHA256 in $LATEST ({}). Please try again with the \
             CodeSHA256 in $LATEST.",
            sha.as_str().unwrap()
        )
    );
    let (status, code, _) = refused(&world, "POST", "/versions", json!({ "RevisionId": "other" })).await;
    assert_eq!((status, code.as_str()), (412, "PreconditionFailedException"));
    for path in ["/configuration?Qualifier=1", "/configuration?Qualifier=prod"] {
        let (status, code, message) = refused(&world, "GET", path, json!(null)).await;
        assert_eq!((status, code.as_str()), (404, "ResourceNotFoundException"));
        let qualifier = path.rsplit_once('=').unwrap().1;
        assert_eq!(message, format!("Function not found: {FUNCTION_ARN}:f:{qualifier}"));
    }
}

#[tokio::test]
async fn an_alias_leads_to_versions() {
    let world = with_function().await;
    ok(&world, "POST", "/versions", json!({})).await;
    update(&world, "#!/bin/sh\n# two\n", json!({ "Publish": true })).await;
    let made =
        ok(&world, "POST", "/aliases", json!({ "Name": "prod", "FunctionVersion": "1", "Description": "d" }))
            .await;
    assert_eq!(made["AliasArn"], format!("{FUNCTION_ARN}:f:prod"));
    assert_eq!(
        (&made["Name"], &made["FunctionVersion"], &made["Description"]),
        (&json!("prod"), &json!("1"), &json!("d"))
    );
    assert_eq!(made.get("RoutingConfig"), None);
    assert_eq!(ok(&world, "GET", "/aliases/prod", json!(null)).await, made);
    let shown = ok(&world, "GET", "/configuration?Qualifier=prod", json!(null)).await;
    assert_eq!(
        (&shown["Version"], &shown["FunctionArn"]),
        (&json!("1"), &json!(format!("{FUNCTION_ARN}:f:prod")))
    );

    let weights = json!({ "RoutingConfig": { "AdditionalVersionWeights": { "2": 0.1 } } });
    let shared = ok(&world, "PUT", "/aliases/prod", weights.clone()).await;
    assert_eq!(shared["RoutingConfig"], weights["RoutingConfig"]);
    assert_eq!(
        (&shared["FunctionVersion"], &shared["Description"]),
        (&json!("1"), &json!("d")),
        "the rest stays"
    );
    let one = json!({ "FunctionVersion": "2", "RoutingConfig": {}, "RevisionId": shared["RevisionId"] });
    let moved = ok(&world, "PUT", "/aliases/prod", one).await;
    assert_eq!((moved.get("RoutingConfig"), &moved["FunctionVersion"]), (None, &json!("2")));

    ok(&world, "POST", "/aliases", json!({ "Name": "dev", "FunctionVersion": "$LATEST" })).await;
    let list = ok(&world, "GET", "/aliases", json!(null)).await;
    assert_eq!(list["Aliases"].as_array().unwrap().len(), 2);
    let list = ok(&world, "GET", "/aliases?FunctionVersion=2", json!(null)).await;
    assert_eq!(list["Aliases"][0]["Name"], "prod");
    assert_eq!(world.call("DELETE", &format!("{FUNCTIONS}/f/aliases/dev"), json!(null)).await.status, 204);
    assert_eq!(world.call("DELETE", &format!("{FUNCTIONS}/f/aliases/dev"), json!(null)).await.status, 204);
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table of what is refused and how")]
async fn aliases_are_refused_in_awss_words() {
    let world = with_function().await;
    ok(&world, "POST", "/versions", json!({})).await;
    update(&world, "#!/bin/sh\n# two\n", json!({ "Publish": true })).await;
    ok(&world, "POST", "/aliases", json!({ "Name": "prod", "FunctionVersion": "1" })).await;
    let with = |name: &str, version: &str, weights: Value| json!({ "Name": name, "FunctionVersion": version, "RoutingConfig": { "AdditionalVersionWeights": weights } });
    let (invalid, not_found) = ("InvalidParameterValueException", "ResourceNotFoundException");
    for (method, path, body, status, code, message) in [
        (
            "POST",
            "/aliases",
            json!({ "Name": "prod", "FunctionVersion": "1" }),
            409,
            "ResourceConflictException",
            format!("Alias already exists: {FUNCTION_ARN}:f:prod"),
        ),
        (
            "POST",
            "/aliases",
            json!({ "Name": "x", "FunctionVersion": "9" }),
            404,
            not_found,
            format!("Function not found: {FUNCTION_ARN}:f:9"),
        ),
        (
            "POST",
            "/aliases",
            with("x", "1", json!({ "9": 0.5 })),
            404,
            not_found,
            format!("Function not found: {FUNCTION_ARN}:f:9"),
        ),
        (
            "POST",
            "/aliases",
            with("x", "1", json!({ "2": 0.5, "3": 0.1 })),
            400,
            invalid,
            "Number of items in AdditionalVersionWeights cannot be greater than 1".into(),
        ),
        (
            "POST",
            "/aliases",
            with("x", "1", json!({ "1": 0.5 })),
            400,
            invalid,
            "Invalid function version 1. Function version 1 is already included in routing configuration."
                .into(),
        ),
        (
            "POST",
            "/aliases",
            with("x", "$LATEST", json!({ "1": 0.5 })),
            400,
            invalid,
            "$LATEST is not supported for an alias pointing to more than 1 version".into(),
        ),
        (
            "GET",
            "/aliases/gone",
            json!(null),
            404,
            not_found,
            format!("Cannot find alias arn: {FUNCTION_ARN}:f:gone"),
        ),
        (
            "PUT",
            "/aliases/gone",
            json!({}),
            404,
            not_found,
            format!("Alias not found: {FUNCTION_ARN}:f:gone"),
        ),
        (
            "DELETE",
            "?Qualifier=1",
            json!(null),
            409,
            "ResourceConflictException",
            "Unable to delete version because the following aliases reference it: [prod]".into(),
        ),
        (
            "DELETE",
            "?Qualifier=$LATEST",
            json!(null),
            400,
            invalid,
            "$LATEST version cannot be deleted without deleting the function.".into(),
        ),
    ] {
        assert_eq!(
            refused(&world, method, path, body.clone()).await,
            (status, code.into(), message),
            "{method} {path} {body}"
        );
    }
    let (status, code, _) = refused(&world, "POST", "/aliases", with("x", "1", json!({ "2": 1.5 }))).await;
    assert_eq!((status, code.as_str()), (400, "ValidationException"));
    let (status, code, _) = refused(&world, "PUT", "/aliases/prod", json!({ "RevisionId": "old" })).await;
    assert_eq!((status, code.as_str()), (412, "PreconditionFailedException"));
    // A version without an alias goes, and its number is not given again.
    assert_eq!(world.call("DELETE", &format!("{FUNCTIONS}/f?Qualifier=2"), json!(null)).await.status, 204);
    assert_eq!(refused(&world, "GET", "?Qualifier=2", json!(null)).await.0, 404);
    assert_eq!(ok(&world, "POST", "/versions", json!({})).await["Version"], "3");
}

#[tokio::test]
async fn concurrency_is_reserved_and_given_back() {
    let world = with_function().await;
    let path = "/2017-10-31/functions/f/concurrency";
    assert_eq!(world.call("GET", "/2019-09-30/functions/f/concurrency", json!(null)).await.body, json!({}));
    let set = world.call("PUT", path, json!({ "ReservedConcurrentExecutions": 3 })).await;
    assert_eq!((set.status, set.body), (200, json!({ "ReservedConcurrentExecutions": 3 })));
    let got = world.call("GET", "/2019-09-30/functions/f/concurrency", json!(null)).await;
    assert_eq!(got.body, json!({ "ReservedConcurrentExecutions": 3 }));
    assert_eq!(
        ok(&world, "GET", "", json!(null)).await["Concurrency"],
        json!({ "ReservedConcurrentExecutions": 3 })
    );
    let account = world.call("GET", "/2016-08-19/account-settings", json!(null)).await.body;
    assert_eq!(account["AccountUsage"]["FunctionCount"], 1);
    let limit = account["AccountLimit"]["ConcurrentExecutions"].as_i64().unwrap();
    assert_eq!(account["AccountLimit"]["UnreservedConcurrentExecutions"], limit - 3);
    let too_many = world.call("PUT", path, json!({ "ReservedConcurrentExecutions": limit + 1 })).await;
    assert_eq!(too_many.error().1, "InvalidParameterValueException");
    assert_eq!(world.call("DELETE", path, json!(null)).await.status, 204);
    assert_eq!(world.call("GET", "/2019-09-30/functions/f/concurrency", json!(null)).await.body, json!({}));
}
