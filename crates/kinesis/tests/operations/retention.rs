//! IncreaseStreamRetentionPeriod and DecreaseStreamRetentionPeriod.

use crate::{ARN, Service, put};
use serde_json::{Value, json};

const HOUR: u64 = 3_600_000;

async fn change(service: &Service, way: &str, hours: i64) -> Result<(), (String, String)> {
    let operation = format!("{way}StreamRetentionPeriod");
    service.raw(&operation, json!({"StreamName": "s", "RetentionPeriodHours": hours})).await.map(drop)
}

async fn hours(service: &Service) -> Value {
    let summary = service.call("DescribeStreamSummary", json!({"StreamName": "s"})).await;
    assert_eq!(summary["StreamDescriptionSummary"]["StreamStatus"], "ACTIVE");
    summary["StreamDescriptionSummary"]["RetentionPeriodHours"].clone()
}

#[tokio::test]
async fn a_period_out_of_bounds_or_in_the_wrong_direction_is_refused() {
    let service = Service::with_stream().await;
    let cases = [
        (
            "Increase",
            23,
            "Minimum allowed retention period is 24 hours. Requested retention period (23 hours) is too short.",
        ),
        (
            "Decrease",
            -1,
            "Minimum allowed retention period is 24 hours. Requested retention period (-1 hours) is too short.",
        ),
        (
            "Increase",
            8_761,
            "Maximum allowed retention period is 8760 hours. Requested retention period (8761 hours) is too long.",
        ),
        (
            "Decrease",
            8_761,
            "Maximum allowed retention period is 8760 hours. Requested retention period (8761 hours) is too long.",
        ),
        (
            "Decrease",
            25,
            "Requested retention period (25 hours) for stream s can not be longer than existing retention period (24 hours). Use IncreaseRetentionPeriod API.",
        ),
    ];
    for (way, asked, message) in cases {
        let refused = change(&service, way, asked).await.unwrap_err();
        assert_eq!(refused, ("InvalidArgumentException".to_owned(), message.to_owned()));
    }
    change(&service, "Increase", 8_760).await.unwrap();
    assert_eq!(hours(&service).await, 8_760);
    let shorter = change(&service, "Increase", 48).await.unwrap_err();
    assert_eq!(
        shorter.1,
        "Requested retention period (48 hours) for stream s can not be shorter than existing retention period (8760 \
         hours). Use DecreaseRetentionPeriod API."
    );
    for way in ["Increase", "Decrease"] {
        change(&service, way, 8_760).await.unwrap();
    }
    let by_arn = json!({"StreamARN": ARN, "RetentionPeriodHours": 24});
    assert_eq!(service.call("DecreaseStreamRetentionPeriod", by_arn).await, Value::Null);
    assert_eq!(hours(&service).await, 24);
    let nobody = json!({"StreamName": "x", "RetentionPeriodHours": 2});
    let missing = service.refused("IncreaseStreamRetentionPeriod", nobody).await;
    assert_eq!(missing.0, "ResourceNotFoundException");
    let missing = service.refused("IncreaseStreamRetentionPeriod", json!({"StreamName": "s"})).await;
    assert!(missing.1.contains("'retentionPeriodHours'"), "{}", missing.1);
}

#[tokio::test]
async fn what_was_trimmed_is_passed_over_by_every_way_in() {
    let service = Service::with_stream().await;
    change(&service, "Increase", 48).await.unwrap();
    let old = service.call("PutRecord", put("b2xk", "0")).await;
    service.clock.advance_millis(30 * HOUR);
    service.call("PutRecord", put("bmV3", "0")).await;
    let horizon = service.iterator("TRIM_HORIZON").await;
    let both = service.call("GetRecords", json!({"ShardIterator": horizon, "Limit": 1})).await;
    assert_eq!(both["Records"][0]["Data"], "b2xk");
    change(&service, "Decrease", 24).await.unwrap();
    change(&service, "Increase", 72).await.unwrap();
    // An iterator from before stands behind the horizon.
    let mut iterators = vec![horizon, service.iterator("TRIM_HORIZON").await];
    for kind in ["AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER"] {
        let input = json!({"StreamName": "s", "ShardId": "shardId-000000000000", "ShardIteratorType": kind,
                           "StartingSequenceNumber": old["SequenceNumber"]});
        let iterator = service.call("GetShardIterator", input).await;
        iterators.push(iterator["ShardIterator"].as_str().unwrap().to_owned());
    }
    for iterator in iterators {
        let page = service.call("GetRecords", json!({"ShardIterator": iterator})).await;
        let data: Vec<_> = page["Records"].as_array().unwrap().iter().map(|record| &record["Data"]).collect();
        assert_eq!(data, ["bmV3"]);
    }
}
