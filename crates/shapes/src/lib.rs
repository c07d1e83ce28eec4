//! What generated API types are made of: decoding, encoding, validation, errors.
