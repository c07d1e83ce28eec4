use super::Handle;
use crate::configuration::{View, describe};
use crate::page::page;
use crate::service::{Context, Lambda};
use crate::versions::show_version;
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
        let all = input.function_version.is_some();
        let shown = functions.flat_map(|(name, function)| {
            let latest = describe(lambda.home(), function, View::Listed, all);
            let versions = function.published.versions.iter().filter(move |_| all);
            let versions = versions.map(|(number, version)| {
                let shown = show_version(lambda.home(), function, *number, version, View::Listed);
                (format!("{name}:{number:020}"), shown)
            });
            std::iter::once((name.clone(), latest)).chain(versions).collect::<Vec<_>>()
        });
        let (functions, next_marker) = page(shown, input.marker.as_deref(), input.max_items, caps::PAGE)?;
        Ok(ListFunctionsResponse { functions: Some(functions), next_marker })
    }
}
