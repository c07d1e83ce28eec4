use super::Handle;
use crate::configuration::{View, describe};
use crate::names::Target;
use crate::page::page;
use crate::service::{Context, Lambda};
use crate::versions::show_version;
use crate::{Failure, caps};
use api::{ListVersionsByFunctionRequest, ListVersionsByFunctionResponse};
use millstream_api_lambda as api;

impl Handle for api::ListVersionsByFunction {
    /// `$LATEST` first, then the published versions in the order of their numbers.
    async fn handle(
        lambda: &Lambda,
        input: ListVersionsByFunctionRequest,
        _context: Context<'_>,
    ) -> Result<ListVersionsByFunctionResponse, Failure> {
        let home = lambda.home();
        let function = Target::parse(home, &input.function_name)?.find(home, &lambda.control().state())?;
        let latest = (0, describe(home, &function, View::Listed, true));
        let published = function.published.versions.iter();
        let published = published.map(|(number, version)| {
            (*number, show_version(home, &function, *number, version, View::Listed))
        });
        let versions =
            std::iter::once(latest).chain(published).map(|(number, shown)| (format!("{number:020}"), shown));
        let (versions, next_marker) = page(versions, input.marker.as_deref(), input.max_items, caps::PAGE)?;
        Ok(ListVersionsByFunctionResponse { versions: Some(versions), next_marker })
    }
}
