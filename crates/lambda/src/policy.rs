//! Resource policies of functions and of layer versions: statements added one by one, or a document put whole.

use crate::error::{self, Failure, policy_changed};
use crate::names::{LATEST, Target};
use crate::service::Lambda;
use crate::versions::no_alias;
use millstream_api_lambda::ErrorCode;
use millstream_control::{Function, PolicyOf, Refusal, ResourcePolicy, SetLambdaPolicy, State};
use millstream_control_node::SubmitError;
use millstream_host::entropy;
use millstream_iam::{Kind, Policy, caps};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// How often a change is tried that another one keeps overtaking.
const TRIES: usize = 8;

/// A policy with its members in the order in which AWS writes them.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Document {
    version: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    statement: OneOrMany,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    Many(Vec<Statement>),
    One(Box<Statement>),
}

/// One statement. Policies that were put whole may have every member that there is.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Statement {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sid: Option<String>,
    pub(crate) effect: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) principal: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) not_principal: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) action: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) not_action: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) resource: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) not_resource: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) condition: Option<Value>,
}

/// Operator, key and value of each condition of a statement.
#[derive(Debug, Default)]
pub(crate) struct Conditions(BTreeMap<&'static str, BTreeMap<&'static str, String>>);

impl Conditions {
    pub(crate) fn add(&mut self, operator: &'static str, key: &'static str, value: Option<&str>) {
        if let Some(value) = value {
            self.0.entry(operator).or_default().insert(key, value.to_owned());
        }
    }

    pub(crate) fn value(&self) -> Option<Value> {
        (!self.0.is_empty()).then(|| serde_json::json!(self.0))
    }
}

/// What has a policy, its ARN, and the policy.
#[derive(Debug)]
pub(crate) struct Governed {
    of: PolicyOf,
    pub(crate) arn: String,
    policy: Option<Arc<ResourcePolicy>>,
    /// The revision of the function, version or alias itself: what a caller can name before there is a policy.
    own_revision: Option<String>,
    /// The operation that reads it, for texts.
    read_by: &'static str,
}

impl Lambda {
    /// The function, version or alias that a request about policies names.
    pub(crate) fn governed_function(&self, target: &Target, state: &State) -> Result<Governed, Failure> {
        let function = target.unqualified().find(self.home(), state)?;
        let qualifier = match target.qualifier.as_deref() {
            None => String::new(),
            Some(LATEST) => {
                return Err(Failure::invalid("We currently do not support adding policies for $LATEST."));
            }
            Some(qualifier) => known_qualifier(&function, qualifier)?,
        };
        let published = &function.published;
        let alias = published.aliases.get(&qualifier).map(|alias| &alias.revision_id);
        let version = published.version(&qualifier).map(|version| &version.revision_id);
        let own_revision = alias.or(version).unwrap_or(&function.revision_id).clone();
        Ok(Governed {
            arn: error::qualified(&function.arn, &qualifier),
            policy: function.policies.get(&qualifier).cloned(),
            of: PolicyOf::Function { name: function.name.clone(), qualifier },
            own_revision: Some(own_revision),
            read_by: "GetPolicy",
        })
    }

    /// The layer version that a request about policies names.
    pub(crate) fn governed_layer(
        &self,
        layer: &str,
        version: i64,
        state: &State,
    ) -> Result<Governed, Failure> {
        let number = u64::try_from(version).ok().filter(|version| *version >= 1);
        let number = number.ok_or_else(|| Failure::invalid("Layer Version Cannot be less than 1"))?;
        let name = self.layer_name(layer)?;
        let key = self.layer_key(layer)?;
        let found = state.layer_version(&key, number).ok_or_else(|| {
            let arn = self.home().arn("lambda", format_args!("layer:{name}:{number}"));
            error::not_found(format!("Layer version {arn} does not exist."))
        })?;
        Ok(Governed {
            arn: found.arn.clone(),
            policy: found.policy.clone(),
            of: PolicyOf::LayerVersion { layer: key, version: number },
            own_revision: None,
            read_by: "GetLayerPolicy",
        })
    }

    /// Change a policy: `change` is given what there is and says what there is to be, with what the caller is to be told.
    /// It is asked again if another change came first. The new revision comes back too.
    pub(crate) async fn change_policy<T>(
        &self,
        governed: impl Fn(&State) -> Result<Governed, Failure>,
        expected: Option<&str>,
        change: impl Fn(&Governed) -> Result<(Option<String>, T), Failure>,
    ) -> Result<(T, String), Failure> {
        let mut read_by = "GetPolicy";
        for _ in 0..TRIES {
            let now = governed(&self.control().state())?;
            read_by = now.read_by;
            now.check_revision(expected)?;
            let (policy, told) = change(&now)?;
            let revision_id = entropy::uuid();
            let command = SetLambdaPolicy {
                replaces: now.policy.as_ref().map(|policy| policy.revision_id.clone()),
                of: now.of,
                policy,
                revision_id: revision_id.clone(),
            };
            match self.control().submit(command).await {
                Ok(()) => return Ok((told, revision_id)),
                Err(SubmitError::Refused(Refusal::PolicyChanged)) => {}
                Err(error) => return Err(error::submit(self.home(), error)),
            }
        }
        Err(policy_changed(read_by))
    }
}

fn known_qualifier(function: &Function, qualifier: &str) -> Result<String, Failure> {
    let published = &function.published;
    if published.aliases.contains_key(qualifier) || published.version(qualifier).is_some() {
        Ok(qualifier.to_owned())
    } else if qualifier.bytes().all(|byte| byte.is_ascii_digit()) {
        Err(error::no_version(function, qualifier))
    } else {
        Err(no_alias(function, qualifier))
    }
}

impl Governed {
    fn check_revision(&self, expected: Option<&str>) -> Result<(), Failure> {
        let current = self.policy.as_ref().map(|policy| &policy.revision_id).or(self.own_revision.as_ref());
        match expected {
            Some(expected) if current.is_none_or(|current| current != expected) => {
                Err(policy_changed(self.read_by))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// The policy; an error in AWS's words if there is none.
    pub(crate) fn policy(&self) -> Result<&ResourcePolicy, Failure> {
        let none = || match self.of {
            PolicyOf::Function { .. } => error::no_such_resource(),
            PolicyOf::LayerVersion { .. } => no_policy(),
        };
        self.policy.as_deref().ok_or_else(none)
    }

    fn statements(&self) -> Result<Vec<Statement>, Failure> {
        let Some(policy) = &self.policy else { return Ok(Vec::new()) };
        let document: Document = serde_json::from_str(&policy.text).map_err(|error| {
            Failure::service("The server could not read a policy that it stored.", &error)
        })?;
        Ok(match document.statement {
            OneOrMany::Many(statements) => statements,
            OneOrMany::One(statement) => vec![*statement],
        })
    }

    /// The policy with another statement, and that statement.
    pub(crate) fn with(&self, statement: &Statement) -> Result<(Option<String>, String), Failure> {
        let mut statements = self.statements()?;
        if statements.iter().any(|present| present.sid == statement.sid) {
            let sid = statement.sid.as_deref().unwrap_or_default();
            return Err(Failure::new(
                ErrorCode::ResourceConflictException,
                format!(
                    "The statement id ({sid}) provided already exists. Please provide a new statement id, or remove the \
                     existing statement."
                ),
            ));
        }
        let told = text_of(statement)?;
        statements.push(statement.clone());
        let text = document(statements)?;
        check_size(&text)?;
        Policy::parse(&text, Kind::Resource).map_err(|error| Failure::invalid(error.to_string()))?;
        Ok((Some(text), told))
    }

    /// The policy without a statement; nothing is left of one that had no other.
    pub(crate) fn without(&self, sid: &str) -> Result<(Option<String>, ()), Failure> {
        if self.policy.is_none() {
            return Err(no_policy());
        }
        let mut statements = self.statements()?;
        let before = statements.len();
        statements.retain(|statement| statement.sid.as_deref() != Some(sid));
        if statements.len() == before {
            return Err(error::not_found(format!("Statement {sid} is not found in resource policy.")));
        }
        if statements.is_empty() {
            return Ok((None, ()));
        }
        Ok((Some(document(statements)?), ()))
    }

    /// A whole document for this resource, as it was given.
    pub(crate) fn checked(&self, text: &str) -> Result<(Option<String>, String), Failure> {
        check_size(text)?;
        let invalid =
            |why: String| Failure::invalid(format!("The provided resource policy is not valid: {why}"));
        let policy = Policy::parse(text, Kind::Resource).map_err(|error| invalid(error.to_string()))?;
        serde_json::from_str::<Document>(text).map_err(|error| invalid(format!("{error}.")))?;
        let foreign = |action: &String| action != "*" && !action.to_ascii_lowercase().starts_with("lambda:");
        if let Some(action) = policy.actions().find(foreign) {
            return Err(invalid(format!("{action} is not an action of Lambda.")));
        }
        if let Some(other) = policy.resources().find(|resource| *resource != "*" && *resource != self.arn) {
            return Err(invalid(format!(
                "{other} is not the resource that it is attached to, {}.",
                self.arn
            )));
        }
        Ok((Some(text.to_owned()), text.to_owned()))
    }
}

/// AWS's words where a change needs a policy and there is none.
pub(crate) fn no_policy() -> Failure {
    error::not_found("No policy is associated with the given resource.".to_owned())
}

fn document(statements: Vec<Statement>) -> Result<String, Failure> {
    let statement = OneOrMany::Many(statements);
    text_of(&Document { version: "2012-10-17".to_owned(), id: Some("default".to_owned()), statement })
}

fn text_of(value: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string(value).map_err(|error| Failure::service("The policy could not be written.", &error))
}

fn check_size(text: &str) -> Result<(), Failure> {
    let limit = caps::POLICY_BYTES;
    if text.len() <= limit {
        return Ok(());
    }
    Err(Failure::new(
        ErrorCode::PolicyLengthExceededException,
        format!("The final policy size ({}) is bigger than the limit ({limit}).", text.len()),
    ))
}

/// `Principal` of a statement: everybody, a service, an account, or an ARN of a user or role.
pub(crate) fn principal(text: &str) -> Result<Value, Failure> {
    let is_service = text.ends_with(".amazonaws.com") || text.ends_with(".amazon.com");
    let is_account = text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    Ok(match text {
        "*" => Value::from("*"),
        service if is_service => serde_json::json!({ "Service": service }),
        account if is_account => serde_json::json!({ "AWS": format!("arn:aws:iam::{account}:root") }),
        arn if arn.starts_with("arn:") => serde_json::json!({ "AWS": arn }),
        _ => {
            return Err(Failure::invalid(
                "The provided principal was invalid. Please check the principal and try again.",
            ));
        }
    })
}
