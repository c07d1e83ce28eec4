use crate::Logs;
use crate::error::Failure;
use millstream_api_logs as api;
use millstream_shapes::Empty;

pub(crate) async fn run(service: &Logs, input: api::CreateLogGroupRequest) -> Result<Empty, Failure> {
    Failure::unless_built([
        (input.kms_key_id.is_some(), "kmsKeyId"),
        (input.deletion_protection_enabled == Some(true), "deletionProtectionEnabled"),
        (
            input.log_group_class.is_some_and(|class| class != api::LogGroupClass::Standard),
            "A logGroupClass other than STANDARD",
        ),
    ])?;
    if input.log_group_name.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws/")) {
        return Err(Failure::invalid("Log groups starting with AWS/ are reserved for AWS."));
    }
    let key = service.home.key(&input.log_group_name);
    service.store.create_group(key, input.tags.unwrap_or_default()).await?;
    Ok(Empty {})
}
