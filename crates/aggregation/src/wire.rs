//! The part of protobuf's wire format that aggregated records need.

use crate::read::NotAggregated;

/// A member of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Number(u64),
    /// Where its bytes begin and end.
    Bytes(usize, usize),
    /// Of a kind that no member of these messages has.
    Other,
}

/// Reads the members of the message in `bytes[at..end]`.
#[derive(Clone, Debug)]
pub(crate) struct Members<'a> {
    bytes: &'a [u8],
    at: usize,
    end: usize,
}

const BROKEN: NotAggregated = NotAggregated::Malformed("the protobuf message is broken");

impl<'a> Members<'a> {
    pub(crate) fn new(bytes: &'a [u8], at: usize, end: usize) -> Self {
        Self { bytes, at, end: end.min(bytes.len()) }
    }

    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// The next member's number and value; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<(u64, Value)>, NotAggregated> {
        if self.at >= self.end {
            return Ok(None);
        }
        let tag = self.varint()?;
        let value = match tag & 7 {
            0 => Value::Number(self.varint()?),
            1 => self.skip(8)?,
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_too_long| BROKEN)?;
                let begin = self.at;
                self.skip(length)?;
                Value::Bytes(begin, self.at)
            }
            5 => self.skip(4)?,
            _ => return Err(BROKEN),
        };
        if tag >> 3 == 0 { Err(BROKEN) } else { Ok(Some((tag >> 3, value))) }
    }

    fn skip(&mut self, length: usize) -> Result<Value, NotAggregated> {
        self.at = self.at.checked_add(length).filter(|&at| at <= self.end).ok_or(BROKEN)?;
        Ok(Value::Other)
    }

    fn varint(&mut self) -> Result<u64, NotAggregated> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = *self.bytes.get(self.at).filter(|_| self.at < self.end).ok_or(BROKEN)?;
            self.at += 1;
            // Of the tenth byte only the lowest bit has room.
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return if shift == 63 && byte > 1 { Err(BROKEN) } else { Ok(value) };
            }
        }
        Err(BROKEN)
    }
}

pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(u8::try_from(value & 0x7f).unwrap_or_default() | 0x80);
        value >>= 7;
    }
    out.push(u8::try_from(value).unwrap_or_default());
}

pub(crate) fn put_number(out: &mut Vec<u8>, member: u64, value: u64) {
    put_varint(out, member << 3);
    put_varint(out, value);
}

pub(crate) fn put_bytes(out: &mut Vec<u8>, member: u64, bytes: &[u8]) {
    put_varint(out, member << 3 | 2);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

pub(crate) fn varint_len(value: u64) -> usize {
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}
