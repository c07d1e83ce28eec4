use super::Handle;
use crate::Failure;
use crate::names::Target;
use crate::service::{Context, Lambda};
use api::{GetFunctionCodeSigningConfigRequest, GetFunctionCodeSigningConfigResponse};
use millstream_api_lambda as api;

impl Handle for api::GetFunctionCodeSigningConfig {
    /// No code is signed here, so that no function has a configuration. Terraform's AWS provider asks for it whenever it reads a
    /// function.
    async fn handle(
        lambda: &Lambda,
        input: GetFunctionCodeSigningConfigRequest,
        _context: Context<'_>,
    ) -> Result<GetFunctionCodeSigningConfigResponse, Failure> {
        let home = lambda.home();
        let target = Target::parse(home, &input.function_name)?;
        let function = target.unqualified().find(home, &lambda.control().state())?;
        Ok(GetFunctionCodeSigningConfigResponse {
            code_signing_config_arn: None,
            function_name: function.own_name().to_owned(),
        })
    }
}
