use super::Handle;
use crate::configuration::View;
use crate::names::Target;
use crate::service::{Context, Lambda};
use crate::versions::show_version;
use crate::{Failure, error};
use api::{FunctionConfiguration, PublishVersionRequest};
use millstream_api_lambda as api;
use millstream_control::PublishVersion;
use millstream_host::entropy;

impl Handle for api::PublishVersion {
    async fn handle(
        lambda: &Lambda,
        input: PublishVersionRequest,
        _context: Context<'_>,
    ) -> Result<FunctionConfiguration, Failure> {
        Failure::unless_built([(input.publish_to.is_some(), "PublishTo")])?;
        let home = lambda.home();
        let function = Target::parse(home, &input.function_name)?.find(home, &lambda.control().state())?;
        let current = &function.shown().0.sha256;
        if let Some(asked) = input.code_sha256.filter(|asked| !asked.is_empty() && asked != current) {
            return Err(Failure::invalid(format!(
                "CodeSHA256 ({asked}) is different from current CodeSHA256 in $LATEST ({current}). Please try again with \
                 the CodeSHA256 in $LATEST."
            )));
        }
        let command = PublishVersion {
            name: function.name.clone(),
            description: input.description,
            // The digest that was compared is this revision's.
            expected_revision: input.revision_id,
            revision_id: entropy::uuid(),
        };
        let published = lambda.control().submit(command).await;
        let (function, number) = published.map_err(|error| error::submit(home, error))?;
        let version = function.published.versions.get(&number);
        let version = version.ok_or_else(|| error::no_version(&function, &number.to_string()))?;
        Ok(show_version(home, &function, number, version, View::Full))
    }
}
