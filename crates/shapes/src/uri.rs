//! Paths and query strings of the REST protocols.

use crate::DecodeError;
use crate::caps::MAX_QUERY_PARAMETERS;

/// Where a REST operation lives.
#[derive(Debug)]
pub struct Route<Id> {
    method: &'static str,
    /// Such as `/2015-03-31/functions/{FunctionName}/code`.
    template: &'static str,
    /// A parameter that must be in the query string with this value.
    query: Option<(&'static str, &'static str)>,
    pub operation: Id,
}

impl<Id> Route<Id> {
    pub const fn new(
        method: &'static str,
        template: &'static str,
        query: Option<(&'static str, &'static str)>,
        operation: Id,
    ) -> Self {
        Self { method, template, query, operation }
    }

    pub const fn method(&self) -> &'static str {
        self.method
    }

    pub const fn template(&self) -> &'static str {
        self.template
    }

    pub const fn query(&self) -> Option<(&'static str, &'static str)> {
        self.query
    }
}

/// The values of a path's labels, percent-decoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels(pub Vec<(&'static str, String)>);

impl Labels {
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(label, _)| *label == name).map(|(_, value)| value.as_str())
    }
}

/// The first of `routes` that answers `method` on `path`. The path is as it came, percent-encoded: an encoded slash
/// does not separate. One trailing slash is ignored, as older SDKs send it.
pub fn match_route<Id: Copy>(
    routes: &[Route<Id>],
    method: &str,
    path: &str,
    query: &Query,
) -> Option<(Id, Labels)> {
    let path = path.strip_prefix('/')?;
    let path = path.strip_suffix('/').unwrap_or(path);
    routes.iter().filter(|route| route.method == method).find_map(|route| {
        let mut labels = Labels::default();
        let mut parts = path.split('/');
        for expected in route.template.strip_prefix('/')?.split('/') {
            let part = parts.next()?;
            match expected.strip_prefix('{').and_then(|label| label.strip_suffix('}')) {
                Some(label) if !part.is_empty() => labels.0.push((label, percent_decode(part)?)),
                None if expected == part => {}
                _ => return None,
            }
        }
        let queried = route.query.is_none_or(|(name, value)| query.get(name) == Some(value));
        (parts.next().is_none() && queried).then_some((route.operation, labels))
    })
}

/// The parameters of a query string, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Reads what follows the `?`. A parameter without `=` has an empty value; `+` is a space.
    pub fn parse(raw: &str) -> Result<Self, DecodeError> {
        let mut parameters = Vec::new();
        for pair in raw.split('&').filter(|pair| !pair.is_empty()) {
            if parameters.len() == MAX_QUERY_PARAMETERS {
                let text = format!("The query string has more than {MAX_QUERY_PARAMETERS} parameters");
                return Err(DecodeError::new(text));
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let decode = |part: &str| {
                percent_decode(&part.replace('+', " ")).ok_or_else(|| {
                    DecodeError::new(format!("The query string has a broken escape in '{pair}'"))
                })
            };
            parameters.push((decode(name)?, decode(value)?));
        }
        Ok(Self(parameters))
    }

    /// The first value of a parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(parameter, _)| parameter == name).map(|(_, value)| value.as_str())
    }

    /// Every value of a repeated parameter.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(parameter, _)| parameter == name).map(|(_, value)| value.as_str())
    }
}

/// Text with its `%XX` escapes replaced; nothing if an escape is broken or the result is not UTF-8.
pub fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let (high, low) = (hex(rest.next()?)?, hex(rest.next()?)?);
            bytes.push(high << 4 | low);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTES: &[Route<u8>] = &[
        Route::new("GET", "/layers", Some(("find", "LayerVersion")), 1),
        Route::new("GET", "/layers", None, 2),
        Route::new("GET", "/tags/{Resource}", None, 3),
    ];

    fn find(method: &str, path: &str, query: &str) -> Option<(u8, Labels)> {
        match_route(ROUTES, method, path, &Query::parse(query).unwrap())
    }

    #[test]
    fn a_query_can_choose_the_operation() {
        assert_eq!(find("GET", "/layers", "find=LayerVersion&Arn=x").unwrap().0, 1);
        assert_eq!(find("GET", "/layers/", "").unwrap().0, 2);
        assert_eq!(find("POST", "/layers", ""), None);
        assert_eq!(find("GET", "/layers//", ""), None);
    }

    #[test]
    fn labels_are_decoded_after_splitting() {
        let (operation, labels) = find("GET", "/tags/arn%3Aaws:lambda%2Fx", "").unwrap();
        assert_eq!((operation, labels.get("Resource")), (3, Some("arn:aws:lambda/x")));
        assert_eq!(find("GET", "/tags/a/b", ""), None);
        assert_eq!(find("GET", "/tags/", ""), None);
        assert_eq!(find("GET", "/tags/%F", ""), None);
    }

    #[test]
    fn queries() {
        let query = Query::parse("tagKeys=a%20b&tagKeys=c+d&flag&x=1=2").unwrap();
        assert_eq!(query.all("tagKeys").collect::<Vec<_>>(), ["a b", "c d"]);
        assert_eq!((query.get("flag"), query.get("x"), query.get("y")), (Some(""), Some("1=2"), None));
        assert!(Query::parse("a=%zz").is_err());
        assert!(Query::parse(&"a&".repeat(MAX_QUERY_PARAMETERS + 1)).is_err());
    }
}
