use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;
use crate::config::Config;
use crate::id::Run;

/// The page's server on a free port, with clients whose endpoint nobody listens on.
struct Site {
    address: SocketAddr,
    rate: watch::Receiver<f64>,
    stop: CancellationToken,
    server: tokio::task::JoinHandle<std::io::Result<()>>,
}

impl Site {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let config = Config {
            // Port 1 of the loopback address: refused at once.
            endpoint_url: Some("http://127.0.0.1:1".to_owned()),
            region: Some("us-east-1".to_owned()),
            ..Config::default()
        };
        let run = Run::new(7);
        let (rate, receiver) = watch::channel(5.0);
        let stop = CancellationToken::new();
        let parts = Parts {
            clients: Arc::new(Clients::new(&config).await),
            tracker: Arc::new(Tracker::new(run, Instant::now())),
            numbering: Arc::new(Numbering::new(run)),
            rate,
            address,
            endpoint: "nowhere".to_owned(),
            stop: stop.clone(),
        };
        Self { address, rate: receiver, stop, server: tokio::spawn(serve(listener, parts)) }
    }

    async fn connect(&self, request: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    }

    async fn exchange(&self, request: &str) -> (u16, String) {
        let mut answer = String::new();
        self.connect(request).await.read_to_string(&mut answer).await.unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        (status, answer)
    }

    async fn get(&self, path: &str) -> (u16, String) {
        let host = self.address;
        self.exchange(&format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n")).await
    }

    async fn post(&self, path: &str, body: &str) -> (u16, String) {
        let (host, length) = (self.address, body.len());
        self.exchange(&format!(
            "POST {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n\r\n{body}"
        ))
        .await
    }

    async fn stop(self) {
        self.stop.cancel();
        self.server.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn the_page_and_its_parts_are_served_and_locked_down() {
    let site = Site::start().await;
    let (status, page) = site.get("/").await;
    assert_eq!(status, 200);
    assert!(page.contains("content-security-policy: default-src 'none'"), "{page}");
    assert!(page.contains("<!doctype html>"));
    for (path, _) in SCRIPTS.iter().chain(STYLES) {
        assert_eq!(site.get(path).await.0, 200, "{path}");
    }
    assert_eq!(site.get("/../Cargo.toml").await.0, 404);
    assert!(site.get("/api/places").await.1.contains(r#"["Lisbon","PT",38.72,-9.14,3000]"#));
    site.stop().await;
}

#[tokio::test]
async fn every_script_and_style_is_linked_and_nothing_comes_from_elsewhere() {
    let linked = SCRIPTS.iter().map(|(_, text)| *text).chain([INDEX]).collect::<String>();
    for (path, text) in SCRIPTS.iter().chain(STYLES) {
        assert!(linked.contains(path), "{path} is served but nobody loads it");
        assert!(!text.contains("https://") && !text.contains("url("), "{path}");
    }
    assert!(!INDEX.contains("https://"));
}

#[tokio::test]
async fn bad_sign_ups_are_named_by_field_and_an_unreachable_service_is_said() {
    let site = Site::start().await;
    let place = r#""place":{"city":"Lisbon"}"#;
    let (status, answer) =
        site.post("/api/signups", &format!(r#"{{"name":" ","email":"a@example.org",{place}}}"#)).await;
    assert_eq!(status, 422);
    assert!(answer.contains(r#""field":"name""#), "{answer}");
    assert_eq!(site.post("/api/signups", "{").await.0, 400);
    assert_eq!(site.post("/api/signups", r#"{"name":"Ana"}"#).await.0, 422);
    let long = "x".repeat(2 * MAX_REQUEST_BYTES);
    assert_eq!(site.post("/api/signups", &format!(r#"{{"name":"{long}"}}"#)).await.0, 413);
    let good = format!(r#"{{"name":"Ana","email":"a@example.org",{place}}}"#);
    let (status, answer) = site.post("/api/signups", &good).await;
    assert_eq!(status, 502);
    assert!(answer.contains("was not taken"), "{answer}");
    assert!(site.get("/api/state").await.1.contains(r#""failed":1"#));
    site.stop().await;
}

#[tokio::test]
async fn the_rate_is_changed_within_its_bounds() {
    let site = Site::start().await;
    assert_eq!(site.post("/api/rate", r#"{"rate":250}"#).await.0, 200);
    assert!((*site.rate.borrow() - 250.0).abs() < f64::EPSILON);
    for bad in [r#"{"rate":-1}"#, r#"{"rate":5001}"#, r#"{"rate":"9"}"#, r#"{"rate":1e999}"#, "{}"] {
        assert!((400..500).contains(&site.post("/api/rate", bad).await.0), "{bad}");
    }
    assert!((*site.rate.borrow() - 250.0).abs() < f64::EPSILON);
    site.stop().await;
}

#[tokio::test]
async fn events_begin_with_all_there_is_and_end_with_the_server() {
    let site = Site::start().await;
    let request = format!("GET /api/events HTTP/1.1\r\nhost: {}\r\n\r\n", site.address);
    let mut stream = site.connect(&request).await;
    let mut text = String::new();
    while !text.contains(r#""type":"tick""#) {
        let mut part = [0; 4096];
        let count = stream.read(&mut part).await.unwrap();
        assert!(count > 0, "{text}");
        text.push_str(&String::from_utf8_lossy(&part[..count]));
    }
    assert!(text.find(r#""type":"hello""#) < text.find(r#""type":"tick""#), "{text}");
    site.stop().await;
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
}
