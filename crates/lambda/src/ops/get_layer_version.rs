use super::Handle;
use crate::Failure;
use crate::service::{Context, Lambda};
use api::{GetLayerVersionRequest, GetLayerVersionResponse};
use millstream_api_lambda as api;

impl Handle for api::GetLayerVersion {
    async fn handle(
        lambda: &Lambda,
        input: GetLayerVersionRequest,
        _context: Context<'_>,
    ) -> Result<GetLayerVersionResponse, Failure> {
        lambda.layer_version(&input.layer_name, input.version_number)
    }
}
