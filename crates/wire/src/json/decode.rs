use super::number::{self, Number};
use super::text::{self, Literal};
use crate::caps::{MAX_DEPTH, MAX_ELEMENTS};
use bytes::Bytes;
use millstream_shapes::{BorrowDecoder, DecodeError, Decoder, RawBlob};
use millstream_types::Timestamp;
use std::borrow::Cow;

/// Reads typed values from JSON text, in one pass.
#[derive(Debug)]
pub struct JsonDecoder<'a> {
    rest: &'a [u8],
    depth: usize,
    elements: usize,
    /// A container was just opened: no comma before what comes next.
    fresh: bool,
}

impl<'a> JsonDecoder<'a> {
    pub const fn new(input: &'a [u8]) -> Self {
        Self { rest: input, depth: 0, elements: 0, fresh: false }
    }

    /// Nothing but white space may be left.
    pub fn finish(mut self) -> Result<(), DecodeError> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(DecodeError::new("There is something after the end of the JSON value")),
        }
    }

    /// The next byte that is not white space, which stays.
    fn peek(&mut self) -> Option<u8> {
        loop {
            match self.rest.split_first() {
                Some((b' ' | b'\n' | b'\r' | b'\t', rest)) => self.rest = rest,
                Some((byte, _)) => return Some(*byte),
                None => return None,
            }
        }
    }

    fn bump(&mut self) {
        self.rest = self.rest.get(1..).unwrap_or_default();
    }

    fn open(&mut self, bracket: u8, refusal: &'static str) -> Result<(), DecodeError> {
        match self.peek() {
            Some(byte) if byte == bracket => {}
            Some(b'[') => return Err(DecodeError::new("Start of list found where not expected")),
            Some(b'{') => return Err(DecodeError::new("Start of structure or map found where not expected")),
            Some(_) => return Err(DecodeError::new(refusal)),
            None => return Err(unexpected_end()),
        }
        self.bump();
        self.depth = self.depth.saturating_add(1);
        if self.depth > MAX_DEPTH {
            return Err(DecodeError::new(format!("The body is nested more than {MAX_DEPTH} levels deep")));
        }
        self.fresh = true;
        Ok(())
    }

    /// Moves to the next item of the open container, or closes it.
    fn next(&mut self, close: u8) -> Result<bool, DecodeError> {
        let byte = self.peek().ok_or_else(unexpected_end)?;
        if byte == close {
            self.bump();
            self.depth = self.depth.saturating_sub(1);
            self.fresh = false;
            return Ok(false);
        }
        if !self.fresh {
            if byte != b',' {
                return Err(DecodeError::new("Expected a comma between values"));
            }
            self.bump();
        }
        self.fresh = false;
        Ok(true)
    }

    fn count(&mut self) -> Result<(), DecodeError> {
        self.elements = self.elements.saturating_add(1);
        if self.elements > MAX_ELEMENTS {
            return Err(DecodeError::new(format!("The body has more than {MAX_ELEMENTS} elements")));
        }
        Ok(())
    }

    fn key(&mut self) -> Result<Literal<'a>, DecodeError> {
        if self.peek() != Some(b'"') {
            return Err(DecodeError::new("Expected the name of a member"));
        }
        let literal = self.literal()?;
        if self.peek() != Some(b':') {
            return Err(DecodeError::new("Expected a colon after the name of a member"));
        }
        self.bump();
        Ok(literal)
    }

    /// Takes the name of one of `members` and its colon, if they come next and are written as most clients write them.
    fn plain_key(&mut self, members: &[&str]) -> Option<usize> {
        self.peek();
        let name = self.rest.strip_prefix(b"\"")?;
        let (index, rest) = members.iter().enumerate().find_map(|(index, member)| {
            let rest = name.strip_prefix(member.as_bytes())?.strip_prefix(b"\":")?;
            Some((index, rest))
        })?;
        self.rest = rest;
        Some(index)
    }

    /// The string literal whose opening quote comes next.
    fn literal(&mut self) -> Result<Literal<'a>, DecodeError> {
        self.bump();
        let (literal, rest) = text::literal(self.rest)?;
        self.rest = rest;
        Ok(literal)
    }

    /// Takes `null` if it comes next.
    fn null(&mut self) -> Result<bool, DecodeError> {
        if self.peek() == Some(b'n') {
            self.word(b"null")?;
            return Ok(true);
        }
        Ok(false)
    }

    fn word(&mut self, word: &[u8]) -> Result<(), DecodeError> {
        let after = self.rest.strip_prefix(word);
        self.rest = after.ok_or_else(|| DecodeError::new("Unexpected token received from parser"))?;
        Ok(())
    }

    /// Passes over one value of any type, without recursion.
    fn skip(&mut self) -> Result<(), DecodeError> {
        let mut open = Vec::new();
        loop {
            match self.peek().ok_or_else(unexpected_end)? {
                bracket @ (b'{' | b'[') => {
                    self.open(bracket, "")?;
                    open.push(if bracket == b'{' { b'}' } else { b']' });
                }
                b'"' => drop(self.literal()?.text()?),
                b't' => self.word(b"true")?,
                b'f' => self.word(b"false")?,
                b'n' => self.word(b"null")?,
                _ => drop(self.number()?),
            }
            loop {
                let Some(close) = open.last() else { return Ok(()) };
                if self.next(*close)? {
                    if *close == b'}' {
                        self.key()?.text()?;
                    }
                    break;
                }
                open.pop();
            }
        }
    }

    fn number(&mut self) -> Result<Number<'a>, DecodeError> {
        let (number, rest) = number::number(self.rest)?;
        self.rest = rest;
        Ok(number)
    }

    /// A number where one is wanted.
    fn expect_number(&mut self, name: &'static str) -> Result<Number<'a>, DecodeError> {
        match self.peek() {
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(self.mismatch(name)),
        }
    }

    /// A string where one is wanted.
    fn expect_string(&mut self, name: &'static str) -> Result<Literal<'a>, DecodeError> {
        match self.peek() {
            Some(b'"') => self.literal(),
            _ => Err(self.mismatch(name)),
        }
    }

    /// What to say about a value of the wrong type, in AWS's words.
    fn mismatch(&mut self, wanted: &'static str) -> DecodeError {
        let found = match self.peek() {
            None => return unexpected_end(),
            Some(b'"') => "STRING_VALUE",
            Some(b'-' | b'0'..=b'9') => "NUMBER_VALUE",
            Some(b't') => "TRUE_VALUE",
            Some(b'f') => "FALSE_VALUE",
            Some(b'n') => "NULL_VALUE",
            Some(b'[') => return DecodeError::new("Start of list found where not expected"),
            Some(b'{') => return DecodeError::new("Start of structure or map found where not expected"),
            Some(_) => return DecodeError::new("Unexpected token received from parser"),
        };
        DecodeError::new(format!("{found} cannot be converted to {wanted}"))
    }
}

fn unexpected_end() -> DecodeError {
    DecodeError::new("Unexpected end of the body: it is not a complete JSON value")
}

fn base64(text: &[u8]) -> Result<Bytes, DecodeError> {
    base64_simd::STANDARD
        .decode_to_vec(text)
        .map(Bytes::from)
        .map_err(|error| DecodeError::new(format!("A blob is not base64 with padding: {error}")))
}

impl<'a> BorrowDecoder<'a> for JsonDecoder<'a> {
    fn borrow_string(&mut self) -> Result<Cow<'a, str>, DecodeError> {
        self.expect_string("String")?.text()
    }

    fn borrow_blob(&mut self) -> Result<RawBlob<'a>, DecodeError> {
        let literal = self.expect_string("Blob")?;
        if literal.has_escapes {
            return base64(literal.text()?.as_bytes()).map(RawBlob::Owned);
        }
        Ok(RawBlob::Base64(literal.raw))
    }
}

impl Decoder for JsonDecoder<'_> {
    fn open_structure(&mut self) -> Result<(), DecodeError> {
        self.open(b'{', "Unexpected field type: a structure is expected here")
    }

    fn next_member(&mut self, members: &[&str]) -> Result<Option<usize>, DecodeError> {
        while self.next(b'}')? {
            if let Some(index) = self.plain_key(members) {
                if !self.null()? {
                    return Ok(Some(index));
                }
                continue;
            }
            let key = self.key()?;
            let found = if key.has_escapes {
                let name = key.text()?;
                members.iter().position(|member| **member == *name)
            } else {
                members.iter().position(|member| member.as_bytes() == key.raw)
            };
            match found {
                Some(index) if !self.null()? => return Ok(Some(index)),
                Some(_) => {}
                None => {
                    key.text()?;
                    self.skip()?;
                }
            }
        }
        Ok(None)
    }

    fn open_list(&mut self) -> Result<(), DecodeError> {
        self.open(b'[', "Unrecognized collection type: a list is expected here")
    }

    fn next_element(&mut self) -> Result<bool, DecodeError> {
        if !self.next(b']')? {
            return Ok(false);
        }
        self.count()?;
        if self.null()? {
            return Err(DecodeError::new("A list has a null element"));
        }
        Ok(true)
    }

    fn open_map(&mut self) -> Result<(), DecodeError> {
        self.open(b'{', "Unrecognized collection type: a map is expected here")
    }

    fn next_entry(&mut self) -> Result<Option<String>, DecodeError> {
        while self.next(b'}')? {
            self.count()?;
            let key = self.key()?.text()?.into_owned();
            if !self.null()? {
                return Ok(Some(key));
            }
        }
        Ok(None)
    }

    fn string(&mut self) -> Result<String, DecodeError> {
        Ok(self.expect_string("String")?.text()?.into_owned())
    }

    fn blob(&mut self) -> Result<Bytes, DecodeError> {
        let literal = self.expect_string("Blob")?;
        if literal.has_escapes { base64(literal.text()?.as_bytes()) } else { base64(literal.raw) }
    }

    fn integer(&mut self) -> Result<i32, DecodeError> {
        let value = self.expect_number("Integer")?.long("Integer")?;
        i32::try_from(value).map_err(|error| {
            DecodeError::new(format!("NUMBER_VALUE cannot be converted to Integer: {error}"))
        })
    }

    fn long(&mut self) -> Result<i64, DecodeError> {
        self.expect_number("Long")?.long("Long")
    }

    fn double(&mut self) -> Result<f64, DecodeError> {
        self.expect_number("Double")?.double()
    }

    fn boolean(&mut self) -> Result<bool, DecodeError> {
        match self.peek() {
            Some(b't') => self.word(b"true").map(|()| true),
            Some(b'f') => self.word(b"false").map(|()| false),
            _ => Err(self.mismatch("Boolean")),
        }
    }

    fn timestamp(&mut self) -> Result<Timestamp, DecodeError> {
        self.expect_number("Timestamp")?.timestamp()
    }
}
