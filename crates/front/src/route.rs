use http::request::Parts;
use http::{Method, header};
use millstream_lambda::Lambda;

/// What a request is for. One endpoint serves all, so this is told by path and `X-Amz-Target` alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    Health,
    Metrics,
    /// A function's or layer's zip, by its key in the code store.
    Code(String),
    /// The operation of `X-Amz-Target: Kinesis_20131202.<operation>`.
    Kinesis(String),
    Lambda,
    /// A browser's request from some page: nothing here is for it.
    Browser,
    Unknown,
}

const KINESIS: &str = "Kinesis_20131202.";

pub(crate) fn route(parts: &Parts) -> Route {
    let path = parts.uri.path();
    let target = parts.headers.get("x-amz-target").and_then(|value| value.to_str().ok());
    match path.strip_prefix("/_millstream/") {
        Some("health") => Route::Health,
        Some("metrics") => Route::Metrics,
        // Pages of other sites must not reach an endpoint that trusts whoever can connect; SDKs send no Origin.
        _ if parts.headers.contains_key(header::ORIGIN) => Route::Browser,
        Some(rest) => rest.strip_prefix("code/").map_or(Route::Unknown, |key| Route::Code(key.to_owned())),
        None => match target {
            Some(target) if parts.method == Method::POST => target
                .strip_prefix(KINESIS)
                .map_or(Route::Unknown, |operation| Route::Kinesis(operation.to_owned())),
            Some(_) => Route::Unknown,
            None if Lambda::recognises(path) => Route::Lambda,
            None => Route::Unknown,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn of(method: &str, path: &str, headers: &[(&str, &str)]) -> Route {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        route(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn one_endpoint_tells_its_services_apart() {
        let target = ("x-amz-target", "Kinesis_20131202.PutRecords");
        assert_eq!(of("POST", "/", &[target]), Route::Kinesis("PutRecords".into()));
        assert_eq!(of("GET", "/2015-03-31/functions/", &[]), Route::Lambda);
        assert_eq!(of("POST", "/", &[("x-amz-target", "DynamoDB_20120810.GetItem")]), Route::Unknown);
        assert_eq!(of("GET", "/", &[]), Route::Unknown);
        assert_eq!(of("GET", "/_millstream/health", &[]), Route::Health);
        assert_eq!(of("GET", "/_millstream/code/abc", &[]), Route::Code("abc".into()));
        assert_eq!(of("POST", "/", &[target, ("origin", "https://example.org")]), Route::Browser);
        assert_eq!(of("POST", "/2015-03-31/functions", &[("origin", "null")]), Route::Browser);
    }
}
