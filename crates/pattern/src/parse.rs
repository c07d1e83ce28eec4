//! From a text to a pattern. What EventBridge refuses is refused.

use crate::leaf::{Bound, Test, compare};
use crate::network::Network;
use crate::text::{Text, Wildcard};
use crate::{Node, PatternError, Rule};
use serde_json::{Map, Number, Value};
use std::cmp::Ordering;

/// Numbers in ranges are at most this far from 0.
const LARGEST: f64 = 5.0e9;

const OPERATORS: [&str; 8] =
    ["anything-but", "cidr", "equals-ignore-case", "exists", "numeric", "prefix", "suffix", "wildcard"];

fn refuse<T>(why: impl Into<String>) -> Result<T, PatternError> {
    Err(PatternError(why.into()))
}

pub(crate) fn pattern(text: &str) -> Result<Node, PatternError> {
    match serde_json::from_str(text) {
        Ok(Value::Object(members)) => node(&members),
        Ok(_) => refuse("Filter is not an object"),
        Err(error) => refuse(format!("Filter is not valid JSON: {error}")),
    }
}

fn node(members: &Map<String, Value>) -> Result<Node, PatternError> {
    if members.is_empty() {
        return refuse("Empty objects are not allowed");
    }
    let mut made = Node::default();
    for (key, value) in members {
        match value {
            Value::Array(values) if key == "$or" && is_or(values) => {
                let alternatives = values.iter().filter_map(Value::as_object).map(node);
                made.any_of.push(alternatives.collect::<Result<_, _>>()?);
            }
            Value::Array(values) if values.is_empty() => return refuse("Empty arrays are not allowed"),
            Value::Array(values) => {
                let tests = values.iter().map(test).collect::<Result<_, _>>()?;
                made.keys.push((key.clone(), Rule::Leaf(tests)));
            }
            Value::Object(below) => made.keys.push((key.clone(), Rule::Below(node(below)?))),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                return refuse(format!("{key:?} must be an object or an array"));
            }
        }
    }
    Ok(made)
}

/// A list of at least two objects, none of which is an operator; else `$or` is a key as any other.
fn is_or(values: &[Value]) -> bool {
    values.len() > 1
        && values.iter().all(|value| {
            let names = value.as_object().map(|members| members.keys());
            names.is_some_and(|mut names| !names.any(|name| OPERATORS.contains(&name.as_str())))
        })
}

fn test(value: &Value) -> Result<Test, PatternError> {
    match value {
        Value::Null => Ok(Test::Null),
        Value::Bool(value) => Ok(Test::Bool(*value)),
        Value::Number(value) => Ok(Test::Number(value.clone())),
        Value::String(text) => Ok(Test::exactly(text)),
        Value::Array(_) => refuse("Match value must be String, number, true, false, or null"),
        Value::Object(members) => operator(members),
    }
}

/// The one member of an operator's object.
fn only(members: &Map<String, Value>) -> Result<(&str, &Value), PatternError> {
    let mut members = members.iter();
    match (members.next(), members.next()) {
        (Some((name, value)), None) => Ok((name, value)),
        (_, None) => refuse("Empty objects are not allowed"),
        (_, Some(_)) => refuse("Only one key allowed in match expression"),
    }
}

fn operator(members: &Map<String, Value>) -> Result<Test, PatternError> {
    match only(members)? {
        ("anything-but", value) => anything_but(value),
        ("exists", Value::Bool(exists)) => Ok(Test::Exists(*exists)),
        ("exists", _) => refuse("exists match pattern must be either true or false."),
        ("numeric", Value::Array(terms)) => numeric(terms),
        ("numeric", _) => refuse("Value of numeric must be an array."),
        ("cidr", Value::String(text)) => Network::parse(text).map(Test::Network).ok_or_else(|| {
            PatternError(format!("Malformed CIDR, one '/' required, or no such network: {text}"))
        }),
        (name @ ("prefix" | "suffix"), Value::Object(inner)) => match only(inner)? {
            ("equals-ignore-case", Value::String(text)) => Ok(Test::Text(if name == "prefix" {
                Text::PrefixIgnoringCase(text.to_lowercase())
            } else {
                Text::SuffixIgnoringCase(text.to_lowercase())
            })),
            _ => refuse(format!("Unsupported {name} pattern")),
        },
        (name, Value::String(text)) => text_test(name, text),
        (name, _) if OPERATORS.contains(&name) => refuse(format!("{name} match pattern must be a string")),
        (name, _) => refuse(format!("Unrecognized match type {name}")),
    }
}

fn text_test(name: &str, text: &str) -> Result<Test, PatternError> {
    Ok(match name {
        "prefix" => Test::Text(Text::Prefix(text.to_owned())),
        "suffix" => Test::Text(Text::Suffix(text.to_owned())),
        "equals-ignore-case" => Test::Text(Text::IgnoringCase(text.to_lowercase())),
        "wildcard" => {
            let wildcard = Wildcard::parse(text);
            Test::wildcard(wildcard.map_err(|why| PatternError(format!("{why} in wildcard {text:?}")))?)
        }
        name => return refuse(format!("Unrecognized match type {name}")),
    })
}

fn anything_but(value: &Value) -> Result<Test, PatternError> {
    let tests = match value {
        Value::String(_) | Value::Number(_) => vec![test(value)?],
        Value::Array(values) => {
            let texts = values.iter().all(Value::is_string);
            if values.is_empty() || !(texts || values.iter().all(Value::is_number)) {
                return refuse("Inside anything but list, either all values are number or string");
            }
            values.iter().map(test).collect::<Result<_, _>>()?
        }
        Value::Object(members) => match only(members)? {
            (name @ ("prefix" | "suffix" | "equals-ignore-case" | "wildcard"), value) => {
                let values = match value {
                    Value::Array(values) if !values.is_empty() => values.as_slice(),
                    value => std::slice::from_ref(value),
                };
                values.iter().map(|value| anything_but_text(name, value)).collect::<Result<_, _>>()?
            }
            (name, _) => return refuse(format!("Unsupported anything-but pattern: {name}")),
        },
        Value::Null | Value::Bool(_) => {
            return refuse("Value of anything-but must be an array or single string/number value.");
        }
    };
    Ok(Test::AnythingBut(tests))
}

fn anything_but_text(name: &str, value: &Value) -> Result<Test, PatternError> {
    match value {
        Value::String(text) if text.is_empty() && matches!(name, "prefix" | "suffix") => {
            refuse(format!("Null {name} not allowed"))
        }
        Value::String(text) => text_test(name, text),
        _ => refuse(format!("{name} match pattern must be a string")),
    }
}

fn numeric(terms: &[Value]) -> Result<Test, PatternError> {
    let mut bounds = Vec::new();
    for pair in terms.chunks(2) {
        let [Value::String(operator), Value::Number(value)] = pair else {
            return refuse("Bad numeric range: an operator and a number are wanted in turn");
        };
        if !value.as_f64().is_some_and(|value| value.abs() <= LARGEST) {
            return refuse("Numeric values must be between -5.0E9 and 5.0E9, inclusive");
        }
        bounds.push((operator.as_str(), value.clone()));
    }
    let bound = |value: Number, included| Some(Bound { value, included });
    match bounds.as_slice() {
        [("=", value)] => Ok(Test::Number(value.clone())),
        [(operator @ (">" | ">="), low)] => {
            Ok(Test::Range { low: bound(low.clone(), *operator == ">="), high: None })
        }
        [(operator @ ("<" | "<="), high)] => {
            Ok(Test::Range { low: None, high: bound(high.clone(), *operator == "<=") })
        }
        [(above @ (">" | ">="), low), (below @ ("<" | "<="), high)] => {
            if compare(low, high) != Some(Ordering::Less) {
                return refuse("Bottom must be less than top");
            }
            let (low, high) = (bound(low.clone(), *above == ">="), bound(high.clone(), *below == "<="));
            Ok(Test::Range { low, high })
        }
        _ => refuse("Unrecognized numeric range operator"),
    }
}
