use super::Handle;
use crate::Failure;
use crate::names::Target;
use crate::policy::{Conditions, Statement, principal};
use crate::service::{Context, Lambda};
use api::{AddPermissionRequest, AddPermissionResponse, FunctionUrlAuthType};
use millstream_api_lambda as api;

impl Handle for api::AddPermission {
    async fn handle(
        lambda: &Lambda,
        input: AddPermissionRequest,
        _context: Context<'_>,
    ) -> Result<AddPermissionResponse, Failure> {
        let target = Target::parse(lambda.home(), &input.function_name)?;
        let target = target.with_qualifier(input.qualifier.as_deref())?;
        let statement = statement(&input)?;
        let expected = input.revision_id.as_deref();
        let change = lambda.change_policy(
            |state| lambda.governed_function(&target, state),
            expected,
            |governed| {
                governed.with(&Statement { resource: Some(governed.arn.clone().into()), ..statement.clone() })
            },
        );
        let (statement, _revision) = change.await?;
        Ok(AddPermissionResponse { statement: Some(statement) })
    }
}

/// The statement without its resource.
fn statement(input: &AddPermissionRequest) -> Result<Statement, Failure> {
    let auth_type = input.function_url_auth_type.as_ref();
    if auth_type.is_some() && input.action != "lambda:InvokeFunctionUrl" {
        return Err(Failure::invalid(
            "FunctionUrlAuthType is only supported for lambda:InvokeFunctionUrl action",
        ));
    }
    let via_url = input.invoked_via_function_url;
    if via_url.is_some() && input.action != "lambda:InvokeFunction" {
        return Err(Failure::invalid(
            "InvokedViaFunctionUrl is only supported for lambda:InvokeFunction action",
        ));
    }
    let mut conditions = Conditions::default();
    conditions.add("StringEquals", "AWS:SourceAccount", input.source_account.as_deref());
    conditions.add("ArnLike", "AWS:SourceArn", input.source_arn.as_deref());
    conditions.add("StringEquals", "lambda:EventSourceToken", input.event_source_token.as_deref());
    conditions.add("StringEquals", "aws:PrincipalOrgID", input.principal_org_id.as_deref());
    let auth_type = auth_type.map(FunctionUrlAuthType::as_str);
    conditions.add("StringEquals", "lambda:FunctionUrlAuthType", auth_type);
    let via_url = via_url.map(|via| if via { "true" } else { "false" });
    conditions.add("Bool", "lambda:InvokedViaFunctionUrl", via_url);
    Ok(Statement {
        sid: Some(input.statement_id.clone()),
        effect: "Allow".to_owned(),
        principal: Some(principal(&input.principal)?),
        action: Some(input.action.clone().into()),
        condition: conditions.value(),
        ..Statement::default()
    })
}
