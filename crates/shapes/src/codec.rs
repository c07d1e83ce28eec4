use crate::{Decode, DecodeBorrowed, DecodeError, Encode, Encoder};
use bytes::Bytes;

/// A body protocol: how a whole value becomes bytes and back.
pub trait Codec {
    /// The media type of bodies in this protocol.
    const CONTENT_TYPE: &'static str;

    /// An empty body reads as a structure without members.
    fn decode<T: Decode>(&self, body: &[u8]) -> Result<T, DecodeError>;

    /// The same, for a body whose memory may be shared: where the protocol carries blobs as they are, they become slices
    /// of it, so that a value may keep the whole body alive.
    fn decode_shared<T: Decode>(&self, body: &Bytes) -> Result<T, DecodeError> {
        self.decode(body)
    }

    /// The same, for a value that borrows from the body.
    fn decode_borrowed<'a, T: DecodeBorrowed<'a>>(&self, body: &'a Bytes) -> Result<T, DecodeError>;

    fn encode<T: Encode>(&self, value: &T) -> Bytes;
}

/// The output of an operation that answers with no members at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Empty;

impl Encode for Empty {
    fn encode<E: Encoder>(&self, e: &mut E) {
        e.open_structure();
        e.close_structure();
    }
}
