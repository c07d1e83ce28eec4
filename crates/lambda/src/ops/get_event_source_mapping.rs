use super::Handle;
use crate::Failure;
use crate::service::{Context, Lambda};
use api::{EventSourceMappingConfiguration, GetEventSourceMappingRequest};
use millstream_api_lambda as api;

impl Handle for api::GetEventSourceMapping {
    async fn handle(
        lambda: &Lambda,
        input: GetEventSourceMappingRequest,
        _context: Context<'_>,
    ) -> Result<EventSourceMappingConfiguration, Failure> {
        let state = lambda.control().state();
        Ok(lambda.show_mapping(lambda.mapping(&state, &input.uuid)?))
    }
}
