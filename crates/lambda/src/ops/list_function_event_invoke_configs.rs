use super::Handle;
use crate::events::{no_function, show};
use crate::names::Target;
use crate::page::page;
use crate::service::{Context, Lambda};
use crate::{Failure, caps};
use api::{ListFunctionEventInvokeConfigsRequest, ListFunctionEventInvokeConfigsResponse};
use millstream_api_lambda as api;

impl Handle for api::ListFunctionEventInvokeConfigs {
    async fn handle(
        lambda: &Lambda,
        input: ListFunctionEventInvokeConfigsRequest,
        _context: Context<'_>,
    ) -> Result<ListFunctionEventInvokeConfigsResponse, Failure> {
        let home = lambda.home();
        let target = Target::parse(home, &input.function_name)?;
        let function = target.find(home, &lambda.control().state()).map_err(|_missing| no_function())?;
        let configs = function.event_invoke.iter();
        let configs =
            configs.map(|(qualifier, config)| (qualifier.clone(), show(&function.arn, qualifier, config)));
        let (configs, next_marker) = page(configs, input.marker.as_deref(), input.max_items, caps::PAGE)?;
        Ok(ListFunctionEventInvokeConfigsResponse {
            function_event_invoke_configs: Some(configs),
            next_marker,
        })
    }
}
