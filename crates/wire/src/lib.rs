//! Codecs of the AWS protocols: JSON, REST-JSON, event streams, error bodies.
