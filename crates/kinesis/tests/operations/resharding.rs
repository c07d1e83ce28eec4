//! SplitShard, MergeShards, UpdateShardCount, and what the operations that read show of them.

use crate::{HALF, Service, put};
use futures_util::StreamExt;
use millstream_control::StreamStatus;
use millstream_kinesis::Answer;
use millstream_wire::event_stream;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const QUARTER: &str = "85070591730234615865843651857942052864";
const HOUR: u64 = 3_600_000;

fn id(number: u64) -> String {
    format!("shardId-{number:012}")
}

impl Service {
    /// Have a stream resharded and wait for it.
    async fn reshard(&self, operation: &str, input: Value) -> Value {
        let answer = self.call(operation, input).await;
        self.settled().await;
        answer
    }

    async fn settled(&self) {
        let active = |state: &Arc<millstream_control::State>| {
            state.streams.get("s").is_some_and(|stream| stream.status == StreamStatus::Active)
        };
        self.engine.control().watch().wait_for(active).await.unwrap();
    }

    async fn split(&self, shard: u64, key: &str) {
        let input = json!({"StreamName": "s", "ShardToSplit": id(shard), "NewStartingHashKey": key});
        self.reshard("SplitShard", input).await;
    }

    async fn merge(&self, shard: u64, adjacent: u64) {
        let (shard, adjacent) = (id(shard), id(adjacent));
        let input = json!({"StreamName": "s", "ShardToMerge": shard, "AdjacentShardToMerge": adjacent});
        self.reshard("MergeShards", input).await;
    }

    /// The numbers of the shards that a listing shows, read page by page.
    async fn list(&self, filter: Value) -> Vec<Value> {
        let mut input = json!({"StreamName": "s", "MaxResults": 2});
        if !filter.is_null() {
            input["ShardFilter"] = filter;
        }
        let mut shards = Vec::new();
        loop {
            let page = self.call("ListShards", input).await;
            shards.extend(page["Shards"].as_array().unwrap().iter().cloned());
            match page.get("NextToken") {
                Some(token) => input = json!({"NextToken": token, "MaxResults": 2}),
                None => return shards,
            }
        }
    }

    async fn ids(&self, filter: Value) -> Vec<u64> {
        let shards = self.list(filter).await;
        shards.iter().map(|shard| shard["ShardId"].as_str().unwrap()[8..].parse().unwrap()).collect()
    }

    async fn read(&self, shard: u64, kind: &str) -> Value {
        let input = json!({"StreamName": "s", "ShardId": id(shard), "ShardIteratorType": kind});
        let iterator = self.call("GetShardIterator", input).await;
        self.call("GetRecords", json!({"ShardIterator": iterator["ShardIterator"]})).await
    }

    fn time(&self) -> f64 {
        let millis = u32::try_from(self.engine.now().millis() % 1_000).unwrap();
        let secs = u32::try_from(self.engine.now().secs()).unwrap();
        f64::from(secs) + f64::from(millis) / 1_000.0
    }
}

#[tokio::test]
async fn a_shard_is_split_and_read_to_its_end() {
    let service = Service::with_stream().await;
    let before = service.iterator("TRIM_HORIZON").await;
    service.call("PutRecord", put("YQ==", "0")).await;
    service.split(0, QUARTER).await;
    let late = service.call("PutRecord", put("Yg==", "0")).await;
    assert_eq!(late["ShardId"], id(2));
    // An iterator from before the split, one at the end, and a limit that leaves nothing over.
    for page in [
        service.call("GetRecords", json!({"ShardIterator": before, "Limit": 1})).await,
        service.read(0, "TRIM_HORIZON").await,
        service.read(0, "LATEST").await,
    ] {
        assert!(page.get("NextShardIterator").is_none());
        assert_eq!(page["MillisBehindLatest"], 0);
        let child = |number, start: &str, end: &str| {
            json!({"ShardId": id(number), "ParentShards": [id(0)],
                   "HashKeyRange": {"StartingHashKey": start, "EndingHashKey": end}})
        };
        let children = [
            child(2, "0", "85070591730234615865843651857942052863"),
            child(3, QUARTER, "170141183460469231731687303715884105727"),
        ];
        assert_eq!(page["ChildShards"], json!(children));
    }
    let open = service.read(2, "TRIM_HORIZON").await;
    assert!(open.get("ChildShards").is_none() && open.get("NextShardIterator").is_some());
    assert_eq!(open["Records"][0]["SequenceNumber"], late["SequenceNumber"]);
    let described = service.call("DescribeStream", json!({"StreamName": "s"})).await;
    let shards = described["StreamDescription"]["Shards"].as_array().unwrap();
    assert_eq!(shards.len(), 4);
    let ending = shards[0]["SequenceNumberRange"]["EndingSequenceNumber"].as_str().unwrap();
    assert!(ending < late["SequenceNumber"].as_str().unwrap());
    assert!(shards[1]["SequenceNumberRange"].get("EndingSequenceNumber").is_none());
    assert_eq!((&shards[2]["ParentShardId"], shards[2].get("AdjacentParentShardId")), (&json!(id(0)), None));
    let summary = service.call("DescribeStreamSummary", json!({"StreamName": "s"})).await;
    assert_eq!(summary["StreamDescriptionSummary"]["OpenShardCount"], 3);
}

#[tokio::test]
async fn shards_are_merged() {
    let service = Service::with_stream().await;
    service.merge(0, 1).await;
    let page = service.read(1, "TRIM_HORIZON").await;
    assert_eq!(page["ChildShards"][0]["ParentShards"], json!([id(0), id(1)]));
    let shards = service.list(Value::Null).await;
    assert_eq!(
        (&shards[2]["ParentShardId"], &shards[2]["AdjacentParentShardId"]),
        (&json!(id(0)), &json!(id(1)))
    );
    assert_eq!(service.call("PutRecord", put("YQ==", HALF)).await["ShardId"], id(2));
}

#[tokio::test]
async fn the_shard_count_is_updated() {
    let service = Service::with_stream().await;
    let update =
        |count| json!({"StreamName": "s", "TargetShardCount": count, "ScalingType": "UNIFORM_SCALING"});
    let answer = service.reshard("UpdateShardCount", update(3)).await;
    assert_eq!((&answer["CurrentShardCount"], &answer["TargetShardCount"]), (&json!(2), &json!(3)));
    assert_eq!(answer["StreamName"], "s");
    let open = service.list(json!({"Type": "AT_LATEST"})).await;
    let mut starts: Vec<_> =
        open.iter().map(|shard| shard["HashKeyRange"]["StartingHashKey"].as_str().unwrap()).collect();
    starts.sort_unstable();
    assert_eq!(
        starts,
        ["0", "113427455640312821154458202477256070485", "226854911280625642308916404954512140970"]
    );
    let (code, message) = service.refused("UpdateShardCount", update(7)).await;
    assert_eq!(code, "InvalidArgumentException", "{message}");
    assert_eq!(service.refused("UpdateShardCount", update(1)).await.0, "InvalidArgumentException");
    assert_eq!(service.refused("UpdateShardCount", update(0)).await.0, "ValidationException");
    let same = service.reshard("UpdateShardCount", update(3)).await;
    assert_eq!(same["CurrentShardCount"], 3);
}

#[tokio::test]
async fn what_cannot_be_resharded_is_refused_in_the_words_of_aws() {
    let service = Service::with_stream().await;
    let split = |shard: &str, key: &str| {
        ("SplitShard", json!({"StreamName": "s", "ShardToSplit": shard, "NewStartingHashKey": key}))
    };
    let merge = |shard: &str, adjacent: &str| {
        ("MergeShards", json!({"StreamName": "s", "ShardToMerge": shard, "AdjacentShardToMerge": adjacent}))
    };
    let (zero, one) = (id(0), id(1));
    let end = "170141183460469231731687303715884105727";
    let cut = |key: &str| {
        format!(
            "NewStartingHashKey {key} used in SplitShard() on shard {zero} in stream s under account 000000000000 is not \
             both greater than one plus the shard's StartingHashKey 0 and less than the shard's EndingHashKey {end}."
        )
    };
    let apart = |low: &str, high: &str| {
        format!(
            "Shards {low} and {high} in stream s under account 000000000000 are not an adjacent pair of shards eligible \
             for merging"
        )
    };
    let nowhere =
        |shard: &str| format!("Could not find shard {shard} in stream s under account 000000000000.");
    let invalid = "InvalidArgumentException";
    let cases = [
        (split(&zero, "1"), invalid, cut("1")),
        (split(&zero, end), invalid, cut(end)),
        (split(&id(9), "5"), "ResourceNotFoundException", nowhere(&id(9))),
        (split("whatever", "5"), "ResourceNotFoundException", nowhere("whatever")),
        (merge(&one, &zero), invalid, apart(&one, &zero)),
        (merge(&zero, &zero), invalid, apart(&zero, &zero)),
        (merge(&zero, &id(7)), "ResourceNotFoundException", nowhere(&id(7))),
    ];
    for ((operation, input), code, message) in cases {
        assert_eq!(service.refused(operation, input).await, (code.to_owned(), message));
    }
    service.split(0, QUARTER).await;
    let (operation, input) = split(&zero, QUARTER);
    assert_eq!(
        service.refused(operation, input).await.1,
        format!(
            "Shard {zero} in stream s under account 000000000000 has already been merged or split, and thus is not \
             eligible for merging or splitting."
        )
    );
}

/// Time is paused, so that a reshard takes exactly as long as the requests of the test.
#[tokio::test(start_paused = true)]
async fn while_one_reshard_is_under_way_there_is_no_other() {
    let service = Service::without_lifecycle().await;
    tokio::spawn(service.engine.clone().run_lifecycle(Duration::from_secs(1)));
    service.call("CreateStream", json!({"StreamName": "s", "ShardCount": 2})).await;
    service.settled().await;
    let input = json!({"StreamName": "s", "ShardToSplit": id(1),
                       "NewStartingHashKey": "226854911280625642308916404954512140970"});
    let operation = "SplitShard";
    service.call(operation, input.clone()).await;
    let (code, message) = service.refused(operation, input).await;
    assert_eq!(code, "ResourceInUseException", "{message}");
    assert_eq!(message, "Stream s under account 000000000000 not ACTIVE, instead in state UPDATING");
    service.call("PutRecord", put("YQ==", "0")).await;
    service.settled().await;
}

#[tokio::test]
async fn each_filter_lists_its_shards() {
    let service = Service::with_stream().await;
    let created = service.time();
    service.clock.advance_millis(HOUR);
    service.split(0, QUARTER).await;
    service.clock.advance_millis(HOUR);
    let between = service.time();
    service.clock.advance_millis(HOUR);
    service.merge(3, 1).await;
    let at = |kind: &str, time: f64| json!({"Type": kind, "Timestamp": time});
    let all = vec![0, 1, 2, 3, 4];
    let cases = [
        (Value::Null, all.clone()),
        (json!({"Type": "FROM_TRIM_HORIZON"}), all.clone()),
        (json!({"Type": "AT_TRIM_HORIZON"}), vec![0, 1]),
        (json!({"Type": "AT_LATEST"}), vec![2, 4]),
        (at("AT_TIMESTAMP", created), vec![0, 1]),
        (at("AT_TIMESTAMP", 1.0), vec![0, 1]),
        (at("AT_TIMESTAMP", between), vec![1, 2, 3]),
        (at("FROM_TIMESTAMP", between), vec![1, 2, 3, 4]),
        (at("FROM_TIMESTAMP", 1.0), all),
        (json!({"Type": "AFTER_SHARD_ID", "ShardId": id(2)}), vec![3, 4]),
    ];
    for (filter, wanted) in cases {
        assert_eq!(service.ids(filter.clone()).await, wanted, "{filter}");
    }
    for filter in [json!({"Type": "AT_TIMESTAMP"}), json!({"Type": "AFTER_SHARD_ID"})] {
        let refused = service.refused("ListShards", json!({"StreamName": "s", "ShardFilter": filter})).await;
        assert_eq!(refused.0, "InvalidArgumentException");
    }
    // A day later the first reshard is forgotten, and nobody sees a gap.
    service.clock.advance_millis(23 * HOUR);
    assert_eq!(service.ids(Value::Null).await, [1, 2, 3, 4]);
    assert_eq!(service.ids(json!({"Type": "AT_TRIM_HORIZON"})).await, [1, 2, 3]);
    assert_eq!(service.ids(at("AT_TIMESTAMP", created)).await, [1, 2, 3]);
    let described = service.call("DescribeStream", json!({"StreamName": "s"})).await;
    assert_eq!(described["StreamDescription"]["Shards"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn a_listing_of_the_open_shards_fits_together_although_they_change() {
    let service = Service::with_stream().await;
    let open = json!({"StreamName": "s", "MaxResults": 1, "ShardFilter": {"Type": "AT_LATEST"}});
    let first = service.call("ListShards", open).await;
    service.split(1, "226854911280625642308916404954512140970").await;
    let rest = service.call("ListShards", json!({"NextToken": first["NextToken"]})).await;
    let ids: Vec<_> = [&first, &rest]
        .iter()
        .flat_map(|page| page["Shards"].as_array().unwrap())
        .map(|shard| shard["ShardId"].as_str().unwrap())
        .collect();
    assert_eq!(ids, [id(0), id(1)]);
    assert_eq!(service.ids(json!({"Type": "AT_LATEST"})).await, [0, 2, 3]);
}

#[tokio::test]
async fn a_subscription_ends_with_the_child_shards_and_no_number() {
    let service = Service::with_stream().await;
    let registered =
        service.call("RegisterStreamConsumer", json!({"StreamARN": crate::ARN, "ConsumerName": "app"})).await;
    let active = |state: &Arc<millstream_control::State>| {
        state.consumer("s", "app").is_ok_and(|c| c.status == millstream_control::ConsumerStatus::Active)
    };
    service.engine.control().watch().wait_for(active).await.unwrap();
    service.call("PutRecord", put("aGVsbG8=", "0")).await;
    service.split(0, QUARTER).await;
    let subscribe = json!({"ConsumerARN": registered["Consumer"]["ConsumerARN"], "ShardId": id(0),
                           "StartingPosition": {"Type": "TRIM_HORIZON"}});
    let Answer::Events(frames) = service.raw("SubscribeToShard", subscribe).await.unwrap() else {
        panic!("a subscription answers with events")
    };
    let frames: Vec<_> = frames.skip(1).collect().await;
    assert_eq!(frames.len(), 1, "it ends by itself");
    let (frame, _) = event_stream::decode(&frames[0]).unwrap().unwrap();
    let event: Value = serde_json::from_slice(&frame.payload).unwrap();
    assert_eq!(event["Records"].as_array().unwrap().len(), 1);
    assert_eq!(event["ChildShards"].as_array().unwrap().len(), 2);
    assert_eq!(event["MillisBehindLatest"], 0);
    assert!(event.get("ContinuationSequenceNumber").is_none());
}

#[tokio::test]
async fn an_on_demand_stream_is_not_resharded_by_hand() {
    let service = Service::new().await;
    let create = json!({"StreamName": "s", "StreamModeDetails": {"StreamMode": "ON_DEMAND"}});
    service.reshard("CreateStream", create).await;
    let update = json!({"StreamName": "s", "TargetShardCount": 8, "ScalingType": "UNIFORM_SCALING"});
    let (code, message) = service.refused("UpdateShardCount", update).await;
    assert_eq!(code, "ValidationException");
    assert_eq!(message, "Request is invalid. Stream s under account 000000000000 is in On-Demand mode.");
}
