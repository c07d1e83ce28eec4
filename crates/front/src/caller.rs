//! Which account and region a request means.

use http::header::AUTHORIZATION;
use http::request::Parts;
use millstream_iam::Caller;
use millstream_types::Home;

/// The account and region that the credentials of a request name, if those are not the server's own.
///
/// The scope of a Signature Version 4 (`Credential=KEY/DATE/REGION/SERVICE/aws4_request`, in the `Authorization` header
/// or as `X-Amz-Credential` in the query) names the region. An access key of twelve digits is an account's id; any other
/// key, and a request without credentials, means the server's own account.
pub(crate) fn home(parts: &Parts, own: &Home) -> Option<Home> {
    let (key, region) = scope(parts)?;
    let account = if is_account(&key) { &key } else { &own.account };
    let region = if is_region(&region) { &region } else { &own.region };
    let elsewhere = *account != own.account || *region != own.region;
    elsewhere.then(|| own.beside(region, account))
}

/// The account of a caller that is known, and the region that it signed for.
pub(crate) fn known(caller: &Caller, own: &Home) -> Option<Home> {
    let account = caller.principal.account();
    let region = if is_region(&caller.region) { &caller.region } else { &own.region };
    let elsewhere = *account != own.account || *region != own.region;
    elsewhere.then(|| own.beside(region, account))
}

/// The access key and the region of a request's credential scope.
fn scope(parts: &Parts) -> Option<(String, String)> {
    let header = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let in_header = header.and_then(|text| text.split_once("Credential=")).map(|(_, rest)| rest);
    let in_query = || {
        let mut pairs = parts.uri.query()?.split('&');
        pairs.find_map(|pair| pair.strip_prefix("X-Amz-Credential="))
    };
    let credential = in_header.or_else(in_query)?.split([',', ' ']).next()?;
    let slashes = credential.replace("%2F", "/").replace("%2f", "/");
    let mut fields = slashes.split('/');
    let (key, _date, region) = (fields.next()?, fields.next()?, fields.next()?);
    Some((key.to_owned(), region.to_owned()))
}

fn is_account(key: &str) -> bool {
    key.len() == 12 && key.bytes().all(|byte| byte.is_ascii_digit())
}

/// What can stand in an ARN and in a key of the control state.
fn is_region(region: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=32).contains(&region.len()) && region.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn of(header: Option<&str>, uri: &str) -> Option<(String, String)> {
        let mut request = Request::builder().uri(uri);
        if let Some(header) = header {
            request = request.header(AUTHORIZATION, header);
        }
        let parts = request.body(()).unwrap().into_parts().0;
        home(&parts, &Home::default()).map(|home| (home.account, home.region))
    }

    fn signed(key: &str, region: &str) -> String {
        format!(
            "AWS4-HMAC-SHA256 Credential={key}/20261123/{region}/kinesis/aws4_request, SignedHeaders=host, Signature=0"
        )
    }

    #[test]
    fn the_scope_names_the_region_and_the_key_the_account() {
        let is = |account: &str, region: &str| Some((account.to_owned(), region.to_owned()));
        assert_eq!(of(Some(&signed("any", "eu-west-1")), "/"), is("000000000000", "eu-west-1"));
        assert_eq!(of(Some(&signed("111122223333", "us-east-1")), "/"), is("111122223333", "us-east-1"));
        let query = "/?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=111122223333%2F20261123%2Flocal%2Flambda%2Faws4_request";
        assert_eq!(of(None, query), is("111122223333", "local"));
    }

    #[test]
    fn whatever_else_means_the_servers_own() {
        for header in [
            signed("any", "us-east-1"),
            signed("000000000000", "us-east-1"),
            signed("any", "EU:west"),
            signed("any", ""),
            "Bearer x".into(),
            "Credential=".into(),
            "AWS4-HMAC-SHA256 Credential=111122223333".into(),
        ] {
            assert_eq!(of(Some(&header), "/"), None, "{header}");
        }
        assert_eq!(of(None, "/"), None);
    }
}
