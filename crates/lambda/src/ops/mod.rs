//! The operations, one a file.

mod add_layer_version_permission;
mod add_permission;
mod create_alias;
mod create_event_source_mapping;
mod create_function;
mod create_function_url_config;
mod delete_alias;
mod delete_event_source_mapping;
mod delete_function;
mod delete_function_concurrency;
mod delete_function_event_invoke_config;
mod delete_function_url_config;
mod delete_layer_version;
mod delete_provisioned_concurrency_config;
mod delete_resource_policy;
mod get_account_settings;
mod get_alias;
mod get_event_source_mapping;
mod get_function;
mod get_function_code_signing_config;
mod get_function_concurrency;
mod get_function_configuration;
mod get_function_event_invoke_config;
mod get_function_url_config;
mod get_layer_version;
mod get_layer_version_by_arn;
mod get_layer_version_policy;
mod get_policy;
mod get_provisioned_concurrency_config;
mod get_resource_policy;
mod invoke;
mod invoke_async;
mod invoke_with_response_stream;
mod list_aliases;
mod list_event_source_mappings;
mod list_function_event_invoke_configs;
mod list_function_url_configs;
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
mod put_resource_policy;
mod remove_layer_version_permission;
mod remove_permission;
mod tag_resource;
mod untag_resource;
mod update_alias;
mod update_event_source_mapping;
mod update_function_code;
mod update_function_configuration;
mod update_function_event_invoke_config;
mod update_function_url_config;

use crate::Failure;
use crate::service::{Context, Lambda, Reply};
use millstream_api_lambda::{self as api, ErrorCode, Operation};
use millstream_shapes::{ApiOperation, ErrorName, RestInput, RestOperation, RestRequest, check, respond};
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
) -> Result<Reply, Failure> {
    let input = <O as ApiOperation>::Input::from_request(&RestJson, request)?;
    O::first(&input)?;
    check(&input)?;
    let output = O::handle(lambda, input, context).await?;
    Ok(respond::<O, _>(&RestJson, &output).into())
}

/// One arm for every operation of the model, so that a new one is a question to whoever updates the model.
macro_rules! operations {
    (built: $($built:ident),+; streams: $($streams:ident in $module:ident),+; not_built: $($other:ident),+;) => {
        pub(crate) async fn dispatch(
            lambda: &Lambda,
            operation: Operation,
            request: &RestRequest<'_>,
            context: Context<'_>,
        ) -> Result<Reply, Failure> {
            match operation {
                $(Operation::$built => Box::pin(run::<api::$built>(lambda, request, context)).await,)+
                $(Operation::$streams => Box::pin($module::run(lambda, request, context)).await,)+
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
        AddLayerVersionPermission, AddPermission, DeleteResourcePolicy, GetLayerVersionPolicy, GetPolicy, GetResourcePolicy,
        PutResourcePolicy, RemoveLayerVersionPermission, RemovePermission,
        CreateFunctionUrlConfig, DeleteFunctionUrlConfig, GetFunctionUrlConfig, ListFunctionUrlConfigs, UpdateFunctionUrlConfig,
        DeleteProvisionedConcurrencyConfig, GetProvisionedConcurrencyConfig, ListProvisionedConcurrencyConfigs,
        PutProvisionedConcurrencyConfig,
        UpdateFunctionCode, UpdateFunctionConfiguration, CreateAlias, DeleteAlias, DeleteFunctionConcurrency, GetAccountSettings, GetAlias, GetFunctionCodeSigningConfig, GetFunctionConcurrency, ListAliases, ListVersionsByFunction, PublishVersion, PutFunctionConcurrency, UpdateAlias;
    streams:
        InvokeWithResponseStream in invoke_with_response_stream;
    not_built:
        CheckpointDurableExecution, CreateCapacityProvider,
        CreateCodeSigningConfig, DeleteCapacityProvider,
        DeleteCodeSigningConfig, DeleteDurableExecution, DeleteFunctionCodeSigningConfig,
        GetCapacityProvider,
        GetCodeSigningConfig, GetDurableExecution, GetDurableExecutionHistory, GetDurableExecutionState,
        GetFunctionRecursionConfig, GetFunctionScalingConfig, GetRuntimeManagementConfig,
        ListCapacityProviders, ListCodeSigningConfigs,
        ListDurableExecutionsByFunction,
        ListFunctionVersionsByCapacityProvider, ListFunctionsByCodeSigningConfig,
        PauseDurableExecution, PutFunctionCodeSigningConfig,
        PutFunctionRecursionConfig, PutFunctionScalingConfig,
        PutRuntimeManagementConfig, ResumeDurableExecution, SendDurableExecutionCallbackFailure,
        SendDurableExecutionCallbackHeartbeat, SendDurableExecutionCallbackSuccess, StopDurableExecution,
        UpdateCapacityProvider, UpdateCodeSigningConfig;
}
