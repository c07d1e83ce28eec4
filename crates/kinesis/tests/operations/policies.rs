//! Resource policies, and what a caller's own policies let through.

use crate::{ARN, Service};
use millstream_control::SetPolicy;
use millstream_iam::{Caller, Kind, Policy, Principal};
use millstream_kinesis::Answer;
use millstream_shapes::ErrorName;
use millstream_types::Timestamp;
use millstream_wire::json::Json11;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

fn policy(principal: &str, action: &str, resource: &str) -> String {
    json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": action, "Resource": resource}]})
    .to_string()
}

const ADA: &str = "arn:aws:iam::000000000000:user/ada";

/// A user `ada` with one statement per (action, resource).
fn ada(allowed: &[(&str, &str)]) -> Caller {
    let statements: Vec<Value> = allowed
        .iter()
        .map(|(action, resource)| json!({"Effect": "Allow", "Action": action, "Resource": resource}))
        .collect();
    let text = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
    let policies = if allowed.is_empty() { None } else { Policy::parse(&text, Kind::Identity).ok() };
    Caller {
        principal: Principal::User { account: "000000000000".into(), name: "ada".into(), id: "MIDA1".into() },
        policies: policies.into_iter().map(Arc::new).collect(),
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

impl Service {
    async fn as_caller(
        &self,
        caller: &Caller,
        operation: &str,
        input: Value,
    ) -> Result<Answer, (String, String)> {
        let answer = self.kinesis.call_as(caller, &Json11, operation, &input.to_string().into()).await;
        answer.map_err(|failure| (failure.error.code.name().to_owned(), failure.error.message))
    }

    /// What a caller was not authorised to do, and to which resource; `None` if it was.
    async fn denied(&self, caller: &Caller, operation: &str, input: Value) -> Option<(String, String)> {
        let (code, message) = self.as_caller(caller, operation, input).await.err()?;
        if code != "AccessDeniedException" {
            return None;
        }
        let rest = message.strip_prefix(&format!("User: {ADA} is not authorized to perform: ")).unwrap();
        let (action, rest) = rest.split_once(" on resource: ").unwrap();
        Some((action.to_owned(), rest.split(' ').next().unwrap().to_owned()))
    }
}

#[tokio::test]
async fn a_policy_is_put_read_and_deleted() {
    let service = Service::with_stream().await;
    let none = service.call("GetResourcePolicy", json!({"ResourceARN": ARN})).await;
    assert_eq!(none, json!({"Policy": "{}"}));
    let text = policy(ADA, "kinesis:PutRecord", ARN);
    let put = json!({"ResourceARN": ARN, "Policy": text});
    assert_eq!(service.call("PutResourcePolicy", put).await, Value::Null);
    let got = service.call("GetResourcePolicy", json!({"ResourceARN": ARN})).await;
    assert_eq!(got, json!({"Policy": text}));
    assert_eq!(service.call("DeleteResourcePolicy", json!({"ResourceARN": ARN})).await, Value::Null);
    let again = service.refused("DeleteResourcePolicy", json!({"ResourceARN": ARN})).await;
    let message = format!("No resource policy found for resource ARN {ARN}.");
    assert_eq!(again, ("ResourceNotFoundException".to_owned(), message));
}

#[tokio::test]
async fn a_consumer_has_a_policy_of_its_own() {
    let service = Service::with_stream().await;
    let register = json!({"StreamARN": ARN, "ConsumerName": "app"});
    let arn = service.call("RegisterStreamConsumer", register).await["Consumer"]["ConsumerARN"].clone();
    let text = policy("000000000000", "kinesis:SubscribeToShard", arn.as_str().unwrap());
    service.call("PutResourcePolicy", json!({"ResourceARN": arn, "Policy": text})).await;
    assert_eq!(service.call("GetResourcePolicy", json!({"ResourceARN": arn})).await["Policy"], text);
    assert_eq!(service.call("GetResourcePolicy", json!({"ResourceARN": ARN})).await["Policy"], "{}");
    // It goes with the consumer, and the consumer's with the stream.
    service.call("DeregisterStreamConsumer", json!({"ConsumerARN": arn})).await;
    let gone = |state: &Arc<millstream_control::State>| state.streams["s"].consumers.is_empty();
    service.engine.control().watch().wait_for(gone).await.unwrap();
    let (code, _) = service.refused("GetResourcePolicy", json!({"ResourceARN": arn})).await;
    assert_eq!(code, "ResourceNotFoundException");
    let (code, _) = service.refused("PutResourcePolicy", json!({"ResourceARN": arn, "Policy": text})).await;
    assert_eq!(code, "ResourceNotFoundException");
}

#[tokio::test]
async fn what_is_no_policy_for_the_resource_is_refused() {
    let service = Service::with_stream().await;
    let refused = async |text: &str| {
        let (code, message) =
            service.refused("PutResourcePolicy", json!({"ResourceARN": ARN, "Policy": text})).await;
        assert_eq!(code, "InvalidArgumentException", "{text}");
        message
    };
    assert!(refused("{").await.contains("not JSON"));
    assert!(refused("").await.contains("not JSON"));
    assert!(refused(r#"{"Statement":[]}"#).await.contains("from 1 to"));
    assert!(refused(&" ".repeat(20 * 1024 + 1)).await.contains("too large"));
    assert!(refused(&policy("ada", "kinesis:PutRecord", ARN)).await.contains("Invalid principal in policy"));
    assert!(refused(&policy(ADA, "kinesis:Bogus", ARN)).await.contains("kinesis:Bogus is not an action"));
    assert!(refused(&policy(ADA, "s3:GetObject", ARN)).await.contains("s3:GetObject is not an action"));
    let other = ARN.replace("stream/s", "stream/t");
    assert!(refused(&policy(ADA, "kinesis:PutRecord", &other)).await.contains("is not the resource"));
    let nobody = r#"{"Statement":{"Effect":"Allow","Action":"kinesis:*","Resource":"*"}}"#;
    assert!(refused(nobody).await.contains("no Principal"));
    let (code, _) =
        service.refused("PutResourcePolicy", json!({"ResourceARN": other, "Policy": nobody})).await;
    assert_eq!(code, "ResourceNotFoundException");
    let (code, message) = service.refused("PutResourcePolicy", json!({"ResourceARN": ARN})).await;
    assert_eq!(code, "ValidationException");
    assert!(message.contains("'policy'"), "{message}");
}

/// A stream of an earlier time with its name had another policy.
#[tokio::test]
async fn a_policy_goes_with_its_stream() {
    let service = Service::with_stream().await;
    let text = policy(ADA, "kinesis:*", ARN);
    service.call("PutResourcePolicy", json!({"ResourceARN": ARN, "Policy": text})).await;
    service.call("DeleteStream", json!({"StreamName": "s"})).await;
    let gone = |state: &Arc<millstream_control::State>| state.streams.is_empty();
    service.engine.control().watch().wait_for(gone).await.unwrap();
    service.call("CreateStream", json!({"StreamName": "s", "ShardCount": 1})).await;
    let none = service.call("GetResourcePolicy", json!({"ResourceARN": ARN})).await;
    assert_eq!(none, json!({"Policy": "{}"}));
}

/// Every operation asks, and about the resource that it is about.
#[tokio::test]
async fn each_operation_says_its_action_and_its_resource() {
    let service = Service::with_stream().await;
    let nobody = ada(&[]);
    let register = json!({"StreamARN": ARN, "ConsumerName": "app"});
    let consumer = service.call("RegisterStreamConsumer", register).await["Consumer"]["ConsumerARN"].clone();
    let consumer = consumer.as_str().unwrap();
    let start = json!({"StreamName": "s", "ShardId": "shardId-000000000000", "ShardIteratorType": "LATEST"});
    let iterator = service.call("GetShardIterator", start).await["ShardIterator"].clone();
    let page = service.call("ListShards", json!({"StreamName": "s", "MaxResults": 1})).await;
    let cases = [
        ("PutRecord", json!({"StreamName": "s"}), ARN),
        ("PutRecords", json!({"StreamARN": ARN}), ARN),
        ("CreateStream", json!({"StreamName": "s"}), ARN),
        ("GetRecords", json!({"ShardIterator": iterator}), ARN),
        ("ListShards", json!({"NextToken": page["NextToken"]}), ARN),
        ("ListShards", json!({"StreamName": "s"}), ARN),
        ("ListStreams", json!({}), "*"),
        ("DescribeLimits", json!({}), "*"),
        ("SubscribeToShard", json!({"ConsumerARN": consumer}), consumer),
        ("DescribeStreamConsumer", json!({"StreamARN": ARN, "ConsumerName": "app"}), consumer),
        ("DeregisterStreamConsumer", json!({"ConsumerARN": consumer}), consumer),
        ("ListStreamConsumers", json!({"StreamARN": ARN}), ARN),
        ("TagResource", json!({"ResourceARN": consumer, "Tags": {"a": "b"}}), consumer),
        ("GetResourcePolicy", json!({"ResourceARN": ARN}), ARN),
        (
            "DescribeQueue",
            json!({"QueueARN": "arn:aws:kinesis:us-east-1:000000000000:queue/q"}),
            "arn:aws:kinesis:us-east-1:000000000000:queue/q",
        ),
        ("CreateQueue", json!({"QueueName": "q"}), "arn:aws:kinesis:us-east-1:000000000000:queue/q"),
        // Another partition is another word for the same stream.
        ("DeleteStream", json!({"StreamARN": ARN.replace("arn:aws:", "arn:aws-cn:")}), ARN),
        // What names nothing is asked for with everything.
        ("GetRecords", json!({"ShardIterator": "none"}), "*"),
        ("DeleteStream", json!({}), "*"),
        ("DeleteStream", json!({"StreamARN": "arn:aws:s3:::bucket"}), "*"),
    ];
    for (operation, input, resource) in cases {
        let denied = service.denied(&nobody, operation, input.clone()).await;
        assert_eq!(
            denied,
            Some((format!("kinesis:{operation}"), resource.to_owned())),
            "{operation} {input}"
        );
    }
    for operation in millstream_api_kinesis::Operation::ALL {
        let denied = service.denied(&nobody, operation.name(), json!({})).await;
        assert_eq!(denied.unwrap().0, format!("kinesis:{}", operation.name()));
    }
    // What cannot be read is nobody's to do.
    let unread = service.as_caller(&nobody, "DeleteStream", json!({"StreamName": 7})).await.unwrap_err();
    assert_eq!(unread.0, "SerializationException");
    let unknown = service.as_caller(&nobody, "DropEverything", json!({})).await.unwrap_err();
    assert_eq!(unknown.0, "UnknownOperationException");
}

#[tokio::test]
async fn identity_and_resource_policies_count_together() {
    let service = Service::with_stream().await;
    let describe = || json!({"StreamName": "s"});
    let reader = ada(&[("kinesis:Describe*", ARN)]);
    assert!(service.as_caller(&reader, "DescribeStreamSummary", describe()).await.is_ok());
    let nobody = ada(&[]);
    assert!(service.denied(&nobody, "DescribeStreamSummary", describe()).await.is_some());
    let set = |policy: Option<String>| SetPolicy { stream: "s".into(), consumer: None, policy };
    service.engine.control().submit(set(Some(policy(ADA, "kinesis:Describe*", ARN)))).await.unwrap();
    assert!(service.as_caller(&nobody, "DescribeStreamSummary", describe()).await.is_ok());
    let deny = policy(ADA, "kinesis:*", ARN).replace("Allow", "Deny");
    service.engine.control().submit(set(Some(deny))).await.unwrap();
    let (_, message) = service.as_caller(&reader, "DescribeStreamSummary", describe()).await.unwrap_err();
    assert!(message.ends_with("with an explicit deny in a resource-based policy"), "{message}");
}

#[tokio::test]
async fn another_account_does_not_change_who_may() {
    let service = Service::with_stream().await;
    let text = policy("111122223333", "kinesis:*", ARN);
    service.call("PutResourcePolicy", json!({"ResourceARN": ARN, "Policy": text})).await;
    let mut away = ada(&[("kinesis:*", "*")]);
    away.principal =
        Principal::User { account: "111122223333".into(), name: "eve".into(), id: "MIDA2".into() };
    let describe = json!({"StreamARN": ARN});
    assert!(service.as_caller(&away, "DescribeStreamSummary", describe).await.is_ok());
    for (operation, input) in [
        ("PutResourcePolicy", json!({"ResourceARN": ARN, "Policy": text})),
        ("DeleteResourcePolicy", json!({"ResourceARN": ARN})),
    ] {
        let (code, message) = service.as_caller(&away, operation, input).await.unwrap_err();
        assert_eq!(code, "AccessDeniedException");
        assert!(message.contains("no resource-based policy allows"), "{message}");
    }
}

#[tokio::test]
async fn tags_are_asked_for_where_they_are_given() {
    let service = Service::with_stream().await;
    let maker = ada(&[("kinesis:CreateStream", "*"), ("kinesis:RegisterStreamConsumer", "*")]);
    let plain = json!({"StreamName": "t", "ShardCount": 1});
    assert!(service.as_caller(&maker, "CreateStream", plain).await.is_ok());
    let tagged = json!({"StreamName": "u", "ShardCount": 1, "Tags": {"a": "b"}});
    let denied = service.denied(&maker, "CreateStream", tagged).await.unwrap();
    assert_eq!(denied, ("kinesis:AddTagsToStream".to_owned(), ARN.replace("stream/s", "stream/u")));
    let consumer = json!({"StreamARN": ARN, "ConsumerName": "app", "Tags": {"a": "b"}});
    let denied = service.denied(&maker, "RegisterStreamConsumer", consumer).await.unwrap();
    assert_eq!(denied.0, "kinesis:TagResource");
    // Tags of the resource and of the request are conditions.
    service.call("AddTagsToStream", json!({"StreamName": "s", "Tags": {"env": "test"}})).await;
    let mut caller = ada(&[]);
    let text = r#"{"Version":"2012-10-17","Statement":[
        {"Effect":"Allow","Action":"kinesis:DescribeStreamSummary","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/env":"test"}}},
        {"Effect":"Allow","Action":"kinesis:AddTagsToStream","Resource":"*","Condition":{"ForAllValues:StringEquals":{"aws:TagKeys":["ok"]}}}]}"#;
    caller.policies.push(Arc::new(Policy::parse(text, Kind::Identity).unwrap()));
    let describe = |name: &str| json!({"StreamName": name});
    assert!(service.as_caller(&caller, "DescribeStreamSummary", describe("s")).await.is_ok());
    assert!(service.denied(&caller, "DescribeStreamSummary", describe("t")).await.is_some());
    let tag = |key: &str| json!({"StreamName": "s", "Tags": {key: "1"}});
    assert!(service.as_caller(&caller, "AddTagsToStream", tag("ok")).await.is_ok());
    assert!(service.denied(&caller, "AddTagsToStream", tag("other")).await.is_some());
}

#[tokio::test]
async fn a_queue_has_a_policy_of_its_own() {
    let (service, arn) = Service::with_queue(json!({})).await;
    let resource = || json!({"ResourceARN": arn});
    assert_eq!(service.call("GetResourcePolicy", resource()).await, json!({"Policy": "{}"}));
    let (code, _) = service.refused("DeleteResourcePolicy", resource()).await;
    assert_eq!(code, "ResourceNotFoundException");
    // One that is for another resource would never do anything.
    let wrong = json!({"ResourceARN": arn, "Policy": policy(ADA, "kinesis:DescribeQueue", ARN)});
    let (code, message) = service.refused("PutResourcePolicy", wrong).await;
    assert!(code == "InvalidArgumentException" && message.contains("is not the resource"), "{message}");
    let nobody = ada(&[]);
    let describe = || json!({"QueueARN": arn});
    let denied = service.denied(&nobody, "DescribeQueue", describe()).await;
    assert_eq!(denied, Some(("kinesis:DescribeQueue".to_owned(), arn.clone())));
    let text = policy(ADA, "kinesis:DescribeQueue", &arn);
    service.call("PutResourcePolicy", json!({"ResourceARN": arn, "Policy": text})).await;
    assert_eq!(service.call("GetResourcePolicy", resource()).await, json!({"Policy": text}));
    assert_eq!(service.call("GetResourcePolicy", json!({"ResourceARN": ARN})).await["Policy"], "{}");
    assert!(service.as_caller(&nobody, "DescribeQueue", describe()).await.is_ok());
    assert!(service.denied(&nobody, "DeleteQueue", describe()).await.is_some());
    let deny = policy(ADA, "kinesis:*", &arn).replace("Allow", "Deny");
    service.call("PutResourcePolicy", json!({"ResourceARN": arn, "Policy": deny})).await;
    let all = ada(&[("kinesis:*", "*")]);
    let (_, message) = service.as_caller(&all, "ReceiveQueueRecords", describe()).await.unwrap_err();
    assert!(message.ends_with("with an explicit deny in a resource-based policy"), "{message}");
    assert_eq!(service.call("DeleteResourcePolicy", resource()).await, Value::Null);
    assert!(service.as_caller(&all, "DescribeQueue", describe()).await.is_ok());
    let missing = json!({"ResourceARN": format!("{arn}0"), "Policy": text});
    assert_eq!(service.refused("PutResourcePolicy", missing).await.0, "ResourceNotFoundException");
}
