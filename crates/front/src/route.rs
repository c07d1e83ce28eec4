use crate::function_urls;
use http::request::Parts;
use http::{Method, header};
use millstream_lambda::Lambda;
use std::net::IpAddr;

/// What a request is for. One endpoint serves all, so this is told by path and `X-Amz-Target` alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route<'a> {
    Health,
    Metrics,
    /// The faults that are injected.
    Faults,
    /// A function's or layer's zip, by its key in the code store.
    Code(&'a str),
    /// The operation of `X-Amz-Target: Kinesis_20131202.<operation>`.
    Kinesis(&'a str),
    /// The operation of `X-Amz-Target: Logs_20140328.<operation>`.
    Logs(&'a str),
    Lambda,
    /// A function URL, by its id, and the function's own path.
    FunctionUrl(&'a str, &'a str),
    /// A browser's request from some page: nothing here is for it.
    Browser,
    /// For a host name that is not this machine's.
    ForeignHost,
    Unknown,
}

const KINESIS: &str = "Kinesis_20131202.";
const LOGS: &str = "Logs_20140328.";

/// `only_local_names`: the server can be reached from this machine alone, so a request for another host name was led
/// here by somebody's DNS. `signed`: requests must be signed, which no page of another site can do; where they came from
/// then says nothing more.
pub(crate) fn route(parts: &Parts, only_local_names: bool, signed: bool) -> Route<'_> {
    let path = parts.uri.path();
    if only_local_names && !signed && !host(parts).is_none_or(is_local_name) {
        return Route::ForeignHost;
    }
    // Functions say themselves which pages may call them.
    if let Some((id, path)) = function_urls::recognise(host(parts), path) {
        return Route::FunctionUrl(id, path);
    }
    let target = parts.headers.get("x-amz-target").and_then(|value| value.to_str().ok());
    match path.strip_prefix("/_millstream/") {
        Some("health") => Route::Health,
        Some("metrics") => Route::Metrics,
        // Pages of other sites must not reach an endpoint that trusts whoever can connect; SDKs send no Origin.
        _ if !signed && parts.headers.contains_key(header::ORIGIN) => Route::Browser,
        Some("faults") => Route::Faults,
        Some(rest) => rest.strip_prefix("code/").map_or(Route::Unknown, Route::Code),
        None => match target {
            Some(target) if parts.method == Method::POST => {
                let kinesis = target.strip_prefix(KINESIS).map(Route::Kinesis);
                kinesis.or_else(|| target.strip_prefix(LOGS).map(Route::Logs)).unwrap_or(Route::Unknown)
            }
            None if Lambda::recognises(path) => Route::Lambda,
            Some(_) | None => Route::Unknown,
        },
    }
}

fn host(parts: &Parts) -> Option<&str> {
    // HTTP/2 puts it into the URI.
    parts.uri.host().or_else(|| {
        let text = parts.headers.get(header::HOST)?.to_str().ok()?;
        Some(
            text.rsplit_once(':')
                .filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()))
                .map_or(text, |(host, _)| host),
        )
    })
}

/// What SDKs put before the host's name for StartLiveTail: today's, and that of versions before April 2026.
const PREFIXES: [&str; 2] = ["stream-", "streaming-"];

/// An address, or a name that always means this machine (RFC 6761, section 6.3).
fn is_local_name(host: &str) -> bool {
    let host = PREFIXES.iter().find_map(|prefix| host.strip_prefix(prefix)).unwrap_or(host);
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.parse::<IpAddr>().is_ok() || host == "localhost" || host.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    /// As the route's text: the route itself borrows from its request.
    fn of(method: &str, path: &str, headers: &[(&str, &str)]) -> String {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        text(&route(&request.body(()).unwrap().into_parts().0, true, false))
    }

    fn text(route: &Route<'_>) -> String {
        format!("{route:?}")
    }

    #[test]
    fn one_endpoint_tells_its_services_apart() {
        let target = ("x-amz-target", "Kinesis_20131202.PutRecords");
        assert_eq!(of("POST", "/", &[target]), text(&Route::Kinesis("PutRecords")));
        let logs = ("x-amz-target", "Logs_20140328.GetLogEvents");
        assert_eq!(of("POST", "/", &[logs]), text(&Route::Logs("GetLogEvents")));
        assert_eq!(of("POST", "/", &[logs, ("origin", "https://example.org")]), text(&Route::Browser));
        assert_eq!(of("GET", "/2015-03-31/functions/", &[]), text(&Route::Lambda));
        assert_eq!(of("POST", "/", &[("x-amz-target", "DynamoDB_20120810.GetItem")]), text(&Route::Unknown));
        assert_eq!(of("GET", "/", &[]), text(&Route::Unknown));
        assert_eq!(of("GET", "/_millstream/health", &[]), text(&Route::Health));
        assert_eq!(of("GET", "/_millstream/code/abc", &[]), text(&Route::Code("abc")));
        assert_eq!(of("PUT", "/_millstream/faults", &[]), text(&Route::Faults));
        assert_eq!(of("PUT", "/_millstream/faults", &[("origin", "null")]), text(&Route::Browser));
        assert_eq!(of("POST", "/", &[target, ("origin", "https://example.org")]), text(&Route::Browser));
        assert_eq!(of("POST", "/2015-03-31/functions", &[("origin", "null")]), text(&Route::Browser));
    }

    #[test]
    fn a_signature_says_more_than_where_a_request_came_from() {
        let head = || Request::builder().method("GET").uri("/2015-03-31/functions");
        for (name, value) in [("origin", "https://example.org"), ("host", "evil.example")] {
            let parts = head().header(name, value).body(()).unwrap().into_parts().0;
            assert_eq!(route(&parts, true, true), Route::Lambda, "{name}");
            assert_ne!(route(&parts, true, false), Route::Lambda, "{name}");
        }
    }

    #[test]
    fn only_names_of_this_machine_lead_here() {
        for host in
            ["127.0.0.1:4566", "localhost:4566", "[::1]:4566", "localhost", "api.localhost:80", "10.0.0.1"]
        {
            assert_eq!(of("GET", "/2015-03-31/functions", &[("host", host)]), text(&Route::Lambda), "{host}");
        }
        for host in ["stream-127.0.0.1:4566", "streaming-localhost", "stream-api.localhost:80"] {
            assert_eq!(of("GET", "/2015-03-31/functions", &[("host", host)]), text(&Route::Lambda), "{host}");
        }
        for host in ["stream-evil.example", "evil.example:4566", "localhost.example", "127.0.0.1.example"] {
            assert_eq!(
                of("GET", "/2015-03-31/functions", &[("host", host)]),
                text(&Route::ForeignHost),
                "{host}"
            );
        }
    }
}
