//! What decides who may do what: signatures, and policies that clients put.

use super::PLAIN;
use crate::{Target, Verdict};
use millstream_iam::{Caller, Facts, Kind, Policy, Principal};
use millstream_types::Timestamp;
use millstream_wire::sigv4::{Body, Claim, Request};
use std::collections::BTreeMap;
use std::sync::Arc;

const NOW: Timestamp = Timestamp::from_millis(1_795_405_546_000);

pub(super) const POLICIES: Target = Target {
    name: "policies",
    about: "IAM policies: parsed, and asked",
    seeds: || {
        [
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::000000000000:user/ada"},"Action":"kinesis:Put*","Resource":"arn:aws:kinesis:*:*:stream/${aws:username, 'x'}-*"}]}"#,
            r#"{"Statement":{"Effect":"Deny","NotPrincipal":"*","NotAction":["kinesis:?et*","*"],"NotResource":"*","Condition":{"ForAnyValue:StringNotLikeIfExists":{"aws:TagKeys":["a*b"]},"DateLessThan":{"aws:CurrentTime":"2026-11-23T03:45:46+01:00"}}}}"#,
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":["10.0.0.0/8","::1/64"]},"NumericLessThan":{"aws:EpochTime":17},"Bool":{"aws:SecureTransport":true},"Null":{"aws:username":"false"},"ArnLike":{"aws:PrincipalArn":"arn:*:iam::*:user/?da"}}}]}"#,
        ]
        .map(|text| text.as_bytes().to_vec())
        .into()
    },
    check: policies,
    longest: 4_096,
    memory: (256 << 10, 128),
    ..PLAIN
};

fn policies(bytes: &[u8]) -> Verdict {
    let Ok(text) = std::str::from_utf8(bytes) else { return Verdict::Refused };
    let mut caller = Caller {
        principal: Principal::User { account: "000000000000".into(), name: "ada".into(), id: "MIDA".into() },
        policies: Vec::new(),
        tags: BTreeMap::new(),
        region: "us-east-1".into(),
        source_ip: Some([10, 0, 0, 1].into()),
        secure: true,
        user_agent: None,
        source_function: None,
        now: NOW,
        roles: None,
    };
    let stream = "arn:aws:kinesis:us-east-1:000000000000:stream/ada-1";
    let resource = Policy::parse(text, Kind::Resource).ok();
    let identity = Policy::parse(text, Kind::Identity).ok();
    let known = resource.is_some() || identity.is_some();
    caller.policies.extend(identity.map(Arc::new));
    // Whatever it says, it says it twice, and nobody is let in by nothing.
    let ask = || caller.may("kinesis:PutRecord", stream, Facts::default(), resource.as_ref());
    assert_eq!(ask(), ask());
    assert!(known || ask().is_err());
    if known { Verdict::Read } else { Verdict::Refused }
}

pub(super) const SIGNATURES: Target = Target {
    name: "signatures",
    about: "the claims of signed requests: a line of method, path and query, then headers",
    seeds: || {
        let credential = "MKIAEXAMPLEEXAMPLE01/20261123/us-east-1/kinesis/aws4_request";
        [
            format!(
                "POST / x=1\nhost: localhost:4566\nx-amz-date: 20261123T034546Z\nx-amz-target: Kinesis_20131202.ListStreams\nauthorization: AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=:authority;host;x-amz-target, Signature=00"
            ),
            format!(
                "GET /2015-03-31/functions/a%3Ab X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={}&X-Amz-Date=20261123T034546Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=00\nhost: h",
                credential.replace('/', "%2F")
            ),
            "GET / \ndate: Mon, 23 Nov 2026 03:45:46 GMT\nauthorization: AWS4-HMAC-SHA256 Credential".to_owned(),
        ]
        .map(String::into_bytes)
        .into()
    },
    check: signatures,
    longest: 4_096,
    memory: (64 << 10, 64),
    ..PLAIN
};

fn signatures(bytes: &[u8]) -> Verdict {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.lines();
    let mut first = lines.next().unwrap_or_default().splitn(3, ' ');
    let mut next = || first.next().unwrap_or_default();
    let (method, path, query) = (next(), next(), next());
    let headers: Vec<(&str, &[u8])> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name, value.as_bytes()))
        .collect();
    let request = Request { method, path, query, authority: Some("localhost:4566"), headers: &headers };
    let Ok(claim) = Claim::read(&request) else { return Verdict::Refused };
    let in_time = claim.check(&request, "kinesis", NOW);
    // Nobody guesses a signature.
    assert!(claim.verify(&request, "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", &Body::hash(bytes)).is_err());
    if in_time.is_ok() { Verdict::Read } else { Verdict::Refused }
}
