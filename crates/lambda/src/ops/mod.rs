//! The operations, one a file.

mod create_alias;
mod create_event_source_mapping;
mod create_function;
mod delete_alias;
mod delete_event_source_mapping;
mod delete_function;
mod delete_function_concurrency;
mod delete_function_event_invoke_config;
mod delete_layer_version;
mod delete_provisioned_concurrency_config;
mod get_account_settings;
mod get_alias;
mod get_event_source_mapping;
mod get_function;
mod get_function_code_signing_config;
mod get_function_concurrency;
mod get_function_configuration;
mod get_function_event_invoke_config;
mod get_layer_version;
mod get_layer_version_by_arn;
mod get_provisioned_concurrency_config;
mod invoke;
mod invoke_async;
mod list_aliases;
mod list_event_source_mappings;
mod list_function_event_invoke_configs;
mod list_functions;
mod list_layer_versions;
mod list_layers;
mod list_provisioned_concurrency_configs;
mod list_tags;
mod list_versions_by_function;
mod publish_layer_version;
mod publish_version;
mod put_function_concurrency;
mod put_function_event_invoke_config;
mod put_provisioned_concurrency_config;
mod tag_resource;
mod untag_resource;
mod update_alias;
mod update_event_source_mapping;
mod update_function_code;
mod update_function_configuration;
mod update_function_event_invoke_config;

use crate::Failure;
use crate::service::{Context, Lambda};
use millstream_api_lambda::{self as api, ErrorCode, Operation};
use millstream_shapes::{
    ApiOperation, ErrorName, RestInput, RestOperation, RestRequest, RestResponse, check, respond,
};
use millstream_wire::json::RestJson;
use std::future::Future;

/// What an operation does with its decoded and checked input.
pub(crate) trait Handle: RestOperation {
    /// Checks that AWS makes before, or in other words than, the framework's.
    fn first(_input: &Self::Input) -> Result<(), Failure> {
        Ok(())
    }

    fn handle(
        lambda: &Lambda,
        input: Self::Input,
        context: Context<'_>,
    ) -> impl Future<Output = Result<Self::Output, Failure>> + Send;
}

async fn run<O: Handle>(
    lambda: &Lambda,
    request: &RestRequest<'_>,
    context: Context<'_>,
) -> Result<RestResponse, Failure> {
    let input = <O as ApiOperation>::Input::from_request(&RestJson, request)?;
    O::first(&input)?;
    check(&input)?;
    let output = O::handle(lambda, input, context).await?;
    Ok(respond::<O, _>(&RestJson, &output))
}

/// One arm for every operation of the model, so that a new one is a question to whoever updates the model.
macro_rules! operations {
    (built: $($built:ident),+; not_built: $($other:ident),+;) => {
        pub(crate) async fn dispatch(
            lambda: &Lambda,
            operation: Operation,
            request: &RestRequest<'_>,
            context: Context<'_>,
        ) -> Result<RestResponse, Failure> {
            match operation {
                $(Operation::$built => Box::pin(run::<api::$built>(lambda, request, context)).await,)+
                $(Operation::$other)|+ => Err(Failure::new(
                    ErrorCode::UNKNOWN_OPERATION,
                    format!("{} is not supported by this version of Millstream.", operation.name()),
                )),
            }
        }
    };
}

operations! {
    built:
        CreateEventSourceMapping, CreateFunction, DeleteEventSourceMapping, DeleteFunction, DeleteLayerVersion, GetEventSourceMapping,
        GetFunction, GetFunctionConfiguration, GetLayerVersion, GetLayerVersionByArn, Invoke, ListEventSourceMappings,
        ListFunctions, ListLayerVersions, ListLayers, ListTags, PublishLayerVersion, TagResource, UntagResource,
        UpdateEventSourceMapping,
        DeleteFunctionEventInvokeConfig, GetFunctionEventInvokeConfig, InvokeAsync, ListFunctionEventInvokeConfigs,
        PutFunctionEventInvokeConfig, UpdateFunctionEventInvokeConfig,
        DeleteProvisionedConcurrencyConfig, GetProvisionedConcurrencyConfig, ListProvisionedConcurrencyConfigs,
        PutProvisionedConcurrencyConfig,
        UpdateFunctionCode, UpdateFunctionConfiguration, CreateAlias, DeleteAlias, DeleteFunctionConcurrency, GetAccountSettings, GetAlias, GetFunctionCodeSigningConfig, GetFunctionConcurrency, ListAliases, ListVersionsByFunction, PublishVersion, PutFunctionConcurrency, UpdateAlias;
    not_built:
        AddLayerVersionPermission, AddPermission, CheckpointDurableExecution, CreateCapacityProvider,
        CreateCodeSigningConfig, CreateFunctionUrlConfig, DeleteCapacityProvider,
        DeleteCodeSigningConfig, DeleteDurableExecution, DeleteFunctionCodeSigningConfig, DeleteFunctionUrlConfig,
        DeleteResourcePolicy, GetCapacityProvider,
        GetCodeSigningConfig, GetDurableExecution, GetDurableExecutionHistory, GetDurableExecutionState,
        GetFunctionRecursionConfig, GetFunctionScalingConfig, GetFunctionUrlConfig, GetLayerVersionPolicy, GetPolicy,
        GetResourcePolicy, GetRuntimeManagementConfig,
        InvokeWithResponseStream, ListCapacityProviders, ListCodeSigningConfigs,
        ListDurableExecutionsByFunction, ListFunctionUrlConfigs,
        ListFunctionVersionsByCapacityProvider, ListFunctionsByCodeSigningConfig,
        PauseDurableExecution, PutFunctionCodeSigningConfig,
        PutFunctionRecursionConfig, PutFunctionScalingConfig,
        PutResourcePolicy, PutRuntimeManagementConfig, RemoveLayerVersionPermission,
        RemovePermission, ResumeDurableExecution, SendDurableExecutionCallbackFailure,
        SendDurableExecutionCallbackHeartbeat, SendDurableExecutionCallbackSuccess, StopDurableExecution,
        UpdateCapacityProvider, UpdateCodeSigningConfig,
        UpdateFunctionUrlConfig;
}
