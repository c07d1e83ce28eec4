//! Filter patterns of CloudWatch Logs: terms, and conditions on the fields of JSON.
//!
//! From the user guide, "Filter pattern syntax for metric filters, subscription filters, filter log events, and Live Tail".
//! Patterns of space-delimited fields (`[a, b, c]`) are refused.

mod json;
mod terms;

use crate::caps;
use json::Condition;
use regex::{Regex, RegexBuilder};
use terms::Terms;

/// Why a pattern cannot be used, to be shown to who sent it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct BadFilter(String);

impl BadFilter {
    fn invalid() -> Self {
        Self("Invalid filter pattern".to_owned())
    }

    fn because(why: &str) -> Self {
        Self(format!("Invalid filter pattern: {why}"))
    }

    fn term(term: &str) -> Self {
        Self(format!("Invalid character(s) in term '{term}'"))
    }
}

/// Which messages are wanted.
#[derive(Clone, Debug)]
pub(crate) enum Filter {
    All,
    Terms(Terms),
    Json(Condition),
}

impl Filter {
    pub(crate) fn parse(pattern: &str) -> Result<Self, BadFilter> {
        let pattern = pattern.trim();
        match pattern.chars().next() {
            None => Ok(Self::All),
            Some('{') => {
                let inner = pattern[1..].strip_suffix('}').ok_or_else(|| {
                    BadFilter("If a filter pattern starts with '{' it must end with '}'".to_owned())
                })?;
                Condition::parse(inner).map(Self::Json)
            }
            Some('[') => Err(BadFilter::because(
                "patterns of space-delimited fields, [...], are not supported by this version of Millstream",
            )),
            Some(_) => Terms::parse(pattern).map(Self::Terms),
        }
    }

    pub(crate) fn takes(&self, message: &str) -> bool {
        match self {
            Self::All => true,
            Self::Terms(terms) => terms.take(message),
            Self::Json(condition) => {
                // Only an object has fields.
                let json = message.trim();
                json.starts_with('{') && serde_json::from_str(json).is_ok_and(|value| condition.holds(&value))
            }
        }
    }
}

/// What stands between percent signs.
fn expression(source: &str) -> Result<Regex, BadFilter> {
    let built = RegexBuilder::new(source).size_limit(caps::FILTER_REGEX_BYTES).build();
    built.map_err(|_unusable| BadFilter::because("the regular expression cannot be used"))
}

/// Take what is quoted at the beginning of a text, and the rest. A backslash makes the next character itself.
fn quoted(text: &str) -> Result<(String, &str), BadFilter> {
    let mut out = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((out, &text[at + 1..])),
            '\\' => out.push(chars.next().ok_or_else(BadFilter::invalid)?.1),
            c => out.push(c),
        }
    }
    Err(BadFilter::invalid())
}

/// Take what stands between percent signs at the beginning of a text, and the rest.
fn percent(text: &str) -> Result<(Regex, &str), BadFilter> {
    let (source, rest) = text[1..].split_once('%').ok_or_else(BadFilter::invalid)?;
    if source.is_empty() {
        return Err(BadFilter::invalid());
    }
    Ok((expression(source)?, rest))
}

#[cfg(test)]
mod tests {
    use super::Filter;

    fn takes(pattern: &str, message: &str) -> bool {
        Filter::parse(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}")).takes(message)
    }

    #[test]
    fn terms_are_all_wanted() {
        for (pattern, message, expected) in [
            ("", "anything", true),
            ("  ", "anything", true),
            ("ERROR", "[ERROR 400] BAD REQUEST", true),
            ("ERROR", "[error 400]", false),
            ("ERROR ARGUMENTS", "[ERROR 419] MISSING ARGUMENTS", true),
            ("ERROR ARGUMENTS", "[ERROR 401] UNAUTHORIZED REQUEST", false),
            ("\"INTERNAL SERVER ERROR\"", "[ERROR 500] INTERNAL SERVER ERROR", true),
            ("\"INTERNAL SERVER ERROR\"", "SERVER INTERNAL ERROR", false),
            (r#""say \"hi\"""#, r#"they say "hi""#, true),
            ("?ERROR ?WARN", "[WARN] x", true),
            ("?ERROR ?WARN", "[INFO] x", false),
            ("?\"a b\" ?c", "a b", true),
            ("ERROR -EXITING", "ERROR and on", true),
            ("ERROR -EXITING", "ERROR: EXITING", false),
            ("-EXITING", "x", true),
            ("-\"a b\"", "a b", false),
            // Beside others, a question mark counts for nothing.
            ("INFO ?ERROR", "INFO", true),
            ("%AUTHORIZED%", "UNAUTHORIZED REQUEST", true),
            ("%^4[0-9]{2}$%", "404", true),
            ("%^4[0-9]{2}$%", "4040", false),
            ("-%a+%", "baab", false),
        ] {
            assert_eq!(takes(pattern, message), expected, "{pattern} on {message}");
        }
    }

    const EVENT: &str = r#"{"eventType": "UpdateTrail", "sourceIPAddress": "111.111.111.111", "arrayKey": ["value", "another"],
        "objectList": [{"name": "a", "id": 1}, {"name": "b", "id": 2}], "SomeObject": null, "ThisFlag": true,
        "number": 300, "dotted.key": "yes", "level": "ERROR"}"#;

    #[test]
    fn fields_of_json_are_compared() {
        for (pattern, expected) in [
            (r#"{ $.eventType = "UpdateTrail" }"#, true),
            (r"{ $.eventType = UpdateTrail }", true),
            (r#"{$.eventType="UpdateTrai"}"#, false),
            (r#"{ $.eventType = "Update*" }"#, true),
            (r#"{ $.eventType = "*" }"#, true),
            (r#"{ $.nothing = "*" }"#, false),
            ("{ $.sourceIPAddress != 123.123.* }", true),
            ("{ $.sourceIPAddress != 111.111.* }", false),
            // What is not there is not another value.
            ("{ $.nothing != 1 }", false),
            (r#"{ $.arrayKey[0] = "value" }"#, true),
            (r#"{ $.arrayKey[1] = "value" }"#, false),
            (r#"{ $.arrayKey[*] = "another" }"#, true),
            ("{ $.objectList[1].id = 2 }", true),
            ("{ $.objectList[*].id = 2 }", true),
            ("{ $.objectList[*].id = 3 }", false),
            ("{ $.SomeObject IS NULL }", true),
            ("{ $.ThisFlag IS NULL }", false),
            ("{ $.nothing NOT EXISTS }", true),
            ("{ $.SomeObject NOT EXISTS }", false),
            ("{ $.ThisFlag IS TRUE }", true),
            ("{ $.ThisFlag IS FALSE }", false),
            ("{ $.number >= 300 && $.number < 301 }", true),
            ("{ $.number = 3e2 }", true),
            ("{ $.number = 300.0 }", true),
            ("{ $.number > 300 }", false),
            ("{ $.number <= -1 }", false),
            ("{ $.level > 1 }", false),
            ("{ $.['dotted.key'] = yes }", true),
            ("{ $['dotted.key'] = yes }", true),
            (r"{ $.eventType = %^Update[A-Z]% }", true),
            (r"{ $.eventType = %^update% }", false),
            ("{ ($.number = 1) || ($.level = ERROR) }", true),
            ("{ ($.number = 1 || $.level = ERROR) && $.ThisFlag IS FALSE }", false),
            // && binds closer.
            ("{ $.level = ERROR || $.number = 1 && $.number = 2 }", true),
        ] {
            assert_eq!(takes(pattern, EVENT), expected, "{pattern}");
        }
        assert!(!takes(r#"{ $.x = "*" }"#, "no json") && !takes("{ $.x NOT EXISTS }", "no json"));
        assert!(!takes("{ $.x NOT EXISTS }", "[1]"));
    }

    #[test]
    fn what_is_no_pattern_is_refused_in_words() {
        for (pattern, words) in [
            ("a:b", "Invalid character(s) in term 'a:b'"),
            ("foo -", "Invalid character(s) in term"),
            ("?", "Invalid character(s) in term"),
            ("\"open", "Invalid filter pattern"),
            ("\"\"", "Invalid character(s) in term"),
            ("%(%", "Invalid filter pattern"),
            ("%open", "Invalid filter pattern"),
            ("{ $.a = 1", "must end with '}'"),
            ("{ }", "Invalid filter pattern"),
            ("{ a = 1 }", "Invalid filter pattern"),
            ("{ $.a }", "Invalid filter pattern"),
            ("{ $.a = }", "Invalid filter pattern"),
            ("{ $.a < b }", "Invalid filter pattern"),
            ("{ $.a IS 1 }", "Invalid filter pattern"),
            ("{ $.a NOT }", "Invalid filter pattern"),
            ("{ $.a[x] = 1 }", "Invalid filter pattern"),
            ("{ ($.a = 1 }", "Invalid filter pattern"),
            ("{ $.a = 1 & $.b = 2 }", "Invalid filter pattern"),
            ("{ $.a = 1 && }", "Invalid filter pattern"),
            ("{ $.a = 1 } }", "Invalid filter pattern"),
            ("{ $. = 1 }", "Invalid filter pattern"),
            ("[ip, user]", "space-delimited"),
        ] {
            let error = Filter::parse(pattern).expect_err(pattern).to_string();
            assert!(error.contains(words), "{pattern}: {error}");
        }
        let deep = format!("{{ {}$.a = 1{} }}", "(".repeat(500), ")".repeat(500));
        assert!(Filter::parse(&deep).is_err());
        let long = "?a ".repeat(500);
        assert!(Filter::parse(&long).is_err());
    }
}
