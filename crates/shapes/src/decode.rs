use bytes::Bytes;
use millstream_types::Timestamp;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// A body (or a header, label or query value) that does not have the type the model asks for. On the wire this is
/// `SerializationException`; the text is meant for the person who wrote the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeError {
    pub message: Cow<'static, str>,
}

impl DecodeError {
    pub fn new(message: impl Into<Cow<'static, str>>) -> Self {
        Self { message: message.into() }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for DecodeError {}

/// A value that can read itself from any protocol.
pub trait Decode: Sized {
    fn decode<D: Decoder>(d: &mut D) -> Result<Self, DecodeError>;
}

/// The pull side of a protocol. A caller opens a structure, list or map, then asks for the next member, element or
/// entry until there is none (which closes it), reading exactly one value each time.
///
/// A codec bounds nesting and the number of elements, so that a small body cannot become a large value.
pub trait Decoder {
    fn open_structure(&mut self) -> Result<(), DecodeError>;

    /// The index in `members` of the next member that is present. Members that are unknown or null are skipped.
    fn next_member(&mut self, members: &[&str]) -> Result<Option<usize>, DecodeError>;

    fn open_list(&mut self) -> Result<(), DecodeError>;

    /// Whether another element follows. A null element is an error: no list of these services is sparse.
    fn next_element(&mut self) -> Result<bool, DecodeError>;

    fn open_map(&mut self) -> Result<(), DecodeError>;

    /// The key of the next entry whose value is not null.
    fn next_entry(&mut self) -> Result<Option<String>, DecodeError>;

    fn string(&mut self) -> Result<String, DecodeError>;
    fn blob(&mut self) -> Result<Bytes, DecodeError>;
    fn integer(&mut self) -> Result<i32, DecodeError>;
    fn long(&mut self) -> Result<i64, DecodeError>;
    fn double(&mut self) -> Result<f64, DecodeError>;
    fn boolean(&mut self) -> Result<bool, DecodeError>;
    fn timestamp(&mut self) -> Result<Timestamp, DecodeError>;
}

macro_rules! decode_leaf {
    ($($type:ty => $method:ident),*) => {$(
        impl Decode for $type {
            fn decode<D: Decoder>(d: &mut D) -> Result<Self, DecodeError> {
                d.$method()
            }
        }
    )*};
}

decode_leaf!(String => string, Bytes => blob, i32 => integer, i64 => long, f64 => double, bool => boolean,
    Timestamp => timestamp);

impl<T: Decode> Decode for Vec<T> {
    fn decode<D: Decoder>(d: &mut D) -> Result<Self, DecodeError> {
        d.open_list()?;
        let mut items = Self::new();
        while d.next_element()? {
            items.push(T::decode(d)?);
        }
        Ok(items)
    }
}

impl<T: Decode> Decode for BTreeMap<String, T> {
    fn decode<D: Decoder>(d: &mut D) -> Result<Self, DecodeError> {
        d.open_map()?;
        let mut entries = Self::new();
        while let Some(key) = d.next_entry()? {
            entries.insert(key, T::decode(d)?);
        }
        Ok(entries)
    }
}

impl<T: Decode> Decode for Option<T> {
    /// A value that is there: absence is the enclosing structure's to notice.
    fn decode<D: Decoder>(d: &mut D) -> Result<Self, DecodeError> {
        T::decode(d).map(Some)
    }
}

impl<T: Decode> Decode for Box<T> {
    fn decode<D: Decoder>(d: &mut D) -> Result<Self, DecodeError> {
        T::decode(d).map(Self::new)
    }
}
