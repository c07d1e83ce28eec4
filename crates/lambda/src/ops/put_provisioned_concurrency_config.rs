use super::Handle;
use crate::provisioned::{UNPUBLISHED, spec_to_keep};
use crate::service::{Context, Lambda};
use crate::{Failure, error};
use api::{PutProvisionedConcurrencyConfigRequest, PutProvisionedConcurrencyConfigResponse};
use millstream_api_lambda as api;
use millstream_control::PutProvisionedConcurrency;

impl Handle for api::PutProvisionedConcurrencyConfig {
    /// The answer comes before the first worker is started: `GetProvisionedConcurrencyConfig` says when they are ready.
    async fn handle(
        lambda: &Lambda,
        input: PutProvisionedConcurrencyConfigRequest,
        _context: Context<'_>,
    ) -> Result<PutProvisionedConcurrencyConfigResponse, Failure> {
        let target = lambda.provisioned_target(&input.function_name, &input.qualifier, UNPUBLISHED)?;
        let function = &target.function;
        let alias = function.published.aliases.get(&target.qualifier);
        let version = alias.map_or(&target.qualifier, |alias| &alias.target.version);
        spec_to_keep(function, version).map_err(Failure::invalid)?;
        let asked = input.provisioned_concurrent_executions;
        let command = PutProvisionedConcurrency {
            function: function.name.clone(),
            qualifier: target.qualifier,
            executions: u32::try_from(asked).unwrap_or_default(),
            limit: lambda.concurrency_limit(),
        };
        let home = lambda.home();
        let made = lambda.control().submit(command).await.map_err(|error| error::submit(home, error))?;
        Ok(PutProvisionedConcurrencyConfigResponse {
            requested_provisioned_concurrent_executions: Some(asked),
            allocated_provisioned_concurrent_executions: Some(0),
            available_provisioned_concurrent_executions: Some(0),
            status: Some("IN_PROGRESS".into()),
            status_reason: None,
            last_modified: Some(made.modified.lambda_date()),
        })
    }
}
