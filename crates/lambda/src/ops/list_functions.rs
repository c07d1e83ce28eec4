use super::Handle;
use crate::configuration::{View, describe};
use crate::page::page;
use crate::service::{Context, Lambda};
use crate::{Failure, caps};
use api::{ListFunctionsRequest, ListFunctionsResponse};
use millstream_api_lambda as api;

impl Handle for api::ListFunctions {
    async fn handle(
        lambda: &Lambda,
        input: ListFunctionsRequest,
        _context: Context<'_>,
    ) -> Result<ListFunctionsResponse, Failure> {
        let state = lambda.control().state();
        // With a master region AWS lists replicas for the edge only. There are none here.
        let replicas_only = input.master_region.is_some();
        let functions = state.functions.iter().filter(|(key, _)| !replicas_only && lambda.home().has(key));
        let shown = functions.map(|(name, function)| (name.clone(), function.clone()));
        let (functions, next_marker) = page(shown, input.marker.as_deref(), input.max_items, caps::PAGE)?;
        let qualified = input.function_version.is_some();
        Ok(ListFunctionsResponse {
            functions: Some(
                functions
                    .iter()
                    .map(|function| describe(lambda.home(), function, View::Listed, qualified))
                    .collect(),
            ),
            next_marker,
        })
    }
}
