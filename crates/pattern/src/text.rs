//! What a string is held against.

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Text {
    Exactly(String),
    /// In lower case.
    IgnoringCase(String),
    Prefix(String),
    Suffix(String),
    /// In lower case.
    PrefixIgnoringCase(String),
    SuffixIgnoringCase(String),
    Wildcard(Wildcard),
}

/// Texts between stars: the first begins and the last ends what matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wildcard {
    first: String,
    /// What follows each star, in order. Without any the text is matched exactly.
    after_stars: Vec<String>,
}

impl Text {
    pub(crate) fn matches(&self, value: &str) -> bool {
        match self {
            Self::Exactly(text) => value == text,
            Self::IgnoringCase(text) => value.to_lowercase() == *text,
            Self::Prefix(text) => value.starts_with(text.as_str()),
            Self::Suffix(text) => value.ends_with(text.as_str()),
            Self::PrefixIgnoringCase(text) => value.to_lowercase().starts_with(text.as_str()),
            Self::SuffixIgnoringCase(text) => value.to_lowercase().ends_with(text.as_str()),
            Self::Wildcard(wildcard) => wildcard.matches(value),
        }
    }
}

impl Wildcard {
    /// `\*` is a star and `\\` a backslash.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let mut parts = vec![String::new()];
        let mut characters = text.chars();
        let mut after_star = false;
        while let Some(character) = characters.next() {
            let star = character == '*';
            if star && after_star {
                return Err("Consecutive wildcard characters");
            }
            after_star = star;
            let literal = match character {
                '*' => {
                    parts.push(String::new());
                    continue;
                }
                '\\' => match characters.next() {
                    Some(escaped @ ('*' | '\\')) => escaped,
                    Some(_) | None => return Err("Invalid escape character"),
                },
                other => other,
            };
            parts.last_mut().unwrap_or(&mut String::new()).push(literal);
        }
        let first = parts.remove(0);
        Ok(Self { first, after_stars: parts })
    }

    fn matches(&self, value: &str) -> bool {
        let Some((last, middle)) = self.after_stars.split_last() else { return value == self.first };
        let Some(mut rest) = value.strip_prefix(self.first.as_str()) else { return false };
        // The earliest place for each is as good as any.
        for part in middle {
            let Some(at) = rest.find(part.as_str()) else { return false };
            rest = &rest[at + part.len()..];
        }
        rest.ends_with(last.as_str())
    }
}
