use super::Handle;
use crate::Failure;
use crate::names::Target;
use crate::service::{Context, Lambda};
use crate::versions::{no_alias, show_alias};
use api::{AliasConfiguration, GetAliasRequest};
use millstream_api_lambda as api;

impl Handle for api::GetAlias {
    async fn handle(
        lambda: &Lambda,
        input: GetAliasRequest,
        _context: Context<'_>,
    ) -> Result<AliasConfiguration, Failure> {
        let home = lambda.home();
        let function = Target::parse(home, &input.function_name)?.find(home, &lambda.control().state())?;
        let alias = function.published.aliases.get(&input.name);
        let alias = alias.ok_or_else(|| no_alias(&function, &input.name))?;
        Ok(show_alias(&function, &input.name, alias))
    }
}
