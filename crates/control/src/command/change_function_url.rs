use crate::{ControlCommand, FunctionUrl, Refusal, State, UrlAuth, UrlCors, UrlMode, UrlSettings};
use millstream_types::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Give a function or an alias a URL, set it otherwise, or take it away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeFunctionUrl {
    pub function: String,
    /// An alias; empty for the function without one.
    pub alias: String,
    pub change: UrlChange,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum UrlChange {
    Create {
        id: String,
        settings: UrlSettings,
    },
    /// What is `None` stays as it is.
    Update {
        auth: Option<UrlAuth>,
        cors: Option<UrlCors>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mode: Option<UrlMode>,
    },
    Delete,
}

impl ControlCommand for ChangeFunctionUrl {
    /// The URL as it is now, or as it was when it was taken away.
    type Outcome = Arc<FunctionUrl>;

    fn apply(&self, state: &mut State, at: Timestamp) -> Result<Arc<FunctionUrl>, Refusal> {
        let function = state.function(&self.function)?;
        if !self.alias.is_empty() && !function.published.aliases.contains_key(&self.alias) {
            return Err(Refusal::NoSuchAlias { function: self.function.clone(), alias: self.alias.clone() });
        }
        let present = function.urls.get(&self.alias).cloned();
        let none = || Refusal::NoSuchUrl { function: self.function.clone(), alias: self.alias.clone() };
        let url = match &self.change {
            UrlChange::Create { .. } if present.is_some() => {
                return Err(Refusal::UrlExists {
                    function: self.function.clone(),
                    alias: self.alias.clone(),
                });
            }
            UrlChange::Create { id, settings } => {
                FunctionUrl { id: id.clone(), settings: settings.clone(), created: at, modified: at }
            }
            UrlChange::Update { auth, cors, mode } => {
                let mut url = Arc::unwrap_or_clone(present.ok_or_else(none)?);
                url.settings.auth = auth.unwrap_or(url.settings.auth);
                url.settings.cors = cors.clone().or(url.settings.cors);
                url.settings.mode = mode.or(url.settings.mode);
                url.modified = at;
                url
            }
            UrlChange::Delete => {
                let removed = state.change_function(&self.function)?.urls.remove(&self.alias);
                return removed.ok_or_else(none);
            }
        };
        let url = Arc::new(url);
        state.change_function(&self.function)?.urls.insert(self.alias.clone(), url.clone());
        Ok(url)
    }
}
