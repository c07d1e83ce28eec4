use super::Handle;
use crate::Failure;
use crate::configuration::signed;
use crate::service::{Context, Lambda};
use api::{AccountLimit, AccountUsage, GetAccountSettingsRequest, GetAccountSettingsResponse};
use millstream_api_lambda as api;

/// AWS's quotas (Developer Guide, "Lambda quotas").
const TOTAL_CODE_BYTES: i64 = 75 << 30;
const UNZIPPED_BYTES: i64 = 250 << 20;
const ZIPPED_BYTES: i64 = 50 << 20;

impl Handle for api::GetAccountSettings {
    async fn handle(
        lambda: &Lambda,
        _input: GetAccountSettingsRequest,
        _context: Context<'_>,
    ) -> Result<GetAccountSettingsResponse, Failure> {
        let state = lambda.control().state();
        let here = || state.functions.values().filter(|function| lambda.home().has(&function.name));
        let code: u64 = here()
            .map(|function| {
                let versions = function.published.versions.values();
                function.code.size + versions.map(|version| version.code.size).sum::<u64>()
            })
            .sum();
        let limit = i32::try_from(lambda.functions().workers().limit).unwrap_or(i32::MAX);
        // All accounts and regions of the server share its workers.
        let taken = i32::try_from(state.taken_concurrency()).unwrap_or(i32::MAX);
        let unreserved = limit.saturating_sub(taken).max(0);
        Ok(GetAccountSettingsResponse {
            account_limit: Some(AccountLimit {
                total_code_size: Some(TOTAL_CODE_BYTES),
                code_size_unzipped: Some(UNZIPPED_BYTES),
                code_size_zipped: Some(ZIPPED_BYTES),
                concurrent_executions: Some(limit),
                unreserved_concurrent_executions: Some(unreserved),
            }),
            account_usage: Some(AccountUsage {
                total_code_size: Some(signed(code)),
                function_count: Some(signed(here().count() as u64)),
            }),
        })
    }
}
