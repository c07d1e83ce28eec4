//! Regular expressions of the model: simple character classes become bit sets, the rest is left to the `regex` crate.

/// `[class]+` or `[class]*` over ASCII, optionally between anchors: the allowed characters, and whether none will do.
pub(super) fn class(pattern: &str) -> Option<(u128, bool)> {
    let pattern = pattern.strip_prefix('^').unwrap_or(pattern);
    let pattern = pattern.strip_suffix('$').unwrap_or(pattern);
    let (body, may_be_empty) = match (pattern.strip_suffix('+'), pattern.strip_suffix('*')) {
        (Some(body), _) => (body, false),
        (_, Some(body)) => (body, true),
        _ => return None,
    };
    let body = body.strip_prefix('[')?.strip_suffix(']')?;
    if body.starts_with('^') || body.contains("\\p") || body.contains('[') {
        return None;
    }
    Some((set(body)?, may_be_empty))
}

fn set(body: &str) -> Option<u128> {
    let mut items = Vec::new();
    let mut chars = body.chars().peekable();
    while let Some(c) = chars.next() {
        let literal = match c {
            ']' => return None,
            '\\' => match chars.next()? {
                'd' => {
                    items.push(('0', '9'));
                    continue;
                }
                'x' => {
                    let code: String = [chars.next()?, chars.next()?].iter().collect();
                    char::from(u8::from_str_radix(&code, 16).ok()?)
                }
                escaped if escaped.is_ascii_punctuation() => escaped,
                _ => return None,
            },
            other => other,
        };
        let mut ahead = chars.clone();
        let range = ahead.next() == Some('-') && ahead.peek().is_some_and(|c| *c != ']');
        if range {
            chars.next();
            let end = match chars.next()? {
                '\\' => match chars.next()? {
                    'x' => {
                        let code: String = [chars.next()?, chars.next()?].iter().collect();
                        char::from(u8::from_str_radix(&code, 16).ok()?)
                    }
                    _ => return None,
                },
                other => other,
            };
            items.push((literal, end));
        } else {
            items.push((literal, literal));
        }
        // A hyphen straight after a range is itself: `[0-9-_]`.
        if range && chars.peek() == Some(&'-') {
            chars.next();
            items.push(('-', '-'));
        }
    }
    let mut bits = 0_u128;
    for (first, last) in items {
        if !first.is_ascii() || !last.is_ascii() || first > last {
            return None;
        }
        bits |= (first..=last).fold(0, |bits, c| bits | 1 << u32::from(c));
    }
    Some(bits)
}

/// What the `regex` crate should compile for a Java expression: there `\d` is ASCII.
pub(super) fn for_regex_crate(pattern: &str) -> String {
    pattern.replace("\\d", "[0-9]")
}

#[cfg(test)]
mod tests {
    use super::class;

    fn allowed(pattern: &str) -> String {
        let (bits, _) = class(pattern).unwrap();
        (0..128_u8).map(char::from).filter(|c| bits >> u32::from(*c) & 1 == 1).collect()
    }

    #[test]
    fn classes() {
        assert_eq!(allowed("[0-9-_]+"), "-0123456789_");
        assert_eq!(allowed("[a-c_.-]*"), "-._abc");
        assert_eq!(allowed(r"[\x21-\x23\-\/]+"), "!\"#-/");
        assert_eq!(allowed("^[a-c]+$"), "abc");
        assert!(class("[a]*").unwrap().1 && !class("[a]+").unwrap().1);
        for complicated in ["[^a]+", "a+", "[a][b]+", r"[\p{L}]+", r"[\s]+", "[a]+|[b]+"] {
            assert_eq!(class(complicated), None, "{complicated}");
        }
    }
}
