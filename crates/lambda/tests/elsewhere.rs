#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
//! Functions of the package type Image: they run somewhere else.

mod common;

use async_trait::async_trait;
use bytes::Bytes;
use common::{FUNCTION_ARN, ROLE, World, still_world, zip_of};
use millstream_functions::{Elsewhere, ElsewhereError, Errand, Options, Returned, Sent};
use serde_json::{Value, json};
use std::sync::Arc;

const FUNCTIONS: &str = "/2015-03-31/functions";
const URI: &str = "http://enrich:8080/";
const WRONG: &str = "InvalidParameterValueException";

/// Knows the endpoints of one host, and does what the event says.
#[derive(Debug)]
struct OneHost;

#[async_trait]
impl Elsewhere for OneHost {
    fn check(&self, uri: &str) -> Result<(), String> {
        if uri.starts_with("http://enrich:8080/") { Ok(()) } else { Err("not there.".to_owned()) }
    }

    async fn invoke(&self, errand: Errand) -> Result<Returned, ElsewhereError> {
        let text = |text: &'static str| Bytes::from_static(text.as_bytes());
        let event = String::from_utf8(errand.payload.to_vec()).unwrap();
        let sent = match event.as_str() {
            "\"busy\"" => return Err(ElsewhereError::Busy("busy".to_owned())),
            "\"gone\"" => return Err(ElsewhereError::Failed { why: "gone".to_owned(), reached: false }),
            "\"fails\"" => Sent::Error(text(r#"{"errorType":"E","errorMessage":"m"}"#)),
            "\"slow\"" => Sent::TimedOut,
            "\"large\"" => Sent::TooLarge,
            "\"told\"" => {
                return Ok(Returned { sent: Sent::Response(text("1")), log: text("START there\nEND\n") });
            }
            _ => Sent::Response(Bytes::from(format!("\"{}\"", errand.uri))),
        };
        Ok(Returned { sent, log: Bytes::new() })
    }
}

async fn world() -> World {
    let world = still_world(Options { elsewhere: Arc::new(OneHost), ..Options::default() }).await;
    tokio::spawn(world.lambda.clone().run_lifecycle());
    world
}

fn image(name: &str, uri: &str) -> Value {
    json!({ "FunctionName": name, "Role": ROLE, "PackageType": "Image", "Code": { "ImageUri": uri } })
}

async fn active(world: &World, name: &str) {
    let mut watch = world.control.watch();
    let is_active = |state: &Arc<millstream_control::State>| {
        state.functions[name].status == millstream_control::FunctionStatus::Active
    };
    watch.wait_for(is_active).await.unwrap();
}

async fn invoked(world: &World, event: &str) -> common::Reply {
    world.call("POST", &format!("{FUNCTIONS}/enrich/invocations"), json!(event)).await
}

#[tokio::test]
async fn it_is_shown_as_a_function_of_an_image() {
    let world = world().await;
    let made = world.call("POST", FUNCTIONS, image("enrich", URI)).await;
    assert_eq!(made.status, 201, "{:?}", made.body);
    assert_eq!((&made.body["PackageType"], &made.body["CodeSize"]), (&json!("Image"), &json!(0)));
    assert_eq!(made.body["CodeSha256"].as_str().unwrap().len(), 64);
    for absent in ["Runtime", "Handler", "RuntimeVersionConfig"] {
        assert!(made.body.get(absent).is_none(), "{absent}");
    }
    active(&world, "enrich").await;
    let got = world.call("GET", &format!("{FUNCTIONS}/enrich"), json!(null)).await;
    let code = json!({ "RepositoryType": "ECR", "ImageUri": URI, "ResolvedImageUri": URI });
    assert_eq!(got.body["Code"], code);
    assert_eq!(got.body["Configuration"]["State"], "Active");
}

#[tokio::test]
async fn what_came_back_is_told_as_if_it_had_run_here() {
    let world = world().await;
    world.call("POST", FUNCTIONS, image("enrich", URI)).await;
    active(&world, "enrich").await;
    let reply = invoked(&world, "where").await;
    assert_eq!((reply.status, &reply.body), (200, &json!(URI)));
    assert_eq!(reply.header("x-amz-function-error"), None);
    for (event, kind) in
        [("fails", "E"), ("slow", "Sandbox.Timedout"), ("large", "Function.ResponseSizeTooLarge")]
    {
        let reply = invoked(&world, event).await;
        assert_eq!(reply.header("x-amz-function-error"), Some("Unhandled"), "{event}");
        assert_eq!(reply.body["errorType"], kind);
    }
    let (status, code, _) = invoked(&world, "busy").await.error();
    assert_eq!((status, code.as_str()), (429, "TooManyRequestsException"));
    let (status, code, message) = invoked(&world, "gone").await.error();
    assert_eq!((status, code.as_str()), (500, "ServiceException"));
    assert!(message.contains(URI) && message.contains("gone"), "{message}");
}

#[tokio::test]
async fn an_image_and_a_zip_are_not_mixed() {
    let world = world().await;
    let with = |members: Value| {
        let mut body = image("enrich", URI);
        body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        body
    };
    let both =
        "Please don't provide Handler or Runtime or Layer when the intended function PackageType is Image.";
    for (body, message) in [
        (
            with(json!({ "Code": {} })),
            "Please provide ImageUri when creating a function with packageType Image.",
        ),
        (with(json!({ "Runtime": "python3.12" })), both),
        (with(json!({ "Handler": "main.handler" })), both),
        (
            with(json!({ "PackageType": "Zip", "Runtime": "provided.al2023", "Handler": "h" })),
            "Please don't provide ImageUri when creating a function with packageType Zip.",
        ),
    ] {
        let reply = world.call("POST", FUNCTIONS, body).await;
        assert_eq!(reply.error(), (400, WRONG.to_owned(), message.to_owned()));
    }
    let (status, _, message) = world.call("POST", FUNCTIONS, image("enrich", "http://other/")).await.error();
    assert!(status == 400 && message.ends_with("it hands invocations on: not there."), "{message}");

    world.call("POST", FUNCTIONS, image("enrich", URI)).await;
    active(&world, "enrich").await;
    let zip = json!({ "ZipFile": zip_of(&[("bootstrap", "")]) });
    let update = |body| world.call("PUT", "/2015-03-31/functions/enrich/code", body);
    assert_eq!(
        update(zip).await.error().2,
        "Please don't provide ZipFile or S3 location when updating a function with packageType Image."
    );
    let set =
        world.call("PUT", "/2015-03-31/functions/enrich/configuration", json!({ "Handler": "h" })).await;
    assert_eq!(set.error(), (400, WRONG.to_owned(), both.to_owned()));
    let set = world.call("PUT", "/2015-03-31/functions/enrich/configuration", json!({ "Timeout": 9 })).await;
    assert_eq!((set.status, &set.body["Timeout"]), (200, &json!(9)), "{:?}", set.body);
}

#[tokio::test]
async fn each_version_keeps_its_own_place() {
    let world = world().await;
    world.call("POST", FUNCTIONS, image("enrich", URI)).await;
    active(&world, "enrich").await;
    let published = world.call("POST", &format!("{FUNCTIONS}/enrich/versions"), json!({})).await;
    assert_eq!(published.body["Version"], "1", "{:?}", published.body);
    let next = "http://enrich:8080/v2";
    let updated = world.call("PUT", &format!("{FUNCTIONS}/enrich/code"), json!({ "ImageUri": next })).await;
    assert_eq!(updated.status, 200, "{:?}", updated.body);
    let mut watch = world.control.watch();
    watch.wait_for(|state| state.functions["enrich"].code.image_uri.as_deref() == Some(next)).await.unwrap();
    assert_eq!(invoked(&world, "where").await.body, next);
    let path = format!("{FUNCTIONS}/enrich/invocations?Qualifier=1");
    let first = world.call("POST", &path, json!("where")).await;
    assert_eq!(first.body, URI);
    assert_eq!(first.header("x-amz-executed-version"), Some("1"));
    assert_eq!(published.body["FunctionArn"], format!("{FUNCTION_ARN}:enrich:1"));
}
