//! Where functions may run.

use http::Uri;
use http::uri::{PathAndQuery, Scheme};
use std::fmt;
use std::str::FromStr;

/// What AWS's Runtime Interface Emulator listens for.
const INVOCATIONS: &str = "/2015-03-31/functions/function/invocations";

/// A place where functions may run: an origin with a path in front, or functions at AWS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// All below it. `scheme://authority/path`, without a slash at its end.
    Http { origin: String, path: String },
    /// An ARN of a function, which may end in `*`.
    Aws(String),
}

/// Where a function runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Http(Uri),
    Aws { arn: String, region: String },
}

/// Neither the URL of an endpoint nor the ARN of a function.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is neither the URL of an HTTP endpoint that speaks the protocol of Lambda's Runtime Interface Emulator, such as \
     http://host:8080, nor the ARN of a function at AWS, such as arn:aws:lambda:eu-west-1:123456789012:function:enrich"
)]
pub struct BadAllowed(pub String);

/// `scheme://authority` in lower case with the port, and the path.
fn http_parts(text: &str) -> Option<(Uri, String)> {
    let uri: Uri = text.parse().ok()?;
    let scheme = uri.scheme()?;
    let port = match (uri.port_u16(), scheme) {
        (Some(port), _) => port,
        (None, scheme) if *scheme == Scheme::HTTP => 80,
        (None, scheme) if *scheme == Scheme::HTTPS => 443,
        (None, _) => return None,
    };
    let known = *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS;
    let authority = uri.authority()?;
    // A name and a password would be seen by whoever may read the function.
    if !known || authority.as_str().contains('@') || authority.host().is_empty() {
        return None;
    }
    let origin = format!("{scheme}://{}:{port}", authority.host().to_ascii_lowercase());
    Some((uri, origin))
}

/// The region of a function's ARN.
fn region_of(arn: &str) -> Option<&str> {
    let parts: Vec<&str> = arn.split(':').collect();
    match parts.as_slice() {
        ["arn", partition, "lambda", region, account, "function", name]
        | ["arn", partition, "lambda", region, account, "function", name, _]
            if partition.starts_with("aws")
                && !region.is_empty()
                && account.len() == 12
                && account.bytes().all(|byte| byte.is_ascii_digit())
                && !name.is_empty() =>
        {
            Some(region)
        }
        _ => None,
    }
}

impl FromStr for Allowed {
    type Err = BadAllowed;

    fn from_str(text: &str) -> Result<Self, BadAllowed> {
        let bad = || BadAllowed(text.to_owned());
        if text.starts_with("arn:") {
            let has_form = text.starts_with("arn:aws") && text.split(':').nth(2) == Some("lambda");
            let star = text.find('*').is_none_or(|at| at + 1 == text.len());
            return if has_form && star { Ok(Self::Aws(text.to_owned())) } else { Err(bad()) };
        }
        let (uri, origin) = http_parts(text).ok_or_else(bad)?;
        Ok(Self::Http { origin, path: uri.path().trim_end_matches('/').to_owned() })
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http { origin, path } => write!(f, "{origin}{path}"),
            Self::Aws(arn) => f.write_str(arn),
        }
    }
}

impl Allowed {
    pub(crate) fn covers(&self, place: &Place) -> bool {
        match (self, place) {
            (Self::Http { origin, path }, Place::Http(uri)) => {
                let is_there = http_parts(&uri.to_string()).is_some_and(|(_, its)| its == *origin);
                let rest = uri.path().strip_prefix(path.as_str());
                // Servers resolve `..` as they like.
                let climbs = uri.path().split('/').any(|part| matches!(part, "." | ".."));
                is_there && !climbs && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }
            (Self::Aws(pattern), Place::Aws { arn, .. }) => match pattern.strip_suffix('*') {
                Some(start) => arn.starts_with(start),
                None => arn == pattern,
            },
            _ => false,
        }
    }
}

impl FromStr for Place {
    type Err = BadAllowed;

    fn from_str(text: &str) -> Result<Self, BadAllowed> {
        let bad = || BadAllowed(text.to_owned());
        if let Some(region) = region_of(text) {
            return Ok(Self::Aws { arn: text.to_owned(), region: region.to_owned() });
        }
        let (uri, _) = http_parts(text).ok_or_else(bad)?;
        if uri.path().ends_with("/invocations") {
            return Ok(Self::Http(uri));
        }
        let mut parts = uri.into_parts();
        let path = parts.path_and_query.as_ref().map_or("", PathAndQuery::path).trim_end_matches('/');
        parts.path_and_query = Some(format!("{path}{INVOCATIONS}").parse().map_err(|_invalid| bad())?);
        Uri::from_parts(parts).map(Self::Http).map_err(|_invalid| bad())
    }
}

impl Place {
    /// What an operator would allow.
    pub(crate) fn to_allow(&self) -> String {
        match self {
            Self::Http(uri) => {
                http_parts(&uri.to_string()).map_or_else(|| uri.to_string(), |(_, origin)| origin)
            }
            Self::Aws { arn, .. } => arn.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Allowed, Place};

    fn covers(allowed: &str, place: &str) -> bool {
        allowed.parse::<Allowed>().unwrap().covers(&place.parse().unwrap())
    }

    #[test]
    fn an_origin_allows_all_of_its_paths_and_no_other_origin() {
        for there in ["http://f:8080", "http://F:8080/", "http://f:8080/enrich"] {
            assert!(covers("http://f:8080", there), "{there}");
        }
        for other in ["http://f", "https://f:8080", "http://f:80801", "http://f.evil:8080", "http://g:8080"] {
            assert!(!covers("http://f:8080", other), "{other}");
        }
        assert!(covers("https://f", "https://f:443/x") && covers("http://f:80", "http://f/"));
    }

    #[test]
    fn a_path_allows_what_is_below_it() {
        assert!(covers("http://f/a", "http://f/a") && covers("http://f/a/", "http://f/a/b"));
        for other in ["http://f/ab", "http://f/", "http://f/b", "http://f/a/../b"] {
            assert!(!covers("http://f/a", other), "{other}");
        }
    }

    #[test]
    fn functions_at_aws_are_allowed_by_their_arns() {
        let enrich = "arn:aws:lambda:eu-west-1:123456789012:function:enrich";
        assert!(covers(enrich, enrich));
        assert!(covers("arn:aws:lambda:eu-west-1:123456789012:function:*", enrich));
        assert!(covers("arn:aws:lambda:*", &format!("{enrich}:live")));
        assert!(!covers(enrich, &format!("{enrich}2")) && !covers("http://f", enrich));
    }

    #[test]
    fn an_endpoint_gets_the_emulators_path_unless_it_has_one() {
        let uri = |text: &str| match text.parse().unwrap() {
            Place::Http(uri) => uri.to_string(),
            Place::Aws { .. } => panic!("{text}"),
        };
        assert_eq!(uri("http://f:8080"), "http://f:8080/2015-03-31/functions/function/invocations");
        assert_eq!(uri("http://f/a/"), "http://f/a/2015-03-31/functions/function/invocations");
        let whole = "https://f/2015-03-31/functions/other/invocations";
        assert_eq!(uri(whole), whole);
    }

    #[test]
    fn what_is_neither_is_refused() {
        for text in [
            "",
            "f:8080",
            "ftp://f/",
            "http://",
            "http://user:secret@f/",
            "123456789012.dkr.ecr.eu-west-1.amazonaws.com/enrich:latest",
            "arn:aws:sqs:eu-west-1:123456789012:q",
            "arn:aws:lambda:eu-west-1:1:function:enrich",
        ] {
            assert!(text.parse::<Place>().is_err(), "{text}");
        }
        for text in ["", "arn:aws:sqs:*", "arn:aws:lambda:*:x", "*"] {
            assert!(text.parse::<Allowed>().is_err(), "{text}");
        }
    }
}
