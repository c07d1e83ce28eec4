use super::Handle;
use crate::layers::{item, suits};
use crate::page::page;
use crate::service::{Context, Lambda};
use crate::{Failure, caps};
use api::{LayersListItem, ListLayersRequest, ListLayersResponse};
use millstream_api_lambda as api;

impl Handle for api::ListLayers {
    async fn handle(
        lambda: &Lambda,
        input: ListLayersRequest,
        _context: Context<'_>,
    ) -> Result<ListLayersResponse, Failure> {
        let state = lambda.control().state();
        let runtime = input.compatible_runtime.as_ref().map(api::Runtime::as_str);
        let architecture = input.compatible_architecture.as_ref().map(api::Architecture::as_str);
        let here = state.layers.values().filter(|layer| lambda.home().has(&layer.name));
        let layers = here.filter_map(|layer| {
            let latest =
                layer.versions.values().rev().find(|version| suits(version, runtime, architecture))?;
            let shown = LayersListItem {
                layer_name: Some(layer.own_name().to_owned()),
                layer_arn: Some(layer.arn.clone()),
                latest_matching_version: Some(item(latest)),
            };
            Some((layer.name.clone(), shown))
        });
        let (layers, next_marker) = page(layers, input.marker.as_deref(), input.max_items, caps::PAGE)?;
        Ok(ListLayersResponse { layers: Some(layers), next_marker })
    }
}
