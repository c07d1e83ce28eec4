//! Patterns of terms: `ERROR "exact phrase" -unwanted`, `?this ?or ?that`, `%expression%`.

use super::{BadFilter, percent, quoted};
use crate::caps;
use regex::Regex;

#[derive(Clone, Debug)]
enum Term {
    Text(String),
    Expression(Regex),
}

impl Term {
    fn is_in(&self, message: &str) -> bool {
        match self {
            Self::Text(text) => message.contains(text.as_str()),
            Self::Expression(expression) => expression.is_match(message),
        }
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Terms {
    all: Vec<Term>,
    none: Vec<Term>,
    any: Vec<Term>,
}

impl Terms {
    pub(super) fn parse(pattern: &str) -> Result<Self, BadFilter> {
        let mut terms = Self::default();
        let mut rest = pattern.trim_start();
        while !rest.is_empty() {
            let (into, at) = match rest.as_bytes().first() {
                Some(b'?') => (&mut terms.any, &rest[1..]),
                Some(b'-') => (&mut terms.none, &rest[1..]),
                _ => (&mut terms.all, rest),
            };
            let (term, after) = one(at)?;
            into.push(term);
            rest = after.trim_start();
            if terms.all.len() + terms.none.len() + terms.any.len() > caps::FILTER_PARTS {
                return Err(BadFilter::because("it has too many terms"));
            }
        }
        if !terms.all.is_empty() || !terms.none.is_empty() {
            // From the user guide: beside other terms, those with a question mark are ignored.
            terms.any.clear();
        }
        Ok(terms)
    }

    pub(super) fn take(&self, message: &str) -> bool {
        let has = |term: &Term| term.is_in(message);
        self.all.iter().all(has)
            && !self.none.iter().any(has)
            && (self.any.is_empty() || self.any.iter().any(has))
    }
}

/// The term at the beginning of a text, and the rest.
fn one(text: &str) -> Result<(Term, &str), BadFilter> {
    match text.as_bytes().first() {
        Some(b'"') => {
            let (term, rest) = quoted(text)?;
            if term.is_empty() { Err(BadFilter::term("\"\"")) } else { Ok((Term::Text(term), rest)) }
        }
        Some(b'%') => percent(text).map(|(expression, rest)| (Term::Expression(expression), rest)),
        _ => {
            let end = text.find(char::is_whitespace).unwrap_or(text.len());
            let (term, rest) = text.split_at(end);
            let plain = |c: char| c.is_alphanumeric() || c == '_';
            if term.is_empty() || !term.chars().all(plain) {
                return Err(BadFilter::term(term));
            }
            Ok((Term::Text(term.to_owned()), rest))
        }
    }
}
