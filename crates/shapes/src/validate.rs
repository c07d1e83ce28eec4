use crate::caps::{MAX_SHOWN_VALUE, MAX_VIOLATIONS};
use crate::{ItemRule, LengthRule, NumberRule, Path, RealRule, StringRule};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::fmt::{self, Display, Write as _};

/// A value that can say which constraints of its model it breaks.
pub trait Validate {
    fn validate(&self, at: &mut Path, found: &mut Violations);
}

impl<T: Validate> Validate for Box<T> {
    fn validate(&self, at: &mut Path, found: &mut Violations) {
        (**self).validate(at, found);
    }
}

/// All constraints of `input`, checked; what is broken comes back as one message in AWS's words.
pub fn check<T: Validate>(input: &T) -> Result<(), Violations> {
    let mut found = Violations::default();
    input.validate(&mut Path::default(), &mut found);
    if found.is_empty() { Ok(()) } else { Err(found) }
}

/// Broken constraints, in model order. `Display` gives the text of the `ValidationException`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Violations(Vec<String>);

impl Violations {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A required member that the request left out.
    pub fn absent(&mut self, at: &Path) {
        self.push(format_args!("Value null at '{at}' failed to satisfy constraint: Member must not be null"));
    }

    pub fn string(&mut self, at: &Path, value: &str, rule: &StringRule) {
        if let Some(pattern) = rule.mismatch(value) {
            let why = format_args!("Member must satisfy regular expression pattern: {pattern}");
            self.broken(at, &Text(value), why);
        }
        if let Some(min) = rule.too_short(value) {
            self.broken(
                at,
                &Text(value),
                format_args!("Member must have length greater than or equal to {min}"),
            );
        }
        if let Some(max) = rule.too_long(value) {
            self.broken(
                at,
                &Text(value),
                format_args!("Member must have length less than or equal to {max}"),
            );
        }
    }

    pub fn enumeration(&mut self, at: &Path, value: &str, values: &[&str]) {
        if !values.contains(&value) {
            let values = values.join(", ");
            self.broken(at, &Text(value), format_args!("Member must satisfy enum value set: [{values}]"));
        }
    }

    pub fn number(&mut self, at: &Path, value: impl Into<i64>, rule: &NumberRule) {
        let value = value.into();
        self.bounds(at, &value, rule.min.filter(|min| value < *min), rule.max.filter(|max| value > *max));
    }

    pub fn real(&mut self, at: &Path, value: f64, rule: &RealRule) {
        self.bounds(at, &value, rule.min.filter(|min| value < *min), rule.max.filter(|max| value > *max));
    }

    /// A blob, measured in bytes. AWS shows a blob as the Java object that holds it.
    pub fn blob(&mut self, at: &Path, value: &Bytes, rule: &LengthRule) {
        let size = value.len();
        self.length(at, size, rule, &format_args!("java.nio.HeapByteBuffer[pos=0 lim={size} cap={size}]"));
    }

    /// A list whose items have no short text: only an empty one is shown as AWS shows it.
    pub fn list<T>(&mut self, at: &Path, value: &[T], rule: &LengthRule) {
        match value.len() {
            0 => self.length(at, 0, rule, &"[]"),
            size => self.length(at, size, rule, &format_args!("[{size} members]")),
        }
    }

    pub fn strings<T: AsRef<str>>(&mut self, at: &Path, value: &[T], rule: &LengthRule) {
        self.length(at, value.len(), rule, &Texts(value));
    }

    pub fn map<T>(&mut self, at: &Path, value: &BTreeMap<String, T>, rule: &LengthRule) {
        self.length(at, value.len(), rule, &Keys(value));
    }

    /// Every string of a list against one rule; AWS reports the list, once.
    pub fn each_string<T: AsRef<str>, R: ItemRule<T>>(&mut self, at: &Path, items: &[T], rule: &R) {
        if !items.iter().all(|item| rule.accepts(item)) {
            self.whole(at, &Texts(items), "Member must satisfy constraint", |out| rule.describe(out));
        }
    }

    /// Every number of a list against one rule.
    pub fn each_number<T: Display, R: ItemRule<T>>(&mut self, at: &Path, items: &[T], rule: &R) {
        if !items.iter().all(|item| rule.accepts(item)) {
            let shown = items.iter().map(ToString::to_string).collect::<Vec<_>>();
            self.whole(at, &Texts(&shown), "Member must satisfy constraint", |out| rule.describe(out));
        }
    }

    pub fn each_key<T>(&mut self, at: &Path, map: &BTreeMap<String, T>, rule: &StringRule) {
        if !map.keys().all(|key| rule.accepts(key.as_str())) {
            let describe = |out: &mut String| ItemRule::<str>::describe(rule, out);
            self.whole(at, &Keys(map), "Map keys must satisfy constraint", describe);
        }
    }

    pub fn each_value<T, R: ItemRule<T>>(&mut self, at: &Path, map: &BTreeMap<String, T>, rule: &R)
    where
        T: ToTextValue,
    {
        if !map.values().all(|value| rule.accepts(value)) {
            self.whole(at, &Entries(map), "Map value must satisfy constraint", |out| rule.describe(out));
        }
    }

    /// Every structure of a list, each at its own place.
    pub fn each<T: Validate>(&mut self, at: &mut Path, items: &[T]) {
        for (index, item) in items.iter().enumerate() {
            at.push_item(index);
            item.validate(at, self);
            at.pop();
        }
    }

    pub fn each_entry<T: Validate>(&mut self, at: &mut Path, map: &BTreeMap<String, T>) {
        for (key, value) in map {
            at.push_entry(key);
            value.validate(at, self);
            at.pop();
        }
    }

    fn length(&mut self, at: &Path, size: usize, rule: &LengthRule, shown: &dyn Display) {
        if let Some(min) = rule.min.filter(|min| size < *min) {
            self.broken(at, shown, format_args!("Member must have length greater than or equal to {min}"));
        }
        if let Some(max) = rule.max.filter(|max| size > *max) {
            self.broken(at, shown, format_args!("Member must have length less than or equal to {max}"));
        }
    }

    fn bounds<N: Display>(&mut self, at: &Path, value: &N, under: Option<N>, over: Option<N>) {
        if let Some(min) = under {
            self.broken(at, value, format_args!("Member must have value greater than or equal to {min}"));
        }
        if let Some(max) = over {
            self.broken(at, value, format_args!("Member must have value less than or equal to {max}"));
        }
    }

    fn whole(&mut self, at: &Path, shown: &dyn Display, what: &str, describe: impl FnOnce(&mut String)) {
        let mut rule = String::new();
        describe(&mut rule);
        self.broken(at, shown, format_args!("{what}: [{rule}]"));
    }

    fn broken(&mut self, at: &Path, shown: &dyn Display, why: fmt::Arguments<'_>) {
        if self.0.len() < MAX_VIOLATIONS {
            self.0.push(format!("Value '{}' at '{at}' failed to satisfy constraint: {why}", Short(shown)));
        }
    }

    fn push(&mut self, violation: fmt::Arguments<'_>) {
        if self.0.len() < MAX_VIOLATIONS {
            self.0.push(violation.to_string());
        }
    }
}

impl Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, errors) = (self.0.len(), if self.0.len() == 1 { "error" } else { "errors" });
        write!(f, "{count} validation {errors} detected: {}", self.0.join("; "))
    }
}

impl std::error::Error for Violations {}

/// A map's value as it appears inside `{key=value}`.
pub trait ToTextValue {
    fn text_value(&self) -> String;
}

impl<T: Display> ToTextValue for T {
    fn text_value(&self) -> String {
        self.to_string()
    }
}

struct Text<'a>(&'a str);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

struct Texts<'a, T>(&'a [T]);

impl<T: AsRef<str>> Display for Texts<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('[')?;
        for (index, item) in self.0.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { ", " })?;
            f.write_str(item.as_ref())?;
        }
        f.write_char(']')
    }
}

struct Keys<'a, T>(&'a BTreeMap<String, T>);

impl<T> Display for Keys<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<_> = self.0.keys().map(String::as_str).collect();
        write!(f, "{{{}}}", keys.join(", "))
    }
}

struct Entries<'a, T>(&'a BTreeMap<String, T>);

impl<T: ToTextValue> Display for Entries<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('{')?;
        for (index, (key, value)) in self.0.iter().enumerate() {
            write!(f, "{}{key}={}", if index == 0 { "" } else { ", " }, value.text_value())?;
        }
        f.write_char('}')
    }
}

/// At most [`MAX_SHOWN_VALUE`] characters of a value, and a sign that there was more.
struct Short<'a>(&'a dyn Display);

impl Display for Short<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut cut = Cut { text: String::new(), left: MAX_SHOWN_VALUE };
        // An error here is the cut saying that it is full: what it holds is what we want.
        let whole = write!(cut, "{}", self.0).is_ok();
        f.write_str(&cut.text)?;
        if whole { Ok(()) } else { f.write_str("...") }
    }
}

struct Cut {
    text: String,
    left: usize,
}

impl fmt::Write for Cut {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        for character in part.chars() {
            self.left = self.left.checked_sub(1).ok_or(fmt::Error)?;
            self.text.push(character);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(member: &'static str) -> Path {
        let mut path = Path::default();
        path.push_member(member);
        path
    }

    #[test]
    fn places_read_as_aws_writes_them() {
        let mut path = at("Records");
        path.push_item(1);
        path.push_member("PartitionKey");
        assert_eq!(path.to_string(), "records.2.member.partitionKey");
        let mut path = at("RequestItems");
        path.push_entry("a");
        path.push_member("UUID");
        assert_eq!(path.to_string(), "requestItems.a.member.uUID");
    }

    #[test]
    fn ten_violations_are_enough() {
        let mut found = Violations::default();
        for _ in 0..=MAX_VIOLATIONS {
            found.absent(&at("A"));
        }
        assert!(found.to_string().starts_with("10 validation errors detected: Value null at 'a' failed"));
    }

    #[test]
    fn a_huge_value_is_shown_in_part() {
        let mut found = Violations::default();
        let rule = StringRule { min: None, max: Some(5), pattern: None };
        found.string(&at("Name"), &"é".repeat(100_000), &rule);
        let text = found.to_string();
        assert!(text.contains("é...' at 'name' failed to satisfy constraint"));
        assert!(text.chars().count() < MAX_SHOWN_VALUE + 200);
    }

    #[test]
    fn blobs_lists_and_numbers_are_shown_as_java_shows_them() {
        let mut found = Violations::default();
        let rule = LengthRule { min: None, max: Some(2) };
        found.blob(&at("Data"), &Bytes::from_static(b"abc"), &rule);
        found.strings(&at("Keys"), &["a", "b", "c"], &rule);
        found.list(&at("Tags"), &[0, 0, 0], &rule);
        found.real(&at("Weight"), 1.5, &RealRule { min: Some(0.0), max: Some(1.0) });
        let text = found.to_string();
        for part in [
            "4 validation errors detected: ",
            "Value 'java.nio.HeapByteBuffer[pos=0 lim=3 cap=3]' at 'data'",
            "Value '[a, b, c]' at 'keys'",
            "Value '[3 members]' at 'tags'",
            "Value '1.5' at 'weight' failed to satisfy constraint: Member must have value less than or equal to 1",
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
    }
}
