use super::Handle;
use crate::names::Target;
use crate::service::{Context, Lambda};
use crate::{Failure, error};
use api::{Concurrency, PutFunctionConcurrencyRequest};
use millstream_api_lambda as api;
use millstream_control::ReserveConcurrency;

impl Handle for api::PutFunctionConcurrency {
    /// How many invocations of a function may run at once, kept free for it; 0 stops it.
    async fn handle(
        lambda: &Lambda,
        input: PutFunctionConcurrencyRequest,
        _context: Context<'_>,
    ) -> Result<Concurrency, Failure> {
        let home = lambda.home();
        let target = Target::parse(home, &input.function_name)?;
        let function = target.unqualified().find(home, &lambda.control().state())?;
        let asked = input.reserved_concurrent_executions;
        let command = ReserveConcurrency {
            function: function.name.clone(),
            reserved: Some(u32::try_from(asked).unwrap_or_default()),
            limit: Some(lambda.concurrency_limit()),
        };
        lambda.control().submit(command).await.map_err(|error| error::submit(home, error))?;
        Ok(Concurrency { reserved_concurrent_executions: Some(asked) })
    }
}
