//! Resource policies: statements and documents, what is refused, and whom they let in.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{FUNCTION_ARN, Reply, World, world, zip_of};
use millstream_iam::{Caller, Principal};
use millstream_types::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const POLICY: &str = "/2015-03-31/functions/f/policy";
const LAYER_POLICY: &str = "/2018-10-31/layers/lib/versions/1/policy";

fn permission(sid: &str) -> Value {
    json!({"StatementId": sid, "Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com"})
}

fn with(mut value: Value, more: Value) -> Value {
    if let Value::Object(more) = more {
        value.as_object_mut().unwrap().extend(more);
    }
    value
}

fn json_in(reply: &Reply, member: &str) -> Value {
    assert!(reply.status < 300, "{:?}", reply.body);
    serde_json::from_str(reply.body[member].as_str().unwrap()).unwrap()
}

async fn with_function() -> World {
    let world = world().await;
    world.function("f").await;
    world
}

async fn with_layer() -> World {
    let world = world().await;
    let layer = json!({"Content": {"ZipFile": zip_of(&[("python/lib.py", "a = 1")])}});
    assert_eq!(world.call("POST", "/2018-10-31/layers/lib/versions", layer).await.status, 201);
    world
}

#[tokio::test]
async fn a_statement_is_written_as_on_aws() {
    let world = with_function().await;
    let arn = format!("{FUNCTION_ARN}:f");
    let asked = with(
        permission("s3"),
        json!({"SourceArn": "arn:aws:s3:::bucket", "SourceAccount": "111122223333", "PrincipalOrgID": "o-1234567890",
               "EventSourceToken": "t"}),
    );
    let made = world.call("POST", POLICY, asked).await;
    assert_eq!(made.status, 201);
    let text = made.body["Statement"].as_str().unwrap();
    assert!(
        text.starts_with(
            r#"{"Sid":"s3","Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Action":"#
        )
    );
    let statement = json!({
        "Sid": "s3", "Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "lambda:InvokeFunction", "Resource": arn,
        "Condition": {
            "StringEquals": {"AWS:SourceAccount": "111122223333", "lambda:EventSourceToken": "t",
                             "aws:PrincipalOrgID": "o-1234567890"},
            "ArnLike": {"AWS:SourceArn": "arn:aws:s3:::bucket"},
        },
    });
    assert_eq!(json_in(&made, "Statement"), statement);
    let got = world.call("GET", POLICY, Value::Null).await;
    assert_eq!(
        json_in(&got, "Policy"),
        json!({"Version": "2012-10-17", "Id": "default", "Statement": [statement]})
    );
    assert_eq!(got.body["RevisionId"].as_str().unwrap().len(), 36);
}

#[tokio::test]
async fn principals_take_the_forms_that_policies_have() {
    let world = with_function().await;
    let user = "arn:aws:iam::111122223333:user/ada";
    for (n, (asked, written)) in [
        ("111122223333", json!({"AWS": "arn:aws:iam::111122223333:root"})),
        (user, json!({"AWS": user})),
        ("*", json!("*")),
        ("alexa-appkit.amazon.com", json!({"Service": "alexa-appkit.amazon.com"})),
    ]
    .into_iter()
    .enumerate()
    {
        let asked = with(permission(&format!("s{n}")), json!({"Principal": asked}));
        let made = world.call("POST", POLICY, asked).await;
        assert_eq!(json_in(&made, "Statement")["Principal"], written);
    }
    let refused = world.call("POST", POLICY, with(permission("x"), json!({"Principal": "nobody"}))).await;
    let text = "The provided principal was invalid. Please check the principal and try again.";
    assert_eq!(refused.error(), (400, "InvalidParameterValueException".into(), text.into()));
}

#[tokio::test]
async fn conditions_of_urls_belong_to_their_actions() {
    let world = with_function().await;
    let url = json!({"Action": "lambda:InvokeFunctionUrl", "Principal": "*", "FunctionUrlAuthType": "NONE"});
    let made = world.call("POST", POLICY, with(permission("url"), url)).await;
    let condition = json!({"StringEquals": {"lambda:FunctionUrlAuthType": "NONE"}});
    assert_eq!(json_in(&made, "Statement")["Condition"], condition);
    let via = json!({"Principal": "*", "InvokedViaFunctionUrl": true});
    let made = world.call("POST", POLICY, with(permission("via"), via)).await;
    let condition = json!({"Bool": {"lambda:InvokedViaFunctionUrl": "true"}});
    assert_eq!(json_in(&made, "Statement")["Condition"], condition);
    for (more, text) in [
        (
            json!({"FunctionUrlAuthType": "NONE"}),
            "FunctionUrlAuthType is only supported for lambda:InvokeFunctionUrl action",
        ),
        (
            json!({"Action": "lambda:InvokeFunctionUrl", "InvokedViaFunctionUrl": true}),
            "InvokedViaFunctionUrl is only supported for lambda:InvokeFunction action",
        ),
    ] {
        let refused = world.call("POST", POLICY, with(permission("x"), more)).await;
        assert_eq!(refused.error(), (400, "InvalidParameterValueException".into(), text.into()));
    }
}

#[tokio::test]
async fn what_is_not_there_or_there_already_is_refused() {
    let world = with_function().await;
    let not_found = |text: &str| (404, "ResourceNotFoundException".to_owned(), text.to_owned());
    let none = world.call("GET", POLICY, Value::Null).await;
    assert_eq!(none.error(), not_found("The resource you requested does not exist."));
    let none = world.call("DELETE", &format!("{POLICY}/s"), Value::Null).await;
    assert_eq!(none.error(), not_found("No policy is associated with the given resource."));
    world.call("POST", POLICY, permission("s")).await;
    let other = world.call("DELETE", &format!("{POLICY}/other"), Value::Null).await;
    assert_eq!(other.error(), not_found("Statement other is not found in resource policy."));
    let text = "The statement id (s) provided already exists. Please provide a new statement id, or remove the existing \
                statement.";
    let again = world.call("POST", POLICY, permission("s")).await;
    assert_eq!(again.error(), (409, "ResourceConflictException".into(), text.into()));
    let latest = world.call("POST", &format!("{POLICY}?Qualifier=%24LATEST"), permission("l")).await;
    let text = "We currently do not support adding policies for $LATEST.";
    assert_eq!(latest.error(), (400, "InvalidParameterValueException".into(), text.into()));
    let alias = world.call("POST", &format!("{POLICY}?Qualifier=blue"), permission("l")).await;
    assert_eq!(alias.error(), not_found(&format!("Cannot find alias arn: {FUNCTION_ARN}:f:blue")));
    let version = world.call("POST", &format!("{POLICY}?Qualifier=7"), permission("l")).await;
    assert_eq!(version.error(), not_found(&format!("Function not found: {FUNCTION_ARN}:f:7")));
    let function = world.call("POST", "/2015-03-31/functions/g/policy", permission("l")).await;
    assert_eq!(function.error().0, 404);
    for (member, value) in
        [("StatementId", json!("no blanks")), ("Action", json!("s3:Get")), ("SourceAccount", json!("1"))]
    {
        let bad = world.call("POST", POLICY, with(permission("x"), json!({member: value}))).await;
        assert_eq!(bad.error().1, "ValidationException", "{member}");
    }
    let removed = world.call("DELETE", &format!("{POLICY}/s"), Value::Null).await;
    assert_eq!((removed.status, removed.body), (204, Value::Null));
    assert_eq!(world.call("GET", POLICY, Value::Null).await.status, 404);
}

#[tokio::test]
async fn a_revision_is_a_condition() {
    let world = with_function().await;
    let function = world.call("GET", "/2015-03-31/functions/f/configuration", Value::Null).await;
    let text = "The Revision Id provided does not match the latest Revision Id. Call the GetPolicy API to retrieve the \
                latest Revision Id";
    let changed = (412, "PreconditionFailedException".to_owned(), text.to_owned());
    let with_revision = |sid: &str, revision: &Value| with(permission(sid), json!({"RevisionId": revision}));
    let wrong = world.call("POST", POLICY, with_revision("a", &json!("wrong"))).await;
    assert_eq!(wrong.error(), changed);
    let first = world.call("POST", POLICY, with_revision("a", &function.body["RevisionId"])).await;
    assert_eq!(first.status, 201);
    let read = world.call("GET", POLICY, Value::Null).await.body["RevisionId"].clone();
    assert_eq!(world.call("POST", POLICY, with_revision("b", &read)).await.status, 201);
    assert_eq!(world.call("POST", POLICY, with_revision("c", &read)).await.error(), changed);
    let stale = format!("{POLICY}/a?RevisionId={}", read.as_str().unwrap());
    assert_eq!(world.call("DELETE", &stale, Value::Null).await.error(), changed);
}

#[tokio::test]
async fn a_policy_has_at_most_20_kib() {
    let world = with_function().await;
    let mut refused = None;
    for n in 0..80 {
        let source = format!("arn:aws:s3:::{}", "b".repeat(200));
        let asked = with(permission(&format!("statement-{n}")), json!({"SourceArn": source}));
        let reply = world.call("POST", POLICY, asked).await;
        if reply.status != 201 {
            refused = Some(reply.error());
            break;
        }
    }
    let (status, code, text) = refused.unwrap();
    assert_eq!((status, code.as_str()), (400, "PolicyLengthExceededException"));
    assert!(text.ends_with("is bigger than the limit (20480)."), "{text}");
    assert!(world.call("GET", POLICY, Value::Null).await.body["Policy"].as_str().unwrap().len() <= 20_480);
}

#[tokio::test]
async fn versions_and_aliases_have_their_own_policies_and_take_them_along() {
    let world = with_function().await;
    world.call("POST", "/2015-03-31/functions/f/versions", json!({})).await;
    let alias = json!({"Name": "blue", "FunctionVersion": "1"});
    world.call("POST", "/2015-03-31/functions/f/aliases", alias.clone()).await;
    for qualifier in ["1", "blue"] {
        let target = format!("{POLICY}?Qualifier={qualifier}");
        let made = world.call("POST", &target, permission("s")).await;
        assert_eq!(json_in(&made, "Statement")["Resource"], format!("{FUNCTION_ARN}:f:{qualifier}"));
        assert_eq!(world.call("GET", &target, Value::Null).await.status, 200);
    }
    assert_eq!(world.call("GET", POLICY, Value::Null).await.status, 404);
    world.call("DELETE", "/2015-03-31/functions/f/aliases/blue", Value::Null).await;
    world.call("POST", "/2015-03-31/functions/f/aliases", alias).await;
    let anew = world.call("GET", &format!("{POLICY}?Qualifier=blue"), Value::Null).await;
    assert_eq!(anew.error().0, 404, "a new alias has not the old one's policy");
}

#[tokio::test]
async fn a_document_can_be_put_whole() {
    let world = with_function().await;
    let arn = format!("{FUNCTION_ARN}:f");
    let target = format!("/2026-07-09/resource-policy/{}", arn.replace(':', "%3A"));
    let none = world.call("DELETE", &target, Value::Null).await;
    assert_eq!(none.error().2, "No policy is associated with the given resource.");
    let text =
        json!({"Version": "2012-10-17", "Statement": {"Sid": "own", "Effect": "Deny", "Principal": "*",
        "Action": ["lambda:InvokeFunction"], "Resource": arn}})
        .to_string();
    let put = world.call("PUT", &target, json!({"Policy": text})).await;
    assert_eq!((put.status, &put.body["Policy"]), (200, &json!(text)));
    let got = world.call("GET", &target, Value::Null).await;
    assert_eq!(got.body, put.body);
    // Statements are added to it, and taken from it.
    assert_eq!(world.call("POST", POLICY, permission("more")).await.status, 201);
    let both = json_in(&world.call("GET", POLICY, Value::Null).await, "Policy");
    assert_eq!((&both["Statement"][0]["Sid"], &both["Statement"][1]["Sid"]), (&json!("own"), &json!("more")));
    let stale = json!({"Policy": text, "RevisionId": put.body["RevisionId"]});
    assert_eq!(world.call("PUT", &target, stale).await.error().0, 412);
    for (bad, why) in [
        ("{", "The policy is not JSON"),
        (
            r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"*"}}"#,
            "s3:* is not an action of Lambda.",
        ),
        (
            r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"lambda:*","Resource":"arn:aws:lambda:us-east-1:000000000000:function:g"}}"#,
            "is not the resource that it is attached to",
        ),
    ] {
        let (status, code, text) = world.call("PUT", &target, json!({"Policy": bad})).await.error();
        assert_eq!((status, code.as_str()), (400, "InvalidParameterValueException"));
        assert!(text.contains(why), "{text}");
    }
    assert_eq!(world.call("DELETE", &target, Value::Null).await.status, 204);
    assert_eq!(world.call("GET", &target, Value::Null).await.status, 404);
}

#[tokio::test]
async fn layer_versions_have_policies_too() {
    let world = with_layer().await;
    let asked = |sid: &str| json!({"StatementId": sid, "Action": "lambda:GetLayerVersion", "Principal": "*"});
    let arn = "arn:aws:lambda:us-east-1:000000000000:layer:lib:1";
    let none = world.call("GET", LAYER_POLICY, Value::Null).await;
    assert_eq!(none.error().2, "No policy is associated with the given resource.");
    let org = with(asked("s"), json!({"OrganizationId": "o-1234567890"}));
    let made = world.call("POST", LAYER_POLICY, org).await;
    assert_eq!(made.status, 201);
    let statement = json!({"Sid": "s", "Effect": "Allow", "Principal": "*", "Action": "lambda:GetLayerVersion",
        "Resource": arn, "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1234567890"}}});
    assert_eq!(json_in(&made, "Statement"), statement);
    let got = world.call("GET", LAYER_POLICY, Value::Null).await;
    assert_eq!(got.body["RevisionId"], made.body["RevisionId"]);
    assert_eq!(json_in(&got, "Policy")["Statement"], json!([statement]));
    assert_eq!(world.call("POST", LAYER_POLICY, asked("s")).await.error().1, "ResourceConflictException");
    let stale = world.call("POST", &format!("{LAYER_POLICY}?RevisionId=x"), asked("t")).await;
    let text = "The Revision Id provided does not match the latest Revision Id. Call the GetLayerPolicy API to retrieve \
                the latest Revision Id";
    assert_eq!(stale.error(), (412, "PreconditionFailedException".into(), text.into()));
    let other = world.call("DELETE", &format!("{LAYER_POLICY}/x"), Value::Null).await;
    assert_eq!(other.error().2, "Statement x is not found in resource policy.");
    let missing = world.call("POST", &LAYER_POLICY.replace("/1/", "/9/"), asked("s")).await;
    let text = "Layer version arn:aws:lambda:us-east-1:000000000000:layer:lib:9 does not exist.";
    assert_eq!(missing.error(), (404, "ResourceNotFoundException".into(), text.into()));
    let wrong =
        world.call("POST", LAYER_POLICY, with(asked("x"), json!({"Action": "lambda:GetLayer"}))).await;
    assert_eq!(wrong.error().1, "ValidationException");
    assert_eq!(world.call("DELETE", &format!("{LAYER_POLICY}/s"), Value::Null).await.status, 204);
    assert_eq!(world.call("GET", LAYER_POLICY, Value::Null).await.status, 404);
}

/// A user of the server's own account without any policy of its own.
fn ada() -> Caller {
    Caller {
        principal: Principal::User { account: "000000000000".into(), name: "ada".into(), id: "MIDA1".into() },
        policies: Vec::new(),
        tags: BTreeMap::new(),
        region: "us-east-1".into(),
        source_ip: None,
        secure: false,
        user_agent: None,
        source_function: None,
        now: Timestamp::from_millis(1_700_000_000_000),
        roles: None,
    }
}

async fn is_let_in(world: &World, line: (&str, &str, &str)) -> bool {
    let answer = world.lambda.call_as(Some(&ada()), "request-1", line, Vec::new(), bytes::Bytes::new()).await;
    answer.failure.is_none_or(|failure| format!("{:?}", failure.error.code) != "AccessDeniedException")
}

#[tokio::test]
async fn a_policy_lets_in_whom_it_names_and_nobody_else() {
    let world = with_function().await;
    world.call("POST", "/2015-03-31/functions/f/versions", json!({})).await;
    let get = ("GET", "/2015-03-31/functions/f/configuration", "");
    assert!(!is_let_in(&world, get).await);
    let asked = |sid: &str, principal: &str| {
        with(permission(sid), json!({"Action": "lambda:GetFunctionConfiguration", "Principal": principal}))
    };
    world.call("POST", POLICY, asked("other", "arn:aws:iam::000000000000:user/eve")).await;
    // The account leaves it to its own policies, and ada has none.
    world.call("POST", POLICY, asked("account", "000000000000")).await;
    assert!(!is_let_in(&world, get).await);
    world.call("POST", POLICY, asked("ada", "arn:aws:iam::000000000000:user/ada")).await;
    assert!(is_let_in(&world, get).await);
    assert!(!is_let_in(&world, ("GET", "/2015-03-31/functions/f/configuration", "Qualifier=1")).await);
    assert!(!is_let_in(&world, ("DELETE", "/2015-03-31/functions/f", "")).await);
    world.call("DELETE", &format!("{POLICY}/ada"), Value::Null).await;
    assert!(!is_let_in(&world, get).await);
    let world = with_layer().await;
    let get = ("GET", "/2018-10-31/layers/lib/versions/1", "");
    assert!(!is_let_in(&world, get).await);
    let asked = json!({"StatementId": "s", "Action": "lambda:GetLayerVersion", "Principal": "*"});
    world.call("POST", LAYER_POLICY, asked).await;
    assert!(is_let_in(&world, get).await);
}
