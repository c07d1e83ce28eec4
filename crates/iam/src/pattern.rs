//! Texts with wildcards and variables.

use crate::facts::Request;
use std::borrow::Cow;

/// A text of a policy: `*` stands for any characters, `?` for one, `${aws:username}` for what the request says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Char(char),
    Any,
    One,
    Variable { key: String, default: Option<String> },
}

/// How a text is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Case {
    Exact,
    Ignored,
}

impl Pattern {
    /// `variables`: whether `${…}` is one (policies of version 2012-10-17). `wild`: whether `*` and `?` are wildcards.
    pub(crate) fn new(text: &str, variables: bool, wild: bool) -> Self {
        let mut pieces = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            if variables && let Some((piece, behind)) = variable(rest) {
                pieces.push(piece);
                rest = behind;
                continue;
            }
            pieces.push(match first {
                '*' if wild => Piece::Any,
                '?' if wild => Piece::One,
                other => Piece::Char(other),
            });
            rest = &rest[first.len_utf8()..];
        }
        Self { pieces }
    }

    pub(crate) fn has_variables(&self) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::Variable { .. }))
    }

    /// As it was written, near enough to be shown and compared with ARNs.
    pub(crate) fn text(&self) -> String {
        let mut text = String::with_capacity(self.pieces.len());
        for piece in &self.pieces {
            match piece {
                Piece::Char(c) => text.push(*c),
                Piece::Any => text.push('*'),
                Piece::One => text.push('?'),
                Piece::Variable { key, .. } => {
                    text.push_str("${");
                    text.push_str(key);
                    text.push('}');
                }
            }
        }
        text
    }

    /// The text as it stands, where it has neither wildcards nor variables.
    pub(crate) fn plain(&self) -> Option<String> {
        self.pieces.iter().map(|piece| if let Piece::Char(c) = piece { Some(*c) } else { None }).collect()
    }

    /// A variable without a value and without a default matches nothing.
    pub(crate) fn matches(&self, text: &str, case: Case, request: &Request<'_>) -> bool {
        self.resolve(request).is_some_and(|pieces| matches(&pieces, text, case))
    }

    /// The text with its variables' values; `None` if one has none.
    pub(crate) fn resolved(&self, request: &Request<'_>) -> Option<String> {
        let pieces = self.resolve(request)?.into_owned();
        Self { pieces }.plain()
    }

    fn resolve(&self, request: &Request<'_>) -> Option<Cow<'_, [Piece]>> {
        if !self.has_variables() {
            return Some(Cow::Borrowed(&self.pieces));
        }
        let mut resolved = Vec::with_capacity(self.pieces.len());
        for piece in &self.pieces {
            if let Piece::Variable { key, default } = piece {
                // Only keys with one value can stand in a text.
                let value = match request.values(key).as_deref() {
                    Some([value]) => Some(value.clone()),
                    Some(_) | None => default.clone(),
                }?;
                resolved.extend(value.chars().map(Piece::Char));
            } else {
                resolved.push(piece.clone());
            }
        }
        Some(Cow::Owned(resolved))
    }

    /// The parts between colons, at most six: those of an ARN. The last one takes what is left.
    pub(crate) fn segments(&self) -> Vec<Self> {
        let mut parts = vec![Self { pieces: Vec::new() }];
        for piece in &self.pieces {
            if *piece == Piece::Char(':') && parts.len() < 6 {
                parts.push(Self { pieces: Vec::new() });
            } else if let Some(last) = parts.last_mut() {
                last.pieces.push(piece.clone());
            }
        }
        parts
    }
}

/// `${key}` or `${key, 'default'}` at the beginning of a text, and what is behind it. `${*}`, `${?}` and `${$}` are the
/// characters themselves.
fn variable(text: &str) -> Option<(Piece, &str)> {
    let (inside, behind) = text.strip_prefix("${")?.split_once('}')?;
    let piece = match inside {
        "*" => Piece::Char('*'),
        "?" => Piece::Char('?'),
        "$" => Piece::Char('$'),
        inside => {
            let (key, default) = match inside.split_once(',') {
                None => (inside, None),
                Some((key, default)) => {
                    (key, Some(default.trim().strip_prefix('\'')?.strip_suffix('\'')?.to_owned()))
                }
            };
            Piece::Variable { key: key.trim().to_ascii_lowercase(), default }
        }
    };
    Some((piece, behind))
}

/// Wildcard matching in the time of one text times the other: only the last `*` is ever tried again.
fn matches(pattern: &[Piece], text: &str, case: Case) -> bool {
    let text: Vec<char> = text.chars().collect();
    let same = |a: char, b: char| match case {
        Case::Exact => a == b,
        Case::Ignored => a.to_lowercase().eq(b.to_lowercase()),
    };
    let (mut at, mut read) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while read < text.len() {
        match pattern.get(at) {
            Some(Piece::Any) => {
                star = Some((at, read));
                at += 1;
            }
            Some(Piece::One) => (at, read) = (at + 1, read + 1),
            Some(Piece::Char(c)) if same(*c, text[read]) => (at, read) = (at + 1, read + 1),
            Some(Piece::Char(_) | Piece::Variable { .. }) | None => match star {
                None => return false,
                Some((place, from)) => {
                    star = Some((place, from + 1));
                    (at, read) = (place + 1, from + 1);
                }
            },
        }
    }
    pattern[at..].iter().all(|piece| *piece == Piece::Any)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn glob(pattern: &str, text: &str) -> bool {
        matches(&Pattern::new(pattern, false, true).pieces, text, Case::Exact)
    }

    #[test]
    fn wildcards() {
        for (pattern, text, is) in [
            ("*", "", true),
            ("*", "anything/at:all", true),
            ("a*c", "abbbc", true),
            ("a*c", "abbbcd", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*b*b*", "abab", true),
            ("kinesis:Put*", "kinesis:PutRecord", true),
            ("kinesis:Put*", "kinesis:GetRecords", false),
            ("", "", true),
            ("", "a", false),
            ("stream/?", "stream/ä", true),
            ("a**", "a", true),
        ] {
            assert_eq!(glob(pattern, text), is, "{pattern} {text}");
        }
        assert!(matches(
            &Pattern::new("KINESIS:put*", false, true).pieces,
            "kinesis:PutRecord",
            Case::Ignored
        ));
    }

    #[test]
    fn a_hostile_pattern_costs_little() {
        let pattern = "*a".repeat(5_000);
        assert!(!glob(&pattern, &"b".repeat(5_000)));
    }

    #[test]
    fn without_variables_braces_are_text() {
        assert_eq!(Pattern::new("${aws:username}", false, true).plain().unwrap(), "${aws:username}");
        assert!(Pattern::new("${aws:username}", true, true).has_variables());
        assert_eq!(Pattern::new("a${*}b${?}${$}", true, true).plain().unwrap(), "a*b?$");
        assert_eq!(Pattern::new("${open", true, true).plain().unwrap(), "${open");
    }
}
