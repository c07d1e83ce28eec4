//! Codecs of the AWS protocols: JSON and CBOR bodies, error bodies, event stream frames, signatures.
//!
//! Invariant: bytes from a client never make anything here panic, recurse without bound, or allocate more than a
//! constant factor of what was sent (`caps.rs`). Nothing here knows a particular service.

#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::arithmetic_side_effects))]

pub mod caps;
pub mod cbor;
pub mod error_body;
pub mod event_stream;
pub mod json;
pub mod sigv4;
