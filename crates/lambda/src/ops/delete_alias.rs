use super::Handle;
use crate::names::Target;
use crate::service::{Context, Lambda};
use crate::{Failure, error};
use api::DeleteAliasRequest;
use millstream_api_lambda as api;
use millstream_control::DeleteAlias;
use millstream_shapes::Empty;

impl Handle for api::DeleteAlias {
    /// Deleting an alias that is not there succeeds, as on AWS.
    async fn handle(
        lambda: &Lambda,
        input: DeleteAliasRequest,
        _context: Context<'_>,
    ) -> Result<Empty, Failure> {
        let home = lambda.home();
        let function = Target::parse(home, &input.function_name)?.find(home, &lambda.control().state())?;
        let command = DeleteAlias { function: function.name.clone(), name: input.name };
        lambda.control().submit(command).await.map_err(|error| error::submit(home, error))?;
        Ok(Empty)
    }
}
