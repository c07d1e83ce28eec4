//! What one value of an event is held against.

use crate::network::Network;
use crate::text::{Text, Wildcard};
use serde_json::{Number, Value};
use std::cmp::Ordering;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Test {
    Null,
    Bool(bool),
    Number(Number),
    Text(Text),
    Range {
        low: Option<Bound>,
        high: Option<Bound>,
    },
    Network(Network),
    Exists(bool),
    /// None of these.
    AnythingBut(Vec<Test>),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Bound {
    pub(crate) value: Number,
    pub(crate) included: bool,
}

impl Test {
    /// `found` is all that the event has at the pattern's key.
    pub(crate) fn matches(&self, found: &[&Value]) -> bool {
        // An object is no value: what is below it has keys of its own.
        let mut values = found.iter().filter(|value| !value.is_object());
        match self {
            Self::Exists(wanted) => values.next().is_some() == *wanted,
            test => values.any(|value| test.accepts(value)),
        }
    }

    fn accepts(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Null, Value::Null) => true,
            (Self::Bool(wanted), Value::Bool(value)) => wanted == value,
            (Self::Number(wanted), Value::Number(value)) => compare(wanted, value) == Some(Ordering::Equal),
            (Self::Text(text), Value::String(value)) => text.matches(value),
            (Self::Range { low, high }, Value::Number(value)) => {
                let above = low.as_ref().is_none_or(|low| low.holds(value, Ordering::Greater));
                above && high.as_ref().is_none_or(|high| high.holds(value, Ordering::Less))
            }
            (Self::Network(network), Value::String(value)) => network.has(value),
            (Self::AnythingBut(tests), value) => !tests.iter().any(|test| test.accepts(value)),
            _ => false,
        }
    }

    pub(crate) fn exactly(text: &str) -> Self {
        Self::Text(Text::Exactly(text.to_owned()))
    }

    pub(crate) fn wildcard(wildcard: Wildcard) -> Self {
        Self::Text(Text::Wildcard(wildcard))
    }
}

impl Bound {
    fn holds(&self, value: &Number, wanted: Ordering) -> bool {
        match compare(value, &self.value) {
            Some(Ordering::Equal) => self.included,
            other => other == Some(wanted),
        }
    }
}

/// By value: 300 and 300.0 are the same, as AWS was seen to do against its documentation.
pub(crate) fn compare(this: &Number, that: &Number) -> Option<Ordering> {
    match (this.as_i128(), that.as_i128()) {
        (Some(this), Some(that)) => Some(this.cmp(&that)),
        _ => this.as_f64()?.partial_cmp(&that.as_f64()?),
    }
}
