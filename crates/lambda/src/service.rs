use crate::buckets::Buckets;
use crate::error::{Failure, stored_code};
use crate::links::LinkKey;
use crate::ops;
use crate::url_meter::UrlMeters;
use crate::urls::UrlIndex;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use millstream_api_lambda::{self as api, Error, ErrorCode, Operation};
use millstream_control_node::ControlHandle;
use millstream_engine::Engine;
use millstream_events::Events;
use millstream_functions::{CodeKey, Functions};
use millstream_iam::Caller;
use millstream_mapping::Mappings;
use millstream_shapes::{ErrorName, Query, RestRequest, RestResponse};
use millstream_types::Home;
use std::collections::HashSet;
use std::sync::Arc;

/// Where the front serves the zips that [`Lambda::code`] gives: this, then the key.
pub const CODE_PATH: &str = "/_millstream/code/";

#[derive(Debug)]
pub struct Options {
    pub control: ControlHandle,
    pub engine: Engine,
    pub functions: Functions,
    pub mappings: Mappings,
    pub events: Events,
    /// The server's own account and region.
    pub home: Home,
    /// Where clients reach this server, such as `http://127.0.0.1:4567`. Links to code begin with it.
    pub endpoint: String,
}

/// The Lambda API. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Lambda {
    inner: Arc<Options>,
    /// The account and region that requests mean.
    home: Arc<Home>,
    urls: Arc<UrlIndex>,
    url_meters: Arc<UrlMeters>,
    pub(crate) links: Option<LinkKey>,
    pub(crate) buckets: Option<Arc<HeldBuckets>>,
}

/// Buckets, one read at a time.
#[derive(Debug)]
pub(crate) struct HeldBuckets {
    pub(crate) list: Arc<dyn Buckets>,
    pub(crate) turn: tokio::sync::Mutex<()>,
}

/// A body that comes in pieces.
pub type ByteStream = BoxStream<'static, Bytes>;

/// What an operation answers.
pub(crate) struct Reply {
    pub(crate) response: RestResponse,
    /// The body, if it comes in pieces.
    pub(crate) stream: Option<ByteStream>,
}

impl From<RestResponse> for Reply {
    fn from(response: RestResponse) -> Self {
        Self { response, stream: None }
    }
}

/// The answer to a request, ready to be sent but for the headers that every answer has.
pub struct Answer {
    pub response: RestResponse,
    /// The body, if it comes in pieces: then that of `response` is empty. Dropped when the client is gone.
    pub stream: Option<ByteStream>,
    /// What was asked for, if the path is one of Lambda's.
    pub operation: Option<Operation>,
    /// Set when `response` is an error: what the front should log.
    pub failure: Option<Failure>,
}

/// What an operation may know of its request besides the input.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context<'a> {
    pub(crate) request_id: &'a str,
    /// `X-Amzn-Trace-Id`.
    pub(crate) trace_id: Option<&'a str>,
}

impl Lambda {
    /// Clears the code store of zips that nothing refers to, then is ready. Call it before requests are let in: a zip
    /// that was uploaded and whose function is not yet written down looks like one that nothing refers to.
    pub async fn start(options: Options) -> Self {
        let home = Arc::new(options.home.clone());
        let lambda = Self {
            inner: Arc::new(options),
            home,
            urls: Arc::default(),
            url_meters: Arc::default(),
            links: None,
            buckets: None,
        };
        lambda.sweep().await;
        lambda
    }

    /// The service for requests that mean another account or region of this server.
    #[must_use]
    pub fn at(&self, home: Home) -> Self {
        Self { home: Arc::new(home), ..self.clone() }
    }

    /// Whether a path has the form of Lambda's REST paths: an API version in front, as in `/2015-03-31/functions`.
    pub fn recognises(path: &str) -> bool {
        let Some(version) = path.strip_prefix('/').and_then(|path| path.get(..11)) else { return false };
        let form = b"dddd-dd-dd/";
        version.starts_with("20")
            && version.bytes().zip(form).all(|(byte, form)| match form {
                b'd' => byte.is_ascii_digit(),
                other => byte == *other,
            })
    }

    /// What a request asks for, if it is for an operation that there is.
    pub fn operation(method: &str, path: &str, query: &str) -> Option<Operation> {
        let query = Query::parse(query).ok()?;
        api::route(method, without_slash(path), &query).map(|(operation, _)| operation)
    }

    /// Serve a request. `path` and `query` are raw, as the client sent them (percent-encoded). Never fails: an error
    /// is an answer too.
    pub async fn call(
        &self,
        request_id: &str,
        method: &str,
        path: &str,
        query: &str,
        headers: Vec<(&str, &str)>,
        body: Bytes,
    ) -> Answer {
        self.call_as(None, request_id, (method, path, query), headers, body).await
    }

    /// [`Lambda::call`] for a caller whose policies count, if there is one. `line`: method, path and query.
    pub async fn call_as(
        &self,
        caller: Option<&Caller>,
        request_id: &str,
        (method, path, query): (&str, &str, &str),
        headers: Vec<(&str, &str)>,
        body: Bytes,
    ) -> Answer {
        let query = match Query::parse(query) {
            Ok(query) => query,
            Err(error) => return Answer::failed(None, error.into()),
        };
        let path = without_slash(path);
        let Some((operation, labels)) = api::route(method, path, &query) else {
            let message = format!("Lambda has no operation for {method} {path}.");
            return Answer::failed(None, Failure::new(ErrorCode::UNKNOWN_OPERATION, message));
        };
        let trace = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("x-amzn-trace-id"));
        let context = Context { request_id, trace_id: trace.map(|(_, value)| *value) };
        let request = RestRequest { labels, query, headers, body };
        let allowed = caller.map_or(Ok(()), |caller| self.authorise(caller, operation, &request));
        if let Err(failure) = allowed {
            return Answer::failed(Some(operation), failure.told_at(&self.home));
        }
        match ops::dispatch(self, operation, &request, context).await {
            Ok(Reply { response, stream }) => {
                Answer { response, stream, operation: Some(operation), failure: None }
            }
            Err(failure) => Answer::failed(Some(operation), failure.told_at(&self.home)),
        }
    }

    /// The zip of a key, as in the links that `GetFunction` and `GetLayerVersion` return; nothing if no function and
    /// no layer has it. The key is the digest of the content, so who has it has seen the code or a link to it.
    pub async fn code(&self, key: &str) -> Result<Option<Bytes>, Failure> {
        let Ok(key) = key.parse::<CodeKey>() else { return Ok(None) };
        if !self.referenced_code().contains(&key) {
            return Ok(None);
        }
        self.functions().code().get_zip(&key).await.map(Some).map_err(stored_code)
    }

    /// Every zip that a function, an update in progress or a layer version refers to.
    pub(crate) fn referenced_code(&self) -> HashSet<CodeKey> {
        let state = self.control().state();
        let functions = state.functions.values().flat_map(|function| {
            let next = function.next.as_deref();
            let codes = [Some(&function.code), next.map(|(code, _)| code)];
            let settings = [Some(&function.settings), next.map(|(_, settings)| settings)];
            let layers = settings.into_iter().flatten().flat_map(|settings| &settings.layers);
            let published = function.published.versions.values();
            let published = published.flat_map(|version| {
                let layers = version.settings.layers.iter().map(|layer| &layer.key);
                std::iter::once(&version.code.key).chain(layers)
            });
            let now = codes.into_iter().flatten().map(|code| &code.key).chain(layers.map(|layer| &layer.key));
            now.chain(published)
        });
        let layers = state.layers.values().flat_map(|layer| layer.versions.values());
        functions.chain(layers.map(|version| &version.code.key)).filter_map(|key| key.parse().ok()).collect()
    }

    /// Take code from `buckets` too.
    #[must_use]
    pub fn with_buckets(self, buckets: Arc<dyn Buckets>) -> Self {
        let held = HeldBuckets { list: buckets, turn: tokio::sync::Mutex::new(()) };
        Self { buckets: Some(Arc::new(held)), ..self }
    }

    pub(crate) fn with_links(self, key: LinkKey) -> Self {
        Self { links: Some(key), ..self }
    }

    pub(crate) fn endpoint(&self) -> &str {
        &self.inner.endpoint
    }

    pub(crate) fn url_meters(&self) -> &UrlMeters {
        &self.url_meters
    }

    pub(crate) fn urls(&self) -> &UrlIndex {
        &self.urls
    }

    pub(crate) fn control(&self) -> &ControlHandle {
        &self.inner.control
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.inner.engine
    }

    pub(crate) fn functions(&self) -> &Functions {
        &self.inner.functions
    }

    pub(crate) fn mappings(&self) -> &Mappings {
        &self.inner.mappings
    }

    pub(crate) fn events(&self) -> &Events {
        &self.inner.events
    }

    pub(crate) fn home(&self) -> &Home {
        &self.home
    }
}

/// Older clients send a slash at the end.
fn without_slash(path: &str) -> &str {
    if path.len() > 1 { path.strip_suffix('/').unwrap_or(path) } else { path }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer")
            .field("response", &self.response)
            .field("streams", &self.stream.is_some())
            .field("operation", &self.operation)
            .field("failure", &self.failure)
            .finish()
    }
}

impl Answer {
    /// The answer to a request that failed.
    pub fn failed(operation: Option<Operation>, failure: Failure) -> Self {
        let error: &Error = &failure.error;
        let response = millstream_wire::error_body::rest(error);
        Self { response, stream: None, operation, failure: Some(failure) }
    }
}

#[cfg(test)]
mod tests {
    use super::Lambda;

    #[test]
    fn a_path_with_a_version_in_front_is_lambdas() {
        assert!(Lambda::recognises("/2015-03-31/functions"));
        assert!(Lambda::recognises("/2021-11-15/functions/f/response-streaming-invocations"));
        for other in
            ["/", "/2015-03-31", "/_millstream/code/x", "/1999-03-31/f", "/2015_03_31/f", "/2015-03-3é/f", ""]
        {
            assert!(!Lambda::recognises(other), "{other}");
        }
    }
}
