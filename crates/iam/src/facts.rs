//! What a request is, as far as policies can ask.

use crate::caller::Caller;
use std::collections::BTreeMap;

/// What a service knows of a request and its resource beside the caller. All of it is optional.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts<'a> {
    /// `aws:ResourceTag/KEY`
    pub resource_tags: Option<&'a BTreeMap<String, String>>,
    /// `aws:RequestTag/KEY` and `aws:TagKeys`
    pub request_tags: Option<&'a BTreeMap<String, String>>,
    /// `aws:TagKeys` of a request that takes tags away.
    pub tag_keys: Option<&'a [String]>,
    /// Keys of the service itself, in lower case: `lambda:functionarn` and the like.
    pub own: &'a [(&'static str, String)],
}

/// One question.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) caller: &'a Caller,
    pub(crate) action: &'a str,
    pub(crate) resource: &'a str,
    pub(crate) facts: Facts<'a>,
}

impl Request<'_> {
    /// The values of a condition key (in lower case, but for the name of a tag); `None` if the request does not have it.
    pub(crate) fn values(&self, key: &str) -> Option<Vec<String>> {
        let (caller, principal) = (self.caller, &self.caller.principal);
        let tag = |tags: Option<&BTreeMap<String, String>>, name: &str| {
            let found = tags?.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
            Some(vec![found?.1.clone()])
        };
        let one = |value: String| Some(vec![value]);
        if let Some((kind, name)) = key.split_once('/') {
            return match kind {
                "aws:resourcetag" => tag(self.facts.resource_tags, name),
                "aws:requesttag" => tag(self.facts.request_tags, name),
                "aws:principaltag" => tag(Some(&caller.tags), name),
                _ => None,
            };
        }
        match key {
            "aws:sourceip" => one(caller.source_ip?.to_string()),
            "aws:currenttime" => one(iso(caller.now)),
            "aws:epochtime" => one(caller.now.secs().to_string()),
            "aws:securetransport" => one(caller.secure.to_string()),
            "aws:principalarn" => one(principal.principal_arn()),
            "aws:principalaccount" => one(principal.account().to_owned()),
            "aws:principaltype" => one(principal.kind().to_owned()),
            "aws:userid" => one(principal.user_id()),
            "aws:username" => one(principal.user_name()?.to_owned()),
            "aws:requestedregion" => one(caller.region.clone()),
            "aws:useragent" => one(caller.user_agent.clone()?),
            "aws:viaawsservice" | "aws:principalisawsservice" => one("false".to_owned()),
            "aws:resourceaccount" => one(account_of(self.resource)?.to_owned()),
            // The function that a session belongs to.
            "lambda:sourcefunctionarn" => one(caller.source_function.clone()?),
            "aws:tagkeys" => {
                let mut keys: Vec<String> = self.facts.tag_keys.unwrap_or_default().to_vec();
                keys.extend(self.facts.request_tags.into_iter().flat_map(BTreeMap::keys).cloned());
                (!keys.is_empty()).then_some(keys)
            }
            key => {
                let own = self.facts.own.iter().filter(|(name, _)| *name == key);
                let values: Vec<String> = own.map(|(_, value)| value.clone()).collect();
                (!values.is_empty()).then_some(values)
            }
        }
    }
}

/// The account in an ARN.
pub(crate) fn account_of(arn: &str) -> Option<&str> {
    arn.split(':').nth(4).filter(|account| !account.is_empty())
}

fn iso(time: millstream_types::Timestamp) -> String {
    let (year, month, day, hour, minute, second, _) = time.civil();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}
