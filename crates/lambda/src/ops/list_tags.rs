use super::Handle;
use crate::Failure;
use crate::service::{Context, Lambda};
use api::{ListTagsRequest, ListTagsResponse};
use millstream_api_lambda as api;

impl Handle for api::ListTags {
    async fn handle(
        lambda: &Lambda,
        input: ListTagsRequest,
        _context: Context<'_>,
    ) -> Result<ListTagsResponse, Failure> {
        let (_, tags) = lambda.tagged(&lambda.control().state(), &input.resource)?;
        Ok(ListTagsResponse { tags: Some(tags) })
    }
}
