//! Conditions: an operator, a key of the request, and the values that it is compared with.

mod operator;

use crate::caps;
use crate::facts::Request;
use crate::parse::{PolicyError, wrong};
use operator::Operator;
use serde_json::Value;

/// One line of a `Condition` block. All of them must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Condition {
    operator: Operator,
    over: Over,
    if_exists: bool,
    /// In lower case: keys are compared without regard to it.
    key: String,
}

/// How many of the request's values count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    /// Keys with one value.
    One,
    All,
    Any,
}

/// `{"StringLike": {"aws:PrincipalArn": ["…"]}, …}`
pub(crate) fn parse(value: &Value, variables: bool) -> Result<Vec<Condition>, PolicyError> {
    let Value::Object(operators) = value else { return wrong("A Condition is not a JSON object.") };
    let mut all = Vec::new();
    for (name, keys) in operators {
        let Value::Object(keys) = keys else {
            return wrong(format!("The condition {name} is not a JSON object."));
        };
        let (over, rest) = match name.split_once(':') {
            None => (Over::One, name.as_str()),
            Some(("ForAllValues", rest)) => (Over::All, rest),
            Some(("ForAnyValue", rest)) => (Over::Any, rest),
            Some(_) => return wrong(format!("{name} is not a condition operator.")),
        };
        let (word, if_exists) = rest.strip_suffix("IfExists").map_or((rest, false), |word| (word, true));
        for (key, value) in keys {
            if !key.contains(':') {
                return wrong(format!("{key} is not a condition key."));
            }
            let texts = texts(value, key)?;
            let Some(operator) = Operator::new(word, &texts, variables) else {
                return wrong(format!("{name} is not a condition operator."));
            };
            if if_exists && matches!(operator, Operator::Null(_)) {
                return wrong("NullIfExists is not a condition operator.");
            }
            let operator = operator.checked(name, key)?;
            all.push(Condition { operator, over, if_exists, key: key.to_ascii_lowercase() });
        }
    }
    Ok(all)
}

fn texts(value: &Value, key: &str) -> Result<Vec<String>, PolicyError> {
    let one = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(is) => Some(is.to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    };
    let list = match value {
        Value::Array(list) => list.iter().map(one).collect::<Option<Vec<_>>>(),
        value => one(value).map(|text| vec![text]),
    };
    match list {
        Some(list) if (1..=caps::VALUES).contains(&list.len()) => Ok(list),
        Some(_) => wrong(format!("The condition on {key} has from 1 to {} values.", caps::VALUES)),
        None => wrong(format!("The values of the condition on {key} are not strings, numbers or booleans.")),
    }
}

impl Condition {
    pub(crate) fn holds(&self, request: &Request<'_>) -> bool {
        let values = request.values(&self.key);
        if let Operator::Null(absent) = self.operator {
            return values.is_none() == absent;
        }
        let Some(values) = values else {
            // What the request does not have is unlike anything; of no values all are whatever one likes.
            return match self.over {
                Over::All => true,
                Over::Any => self.if_exists,
                Over::One => self.if_exists || self.operator.is_negated(),
            };
        };
        let holds = |value: &String| self.operator.holds(value, request);
        match self.over {
            Over::All => values.iter().all(holds),
            // A key with several values and no word on how many: any of them, and for "not" none of them.
            Over::One if self.operator.is_negated() => values.iter().all(holds),
            Over::One | Over::Any => values.iter().any(holds),
        }
    }
}
