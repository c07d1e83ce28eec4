//! A request to a function URL: who may make it, and from HTTP to an event of format 2.0 (Developer Guide, "Invoking Lambda
//! function URLs").

use crate::error;
use crate::service::Lambda;
use crate::url_answer::{NOT_PASSED_ON, UrlAnswer, answer_of};
use crate::url_cors::{self, Cors};
use crate::urls::FoundUrl;
use crate::{Failure, caps, url_stream};
use bytes::Bytes;
use millstream_api_lambda::ErrorCode;
use millstream_control::{UrlAuth, UrlMode};
use millstream_functions::Invocation;
use millstream_iam::{Caller, Facts};
use millstream_shapes::percent_decode;
use millstream_types::{Home, Timestamp};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// A function URL that a request is for.
#[derive(Clone, Debug)]
pub struct UrlTarget {
    found: FoundUrl,
}

/// A request to a function URL, as it came.
#[derive(Clone, Copy, Debug)]
pub struct UrlRequest<'a> {
    pub request_id: &'a str,
    pub method: &'a str,
    /// Without what stands before the function's own path; raw.
    pub path: &'a str,
    /// Raw.
    pub query: &'a str,
    /// Names in lower case.
    pub headers: &'a [(&'a str, &'a str)],
    /// `HTTP/1.1` or the like.
    pub protocol: &'a str,
    pub host: &'a str,
    pub source_ip: Option<IpAddr>,
    /// Whether it came by TLS.
    pub secure: bool,
    pub now: Timestamp,
}

impl UrlTarget {
    /// Whether requests must be signed.
    pub fn is_signed(&self) -> bool {
        self.found.url.settings.auth == UrlAuth::Iam
    }

    /// Without a version or an alias.
    pub(crate) fn function_arn(&self) -> &str {
        &self.found.function.arn
    }

    /// Where it is.
    pub fn home(&self) -> &Home {
        &self.found.home
    }

    fn cors<'a>(&'a self, request: &UrlRequest<'a>) -> Option<Cors<'a>> {
        Some(Cors::new(self.found.url.settings.cors.as_ref()?, header(request.headers, "origin")?))
    }

    /// Says in an answer which pages may read it, in the place of what the function says.
    pub fn let_pages_read(&self, request: &UrlRequest<'_>, answer: &mut UrlAnswer) {
        if let Some(cors) = self.cors(request) {
            answer.headers.retain(|(name, _)| !url_cors::is_ours(name));
            answer.headers.extend(cors.simple());
        }
    }

    /// The answer to a browser that asks whether a page may make a request. It is asked without credentials, so it is
    /// answered before anybody has to be known; `None` if this is no such question, or is the function's to answer.
    pub fn preflight(&self, request: &UrlRequest<'_>) -> Option<UrlAnswer> {
        let asked = header(request.headers, "access-control-request-method")?;
        let cors = self.cors(request).filter(|_| request.method == "OPTIONS")?;
        Some(UrlAnswer::whole(200, cors.preflight(asked)))
    }
}

impl Lambda {
    /// The function URL with this id.
    pub fn function_url_target(&self, id: &str) -> Option<UrlTarget> {
        self.url_by_id(id).map(|found| UrlTarget { found })
    }

    /// Invoke the function of a URL. `caller` is whoever signed, or nobody known; `None` where nobody is asked.
    pub async fn call_url(
        &self,
        target: &UrlTarget,
        caller: Option<&Caller>,
        request: UrlRequest<'_>,
        body: &Bytes,
    ) -> UrlAnswer {
        let mut answer =
            match self.at(target.found.home.clone()).answer_url(target, caller, request, body).await {
                Ok(answer) => answer,
                Err(failure) => UrlAnswer::of_failure(failure.told_at(&target.found.home)),
            };
        target.let_pages_read(&request, &mut answer);
        answer
    }

    async fn answer_url(
        &self,
        target: &UrlTarget,
        caller: Option<&Caller>,
        request: UrlRequest<'_>,
        body: &Bytes,
    ) -> Result<UrlAnswer, Failure> {
        let FoundUrl { function, alias, .. } = &target.found;
        let qualifier = (!alias.is_empty()).then_some(alias.as_str());
        if let Some(caller) = caller {
            self.authorise_url(target, caller, qualifier)?;
        }
        if body.len() > caps::PAYLOAD_BYTES {
            return Err(error::payload_too_large(caps::PAYLOAD_BYTES, "InvokeFunctionUrl"));
        }
        error::check_active(function)?;
        let event = event(target, caller, &request, body).to_string();
        // What is added to the body, base64 for one, counts too.
        if event.len() > millstream_functions::caps::MAX_PAYLOAD_BYTES {
            return Err(error::payload_too_large(caps::PAYLOAD_BYTES, "InvokeFunctionUrl"));
        }
        let trace = header(request.headers, "x-amzn-trace-id");
        let call = Invocation {
            request_id: request.request_id.to_owned(),
            payload: event.into(),
            client_context: None,
            trace_id: trace.filter(|id| id.len() <= caps::TRACE_ID_CHARS).map(str::to_owned),
        };
        if target.found.url.settings.mode == Some(UrlMode::ResponseStream) {
            let streaming = self.invoke_streaming(function, qualifier, call).await?;
            return Ok(url_stream::answer_of(streaming).await.unwrap_or_else(UrlAnswer::bad_gateway));
        }
        let spec = millstream_mapping::qualified_spec(function, qualifier).map_err(error::spec)?;
        let reply = self.functions().invoke(spec, call).await.map_err(error::invoke)?;
        if reply.function_error.is_some() {
            return Ok(UrlAnswer::bad_gateway());
        }
        Ok(answer_of(&reply.payload).unwrap_or_else(UrlAnswer::bad_gateway))
    }

    /// Both actions are needed, as on AWS since October 2025: to call the URL, and to invoke the function by it.
    fn authorise_url(
        &self,
        target: &UrlTarget,
        caller: &Caller,
        qualifier: Option<&str>,
    ) -> Result<(), Failure> {
        let function = &target.found.function;
        let resource = error::qualified(&function.arn, qualifier.unwrap_or_default());
        let policy = self.policy_of_function(function.own_name(), qualifier);
        let auth = target.found.url.settings.auth.as_str();
        let own = [
            ("lambda:functionurlauthtype", auth.to_owned()),
            ("lambda:invokedviafunctionurl", "true".to_owned()),
            ("lambda:functionarn", resource.clone()),
        ];
        let facts = Facts { resource_tags: Some(&function.tags), own: &own, ..Facts::default() };
        for action in ["lambda:InvokeFunctionUrl", "lambda:InvokeFunction"] {
            caller
                .may(action, &resource, facts, policy.as_ref())
                .map_err(|denial| Failure::new(ErrorCode::AccessDeniedException, denial.to_string()))?;
        }
        Ok(())
    }
}

fn header<'a>(headers: &[(&str, &'a str)], wanted: &str) -> Option<&'a str> {
    headers.iter().find(|(name, _)| *name == wanted).map(|(_, value)| *value)
}

/// The event, as API Gateway's format 2.0 has it.
fn event(target: &UrlTarget, caller: Option<&Caller>, request: &UrlRequest<'_>, body: &Bytes) -> Value {
    let mut headers: BTreeMap<&str, String> = BTreeMap::new();
    let mut cookies = Vec::new();
    for (name, value) in request.headers {
        match *name {
            "cookie" => cookies.extend(value.split(';').map(str::trim).filter(|cookie| !cookie.is_empty())),
            // A signature is for the server, not for the function.
            "authorization" if target.is_signed() => {}
            name if NOT_PASSED_ON.contains(&name) && name != "content-length" => {}
            name => join(headers.entry(name).or_default(), value),
        }
    }
    headers.entry("host").or_insert_with(|| request.host.to_owned());
    forwarded(&mut headers, request);
    let mut event = Map::new();
    event.insert("version".into(), "2.0".into());
    event.insert("routeKey".into(), "$default".into());
    event.insert("rawPath".into(), request.path.into());
    event.insert("rawQueryString".into(), request.query.into());
    if !cookies.is_empty() {
        event.insert("cookies".into(), json!(cookies));
    }
    event.insert("headers".into(), json!(headers));
    let query = query_parameters(request.query);
    if !query.is_empty() {
        event.insert("queryStringParameters".into(), json!(query));
    }
    event.insert("requestContext".into(), context(target, caller, request));
    let kind = header(request.headers, "content-type").unwrap_or_default();
    let text = std::str::from_utf8(body).ok().filter(|_| is_text(kind));
    if !body.is_empty() {
        let encoded = || base64_simd::STANDARD.encode_to_string(body);
        event.insert("body".into(), text.map_or_else(encoded, str::to_owned).into());
    }
    event.insert("isBase64Encoded".into(), (!body.is_empty() && text.is_none()).into());
    Value::Object(event)
}

/// What AWS's front says of a connection. What proxies say of those before it stands first; of the connection to this server
/// they cannot say anything.
fn forwarded(headers: &mut BTreeMap<&str, String>, request: &UrlRequest<'_>) {
    if let Some(ip) = request.source_ip {
        join(headers.entry("x-forwarded-for").or_default(), &ip.to_string());
    }
    let (scheme, usual) = if request.secure { ("https", "443") } else { ("http", "80") };
    let named = request.host.rsplit_once(':').map(|(_, port)| port);
    let port = named.filter(|port| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()));
    headers.insert("x-forwarded-proto", scheme.to_owned());
    headers.insert("x-forwarded-port", port.unwrap_or(usual).to_owned());
}

fn context(target: &UrlTarget, caller: Option<&Caller>, request: &UrlRequest<'_>) -> Value {
    let url = &target.found.url;
    let mut context = json!({
        "accountId": "anonymous",
        "apiId": url.id,
        "domainName": request.host,
        "domainPrefix": url.id,
        "http": {
            "method": request.method,
            "path": request.path,
            "protocol": request.protocol,
            "sourceIp": request.source_ip.map_or_else(String::new, |ip| ip.to_string()),
            "userAgent": header(request.headers, "user-agent").unwrap_or_default(),
        },
        "requestId": request.request_id,
        "routeKey": "$default",
        "stage": "$default",
        "time": clf(request.now),
        "timeEpoch": request.now.millis(),
    });
    if let Some(caller) = caller.filter(|_| target.is_signed()) {
        let principal = &caller.principal;
        context["accountId"] = principal.account().into();
        context["authorizer"] = json!({ "iam": {
            "accountId": principal.account(),
            "callerId": principal.user_id(),
            "cognitoIdentity": null,
            "principalOrgId": null,
            "userArn": principal.arn(),
            "userId": principal.user_id(),
        }});
    }
    context
}

fn join(all: &mut String, value: &str) {
    if !all.is_empty() {
        all.push(',');
    }
    all.push_str(value);
}

/// By name, the values of one in a row.
fn query_parameters(query: &str) -> BTreeMap<String, String> {
    let mut all: BTreeMap<String, String> = BTreeMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (unescaped(name), unescaped(value));
        match all.get_mut(&name) {
            Some(values) => {
                values.push(',');
                values.push_str(&value);
            }
            None => drop(all.insert(name, value)),
        }
    }
    all
}

/// What is not well escaped stays as it came.
fn unescaped(text: &str) -> String {
    percent_decode(&text.replace('+', " ")).unwrap_or_else(|| text.to_owned())
}

/// Whether a body of this media type is handed on as text. Whatever else is base64.
fn is_text(kind: &str) -> bool {
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let known = ["application/json", "application/javascript", "application/xml"];
    kind.starts_with("text/")
        || known.contains(&kind.as_str())
        || kind.ends_with("+json")
        || kind.ends_with("+xml")
}

/// `12/Mar/2020:19:03:58 +0000`
fn clf(time: Timestamp) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (year, month, day, hour, minute, second, _) = time.civil();
    let month = usize::try_from(month).ok().and_then(|month| MONTHS.get(month.wrapping_sub(1)));
    let month = month.unwrap_or(&"Jan");
    format!("{day:02}/{month}/{year:04}:{hour:02}:{minute:02}:{second:02} +0000")
}

#[cfg(test)]
mod tests {
    use super::{clf, is_text, query_parameters};
    use millstream_types::Timestamp;

    #[test]
    fn the_query_is_taken_apart() {
        let all = query_parameters("a=1&b=x+y%20z&a=2&flag&%C3%A4=%");
        let pairs: Vec<_> = all.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(pairs, [("a", "1,2"), ("b", "x y z"), ("flag", ""), ("ä", "%")]);
    }

    #[test]
    fn the_media_type_says_what_is_text() {
        for text in ["text/plain; charset=utf-8", "application/json", "application/problem+json", "Text/HTML"]
        {
            assert!(is_text(text), "{text}");
        }
        for other in ["", "application/x-www-form-urlencoded", "image/png", "application/octet-stream"] {
            assert!(!is_text(other), "{other}");
        }
    }

    #[test]
    fn times_are_written_as_in_access_logs() {
        assert_eq!(clf(Timestamp::from_millis(1_584_039_838_123)), "12/Mar/2020:19:03:58 +0000");
    }
}
