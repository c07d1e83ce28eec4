use super::Handle;
use crate::Failure;
use crate::provisioned::{NOT_PUBLISHED, none_provisioned};
use crate::service::{Context, Lambda};
use api::{GetProvisionedConcurrencyConfigRequest, GetProvisionedConcurrencyConfigResponse};
use millstream_api_lambda as api;

impl Handle for api::GetProvisionedConcurrencyConfig {
    async fn handle(
        lambda: &Lambda,
        input: GetProvisionedConcurrencyConfigRequest,
        _context: Context<'_>,
    ) -> Result<GetProvisionedConcurrencyConfigResponse, Failure> {
        let target = lambda.provisioned_target(&input.function_name, &input.qualifier, NOT_PUBLISHED)?;
        let provisioned = target.function.provisioned.get(&target.qualifier).ok_or_else(none_provisioned)?;
        Ok(lambda.show_provisioned(&target.function, &target.qualifier, *provisioned))
    }
}
