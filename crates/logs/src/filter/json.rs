//! Patterns of conditions: `{ ($.level = "ERROR" && $.latency > 100) || $.user.id NOT EXISTS }`.

use super::{BadFilter, percent, quoted};
use crate::caps;
use regex::Regex;
use serde_json::Value;

#[derive(Clone, Debug)]
pub(crate) enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Is(Vec<Step>, Test),
}

/// One step from a value to one inside it.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Member(String),
    Item(usize),
    Each,
}

#[derive(Clone, Debug)]
pub(crate) enum Test {
    Text { pattern: String, equal: bool },
    Expression { expression: Regex, equal: bool },
    Number(Order, f64),
    Null,
    True,
    False,
    Absent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Equal,
    Other,
    Less,
    Greater,
    AtMost,
    AtLeast,
}

impl Condition {
    pub(super) fn parse(text: &str) -> Result<Self, BadFilter> {
        let mut parser = Parser { rest: text, parts: 0, depth: 0 };
        let condition = parser.any()?;
        if parser.rest.trim_start().is_empty() { Ok(condition) } else { Err(BadFilter::invalid()) }
    }

    pub(super) fn holds(&self, value: &Value) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(value)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(value)),
            Self::Is(path, Test::Absent) => !found(path, value, &mut |_| true),
            Self::Is(path, test) => found(path, value, &mut |value| test.holds(value)),
        }
    }
}

/// Whether any value at the end of a path is one that is wanted.
fn found(path: &[Step], value: &Value, wanted: &mut impl FnMut(&Value) -> bool) -> bool {
    let Some((step, rest)) = path.split_first() else { return wanted(value) };
    match step {
        Step::Member(name) => value.get(name).is_some_and(|value| found(rest, value, wanted)),
        Step::Item(at) => value.get(at).is_some_and(|value| found(rest, value, wanted)),
        Step::Each => {
            value.as_array().is_some_and(|items| items.iter().any(|item| found(rest, item, wanted)))
        }
    }
}

impl Test {
    fn holds(&self, value: &Value) -> bool {
        match self {
            Self::Text { pattern, equal } => {
                text_of(value).is_some_and(|text| like(pattern, &text) == *equal)
            }
            Self::Expression { expression, equal } => {
                text_of(value).is_some_and(|text| expression.is_match(&text) == *equal)
            }
            Self::Number(order, number) => match value {
                Value::Number(value) => value.as_f64().is_some_and(|value| order.holds(value, *number)),
                // A bare word of digits is a word too.
                Value::String(text) => match order {
                    Order::Equal => text.parse() == Ok(*number),
                    Order::Other => text.parse() != Ok(*number),
                    _ => false,
                },
                _ => false,
            },
            Self::Null => value.is_null(),
            Self::True => *value == Value::Bool(true),
            Self::False => *value == Value::Bool(false),
            Self::Absent => false,
        }
    }
}

impl Order {
    #[expect(clippy::float_cmp, reason = "equal is what is asked for")]
    fn holds(self, value: f64, number: f64) -> bool {
        match self {
            Self::Equal => value == number,
            Self::Other => value != number,
            Self::Less => value < number,
            Self::Greater => value > number,
            Self::AtMost => value <= number,
            Self::AtLeast => value >= number,
        }
    }
}

/// What of a value can be compared with words.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Whether a text is like a pattern in which `*` stands for anything.
fn like(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

struct Parser<'a> {
    rest: &'a str,
    parts: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn skip(&mut self) {
        self.rest = self.rest.trim_start();
    }

    /// Whether this comes next; if so it is passed over.
    fn takes(&mut self, text: &str) -> bool {
        self.skip();
        self.rest.strip_prefix(text).map(|rest| self.rest = rest).is_some()
    }

    /// As [`Parser::takes`], for a word that ends there.
    fn takes_word(&mut self, word: &str) -> bool {
        self.skip();
        let Some(rest) = self.rest.strip_prefix(word) else { return false };
        let ends = rest.chars().next().is_none_or(|c| !c.is_alphanumeric());
        if ends {
            self.rest = rest;
        }
        ends
    }

    fn any(&mut self) -> Result<Condition, BadFilter> {
        let mut parts = vec![self.all()?];
        while self.takes("||") {
            parts.push(self.all()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Condition::Any(parts) })
    }

    fn all(&mut self) -> Result<Condition, BadFilter> {
        let mut parts = vec![self.one()?];
        while self.takes("&&") {
            parts.push(self.one()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Condition::All(parts) })
    }

    fn one(&mut self) -> Result<Condition, BadFilter> {
        self.parts += 1;
        if self.parts > caps::FILTER_PARTS {
            return Err(BadFilter::because("it has too many conditions"));
        }
        if !self.takes("(") {
            let path = self.path()?;
            return Ok(Condition::Is(path, self.test()?));
        }
        self.depth += 1;
        if self.depth > caps::FILTER_DEPTH {
            return Err(BadFilter::because("its parentheses are nested too deeply"));
        }
        let inner = self.any()?;
        self.depth -= 1;
        if self.takes(")") { Ok(inner) } else { Err(BadFilter::invalid()) }
    }

    /// `$.a.b[0]['c.d'][*]`
    fn path(&mut self) -> Result<Vec<Step>, BadFilter> {
        if !self.takes("$") {
            return Err(BadFilter::invalid());
        }
        let mut path = Vec::new();
        loop {
            if let Some(rest) = self.rest.strip_prefix(".[").or_else(|| self.rest.strip_prefix('[')) {
                let (inside, rest) = rest.split_once(']').ok_or_else(BadFilter::invalid)?;
                path.push(bracketed(inside.trim())?);
                self.rest = rest;
            } else if let Some(rest) = self.rest.strip_prefix('.') {
                let ends = |c: char| c.is_whitespace() || ".[]=!<>()&|{}\"'%".contains(c);
                let (name, rest) = rest.split_at(rest.find(ends).unwrap_or(rest.len()));
                if name.is_empty() {
                    return Err(BadFilter::invalid());
                }
                path.push(Step::Member(name.to_owned()));
                self.rest = rest;
            } else {
                return if path.is_empty() { Err(BadFilter::invalid()) } else { Ok(path) };
            }
        }
    }

    fn test(&mut self) -> Result<Test, BadFilter> {
        if self.takes_word("IS") {
            let tests = [("NULL", Test::Null), ("TRUE", Test::True), ("FALSE", Test::False)];
            let found = tests.into_iter().find(|(word, _)| self.takes_word(word));
            return found.map(|(_, test)| test).ok_or_else(BadFilter::invalid);
        }
        if self.takes_word("NOT") {
            return if self.takes_word("EXISTS") { Ok(Test::Absent) } else { Err(BadFilter::invalid()) };
        }
        // The longer ones first.
        let orders = [
            ("!=", Order::Other),
            ("<=", Order::AtMost),
            (">=", Order::AtLeast),
            ("=", Order::Equal),
            ("<", Order::Less),
            (">", Order::Greater),
        ];
        let order = orders.into_iter().find(|(text, _)| self.takes(text));
        let (_, order) = order.ok_or_else(BadFilter::invalid)?;
        self.skip();
        let equal = match order {
            Order::Equal => Some(true),
            Order::Other => Some(false),
            _ => None,
        };
        match (self.rest.as_bytes().first(), equal) {
            (Some(b'"'), Some(equal)) => {
                let (pattern, rest) = quoted(self.rest)?;
                self.rest = rest;
                Ok(Test::Text { pattern, equal })
            }
            (Some(b'%'), Some(equal)) => {
                let (expression, rest) = percent(self.rest)?;
                self.rest = rest;
                Ok(Test::Expression { expression, equal })
            }
            _ => {
                let word = self.word()?;
                match (word.parse::<f64>(), equal) {
                    (Ok(number), _) if number.is_finite() => Ok(Test::Number(order, number)),
                    (_, Some(equal)) => Ok(Test::Text { pattern: word.to_owned(), equal }),
                    (_, None) => Err(BadFilter::invalid()),
                }
            }
        }
    }

    /// A value without quotes.
    fn word(&mut self) -> Result<&'a str, BadFilter> {
        let ends = |c: char| c.is_whitespace() || "()&|{}\"%=<>!$".contains(c);
        let (word, rest) = self.rest.split_at(self.rest.find(ends).unwrap_or(self.rest.len()));
        self.rest = rest;
        if word.is_empty() { Err(BadFilter::invalid()) } else { Ok(word) }
    }
}

fn bracketed(inside: &str) -> Result<Step, BadFilter> {
    for quote in ['\'', '"'] {
        if let Some(name) = inside.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) {
            return Ok(Step::Member(name.to_owned()));
        }
    }
    if inside == "*" {
        return Ok(Step::Each);
    }
    inside.parse().map(Step::Item).map_err(|_no_number| BadFilter::invalid())
}
