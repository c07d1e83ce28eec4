//! From what went wrong to what a client is told.

use millstream_api_lambda::{Error, ErrorCode};
use millstream_control::{ConcurrencyRefusal, Function, FunctionStatus, Refusal};
use millstream_control_node::SubmitError;
use millstream_functions::{BROKEN_ZIP_MESSAGE, BadZip, CodeError, InvokeError};
use millstream_log::Outcome;
use millstream_mapping::SpecError;
use millstream_shapes::{DecodeError, ErrorName, Violations};
use millstream_types::Home;

/// An error for the client, and what the operator should read in the log besides.
#[derive(Clone, Debug)]
pub struct Failure {
    pub error: Error,
    /// The chain of causes, when the server itself is at fault. To be logged once, by the front.
    pub internal: Option<String>,
}

impl Failure {
    /// What is below the API calls resources by their keys; clients know them by name.
    pub(crate) fn told_at(mut self, home: &Home) -> Self {
        if !home.is_own() {
            self.error.message = self.error.message.replace(home.key_prefix(), "");
        }
        self
    }

    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { error: Error::new(code, message), internal: None }
    }

    /// A request whose values AWS, or this version, does not take.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidParameterValueException, message)
    }

    /// In the words of the framework's own checks of one member.
    pub(crate) fn constraint(value: &str, member: &str, constraint: &str) -> Self {
        Self::new(
            ErrorCode::VALIDATION,
            format!(
                "1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: {constraint}"
            ),
        )
    }

    /// Something that Lambda has and this version does not.
    pub(crate) fn not_built(what: &str) -> Self {
        Self::invalid(format!("{what} is not supported by this version of Millstream. Leave it out."))
    }

    /// Refuse the first of what a request asks for and this version does not do.
    pub(crate) fn unless_built<'a>(asked: impl IntoIterator<Item = (bool, &'a str)>) -> Result<(), Self> {
        match asked.into_iter().find(|(asked, _)| *asked) {
            Some((_, what)) => Err(Self::not_built(what)),
            None => Ok(()),
        }
    }

    /// The server's own fault: the cause is for the log.
    pub(crate) fn service(message: impl Into<String>, cause: &dyn std::error::Error) -> Self {
        Self { internal: Some(chain(cause)), ..Self::new(ErrorCode::ServiceException, message) }
    }
}

impl From<DecodeError> for Failure {
    fn from(error: DecodeError) -> Self {
        Self { error: error.into(), internal: None }
    }
}

impl From<Violations> for Failure {
    fn from(violations: Violations) -> Self {
        Self { error: violations.into(), internal: None }
    }
}

/// A cause and its own causes, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let words = cause.to_string();
        if !text.ends_with(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        source = cause.source();
    }
    text
}

/// A control command that was not, or perhaps not, carried out.
pub(crate) fn submit(home: &Home, error: SubmitError) -> Failure {
    match error {
        SubmitError::Refused(refusal) => refused(home, refusal),
        SubmitError::Log(_) | SubmitError::Encoding(_) | SubmitError::Closed => {
            let message = match error.outcome() {
                Outcome::NotDone => {
                    "The server could not write the change down. Nothing was changed. Try again."
                }
                Outcome::Unknown => {
                    "The server stopped writing before it knew whether the change was kept. Look at the resource \
                     before you repeat the request."
                }
            };
            Failure::service(message, &error)
        }
    }
}

fn refused(home: &Home, refusal: Refusal) -> Failure {
    use ErrorCode as C;
    match refusal {
        Refusal::FunctionExists(name) => {
            Failure::new(C::ResourceConflictException, format!("Function already exist: {name}"))
        }
        Refusal::NoSuchFunction(name) => {
            not_found(format!("Function not found: {}", home.function_arn(&name)))
        }
        Refusal::RevisionMismatch { .. } => Failure::new(
            C::PreconditionFailedException,
            "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to \
             retrieve the latest Revision Id",
        ),
        Refusal::FunctionBusy(name) => {
            busy(&format!("An update is in progress for resource: {}", home.function_arn(&name)))
        }
        Refusal::FunctionPending(_) => busy("The function is currently in the following state: Pending"),
        Refusal::MappingExists { uuid, source_arn, function } => {
            mapping_exists(&uuid, &source_arn, &function)
        }
        Refusal::NoSuchVersion { function, version } => {
            not_found(format!("Function not found: {}:{version}", home.function_arn(&function)))
        }
        Refusal::VersionInUse { aliases, .. } => version_in_use(&aliases),
        Refusal::AliasExists { function, alias } => Failure::new(
            C::ResourceConflictException,
            format!("Alias already exists: {}:{alias}", home.function_arn(&function)),
        ),
        Refusal::NoSuchAlias { function, alias } => {
            not_found(format!("Alias not found: {}:{alias}", home.function_arn(&function)))
        }
        Refusal::NoEventInvokeConfig { function, qualifier } => no_event_config(home, &function, &qualifier),
        Refusal::NoSuchLayerVersion { layer, version } => not_found(format!(
            "Layer version {}:{version} does not exist.",
            home.arn("lambda", format_args!("layer:{layer}"))
        )),
        // Of policies: read anew and tried again by whoever submits the change; this is for one that changes all the time.
        Refusal::PolicyChanged => policy_changed("GetPolicy"),
        Refusal::UrlExists { function, alias } => url_exists(&home.function_arn(&function), &alias),
        Refusal::Concurrency(refusal) => concurrency(&refusal),
        Refusal::NoSuchUrl { .. } | Refusal::NoSuchMapping(_) => no_such_resource(),
        Refusal::MappingBusy { .. } => mapping_in_use("update"),
        Refusal::Limit { what, limit } => Failure::invalid(format!(
            "This server holds at most {limit} {what}. Delete some that are not needed any more."
        )),
        Refusal::NoSuchStream(name) => {
            Failure::invalid(format!("Stream not found: {}", home.stream_arn(&name)))
        }
        // No command of this service asks for what these refuse.
        refusal @ (Refusal::StreamExists(_)
        | Refusal::StreamBusy { .. }
        | Refusal::ShardLimit { .. }
        | Refusal::TooManyTags { .. }
        | Refusal::OnDemand(_)
        | Refusal::StreamHasConsumers { .. }
        | Refusal::RetentionShorter { .. }
        | Refusal::RetentionLonger { .. }
        | Refusal::Reshard(_)
        | Refusal::StreamHasQueues { .. }
        | Refusal::QueueNeedsOnDemand(_)
        | Refusal::QueueExists(_)
        | Refusal::NoSuchQueue(_)
        | Refusal::QueueBusy { .. }
        | Refusal::ConsumerExists { .. }
        | Refusal::NoSuchConsumer { .. }) => {
            Failure::service("The server refused a change of its own. Nothing was changed.", &refusal)
        }
    }
}

fn url_exists(function_arn: &str, alias: &str) -> Failure {
    Failure::new(
        ErrorCode::ResourceConflictException,
        format!(
            "Failed to create function url config for [functionArn = {}]. Error message:  FunctionUrlConfig exists for \
             this Lambda function",
            qualified(function_arn, alias)
        ),
    )
}

fn mapping_exists(uuid: &str, source_arn: &str, function: &str) -> Failure {
    Failure::new(
        ErrorCode::ResourceConflictException,
        format!(
            "The event source arn (\" {source_arn} \") and function (\" {function} \") provided mapping already \
             exists. Please update or delete the existing mapping with UUID {uuid}"
        ),
    )
}

fn version_in_use(aliases: &[String]) -> Failure {
    Failure::new(
        ErrorCode::ResourceConflictException,
        format!(
            "Unable to delete version because the following aliases reference it: [{}]",
            aliases.join(", ")
        ),
    )
}

/// AWS's words for a policy that is not the one that the request was made for.
pub(crate) fn policy_changed(read_by: &str) -> Failure {
    Failure::new(
        ErrorCode::PreconditionFailedException,
        format!(
            "The Revision Id provided does not match the latest Revision Id. Call the {read_by} API to retrieve the \
             latest Revision Id"
        ),
    )
}

/// An ARN with its qualifier, if there is one.
pub(crate) fn qualified(arn: &str, qualifier: &str) -> String {
    if qualifier.is_empty() { arn.to_owned() } else { format!("{arn}:{qualifier}") }
}

/// AWS's words as LocalStack tells them, but for those of [`ConcurrencyRefusal::BelowProvisioned`].
fn concurrency(refusal: &ConcurrencyRefusal) -> Failure {
    let conflict = |words: &str| Failure::new(ErrorCode::ResourceConflictException, words);
    match refusal {
        ConcurrencyRefusal::TooFewUnreserved { floor, provisioned } => {
            let what = if *provisioned { "ConcurrentExecutions" } else { "ReservedConcurrentExecutions" };
            Failure::invalid(format!(
                "Specified {what} for function decreases account's UnreservedConcurrentExecution below its minimum value of \
                 [{floor}]."
            ))
        }
        ConcurrencyRefusal::BelowProvisioned { reserved, provisioned } => Failure::invalid(format!(
            "ReservedConcurrentExecutions {reserved} should not be lower than function's total provisioned concurrency \
             [{provisioned}]."
        )),
        ConcurrencyRefusal::AboveReserved { .. } => Failure::invalid(
            "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function",
        ),
        ConcurrencyRefusal::AboveUnreserved { unreserved } => Failure::invalid(format!(
            "Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [{unreserved}]."
        )),
        ConcurrencyRefusal::Unpublished => Failure::invalid(crate::provisioned::UNPUBLISHED),
        ConcurrencyRefusal::Weighted => {
            Failure::invalid("Alias with weights can not be used with Provisioned Concurrency")
        }
        ConcurrencyRefusal::VersionIsProvisioned => conflict(
            "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version",
        ),
        ConcurrencyRefusal::AliasIsProvisioned => {
            conflict("Version is pointed by a Provisioned Concurrency alias")
        }
    }
}

/// The function is in no state for this.
pub(crate) fn busy(why: &str) -> Failure {
    Failure::new(
        ErrorCode::ResourceConflictException,
        format!("The operation cannot be performed at this time. {why}"),
    )
}

/// Refuse to invoke what is not there yet, or could not be made.
pub(crate) fn check_active(function: &Function) -> Result<(), Failure> {
    match &function.status {
        FunctionStatus::Active => Ok(()),
        FunctionStatus::Pending => Err(busy("The function is currently in the following state: Pending")),
        FunctionStatus::Failed { .. } => {
            Err(busy("The function is currently in the following state: Failed"))
        }
    }
}

pub(crate) fn mapping_in_use(verb: &str) -> Failure {
    Failure::new(
        ErrorCode::ResourceInUseException,
        format!("Cannot {verb} the event source mapping because it is in use."),
    )
}

pub(crate) fn not_found(message: String) -> Failure {
    Failure::new(ErrorCode::ResourceNotFoundException, message)
}

/// AWS's words for a function, version or alias of which nothing is set for asynchronous invocations.
pub(crate) fn no_event_config(home: &Home, function: &str, qualifier: &str) -> Failure {
    let arn = home.function_arn(function);
    not_found(format!("The function {arn}:{qualifier} doesn't have an EventInvokeConfig"))
}

/// AWS's words for a version of a function that is not there.
pub(crate) fn no_version(function: &Function, version: &str) -> Failure {
    not_found(format!("Function not found: {}:{version}", function.arn))
}

/// AWS's words for a mapping or layer version that is not there.
pub(crate) fn no_such_resource() -> Failure {
    Failure::new(ErrorCode::ResourceNotFoundException, "The resource you requested does not exist.")
}

/// Uploaded code that cannot be kept.
pub(crate) fn upload(error: CodeError) -> Failure {
    match error {
        CodeError::BadZip(bad) => match &bad {
            BadZip::Unreadable { .. } | BadZip::UnsafePath { .. } => {
                // AWS's words do not say what is wrong with it.
                tracing::debug!(%bad, "an uploaded zip was refused");
                Failure::invalid(BROKEN_ZIP_MESSAGE)
            }
            BadZip::TooLarge { limit, .. } => {
                Failure::invalid(format!("Zipped size must be smaller than {limit} bytes"))
            }
            BadZip::UnzippedTooLarge { limit } => {
                Failure::invalid(format!("Unzipped size must be smaller than {limit} bytes"))
            }
            BadZip::TooManyEntries { .. } => Failure::invalid(format!("Unusable zip: {bad}.")),
        },
        error @ (CodeError::Missing { .. } | CodeError::Io { .. }) => {
            Failure::service("The server could not store the code. Nothing was changed.", &error)
        }
    }
}

/// Stored code that cannot be read.
pub(crate) fn stored_code(error: CodeError) -> Failure {
    match error {
        error @ CodeError::BadZip(_) => Failure {
            internal: Some(chain(&error)),
            ..Failure::new(
                ErrorCode::InvalidZipFileException,
                "Lambda could not unzip the deployment package.",
            )
        },
        error @ (CodeError::Missing { .. } | CodeError::Io { .. }) => {
            Failure::service("The server could not read the code that it stored.", &error)
        }
    }
}

/// A function that could not be run. One that ran and failed is an answer, not an error.
pub(crate) fn invoke(error: InvokeError) -> Failure {
    use ErrorCode as C;
    match error {
        InvokeError::Throttled { .. } | InvokeError::NoMemory | InvokeError::ElsewhereBusy { .. } => {
            let mut failure = Failure::new(C::TooManyRequestsException, "Rate Exceeded.");
            failure.error = failure.error.with("Reason", "ConcurrentInvocationLimitExceeded");
            failure
        }
        InvokeError::ReservedExhausted { .. } => {
            let mut failure = Failure::new(C::TooManyRequestsException, "Rate Exceeded.");
            failure.error = failure.error.with("Reason", "ReservedFunctionConcurrentInvocationLimitExceeded");
            failure
        }
        InvokeError::Component { .. } => Failure::new(C::InvalidRuntimeException, format!("{error}.")),
        InvokeError::ElsewhereFailed { .. } => Failure::service(format!("{error}."), &error),
        InvokeError::PayloadTooLarge { limit, .. } => payload_too_large(limit, "InvokeFunction"),
        InvokeError::RuntimeMissing(missing) => Failure::new(C::InvalidRuntimeException, missing.to_string()),
        InvokeError::Code(error) => stored_code(error),
        InvokeError::Isolation(unavailable) => Failure::service(unavailable.to_string(), &unavailable),
        InvokeError::Spawn { .. } => Failure::service(format!("The function was not run: {error}."), &error),
        InvokeError::ShuttingDown => {
            Failure::service("The server is shutting down. The function was not run.", &error)
        }
        InvokeError::Lost => {
            Failure::service("The server lost track of the invocation. The function may have run.", &error)
        }
    }
}

/// A payload above an operation's limit.
pub(crate) fn payload_too_large(limit: usize, operation: &str) -> Failure {
    Failure::new(
        ErrorCode::RequestEntityTooLargeException,
        format!("Request must be smaller than {limit} bytes for the {operation} operation"),
    )
}

/// A function in the control state that this version cannot run: it was made by another.
pub(crate) fn spec(error: SpecError) -> Failure {
    match error {
        error @ SpecError::Runtime { .. } => {
            Failure::new(ErrorCode::InvalidRuntimeException, format!("{error}."))
        }
        SpecError::NoSuchQualifier { function, qualifier } => {
            not_found(format!("Function not found: {function}:{qualifier}"))
        }
        error @ SpecError::Code { .. } => {
            Failure::service("The server could not read the code that it stored.", &error)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millstream_control::MappingState;
    use millstream_log::{AppendError, Refused};

    fn told(refusal: Refusal) -> (u16, &'static str, String) {
        let error = submit(&Home::default(), refusal.into()).error;
        (error.code.status(), error.code.name(), error.message)
    }

    #[test]
    fn refusals_read_as_on_aws() {
        assert_eq!(
            told(Refusal::FunctionPending("f".into())),
            (
                409,
                "ResourceConflictException",
                "The operation cannot be performed at this time. The function is currently in the following state: \
                 Pending"
                    .into()
            )
        );
        assert_eq!(
            told(Refusal::MappingBusy { uuid: "u".into(), state: MappingState::Creating }),
            (
                400,
                "ResourceInUseException",
                "Cannot update the event source mapping because it is in use.".into()
            )
        );
        assert_eq!(
            told(Refusal::NoSuchFunction("f".into())).2,
            "Function not found: arn:aws:lambda:us-east-1:000000000000:function:f"
        );
        assert_eq!(told(Refusal::Limit { what: "functions", limit: 3 }).0, 400);
    }

    #[test]
    fn only_what_is_known_is_claimed() {
        let home = Home::default();
        let not_done = submit(&home, AppendError::from(Refused::NoSpace).into());
        assert!(not_done.error.message.contains("Nothing was changed"), "{}", not_done.error.message);
        assert_eq!(not_done.internal, Some(Refused::NoSpace.to_string()));
        for error in [AppendError::Unknown("EIO".into()).into(), SubmitError::Closed] {
            let unknown = submit(&home, error);
            assert_eq!((unknown.error.code.status(), unknown.error.code.fault()), (500, true));
            assert!(!unknown.error.message.contains("Nothing was changed"), "{}", unknown.error.message);
            assert!(unknown.internal.is_some());
        }
    }

    #[test]
    fn throttling_says_which_limit() {
        let throttled = invoke(InvokeError::Throttled { limit: 2 });
        assert_eq!(throttled.error.code.status(), 429);
        assert_eq!(throttled.error.extra, [("Reason", "ConcurrentInvocationLimitExceeded".to_owned())]);
        assert_eq!(throttled.internal, None);
    }

    #[test]
    fn a_zip_that_leads_out_of_itself_reads_like_a_broken_one() {
        let bad = BadZip::UnsafePath { path: "../x".into() };
        let failure = upload(bad.into());
        assert_eq!(failure.error.message, BROKEN_ZIP_MESSAGE);
        assert_eq!(failure.internal, None);
        let large = upload(BadZip::UnzippedTooLarge { limit: 262_144_000 }.into());
        assert_eq!(large.error.message, "Unzipped size must be smaller than 262144000 bytes");
    }
}
