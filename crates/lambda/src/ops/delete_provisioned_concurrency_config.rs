use super::Handle;
use crate::provisioned::NOT_PUBLISHED;
use crate::service::{Context, Lambda};
use crate::{Failure, error};
use api::DeleteProvisionedConcurrencyConfigRequest;
use millstream_api_lambda as api;
use millstream_control::DeleteProvisionedConcurrency;
use millstream_shapes::Empty;

impl Handle for api::DeleteProvisionedConcurrencyConfig {
    /// Where nothing is provisioned, that is how it stays (recorded on AWS).
    async fn handle(
        lambda: &Lambda,
        input: DeleteProvisionedConcurrencyConfigRequest,
        _context: Context<'_>,
    ) -> Result<Empty, Failure> {
        let target = lambda.provisioned_target(&input.function_name, &input.qualifier, NOT_PUBLISHED)?;
        let function = target.function.name.clone();
        let command = DeleteProvisionedConcurrency { function, qualifier: target.qualifier };
        let home = lambda.home();
        lambda.control().submit(command).await.map_err(|error| error::submit(home, error))?;
        Ok(Empty)
    }
}
