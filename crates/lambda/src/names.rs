//! The forms in which a client may name a function.

use crate::error::{Failure, not_found};
use millstream_api_lambda::ErrorCode;
use millstream_control::{Function, State};
use millstream_types::Home;
use std::sync::Arc;

/// The version that can be changed.
pub(crate) const LATEST: &str = "$LATEST";

/// A function as a request names it: `NAME`, `ACCOUNT:function:NAME`, `arn:…:function:NAME`, each with `:QUALIFIER` or
/// without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) qualifier: Option<String>,
    pub(crate) form: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// The name and nothing else.
    Name,
    Partial,
    /// From `arn:` on.
    Full,
}

impl Target {
    /// Take a name apart that has passed the model's pattern. One of another region or account is not here.
    pub(crate) fn parse(home: &Home, text: &str) -> Result<Self, Failure> {
        let mut parts: &[&str] = &text.split(':').collect::<Vec<_>>();
        if let ["arn", _partition, "lambda", rest @ ..] = parts {
            parts = rest;
        }
        if let [region, rest @ ..] = parts
            && !rest.is_empty()
            && is_region(region)
        {
            if *region != home.region {
                return Err(not_found(format!(
                    "Functions from '{region}' are not reachable in this region ('{}')",
                    home.region
                )));
            }
            parts = rest;
        }
        if let [account, rest @ ..] = parts
            && !rest.is_empty()
            && is_account(account)
        {
            if *account != home.account {
                return Err(not_found(format!(
                    "Function not found: {text}. This server's account is {}.",
                    home.account
                )));
            }
            parts = rest;
        }
        if let ["function", rest @ ..] = parts
            && !rest.is_empty()
        {
            parts = rest;
        }
        let (name, qualifier) = match parts {
            [name] => (*name, None),
            [name, qualifier] => (*name, Some((*qualifier).to_owned())),
            _ => return Err(not_found(format!("Function not found: {text}"))),
        };
        let form = match text {
            text if text == name => Form::Name,
            text if text.starts_with("arn:") => Form::Full,
            _ => Form::Partial,
        };
        Ok(Self { name: name.to_owned(), qualifier, form })
    }

    /// With the `Qualifier` parameter, which must not contradict the name's own.
    pub(crate) fn with_qualifier(mut self, qualifier: Option<&str>) -> Result<Self, Failure> {
        if let Some(asked) = qualifier {
            if self.qualifier.as_deref().is_some_and(|own| own != asked) {
                return Err(Failure::new(
                    ErrorCode::InvalidParameterValueException,
                    "The derived qualifier from the function name does not match the specified qualifier.",
                ));
            }
            self.qualifier = Some(asked.to_owned());
        }
        Ok(self)
    }

    /// The function itself, if it exists and no other version is named.
    pub(crate) fn find(&self, home: &Home, state: &State) -> Result<Arc<Function>, Failure> {
        let wanted = self.qualifier.as_deref();
        match state.functions.get(&home.key(&self.name)) {
            Some(function) if wanted.is_none_or(|qualifier| qualifier == LATEST) => Ok(function.clone()),
            Some(_) | None => Err(self.missing(home)),
        }
    }

    /// The answer for a function that is not there.
    pub(crate) fn missing(&self, home: &Home) -> Failure {
        let arn = home.function_arn(&self.name);
        not_found(match &self.qualifier {
            Some(qualifier) => format!("Function not found: {arn}:{qualifier}"),
            None => format!("Function not found: {arn}"),
        })
    }
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

/// `us-east-1`, `us-gov-west-1`, …: two letters first, one digit last.
fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.strip_prefix("eusc-").unwrap_or(text).split('-').collect();
    let letters = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase());
    match parts.as_slice() {
        [first, middle @ .., last] => {
            first.len() == 2
                && letters(first)
                && !middle.is_empty()
                && middle.iter().all(|part| letters(part))
                && last.len() == 1
                && last.bytes().all(|b| b.is_ascii_digit())
        }
        [] | [_] => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Target {
        Target::parse(&Home::default(), text).unwrap()
    }

    #[test]
    fn every_form_names_the_same_function() {
        let forms = [
            ("f", Form::Name),
            ("function:f", Form::Partial),
            ("000000000000:function:f", Form::Partial),
            ("us-east-1:000000000000:function:f", Form::Partial),
            ("arn:aws:lambda:us-east-1:000000000000:function:f", Form::Full),
        ];
        for (text, form) in forms {
            assert_eq!(parse(text), Target { name: "f".into(), qualifier: None, form }, "{text}");
            let qualified = parse(&format!("{text}:$LATEST"));
            assert_eq!(
                (qualified.name.as_str(), qualified.qualifier.as_deref()),
                ("f", Some(LATEST)),
                "{text}"
            );
        }
    }

    #[test]
    fn a_name_may_look_like_a_region_or_an_account() {
        assert_eq!(parse("us-east-1").name, "us-east-1");
        assert_eq!(parse("000000000000").name, "000000000000");
        assert_eq!(parse("function").name, "function");
    }

    #[test]
    fn what_is_elsewhere_is_not_found() {
        let home = Home::default();
        let far = Target::parse(&home, "arn:aws:lambda:eu-west-1:000000000000:function:f").unwrap_err();
        assert_eq!(
            far.error.message,
            "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')"
        );
        assert!(Target::parse(&home, "999999999999:function:f").is_err());
    }

    #[test]
    fn two_qualifiers_must_agree() {
        assert!(parse("f:$LATEST").with_qualifier(Some("1")).is_err());
        assert_eq!(parse("f").with_qualifier(Some("1")).unwrap().qualifier.as_deref(), Some("1"));
    }
}
