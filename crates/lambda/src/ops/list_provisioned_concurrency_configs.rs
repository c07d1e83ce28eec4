use super::Handle;
use crate::names::Target;
use crate::page::page;
use crate::provisioned::no_function;
use crate::service::{Context, Lambda};
use crate::{Failure, caps};
use api::{
    ListProvisionedConcurrencyConfigsRequest, ListProvisionedConcurrencyConfigsResponse,
    ProvisionedConcurrencyConfigListItem,
};
use millstream_api_lambda as api;

impl Handle for api::ListProvisionedConcurrencyConfigs {
    async fn handle(
        lambda: &Lambda,
        input: ListProvisionedConcurrencyConfigsRequest,
        _context: Context<'_>,
    ) -> Result<ListProvisionedConcurrencyConfigsResponse, Failure> {
        let home = lambda.home();
        let target = Target::parse(home, &input.function_name)?;
        let found = target.unqualified().find(home, &lambda.control().state());
        let function = found.map_err(|_missing| no_function(lambda, &target))?;
        let items = function.provisioned.iter().map(|(qualifier, provisioned)| {
            let shown = lambda.show_provisioned(&function, qualifier, *provisioned);
            let item = ProvisionedConcurrencyConfigListItem {
                function_arn: Some(format!("{}:{qualifier}", function.arn)),
                requested_provisioned_concurrent_executions: shown
                    .requested_provisioned_concurrent_executions,
                available_provisioned_concurrent_executions: shown
                    .available_provisioned_concurrent_executions,
                allocated_provisioned_concurrent_executions: shown
                    .allocated_provisioned_concurrent_executions,
                status: shown.status,
                status_reason: shown.status_reason,
                last_modified: shown.last_modified,
            };
            (qualifier.clone(), item)
        });
        let (configs, next_marker) = page(items, input.marker.as_deref(), input.max_items, caps::PAGE)?;
        Ok(ListProvisionedConcurrencyConfigsResponse {
            provisioned_concurrency_configs: Some(configs),
            next_marker,
        })
    }
}
