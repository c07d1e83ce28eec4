use super::item::{self, Item, Length, unexpected_end};
use crate::caps::{MAX_DEPTH, MAX_ELEMENTS};
use bytes::{Bytes, BytesMut};
use millstream_shapes::{BorrowDecoder, DecodeError, Decoder, RawBlob};
use millstream_types::Timestamp;
use std::borrow::Cow;

/// Reads typed values from CBOR, in one pass. Blobs are slices of the source, which they keep alive.
///
/// Tags say nothing that the model does not, and are passed over.
#[derive(Debug)]
pub struct CborDecoder<'a> {
    source: &'a Bytes,
    /// What is still to be read: always the end of `source`.
    rest: &'a [u8],
    /// Of each open container, how many items are left; nothing if a break ends it.
    open: Vec<Length>,
    elements: usize,
}

impl<'a> CborDecoder<'a> {
    pub fn new(source: &'a Bytes) -> Self {
        Self { source, rest: source, open: Vec::new(), elements: 0 }
    }

    /// Nothing may be left.
    pub fn finish(self) -> Result<(), DecodeError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(DecodeError::new("There is something after the end of the CBOR value"))
        }
    }

    fn item(&mut self) -> Result<Item, DecodeError> {
        let (item, rest) = item::item(self.rest)?;
        self.rest = rest;
        Ok(item)
    }

    /// The next item that is not a tag.
    fn value(&mut self) -> Result<Item, DecodeError> {
        loop {
            match self.item()? {
                Item::Tag => {}
                item => return Ok(item),
            }
        }
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], DecodeError> {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let (taken, rest) = self.rest.split_at_checked(length).ok_or_else(unexpected_end)?;
        self.rest = rest;
        Ok(taken)
    }

    fn enter(&mut self, length: Length) -> Result<(), DecodeError> {
        if self.open.len() >= MAX_DEPTH {
            return Err(DecodeError::new(format!("The body is nested more than {MAX_DEPTH} levels deep")));
        }
        self.open.push(length);
        Ok(())
    }

    fn open_map_or(&mut self, refusal: &'static str) -> Result<(), DecodeError> {
        match self.value()? {
            Item::Map(length) => self.enter(length),
            Item::List(_) => Err(DecodeError::new("Start of list found where not expected")),
            Item::Break => Err(stray_break()),
            _ => Err(DecodeError::new(refusal)),
        }
    }

    /// Moves to the next item of the open container, or closes it.
    fn next(&mut self) -> Result<bool, DecodeError> {
        let ended = match self.open.last_mut() {
            None | Some(Some(0)) => true,
            Some(Some(left)) => {
                *left = left.saturating_sub(1);
                false
            }
            Some(None) => match self.rest.split_first() {
                Some((&BREAK, rest)) => {
                    self.rest = rest;
                    true
                }
                Some(_) => false,
                None => return Err(unexpected_end()),
            },
        };
        if ended {
            self.open.pop();
        }
        Ok(!ended)
    }

    fn count(&mut self) -> Result<(), DecodeError> {
        self.elements = self.elements.saturating_add(1);
        if self.elements > MAX_ELEMENTS {
            return Err(DecodeError::new(format!("The body has more than {MAX_ELEMENTS} elements")));
        }
        Ok(())
    }

    /// Takes null if it comes next.
    fn null(&mut self) -> bool {
        match self.rest.split_first() {
            Some((&(NULL | UNDEFINED), rest)) => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// The bytes of a name, which are known to be text only if they came in pieces.
    fn key(&mut self) -> Result<Cow<'a, [u8]>, DecodeError> {
        match self.value()? {
            Item::Text(Some(length)) => Ok(Cow::Borrowed(self.take(length)?)),
            Item::Text(None) => Ok(Cow::Owned(self.text_in_pieces()?.into_bytes())),
            _ => Err(DecodeError::new("Expected the name of a member")),
        }
    }

    fn text_in_pieces(&mut self) -> Result<String, DecodeError> {
        let mut text = String::new();
        loop {
            match self.item()? {
                Item::Text(Some(length)) => text.push_str(utf8(self.take(length)?)?),
                Item::Break => return Ok(text),
                _ => return Err(DecodeError::new("A piece of a string is not a string")),
            }
        }
    }

    fn blob_in_pieces(&mut self) -> Result<Bytes, DecodeError> {
        let mut blob = BytesMut::new();
        loop {
            match self.item()? {
                Item::Bytes(Some(length)) => blob.extend_from_slice(self.take(length)?),
                Item::Break => return Ok(blob.freeze()),
                _ => return Err(DecodeError::new("A piece of a byte string is not a byte string")),
            }
        }
    }

    /// Passes over one value of any type, without recursion.
    fn skip(&mut self) -> Result<(), DecodeError> {
        // Of each container that was opened here: whether it is a map.
        let mut open = Vec::new();
        loop {
            match self.value()? {
                item @ (Item::List(length) | Item::Map(length)) => {
                    self.enter(length)?;
                    open.push(matches!(item, Item::Map(_)));
                }
                Item::Text(Some(length)) => drop(utf8(self.take(length)?)?),
                Item::Text(None) => drop(self.text_in_pieces()?),
                Item::Bytes(Some(length)) => drop(self.take(length)?),
                Item::Bytes(None) => drop(self.blob_in_pieces()?),
                Item::Break => return Err(stray_break()),
                _ => {}
            }
            loop {
                let Some(is_map) = open.last() else { return Ok(()) };
                if self.next()? {
                    if *is_map {
                        utf8(&self.key()?)?;
                    }
                    break;
                }
                open.pop();
            }
        }
    }

    fn whole(&mut self, name: &'static str) -> Result<i64, DecodeError> {
        let refuse = || DecodeError::new(format!("NUMBER_VALUE cannot be converted to {name}"));
        match self.value()? {
            Item::Unsigned(number) => i64::try_from(number).map_err(|_too_large| refuse()),
            Item::Negative(number) => {
                i64::try_from(number).map(|number| !number).map_err(|_too_small| refuse())
            }
            Item::Float(number) => truncated(number).ok_or_else(refuse),
            other => Err(mismatch(other, name)),
        }
    }
}

const NULL: u8 = 0xf6;
const UNDEFINED: u8 = 0xf7;
const BREAK: u8 = 0xff;

fn utf8(bytes: &[u8]) -> Result<&str, DecodeError> {
    std::str::from_utf8(bytes).map_err(|error| DecodeError::new(format!("A string is not UTF-8: {error}")))
}

/// Below 2^53 every integer is exact as a double.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// As an integer. A fraction is cut off, as AWS does.
fn truncated(number: f64) -> Option<i64> {
    let number = number.trunc();
    let exact = number.abs() <= EXACT;
    exact.then(|| format!("{number:.0}").parse().ok()).flatten()
}

/// As a double, to the nearest.
fn real(number: u64) -> f64 {
    let half = |number: u64| f64::from(u32::try_from(number & 0xffff_ffff).unwrap_or_default());
    half(number >> 32) * 4_294_967_296.0 + half(number)
}

fn stray_break() -> DecodeError {
    DecodeError::new("An end without a beginning")
}

/// What to say about a value of the wrong type, in AWS's words.
fn mismatch(found: Item, wanted: &'static str) -> DecodeError {
    let found = match found {
        Item::Unsigned(_) | Item::Negative(_) | Item::Float(_) => "NUMBER_VALUE",
        Item::Text(_) => "STRING_VALUE",
        Item::Bytes(_) => "BLOB_VALUE",
        Item::Boolean(true) => "TRUE_VALUE",
        Item::Boolean(false) => "FALSE_VALUE",
        Item::Null => "NULL_VALUE",
        Item::List(_) => return DecodeError::new("Start of list found where not expected"),
        Item::Map(_) => return DecodeError::new("Start of structure or map found where not expected"),
        Item::Break => return stray_break(),
        Item::Simple | Item::Tag => return DecodeError::new("Unexpected token received from parser"),
    };
    DecodeError::new(format!("{found} cannot be converted to {wanted}"))
}

impl<'a> BorrowDecoder<'a> for CborDecoder<'a> {
    fn borrow_string(&mut self) -> Result<Cow<'a, str>, DecodeError> {
        match self.value()? {
            Item::Text(Some(length)) => utf8(self.take(length)?).map(Cow::Borrowed),
            Item::Text(None) => self.text_in_pieces().map(Cow::Owned),
            other => Err(mismatch(other, "String")),
        }
    }

    fn borrow_blob(&mut self) -> Result<RawBlob<'a>, DecodeError> {
        match self.value()? {
            Item::Bytes(Some(length)) => self.take(length).map(RawBlob::Plain),
            Item::Bytes(None) => self.blob_in_pieces().map(RawBlob::Owned),
            other => Err(mismatch(other, "Blob")),
        }
    }
}

impl Decoder for CborDecoder<'_> {
    fn open_structure(&mut self) -> Result<(), DecodeError> {
        self.open_map_or("Unexpected field type: a structure is expected here")
    }

    fn next_member(&mut self, members: &[&str]) -> Result<Option<usize>, DecodeError> {
        while self.next()? {
            let key = self.key()?;
            match members.iter().position(|member| member.as_bytes() == &*key) {
                Some(index) if !self.null() => return Ok(Some(index)),
                Some(_) => {}
                None => {
                    utf8(&key)?;
                    self.skip()?;
                }
            }
        }
        Ok(None)
    }

    fn open_list(&mut self) -> Result<(), DecodeError> {
        match self.value()? {
            Item::List(length) => self.enter(length),
            Item::Map(_) => Err(DecodeError::new("Start of structure or map found where not expected")),
            Item::Break => Err(stray_break()),
            _ => Err(DecodeError::new("Unrecognized collection type: a list is expected here")),
        }
    }

    fn next_element(&mut self) -> Result<bool, DecodeError> {
        if !self.next()? {
            return Ok(false);
        }
        self.count()?;
        if self.null() {
            return Err(DecodeError::new("A list has a null element"));
        }
        Ok(true)
    }

    fn open_map(&mut self) -> Result<(), DecodeError> {
        self.open_map_or("Unrecognized collection type: a map is expected here")
    }

    fn next_entry(&mut self) -> Result<Option<String>, DecodeError> {
        while self.next()? {
            self.count()?;
            let key = self.key()?;
            let key = utf8(&key)?.to_owned();
            if !self.null() {
                return Ok(Some(key));
            }
        }
        Ok(None)
    }

    fn string(&mut self) -> Result<String, DecodeError> {
        match self.value()? {
            Item::Text(Some(length)) => Ok(utf8(self.take(length)?)?.to_owned()),
            Item::Text(None) => self.text_in_pieces(),
            other => Err(mismatch(other, "String")),
        }
    }

    fn blob(&mut self) -> Result<Bytes, DecodeError> {
        match self.value()? {
            Item::Bytes(Some(length)) => {
                let blob = self.take(length)?;
                Ok(self.source.slice_ref(blob))
            }
            Item::Bytes(None) => self.blob_in_pieces(),
            other => Err(mismatch(other, "Blob")),
        }
    }

    fn integer(&mut self) -> Result<i32, DecodeError> {
        i32::try_from(self.whole("Integer")?).map_err(|error| {
            DecodeError::new(format!("NUMBER_VALUE cannot be converted to Integer: {error}"))
        })
    }

    fn long(&mut self) -> Result<i64, DecodeError> {
        self.whole("Long")
    }

    fn double(&mut self) -> Result<f64, DecodeError> {
        match self.value()? {
            Item::Float(number) if number.is_finite() => Ok(number),
            Item::Float(_) => Err(DecodeError::new("NUMBER_VALUE cannot be converted to Double")),
            Item::Unsigned(number) => Ok(real(number)),
            Item::Negative(number) => Ok(-1.0 - real(number)),
            other => Err(mismatch(other, "Double")),
        }
    }

    fn boolean(&mut self) -> Result<bool, DecodeError> {
        match self.value()? {
            Item::Boolean(value) => Ok(value),
            other => Err(mismatch(other, "Boolean")),
        }
    }

    fn timestamp(&mut self) -> Result<Timestamp, DecodeError> {
        let refuse = || DecodeError::new("NUMBER_VALUE cannot be converted to Timestamp");
        match self.value()? {
            Item::Unsigned(millis) => Ok(Timestamp::from_millis(millis)),
            Item::Float(seconds) => {
                let millis =
                    truncated((seconds * 1_000.0).round()).and_then(|millis| u64::try_from(millis).ok());
                millis.map(Timestamp::from_millis).ok_or_else(refuse)
            }
            Item::Negative(_) => Err(refuse()),
            other => Err(mismatch(other, "Timestamp")),
        }
    }
}
