//! The Lambda API: one file per operation in `ops`.
//!
//! A request is routed, decoded, checked against the service model's constraints, handed to its operation, and the
//! answer encoded. What AWS accepts and this version does not do is refused in words, never ignored.
//!
//! Invariant: an operation changes things only through a control command, and answers only after it is durable. Work
//! that follows (unpacking code) is derived from the control state by [`Lambda::run_lifecycle`].

mod authorise;
mod buckets;
mod configuration;
mod delivery;
mod error;
mod events;
mod layers;
mod lifecycle;
mod links;
mod mappings;
mod names;
mod openmetrics;
mod ops;
mod page;
mod policy;
mod provisioned;
mod service;
mod settings;
mod streaming;
mod tagged;
mod upload;
mod url_answer;
mod url_call;
mod url_cors;
mod url_meter;
mod url_stream;
mod urls;
mod versions;

pub mod caps;

pub use buckets::{Buckets, NoCode};
pub use error::Failure;
pub use service::{Answer, ByteStream, CODE_PATH, Lambda, Options};
pub use url_answer::UrlAnswer;
pub use url_call::{UrlRequest, UrlTarget};
pub use urls::{URL_ID_CHARS, URL_PATH};
