//! What each service is sent, and what becomes of its answers.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::Bytes;
use millstream_destinations::{AwsDestinations, Credentials, Endpoint, Endpoints, Options};
use millstream_host::clock::ManualClock;
use millstream_mapping::{Attribute, AttributeKind, Destinations, Letter, Subject};
use millstream_types::Timestamp;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Takes one request, answers with `answer`, and gives the request's text.
async fn service(answer: &'static str) -> (Endpoint, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let taken = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut seen = Vec::new();
        loop {
            let text = String::from_utf8_lossy(&seen).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                    stream.write_all(answer.as_bytes()).await.unwrap();
                    return text;
                }
            }
            assert_ne!(stream.read_buf(&mut seen).await.unwrap(), 0, "{text}");
        }
    });
    (endpoint, taken)
}

fn destinations(endpoints: Endpoints, credentials: bool) -> AwsDestinations {
    AwsDestinations::new(Options {
        clock: ManualClock::at(Timestamp::from_millis(1_700_000_000_123)),
        region: "eu-west-1".into(),
        credentials: credentials.then(|| Credentials {
            access_key: "AKID".into(),
            secret_key: "secret".into(),
            session_token: Some("token".into()),
        }),
        endpoints,
    })
}

fn letter(arn: &str) -> Letter {
    let body = Bytes::from_static(b"{\"a\":\"b & c\"}");
    Letter { arn: arn.into(), body, key: "aws/lambda/x-1".into(), ..Letter::default() }
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";

#[tokio::test]
async fn each_service_gets_its_own_form() {
    let (sqs, queue) = service(OK).await;
    let (sns, topic) = service(OK).await;
    let (s3, bucket) = service(OK).await;
    let at = sqs.clone();
    let all = destinations(Endpoints { sqs: Some(sqs), sns: Some(sns), s3: Some(s3), events: None }, true);
    for arn in
        ["arn:aws:sqs:us-east-1:111122223333:q", "arn:aws:sns:us-east-1:111122223333:t", "arn:aws:s3:::b"]
    {
        all.check(arn).unwrap();
        all.send(&letter(arn)).await.unwrap();
    }
    let queue = queue.await.unwrap();
    assert!(
        queue.starts_with("POST / HTTP/1.1\r\n") && queue.contains("x-amz-target: AmazonSQS.SendMessage\r\n")
    );
    let body: serde_json::Value = serde_json::from_str(queue.split_once("\r\n\r\n").unwrap().1).unwrap();
    let url = format!(
        "{}/111122223333/q",
        format!("{at:?}").split('"').nth(3).map(|host| format!("http://{host}")).unwrap()
    );
    assert_eq!(body, serde_json::json!({ "QueueUrl": url, "MessageBody": "{\"a\":\"b & c\"}" }));
    for part in [
        "authorization: AWS4-HMAC-SHA256 Credential=AKID/20231114/us-east-1/sqs/aws4_request, \
         SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date;x-amz-security-token;x-amz-target, Signature=",
        "x-amz-date: 20231114T221320Z\r\n",
        "x-amz-security-token: token\r\n",
    ] {
        assert!(queue.contains(part), "{part} in {queue}");
    }
    let topic = topic.await.unwrap();
    let form = "Action=Publish&Version=2010-03-31&TopicArn=arn%3Aaws%3Asns%3Aus-east-1%3A111122223333%3At\
                &Message=%7B%22a%22%3A%22b%20%26%20c%22%7D";
    assert_eq!(topic.split_once("\r\n\r\n").unwrap().1, form);
    let bucket = bucket.await.unwrap();
    assert!(bucket.starts_with("PUT /b/aws/lambda/x-1 HTTP/1.1\r\n"), "{bucket}");
    assert!(
        bucket.contains("/eu-west-1/s3/aws4_request") && bucket.ends_with("{\"a\":\"b & c\"}"),
        "{bucket}"
    );
}

#[tokio::test]
async fn what_is_not_taken_is_said() {
    let arn = "arn:aws:sqs:us-east-1:111122223333:q";
    let (sqs, _taken) = service("HTTP/1.1 400 Bad Request\r\ncontent-length: 8\r\n\r\nno queue").await;
    let one = |sqs| Endpoints { sqs: Some(sqs), ..Endpoints::default() };
    let refused = destinations(one(sqs), true).send(&letter(arn)).await.unwrap_err();
    assert_eq!(refused, "it answered 400: no queue");
    // Nobody listens at a port that was given back.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gone: Endpoint = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    drop(listener);
    let refused = destinations(one(gone.clone()), true).send(&letter(arn)).await.unwrap_err();
    assert!(refused.starts_with("no answer: "), "{refused}");
    let unsigned = destinations(one(gone), false);
    assert!(unsigned.check(arn).unwrap_err().contains("AWS_ACCESS_KEY_ID"));
    assert!(unsigned.send(&letter(arn)).await.is_err());
    assert!(unsigned.check("arn:aws:ec2:us-east-1:1:x").is_err());
}

fn dead_letter(arn: &str) -> Letter {
    let attribute =
        |name: &str, kind, value: &str| Attribute { name: name.into(), kind, value: value.into() };
    let attributes = vec![
        attribute("ErrorCode", AttributeKind::Number, "200"),
        attribute("ErrorMessage", AttributeKind::String, "no & never"),
    ];
    Letter { attributes, ..letter(arn) }
}

#[tokio::test]
async fn attributes_stand_beside_a_message() {
    let (sqs, queue) = service(OK).await;
    let (sns, topic) = service(OK).await;
    let all = destinations(Endpoints { sqs: Some(sqs), sns: Some(sns), ..Endpoints::default() }, true);
    all.send(&dead_letter("arn:aws:sqs:us-east-1:111122223333:q")).await.unwrap();
    all.send(&dead_letter("arn:aws:sns:us-east-1:111122223333:t")).await.unwrap();
    let queue = queue.await.unwrap();
    let body: serde_json::Value = serde_json::from_str(queue.split_once("\r\n\r\n").unwrap().1).unwrap();
    let expected = serde_json::json!({
        "ErrorCode": { "DataType": "Number", "StringValue": "200" },
        "ErrorMessage": { "DataType": "String", "StringValue": "no & never" },
    });
    assert_eq!(body["MessageAttributes"], expected);
    let topic = topic.await.unwrap();
    let form = "&MessageAttributes.entry.1.Name=ErrorCode&MessageAttributes.entry.1.Value.DataType=Number\
                &MessageAttributes.entry.1.Value.StringValue=200&MessageAttributes.entry.2.Name=ErrorMessage\
                &MessageAttributes.entry.2.Value.DataType=String&MessageAttributes.entry.2.Value.StringValue=no%20%26%20never";
    assert!(topic.ends_with(form), "{topic}");
}

#[tokio::test]
async fn an_event_bus_is_put_an_event_and_believed_only_when_it_took_it() {
    let arn = "arn:aws:events:us-east-1:111122223333:event-bus/bus";
    let subject = Subject { detail_type: "Done".into(), resources: vec!["arn:r".into()] };
    let told = Letter { subject, ..letter(arn) };
    let (events, bus) = service(OK).await;
    destinations(Endpoints { events: Some(events), ..Endpoints::default() }, true).send(&told).await.unwrap();
    let bus = bus.await.unwrap();
    assert!(bus.contains("x-amz-target: AWSEvents.PutEvents\r\n"), "{bus}");
    let body: serde_json::Value = serde_json::from_str(bus.split_once("\r\n\r\n").unwrap().1).unwrap();
    let entry = serde_json::json!({
        "EventBusName": arn, "Source": "lambda", "DetailType": "Done", "Resources": ["arn:r"],
        "Detail": "{\"a\":\"b & c\"}",
    });
    assert_eq!(body, serde_json::json!({ "Entries": [entry] }));
    let softly = "HTTP/1.1 200 OK\r\ncontent-length: 23\r\n\r\n{\"FailedEntryCount\": 1}";
    let (events, _bus) = service(softly).await;
    let bad =
        destinations(Endpoints { events: Some(events), ..Endpoints::default() }, true).send(&told).await;
    assert!(bad.unwrap_err().contains("FailedEntryCount"));
    assert!(destinations(Endpoints::default(), true).check("arn:aws:events:us-east-1:1:rule/x").is_err());
}
