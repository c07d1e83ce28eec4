use std::str::FromStr;

/// An Amazon Resource Name, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arn {
    pub partition: String,
    pub service: String,
    pub region: String,
    pub account: String,
    pub resource: String,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an ARN")]
pub struct ArnError(String);

impl FromStr for Arn {
    type Err = ArnError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.splitn(6, ':');
        let mut next = || parts.next().filter(|part| !part.is_empty());
        let arn = (next() == Some("arn"))
            .then(|| Some((next()?, next()?, next()?, next()?, next()?)))
            .flatten()
            .ok_or_else(|| ArnError(text.to_owned()))?;
        let (partition, service, region, account, resource) = arn;
        Ok(Self {
            partition: partition.into(),
            service: service.into(),
            region: region.into(),
            account: account.into(),
            resource: resource.into(),
        })
    }
}

impl Arn {
    /// The stream of `arn:…:stream/NAME` or of a consumer's `arn:…:stream/NAME/consumer/…`.
    pub fn stream_name(&self) -> Option<&str> {
        if self.service != "kinesis" {
            return None;
        }
        self.resource.strip_prefix("stream/")?.split('/').next().filter(|name| !name.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Home;

    #[test]
    fn an_arn_comes_apart() {
        let home = Home::default();
        let arn: Arn = home.stream_arn("signups").parse().unwrap();
        assert_eq!(arn.stream_name(), Some("signups"));
        let consumer: Arn = format!("{}/consumer/app:17", home.stream_arn("signups")).parse().unwrap();
        assert_eq!(consumer.stream_name(), Some("signups"));
        assert_eq!(consumer.resource, "stream/signups/consumer/app:17");
        for bad in ["", "arn", "arn:aws:kinesis", "arn:aws::us-east-1:0:stream/x", "urn:aws:kinesis:a:b:c"] {
            assert!(bad.parse::<Arn>().is_err(), "{bad}");
        }
    }
}
