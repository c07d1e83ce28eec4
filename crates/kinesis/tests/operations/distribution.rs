//! Streams that distribute records by themselves.

use crate::settings::{active, summary};
use crate::{ARN, Service};
use serde_json::{Value, json};
use std::collections::BTreeMap;

async fn auto() -> Service {
    let service = Service::new().await;
    let create = json!({"StreamName": "s", "StreamModeDetails": {"StreamMode": "ON_DEMAND"},
                        "RecordDistributionStrategy": "AUTO"});
    service.call("CreateStream", create).await;
    active(&service, "s").await;
    assert_eq!(summary(&service, "s").await["RecordDistributionStrategy"], "AUTO");
    service
}

fn set(strategy: &str) -> Value {
    json!({"StreamARN": ARN, "RecordDistributionStrategy": strategy})
}

async fn all(service: &Service) -> Vec<Value> {
    let mut found = Vec::new();
    for shard in service.call("ListShards", json!({"StreamName": "s"})).await["Shards"].as_array().unwrap() {
        let from =
            json!({"StreamName": "s", "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"});
        let iterator = service.call("GetShardIterator", from).await["ShardIterator"].clone();
        let page = service.call("GetRecords", json!({"ShardIterator": iterator})).await;
        found.extend(page["Records"].as_array().unwrap().clone());
    }
    found
}

#[tokio::test]
async fn records_without_keys_are_spread_evenly() {
    let service = auto().await;
    let mut shards: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..8 {
        let placed = service.call("PutRecord", json!({"StreamName": "s", "Data": "MQ=="})).await;
        *shards.entry(placed["ShardId"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    assert_eq!(shards.values().copied().collect::<Vec<_>>(), [2; 4]);
    let records = vec![json!({"Data": "Mg=="}); 100];
    let placed = service.call("PutRecords", json!({"StreamName": "s", "Records": records})).await;
    assert_eq!(placed["FailedRecordCount"], 0);
    for record in placed["Records"].as_array().unwrap() {
        *shards.entry(record["ShardId"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    assert_eq!(shards.values().copied().collect::<Vec<_>>(), [27; 4]);
    let read = all(&service).await;
    assert_eq!(read.len(), 108);
    assert!(read.iter().all(|record| record.get("PartitionKey").is_none()), "{}", read[0]);
}

#[tokio::test]
async fn keys_are_kept_but_place_nothing() {
    let service = auto().await;
    let mut shards = std::collections::BTreeSet::new();
    for _ in 0..4 {
        let input = json!({"StreamName": "s", "Data": "MQ==", "PartitionKey": "k", "ExplicitHashKey": "0"});
        shards.insert(service.call("PutRecord", input).await["ShardId"].to_string());
    }
    assert_eq!(shards.len(), 4);
    assert!(all(&service).await.iter().all(|record| record["PartitionKey"] == "k"));
    // They are checked all the same.
    for wrong in [json!({"PartitionKey": ""}), json!({"ExplicitHashKey": "x"})] {
        let mut input = json!({"StreamName": "s", "Data": "MQ=="});
        input.as_object_mut().unwrap().extend(wrong.as_object().unwrap().clone());
        assert_eq!(service.refused("PutRecord", input).await.0, "ValidationException", "{wrong}");
    }
    let ordered =
        json!({"StreamName": "s", "Data": "MQ==", "PartitionKey": "k", "SequenceNumberForOrdering": "1"});
    let (code, message) = service.refused("PutRecord", ordered).await;
    assert_eq!(code, "InvalidArgumentException", "{message}");
}

#[tokio::test]
async fn the_strategy_changes_at_once_and_records_stay() {
    let service = Service::with_stream().await;
    let keyless = json!({"StreamName": "s", "Data": "MQ=="});
    let entries =
        json!({"StreamName": "s", "Records": [{"Data": "MQ==", "PartitionKey": "k"}, {"Data": "MQ=="}]});
    let refused = async || {
        let missing = "Value null at 'partitionKey' failed to satisfy constraint: Member must not be null";
        let expected = format!("1 validation error detected: {missing}");
        let put = service.refused("PutRecord", keyless.clone()).await;
        assert_eq!(put, ("ValidationException".to_owned(), expected.clone()));
        let puts = service.refused("PutRecords", entries.clone()).await;
        let expected = expected.replace("'partitionKey'", "'records.2.member.partitionKey'");
        assert_eq!(puts, ("ValidationException".to_owned(), expected));
    };
    refused().await;
    let (code, message) = service.refused("UpdateStreamRecordDistributionStrategy", set("AUTO")).await;
    assert_eq!(code, "InvalidArgumentException", "a provisioned stream: {message}");
    service.call("UpdateStreamRecordDistributionStrategy", set("USER_PARTITION_KEY")).await;
    assert!(summary(&service, "s").await.get("RecordDistributionStrategy").is_none());

    let mode = |mode: &str| json!({"StreamARN": ARN, "StreamModeDetails": {"StreamMode": mode}});
    service.call("UpdateStreamMode", mode("ON_DEMAND")).await;
    assert_eq!(summary(&service, "s").await["RecordDistributionStrategy"], "USER_PARTITION_KEY");
    refused().await;
    service.call("UpdateStreamRecordDistributionStrategy", set("AUTO")).await;
    service.call("PutRecord", keyless.clone()).await;
    service.call("PutRecords", entries.clone()).await;
    let (code, message) = service.refused("UpdateStreamMode", mode("PROVISIONED")).await;
    assert_eq!(code, "InvalidArgumentException", "{message}");
    service.call("UpdateStreamRecordDistributionStrategy", set("USER_PARTITION_KEY")).await;
    refused().await;
    service.call("UpdateStreamMode", mode("PROVISIONED")).await;
    let mut keys: Vec<Value> =
        all(&service).await.iter().map(|record| record["PartitionKey"].clone()).collect();
    keys.sort_by_key(Value::to_string);
    assert_eq!(keys, [json!("k"), Value::Null, Value::Null]);
}

#[tokio::test]
async fn a_strategy_is_refused_where_it_cannot_be() {
    let service = Service::with_stream().await;
    let create = json!({"StreamName": "p", "ShardCount": 1, "RecordDistributionStrategy": "AUTO"});
    assert_eq!(service.refused("CreateStream", create).await.0, "InvalidArgumentException");
    let create = json!({"StreamName": "p", "ShardCount": 1, "RecordDistributionStrategy": "RANDOM"});
    assert_eq!(service.refused("CreateStream", create).await.0, "ValidationException");
    let default =
        json!({"StreamName": "p", "ShardCount": 1, "RecordDistributionStrategy": "USER_PARTITION_KEY"});
    service.call("CreateStream", default).await;
    let operation = "UpdateStreamRecordDistributionStrategy";
    assert_eq!(service.refused(operation, set("RANDOM")).await.0, "ValidationException");
    let unknown = json!({"StreamARN": ARN.replace("/s", "/none"), "RecordDistributionStrategy": "AUTO"});
    assert_eq!(service.refused(operation, unknown).await.0, "ResourceNotFoundException");
    assert_eq!(service.refused(operation, json!({"StreamARN": ARN})).await.0, "ValidationException");
    // A missing key is told before a missing stream, as ever.
    let (code, message) = service.refused("PutRecord", json!({"StreamName": "none", "Data": "MQ=="})).await;
    assert_eq!(code, "ValidationException", "{message}");
}

#[tokio::test]
async fn records_without_keys_survive_a_reshard() {
    let service = auto().await;
    let enable = json!({"MinimumThroughputBillingCommitment": {"Status": "ENABLED"}});
    service.call("UpdateAccountSettings", enable).await;
    let mut put = 0;
    for mibps in [7, 4, 9] {
        service
            .call("UpdateStreamWarmThroughput", json!({"StreamName": "s", "WarmThroughputMiBps": mibps}))
            .await;
        // Some meet shards that are being closed.
        for _ in 0..5 {
            let records = vec![json!({"Data": "MQ=="}); 40];
            service.call("PutRecords", json!({"StreamName": "s", "Records": records})).await;
            put += 40;
        }
        active(&service, "s").await;
    }
    let read = all(&service).await;
    assert_eq!(read.len(), put);
    assert!(read.iter().all(|record| record.get("PartitionKey").is_none()));
}
