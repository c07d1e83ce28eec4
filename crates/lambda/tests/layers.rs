//! The operations on layers, and layers of functions.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{NOW_TEXT, Reply, World, create_with, without, world, zip_bytes, zip_of};
use serde_json::{Value, json};

const LAYERS: &str = "/2018-10-31/layers";
const LAYER_ARN: &str = "arn:aws:lambda:us-east-1:000000000000:layer";

async fn publish(world: &World, name: &str, text: &str) -> Reply {
    let body = json!({ "Content": { "ZipFile": zip_of(&[("python/lib.py", text)]) } });
    let reply = world.call("POST", &format!("{LAYERS}/{name}/versions"), body).await;
    assert_eq!(reply.status, 201, "{:?}", reply.body);
    reply
}

#[tokio::test]
async fn a_published_version_can_be_read() {
    let world = world().await;
    let body = json!({
        "Content": { "ZipFile": zip_of(&[("python/lib.py", "a = 1")]) },
        "Description": "shared", "LicenseInfo": "MIT",
        "CompatibleRuntimes": ["python3.12"], "CompatibleArchitectures": ["x86_64"],
    });
    let made = world.call("POST", &format!("{LAYERS}/lib/versions"), body).await;
    assert_eq!(made.status, 201, "{:?}", made.body);
    let zip = zip_bytes(&[("python/lib.py", "a = 1")]);
    let content = without(made.body["Content"].clone(), &["Location", "CodeSha256"]);
    assert_eq!(content, json!({ "CodeSize": zip.len() }));
    let expected = json!({
        "LayerArn": format!("{LAYER_ARN}:lib"),
        "LayerVersionArn": format!("{LAYER_ARN}:lib:1"),
        "Description": "shared",
        "CreatedDate": NOW_TEXT,
        "Version": 1,
        "LicenseInfo": "MIT",
        "CompatibleRuntimes": ["python3.12"],
        "CompatibleArchitectures": ["x86_64"],
    });
    assert_eq!(without(made.body.clone(), &["Content"]), expected);
    let location = made.body["Content"]["Location"].as_str().unwrap();
    let key = location.rsplit('/').next().unwrap();
    assert_eq!(world.lambda.code(key).await.unwrap().unwrap(), zip);

    let got = world.call("GET", &format!("{LAYERS}/lib/versions/1"), Value::Null).await;
    let arn = format!("{LAYER_ARN}:lib:1").replace(':', "%3A");
    let by_arn = world.call("GET", &format!("{LAYERS}?find=LayerVersion&Arn={arn}"), Value::Null).await;
    assert_eq!((got.status, &got.body), (200, &made.body));
    assert_eq!((by_arn.status, &by_arn.body), (200, &made.body));
}

#[tokio::test]
async fn a_version_that_is_not_there_is_not_found() {
    let world = world().await;
    publish(&world, "lib", "a").await;
    let missing = (
        404,
        "ResourceNotFoundException".to_owned(),
        "The resource you requested does not exist.".to_owned(),
    );
    let far = "arn:aws:lambda:eu-west-1:000000000000:layer:lib:1".replace(':', "%3A");
    for path in ["/lib/versions/2", "/other/versions/1", &format!("?find=LayerVersion&Arn={far}")] {
        let reply = world.call("GET", &format!("{LAYERS}{path}"), Value::Null).await;
        assert_eq!(reply.error(), missing, "{path}");
    }
    let zero = world.call("GET", &format!("{LAYERS}/lib/versions/0"), Value::Null).await;
    let why = "Layer Version Cannot be less than 1";
    assert_eq!(zero.error(), (400, "InvalidParameterValueException".into(), why.into()));
}

#[tokio::test]
async fn a_deleted_version_is_gone_and_its_number_stays_used() {
    let world = world().await;
    publish(&world, "lib", "a = 1").await;
    for path in ["lib/versions/1", "lib/versions/1", "none/versions/7"] {
        let deleted = world.call("DELETE", &format!("{LAYERS}/{path}"), Value::Null).await;
        assert_eq!(deleted.status, 204, "{:?}", deleted.body);
    }
    let got = world.call("GET", &format!("{LAYERS}/lib/versions/1"), Value::Null).await;
    assert_eq!(got.status, 404);
    assert_eq!(publish(&world, "lib", "a = 2").await.body["Version"], 2);
}

#[tokio::test]
async fn lists_show_the_newest_first() {
    let world = world().await;
    for text in ["1", "2", "3"] {
        publish(&world, "lib", text).await;
    }
    publish(&world, "other", "x").await;
    let layers = world.call("GET", LAYERS, Value::Null).await;
    assert_eq!(layers.status, 200);
    let expected = json!({
        "LayerName": "lib",
        "LayerArn": format!("{LAYER_ARN}:lib"),
        "LatestMatchingVersion": {
            "LayerVersionArn": format!("{LAYER_ARN}:lib:3"), "Version": 3, "Description": "", "CreatedDate": NOW_TEXT,
        },
    });
    assert_eq!(layers.body["Layers"][0], expected);
    assert_eq!(layers.body["Layers"][1]["LayerName"], "other");
    let for_runtime = world.call("GET", &format!("{LAYERS}?CompatibleRuntime=python3.12"), Value::Null).await;
    assert_eq!(for_runtime.body, json!({ "Layers": [] }));

    let path = format!("{LAYERS}/lib/versions?MaxItems=2");
    let first = world.call("GET", &path, Value::Null).await.body;
    let marker = first["NextMarker"].as_str().unwrap();
    let second = world.call("GET", &format!("{path}&Marker={marker}"), Value::Null).await.body;
    let numbers = |page: &Value| -> Vec<u64> {
        page["LayerVersions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["Version"].as_u64().unwrap())
            .collect()
    };
    assert_eq!((numbers(&first), numbers(&second)), (vec![3, 2], vec![1]));
    let none = world.call("GET", &format!("{LAYERS}/nothing/versions"), Value::Null).await;
    assert_eq!((none.status, none.body), (200, json!({ "LayerVersions": [] })));
}

#[tokio::test]
async fn a_functions_layers_are_checked_and_shown() {
    let world = world().await;
    let size = publish(&world, "lib", "1").await.body["Content"]["CodeSize"].clone();
    publish(&world, "lib", "2").await;
    let arn = |name: &str| format!("{LAYER_ARN}:{name}");
    let functions = "/2015-03-31/functions";
    let made = create_with("offer", json!({ "Layers": [arn("lib:1")] }));
    let made = world.call("POST", functions, made).await;
    assert_eq!(made.status, 201, "{:?}", made.body);
    assert_eq!(made.body["Layers"], json!([{ "Arn": arn("lib:1"), "CodeSize": size }]));
    world.settled("offer").await;

    let far = "arn:aws:lambda:eu-west-1:000000000000:layer:lib:1";
    let six: Vec<String> = (1..=6).map(|number| arn(&format!("l{number}:1"))).collect();
    let cases = [
        (json!([arn("lib:1"), arn("lib:2")]), format!("Two different versions of the same layer are not allowed to be referenced in the same function. {0}:1 and {0}:2 are versions of the same layer.", arn("lib"))),
        (json!([arn("lib:9")]), format!("Layer version {} does not exist.", arn("lib:9"))),
        (json!([far]), "Layers are not in the same region as the function. Layers are expected to be in region us-east-1.".into()),
        (json!([arn("lib:0")]), "Layer Version Cannot be less than 1".into()),
        (json!(six), "Cannot reference more than 5 layers.".into()),
    ];
    for (layers, message) in cases {
        let path = format!("{functions}/offer/configuration");
        let reply = world.call("PUT", &path, json!({ "Layers": layers })).await;
        assert_eq!(reply.error(), (400, "InvalidParameterValueException".into(), message), "{layers}");
    }
    let path = format!("{functions}/offer/configuration");
    let cleared = world.call("PUT", &path, json!({ "Layers": [] })).await;
    assert_eq!((cleared.status, &cleared.body["Layers"]), (200, &Value::Null));
}

#[tokio::test]
async fn a_layer_needs_its_code_in_the_request_or_in_a_bucket_that_is_there() {
    let world = world().await;
    let body = json!({ "Content": { "S3Bucket": "bucket", "S3Key": "key" } });
    let reply = world.call("POST", &format!("{LAYERS}/lib/versions"), body).await;
    assert!(reply.error().2.contains("Give the code itself as ZipFile"), "{:?}", reply.body);
}
