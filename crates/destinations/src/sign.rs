//! AWS Signature Version 4, for requests whose body is at hand.

use crate::Credentials;
use crate::service::{Request, Target};
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http_body_util::Full;
use millstream_types::Timestamp;
use sha2::{Digest, Sha256};
use std::fmt::Write;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a String cannot fail");
        text
    })
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// The request with everything that its service wants to see.
pub(crate) fn signed(
    mut request: Request,
    target: &Target,
    credentials: &Credentials,
    now: Timestamp,
) -> Result<http::Request<Full<Bytes>>, http::Error> {
    let (year, month, day, hour, minute, second, _) = now.civil();
    let date = format!("{year:04}{month:02}{day:02}");
    let time = format!("{date}T{hour:02}{minute:02}{second:02}Z");
    let digest = hex(&Sha256::digest(&request.body));
    request.headers.push(("host", target.host().to_owned()));
    request.headers.push(("x-amz-content-sha256", digest.clone()));
    request.headers.push(("x-amz-date", time.clone()));
    if let Some(token) = &credentials.session_token {
        request.headers.push(("x-amz-security-token", token.clone()));
    }
    let scope = format!("{date}/{}/{}/aws4_request", target.region, target.service());
    let authorization =
        authorization(&mut request, credentials, &scope, &time, &digest, (&target.region, target.service()));
    let mut made = http::Request::builder().method(request.method).uri(target.url(&request.path));
    for (name, value) in request.headers {
        made = made.header(name, value);
    }
    made.header("authorization", authorization).body(Full::new(request.body))
}

fn authorization(
    request: &mut Request,
    credentials: &Credentials,
    scope: &str,
    time: &str,
    digest: &str,
    (region, service): (&str, &str),
) -> String {
    request.headers.sort_by_key(|(name, _)| *name);
    let names: Vec<&str> = request.headers.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    let headers = request.headers.iter().fold(String::new(), |mut text, (name, value)| {
        writeln!(text, "{name}:{}", value.trim()).expect("writing to a String cannot fail");
        text
    });
    let canonical = format!("{}\n{}\n\n{headers}\n{names}\n{digest}", request.method, request.path);
    let to_sign =
        format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hex(&Sha256::digest(canonical.as_bytes())));
    let date = time.get(..8).unwrap_or_default();
    let secret = format!("AWS4{}", credentials.secret_key);
    let key = [date, region, service, "aws4_request"]
        .iter()
        .fold(secret.into_bytes(), |key, part| hmac(&key, part));
    let signature = hex(&hmac(&key, &to_sign));
    format!(
        "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
        credentials.access_key
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `get-vanilla` of AWS's published test suite for this signature.
    #[test]
    fn the_published_example_comes_out() {
        let credentials = Credentials {
            access_key: "AKIDEXAMPLE".into(),
            secret_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into(),
            session_token: None,
        };
        let headers =
            vec![("x-amz-date", "20150830T123600Z".to_owned()), ("host", "example.amazonaws.com".to_owned())];
        let mut request = Request { method: "GET", path: "/".into(), headers, body: Bytes::new() };
        let scope = "20150830/us-east-1/service/aws4_request";
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let made = authorization(
            &mut request,
            &credentials,
            scope,
            "20150830T123600Z",
            empty,
            ("us-east-1", "service"),
        );
        assert_eq!(
            made,
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders=host;x-amz-date, \
             Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
        );
    }
}
