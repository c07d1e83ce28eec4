use super::Handle;
use crate::Failure;
use crate::service::{Context, Lambda};
use api::{GetLayerVersionPolicyRequest, GetLayerVersionPolicyResponse};
use millstream_api_lambda as api;

impl Handle for api::GetLayerVersionPolicy {
    async fn handle(
        lambda: &Lambda,
        input: GetLayerVersionPolicyRequest,
        _context: Context<'_>,
    ) -> Result<GetLayerVersionPolicyResponse, Failure> {
        let state = lambda.control().state();
        let governed = lambda.governed_layer(&input.layer_name, input.version_number, &state)?;
        let policy = governed.policy()?;
        Ok(GetLayerVersionPolicyResponse {
            policy: Some(policy.text.clone()),
            revision_id: Some(policy.revision_id.clone()),
        })
    }
}
