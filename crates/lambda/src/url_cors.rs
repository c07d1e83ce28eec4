//! What a function URL tells browsers about pages of other origins.

use millstream_control::UrlCors;

/// A URL's rules and the origin of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cors<'a> {
    rules: &'a UrlCors,
    origin: &'a str,
}

/// Where there are rules, they stand in the place of what the function itself says.
pub(crate) fn is_ours(header: &str) -> bool {
    header.starts_with("access-control-")
}

type Headers = Vec<(String, String)>;

impl<'a> Cors<'a> {
    pub(crate) fn new(rules: &'a UrlCors, origin: &'a str) -> Self {
        Self { rules, origin }
    }

    /// The headers of every answer; none for an origin that may not read it.
    pub(crate) fn simple(&self) -> Headers {
        let mut headers = self.common();
        if let Some(expose) = given(self.rules.expose.as_ref()).filter(|_| !headers.is_empty()) {
            headers.push(("access-control-expose-headers".to_owned(), expose));
        }
        headers
    }

    /// The answer to a browser that wants to make a request with `method`.
    pub(crate) fn preflight(&self, method: &str) -> Headers {
        let methods = self.rules.methods.as_deref().unwrap_or_default();
        if !methods.iter().any(|allowed| allowed == "*" || allowed == method) {
            return Headers::new();
        }
        let mut headers = self.common();
        if headers.is_empty() {
            return headers;
        }
        let more = [
            ("access-control-allow-methods", given(self.rules.methods.as_ref())),
            ("access-control-allow-headers", given(self.rules.headers.as_ref())),
            ("access-control-max-age", self.rules.max_age_secs.map(|secs| secs.to_string())),
        ];
        headers.extend(more.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
        headers
    }

    fn common(&self) -> Headers {
        let credentials = self.rules.credentials == Some(true);
        let origins = self.rules.origins.as_deref().unwrap_or_default();
        let any = origins.iter().any(|origin| origin == "*");
        if !any && !origins.iter().any(|origin| origin == self.origin) {
            return Headers::new();
        }
        let mut headers = Headers::new();
        // With credentials a browser does not take the wildcard.
        let allowed = if any && !credentials { "*" } else { self.origin };
        headers.push(("access-control-allow-origin".to_owned(), allowed.to_owned()));
        if allowed != "*" {
            headers.push(("vary".to_owned(), "Origin".to_owned()));
        }
        if credentials {
            headers.push(("access-control-allow-credentials".to_owned(), "true".to_owned()));
        }
        headers
    }
}

fn given(list: Option<&Vec<String>>) -> Option<String> {
    list.filter(|list| !list.is_empty()).map(|list| list.join(","))
}

#[cfg(test)]
mod tests {
    use super::Cors;
    use millstream_control::UrlCors;

    fn rules(origins: &[&str]) -> UrlCors {
        let list = |texts: &[&str]| Some(texts.iter().map(|text| (*text).to_owned()).collect());
        UrlCors {
            origins: list(origins),
            methods: list(&["GET", "PUT"]),
            headers: list(&["x-a", "x-b"]),
            expose: list(&["x-c"]),
            max_age_secs: Some(60),
            credentials: None,
        }
    }

    fn text(headers: &[(String, String)]) -> String {
        headers.iter().flat_map(|(name, value)| [name, ": ", value, "\n"]).collect()
    }

    #[test]
    fn a_page_learns_what_it_may() {
        let rules = rules(&["https://a.example"]);
        let cors = Cors::new(&rules, "https://a.example");
        assert_eq!(
            text(&cors.preflight("PUT")),
            "access-control-allow-origin: https://a.example\nvary: Origin\naccess-control-allow-methods: GET,PUT\n\
             access-control-allow-headers: x-a,x-b\naccess-control-max-age: 60\n"
        );
        assert_eq!(
            text(&cors.simple()),
            "access-control-allow-origin: https://a.example\nvary: Origin\naccess-control-expose-headers: x-c\n"
        );
        assert_eq!(cors.preflight("DELETE"), []);
        let other = Cors::new(&rules, "https://b.example");
        assert_eq!((other.simple(), other.preflight("GET")), (vec![], vec![]));
    }

    #[test]
    fn everybody_is_a_wildcard_unless_there_are_credentials() {
        let mut rules = rules(&["*"]);
        assert!(
            text(&Cors::new(&rules, "https://b.example").simple())
                .starts_with("access-control-allow-origin: *\n")
        );
        rules.credentials = Some(true);
        let told = text(&Cors::new(&rules, "https://b.example").simple());
        assert!(told.starts_with("access-control-allow-origin: https://b.example\nvary: Origin\naccess-control-allow-credentials: true\n"), "{told}");
    }
}
