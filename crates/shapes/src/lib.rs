//! What generated API types are made of: decoding, encoding, validation, errors.
//!
//! The generator (`cargo xtask codegen`) writes one Rust type per shape of an AWS service model. Those types know no
//! protocol: they read themselves from any [`Decoder`] and write themselves to any [`Encoder`]. JSON and CBOR are such
//! pairs, in `millstream-wire`.
//!
//! Invariant: this crate knows nothing of HTTP connections, of JSON, or of any particular service.

mod absent;
mod borrow;
pub mod caps;
mod codec;
mod decode;
mod encode;
mod error;
mod operation;
mod path;
mod rest;
mod rules;
mod text;
mod uri;
mod validate;

pub use absent::Absent;
pub use borrow::{BorrowDecoder, DecodeBorrowed, RawBlob};
pub use codec::{Codec, Empty};
pub use decode::{Decode, DecodeError, Decoder};
pub use encode::{Encode, Encoder};
pub use error::{ApiError, ErrorName};
pub use operation::ApiOperation;
pub use path::Path;
pub use rest::{RestInput, RestOperation, RestOutput, RestRequest, RestResponse, respond};
pub use rules::{EnumRule, ItemRule, LengthRule, NumberRule, Pattern, RealRule, StringRule};
pub use text::{FromText, ToText};
pub use uri::{Labels, Query, Route, match_route, percent_decode};
pub use validate::{Validate, Violations, check};
