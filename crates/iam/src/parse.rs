//! From a policy's JSON to a [`Policy`]. The grammar is AWS's (IAM User Guide, "Grammar of the IAM JSON policy language");
//! what it does not have is an error.

use crate::caps;
use crate::condition;
use crate::pattern::Pattern;
use crate::policy::{Effect, Kind, Named, Policy, Principals, Set, Statement};
use serde_json::{Map, Value};

/// What is wrong with a policy, in a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PolicyError(pub String);

pub(crate) fn wrong<T>(why: impl Into<String>) -> Result<T, PolicyError> {
    Err(PolicyError(why.into()))
}

pub(crate) fn policy(text: &str, kind: Kind) -> Result<Policy, PolicyError> {
    if text.len() > caps::POLICY_BYTES {
        return wrong(format!("The policy has more than {} bytes.", caps::POLICY_BYTES));
    }
    let value: Value = serde_json::from_str(text)
        .map_err(|error| PolicyError(format!("The policy is not JSON: {error}.")))?;
    let Value::Object(members) = value else { return wrong("The policy is not a JSON object.") };
    let mut statements = None;
    // The default is the older language, which knows no variables.
    let mut variables = false;
    for (name, value) in &members {
        match name.as_str() {
            "Version" => {
                variables = match value.as_str() {
                    Some("2012-10-17") => true,
                    Some("2008-10-17") => false,
                    _ => return wrong("The policy's Version is neither 2012-10-17 nor 2008-10-17."),
                }
            }
            "Id" if value.is_string() => {}
            "Statement" => statements = Some(value),
            other => return wrong(format!("The policy has a member that is not known: {other}.")),
        }
    }
    let statements = match statements {
        Some(Value::Array(list)) => list.iter().collect(),
        Some(single @ Value::Object(_)) => vec![single],
        Some(_) | None => return wrong("The policy has no Statement."),
    };
    if statements.is_empty() || statements.len() > caps::STATEMENTS {
        return wrong(format!("A policy has from 1 to {} statements.", caps::STATEMENTS));
    }
    let statements = statements.into_iter().map(|value| statement(value, kind, variables));
    Ok(Policy { statements: statements.collect::<Result<_, _>>()? })
}

fn statement(value: &Value, kind: Kind, variables: bool) -> Result<Statement, PolicyError> {
    let Value::Object(members) = value else { return wrong("A statement is not a JSON object.") };
    let known = [
        "Sid",
        "Effect",
        "Principal",
        "NotPrincipal",
        "Action",
        "NotAction",
        "Resource",
        "NotResource",
        "Condition",
    ];
    if let Some(other) = members.keys().find(|name| !known.contains(&name.as_str())) {
        return wrong(format!("A statement has a member that is not known: {other}."));
    }
    if members.get("Sid").is_some_and(|sid| !sid.is_string()) {
        return wrong("A statement's Sid is not a string.");
    }
    let effect = match members.get("Effect").and_then(Value::as_str) {
        Some("Allow") => Effect::Allow,
        Some("Deny") => Effect::Deny,
        Some(_) | None => return wrong("A statement's Effect is neither Allow nor Deny."),
    };
    let actions = set(members, "Action", "NotAction", false)?;
    let Some(actions) = actions else { return wrong("A statement has no Action.") };
    for action in &actions.patterns {
        let text = action.text();
        if text != "*" && text.split(':').count() != 2 {
            return wrong(format!("An action is a service, a colon and a name, and {text} is not."));
        }
    }
    let resources = set(members, "Resource", "NotResource", variables)?;
    for resource in resources.iter().flat_map(|set| &set.patterns) {
        let text = resource.text();
        if text != "*" && !text.starts_with("arn:") {
            return wrong(format!("A resource is an ARN or *, and {text} is not."));
        }
    }
    let principals = principals(members)?;
    match (kind, &principals, &resources) {
        (Kind::Identity, Some(_), _) => return wrong("A policy of a principal cannot have a Principal."),
        (Kind::Identity, None, None) => return wrong("A statement has no Resource."),
        (Kind::Resource, None, _) => return wrong("A statement has no Principal."),
        (Kind::Identity, None, Some(_)) | (Kind::Resource, Some(_), _) => {}
    }
    let conditions = match members.get("Condition") {
        None => Vec::new(),
        Some(value) => condition::parse(value, variables)?,
    };
    Ok(Statement { effect, principals, actions, resources, conditions })
}

/// `Action` or `NotAction`, or neither.
fn set(
    members: &Map<String, Value>,
    name: &str,
    negated: &str,
    variables: bool,
) -> Result<Option<Set>, PolicyError> {
    let (value, is_negated) = match (members.get(name), members.get(negated)) {
        (Some(_), Some(_)) => return wrong(format!("A statement has both {name} and {negated}.")),
        (None, None) => return Ok(None),
        (Some(value), None) => (value, false),
        (None, Some(value)) => (value, true),
    };
    let texts = strings(value, name)?;
    let patterns = texts.into_iter().map(|text| Pattern::new(text, variables, true)).collect();
    Ok(Some(Set { negated: is_negated, patterns }))
}

/// A string or a list of strings.
fn strings<'a>(value: &'a Value, what: &str) -> Result<Vec<&'a str>, PolicyError> {
    let list = match value {
        Value::String(text) => vec![text.as_str()],
        Value::Array(list) => {
            let texts: Option<Vec<&str>> = list.iter().map(Value::as_str).collect();
            match texts {
                Some(texts) => texts,
                None => return wrong(format!("{what} is not a list of strings.")),
            }
        }
        _ => return wrong(format!("{what} is neither a string nor a list of strings.")),
    };
    if list.is_empty() || list.len() > caps::VALUES {
        return wrong(format!("{what} has from 1 to {} values.", caps::VALUES));
    }
    if list.iter().any(|text| text.is_empty()) {
        return wrong(format!("{what} has an empty value."));
    }
    Ok(list)
}

fn principals(members: &Map<String, Value>) -> Result<Option<Principals>, PolicyError> {
    let (value, negated) = match (members.get("Principal"), members.get("NotPrincipal")) {
        (Some(_), Some(_)) => return wrong("A statement has both Principal and NotPrincipal."),
        (None, None) => return Ok(None),
        (Some(value), None) => (value, false),
        (None, Some(value)) => (value, true),
    };
    let list = match value {
        Value::String(text) if text == "*" => vec![Named::Everybody],
        Value::Object(kinds) if !kinds.is_empty() => {
            let mut list = Vec::new();
            for (kind, value) in kinds {
                for text in strings(value, "Principal")? {
                    list.push(named(kind, text)?);
                }
            }
            list
        }
        _ => {
            return wrong(
                "A Principal is * or an object such as {\"AWS\": \"arn:aws:iam::123456789012:user/ada\"}.",
            );
        }
    };
    Ok(Some(Principals { negated, list }))
}

fn named(kind: &str, text: &str) -> Result<Named, PolicyError> {
    let is_account = |text: &str| text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    match kind {
        "AWS" if text == "*" => Ok(Named::Everybody),
        "AWS" if is_account(text) => Ok(Named::Account(text.to_owned())),
        "AWS" => {
            let fields: Vec<&str> = text.splitn(6, ':').collect();
            match fields.as_slice() {
                ["arn", partition, "iam", "", account, "root"]
                    if !partition.is_empty() && is_account(account) =>
                {
                    Ok(Named::Account((*account).to_owned()))
                }
                ["arn", partition, "iam" | "sts", "", account, resource]
                    if !partition.is_empty()
                        && is_account(account)
                        && resource.split_once('/').is_some_and(|(_, name)| !name.is_empty())
                        && !resource.contains(['*', '?']) =>
                {
                    Ok(Named::Arn(text.to_owned()))
                }
                _ => wrong(format!("Invalid principal in policy: \"AWS\":\"{text}\"")),
            }
        }
        "Service" | "Federated" | "CanonicalUser" => Ok(Named::Other(text.to_owned())),
        other => {
            wrong(format!("A principal is AWS, Service, Federated or CanonicalUser, and {other} is not."))
        }
    }
}
