use super::Handle;
use crate::Failure;
use crate::service::{Context, Lambda};
use api::{GetLayerVersionByArnRequest, GetLayerVersionResponse};
use millstream_api_lambda as api;

impl Handle for api::GetLayerVersionByArn {
    async fn handle(
        lambda: &Lambda,
        input: GetLayerVersionByArnRequest,
        _context: Context<'_>,
    ) -> Result<GetLayerVersionResponse, Failure> {
        lambda.layer_version_by_arn(&input.arn)
    }
}
