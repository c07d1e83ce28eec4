use super::Handle;
use crate::layers::{item, suits};
use crate::page::page;
use crate::service::{Context, Lambda};
use crate::{Failure, caps};
use api::{ListLayerVersionsRequest, ListLayerVersionsResponse};
use millstream_api_lambda as api;

impl Handle for api::ListLayerVersions {
    /// Newest first. A layer that does not exist has no versions.
    async fn handle(
        lambda: &Lambda,
        input: ListLayerVersionsRequest,
        _context: Context<'_>,
    ) -> Result<ListLayerVersionsResponse, Failure> {
        let state = lambda.control().state();
        let runtime = input.compatible_runtime.as_ref().map(api::Runtime::as_str);
        let architecture = input.compatible_architecture.as_ref().map(api::Architecture::as_str);
        let layer = state.layers.get(&lambda.layer_key(&input.layer_name)?);
        let versions = layer
            .into_iter()
            .flat_map(|layer| layer.versions.values().rev())
            .filter(|version| suits(version, runtime, architecture))
            // Keys that grow from the newest to the oldest.
            .map(|version| (format!("{:020}", u64::MAX - version.version), item(version)));
        let (versions, next_marker) = page(versions, input.marker.as_deref(), input.max_items, caps::PAGE)?;
        Ok(ListLayerVersionsResponse { layer_versions: Some(versions), next_marker })
    }
}
