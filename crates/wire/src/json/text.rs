//! String literals: finding their end, and their escapes.

use memchr::memchr2;
use millstream_shapes::DecodeError;
use std::borrow::Cow;

/// A string literal as it stands between its quotes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Literal<'a> {
    pub(super) raw: &'a [u8],
    pub(super) has_escapes: bool,
}

/// The literal that starts after an opening quote, and what follows its closing quote.
pub(super) fn literal(input: &[u8]) -> Result<(Literal<'_>, &[u8]), DecodeError> {
    let mut from = 0_usize;
    loop {
        let rest = input.get(from..).unwrap_or_default();
        let Some(at) = memchr2(b'"', b'\\', rest) else {
            return Err(DecodeError::new("Unterminated string"));
        };
        let end = from.saturating_add(at);
        if rest.get(at) == Some(&b'"') {
            let (raw, after) = input.split_at_checked(end).unwrap_or_default();
            let literal = Literal { raw, has_escapes: from > 0 };
            return Ok((literal, after.get(1..).unwrap_or_default()));
        }
        // The character after a backslash is never the end.
        from = end.saturating_add(2);
    }
}

impl<'a> Literal<'a> {
    /// The text, borrowed if it has no escapes.
    pub(super) fn text(self) -> Result<Cow<'a, str>, DecodeError> {
        let text = std::str::from_utf8(self.raw)
            .map_err(|error| DecodeError::new(format!("A string is not UTF-8: {error}")))?;
        // The least of all bytes, whatever the first ones are: a compiler makes wide instructions of that.
        if self.raw.iter().fold(u8::MAX, |least, byte| least.min(*byte)) < 0x20 {
            return Err(DecodeError::new("A string has a control character that is not escaped"));
        }
        if self.has_escapes { unescape(text).map(Cow::Owned) } else { Ok(Cow::Borrowed(text)) }
    }
}

fn unescape(text: &str) -> Result<String, DecodeError> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, escape)) = rest.split_once('\\') {
        out.push_str(plain);
        let mut chars = escape.chars();
        let simple = match chars.next() {
            Some(c @ ('"' | '\\' | '/')) => c,
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('u') => {
                let (character, after) = unicode(chars.as_str())?;
                out.push(character);
                rest = after;
                continue;
            }
            _ => return Err(DecodeError::new("A string has an escape that JSON does not know")),
        };
        out.push(simple);
        rest = chars.as_str();
    }
    out.push_str(rest);
    Ok(out)
}

/// The character of a `\u` escape, after the `u`, and what follows it. Characters beyond the basic plane come as two.
fn unicode(text: &str) -> Result<(char, &str), DecodeError> {
    let (first, rest) = hex4(text)?;
    if let Some(character) = char::from_u32(first) {
        return Ok((character, rest));
    }
    let low = rest.strip_prefix("\\u").map(hex4).transpose()?;
    if let (0xd800..=0xdbff, Some((low @ 0xdc00..=0xdfff, rest))) = (first, low) {
        let high_bits = first.wrapping_sub(0xd800) << 10;
        let code = 0x1_0000_u32.wrapping_add(high_bits).wrapping_add(low.wrapping_sub(0xdc00));
        if let Some(character) = char::from_u32(code) {
            return Ok((character, rest));
        }
    }
    Err(DecodeError::new("A string has half of a surrogate pair"))
}

fn hex4(text: &str) -> Result<(u32, &str), DecodeError> {
    let broken = || DecodeError::new("A string has a \\u escape without four hexadecimal digits");
    let (digits, rest) = text.split_at_checked(4).ok_or_else(broken)?;
    if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(broken());
    }
    let code = u32::from_str_radix(digits, 16).map_err(|error| DecodeError::new(error.to_string()))?;
    Ok((code, rest))
}
