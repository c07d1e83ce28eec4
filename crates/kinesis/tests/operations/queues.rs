//! Queues: their policies, what is measured of them, and what retention does to those who wait.

use crate::Service;
use millstream_control::{QueueStatus, State, StreamStatus};
use millstream_kinesis::Answer;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

impl Service {
    /// With an on-demand stream `s` and an active queue `q` on it; the queue's ARN.
    pub(crate) async fn with_queue(attributes: Value) -> (Self, String) {
        let service = Self::new().await;
        let create = json!({"StreamName": "s", "StreamModeDetails": {"StreamMode": "ON_DEMAND"}});
        service.call("CreateStream", create).await;
        let active =
            |state: &Arc<State>| state.streams.get("s").is_some_and(|s| s.status == StreamStatus::Active);
        service.engine.control().watch().wait_for(active).await.unwrap();
        let source = json!({"StreamARN": crate::ARN, "StartingPosition": {"Type": "TRIM_HORIZON"}});
        let create =
            json!({"QueueName": "q", "StreamConfigurationList": [source], "QueueAttributes": attributes});
        let made = service.call("CreateQueue", create).await;
        let active =
            |state: &Arc<State>| state.queues.values().all(|queue| queue.status == QueueStatus::Active);
        service.engine.control().watch().wait_for(active).await.unwrap();
        (service, made["QueueDescription"]["QueueARN"].as_str().unwrap().to_owned())
    }

    pub(crate) async fn put_values(&self, values: impl Iterator<Item = u64>) {
        let record = |value: u64| {
            let data = base64_simd::STANDARD.encode_to_string(value.to_string());
            json!({"Data": data, "PartitionKey": value.to_string()})
        };
        let records: Vec<Value> = values.map(record).collect();
        let put = self.call("PutRecords", json!({"StreamName": "s", "Records": records})).await;
        assert_eq!(put["FailedRecordCount"], 0);
    }

    /// What an operation answers; a queue that is only just being opened is asked again.
    pub(crate) async fn ask(&self, operation: &str, input: Value) -> Value {
        loop {
            match self.raw(operation, input.clone()).await {
                Ok(Answer::Body(bytes)) => return serde_json::from_slice(&bytes).unwrap(),
                Ok(Answer::Events(_)) => panic!("{operation} answers with a body"),
                Err((code, message)) => {
                    let opening = code == "ThrottlingException" && message.contains("not deliver");
                    assert!(opening, "{operation}: {code}: {message}");
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
        }
    }

    pub(crate) async fn receive(&self, operation: &str, arn: &str, visibility: u64) -> Vec<Value> {
        let input = json!({"QueueARN": arn, "WaitTimeSeconds": 1, "VisibilityTimeoutSeconds": visibility});
        serde_json::from_value(self.ask(operation, input).await["QueueRecords"].take()).unwrap()
    }

    async fn queue_metric(&self, name: &str) -> Option<u64> {
        let labels = "queue_name=\"q\",stream_name=\"s\",account_id=\"000000000000\",region=\"us-east-1\"";
        let line = format!("millstream_queue_{name}{{{labels}}} ");
        let text = self.kinesis.queue_metrics().await;
        text.lines().find_map(|found| found.strip_prefix(&line)).map(|value| value.parse().unwrap())
    }
}

pub(crate) fn entries(records: &[Value]) -> Value {
    records.iter().map(|record| json!({"ReceiptHandle": record["ReceiptHandle"]})).collect()
}

const RECEIVE: &str = "ReceiveQueueRecords";
const RECEIVE_DEAD: &str = "ReceiveDeadLetterQueueRecords";

#[tokio::test(start_paused = true)]
async fn a_queue_is_measured() {
    let dead = json!({"TargetType": "BUILT_IN", "MaxReceiveCount": 2});
    let (service, arn) = Service::with_queue(json!({"DeadLetterConfiguration": dead})).await;
    service.put_values(0..12).await;
    service.clock.advance_millis(500);
    let first = service.receive(RECEIVE, &arn, 10).await;
    assert_eq!(first.len(), 10);
    for (name, expected) in [
        ("visible_records", Some(2)),
        ("in_flight_records", Some(10)),
        ("visible_dead_letters", Some(0)),
        ("received_records_total", Some(10)),
        ("oldest_record_age_milliseconds", Some(500)),
    ] {
        assert_eq!(service.queue_metric(name).await, expected, "{name}");
    }
    let done = service
        .call("AcknowledgeQueueRecords", json!({"QueueARN": arn, "Entries": entries(&first[..4])}))
        .await;
    assert_eq!(done["Successful"].as_array().unwrap().len(), 4);
    service.clock.advance_millis(10_000);
    assert_eq!(service.queue_metric("visible_records").await, Some(8));
    // The six are received for the last time, and two for the first.
    assert_eq!(service.receive(RECEIVE, &arn, 10).await.len(), 8);
    assert_eq!(service.queue_metric("in_flight_dead_letters").await, Some(6));
    service.clock.advance_millis(10_000);
    assert_eq!(service.queue_metric("visible_dead_letters").await, Some(6));
    let letters = service.receive(RECEIVE_DEAD, &arn, 600).await;
    assert_eq!(letters.len(), 6);
    service
        .call(
            "AcknowledgeDeadLetterQueueRecords",
            json!({"QueueARN": arn, "Entries": entries(&letters[..1])}),
        )
        .await;
    service
        .call("RestoreDeadLetterQueueRecords", json!({"QueueARN": arn, "Entries": entries(&letters[1..3])}))
        .await;
    for (name, expected) in [
        ("visible_records", 4),
        ("in_flight_dead_letters", 3),
        ("received_records_total", 18),
        ("acknowledged_records_total", 4),
        ("dead_lettered_records_total", 6),
        ("received_dead_letters_total", 6),
        ("acknowledged_dead_letters_total", 1),
        ("restored_dead_letters_total", 2),
        ("expired_records_total", 0),
    ] {
        assert_eq!(service.queue_metric(name).await, Some(expected), "{name}");
    }
    // Retention takes what nobody acknowledged.
    service.clock.advance_millis(25 * 3_600_000);
    assert_eq!(service.receive(RECEIVE, &arn, 10).await, Vec::<Value>::new());
    assert_eq!(service.receive(RECEIVE_DEAD, &arn, 10).await, Vec::<Value>::new());
    assert_eq!(service.queue_metric("expired_records_total").await, Some(7));
    assert_eq!(service.queue_metric("visible_records").await, Some(0));
    assert_eq!(service.queue_metric("oldest_record_age_milliseconds").await, None);
}

/// Without a step for each time that somebody waits in vain, this would never end: the clock of the test moves only when
/// nothing else is to be done.
#[tokio::test(start_paused = true)]
async fn who_waits_is_not_woken_for_what_it_cannot_have() {
    let (service, arn) = Service::with_queue(json!({})).await;
    // For a record, while all that is there has expired before anybody received it.
    service.put_values(0..20).await;
    service.clock.advance_millis(25 * 3_600_000);
    assert_eq!(service.receive(RECEIVE, &arn, 10).await, Vec::<Value>::new());
    // For a dead letter, while there are only records.
    service.put_values(20..21).await;
    let (record,) = (service.receive(RECEIVE, &arn, 0).await,);
    assert_eq!(record.len(), 1);
    assert_eq!(service.receive(RECEIVE_DEAD, &arn, 10).await, Vec::<Value>::new());
    assert_eq!(service.receive(RECEIVE, &arn, 0).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn fewer_receives_make_dead_letters_of_what_was_received_before() {
    let (service, arn) = Service::with_queue(json!({})).await;
    service.put_values(0..1).await;
    assert_eq!(service.receive(RECEIVE, &arn, 0).await[0]["ReceiveCount"], 1);
    assert_eq!(service.receive(RECEIVE, &arn, 0).await[0]["ReceiveCount"], 2);
    let fewer = json!({"DeadLetterConfiguration": {"TargetType": "BUILT_IN", "MaxReceiveCount": 2}});
    service.call("UpdateQueue", json!({"QueueARN": arn, "QueueAttributes": fewer})).await;
    // Nobody has to receive in vain before it is one.
    assert_eq!(service.receive(RECEIVE_DEAD, &arn, 10).await.len(), 1);
    assert_eq!(service.receive(RECEIVE, &arn, 10).await, Vec::<Value>::new());
}
