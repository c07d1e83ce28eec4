//! Errors as bodies and headers.

use crate::json::{Json11, JsonEncoder};
use bytes::Bytes;
use millstream_shapes::{ApiError, Codec, Encode, Encoder, ErrorName, RestResponse};

/// The header in which REST services name an error.
pub const ERROR_TYPE_HEADER: &str = "x-amzn-ErrorType";

/// The body of an error in the protocols that name it there, as JSON `{"__type":"ResourceNotFoundException","message":"…"}`.
/// The HTTP status is `error.code.status()`.
pub fn named<K: Codec, C: ErrorName>(codec: &K, error: &ApiError<C>) -> Bytes {
    codec.encode(&Body { error, named: true })
}

/// The payload of an exception inside an event stream, as JSON `{"message":"…"}`.
pub fn exception<K: Codec, C: ErrorName>(codec: &K, error: &ApiError<C>) -> Bytes {
    codec.encode(&Body { error, named: false })
}

struct Body<'a, C> {
    error: &'a ApiError<C>,
    named: bool,
}

impl<C: ErrorName> Encode for Body<'_, C> {
    fn encode<E: Encoder>(&self, e: &mut E) {
        e.open_structure();
        if self.named {
            string_member(e, "__type", self.error.code.name());
        }
        string_member(e, self.error.code.message_member(), &self.error.message);
        if self.named {
            for (name, text) in &self.error.extra {
                string_member(e, name, text);
            }
        }
        e.close_structure();
    }
}

/// An error of a REST service: its name in a header, `Type` and the text in the body. Errors of the framework have no
/// `Type`, and the text's member is spelled as the model spells it (reference/lambda.md §1).
pub fn rest<C: ErrorName>(error: &ApiError<C>) -> RestResponse {
    let mut e = JsonEncoder::default();
    e.open_structure();
    for (name, text) in &error.extra {
        string_member(&mut e, name, text);
    }
    if error.code.modelled() {
        string_member(&mut e, "Type", if error.code.fault() { "Service" } else { "User" });
    }
    string_member(&mut e, error.code.message_member(), &error.message);
    e.close_structure();
    RestResponse {
        status: error.code.status(),
        headers: vec![(ERROR_TYPE_HEADER, error.code.name().to_owned())],
        content_type: Some("application/json"),
        body: e.finish(),
    }
}

/// [`exception`] in JSON.
pub fn event_payload<C: ErrorName>(error: &ApiError<C>) -> Bytes {
    exception(&Json11, error)
}

fn string_member<E: Encoder>(e: &mut E, name: &'static str, text: &str) {
    e.member_name(name);
    e.string(text);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cbor::Cbor11;

    #[derive(Clone, Copy, Debug)]
    enum Code {
        NotFound,
        Invalid,
    }

    impl ErrorName for Code {
        const SERIALIZATION: Self = Self::Invalid;
        const VALIDATION: Self = Self::Invalid;
        const UNKNOWN_OPERATION: Self = Self::Invalid;
        const INTERNAL: Self = Self::Invalid;

        fn name(self) -> &'static str {
            match self {
                Self::NotFound => "ResourceNotFoundException",
                Self::Invalid => "ValidationException",
            }
        }

        fn status(self) -> u16 {
            match self {
                Self::NotFound => 404,
                Self::Invalid => 400,
            }
        }

        fn message_member(self) -> &'static str {
            match self {
                Self::NotFound => "Message",
                Self::Invalid => "message",
            }
        }

        fn fault(self) -> bool {
            false
        }

        fn modelled(self) -> bool {
            matches!(self, Self::NotFound)
        }
    }

    #[test]
    fn json_names_the_error_in_the_body() {
        let error = ApiError::new(Code::Invalid, "a \"b\"").with("Reason", "r");
        assert_eq!(
            named(&Json11, &error),
            r#"{"__type":"ValidationException","message":"a \"b\"","Reason":"r"}"#
        );
        assert_eq!(exception(&Json11, &error), r#"{"message":"a \"b\""}"#);
    }

    #[test]
    fn cbor_has_the_same_members() {
        let error = ApiError::new(Code::Invalid, "no").with("Reason", "r");
        assert_eq!(
            named(&Cbor11, &error),
            b"\xa3\x66__type\x73ValidationException\x67message\x62no\x66Reason\x61r".as_slice()
        );
        assert_eq!(exception(&Cbor11, &error), b"\xa1\x67message\x62no".as_slice());
    }

    #[test]
    fn rest_names_the_error_in_a_header() {
        let response = rest(&ApiError::new(Code::NotFound, "no"));
        assert_eq!(response.status, 404);
        assert_eq!(response.headers, [(ERROR_TYPE_HEADER, "ResourceNotFoundException".to_owned())]);
        assert_eq!(response.body, r#"{"Type":"User","Message":"no"}"#);
        assert_eq!(rest(&ApiError::new(Code::Invalid, "no")).body, r#"{"message":"no"}"#);
    }
}
