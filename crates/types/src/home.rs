use crate::Arn;
use std::fmt;
use std::sync::Arc;

/// An account and a region on this server: what the ARNs of its resources name, and within which their names are unique.
///
/// A server has a home of its own and serves others beside it. Which one a request means is told by its credentials:
/// the scope of the signature names the region, the access key the account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    pub partition: String,
    pub region: String,
    pub account: String,
    /// Region and account of the server's own.
    own: Arc<(String, String)>,
    /// `ACCOUNT:REGION:` before the names of a home that is not the server's own.
    prefix: Option<String>,
}

impl Default for Home {
    fn default() -> Self {
        Self::new("us-east-1", "000000000000")
    }
}

impl Home {
    /// A server's own.
    pub fn new(region: impl Into<String>, account: impl Into<String>) -> Self {
        let (region, account) = (region.into(), account.into());
        let own = Arc::new((region.clone(), account.clone()));
        Self { partition: "aws".into(), region, account, own, prefix: None }
    }

    /// Another one on the same server, or its own again.
    #[must_use]
    pub fn beside(&self, region: &str, account: &str) -> Self {
        let own = self.own.0 == region && self.own.1 == account;
        Self {
            partition: self.partition.clone(),
            region: region.into(),
            account: account.into(),
            own: self.own.clone(),
            prefix: (!own).then(|| format!("{account}:{region}:")),
        }
    }

    /// Whether this is the server's own.
    pub fn is_own(&self) -> bool {
        self.prefix.is_none()
    }

    /// What the control state calls the stream, function or layer of this name: the name itself at the server's own home,
    /// `ACCOUNT:REGION:NAME` elsewhere. No name holds a colon.
    pub fn key(&self, name: &str) -> String {
        match &self.prefix {
            None => name.to_owned(),
            Some(prefix) => format!("{prefix}{name}"),
        }
    }

    /// Whether something with this key belongs here.
    pub fn has(&self, key: &str) -> bool {
        match &self.prefix {
            None => !key.contains(':'),
            Some(prefix) => key.starts_with(prefix.as_str()),
        }
    }

    /// What stands before the names of this home in their keys: nothing, if it is the server's own.
    pub fn key_prefix(&self) -> &str {
        self.prefix.as_deref().unwrap_or_default()
    }

    pub fn arn(&self, service: &str, resource: impl fmt::Display) -> String {
        format!("arn:{}:{service}:{}:{}:{resource}", self.partition, self.region, self.account)
    }

    /// Whether an ARN names something of this account and region.
    pub fn owns(&self, arn: &Arn) -> bool {
        arn.region == self.region && arn.account == self.account
    }

    pub fn stream_arn(&self, stream: &str) -> String {
        self.arn("kinesis", format_args!("stream/{stream}"))
    }

    pub fn function_arn(&self, function: &str) -> String {
        self.arn("lambda", format_args!("function:{function}"))
    }
}

/// The name in a key, as its owner gave it.
pub fn name_of_key(key: &str) -> &str {
    key.rsplit_once(':').map_or(key, |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_different_homes_differ() {
        let own = Home::default();
        let far = own.beside("eu-west-1", "111122223333");
        assert_eq!((own.key("orders").as_str(), own.is_own()), ("orders", true));
        assert_eq!((far.key("orders").as_str(), far.is_own()), ("111122223333:eu-west-1:orders", false));
        for home in [&own, &far] {
            let key = home.key("orders");
            assert_eq!(name_of_key(&key), "orders");
            assert!(home.has(&key));
        }
        assert!(!own.has(&far.key("orders")) && !far.has("orders"));
        assert_eq!(far.beside("us-east-1", "000000000000"), own);
        assert_eq!(far.stream_arn("orders"), "arn:aws:kinesis:eu-west-1:111122223333:stream/orders");
        assert!(
            far.owns(&far.stream_arn("x").parse().unwrap())
                && !own.owns(&far.stream_arn("x").parse().unwrap())
        );
    }
}
