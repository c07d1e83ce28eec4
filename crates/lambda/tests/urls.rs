//! Function URLs: their configuration, and who is let through to the function.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use bytes::Bytes;
use common::{FUNCTION_ARN, NOW, World, world};
use millstream_iam::Caller;
use millstream_lambda::{UrlAnswer, UrlRequest};
use serde_json::{Value, json};

const URL: &str = "/2021-10-31/functions/f/url";
const LIST: &str = "/2021-10-31/functions/f/urls";

async fn with_alias() -> World {
    let world = world().await;
    world.function("f").await;
    world.call("POST", "/2015-03-31/functions/f/versions", json!({})).await;
    let alias = json!({"Name": "blue", "FunctionVersion": "1"});
    assert_eq!(world.call("POST", "/2015-03-31/functions/f/aliases", alias).await.status, 201);
    world
}

fn id_of(url: &Value) -> String {
    let url = url.as_str().unwrap();
    let id = url.strip_prefix("http://127.0.0.1:4567/lambda-url/").unwrap().strip_suffix('/').unwrap();
    assert!(
        id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()),
        "{id}"
    );
    id.to_owned()
}

#[tokio::test]
async fn a_url_is_made_shown_changed_and_deleted() {
    let world = with_alias().await;
    let cors = json!({"AllowOrigins": ["https://a.example"], "AllowMethods": ["GET"], "AllowHeaders": ["x-a"],
                      "ExposeHeaders": ["x-b"], "MaxAge": 60, "AllowCredentials": true});
    let made = world.call("POST", URL, json!({"AuthType": "NONE", "Cors": cors})).await;
    assert_eq!(made.status, 201);
    id_of(&made.body["FunctionUrl"]);
    assert_eq!(made.body["FunctionArn"], format!("{FUNCTION_ARN}:f"));
    assert_eq!((&made.body["AuthType"], made.body.get("InvokeMode")), (&json!("NONE"), None));
    assert_eq!((&made.body["Cors"], &made.body["CreationTime"]), (&cors, &json!("2023-11-14T22:13:20.123Z")));
    let got = world.call("GET", URL, Value::Null).await;
    assert_eq!((got.status, &got.body["FunctionUrl"]), (200, &made.body["FunctionUrl"]));
    assert_eq!(got.body["LastModifiedTime"], got.body["CreationTime"]);
    let changed = world.call("PUT", URL, json!({"AuthType": "AWS_IAM"})).await;
    assert_eq!(
        (changed.status, &changed.body["AuthType"], &changed.body["Cors"]),
        (200, &json!("AWS_IAM"), &cors)
    );
    let streams = world.call("PUT", URL, json!({"InvokeMode": "RESPONSE_STREAM"})).await;
    assert_eq!((streams.status, &streams.body["InvokeMode"]), (200, &json!("RESPONSE_STREAM")));
    let changed = world.call("PUT", URL, json!({"InvokeMode": "BUFFERED"})).await;
    assert_eq!((changed.status, &changed.body["InvokeMode"]), (200, &json!("BUFFERED")));
    let changed = world.call("PUT", URL, json!({"Cors": {}})).await;
    assert_eq!(changed.body["InvokeMode"], "BUFFERED", "what is not named stays");
    assert_eq!((&changed.body["AuthType"], &changed.body["Cors"]), (&json!("AWS_IAM"), &json!({})));
    let text = format!(
        "Failed to create function url config for [functionArn = {FUNCTION_ARN}:f]. Error message:  FunctionUrlConfig \
         exists for this Lambda function"
    );
    let again = world.call("POST", URL, json!({"AuthType": "NONE"})).await;
    assert_eq!(again.error(), (409, "ResourceConflictException".into(), text));
    let deleted = world.call("DELETE", URL, Value::Null).await;
    assert_eq!((deleted.status, deleted.body), (204, Value::Null));
    for (method, body) in
        [("GET", Value::Null), ("DELETE", Value::Null), ("PUT", json!({"AuthType": "NONE"}))]
    {
        let gone = world.call(method, URL, body).await;
        let text = "The resource you requested does not exist.";
        assert_eq!(gone.error(), (404, "ResourceNotFoundException".into(), text.into()), "{method}");
    }
}

#[tokio::test]
async fn an_alias_has_a_url_of_its_own() {
    let world = with_alias().await;
    let own = world.call("POST", URL, json!({"AuthType": "NONE"})).await;
    let alias = world.call("POST", &format!("{URL}?Qualifier=blue"), json!({"AuthType": "AWS_IAM"})).await;
    assert_eq!(alias.body["FunctionArn"], format!("{FUNCTION_ARN}:f:blue"));
    assert_ne!(id_of(&own.body["FunctionUrl"]), id_of(&alias.body["FunctionUrl"]));
    let list = world.call("GET", LIST, Value::Null).await.body;
    let arns: Vec<_> =
        list["FunctionUrlConfigs"].as_array().unwrap().iter().map(|url| url["FunctionArn"].clone()).collect();
    assert_eq!(arns, [json!(format!("{FUNCTION_ARN}:f")), json!(format!("{FUNCTION_ARN}:f:blue"))]);
    let page = world.call("GET", &format!("{LIST}?MaxItems=1"), Value::Null).await.body;
    let marker = page["NextMarker"].as_str().unwrap();
    let rest = world.call("GET", &format!("{LIST}?Marker={marker}"), Value::Null).await.body;
    assert_eq!(rest["FunctionUrlConfigs"][0]["FunctionArn"], arns[1]);
    world.call("DELETE", "/2015-03-31/functions/f/aliases/blue", Value::Null).await;
    let list = world.call("GET", LIST, Value::Null).await.body;
    assert_eq!(list["FunctionUrlConfigs"].as_array().unwrap().len(), 1, "it went with its alias");
}

#[tokio::test]
async fn what_cannot_be_is_refused() {
    let world = with_alias().await;
    let asked = json!({"AuthType": "NONE"});
    for target in [URL.replace("/f/", "/g/"), format!("{URL}?Qualifier=green")] {
        let missing = world.call("POST", &target, asked.clone()).await.error();
        assert_eq!(
            missing,
            (404, "ResourceNotFoundException".into(), "Function does not exist".into()),
            "{target}"
        );
    }
    let mode = world.call("POST", URL, json!({"AuthType": "NONE", "InvokeMode": "UNKNOWN"})).await;
    let text = "1 validation error detected: Value 'UNKNOWN' at 'invokeMode' failed to satisfy constraint: Member must satisfy \
                enum value set: [RESPONSE_STREAM, BUFFERED]";
    assert_eq!(mode.error(), (400, "ValidationException".into(), text.into()));
    assert_eq!(world.call("GET", URL, Value::Null).await.status, 404, "nothing was made");
    for qualifier in ["1", "%24LATEST"] {
        let target = format!("{URL}?Qualifier={qualifier}");
        let refused = world.call("POST", &target, asked.clone()).await.error();
        assert_eq!(refused.1, "ValidationException", "a URL is for an alias: {qualifier}");
    }
    for body in
        [json!({}), json!({"AuthType": "SOME"}), json!({"AuthType": "NONE", "Cors": {"MaxAge": 90_000}})]
    {
        assert_eq!(world.call("POST", URL, body.clone()).await.error().1, "ValidationException", "{body}");
    }
}

async fn called(world: &World, id: &str, caller: Option<&Caller>, headers: &[(&str, &str)]) -> UrlAnswer {
    let target = world.lambda.function_url_target(id).unwrap();
    let request = UrlRequest {
        request_id: "request-1",
        method: "GET",
        path: "/",
        query: "",
        headers,
        protocol: "HTTP/1.1",
        host: "127.0.0.1:4567",
        source_ip: None,
        secure: false,
        now: NOW,
    };
    world.lambda.call_url(&target, caller, request, &Bytes::new()).await
}

#[tokio::test]
async fn without_both_permissions_nobody_gets_through() {
    let world = with_alias().await;
    let made = world.call("POST", URL, json!({"AuthType": "NONE"})).await;
    let id = id_of(&made.body["FunctionUrl"]);
    let anybody = Caller::anonymous("us-east-1".into(), None, false, NOW);
    let forbidden = Bytes::from_static(
        b"{\"Message\":\"Forbidden. For troubleshooting Function URL authorization issues, see: \
          https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html\"}",
    );
    let policy = "/2015-03-31/functions/f/policy";
    let permissions = [
        json!({"StatementId": "url", "Action": "lambda:InvokeFunctionUrl", "Principal": "*", "FunctionUrlAuthType": "NONE"}),
        json!({"StatementId": "via", "Action": "lambda:InvokeFunction", "Principal": "*", "InvokedViaFunctionUrl": true}),
    ];
    for permission in permissions {
        let answer = called(&world, &id, Some(&anybody), &[]).await;
        assert_eq!((answer.status, answer.body), (403, forbidden.clone()));
        assert_eq!(world.call("POST", policy, permission).await.status, 201);
    }
    // Here no function runs, so this is as far as it gets.
    assert_eq!(called(&world, &id, Some(&anybody), &[]).await.status, 502);
    // What lets in everybody at a URL without signatures does not at one with.
    world.call("PUT", URL, json!({"AuthType": "AWS_IAM"})).await;
    assert_eq!(called(&world, &id, Some(&anybody), &[]).await.status, 403);
    assert!(world.lambda.function_url_target("abcdefghijklmnopqrstuvwxyz012345").is_none());
}

#[tokio::test]
async fn a_url_outlives_a_restart() {
    let world = with_alias().await;
    let made = world.call("POST", URL, json!({"AuthType": "NONE"})).await;
    let id = id_of(&made.body["FunctionUrl"]);
    assert!(world.restarted().await.function_url_target(&id).is_some());
    world.call("DELETE", URL, Value::Null).await;
    assert!(world.lambda.function_url_target(&id).is_none());
}

#[tokio::test]
async fn pages_learn_from_every_answer_whether_they_may_read_it() {
    let world = with_alias().await;
    let cors = json!({"AllowOrigins": ["https://a.example"], "AllowMethods": ["*"]});
    let made = world.call("POST", URL, json!({"AuthType": "NONE", "Cors": cors})).await;
    let id = id_of(&made.body["FunctionUrl"]);
    let answer = called(&world, &id, None, &[("origin", "https://a.example")]).await;
    let allowed = ("access-control-allow-origin".to_owned(), "https://a.example".to_owned());
    assert!(answer.headers.contains(&allowed), "{:?}", answer.headers);
    let answer = called(&world, &id, None, &[("origin", "https://b.example")]).await;
    assert!(!answer.headers.iter().any(|(name, _)| name.starts_with("access-control")));
}
