use super::Handle;
use crate::Failure;
use crate::service::{Context, Lambda};
use api::UntagResourceRequest;
use millstream_api_lambda as api;
use millstream_shapes::Empty;
use std::collections::BTreeMap;

impl Handle for api::UntagResource {
    async fn handle(lambda: &Lambda, input: UntagResourceRequest, _: Context<'_>) -> Result<Empty, Failure> {
        lambda.change_tags(&input.resource, BTreeMap::new(), input.tag_keys.into_iter().collect()).await?;
        Ok(Empty)
    }
}
