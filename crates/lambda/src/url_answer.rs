//! What a request to a function URL is answered: from the function's result to HTTP (Developer Guide, "Invoking Lambda function
//! URLs"), and Lambda's own answers.

use crate::{ByteStream, Failure, caps};
use bytes::Bytes;
use millstream_api_lambda::ErrorCode;
use millstream_shapes::ErrorName;
use serde_json::{Map, Value, json};
use std::fmt;

/// What goes back.
pub struct UrlAnswer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
    /// The body, if it comes in pieces: then `body` is empty. Dropped when the client is gone.
    pub stream: Option<ByteStream>,
    /// What the front should log if something went wrong on the way, not in the function.
    pub failure: Option<Failure>,
}

/// Headers that are about one connection, or are made anew.
pub(crate) const NOT_PASSED_ON: [&str; 9] = [
    "connection",
    "content-length",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

impl fmt::Debug for UrlAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UrlAnswer").field("status", &self.status).finish_non_exhaustive()
    }
}

impl UrlAnswer {
    /// Without a body.
    pub(crate) fn whole(status: u16, headers: Vec<(String, String)>) -> Self {
        Self { status, headers, body: Bytes::new(), stream: None, failure: None }
    }

    /// An answer of Lambda itself, in the form that function URLs have.
    pub fn refused(status: u16, code: &str, message: &str) -> Self {
        let headers = vec![json_body(), ("x-amzn-errortype".to_owned(), code.to_owned())];
        Self { body: json!({ "Message": message }).to_string().into(), ..Self::whole(status, headers) }
    }

    /// For whoever may not. The words are AWS's (recorded by LocalStack).
    pub fn forbidden() -> Self {
        let text = "Forbidden. For troubleshooting Function URL authorization issues, see: \
                    https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html";
        Self::refused(403, "AccessDeniedException", text)
    }

    /// There is no such URL. It has no message (recorded by LocalStack).
    pub fn unknown() -> Self {
        let body = Bytes::from_static(br#"{"Message":null}"#);
        Self { body, ..Self::refused(403, "AccessDeniedException", "") }
    }

    /// The function failed, or answered what cannot be made an answer of. It is no JSON (recorded by LocalStack).
    pub fn bad_gateway() -> Self {
        let headers = vec![json_body()];
        Self { body: Bytes::from_static(b"Internal Server Error"), ..Self::whole(502, headers) }
    }

    pub(crate) fn of_failure(failure: Failure) -> Self {
        let error = &failure.error;
        let answer = match error.code.status() {
            413 => Self::refused(413, "RequestEntityTooLargeException", &error.message),
            429 => Self::refused(429, "TooManyRequestsException", &error.message),
            _ if error.code == ErrorCode::AccessDeniedException => Self::forbidden(),
            _ => Self::bad_gateway(),
        };
        Self { failure: Some(failure), ..answer }
    }
}

fn json_body() -> (String, String) {
    ("content-type".to_owned(), "application/json".to_owned())
}

/// A function's result as an answer; `None` if it is none. A result without `statusCode` is the body itself.
pub(crate) fn answer_of(payload: &Bytes) -> Option<UrlAnswer> {
    let members = match serde_json::from_slice(payload).ok()? {
        Value::Object(members) if members.contains_key("statusCode") => members,
        other => {
            // Text goes out as it is, without its quotes (recorded by LocalStack).
            let body = if let Value::String(text) = other { text.into() } else { compact(payload).into() };
            return Some(UrlAnswer { body, ..UrlAnswer::whole(200, vec![json_body()]) });
        }
    };
    let mut answer = head_of(&members, "application/json")?;
    let encoded = given(&members, "isBase64Encoded", Value::as_bool).ok()?.unwrap_or(false);
    answer.body = match members.get("body") {
        None | Some(Value::Null) => Bytes::new(),
        Some(Value::String(text)) if encoded => base64_simd::STANDARD.decode_to_vec(text).ok()?.into(),
        Some(Value::String(text)) => text.clone().into(),
        // What is no text goes out as JSON, as the result itself would.
        Some(_) if encoded => return None,
        Some(other) => other.to_string().into(),
    };
    Some(answer)
}

/// Status, headers and cookies as a function gives them; 200 if it gives no status. `content_type` is what the body is if it
/// does not say so.
pub(crate) fn head_of(members: &Map<String, Value>, content_type: &str) -> Option<UrlAnswer> {
    let status = match members.get("statusCode") {
        None => 200,
        Some(Value::String(text)) => text.parse().ok()?,
        Some(number) => u16::try_from(number.as_u64()?).ok()?,
    };
    if !(200..=599).contains(&status) {
        return None;
    }
    let mut headers = Vec::new();
    for (name, value) in given(members, "headers", Value::as_object).ok()?.into_iter().flatten() {
        let name = name.to_ascii_lowercase();
        if !NOT_PASSED_ON.contains(&name.as_str()) {
            headers.push((name, scalar(value)?));
        }
    }
    if !headers.iter().any(|(name, _)| name == "content-type") {
        headers.push(("content-type".to_owned(), content_type.to_owned()));
    }
    for cookie in given(members, "cookies", Value::as_array).ok()?.into_iter().flatten() {
        headers.push(("set-cookie".to_owned(), cookie.as_str()?.to_owned()));
    }
    let bytes: usize = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    if headers.len() > caps::URL_HEADERS || bytes > caps::URL_HEADER_BYTES {
        return None;
    }
    Some(UrlAnswer::whole(status, headers))
}

/// JSON without blanks between its parts, as AWS writes results anew; numbers and texts stay as the function wrote them.
fn compact(json: &[u8]) -> Vec<u8> {
    let (mut out, mut in_text, mut escaped) = (Vec::with_capacity(json.len()), false, false);
    for byte in json {
        if !in_text && byte.is_ascii_whitespace() {
            continue;
        }
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_text,
            b'"' => in_text = !in_text,
            _ => {}
        }
        out.push(*byte);
    }
    out
}

/// A member of another type than it must have.
#[derive(Debug)]
struct WrongType;

/// A member of a result, if it is there and not null.
fn given<'a, T>(
    members: &'a Map<String, Value>,
    name: &str,
    read: impl FnOnce(&'a Value) -> Option<T>,
) -> Result<Option<T>, WrongType> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => read(value).map(Some).ok_or(WrongType),
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(is) => Some(is.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::answer_of;
    use crate::caps;
    use bytes::Bytes;
    use serde_json::json;

    type Told = (u16, Vec<(String, String)>, Bytes);

    fn told(result: &'static str) -> Option<Told> {
        answer_of(&Bytes::from_static(result.as_bytes()))
            .map(|answer| (answer.status, answer.headers, answer.body))
    }

    #[test]
    fn a_result_without_a_status_is_the_body() {
        for (result, sent) in [
            (r#"{"hello": "world"}"#, r#"{"hello":"world"}"#),
            (r#"["hello", 3, true]"#, r#"["hello",3,true]"#),
            ("\"hello\"", "hello"),
            (r#""a \"b\" \u00e4""#, "a \"b\" ä"),
            ("3.10", "3.10"),
            ("null", "null"),
            (r#"{"body" : "b", "x": "a \" b\\"}"#, r#"{"body":"b","x":"a \" b\\"}"#),
        ] {
            let (status, headers, body) = told(result).unwrap();
            assert_eq!((status, std::str::from_utf8(&body).unwrap()), (200, sent));
            assert_eq!(headers, [("content-type".to_owned(), "application/json".to_owned())]);
        }
    }

    #[test]
    fn a_body_that_is_no_text_is_json() {
        for (result, sent) in [
            (r#"{"statusCode": 200, "body": {"a": [1, "b"]}}"#, r#"{"a":[1,"b"]}"#),
            (r#"{"statusCode": 200, "body": 3}"#, "3"),
            (r#"{"statusCode": 200, "body": null}"#, ""),
            (r#"{"statusCode": 200}"#, ""),
        ] {
            assert_eq!(std::str::from_utf8(&told(result).unwrap().2).unwrap(), sent, "{result}");
        }
    }

    #[test]
    fn a_result_with_a_status_says_everything() {
        let (status, headers, body) = told(
            r#"{"statusCode":201,"headers":{"X-Count":3,"Content-Type":"text/plain","Connection":"close"},
                "cookies":["a=1","b=2"],"body":"aGk=","isBase64Encoded":true}"#,
        )
        .unwrap();
        assert_eq!((status, body.as_ref()), (201, &b"hi"[..]));
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut sorted = headers;
        sorted.sort();
        assert_eq!(
            sorted,
            [
                header("content-type", "text/plain"),
                header("set-cookie", "a=1"),
                header("set-cookie", "b=2"),
                header("x-count", "3"),
            ]
        );
        assert_eq!(told(r#"{"statusCode":"404"}"#).unwrap().0, 404);
    }

    #[test]
    fn headers_have_a_limit() {
        let with = |cookies: Vec<String>| {
            let result = json!({"statusCode": 200, "cookies": cookies, "headers": {"content-type": "a"}});
            answer_of(&result.to_string().into()).is_some()
        };
        let most = caps::URL_HEADERS - 1;
        assert_eq!((with(vec!["a".into(); most]), with(vec!["a".into(); most + 1])), (true, false));
        let most = caps::URL_HEADER_BYTES - "content-typea".len() - "set-cookie".len();
        assert_eq!((with(vec!["a".repeat(most)]), with(vec!["a".repeat(most + 1)])), (true, false));
    }

    #[test]
    fn a_result_that_is_no_answer_is_none() {
        for result in [
            "",
            "not json",
            r#"{"statusCode":"ok"}"#,
            r#"{"statusCode":99}"#,
            r#"{"statusCode":600}"#,
            r#"{"statusCode":200,"headers":[]}"#,
            r#"{"statusCode":200,"headers":{"a":["b"]}}"#,
            r#"{"statusCode":200,"cookies":[1]}"#,
            r#"{"statusCode":200,"body":{},"isBase64Encoded":true}"#,
            r#"{"statusCode":null}"#,
            r#"{"statusCode":200,"body":"%","isBase64Encoded":true}"#,
        ] {
            assert!(told(result).is_none(), "{result}");
        }
    }
}
