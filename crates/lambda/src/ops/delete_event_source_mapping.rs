use super::Handle;
use crate::Failure;
use crate::error::{self, mapping_in_use};
use crate::service::{Context, Lambda};
use api::{DeleteEventSourceMappingRequest, EventSourceMappingConfiguration};
use millstream_api_lambda as api;
use millstream_control::{DeleteMapping, Refusal};
use millstream_control_node::SubmitError;

impl Handle for api::DeleteEventSourceMapping {
    async fn handle(
        lambda: &Lambda,
        input: DeleteEventSourceMappingRequest,
        _context: Context<'_>,
    ) -> Result<EventSourceMappingConfiguration, Failure> {
        lambda.mapping(&lambda.control().state(), &input.uuid)?;
        let deleted = lambda.control().submit(DeleteMapping { uuid: input.uuid }).await;
        let mapping = deleted.map_err(|error| match error {
            SubmitError::Refused(Refusal::MappingBusy { .. }) => mapping_in_use("delete"),
            error => error::submit(lambda.home(), error),
        })?;
        Ok(lambda.show_mapping(&mapping))
    }
}
