use super::Handle;
use crate::Failure;
use crate::service::{Context, Lambda};
use crate::settings::tags;
use api::TagResourceRequest;
use millstream_api_lambda as api;
use millstream_shapes::Empty;
use std::collections::BTreeSet;

impl Handle for api::TagResource {
    async fn handle(lambda: &Lambda, input: TagResourceRequest, _: Context<'_>) -> Result<Empty, Failure> {
        let set = tags(Some(input.tags))?;
        if set.is_empty() {
            return Err(Failure::invalid("An error occurred and the request cannot be processed."));
        }
        lambda.change_tags(&input.resource, set, BTreeSet::new()).await?;
        Ok(Empty)
    }
}
