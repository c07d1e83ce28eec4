//! Who may talk to the page's server: the page itself, from this machine or by the address it was bound to.
//!
//! Any web page that a visitor has open can send requests to an address of the visitor's machine. Requests whose
//! `Host` is a name that somebody else controls (DNS rebinding) and requests that come from another page (CSRF) are
//! refused. A request with JSON cannot be sent by a foreign page without asking first, and is never allowed to.

use std::net::{IpAddr, SocketAddr};

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Checks a request, and tells the browser what the page needs so that it allows nothing else.
pub(super) async fn guard(bound: SocketAddr, request: Request, next: Next) -> Response {
    let refusal = refuse(bound, request.method(), request.headers());
    let mut response = match refusal {
        Some(why) => (StatusCode::FORBIDDEN, why).into_response(),
        None => next.run(request).await,
    };
    let headers = [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in headers {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

fn refuse(bound: SocketAddr, method: &Method, headers: &HeaderMap) -> Option<&'static str> {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let Some(host) = text(header::HOST) else { return Some("The request has no Host header.\n") };
    if !is_ours(host, bound) {
        return Some("The Host header is not the address of this server.\n");
    }
    let origin = headers.contains_key(header::ORIGIN).then(|| text(header::ORIGIN).unwrap_or_default());
    if origin.is_some_and(|origin| origin.strip_prefix("http://") != Some(host)) {
        return Some("The request comes from another page.\n");
    }
    let content_type = text(header::CONTENT_TYPE).and_then(|value| value.split(';').next());
    if method == Method::POST && content_type.map(str::trim) != Some("application/json") {
        return Some("The content type must be application/json.\n");
    }
    None
}

/// Whether a `Host` header names this server by an address or as `localhost`, and with its port.
fn is_ours(host: &str, bound: SocketAddr) -> bool {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, port.parse().ok()),
        _ => (host, Some(80)),
    };
    if port != Some(bound.port()) {
        return false;
    }
    if name.eq_ignore_ascii_case("localhost") {
        return bound.ip().is_loopback() || bound.ip().is_unspecified();
    }
    let literal = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    match literal.parse::<IpAddr>() {
        // Bound to every address of the machine: any of them may be meant. A name never is.
        Ok(_) if bound.ip().is_unspecified() => true,
        Ok(address) => address == bound.ip(),
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound() -> SocketAddr {
        "127.0.0.1:8080".parse().unwrap()
    }

    fn verdict(method: &Method, pairs: &[(&'static str, &str)]) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, value.parse().unwrap());
        }
        refuse(bound(), method, &headers).is_none()
    }

    #[test]
    fn only_our_own_host_is_answered() {
        for host in ["127.0.0.1:8080", "localhost:8080", "LOCALHOST:8080"] {
            assert!(verdict(&Method::GET, &[("host", host)]), "{host}");
        }
        for host in
            ["evil.example:8080", "127.0.0.1", "127.0.0.1:1", "localhost.evil.example:8080", "[::1]:8080"]
        {
            assert!(!verdict(&Method::GET, &[("host", host)]), "{host}");
        }
        assert!(!verdict(&Method::GET, &[]));
    }

    #[test]
    fn an_unspecified_address_takes_any_literal_but_no_name() {
        let bound = "[::]:80".parse().unwrap();
        assert!(is_ours("192.0.2.7", bound) && is_ours("[2001:db8::1]", bound) && is_ours("[::1]:80", bound));
        assert!(!is_ours("evil.example", bound));
    }

    #[test]
    fn a_post_is_json_from_our_own_page() {
        let json = ("content-type", "application/json; charset=utf-8");
        let host = ("host", "127.0.0.1:8080");
        assert!(verdict(&Method::POST, &[host, json]));
        assert!(verdict(&Method::POST, &[host, json, ("origin", "http://127.0.0.1:8080")]));
        assert!(!verdict(&Method::POST, &[host, json, ("origin", "http://evil.example")]));
        assert!(!verdict(&Method::POST, &[host, json, ("origin", "null")]));
        assert!(!verdict(&Method::POST, &[host, ("content-type", "text/plain")]));
        assert!(!verdict(&Method::POST, &[host]));
    }
}
