use super::Handle;
use crate::error;
use crate::names::Target;
use crate::service::{Context, Lambda};
use crate::versions::{additional_version, alias_arn, show_alias};
use crate::{Failure, error::not_found};
use api::{AliasConfiguration, UpdateAliasRequest};
use millstream_api_lambda as api;
use millstream_control::UpdateAlias;
use millstream_host::entropy;

impl Handle for api::UpdateAlias {
    async fn handle(
        lambda: &Lambda,
        input: UpdateAliasRequest,
        _context: Context<'_>,
    ) -> Result<AliasConfiguration, Failure> {
        let home = lambda.home();
        let function = Target::parse(home, &input.function_name)?.find(home, &lambda.control().state())?;
        let missing = || not_found(format!("Alias not found: {}", alias_arn(&function, &input.name)));
        let now = function.published.aliases.get(&input.name).ok_or_else(missing)?;
        let base = input.function_version.as_deref().unwrap_or(&now.target.version);
        let routing = input.routing_config.as_ref();
        let additional = routing.map(|routing| additional_version(routing, base)).transpose()?;
        // Checked again when the command is applied: the alias may have been led elsewhere meanwhile.
        let expected = input.revision_id.unwrap_or_else(|| now.revision_id.clone());
        let command = UpdateAlias {
            function: function.name.clone(),
            name: input.name.clone(),
            version: input.function_version,
            additional: additional.map(|one| one.into_iter().collect()),
            description: input.description,
            expected_revision: Some(expected),
            revision_id: entropy::uuid(),
        };
        let updated = lambda.control().submit(command).await;
        let alias = updated.map_err(|error| error::submit(home, error))?;
        Ok(show_alias(&function, &input.name, &alias))
    }
}
