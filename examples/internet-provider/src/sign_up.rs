//! A sign-up: what the form sends, what goes into the stream, and the checks between the two.

use serde::{Deserialize, Serialize};

use crate::caps::MAX_TEXT;

/// Where a user lives: a city by name, or a point.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Place {
    Point {
        latitude: f64,
        longitude: f64,
    },
    City {
        city: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        country: Option<String>,
    },
}

/// Who made the sign-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Origin {
    Form,
    Generator,
}

/// A user as the form or the generator describes one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) place: Place,
}

/// The data of a record in the stream of sign-ups, as JSON.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct SignUp {
    /// See [`crate::id`]; also the partition key.
    pub(crate) id: String,
    #[serde(skip)]
    pub(crate) number: u64,
    #[serde(flatten)]
    pub(crate) user: User,
    pub(crate) origin: Origin,
    /// When the put began, in ms since 1970.
    pub(crate) put_at_ms: u64,
    /// Where the map shows it, if known before the offer.
    #[serde(skip)]
    pub(crate) shown_at: Option<(f64, f64)>,
}

/// A mistake in a form, by field, in words for the person who filled it in.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct FieldError {
    pub(crate) field: &'static str,
    pub(crate) message: String,
}

fn text(field: &'static str, label: &str, value: &str) -> Result<String, FieldError> {
    let value = value.trim();
    let problem = if value.is_empty() {
        format!("Please enter {label}.")
    } else if value.chars().count() > MAX_TEXT {
        format!("That is longer than {MAX_TEXT} characters.")
    } else if value.chars().any(char::is_control) {
        "Control characters are not allowed.".to_owned()
    } else {
        return Ok(value.to_owned());
    };
    Err(FieldError { field, message: problem })
}

fn is_email(value: &str) -> bool {
    let Some((local, domain)) = value.rsplit_once('@') else { return false };
    let labels_are_good = domain.split('.').all(|label| !label.is_empty() && !label.starts_with('-'));
    !local.is_empty() && domain.contains('.') && labels_are_good && !value.contains(char::is_whitespace)
}

impl User {
    /// Trims and checks what a person typed. Whether the place can be served is for the function to say.
    pub(crate) fn checked(self) -> Result<Self, FieldError> {
        let name = text("name", "a name", &self.name)?;
        let email = text("email", "an e-mail address", &self.email)?;
        if !is_email(&email) {
            let message = "That is not an e-mail address: it needs a name, an @ and a domain.".to_owned();
            return Err(FieldError { field: "email", message });
        }
        let place = match self.place {
            Place::City { city, country } => Place::City {
                city: text("place", "a city", &city)?,
                country: country.map(|country| text("place", "a country", &country)).transpose()?,
            },
            Place::Point { latitude, longitude } => {
                for (name, value, limit) in [("latitude", latitude, 90.0), ("longitude", longitude, 180.0)] {
                    if !(-limit..=limit).contains(&value) {
                        let message = format!("The {name} is a number from -{limit} to {limit}.");
                        return Err(FieldError { field: "place", message });
                    }
                }
                Place::Point { latitude, longitude }
            }
        };
        Ok(Self { name, email, place })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str, email: &str, place: Place) -> User {
        User { name: name.into(), email: email.into(), place }
    }

    fn lisbon() -> Place {
        Place::City { city: " Lisbon ".into(), country: Some("PT".into()) }
    }

    #[test]
    fn a_good_form_is_trimmed() {
        let user = user("  Ana Sousa ", "ana@example.org", lisbon()).checked().unwrap();
        assert_eq!(user.name, "Ana Sousa");
        assert_eq!(user.place, Place::City { city: "Lisbon".into(), country: Some("PT".into()) });
    }

    #[test]
    fn each_mistake_names_its_field() {
        let field = |user: User| user.checked().unwrap_err().field;
        assert_eq!(field(user(" ", "a@example.org", lisbon())), "name");
        assert_eq!(field(user(&"x".repeat(MAX_TEXT + 1), "a@example.org", lisbon())), "name");
        assert_eq!(field(user("a\u{7}b", "a@example.org", lisbon())), "name");
        for email in
            ["", "ana", "ana@", "@example.org", "ana@localhost", "a na@example.org", "a@b..c", "a@-b.c"]
        {
            assert_eq!(field(user("Ana", email, lisbon())), "email", "{email:?}");
        }
        let point = |latitude, longitude| Place::Point { latitude, longitude };
        for place in [point(90.1, 0.0), point(0.0, -180.5), point(f64::NAN, 0.0)] {
            assert_eq!(field(user("Ana", "a@example.org", place)), "place");
        }
        assert_eq!(
            field(user("Ana", "a@example.org", Place::City { city: " ".into(), country: None })),
            "place"
        );
    }

    #[test]
    fn the_record_has_the_fields_that_the_function_reads() {
        let sign_up = SignUp {
            id: "i".into(),
            number: 7,
            user: user("Ana", "a@example.org", Place::Point { latitude: 1.5, longitude: -2.0 }),
            origin: Origin::Form,
            put_at_ms: 12,
            shown_at: None,
        };
        let json: serde_json::Value = serde_json::to_value(&sign_up).unwrap();
        let expected = serde_json::json!({
            "id": "i", "name": "Ana", "email": "a@example.org", "origin": "form", "put_at_ms": 12,
            "place": {"latitude": 1.5, "longitude": -2.0},
        });
        assert_eq!(json, expected);
    }

    #[test]
    fn a_form_with_unknown_fields_is_refused() {
        let text = r#"{"name":"a","email":"b","place":{"city":"c"},"admin":true}"#;
        assert!(serde_json::from_str::<User>(text).is_err());
    }
}
