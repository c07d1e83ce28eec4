//! The table of operations against what the service answers.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use bytes::Bytes;
use millstream_api_lambda::Operation;
use millstream_shapes::ErrorName;
use serde_json::Value;

const PAGE: &str = include_str!("../../../docs/compatibility.md");
const MODEL: &str = include_str!("../../../models/lambda.json");

/// A path of the model with something in the place of each label.
fn filled(uri: &str) -> String {
    let mut out = String::new();
    let mut rest = uri;
    while let Some((before, label)) = rest.split_once('{') {
        let (name, after) = label.split_once('}').unwrap();
        out.push_str(before);
        out.push_str(if name == "VersionNumber" { "1" } else { "x" });
        rest = after;
    }
    out + rest
}

#[tokio::test]
async fn an_operation_is_supported_if_the_page_says_so() {
    let (_, lambda) = PAGE.split_once("\n## Lambda\n").unwrap();
    let model: Value = serde_json::from_str(MODEL).unwrap();
    let world = common::world().await;
    let mut seen = 0;
    for (name, operation) in model["operations"].as_object().unwrap() {
        let row = lambda.lines().find(|line| line.starts_with(&format!("| `{name}` |")));
        let row = row.unwrap_or_else(|| panic!("{name} is not in the page"));
        let (method, uri) = (&operation["http"]["method"], &operation["http"]["requestUri"]);
        let uri = filled(uri.as_str().unwrap());
        let (path, query) = uri.split_once('?').unwrap_or((&uri, ""));
        let (method, body) = (method.as_str().unwrap(), Bytes::from_static(b"{}"));
        let answer = world.lambda.call("request", method, path, query, Vec::new(), body).await;
        let asked = answer.operation.map(Operation::name);
        assert_eq!(asked, Some(name.as_str()), "{method} {uri}");
        let unknown =
            answer.failure.is_some_and(|failure| failure.error.code.name() == "UnknownOperationException");
        assert_eq!(row.ends_with("| `UnknownOperationException` |"), unknown, "{name}");
        seen += 1;
    }
    assert!(seen > 80, "{seen}");
}
