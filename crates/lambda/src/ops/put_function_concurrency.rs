use super::Handle;
use crate::names::Target;
use crate::service::{Context, Lambda};
use crate::{Failure, error};
use api::{Concurrency, PutFunctionConcurrencyRequest};
use millstream_api_lambda as api;
use millstream_control::ReserveConcurrency;

impl Handle for api::PutFunctionConcurrency {
    /// How many invocations of a function may run at once; 0 stops it. Here this is a limit and nothing is kept free for
    /// it: workers of functions that rest make room.
    async fn handle(
        lambda: &Lambda,
        input: PutFunctionConcurrencyRequest,
        _context: Context<'_>,
    ) -> Result<Concurrency, Failure> {
        let home = lambda.home();
        let target = Target::parse(home, &input.function_name)?;
        let function = target.unqualified().find(home, &lambda.control().state())?;
        let (asked, limit) = (input.reserved_concurrent_executions, lambda.functions().workers().limit);
        let reserved = u32::try_from(asked).unwrap_or_default();
        if usize::try_from(reserved).is_ok_and(|reserved| reserved > limit) {
            return Err(Failure::invalid(format!(
                "The account has a concurrency limit of {limit}; {asked} cannot be reserved. The server's --max-workers sets \
                 it."
            )));
        }
        let command = ReserveConcurrency { function: function.name.clone(), reserved: Some(reserved) };
        lambda.control().submit(command).await.map_err(|error| error::submit(home, error))?;
        Ok(Concurrency { reserved_concurrent_executions: Some(asked) })
    }
}
