//! The services: where they are, and what they are sent.

use bytes::Bytes;
use http::Uri;
use millstream_mapping::{Attribute, Letter};
use std::fmt::Write;

/// Where a service is: `http://…` or `https://…`, without a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    scheme: String,
    /// Host and port.
    authority: String,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an endpoint such as http://127.0.0.1:9324")]
pub struct EndpointError(String);

impl std::str::FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let wrong = || EndpointError(text.to_owned());
        let uri: Uri = text.parse().map_err(|_bad| wrong())?;
        let scheme =
            uri.scheme_str().filter(|scheme| matches!(*scheme, "http" | "https")).ok_or_else(wrong)?;
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'));
        let authority = authority.ok_or_else(wrong)?.as_str().to_owned();
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(wrong());
        }
        Ok(Self { scheme: scheme.to_owned(), authority })
    }
}

/// Of those services that are not at AWS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoints {
    pub sqs: Option<Endpoint>,
    pub sns: Option<Endpoint>,
    pub s3: Option<Endpoint>,
    /// EventBridge.
    pub events: Option<Endpoint>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Service {
    Sqs,
    Sns,
    S3,
    Events,
}

/// A queue, topic, bucket or event bus, and where it is.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    service: Service,
    arn: String,
    pub(crate) region: String,
    account: String,
    name: String,
    endpoint: Endpoint,
}

impl Target {
    pub(crate) fn of(arn: &str, endpoints: &Endpoints, region: &str) -> Result<Self, String> {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let ["arn", partition, service, own_region, account, name] = parts.as_slice() else {
            return Err("It is no ARN.".into());
        };
        // A bus of a partner has slashes in its name.
        let bus = name.strip_prefix("event-bus/").filter(|_| *service == "events");
        let name = bus.unwrap_or(name);
        if name.is_empty() || name.contains(':') || (name.contains('/') && bus.is_none()) {
            return Err("Its ARN names no queue, topic, bucket or event bus.".into());
        }
        let (kind, set) = match *service {
            "events" if bus.is_some() => (Service::Events, &endpoints.events),
            "sqs" => (Service::Sqs, &endpoints.sqs),
            "sns" => (Service::Sns, &endpoints.sns),
            "s3" => (Service::S3, &endpoints.s3),
            _ => return Err("Only SQS queues, SNS topics, S3 buckets and event buses can be used.".into()),
        };
        let region = if own_region.is_empty() { region } else { own_region };
        let suffix = if *partition == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" };
        let endpoint = set.clone().unwrap_or_else(|| Endpoint {
            scheme: "https".into(),
            authority: format!("{service}.{region}.{suffix}"),
        });
        Ok(Self {
            service: kind,
            arn: arn.to_owned(),
            region: region.to_owned(),
            account: (*account).to_owned(),
            name: name.to_owned(),
            endpoint,
        })
    }

    /// As the scope of a signature names it.
    pub(crate) fn service(&self) -> &'static str {
        match self.service {
            Service::Sqs => "sqs",
            Service::Sns => "sns",
            Service::S3 => "s3",
            Service::Events => "events",
        }
    }

    /// Whether an answer that says 200 may still say that nothing was taken.
    pub(crate) fn may_fail_softly(&self) -> bool {
        self.service == Service::Events
    }

    pub(crate) fn host(&self) -> &str {
        &self.endpoint.authority
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.endpoint.scheme, self.endpoint.authority)
    }
}

/// A request without its signature.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: &'static str,
    /// Of characters that need no encoding.
    pub(crate) path: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Bytes,
}

impl Request {
    pub(crate) fn new(target: &Target, letter: &Letter) -> Self {
        let text = || String::from_utf8_lossy(&letter.body);
        match target.service {
            Service::Sqs => {
                let queue = target.url(&format!("/{}/{}", target.account, target.name));
                let mut body = serde_json::json!({ "QueueUrl": queue, "MessageBody": text() });
                if !letter.attributes.is_empty() {
                    body["MessageAttributes"] = attributes(&letter.attributes);
                }
                Self {
                    method: "POST",
                    path: "/".into(),
                    headers: vec![
                        ("content-type", "application/x-amz-json-1.0".into()),
                        ("x-amz-target", "AmazonSQS.SendMessage".into()),
                    ],
                    body: body.to_string().into(),
                }
            }
            Service::Sns => {
                let (topic, message) = (encoded(&target.arn, false), encoded(&text(), false));
                Self {
                    method: "POST",
                    path: "/".into(),
                    headers: vec![(
                        "content-type",
                        "application/x-www-form-urlencoded; charset=utf-8".into(),
                    )],
                    body: format!(
                        "Action=Publish&Version=2010-03-31&TopicArn={topic}&Message={message}{}",
                        form(&letter.attributes)
                    )
                    .into(),
                }
            }
            Service::Events => {
                let entry = serde_json::json!({
                    "EventBusName": target.arn, "Source": "lambda", "DetailType": letter.subject.detail_type,
                    "Resources": letter.subject.resources, "Detail": text(),
                });
                Self {
                    method: "POST",
                    path: "/".into(),
                    headers: vec![
                        ("content-type", "application/x-amz-json-1.1".into()),
                        ("x-amz-target", "AWSEvents.PutEvents".into()),
                    ],
                    body: serde_json::json!({ "Entries": [entry] }).to_string().into(),
                }
            }
            // With the bucket in the path, which every S3-compatible store understands.
            Service::S3 => Self {
                method: "PUT",
                path: format!("/{}/{}", encoded(&target.name, false), encoded(&letter.key, true)),
                headers: vec![("content-type", "application/json".into())],
                body: letter.body.clone(),
            },
        }
    }
}

/// As SQS takes them.
fn attributes(attributes: &[Attribute]) -> serde_json::Value {
    let shown = attributes.iter().map(|attribute| {
        let value = serde_json::json!({ "DataType": attribute.kind.name(), "StringValue": attribute.value });
        (attribute.name.clone(), value)
    });
    shown.collect::<serde_json::Map<_, _>>().into()
}

/// As SNS takes them.
fn form(attributes: &[Attribute]) -> String {
    let mut out = String::new();
    for (attribute, number) in attributes.iter().zip(1..) {
        let entry = format!("&MessageAttributes.entry.{number}");
        let (name, value) = (encoded(&attribute.name, false), encoded(&attribute.value, false));
        let kind = attribute.kind.name();
        write!(out, "{entry}.Name={name}{entry}.Value.DataType={kind}{entry}.Value.StringValue={value}")
            .expect("writing to a String cannot fail");
    }
    out
}

/// All but unreserved characters as `%XX`.
fn encoded(text: &str, keep_slashes: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            b'/' if keep_slashes => out.push('/'),
            byte => write!(out, "%{byte:02X}").expect("writing to a String cannot fail"),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(arn: &str) -> Target {
        Target::of(arn, &Endpoints::default(), "eu-west-1").unwrap()
    }

    #[test]
    fn services_are_at_aws_unless_set() {
        let queue = target("arn:aws:sqs:us-east-1:111122223333:q");
        assert_eq!((queue.host(), queue.region.as_str()), ("sqs.us-east-1.amazonaws.com", "us-east-1"));
        assert_eq!(target("arn:aws:s3:::bucket").host(), "s3.eu-west-1.amazonaws.com");
        assert_eq!(target("arn:aws-cn:sns:cn-north-1:1:t").host(), "sns.cn-north-1.amazonaws.com.cn");
        let endpoints =
            Endpoints { s3: Some("http://127.0.0.1:9000/".parse().unwrap()), ..Endpoints::default() };
        let bucket = Target::of("arn:aws:s3:::bucket", &endpoints, "eu-west-1").unwrap();
        assert_eq!(bucket.url("/bucket/k"), "http://127.0.0.1:9000/bucket/k");
        for bad in
            ["", "arn:aws:s3:::", "arn:aws:sqs:us-east-1:1", "arn:aws:ec2:us-east-1:1:x", "arn:aws:s3:::a/b"]
        {
            assert!(Target::of(bad, &Endpoints::default(), "eu-west-1").is_err(), "{bad}");
        }
        for bad in ["", "127.0.0.1:9000", "ftp://x", "http://x/path", "http://u:p@x", "http://x/?q"] {
            assert!(bad.parse::<Endpoint>().is_err(), "{bad}");
        }
    }
}
