use super::Handle;
use crate::Failure;
use crate::policy::{Conditions, Statement, principal};
use crate::service::{Context, Lambda};
use api::{AddLayerVersionPermissionRequest, AddLayerVersionPermissionResponse};
use millstream_api_lambda as api;

impl Handle for api::AddLayerVersionPermission {
    async fn handle(
        lambda: &Lambda,
        input: AddLayerVersionPermissionRequest,
        _context: Context<'_>,
    ) -> Result<AddLayerVersionPermissionResponse, Failure> {
        let mut conditions = Conditions::default();
        conditions.add("StringEquals", "aws:PrincipalOrgID", input.organization_id.as_deref());
        let statement = Statement {
            sid: Some(input.statement_id.clone()),
            effect: "Allow".to_owned(),
            principal: Some(principal(&input.principal)?),
            action: Some(input.action.clone().into()),
            condition: conditions.value(),
            ..Statement::default()
        };
        let change = lambda.change_policy(
            |state| lambda.governed_layer(&input.layer_name, input.version_number, state),
            input.revision_id.as_deref(),
            |governed| {
                governed.with(&Statement { resource: Some(governed.arn.clone().into()), ..statement.clone() })
            },
        );
        let (statement, revision_id) = change.await?;
        Ok(AddLayerVersionPermissionResponse { statement: Some(statement), revision_id: Some(revision_id) })
    }
}
