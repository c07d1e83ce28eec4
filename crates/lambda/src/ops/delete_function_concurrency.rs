use super::Handle;
use crate::names::Target;
use crate::service::{Context, Lambda};
use crate::{Failure, error};
use api::DeleteFunctionConcurrencyRequest;
use millstream_api_lambda as api;
use millstream_control::ReserveConcurrency;
use millstream_shapes::Empty;

impl Handle for api::DeleteFunctionConcurrency {
    async fn handle(
        lambda: &Lambda,
        input: DeleteFunctionConcurrencyRequest,
        _context: Context<'_>,
    ) -> Result<Empty, Failure> {
        let home = lambda.home();
        let target = Target::parse(home, &input.function_name)?;
        let function = target.unqualified().find(home, &lambda.control().state())?;
        let command = ReserveConcurrency { function: function.name.clone(), reserved: None, limit: None };
        lambda.control().submit(command).await.map_err(|error| error::submit(home, error))?;
        Ok(Empty)
    }
}
