use super::*;
use millstream_types::Timestamp;
use proptest::prelude::*;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// A request that owns its parts. The recorded ones are what boto3 and the SDK for JavaScript v3 sent to a server that wrote
/// them down.
#[derive(Clone, Debug)]
struct Sent {
    name: String,
    method: String,
    path: String,
    query: String,
    authority: Option<String>,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Sent {
    fn get(path: &str, query: &str, headers: &[(&str, &str)]) -> Self {
        Self {
            name: path.into(),
            method: "GET".into(),
            path: path.into(),
            query: query.into(),
            authority: None,
            headers: headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
            body: Vec::new(),
        }
    }

    fn recorded() -> Vec<Self> {
        let file: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/golden/sigv4.json")).unwrap();
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let sent = |request: &serde_json::Value| Self {
            name: text(&request["name"]),
            method: text(&request["method"]),
            path: text(&request["path"]),
            query: text(&request["query"]),
            authority: request["authority"].as_str().map(str::to_owned),
            headers: request["headers"]
                .as_array()
                .unwrap()
                .iter()
                .map(|header| (text(&header[0]), text(&header[1])))
                .collect(),
            body: base64_simd::STANDARD.decode_to_vec(text(&request["body"])).unwrap(),
        };
        file.as_array().unwrap().iter().map(sent).collect()
    }

    fn with<T>(&self, look: impl FnOnce(&Request<'_>) -> T) -> T {
        let headers: Vec<(&str, &[u8])> =
            self.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        look(&Request {
            method: &self.method,
            path: &self.path,
            query: &self.query,
            authority: self.authority.as_deref(),
            headers: &headers,
        })
    }

    fn claim(&self) -> Result<Claim, SignatureError> {
        self.with(Claim::read)
    }

    /// All that a server does.
    fn verify_with(&self, secret: &str) -> Result<(), SignatureError> {
        self.with(|request| {
            let claim = Claim::read(request)?;
            claim.check(request, &claim.service, claim.signed_at)?;
            claim.verify(request, secret, &Body::hash(&self.body))
        })
    }

    fn verify(&self) -> Result<(), SignatureError> {
        self.verify_with(SECRET)
    }

    fn header(&mut self, name: &str) -> &mut String {
        &mut self.headers.iter_mut().find(|(header, _)| header == name).unwrap().1
    }
}

/// Vectors that AWS published: its test suite for Signature Version 4, and the example of the IAM API.
#[test]
fn published_vectors() {
    let suite =
        |path: &str, query: &str, method: &str, extra: &[(&str, &str)], signed: &str, signature: &str| {
            let authorization = format!(
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders={signed}, Signature={signature}"
            );
            let mut sent = Sent::get(
                path,
                query,
                &[
                    ("host", "example.amazonaws.com"),
                    ("x-amz-date", "20150830T123600Z"),
                    ("authorization", &authorization),
                ],
            );
            sent.method = method.into();
            sent.headers.extend(extra.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
            sent
        };
    let vanilla = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
    for sent in [
        suite("/", "", "GET", &[], "host;x-amz-date", vanilla),
        suite("//", "", "GET", &[], "host;x-amz-date", vanilla),
        suite("/./", "", "GET", &[], "host;x-amz-date", vanilla),
        suite("/foo/..", "", "GET", &[], "host;x-amz-date", vanilla),
        suite(
            "/",
            "Param2=value2&Param1=value1",
            "GET",
            &[],
            "host;x-amz-date",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        suite(
            "/",
            "",
            "POST",
            &[],
            "host;x-amz-date",
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
        ),
    ] {
        assert_eq!(sent.verify_with("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"), Ok(()), "{sent:?}");
    }
    let users = Sent::get(
        "/",
        "Action=ListUsers&Version=2010-05-08",
        &[
            ("host", "iam.amazonaws.com"),
            ("content-type", "application/x-www-form-urlencoded; charset=utf-8"),
            ("x-amz-date", "20150830T123600Z"),
            (
                "authorization",
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, \
                 SignedHeaders=content-type;host;x-amz-date, \
                 Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
            ),
        ],
    );
    assert_eq!(users.verify(), Ok(()));
}

#[test]
fn what_the_sdks_sent_is_theirs() {
    let all = Sent::recorded();
    assert!(all.len() >= 12);
    for sent in all {
        assert_eq!(sent.verify(), Ok(()), "{}", sent.name);
        assert_eq!(sent.claim().unwrap().access_key_id, "MKIAEXAMPLEEXAMPLE01");
        assert_eq!(sent.verify_with("another"), Err(SignatureError::mismatch()), "{}", sent.name);
    }
}

/// Every part of every recorded request, one byte changed.
#[test]
fn a_changed_byte_is_another_request() {
    for sent in Sent::recorded() {
        let refused = |changed: Sent, what: &str| {
            let now = changed.verify();
            assert!(now.is_err(), "{}: another {what} passes", sent.name);
        };
        let change = |change: &dyn Fn(&mut Sent)| {
            let mut changed = sent.clone();
            change(&mut changed);
            changed
        };
        refused(change(&|sent| sent.method = "PUT".into()), "method");
        refused(change(&|sent| sent.path.push('x')), "path");
        refused(change(&|sent| sent.query.push_str("&x=1")), "query");
        refused(change(&|sent| sent.body.push(b' ')), "body");
        if !sent.body.is_empty() {
            refused(change(&|sent| sent.body[0] ^= 1), "body");
        }
        let claim = sent.claim().unwrap();
        let signed: Vec<String> = match sent.headers.iter().find(|(name, _)| name == "authorization") {
            None => vec!["host".into()],
            Some((_, value)) => {
                let list = value.split("SignedHeaders=").nth(1).unwrap().split(',').next().unwrap();
                list.split(';').map(str::to_owned).collect()
            }
        };
        for name in &signed {
            let changed = change(&|sent: &mut Sent| match name.as_str() {
                ":authority" => sent.authority = Some("evil.example:80".into()),
                name => sent.header(name).push('x'),
            });
            refused(changed, name);
        }
        if claim.form == Form::Header {
            for (from, to) in [
                ("MKIAEXAMPLE", "MKIAEXAMPL0"),
                ("/eu-west-1/", "/eu-west-2/"),
                ("/kinesis/", "/lambda/"),
                ("Signature=", "Signature=0"),
            ] {
                let changed = change(&|sent| {
                    let header = sent.header("authorization");
                    *header = header.replace(from, to);
                });
                // The key is in no signature: who is asked for its secret finds another one.
                if changed.claim() == sent.claim() || from.starts_with("MKIA") {
                    continue;
                }
                refused(changed, from);
            }
            let flipped = change(&|sent| {
                let header = sent.header("authorization");
                let last = if header.pop() == Some('0') { '1' } else { '0' };
                header.push(last);
            });
            assert_eq!(flipped.verify(), Err(SignatureError::mismatch()));
        }
    }
}

#[test]
fn host_and_authority_stand_for_each_other() {
    // Java v2 signs `host`, and Netty sends it as `:authority`.
    let at = Timestamp::from_millis(1_795_405_546_000);
    let mut sent = Sent::get("/", "", &[("x-amz-date", "20261123T034546Z"), ("x-amz-target", "T.Op")]);
    sent.authority = Some("127.0.0.1:4566".into());
    let authorization =
        sent.with(|request| sign(request, ("K", SECRET), ("us-east-1", "kinesis"), at, &Body::hash(b"")));
    assert!(authorization.contains("SignedHeaders=host;x-amz-date;x-amz-target"), "{authorization}");
    sent.headers.push(("authorization".into(), authorization));
    assert_eq!(sent.verify(), Ok(()));
    // The port belongs to it.
    sent.authority = Some("127.0.0.1".into());
    assert_eq!(sent.verify(), Err(SignatureError::mismatch()));
}

#[test]
fn values_are_trimmed_and_joined() {
    let at = Timestamp::from_millis(1_795_405_546_000);
    let head = [("host", "h"), ("x-amz-date", "20261123T034546Z")];
    let with = |values: &[&str]| {
        let mut sent = Sent::get("/", "", &head);
        sent.headers.extend(values.iter().map(|value| ("my-header".to_owned(), (*value).to_owned())));
        sent
    };
    let authorization = with(&["a b", "c"])
        .with(|request| sign(request, ("K", SECRET), ("us-east-1", "kinesis"), at, &Body::hash(b"")));
    for (values, same) in [
        (&["  a   b ", "c  "][..], true),
        (&["a\tb", "c"], true),
        (&["a b,c"], true),
        (&["c", "a b"], false),
        (&["ab", "c"], false),
    ] {
        let mut sent = with(values);
        sent.headers.push(("authorization".into(), authorization.clone()));
        assert_eq!(sent.verify().is_ok(), same, "{values:?}");
    }
}

fn authorized(authorization: &str) -> Sent {
    Sent::get("/", "", &[("host", "h"), ("x-amz-date", "20261123T034546Z"), ("authorization", authorization)])
}

const CREDENTIAL: &str = "Credential=K/20261123/us-east-1/kinesis/aws4_request";

#[test]
fn complaints_in_the_words_of_aws() {
    let says = |sent: &Sent| {
        let error = sent.claim().unwrap_err();
        (error.fault, error.message)
    };
    let (missing, incomplete) = (SignatureFault::Missing, SignatureFault::Incomplete);
    assert_eq!(says(&Sent::get("/", "", &[])), (missing, "Missing Authentication Token".into()));
    assert_eq!(says(&authorized("Basic QTpC")).0, missing);
    let (fault, message) = says(&Sent::get("/", "", &[("authorization", "AWS4-HMAC-SHA256 Foo=b")]));
    assert_eq!(fault, incomplete);
    assert_eq!(
        message,
        "Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter. \
         Authorization header requires 'SignedHeaders' parameter. Authorization header requires existence of either a \
         'X-Amz-Date' or a 'Date' header. Authorization=AWS4-HMAC-SHA256"
    );
    assert!(says(&authorized("AWS4-HMAC-SHA256 Credential, Signature=b")).1.starts_with(
        "'Credential' not a valid key=value pair (missing equal-sign) in Authorization header:"
    ));
    let of = |credential: &str, signed: &str| {
        authorized(&format!("AWS4-HMAC-SHA256 {credential}, SignedHeaders={signed}, Signature=00"))
    };
    assert_eq!(
        says(&of("Credential=a/b/c/d", "host")).1,
        "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got 'a/b/c/d'"
    );
    assert_eq!(
        says(&of(CREDENTIAL, "x-amz-date")).1,
        "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."
    );
    let other = authorized(&format!("AWS4-HMAC-SHA1 {CREDENTIAL}, SignedHeaders=host, Signature=00"));
    assert!(says(&other).1.starts_with("Unsupported AWS 'algorithm': 'AWS4-HMAC-SHA1'"));
    let mut undated = of(CREDENTIAL, "host");
    *undated.header("x-amz-date") = "201".into();
    assert_eq!(
        says(&undated).1,
        "Date must be in ISO-8601 'basic format'. Got '201'. See http://en.wikipedia.org/wiki/ISO_8601"
    );
    let mut both = of(CREDENTIAL, "host");
    both.query = "X-Amz-Algorithm=AWS4-HMAC-SHA256".into();
    assert!(says(&both).1.starts_with("Found both 'X-Amz-Algorithm' as a query-string param"));
    let presigned = Sent::get("/", "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=20261123T034546Z", &[]);
    assert_eq!(
        says(&presigned).1,
        "AWS query-string parameters must include 'X-Amz-Credential'. AWS query-string parameters must include \
         'X-Amz-Signature'. AWS query-string parameters must include 'X-Amz-SignedHeaders'. Re-examine the query-string \
         parameters."
    );
    // Of a client's own words only so much comes back.
    assert!(says(&of(&format!("Credential={}", "é".repeat(5_000)), "host")).1.len() < 400);
}

#[test]
fn the_scope_must_fit() {
    let check = |credential: &str, service: &str| {
        let sent = authorized(&format!("AWS4-HMAC-SHA256 {credential}, SignedHeaders=host, Signature=00"));
        sent.with(|request| {
            let claim = Claim::read(request).unwrap();
            claim.check(request, service, claim.signed_at).map_err(|error| error.message)
        })
    };
    assert_eq!(check(CREDENTIAL, "kinesis"), Ok(()));
    assert_eq!(
        check(CREDENTIAL, "lambda").unwrap_err(),
        "Credential should be scoped to correct service: 'lambda'. "
    );
    let all = check("Credential=K/20150830//kinesis/aws3", "lambda").unwrap_err();
    assert!(
        all.contains("valid region") && all.contains("valid terminator: 'aws4_request', not 'aws3'"),
        "{all}"
    );
    assert!(all.ends_with(
        "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '20150830' != \
         '20261123', from '20261123T034546Z'."
    ));
}

#[test]
fn the_operation_must_be_signed() {
    let mut sent = authorized(&format!("AWS4-HMAC-SHA256 {CREDENTIAL}, SignedHeaders=host, Signature=00"));
    sent.headers.push(("x-amz-target".into(), "Kinesis_20131202.DeleteStream".into()));
    assert_eq!(
        sent.verify().unwrap_err().message,
        "'X-Amz-Target' must be a 'SignedHeader' in the AWS Authorization."
    );
}

#[test]
fn five_minutes_either_way() {
    let signed = 1_795_405_546_000;
    let at = |now: u64| {
        let sent = authorized(&format!("AWS4-HMAC-SHA256 {CREDENTIAL}, SignedHeaders=host, Signature=00"));
        sent.with(|request| {
            let claim = Claim::read(request).unwrap();
            claim.check(request, "kinesis", Timestamp::from_millis(now)).map_err(|error| error.message)
        })
    };
    assert_eq!(at(signed + 300_999), Ok(()));
    assert_eq!(at(signed - 300_000), Ok(()));
    assert_eq!(
        at(signed + 301_000).unwrap_err(),
        "Signature expired: 20261123T034546Z is now earlier than 20261123T034547Z (20261123T035047Z - 5 min.)"
    );
    assert_eq!(
        at(signed - 301_000).unwrap_err(),
        "Signature not yet current: 20261123T034546Z is still later than 20261123T034545Z (20261123T034045Z + 5 min.)"
    );
}

#[test]
fn a_presigned_request_says_how_long_it_is_good_for() {
    let recorded = Sent::recorded();
    let sent = recorded.iter().find(|sent| sent.name.ends_with("GetFunction, presigned")).unwrap();
    let check = |sent: &Sent, after: u64| {
        sent.with(|request| {
            let claim = Claim::read(request)?;
            claim.check(request, "lambda", claim.signed_at.plus_millis(after))
        })
    };
    assert_eq!(check(sent, 600_000), Ok(()));
    let late = check(sent, 601_000).unwrap_err().message;
    assert!(late.starts_with("Signature expired: ") && late.ends_with(" - 10 min.)"), "{late}");
    let mut longer = sent.clone();
    longer.query = longer.query.replace("X-Amz-Expires=600", "X-Amz-Expires=604800");
    assert_eq!(check(&longer, 0), Ok(()));
    assert_eq!(longer.verify(), Err(SignatureError::mismatch()));
    for bad in ["604801", "0", "-1", "x"] {
        let mut bad_one = sent.clone();
        bad_one.query = bad_one.query.replace("X-Amz-Expires=600", &format!("X-Amz-Expires={bad}"));
        assert_eq!(check(&bad_one, 0).unwrap_err().fault, SignatureFault::Incomplete, "{bad}");
    }
}

proptest! {
    /// Bytes of a client never break anything, and what we sign ourselves is always taken.
    #[test]
    fn any_request_is_read(
        path in ".{0,40}", query in ".{0,60}", value in ".{0,30}", authorization in ".{0,80}", body in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let at = Timestamp::from_millis(1_795_405_546_000);
        let head = [("host", "h"), ("x-amz-date", "20261123T034546Z"), ("x-other", value.as_str())];
        let mut sent = Sent::get(&path, &query, &head);
        sent.body = body;
        let mut wild = sent.clone();
        wild.headers.push(("authorization".into(), format!("AWS4-HMAC-SHA256 {authorization}")));
        prop_assert!(wild.verify().is_err());
        let hash = Body::hash(&sent.body);
        let authorization = sent.with(|request| sign(request, ("K", SECRET), ("r", "kinesis"), at, &hash));
        sent.headers.push(("authorization".into(), authorization));
        if !query.contains("X-Amz-Algorithm") {
            prop_assert_eq!(sent.verify(), Ok(()));
        }
    }
}
