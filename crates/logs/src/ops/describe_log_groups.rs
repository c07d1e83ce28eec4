use super::{limit, millis};
use crate::error::Failure;
use crate::store::GroupInfo;
use crate::{Logs, caps, names, token};
use millstream_api_logs as api;
use millstream_types::name_of_key;

const TOKEN: &str = "groups";

pub(crate) async fn run(
    service: &Logs,
    input: api::DescribeLogGroupsRequest,
) -> Result<api::DescribeLogGroupsResponse, Failure> {
    Failure::unless_built([
        (input.include_linked_accounts == Some(true), "includeLinkedAccounts"),
        (input.account_identifiers.is_some_and(|accounts| !accounts.is_empty()), "accountIdentifiers"),
    ])?;
    let (prefix, pattern) = (input.log_group_name_prefix, input.log_group_name_pattern);
    if prefix.is_some() && pattern.is_some() {
        return Err(Failure::invalid(
            "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.",
        ));
    }
    let identifiers = input.log_group_identifiers;
    if identifiers.is_some() && (prefix.is_some() || pattern.is_some() || input.log_group_class.is_some()) {
        return Err(Failure::invalid("logGroupIdentifiers cannot be combined with other filters."));
    }
    let names = identifiers.map(|all| {
        all.iter().map(|one| names::of_identifier(&service.home, one)).collect::<Result<Vec<_>, _>>()
    });
    let names = names.transpose()?;
    let after = input.next_token.map(|token| token::open::<1>(TOKEN, &token)).transpose()?;
    // All groups are of this one class.
    let of_class = input.log_group_class.is_none_or(|class| class == api::LogGroupClass::Standard);
    service.store.catch_up().await;
    let mut groups = service.store.groups(|key| {
        let name = name_of_key(key);
        of_class
            && service.home.has(key)
            && prefix.as_ref().is_none_or(|prefix| name.starts_with(prefix))
            && pattern.as_ref().is_none_or(|pattern| name.contains(pattern))
            && names.as_ref().is_none_or(|names| names.iter().any(|one| one == name))
            && after.as_ref().is_none_or(|[after]| name > after.as_str())
    });
    let limit = limit(input.limit, caps::PAGE_DESCRIBED);
    let more = groups.len() > limit;
    groups.truncate(limit);
    let last = groups.last().filter(|_| more);
    let next_token = last.map(|group| token::seal(TOKEN, &[name_of_key(&group.key)]));
    let short = pattern.is_some();
    let shown = groups.iter().map(|group| show(service, group, short)).collect();
    Ok(api::DescribeLogGroupsResponse { log_groups: Some(shown), next_token, ..Default::default() })
}

/// `short`: as AWS shows groups that were searched for by a part of their names.
fn show(service: &Logs, group: &GroupInfo, short: bool) -> api::LogGroup {
    let name = name_of_key(&group.key);
    let arn = names::group_arn(&service.home, name);
    let found = api::LogGroup {
        log_group_name: Some(name.to_owned()),
        creation_time: Some(millis(group.created)),
        arn: Some(format!("{arn}:*")),
        ..Default::default()
    };
    if short {
        return found;
    }
    api::LogGroup {
        retention_in_days: group.retention_days.map(|days| i32::try_from(days).unwrap_or(i32::MAX)),
        metric_filter_count: Some(0),
        stored_bytes: Some(i64::try_from(group.bytes).unwrap_or(i64::MAX)),
        log_group_class: Some(api::LogGroupClass::Standard),
        log_group_arn: Some(arn),
        deletion_protection_enabled: Some(false),
        ..found
    }
}
