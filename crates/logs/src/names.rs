//! How requests name log groups, and the ARNs of what they name.

use crate::error::Failure;
use millstream_api_logs::ErrorCode;
use millstream_types::{Arn, Home};

/// The ARN of a group.
pub(crate) fn group_arn(home: &Home, group: &str) -> String {
    home.arn("logs", format_args!("log-group:{group}"))
}

pub(crate) fn stream_arn(home: &Home, group: &str, stream: &str) -> String {
    home.arn("logs", format_args!("log-group:{group}:log-stream:{stream}"))
}

/// The name of the group that a name or an ARN means. An ARN must be of this account and region: AWS hands on those of linked
/// accounts, and here none are linked.
pub(crate) fn of_identifier(home: &Home, identifier: &str) -> Result<String, Failure> {
    if !identifier.starts_with("arn:") {
        return Ok(identifier.to_owned());
    }
    let arn: Option<Arn> = identifier.parse().ok();
    let arn = arn.filter(|arn| arn.service == "logs").ok_or_else(|| bad_arn(identifier))?;
    let name = arn.resource.strip_prefix("log-group:").ok_or_else(|| bad_arn(identifier))?;
    if name.is_empty() || name.contains(':') {
        return Err(bad_arn(identifier));
    }
    if home.owns(&arn) { Ok(name.to_owned()) } else { Err(Failure::no_group()) }
}

fn bad_arn(identifier: &str) -> Failure {
    Failure::invalid(format!("{identifier} is not the ARN of a log group."))
}

/// The group of an operation that takes a name or an identifier, and one of them only.
pub(crate) fn of_either(
    home: &Home,
    name: Option<&str>,
    identifier: Option<&str>,
) -> Result<String, Failure> {
    match (name, identifier) {
        (Some(name), None) => Ok(name.to_owned()),
        (None, Some(identifier)) => of_identifier(home, identifier),
        (Some(_), Some(_)) => {
            Err(Failure::invalid("Only one of logGroupName and logGroupIdentifier can be specified."))
        }
        (None, None) => Err(Failure::new(
            ErrorCode::InvalidParameterException,
            "One of logGroupName and logGroupIdentifier must be specified.",
        )),
    }
}
