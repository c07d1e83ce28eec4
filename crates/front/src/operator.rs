//! What is for operators rather than for AWS clients: `/_millstream/…`.

use crate::body::{Answer, whole};
use bytes::Bytes;
use http::{Response, StatusCode, header};
use std::fmt::Debug;

/// Whether the server can do its work.
pub trait Health: Debug + Send + Sync + 'static {
    /// `None` when all is well; else what is wrong and what to do.
    fn trouble(&self) -> Option<String>;

    /// Further facts for the health page: names and values.
    fn facts(&self) -> Vec<(&'static str, String)>;
}

/// `brief`: only whether it is well. Where callers have to be known, the rest is nobody else's business.
pub(crate) fn health(health: &dyn Health, brief: bool) -> Answer {
    let trouble = health.trouble();
    let status = if trouble.is_none() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let mut members = vec![("status", if trouble.is_none() { "ok" } else { "failing" }.to_owned())];
    if !brief {
        members.extend(trouble.map(|trouble| ("trouble", trouble)));
        members.extend(health.facts());
    }
    let members: serde_json::Map<String, serde_json::Value> =
        members.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
    let mut text = serde_json::Value::Object(members).to_string();
    text.push('\n');
    answer(status, "application/json", text.into())
}

pub(crate) fn answer(status: StatusCode, content_type: &'static str, body: Bytes) -> Answer {
    let mut answer = Response::new(whole(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
    answer
}
