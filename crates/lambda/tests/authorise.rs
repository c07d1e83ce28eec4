//! What a caller's policies let through: each operation's action and resource.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use bytes::Bytes;
use common::{World, create, create_with, world, zip_of};
use millstream_iam::{Caller, Kind, Policy, Principal, Roles};
use millstream_types::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

const ADA: &str = "arn:aws:iam::000000000000:user/ada";
const FUNCTION: &str = "arn:aws:lambda:us-east-1:000000000000:function:f";
const LAYER: &str = "arn:aws:lambda:us-east-1:000000000000:layer:lib";

/// A role that may do what its policy says.
#[derive(Debug)]
struct OneRole(Arc<Policy>);

impl Roles for OneRole {
    fn role(&self, account: &str, role_arn: &str) -> Option<(Principal, Vec<Arc<Policy>>)> {
        let (account, role_arn) = (account.to_owned(), role_arn.to_owned());
        let principal = Principal::Session { account, role_arn, session: "lambda".into(), id: "MROA".into() };
        Some((principal, vec![self.0.clone()]))
    }
}

fn policy(action: &str, resource: &str) -> Arc<Policy> {
    let text = json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": action, "Resource": resource}});
    Arc::new(Policy::parse(&text.to_string(), Kind::Identity).unwrap())
}

fn ada(allowed: &[(&str, &str)]) -> Caller {
    Caller {
        principal: Principal::User { account: "000000000000".into(), name: "ada".into(), id: "MIDA1".into() },
        policies: allowed.iter().map(|(action, resource)| policy(action, resource)).collect(),
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

/// The code and the text of the error, if there is one.
async fn error(world: &World, caller: &Caller, line: &str, body: Value) -> Option<(String, String)> {
    let (method, target) = line.split_once(' ').unwrap();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let body = if body.is_null() { Bytes::new() } else { body.to_string().into() };
    let answer =
        world.lambda.call_as(Some(caller), "request-1", (method, path, query), Vec::new(), body).await;
    answer.failure.map(|failure| (format!("{:?}", failure.error.code), failure.error.message))
}

/// What was not allowed, and on which resource.
async fn denied(world: &World, caller: &Caller, line: &str, body: Value) -> Option<(String, String)> {
    let (code, message) = error(world, caller, line, body).await?;
    if code != "AccessDeniedException" {
        return None;
    }
    let rest = message.strip_prefix(&format!("User: {ADA} is not authorized to perform: ")).unwrap();
    let (action, rest) = rest.split_once(" on resource: ").unwrap();
    Some((action.to_owned(), rest.split(' ').next().unwrap().to_owned()))
}

#[tokio::test]
async fn each_operation_says_its_action_and_its_resource() {
    let world = world().await;
    let nobody = ada(&[]);
    let mapping = "arn:aws:lambda:us-east-1:000000000000:event-source-mapping:u";
    for (line, body, action, resource) in [
        ("GET /2015-03-31/functions", Value::Null, "ListFunctions", "*"),
        ("POST /2015-03-31/functions", create("f"), "CreateFunction", FUNCTION),
        ("GET /2015-03-31/functions/f", Value::Null, "GetFunction", FUNCTION),
        (
            "GET /2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Af",
            Value::Null,
            "GetFunction",
            FUNCTION,
        ),
        (
            "GET /2015-03-31/functions/arn%3Aaws-cn%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Af",
            Value::Null,
            "GetFunction",
            FUNCTION,
        ),
        ("DELETE /2015-03-31/functions/f", Value::Null, "DeleteFunction", FUNCTION),
        ("POST /2015-03-31/functions/f/invocations", json!({"Role": 7}), "InvokeFunction", FUNCTION),
        (
            "POST /2015-03-31/functions/f/invocations?Qualifier=%24LATEST",
            Value::Null,
            "InvokeFunction",
            "arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST",
        ),
        ("PUT /2015-03-31/functions/f/configuration", json!({}), "UpdateFunctionConfiguration", FUNCTION),
        ("PUT /2015-03-31/functions/f/code", json!({}), "UpdateFunctionCode", FUNCTION),
        ("POST /2018-10-31/layers/lib/versions", json!({}), "PublishLayerVersion", LAYER),
        (
            "GET /2018-10-31/layers/lib/versions/3",
            Value::Null,
            "GetLayerVersion",
            "arn:aws:lambda:us-east-1:000000000000:layer:lib:3",
        ),
        (
            "GET /2018-10-31/layers?find=LayerVersion&Arn=arn%3Aaws-cn%3Alambda%3Aus-east-1%3A000000000000%3Alayer%3Alib%3A3",
            Value::Null,
            "GetLayerVersion",
            "arn:aws:lambda:us-east-1:000000000000:layer:lib:3",
        ),
        ("GET /2018-10-31/layers", Value::Null, "ListLayers", "*"),
        (
            "POST /2015-03-31/event-source-mappings",
            json!({"FunctionName": "f"}),
            "CreateEventSourceMapping",
            "*",
        ),
        ("GET /2015-03-31/event-source-mappings/u", Value::Null, "GetEventSourceMapping", mapping),
        ("DELETE /2015-03-31/event-source-mappings/u", Value::Null, "DeleteEventSourceMapping", mapping),
        ("GET /2015-03-31/functions/f/policy", Value::Null, "GetPolicy", FUNCTION),
    ] {
        let expected = Some((format!("lambda:{action}"), resource.to_owned()));
        assert_eq!(denied(&world, &nobody, line, body).await, expected, "{line}");
    }
    let unread =
        error(&world, &nobody, "POST /2015-03-31/functions", json!({"FunctionName": 7})).await.unwrap();
    assert_eq!(unread.0, "SerializationException");
}

#[tokio::test]
async fn what_a_function_uses_is_asked_for_too() {
    let world = world().await;
    let layer = json!({"Content": {"ZipFile": zip_of(&[("python/lib.py", "a = 1")])}});
    world.call("POST", "/2018-10-31/layers/lib/versions", layer).await;
    let arn = format!("{LAYER}:1");
    let with_layer = || create_with("f", json!({"Layers": [arn]}));
    let line = "POST /2015-03-31/functions";
    let mut allowed = vec![("lambda:CreateFunction", FUNCTION)];
    let role = create("f")["Role"].as_str().unwrap().to_owned();
    assert_eq!(
        denied(&world, &ada(&allowed), line, with_layer()).await,
        Some(("lambda:GetLayerVersion".into(), arn.clone()))
    );
    allowed.push(("lambda:GetLayerVersion", "*"));
    assert_eq!(
        denied(&world, &ada(&allowed), line, with_layer()).await,
        Some(("iam:PassRole".into(), role.clone()))
    );
    allowed.push(("iam:PassRole", &role));
    assert_eq!(error(&world, &ada(&allowed), line, with_layer()).await, None);
    world.settled("f").await;
    // Another role is another question.
    let update = "PUT /2015-03-31/functions/f/configuration";
    let may = ada(&[("lambda:UpdateFunctionConfiguration", "*"), ("iam:PassRole", &role)]);
    let other = json!({"Role": "arn:aws:iam::000000000000:role/admin"});
    let asked = denied(&world, &may, update, other).await.unwrap();
    assert_eq!(asked, ("iam:PassRole".to_owned(), "arn:aws:iam::000000000000:role/admin".to_owned()));
    assert_eq!(error(&world, &may, update, json!({"Description": "d"})).await, None);
}

#[tokio::test]
async fn those_of_asynchronous_invocation_too() {
    let world = world().await;
    let nobody = ada(&[]);
    for (line, body, action, resource) in [
        ("POST /2014-11-13/functions/f/invoke-async", json!({"Role": 7}), "InvokeAsync", FUNCTION),
        (
            "PUT /2019-09-25/functions/f/event-invoke-config",
            json!({}),
            "PutFunctionEventInvokeConfig",
            FUNCTION,
        ),
        (
            "POST /2019-09-25/functions/f/event-invoke-config?Qualifier=live",
            json!({}),
            "UpdateFunctionEventInvokeConfig",
            "arn:aws:lambda:us-east-1:000000000000:function:f:live",
        ),
        (
            "GET /2019-09-25/functions/f/event-invoke-config",
            Value::Null,
            "GetFunctionEventInvokeConfig",
            FUNCTION,
        ),
        (
            "DELETE /2019-09-25/functions/f/event-invoke-config",
            Value::Null,
            "DeleteFunctionEventInvokeConfig",
            FUNCTION,
        ),
        (
            "GET /2019-09-25/functions/f/event-invoke-config/list",
            Value::Null,
            "ListFunctionEventInvokeConfigs",
            FUNCTION,
        ),
    ] {
        let seen = denied(&world, &nobody, line, body).await;
        assert_eq!(seen, Some((format!("lambda:{action}"), resource.to_owned())), "{line}");
    }
}

#[tokio::test]
async fn a_mapping_is_for_a_function_whose_role_may_read() {
    let world = world().await;
    world.function("f").await;
    let stream = world.stream("s").await;
    let line = "POST /2015-03-31/event-source-mappings";
    let body = || json!({"FunctionName": "f", "EventSourceArn": stream, "StartingPosition": "LATEST"});
    // The function is a condition.
    let text = format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"lambda:*","Resource":"*","Condition":{{"ArnLike":{{"lambda:FunctionArn":"{FUNCTION}"}}}}}}}}"#
    );
    let mut caller = ada(&[]);
    caller.policies.push(Arc::new(Policy::parse(&text, Kind::Identity).unwrap()));
    assert!(denied(&world, &caller, line, json!({"FunctionName": "g"})).await.is_some());
    caller.roles = Some(Arc::new(OneRole(policy("kinesis:Get*", "*"))));
    let (code, message) = error(&world, &caller, line, body()).await.unwrap();
    assert_eq!(code, "InvalidParameterValueException");
    assert!(
        message.starts_with(&format!("Cannot access stream {stream}. Please ensure the role can")),
        "{message}"
    );
    caller.roles = Some(Arc::new(OneRole(policy("kinesis:*", &stream))));
    assert_eq!(error(&world, &caller, line, body()).await, None);
    let uuid = world.control.state().mappings.keys().next().unwrap().clone();
    let delete = format!("DELETE /2015-03-31/event-source-mappings/{uuid}");
    assert!(denied(&world, &ada(&[("lambda:*", FUNCTION)]), &delete, Value::Null).await.is_some());
    assert_eq!(error(&world, &caller, &delete, Value::Null).await, None);
}

#[tokio::test]
async fn who_is_told_is_somebody_whom_the_role_may_tell() {
    let world = world().await;
    world.function("f").await;
    world.function("g").await;
    let stream = world.stream("s").await;
    let line = "PUT /2019-09-25/functions/f/event-invoke-config";
    let queue = "arn:aws:sqs:us-east-1:000000000000:q".to_owned();
    for (arn, action, words) in [
        (queue.clone(), "sqs:SendMessage", "SendMessage on SQS"),
        ("arn:aws:sns:us-east-1:000000000000:t".into(), "sns:Publish", "Publish on SNS"),
        ("arn:aws:s3:::bucket".into(), "s3:PutObject", "PutObject on S3"),
        (
            "arn:aws:events:us-east-1:000000000000:event-bus/b".into(),
            "events:PutEvents",
            "PutEvents on EventBridge",
        ),
        (FUNCTION.replace("function:f", "function:g"), "lambda:InvokeFunction", "InvokeFunction on Lambda"),
        (stream, "kinesis:PutRecord", "PutRecord on Kinesis"),
    ] {
        let body = || json!({ "DestinationConfig": { "OnFailure": { "Destination": arn } } });
        let mut caller = ada(&[("lambda:*", "*")]);
        caller.roles = Some(Arc::new(OneRole(policy("logs:*", "*"))));
        let text = format!("The provided execution role does not have permissions to call {words}");
        let expected = Some(("InvalidParameterValueException".to_owned(), text));
        assert_eq!(error(&world, &caller, line, body()).await, expected, "{arn}");
        caller.roles = Some(Arc::new(OneRole(policy(action, "*"))));
        assert_eq!(error(&world, &caller, line, body()).await, None, "{arn}");
    }
    // The role of the request where it names one, of the function where not.
    let dead = json!({ "DeadLetterConfig": { "TargetArn": queue } });
    let mut caller = ada(&[("lambda:*", "*"), ("iam:PassRole", "*")]);
    caller.roles = Some(Arc::new(OneRole(policy("logs:*", "*"))));
    let made = error(&world, &caller, "POST /2015-03-31/functions", create_with("h", dead.clone())).await;
    assert!(made.unwrap().1.ends_with("SendMessage on SQS"));
    let line = "PUT /2015-03-31/functions/f/configuration";
    assert!(error(&world, &caller, line, dead.clone()).await.unwrap().1.ends_with("SendMessage on SQS"));
    caller.roles = Some(Arc::new(OneRole(policy("sqs:SendMessage", &queue))));
    assert_eq!(error(&world, &caller, line, dead).await, None);
}

#[tokio::test]
async fn who_may_open_a_url_to_everybody_is_a_matter_of_policy() {
    const URL: &str = "/2021-10-31/functions/f/url";
    let world = world().await;
    world.function("f").await;
    let text = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "lambda:*", "Resource": "*"},
        {"Effect": "Deny", "Action": ["lambda:*FunctionUrlConfig", "lambda:AddPermission"], "Resource": "*",
         "Condition": {"StringEquals": {"lambda:FunctionUrlAuthType": "NONE"}}},
        {"Effect": "Deny", "Action": "lambda:AddPermission", "Resource": "*",
         "Condition": {"StringEquals": {"lambda:Principal": "s3.amazonaws.com"}}},
    ]});
    let policy = Arc::new(Policy::parse(&text.to_string(), Kind::Identity).unwrap());
    let careful = Caller { policies: vec![policy], ..ada(&[]) };
    let refused = |code: Option<(String, String)>| code.map(|(code, _)| code);
    let denied = Some("AccessDeniedException".to_owned());
    let post = format!("POST {URL}");
    let (none, iam) = (json!({"AuthType": "NONE"}), json!({"AuthType": "AWS_IAM"}));
    assert_eq!(refused(error(&world, &careful, &post, none.clone()).await), denied);
    assert_eq!(error(&world, &careful, &post, iam.clone()).await, None);
    let put = format!("PUT {URL}");
    assert_eq!(refused(error(&world, &careful, &put, none.clone()).await), denied);
    assert_eq!(error(&world, &careful, &put, json!({})).await, None, "it stays AWS_IAM");
    let permission = |more: Value| {
        let mut all = json!({"StatementId": "s", "Action": "lambda:InvokeFunctionUrl", "Principal": "*"});
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        all
    };
    let add = "POST /2015-03-31/functions/f/policy";
    let open = permission(json!({"FunctionUrlAuthType": "NONE"}));
    assert_eq!(refused(error(&world, &careful, add, open).await), denied);
    let bucket = permission(json!({"Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com"}));
    assert_eq!(refused(error(&world, &careful, add, bucket).await), denied);
    let signed = permission(json!({"FunctionUrlAuthType": "AWS_IAM"}));
    assert_eq!(error(&world, &careful, add, signed).await, None);
    // What is open already is theirs to see and to close only as the policy says.
    world.call("PUT", URL, none).await;
    for line in [format!("GET {URL}"), format!("DELETE {URL}"), put] {
        let body = if line.starts_with("PUT") { json!({"InvokeMode": "BUFFERED"}) } else { Value::Null };
        assert_eq!(refused(error(&world, &careful, &line, body).await), denied, "{line}");
    }
    assert_eq!(error(&world, &careful, &format!("PUT {URL}"), iam).await, None);
}
