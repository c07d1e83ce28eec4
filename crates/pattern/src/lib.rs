//! EventBridge's pattern language, in which event source mappings filter records.
//!
//! A pattern is a JSON object. Its keys are those of the event, nested as there or joined with dots; all of them must
//! match. At each leaf stands a list of values and operators, of which one must match. An event's list matches if one of
//! its values does, and several keys below a list of objects must match within the same object.
//!
//! Nothing here knows Kinesis, and matching takes time in proportion to the pattern's and the event's size alone.

mod leaf;
mod network;
mod parse;
mod text;

use leaf::Test;
use serde_json::Value;

/// Why a text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PatternError(String);

/// A pattern that was checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Pattern {
    root: Node,
}

/// What one object of the event must have: all of it.
#[derive(Clone, Debug, Default, PartialEq)]
struct Node {
    keys: Vec<(String, Rule)>,
    /// Of each list one must match.
    any_of: Vec<Vec<Node>>,
}

#[derive(Clone, Debug, PartialEq)]
enum Rule {
    /// One of these.
    Leaf(Vec<Test>),
    Below(Node),
}

impl Pattern {
    /// # Errors
    /// What is wrong with the text, in words.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        parse::pattern(text).map(|root| Self { root })
    }

    pub fn matches(&self, event: &Value) -> bool {
        self.root.matches(event, "")
    }

    /// Whether the pattern asks for anything at or below a key of the event.
    pub fn asks_for(&self, key: &str) -> bool {
        self.root.rules_of(key).next().is_some()
    }

    /// Whether the pattern asks for the value of a key itself, not for what is below it.
    pub fn asks_for_value_of(&self, key: &str) -> bool {
        self.root.rules_of(key).any(|(name, rule)| name == key && matches!(rule, Rule::Leaf(_)))
    }
}

impl Node {
    /// `prefix` is what this node's keys have before them, where the event joins keys with dots.
    fn matches(&self, event: &Value, prefix: &str) -> bool {
        self.keys.iter().all(|(key, rule)| {
            let path = format!("{prefix}{key}");
            let mut found = Vec::new();
            lookup(event, &path, &mut found);
            match rule {
                Rule::Leaf(tests) => tests.iter().any(|test| test.matches(&found)),
                Rule::Below(node) => {
                    let mut objects = found.iter().filter(|value| value.is_object()).peekable();
                    if objects.peek().is_some() {
                        objects.any(|object| node.matches(object, ""))
                    } else {
                        node.matches(event, &format!("{path}."))
                    }
                }
            }
        }) && self.any_of.iter().all(|nodes| nodes.iter().any(|node| node.matches(event, prefix)))
    }

    /// The rules of a key of this node, whether its name stands alone or with others joined to it.
    fn rules_of<'a>(&'a self, key: &'a str) -> Box<dyn Iterator<Item = (&'a str, &'a Rule)> + 'a> {
        let own = self.keys.iter().map(|(name, rule)| (name.as_str(), rule)).filter(move |(name, _)| {
            name.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        });
        Box::new(own.chain(self.any_of.iter().flatten().flat_map(move |node| node.rules_of(key))))
    }
}

/// All values that `path` means in an event: keys may be joined in the pattern, in the event, or in neither. Lists give
/// their values one by one.
fn lookup<'a>(event: &'a Value, path: &str, found: &mut Vec<&'a Value>) {
    match event {
        Value::Object(members) => {
            for (name, value) in members {
                match path.strip_prefix(name.as_str()) {
                    Some("") => each(value, found),
                    Some(rest) => {
                        if let Some(rest) = rest.strip_prefix('.') {
                            lookup(value, rest, found);
                        }
                    }
                    None => {}
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| lookup(value, path, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn each<'a>(value: &'a Value, found: &mut Vec<&'a Value>) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| each(value, found)),
        value => found.push(value),
    }
}
