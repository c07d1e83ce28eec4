//! Function URLs as the API shows them, and finding the function of one.

use crate::error::Failure;
use crate::names::Target;
use crate::service::Lambda;
use api::{Cors, FunctionUrlAuthType, FunctionUrlConfig, InvokeMode};
use imbl::OrdMap;
use millstream_api_lambda as api;
use millstream_control::{ChangeFunctionUrl, Function, FunctionUrl, UrlAuth, UrlChange, UrlCors, UrlMode};
use millstream_host::entropy;
use millstream_types::{Arn, Home, Timestamp};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What stands before the id of a URL in its path.
pub const URL_PATH: &str = "/lambda-url/";
/// Letters and digits of an id.
pub const URL_ID_CHARS: usize = 32;

const LETTERS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";

/// A function's URL that was asked for.
#[derive(Clone, Debug)]
pub(crate) struct FoundUrl {
    pub(crate) home: Home,
    pub(crate) function: Arc<Function>,
    pub(crate) alias: String,
    pub(crate) url: Arc<FunctionUrl>,
}

/// Which function has which URL: made anew when functions have changed.
#[derive(Debug, Default)]
pub(crate) struct UrlIndex(Mutex<Indexed>);

#[derive(Debug, Default)]
struct Indexed {
    functions: OrdMap<String, Arc<Function>>,
    /// Function and alias by the URL's id.
    urls: HashMap<String, (String, String)>,
}

impl UrlIndex {
    fn find(&self, functions: &OrdMap<String, Arc<Function>>, id: &str) -> Option<(String, String)> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.functions.ptr_eq(functions) {
            let all = functions.iter().flat_map(|(name, function)| {
                function.urls.iter().map(|(alias, url)| (url.id.clone(), (name.clone(), alias.clone())))
            });
            *known = Indexed { functions: functions.clone(), urls: all.collect() };
        }
        known.urls.get(id).cloned()
    }
}

impl Lambda {
    pub(crate) fn url_by_id(&self, id: &str) -> Option<FoundUrl> {
        let state = self.control().state();
        let (name, alias) = self.urls().find(&state.functions, id)?;
        let function = state.functions.get(&name)?.clone();
        let url = function.urls.get(&alias)?.clone();
        let arn: Arn = function.arn.parse().ok()?;
        Some(FoundUrl { home: self.home().beside(&arn.region, &arn.account), function, alias, url })
    }

    /// The function, and the alias or nothing, that a request about URLs names. `missing` is the answer if there is none.
    pub(crate) fn url_target(
        &self,
        name: &str,
        qualifier: Option<&str>,
        missing: impl Fn() -> Failure,
    ) -> Result<(Arc<Function>, String), Failure> {
        let target = Target::parse(self.home(), name)?.with_qualifier(qualifier)?;
        let found = target.unqualified().find(self.home(), &self.control().state());
        let function = found.map_err(|_none| missing())?;
        let alias = target.qualifier.unwrap_or_default();
        if !alias.is_empty() && !function.published.aliases.contains_key(&alias) {
            return Err(missing());
        }
        Ok((function, alias))
    }

    /// The path form: it needs no name service, and no certificate for names that nobody knows beforehand.
    fn function_url(&self, id: &str) -> String {
        format!("{}{URL_PATH}{id}/", self.endpoint())
    }

    pub(crate) fn show_url(&self, function: &Function, alias: &str, url: &FunctionUrl) -> FunctionUrlConfig {
        FunctionUrlConfig {
            function_url: self.function_url(&url.id),
            function_arn: crate::error::qualified(&function.arn, alias),
            creation_time: iso(url.created),
            last_modified_time: iso(url.modified),
            cors: url.settings.cors.as_ref().map(show_cors),
            auth_type: match url.settings.auth {
                UrlAuth::None => FunctionUrlAuthType::None,
                UrlAuth::Iam => FunctionUrlAuthType::AwsIam,
            },
            invoke_mode: url.settings.mode.map(|mode| match mode {
                UrlMode::Buffered => InvokeMode::Buffered,
                UrlMode::ResponseStream => InvokeMode::ResponseStream,
            }),
        }
    }

    pub(crate) async fn change_url(
        &self,
        function: &Function,
        alias: &str,
        change: UrlChange,
    ) -> Result<Arc<FunctionUrl>, Failure> {
        let command = ChangeFunctionUrl { function: function.name.clone(), alias: alias.to_owned(), change };
        let done = self.control().submit(command).await;
        done.map_err(|error| crate::error::submit(self.home(), error))
    }
}

pub(crate) fn new_id() -> String {
    let letter = |_| char::from(LETTERS[usize::try_from(entropy::u64() % 36).unwrap_or_default()]);
    (0..URL_ID_CHARS).map(letter).collect()
}

/// The answer to requests about functions that are not there.
pub(crate) fn no_function() -> Failure {
    crate::error::not_found("Function does not exist".to_owned())
}

pub(crate) fn auth(asked: &FunctionUrlAuthType) -> UrlAuth {
    // Others than the model's are refused before.
    if *asked == FunctionUrlAuthType::AwsIam { UrlAuth::Iam } else { UrlAuth::None }
}

pub(crate) fn cors(asked: Cors) -> UrlCors {
    UrlCors {
        credentials: asked.allow_credentials,
        headers: asked.allow_headers,
        methods: asked.allow_methods,
        origins: asked.allow_origins,
        expose: asked.expose_headers,
        max_age_secs: asked.max_age.and_then(|secs| u32::try_from(secs).ok()),
    }
}

fn show_cors(cors: &UrlCors) -> Cors {
    Cors {
        allow_credentials: cors.credentials,
        allow_headers: cors.headers.clone(),
        allow_methods: cors.methods.clone(),
        allow_origins: cors.origins.clone(),
        expose_headers: cors.expose.clone(),
        max_age: cors.max_age_secs.and_then(|secs| i32::try_from(secs).ok()),
    }
}

/// The mode that was asked for.
pub(crate) fn mode(asked: Option<&InvokeMode>) -> Option<UrlMode> {
    asked.map(|mode| match mode {
        InvokeMode::ResponseStream => UrlMode::ResponseStream,
        _ => UrlMode::Buffered,
    })
}

fn iso(time: Timestamp) -> String {
    let (year, month, day, hour, minute, second, millis) = time.civil();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}
