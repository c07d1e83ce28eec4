use super::Handle;
use crate::names::{LATEST, Target};
use crate::service::{Context, Lambda};
use crate::{Failure, error};
use api::{DeleteFunctionRequest, DeleteFunctionResponse};
use millstream_api_lambda as api;
use millstream_control::{DeleteFunction, DeleteFunctionVersion};

impl Handle for api::DeleteFunction {
    async fn handle(
        lambda: &Lambda,
        input: DeleteFunctionRequest,
        _context: Context<'_>,
    ) -> Result<DeleteFunctionResponse, Failure> {
        let home = lambda.home();
        let mut target =
            Target::parse(home, &input.function_name)?.with_qualifier(input.qualifier.as_deref())?;
        let version = target.qualifier.take();
        let function = target.find(home, &lambda.control().state())?;
        match version.as_deref() {
            None => {
                let command = DeleteFunction { name: function.name.clone() };
                lambda.control().submit(command).await.map_err(|error| error::submit(home, error))?;
            }
            Some(LATEST) => {
                return Err(Failure::invalid(
                    "$LATEST version cannot be deleted without deleting the function.",
                ));
            }
            Some(alias) if function.published.aliases.contains_key(alias) => {
                return Err(Failure::invalid("Deletion of aliases is not currently supported."));
            }
            Some(version) => {
                // Deleting a version that is not there succeeds on AWS too.
                if let Ok(number) = version.parse()
                    && function.published.versions.contains_key(&number)
                {
                    let command = DeleteFunctionVersion { name: function.name.clone(), version: number };
                    lambda.control().submit(command).await.map_err(|error| error::submit(home, error))?;
                }
            }
        }
        // Recorded on the wire, whatever the model says.
        Ok(DeleteFunctionResponse { status_code: Some(204) })
    }
}
