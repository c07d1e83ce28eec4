//! Tags, and what else a stream can be set to.

use crate::{ARN, Service, put};
use serde_json::{Value, json};

fn numbered(count: usize) -> Value {
    (0..count).map(|number| (format!("n{number:02}"), json!("x"))).collect::<serde_json::Map<_, _>>().into()
}

#[tokio::test]
async fn a_stream_is_tagged() {
    let service = Service::with_stream().await;
    let tags = json!({"a": "1", "ü0 _.": "a", "/=+-@": "", "b": "ü0 _./=+-@"});
    assert_eq!(service.call("AddTagsToStream", json!({"StreamName": "s", "Tags": tags})).await, Value::Null);
    service.call("AddTagsToStream", json!({"StreamARN": ARN, "Tags": {"a": "2"}})).await;
    let listed = service.call("ListTagsForStream", json!({"StreamName": "s"})).await;
    let all = json!([{"Key": "/=+-@", "Value": ""}, {"Key": "a", "Value": "2"},
                     {"Key": "b", "Value": "ü0 _./=+-@"}, {"Key": "ü0 _.", "Value": "a"}]);
    assert_eq!(listed, json!({"Tags": all, "HasMoreTags": false}));
    let page = json!({"StreamName": "s", "Limit": 2, "ExclusiveStartTagKey": "/=+-@"});
    let page = service.call("ListTagsForStream", page).await;
    assert_eq!(page, json!({"Tags": [all[1], all[2]], "HasMoreTags": true}));
    assert_eq!(service.call("ListTagsForResource", json!({"ResourceARN": ARN})).await, json!({"Tags": all}));

    service.call("RemoveTagsFromStream", json!({"StreamName": "s", "TagKeys": ["a", "none", "b"]})).await;
    service.call("UntagResource", json!({"ResourceARN": ARN, "TagKeys": ["/=+-@"]})).await;
    let left = service.call("ListTagsForStream", json!({"StreamName": "s"})).await;
    assert_eq!(left["Tags"], json!([all[3]]));
}

#[tokio::test]
async fn a_consumer_is_tagged_by_its_arn() {
    let service = Service::with_stream().await;
    let register = json!({"StreamARN": ARN, "ConsumerName": "app", "Tags": {"a": "1"}});
    let registered = service.call("RegisterStreamConsumer", register).await;
    let arn = &registered["Consumer"]["ConsumerARN"];
    service.call("TagResource", json!({"ResourceARN": arn, "Tags": {"b": "2", "team:owner": "x"}})).await;
    service.call("UntagResource", json!({"ResourceARN": arn, "TagKeys": ["a", "team:owner"]})).await;
    let tags = service.call("ListTagsForResource", json!({"ResourceARN": arn})).await;
    assert_eq!(tags, json!({"Tags": [{"Key": "b", "Value": "2"}]}));
    assert_eq!(service.call("ListTagsForResource", json!({"ResourceARN": ARN})).await, json!({"Tags": []}));
    let unknown = json!({"ResourceARN": format!("{ARN}/consumer/none:1")});
    assert_eq!(service.refused("ListTagsForResource", unknown).await.0, "ResourceNotFoundException");
}

#[tokio::test]
async fn tags_are_refused_in_the_words_and_the_order_of_aws() {
    let service = Service::with_stream().await;
    let invalid = "Some tags contain invalid characters. Valid characters: Unicode letters, digits, white space, _ . / = + - % @.";
    let illegal = "Failed to add tags to stream s under account 000000000000 because some tags contained illegal characters. The \
                   allowed characters are Unicode letters, white-spaces, '_',',','/','=','+','-','@'.";
    let many = "Failed to add tags to stream s under account 000000000000 because a given stream cannot have more than 50 tags \
                associated with it.";
    let cases = [
        (json!({"a;b": "1"}), invalid),
        (json!({"a": "b\tc"}), invalid),
        (json!({"team:owner": "x"}), invalid),
        (json!({"a%": ";"}), invalid),
        (json!({"a%": "1"}), illegal),
        (numbered(51), many),
    ];
    for (tags, text) in cases {
        let refused = service.refused("AddTagsToStream", json!({"StreamName": "s", "Tags": tags})).await;
        assert_eq!(refused, ("InvalidArgumentException".to_owned(), text.to_owned()), "{tags}");
        let missing = json!({"StreamName": "none", "Tags": tags});
        assert_eq!(service.refused("AddTagsToStream", missing).await.0, "ResourceNotFoundException");
    }
    let remove = json!({"StreamName": "s", "TagKeys": ["a\nb"]});
    assert_eq!(service.refused("RemoveTagsFromStream", remove).await.1, invalid);
    service.call("AddTagsToStream", json!({"StreamName": "s", "Tags": numbered(50)})).await;
    service.call("AddTagsToStream", json!({"StreamName": "s", "Tags": numbered(50)})).await;
    let one_more = json!({"StreamName": "s", "Tags": {"other": ""}});
    assert_eq!(service.refused("AddTagsToStream", one_more).await.1, many);
    let create = json!({"StreamName": "t", "ShardCount": 1, "Tags": {"a;": ""}});
    assert_eq!(service.refused("CreateStream", create).await.1, invalid);
}

#[tokio::test]
async fn a_stream_takes_larger_records_when_it_is_told_to() {
    let service = Service::with_stream().await;
    let large = put(&"QUFB".repeat(500_000), "0");
    assert_eq!(service.refused("PutRecord", large.clone()).await.0, "ValidationException");
    service.call("UpdateMaxRecordSize", json!({"StreamARN": ARN, "MaxRecordSizeInKiB": 2_048})).await;
    service.call("PutRecord", large).await;
    let summary = service.call("DescribeStreamSummary", json!({"StreamName": "s"})).await;
    assert_eq!(summary["StreamDescriptionSummary"]["MaxRecordSizeInKiB"], 2_048);
    for kib in [1_023, 10_241] {
        let update = json!({"StreamARN": ARN, "MaxRecordSizeInKiB": kib});
        assert_eq!(service.refused("UpdateMaxRecordSize", update).await.0, "ValidationException");
    }
}

#[tokio::test]
async fn a_stream_changes_its_mode_and_limits_count_it() {
    let service = Service::with_stream().await;
    let limits = || service.call("DescribeLimits", json!({}));
    let before = json!({"ShardLimit": 20_000, "OpenShardCount": 2, "OnDemandStreamCount": 0,
                        "OnDemandStreamCountLimit": 10_000});
    assert_eq!(limits().await, before);
    let mode = |mode: &str| json!({"StreamARN": ARN, "StreamModeDetails": {"StreamMode": mode}});
    service.call("UpdateStreamMode", mode("ON_DEMAND")).await;
    let summary = service.call("DescribeStreamSummary", json!({"StreamName": "s"})).await;
    let details = &summary["StreamDescriptionSummary"]["StreamModeDetails"];
    assert_eq!(details, &json!({"StreamMode": "ON_DEMAND"}));
    assert_eq!(limits().await["OnDemandStreamCount"], 1);
    service.call("UpdateStreamMode", mode("PROVISIONED")).await;
    assert_eq!(limits().await, before);
    assert_eq!(service.refused("UpdateStreamMode", mode("OTHER")).await.0, "ValidationException");
}
