//! Constraints of the service models, as constants that generated code names.

use regex::Regex;
use std::fmt;
use std::sync::OnceLock;

/// A regular expression of the model. It must match the whole value, as Java's `matches` does.
#[derive(Debug)]
pub struct Pattern {
    /// As the model writes it, for the message.
    text: &'static str,
    matcher: Matcher,
}

#[derive(Debug)]
enum Matcher {
    /// `[class]+` or `[class]*` over ASCII: a bit per allowed character.
    Class { allowed: u128, may_be_empty: bool },
    /// Anything else, compiled when first needed.
    Regex { source: &'static str, compiled: OnceLock<Option<Regex>> },
}

impl Pattern {
    pub const fn class(text: &'static str, allowed: u128, may_be_empty: bool) -> Self {
        Self { text, matcher: Matcher::Class { allowed, may_be_empty } }
    }

    /// `source` is what the `regex` crate compiles: `text` itself, or an equivalent where `text` uses what that crate
    /// does not know. A test in each API crate compiles every one of them.
    pub const fn regex(text: &'static str, source: &'static str) -> Self {
        Self { text, matcher: Matcher::Regex { source, compiled: OnceLock::new() } }
    }

    pub fn matches(&self, value: &str) -> bool {
        match &self.matcher {
            Matcher::Class { allowed, may_be_empty } => {
                (*may_be_empty || !value.is_empty())
                    && value.bytes().all(|byte| byte < 128 && allowed >> byte & 1 == 1)
            }
            Matcher::Regex { source, compiled } => compiled
                .get_or_init(|| Regex::new(&format!(r"\A(?:{source})\z")).ok())
                .as_ref()
                .is_none_or(|regex| regex.is_match(value)),
        }
    }

    /// Whether this pattern can be checked at all; false would mean that the generator let a bad expression through.
    pub fn compiles(&self) -> bool {
        match &self.matcher {
            Matcher::Class { .. } => true,
            Matcher::Regex { source, .. } => Regex::new(&format!(r"\A(?:{source})\z")).is_ok(),
        }
    }
}

/// Limits of a string: length in characters, and a pattern.
#[derive(Debug)]
pub struct StringRule {
    pub min: Option<usize>,
    pub max: Option<usize>,
    pub pattern: Option<Pattern>,
}

/// Limits of the length of a blob (bytes), list or map (entries).
#[derive(Debug)]
pub struct LengthRule {
    pub min: Option<usize>,
    pub max: Option<usize>,
}

/// Limits of an integer or a long.
#[derive(Debug)]
pub struct NumberRule {
    pub min: Option<i64>,
    pub max: Option<i64>,
}

/// Limits of a double.
#[derive(Debug)]
pub struct RealRule {
    pub min: Option<f64>,
    pub max: Option<f64>,
}

/// The values an enumeration knows.
#[derive(Debug)]
pub struct EnumRule {
    pub values: &'static [&'static str],
}

/// A rule for the items of a list, or the keys or values of a map. AWS reports these at the container, naming the
/// whole rule whichever part was broken.
pub trait ItemRule<T: ?Sized> {
    fn accepts(&self, item: &T) -> bool;
    /// The whole rule in AWS's words, the parts separated by commas.
    fn describe(&self, out: &mut String);
}

impl StringRule {
    pub(crate) fn too_short(&self, value: &str) -> Option<usize> {
        // A string has at least a quarter as many characters as bytes: count only when the bytes do not decide.
        self.min.filter(|min| value.len() < min.saturating_mul(4) && value.chars().count() < *min)
    }

    pub(crate) fn too_long(&self, value: &str) -> Option<usize> {
        self.max.filter(|max| value.len() > *max && value.chars().count() > *max)
    }

    pub(crate) fn mismatch(&self, value: &str) -> Option<&'static str> {
        self.pattern.as_ref().filter(|pattern| !pattern.matches(value)).map(|pattern| pattern.text)
    }
}

impl<T: AsRef<str> + ?Sized> ItemRule<T> for StringRule {
    fn accepts(&self, item: &T) -> bool {
        let item = item.as_ref();
        self.too_short(item).is_none() && self.too_long(item).is_none() && self.mismatch(item).is_none()
    }

    fn describe(&self, out: &mut String) {
        if let Some(max) = self.max {
            push(out, &format_args!("Member must have length less than or equal to {max}"));
        }
        if let Some(min) = self.min {
            push(out, &format_args!("Member must have length greater than or equal to {min}"));
        }
        if let Some(pattern) = &self.pattern {
            push(out, &format_args!("Member must satisfy regular expression pattern: {}", pattern.text));
        }
        push(out, &"Member must not be null");
    }
}

impl<T: AsRef<str> + ?Sized> ItemRule<T> for EnumRule {
    fn accepts(&self, item: &T) -> bool {
        self.values.contains(&item.as_ref())
    }

    fn describe(&self, out: &mut String) {
        push(out, &format_args!("Member must satisfy enum value set: [{}]", self.values.join(", ")));
        push(out, &"Member must not be null");
    }
}

impl<T: Copy + Into<i64>> ItemRule<T> for NumberRule {
    fn accepts(&self, item: &T) -> bool {
        let value = (*item).into();
        self.min.is_none_or(|min| value >= min) && self.max.is_none_or(|max| value <= max)
    }

    fn describe(&self, out: &mut String) {
        describe_bounds(out, self.min.as_ref(), self.max.as_ref());
    }
}

impl ItemRule<f64> for RealRule {
    fn accepts(&self, item: &f64) -> bool {
        self.min.is_none_or(|min| *item >= min) && self.max.is_none_or(|max| *item <= max)
    }

    fn describe(&self, out: &mut String) {
        describe_bounds(out, self.min.as_ref(), self.max.as_ref());
    }
}

fn describe_bounds<N: fmt::Display>(out: &mut String, min: Option<&N>, max: Option<&N>) {
    if let Some(max) = max {
        push(out, &format_args!("Member must have value less than or equal to {max}"));
    }
    if let Some(min) = min {
        push(out, &format_args!("Member must have value greater than or equal to {min}"));
    }
    push(out, &"Member must not be null");
}

fn push(out: &mut String, part: &dyn fmt::Display) {
    if !out.is_empty() {
        out.push_str(", ");
    }
    out.push_str(&part.to_string());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_counted_in_characters() {
        let rule = StringRule { min: Some(2), max: Some(3), pattern: None };
        for (value, fits) in [("a", false), ("😀", false), ("ab", true), ("😀😀😀", true), ("abcd", false)]
        {
            assert_eq!(ItemRule::<str>::accepts(&rule, value), fits, "{value}");
        }
    }

    #[test]
    fn patterns_match_whole_values() {
        let class = Pattern::class("[a-b]+", 0b11 << b'a', false);
        assert!(class.matches("abba") && !class.matches("abc") && !class.matches("") && !class.matches("é"));
        assert!(Pattern::class("[a-b]*", 0b11 << b'a', true).matches(""));
        let regex = Pattern::regex("a|bc", "a|bc");
        assert!(regex.matches("a") && regex.matches("bc") && !regex.matches("ac") && !regex.matches("a\n"));
        assert!(!Pattern::regex("(", "(").compiles());
    }

    #[test]
    fn a_rule_is_described_whole() {
        let mut text = String::new();
        ItemRule::<i32>::describe(&NumberRule { min: Some(1), max: Some(9) }, &mut text);
        assert_eq!(
            text,
            "Member must have value less than or equal to 9, Member must have value greater than or equal to 1, \
             Member must not be null"
        );
    }
}
