use super::Handle;
use crate::names::{LATEST, Target};
use crate::page::page;
use crate::service::{Context, Lambda};
use crate::{Failure, caps};
use api::{ListEventSourceMappingsRequest, ListEventSourceMappingsResponse};
use millstream_api_lambda as api;
use millstream_control::Mapping;
use millstream_types::Home;

impl Handle for api::ListEventSourceMappings {
    async fn handle(
        lambda: &Lambda,
        input: ListEventSourceMappingsRequest,
        _context: Context<'_>,
    ) -> Result<ListEventSourceMappingsResponse, Failure> {
        let state = lambda.control().state();
        let function = input.function_name.as_deref();
        let function = function.map(|text| Target::parse(lambda.home(), text)).transpose()?;
        let source = input.event_source_arn.as_deref();
        let mappings = state
            .mappings
            .iter()
            .filter(|(_, mapping)| {
                lambda.is_here(mapping)
                    && source.is_none_or(|arn| mapping.source.arn() == arn)
                    && function.as_ref().is_none_or(|wanted| is_of(mapping, wanted, lambda.home()))
            })
            .map(|(uuid, mapping)| (uuid.clone(), mapping.clone()));
        let (mappings, next_marker) =
            page(mappings, input.marker.as_deref(), input.max_items, caps::MAPPING_PAGE)?;
        Ok(ListEventSourceMappingsResponse {
            event_source_mappings: Some(
                mappings.iter().map(|mapping| lambda.show_mapping(mapping)).collect(),
            ),
            next_marker,
        })
    }
}

/// A function means all mappings to it, a version or an alias those to that.
fn is_of(mapping: &Mapping, wanted: &Target, home: &Home) -> bool {
    mapping.settings.function == home.key(&wanted.name)
        && wanted.qualifier.as_deref().is_none_or(|qualifier| {
            let named = mapping.settings.function_arn.split(':').nth(7).unwrap_or(LATEST);
            named == qualifier
        })
}
