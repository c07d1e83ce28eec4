#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
//! Endpoints that answer as the Runtime Interface Emulator does, and as what stands in front of it.

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use millstream_executors::{Executors, Options};
use millstream_functions::{Elsewhere, ElsewhereError, Errand, Returned, Sent};
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;

type Seen = Arc<Mutex<Vec<(String, http::HeaderMap, Bytes)>>>;

/// An endpoint that gives the same answer to everybody; its address, and what it was asked.
async fn endpoint(
    status: u16,
    headers: &'static [(&'static str, &'static str)],
    body: &'static str,
) -> (String, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let seen = Seen::default();
    let noted = seen.clone();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let noted = noted.clone();
            let service = service_fn(move |request: Request<Incoming>| {
                let noted = noted.clone();
                async move {
                    let (parts, asked) = request.into_parts();
                    let asked = asked.collect().await.unwrap().to_bytes();
                    noted.lock().unwrap().push((parts.uri.to_string(), parts.headers, asked));
                    let mut answer = Response::builder().status(StatusCode::from_u16(status).unwrap());
                    for (name, value) in headers {
                        answer = answer.header(*name, *value);
                    }
                    Ok::<_, Infallible>(answer.body(Full::new(Bytes::from_static(body.as_bytes()))).unwrap())
                }
            });
            let connection = hyper::server::conn::http1::Builder::new();
            tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
        }
    });
    (url, seen)
}

fn executors(allowed: &str) -> Executors {
    Executors::new(Options { allowed: vec![allowed.parse().unwrap()], lambda_endpoint: None })
}

fn errand(uri: &str) -> Errand {
    Errand {
        uri: uri.to_owned(),
        request_id: "id-1".to_owned(),
        payload: Bytes::from_static(b"{\"n\":1}"),
        client_context: Some("{\"client\":{}}".to_owned()),
        trace_id: Some("Root=1-2-3".to_owned()),
        timeout: Duration::from_secs(3),
        answer_limit: 64,
    }
}

async fn answered(
    status: u16,
    headers: &'static [(&'static str, &'static str)],
    body: &'static str,
) -> Result<Sent, ElsewhereError> {
    let (url, _) = endpoint(status, headers, body).await;
    executors(&url).invoke(errand(&url)).await.map(|Returned { sent, .. }| sent)
}

#[tokio::test]
async fn the_event_is_posted_where_the_emulator_listens() {
    let (url, seen) = endpoint(200, &[], "{\"n\":2}").await;
    let returned = executors(&url).invoke(errand(&url)).await.unwrap();
    assert_eq!(returned.sent, Sent::Response("{\"n\":2}".into()));
    let seen = seen.lock().unwrap();
    let [(path, headers, body)] = seen.as_slice() else { panic!("{seen:?}") };
    assert_eq!(path, "/2015-03-31/functions/function/invocations");
    assert_eq!(body, "{\"n\":1}");
    assert_eq!(headers["x-amzn-requestid"], "id-1");
    assert_eq!(headers["x-amzn-trace-id"], "Root=1-2-3");
    assert_eq!(headers["x-amz-client-context"], "eyJjbGllbnQiOnt9fQ==");
}

#[tokio::test]
async fn errors_are_told_by_the_body_where_no_header_does() {
    const ERROR: &str = r#"{"errorType":"E","errorMessage":"m"}"#;
    assert_eq!(answered(200, &[], ERROR).await, Ok(Sent::Error(ERROR.into())));
    assert_eq!(
        answered(200, &[("X-Amz-Function-Error", "Unhandled")], "1").await,
        Ok(Sent::Error("1".into()))
    );
    assert_eq!(answered(502, &[], ERROR).await, Ok(Sent::Error(ERROR.into())), "a start that failed");
    assert_eq!(answered(200, &[], "Task timed out after 3.00 seconds").await, Ok(Sent::TimedOut));
    let result = "\"Task timed out after 3.00 seconds\"";
    assert_eq!(answered(200, &[], result).await, Ok(Sent::Response(result.into())), "a function's own text");
    assert_eq!(answered(200, &[], "").await, Ok(Sent::Response("null".into())));
}

#[tokio::test]
async fn too_much_is_not_taken() {
    const LONG: &str = "[0,1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9,0,1,2,3]";
    assert_eq!(answered(200, &[], LONG).await, Ok(Sent::TooLarge));
}

#[tokio::test]
async fn no_room_is_not_a_failure() {
    for status in [400, 429, 503] {
        let sent = answered(status, &[], "").await;
        assert!(matches!(sent, Err(ElsewhereError::Busy(_))), "{status}: {sent:?}");
    }
}

#[tokio::test]
async fn what_did_not_run_is_told_from_what_may_have() {
    let reached = |sent: Result<Sent, ElsewhereError>| match sent {
        Err(ElsewhereError::Failed { reached, why }) => (reached, why),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        reached(answered(404, &[], "no\u{7} such page").await),
        (false, "it answered 404 Not Found: no such page".into())
    );
    assert!(reached(answered(504, &[], "").await).0);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let (was_reached, why) =
        reached(executors(&url).invoke(errand(&url)).await.map(|returned| returned.sent));
    assert!(!was_reached && why.contains("refused"), "{why}");
}

#[tokio::test]
async fn only_what_is_allowed_is_reached() {
    let (url, seen) = endpoint(200, &[], "1").await;
    let executors = executors("http://elsewhere.example");
    let why = executors.check(&url).unwrap_err();
    assert!(why.contains(&format!("`--function-handoff {url}`")), "{why}");
    assert!(matches!(
        executors.invoke(errand(&url)).await,
        Err(ElsewhereError::Failed { reached: false, .. })
    ));
    assert!(seen.lock().unwrap().is_empty());
    let image = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/enrich:1";
    assert!(executors.check(image).unwrap_err().contains("neither the URL"));
    assert_eq!(executors.check("http://elsewhere.example/f"), Ok(()));
}
