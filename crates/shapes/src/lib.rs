//! What generated API types are made of: decoding, encoding, validation, errors.
//!
//! The generator (`cargo xtask codegen`) writes one Rust type per shape of an AWS service model. Those types know no
//! protocol: they read themselves from any [`Decoder`] and write themselves to any [`Encoder`]. JSON is one such pair
//! (in `millstream-wire`); CBOR fits the same interface.
//!
//! Invariant: this crate knows nothing of HTTP connections, of JSON, or of any particular service.

mod absent;
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
