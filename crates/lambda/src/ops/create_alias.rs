use super::Handle;
use crate::names::Target;
use crate::service::{Context, Lambda};
use crate::versions::{additional_version, show_alias};
use crate::{Failure, error};
use api::{AliasConfiguration, CreateAliasRequest};
use millstream_api_lambda as api;
use millstream_control::{AliasTarget, CreateAlias};
use millstream_host::entropy;

impl Handle for api::CreateAlias {
    async fn handle(
        lambda: &Lambda,
        input: CreateAliasRequest,
        _context: Context<'_>,
    ) -> Result<AliasConfiguration, Failure> {
        let home = lambda.home();
        let function = Target::parse(home, &input.function_name)?.find(home, &lambda.control().state())?;
        let routing = input.routing_config.as_ref();
        let additional =
            routing.map(|routing| additional_version(routing, &input.function_version)).transpose()?;
        let command = CreateAlias {
            function: function.name.clone(),
            name: input.name.clone(),
            target: AliasTarget { version: input.function_version, additional: additional.flatten() },
            description: input.description.unwrap_or_default(),
            revision_id: entropy::uuid(),
        };
        let made = lambda.control().submit(command).await;
        let alias = made.map_err(|error| error::submit(home, error))?;
        Ok(show_alias(&function, &input.name, &alias))
    }
}
