//! The table of operations against what the service answers.

use crate::Service;
use millstream_api_kinesis::Operation;
use millstream_kinesis::Answer;
use serde_json::json;

const PAGE: &str = include_str!("../../../../docs/compatibility.md");

#[tokio::test]
async fn an_operation_is_supported_if_the_page_says_so() {
    let (_, kinesis) = PAGE.split_once("\n## Kinesis Data Streams\n").unwrap();
    let (kinesis, _) = kinesis.split_once("\n## ").unwrap();
    let service = Service::with_stream().await;
    for operation in Operation::ALL {
        let name = operation.name();
        let row = kinesis.lines().find(|line| line.starts_with(&format!("| `{name}` |")));
        let row = row.unwrap_or_else(|| panic!("{name} is not in the page"));
        let unknown = match service.raw(name, json!({})).await {
            Ok(Answer::Body(_) | Answer::Events(_)) => false,
            Err((code, _)) => code == "UnknownOperationException",
        };
        assert_eq!(row.ends_with("| `UnknownOperationException` |"), unknown, "{name}");
    }
}
