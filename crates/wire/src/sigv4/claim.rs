//! What a request says of its signer, and whether that is so.

use super::canonical::{Body, Request};
use super::error::SignatureError;
use super::time::{basic, parse_date};
use super::{ALGORITHM, TERMINATOR, hex, hmac, is_mac_of, unhex};
use crate::caps;
use millstream_types::Timestamp;
use sha2::{Digest, Sha256};

/// Where the signature stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Header,
    /// A presigned request, good for a time of its own.
    Query,
}

/// A signature as a request claims it. Nothing of it is true before [`Claim::verify`] says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    pub access_key_id: String,
    pub region: String,
    pub service: String,
    /// The session token, for temporary credentials.
    pub token: Option<String>,
    /// When it was signed.
    pub signed_at: Timestamp,
    pub form: Form,
    date: String,
    terminator: String,
    signed_headers: String,
    signature: String,
    /// How long a presigned request is good for, in seconds.
    expires: u64,
}

/// A signature's parts as they are written, before any is looked at.
struct Parts {
    algorithm: String,
    credential: String,
    signed_headers: String,
    signature: String,
    time: String,
    token: Option<String>,
    expires: Option<String>,
    form: Form,
}

impl Claim {
    /// Read what a request claims, in AWS's order of complaints.
    ///
    /// # Errors
    /// `Missing` without a signature, `Incomplete` for one without all its parts.
    pub fn read(request: &Request<'_>) -> Result<Self, SignatureError> {
        let header = request.header("authorization");
        let query = request.query_parameter("X-Amz-Algorithm");
        let parts = match (header, query) {
            (Some(_), Some(_)) => {
                return Err(SignatureError::invalid(
                    "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header.",
                ));
            }
            (Some(header), None) if header.trim_start().starts_with("AWS4-") => {
                in_header(request, header.trim())?
            }
            (Some(_) | None, None) => return Err(SignatureError::missing()),
            (None, Some(algorithm)) => in_query(request, algorithm)?,
        };
        Self::of(parts)
    }

    fn of(parts: Parts) -> Result<Self, SignatureError> {
        let signed_at = parse_date(&parts.time).ok_or_else(|| {
            SignatureError::incomplete(format!(
                "Date must be in ISO-8601 'basic format'. Got '{}'. See http://en.wikipedia.org/wiki/ISO_8601",
                shown(&parts.time)
            ))
        })?;
        if !parts.signed_headers.split(';').any(|name| matches!(name, "host" | ":authority")) {
            return Err(unsigned("'Host' or ':authority'"));
        }
        if parts.algorithm != ALGORITHM {
            return Err(SignatureError::incomplete(format!(
                "Unsupported AWS 'algorithm': '{}' (only AWS4-HMAC-SHA256 for now). ",
                shown(&parts.algorithm)
            )));
        }
        let fields: Vec<&str> = parts.credential.split('/').collect();
        let [access_key_id, date, region, service, terminator] = fields.as_slice() else {
            return Err(SignatureError::incomplete(format!(
                "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '{}'",
                shown(&parts.credential)
            )));
        };
        let expires = match parts.expires.as_deref().map(str::parse::<u64>) {
            None => caps::SIGNATURE_SKEW_SECS,
            Some(Ok(seconds @ 1..=caps::PRESIGNED_SECS)) => seconds,
            Some(Ok(_) | Err(_)) => {
                return Err(SignatureError::incomplete(format!(
                    "X-Amz-Expires must be a number of seconds from 1 to {}",
                    caps::PRESIGNED_SECS
                )));
            }
        };
        Ok(Self {
            access_key_id: (*access_key_id).to_owned(),
            region: (*region).to_owned(),
            service: (*service).to_owned(),
            token: parts.token,
            signed_at,
            form: parts.form,
            date: (*date).to_owned(),
            terminator: (*terminator).to_owned(),
            signed_headers: parts.signed_headers,
            signature: parts.signature,
            expires,
        })
    }

    /// Whether it may be of now, and is for `service`.
    ///
    /// # Errors
    /// `Invalid`, if the time is too far from `now` or the scope is another one.
    pub fn check(&self, request: &Request<'_>, service: &str, now: Timestamp) -> Result<(), SignatureError> {
        self.check_time(now)?;
        // Whoever could change the operation without the signature could change what the signer asked for.
        let signs = |name: &str| self.signed_headers.split(';').any(|signed| signed == name);
        if request.header("x-amz-target").is_some() && !signs("x-amz-target") {
            return Err(unsigned("'X-Amz-Target'"));
        }
        let mut wrong = Vec::new();
        if self.region.is_empty() {
            wrong.push("Credential should be scoped to a valid region, not ''. ".to_owned());
        }
        if self.service != service {
            wrong.push(format!("Credential should be scoped to correct service: '{service}'. "));
        }
        if self.terminator != TERMINATOR {
            wrong.push(format!(
                "Credential should be scoped with a valid terminator: '{TERMINATOR}', not '{}'. ",
                shown(&self.terminator)
            ));
        }
        let time = basic(self.signed_at);
        let today = time.split('T').next().unwrap_or_default();
        if self.date != today {
            wrong.push(format!(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{}' != \
                 '{today}', from '{time}'.",
                shown(&self.date)
            ));
        }
        if wrong.is_empty() { Ok(()) } else { Err(SignatureError::invalid(wrong.concat())) }
    }

    fn check_time(&self, now: Timestamp) -> Result<(), SignatureError> {
        let skew = caps::SIGNATURE_SKEW_SECS;
        let good_for = if self.form == Form::Query { self.expires } else { skew };
        let millis = |seconds: u64| seconds.saturating_mul(1_000);
        let earliest = now.minus_millis(millis(good_for));
        let latest = now.plus_millis(millis(skew));
        // The signature says whole seconds.
        if self.signed_at.secs() < earliest.secs() {
            return Err(SignatureError::invalid(format!(
                "Signature expired: {} is now earlier than {} ({} - {} min.)",
                basic(self.signed_at),
                basic(earliest),
                basic(now),
                good_for / 60
            )));
        }
        if self.signed_at.secs() > latest.secs() {
            return Err(SignatureError::invalid(format!(
                "Signature not yet current: {} is still later than {} ({} + {} min.)",
                basic(self.signed_at),
                basic(latest),
                basic(now),
                skew / 60
            )));
        }
        Ok(())
    }

    /// Whether the signature is that of `secret` over this request and body. The comparison takes the same time wherever
    /// they differ.
    ///
    /// # Errors
    /// `Invalid`, in the words for a signature that does not match.
    pub fn verify(&self, request: &Request<'_>, secret: &str, body: &Body) -> Result<(), SignatureError> {
        let key = signing_key(secret, &self.date, &self.region, &self.service);
        let text = self.string_to_sign(request, body);
        let given = unhex(&self.signature).unwrap_or_default();
        if is_mac_of(&key, text.as_bytes(), &given) { Ok(()) } else { Err(SignatureError::mismatch()) }
    }

    fn string_to_sign(&self, request: &Request<'_>, body: &Body) -> String {
        let names: Vec<&str> = self.signed_headers.split(';').collect();
        let canonical = request.canonical(&names, body, self.form == Form::Query);
        string_to_sign(&basic(self.signed_at), &self.date, &self.region, &self.service, &canonical)
    }
}

/// The signature of a request in the header form: the value of `Authorization`. For clients of our own, and for tests.
pub fn sign(
    request: &Request<'_>,
    (access_key_id, secret): (&str, &str),
    (region, service): (&str, &str),
    at: Timestamp,
    body: &Body,
) -> String {
    let time = basic(at);
    let date = time.split('T').next().unwrap_or_default();
    let mut names: Vec<&str> = request.headers.iter().map(|(name, _)| *name).collect();
    if request.authority.is_some() && !names.contains(&"host") {
        names.push("host");
    }
    names.sort_unstable();
    names.dedup();
    let canonical = request.canonical(&names, body, false);
    let text = string_to_sign(&time, date, region, service, &canonical);
    let signature = hex(&hmac(&signing_key(secret, date, region, service), text.as_bytes()));
    let names = names.join(";");
    format!(
        "{ALGORITHM} Credential={access_key_id}/{date}/{region}/{service}/{TERMINATOR}, SignedHeaders={names}, \
         Signature={signature}"
    )
}

fn signing_key(secret: &str, date: &str, region: &str, service: &str) -> [u8; 32] {
    let first = hmac(format!("AWS4{secret}").as_bytes(), date.as_bytes());
    let scope = [region, service, TERMINATOR];
    scope.iter().fold(first, |key, part| hmac(&key, part.as_bytes()))
}

fn string_to_sign(time: &str, date: &str, region: &str, service: &str, canonical: &str) -> String {
    let hash = hex(&Sha256::digest(canonical.as_bytes()));
    format!("{ALGORITHM}\n{time}\n{date}/{region}/{service}/{TERMINATOR}\n{hash}")
}

fn in_header(request: &Request<'_>, header: &str) -> Result<Parts, SignatureError> {
    let (algorithm, rest) = header.split_once(' ').unwrap_or((header, ""));
    let mut found: [Option<&str>; 3] = [None; 3];
    let names = ["Credential", "Signature", "SignedHeaders"];
    for pair in rest.split([',', ' ']).filter(|pair| !pair.is_empty()) {
        let Some((name, value)) = pair.split_once('=') else {
            return Err(SignatureError::incomplete(format!(
                "'{}' not a valid key=value pair (missing equal-sign) in Authorization header: '{}'.",
                shown(pair),
                shown(header)
            )));
        };
        if let Some((_, place)) = names.iter().zip(&mut found).find(|(known, _)| **known == name) {
            *place = Some(value);
        }
    }
    let time = request.header("x-amz-date").or_else(|| request.header("date"));
    let missing = names.iter().zip(&found).filter(|(_, value)| value.is_none_or(str::is_empty));
    let missing = missing.map(|(name, _)| format!("Authorization header requires '{name}' parameter. "));
    let mut wrong = missing.collect::<Vec<_>>().concat();
    if time.is_none() {
        wrong.push_str(
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ",
        );
    }
    let ([Some(credential), Some(signature), Some(signed_headers)], Some(time), true) =
        (found, time, wrong.is_empty())
    else {
        wrong.push_str("Authorization=");
        wrong.push_str(algorithm);
        return Err(SignatureError::incomplete(wrong));
    };
    Ok(Parts {
        algorithm: algorithm.to_owned(),
        credential: credential.to_owned(),
        signed_headers: signed_headers.to_owned(),
        signature: signature.to_owned(),
        time: time.to_owned(),
        token: request.header("x-amz-security-token").map(str::to_owned),
        expires: None,
        form: Form::Header,
    })
}

fn in_query(request: &Request<'_>, algorithm: String) -> Result<Parts, SignatureError> {
    let names = ["X-Amz-Credential", "X-Amz-Signature", "X-Amz-SignedHeaders", "X-Amz-Date"];
    let found = names.map(|name| request.query_parameter(name).filter(|value| !value.is_empty()));
    let missing = names.iter().zip(&found).filter(|(_, value)| value.is_none());
    let missing = missing.map(|(name, _)| format!("AWS query-string parameters must include '{name}'. "));
    let wrong = missing.collect::<Vec<_>>().concat();
    let [Some(credential), Some(signature), Some(signed_headers), Some(time)] = found else {
        return Err(SignatureError::incomplete(format!("{wrong}Re-examine the query-string parameters.")));
    };
    let token = request.query_parameter("X-Amz-Security-Token");
    Ok(Parts {
        algorithm,
        credential,
        signed_headers,
        signature,
        time,
        token: token.or_else(|| request.header("x-amz-security-token").map(str::to_owned)),
        expires: request.query_parameter("X-Amz-Expires"),
        form: Form::Query,
    })
}

fn unsigned(what: &str) -> SignatureError {
    SignatureError::invalid(format!("{what} must be a 'SignedHeader' in the AWS Authorization."))
}

/// Of a client's own words, as much as an error shows.
fn shown(text: &str) -> &str {
    text.char_indices().nth(caps::MAX_SHOWN).and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}
