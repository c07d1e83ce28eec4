use super::Handle;
use crate::service::{Context, Lambda};
use crate::{Failure, error};
use api::DeleteLayerVersionRequest;
use millstream_api_lambda as api;
use millstream_control::DeleteLayerVersion;
use millstream_shapes::Empty;

impl Handle for api::DeleteLayerVersion {
    /// Functions that use the version keep it (Developer Guide, "Deleting a layer version").
    async fn handle(
        lambda: &Lambda,
        input: DeleteLayerVersionRequest,
        _context: Context<'_>,
    ) -> Result<Empty, Failure> {
        let version = u64::try_from(input.version_number).ok().filter(|version| *version >= 1);
        let version = version.ok_or_else(|| Failure::invalid("Layer Version Cannot be less than 1"))?;
        let name = lambda.layer_key(&input.layer_name)?;
        let deleted = lambda.control().submit(DeleteLayerVersion { name, version }).await;
        deleted.map_err(|error| error::submit(lambda.home(), error))?;
        Ok(Empty)
    }
}
