use super::Handle;
use crate::names::Target;
use crate::page::page;
use crate::service::{Context, Lambda};
use crate::versions::show_alias;
use crate::{Failure, caps};
use api::{ListAliasesRequest, ListAliasesResponse};
use millstream_api_lambda as api;

impl Handle for api::ListAliases {
    async fn handle(
        lambda: &Lambda,
        input: ListAliasesRequest,
        _context: Context<'_>,
    ) -> Result<ListAliasesResponse, Failure> {
        let home = lambda.home();
        let function = Target::parse(home, &input.function_name)?.find(home, &lambda.control().state())?;
        let wanted = input.function_version.as_deref();
        let aliases = function.published.aliases.iter();
        let aliases = aliases
            .filter(|(_, alias)| wanted.is_none_or(|version| alias.target.version == version))
            .map(|(name, alias)| (name.clone(), show_alias(&function, name, alias)));
        let (aliases, next_marker) = page(aliases, input.marker.as_deref(), input.max_items, caps::PAGE)?;
        Ok(ListAliasesResponse { aliases: Some(aliases), next_marker })
    }
}
