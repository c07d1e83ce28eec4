//! Requests and responses of the REST protocols, between HTTP and typed values.

use crate::{ApiOperation, Codec, DecodeError, FromText, Labels, Query, ToText};
use bytes::Bytes;

/// A request after routing. Header names are compared without regard to case.
#[derive(Clone, Debug, Default)]
pub struct RestRequest<'a> {
    pub labels: Labels,
    pub query: Query,
    pub headers: Vec<(&'a str, &'a str)>,
    pub body: Bytes,
}

impl RestRequest<'_> {
    pub fn label<T: FromText>(&self, name: &str) -> Result<Option<T>, DecodeError> {
        self.labels.get(name).map(T::from_text).transpose()
    }

    pub fn header<T: FromText>(&self, name: &str) -> Result<Option<T>, DecodeError> {
        let found = self.headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(name));
        found.map(|(_, value)| T::from_text(value)).transpose()
    }

    pub fn query<T: FromText>(&self, name: &str) -> Result<Option<T>, DecodeError> {
        self.query.get(name).map(T::from_text).transpose()
    }

    /// The values of a repeated parameter; nothing if it does not occur.
    pub fn query_list<T: FromText>(&self, name: &str) -> Result<Option<Vec<T>>, DecodeError> {
        let values = self.query.all(name).map(T::from_text).collect::<Result<Vec<_>, _>>()?;
        Ok((!values.is_empty()).then_some(values))
    }

    /// The whole body as a blob; nothing if it is empty.
    pub fn payload(&self) -> Option<Bytes> {
        (!self.body.is_empty()).then(|| self.body.clone())
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RestResponse {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    /// Nothing when there is no body.
    pub content_type: Option<&'static str>,
    pub body: Bytes,
}

impl RestResponse {
    /// A header that is left out when there is no value.
    pub fn header<T: ToText>(&mut self, name: &'static str, value: Option<&T>) {
        if let Some(value) = value {
            self.headers.push((name, value.to_text()));
        }
    }

    /// The status that an output carries itself, where it does.
    pub fn set_status(&mut self, status: Option<&i32>) {
        if let Some(status) = status.and_then(|status| u16::try_from(*status).ok()) {
            self.status = status;
        }
    }

    pub fn set_body(&mut self, content_type: &'static str, body: Bytes) {
        self.content_type = Some(content_type);
        self.body = body;
    }
}

/// An input that binds parts of a request.
pub trait RestInput: Sized {
    fn from_request<C: Codec>(codec: &C, request: &RestRequest<'_>) -> Result<Self, DecodeError>;
}

/// An output that binds parts of a response.
pub trait RestOutput {
    fn write_response<C: Codec>(&self, codec: &C, response: &mut RestResponse);
}

impl RestOutput for crate::Empty {
    fn write_response<C: Codec>(&self, _codec: &C, _response: &mut RestResponse) {}
}

/// An operation of a REST service.
pub trait RestOperation: ApiOperation<Input: RestInput, Output: RestOutput> {
    /// The HTTP status of success.
    const SUCCESS: u16;
}

/// The response of a successful operation. 204 has no body, whatever the output holds.
pub fn respond<O: RestOperation, C: Codec>(codec: &C, output: &O::Output) -> RestResponse {
    let mut response = RestResponse { status: O::SUCCESS, ..RestResponse::default() };
    output.write_response(codec, &mut response);
    if response.status == 204 {
        response.content_type = None;
        response.body = Bytes::new();
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_request() {
        let request = RestRequest {
            labels: Labels(vec![("Version", "7".to_owned())]),
            query: Query::parse("k=a&k=b").expect("a query"),
            headers: vec![("x-amz-log-type", "Tail")],
            body: Bytes::from_static(b"x"),
        };
        assert_eq!(request.label::<i64>("Version"), Ok(Some(7)));
        assert_eq!(request.header::<String>("X-Amz-Log-Type"), Ok(Some("Tail".to_owned())));
        assert_eq!(request.query_list::<String>("k").map(|list| list.map(|list| list.len())), Ok(Some(2)));
        assert_eq!(request.query_list::<String>("none"), Ok(None));
        assert_eq!(request.payload(), Some(Bytes::from_static(b"x")));
        assert!(request.query::<i32>("k").is_err());
        assert_eq!(RestRequest::default().payload(), None);
    }

    #[test]
    fn parts_of_a_response() {
        let mut response = RestResponse { status: 200, ..Default::default() };
        response.header("A", Some(&"b".to_owned()));
        response.header::<i32>("C", None);
        response.set_status(Some(&202));
        response.set_status(Some(&-1));
        response.set_status(None);
        assert_eq!((response.status, response.headers), (202, vec![("A", "b".to_owned())]));
    }
}
