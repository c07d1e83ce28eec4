use super::Handle;
use crate::page::page;
use crate::service::{Context, Lambda};
use crate::{Failure, caps, urls};
use api::{ListFunctionUrlConfigsRequest, ListFunctionUrlConfigsResponse};
use millstream_api_lambda as api;

impl Handle for api::ListFunctionUrlConfigs {
    async fn handle(
        lambda: &Lambda,
        input: ListFunctionUrlConfigsRequest,
        _context: Context<'_>,
    ) -> Result<ListFunctionUrlConfigsResponse, Failure> {
        let (function, _) = lambda.url_target(&input.function_name, None, urls::no_function)?;
        // A marker cannot be empty, and the name of the function itself is.
        let all = function.urls.iter();
        let all = all.map(|(alias, url)| (format!("/{alias}"), lambda.show_url(&function, alias, url)));
        let (function_url_configs, next_marker) =
            page(all, input.marker.as_deref(), input.max_items, caps::PAGE)?;
        Ok(ListFunctionUrlConfigsResponse { function_url_configs, next_marker })
    }
}
