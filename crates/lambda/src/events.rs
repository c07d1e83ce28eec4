//! Asynchronous invocations: how events are taken, and what may be set for them.

use crate::configuration::small;
use crate::error::Failure;
use crate::names::{LATEST, Target};
use crate::service::Lambda;
use api::{ErrorCode, FunctionEventInvokeConfig};
use bytes::Bytes;
use millstream_api_lambda as api;
use millstream_control::{EventInvokeConfig, Function, State, StreamStatus};
use millstream_events::{NewEvent, Refused};
use millstream_types::Arn;

/// What `PutFunctionEventInvokeConfig` and `UpdateFunctionEventInvokeConfig` ask for.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) max_retries: Option<i32>,
    pub(crate) max_age_secs: Option<i32>,
    pub(crate) destinations: Option<&'a api::DestinationConfig>,
}

/// Where records may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Success,
    Failure,
}

/// Why a destination cannot be one.
enum Unfit {
    /// Whatever is set beside it.
    Destination(Failure),
    /// In AWS's words for the whole of the configuration.
    Config,
}

impl Lambda {
    /// Take an event for a function that was found. It is durable then.
    pub(crate) async fn take_event(
        &self,
        function: &Function,
        qualifier: Option<String>,
        payload: Bytes,
        request_id: &str,
        trace_id: Option<String>,
    ) -> Result<(), Failure> {
        let event = NewEvent {
            request_id: request_id.to_owned(),
            function: function.name.clone(),
            arn: function.arn.clone(),
            qualifier,
            payload,
            trace_id,
        };
        self.events().accept(event).await.map_err(|error| refused(&error))
    }

    /// The function of a request about event invoke configurations, and the qualifier that is meant.
    pub(crate) fn event_target(&self, name: &str, qualifier: Option<&str>) -> Result<Target, Failure> {
        let mut target = Target::parse(self.home(), name)?.with_qualifier(qualifier)?;
        target.qualifier.get_or_insert_with(|| LATEST.to_owned());
        Ok(target)
    }

    /// AWS's words for a function without an event invoke configuration, or no function.
    pub(crate) fn no_event_config(&self, target: &Target) -> Failure {
        crate::error::no_event_config(self.home(), &target.name, qualifier_of(target))
    }

    /// Both destinations must be ones that can be told.
    pub(crate) fn check_destinations(
        &self,
        state: &State,
        function: &Function,
        destinations: &api::DestinationConfig,
    ) -> Result<(), Failure> {
        let (success, failure) = (on_success(destinations), on_failure(destinations));
        for (arn, end) in [(failure, End::Failure), (success, End::Success)] {
            let Some(arn) = arn.filter(|arn| !arn.is_empty()) else { continue };
            match self.check_destination(state, function, arn, end) {
                Ok(()) => {}
                Err(Unfit::Destination(why)) => return Err(why),
                Err(Unfit::Config) => {
                    let shown = |name: &str, arn: Option<&str>| {
                        arn.map_or_else(|| "null".to_owned(), |arn| format!("{name}(destination={arn})"))
                    };
                    return Err(Failure::invalid(format!(
                        "The provided destination config DestinationConfig(onSuccess={}, onFailure={}) is invalid.",
                        shown("OnSuccess", success),
                        shown("OnFailure", failure)
                    )));
                }
            }
        }
        Ok(())
    }

    fn check_destination(&self, state: &State, of: &Function, arn: &str, end: End) -> Result<(), Unfit> {
        let unfit = |words: String| Unfit::Destination(Failure::invalid(words));
        let invalid = || unfit(format!("The destination ARN {arn} is invalid."));
        let fifo = is_fifo(arn);
        // Not parsed whole: a bucket's names no region and no account.
        match arn.split(':').nth(2).unwrap_or_default() {
            "lambda" => {
                let parsed: Arn = arn.parse().map_err(|_other| invalid())?;
                let (name, qualifier) = function_resource(&parsed).ok_or_else(invalid)?;
                let key = self.home().beside(&parsed.region, &parsed.account).key(name);
                let target = state.functions.get(&key).ok_or_else(invalid)?;
                if target.name == of.name {
                    return Err(unfit("You can't specify the function as a destination for itself.".into()));
                }
                let known = qualifier.is_none_or(|qualifier| target.published.has_qualifier(qualifier));
                return if known { Ok(()) } else { Err(invalid()) };
            }
            // A stream of this server: our own addition.
            "kinesis" => {
                let found = state.streams.values().find(|stream| stream.arn == arn);
                let there = found.is_some_and(|stream| stream.status != StreamStatus::Deleting);
                return if there { Ok(()) } else { Err(unfit(format!("Stream not found: {arn}"))) };
            }
            "sqs" if fifo => return Err(invalid()),
            "sns" if fifo => {
                return Err(unfit("FIFO-type Amazon SNS topics aren't supported as a destination.".into()));
            }
            "s3" if end == End::Success => return Err(Unfit::Config),
            "events" if !arn.contains(":event-bus/") => return Err(invalid()),
            "sqs" | "sns" | "s3" | "events" => {}
            _ => return Err(Unfit::Config),
        }
        self.mappings().destinations().check(arn).map_err(unfit)
    }

    /// The target of a dead-letter configuration: a queue or a topic. Empty for none.
    pub(crate) fn dead_letter(&self, config: &api::DeadLetterConfig) -> Result<String, Failure> {
        let arn = config.target_arn.as_deref().unwrap_or_default();
        if arn.is_empty() {
            return Ok(String::new());
        }
        let invalid = |why: &str| Failure::invalid(format!("Invalid dead letter queue ARN: {why}"));
        let parsed = arn.parse::<Arn>().ok().filter(|arn| matches!(arn.service.as_str(), "sqs" | "sns"));
        let parsed =
            parsed.ok_or_else(|| invalid("Only Amazon SQS queues and Amazon SNS topics are supported."))?;
        if is_fifo(arn) {
            let kind = if parsed.service == "sqs" { "SQS queue" } else { "SNS topic" };
            return Err(invalid(&format!("FIFO {kind} is not supported for dead letter configuration")));
        }
        self.mappings().destinations().check(arn).map_err(Failure::invalid)?;
        Ok(arn.to_owned())
    }
}

impl Asked<'_> {
    /// Recorded on AWS: asked before anything else.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        if self.max_retries.is_none() && self.max_age_secs.is_none() && self.destinations.is_none() {
            return Err(Failure::invalid(
                "You must specify at least one of error handling or destination setting.",
            ));
        }
        Ok(())
    }

    /// The model has checked the bounds.
    pub(crate) fn retries(&self) -> Option<u32> {
        self.max_retries.and_then(|retries| u32::try_from(retries).ok())
    }

    pub(crate) fn age_secs(&self) -> Option<u32> {
        self.max_age_secs.and_then(|secs| u32::try_from(secs).ok())
    }

    /// Where records are to go, empty for nowhere; `None` where nothing was said.
    pub(crate) fn on_success(&self) -> Option<String> {
        self.destinations.and_then(on_success).map(str::to_owned)
    }

    pub(crate) fn on_failure(&self) -> Option<String> {
        self.destinations.and_then(on_failure).map(str::to_owned)
    }
}

fn on_success(destinations: &api::DestinationConfig) -> Option<&str> {
    destinations.on_success.as_ref().and_then(|end| end.destination.as_deref())
}

fn on_failure(destinations: &api::DestinationConfig) -> Option<&str> {
    destinations.on_failure.as_ref().and_then(|end| end.destination.as_deref())
}

/// Whether a queue or topic keeps order: its name says so.
fn is_fifo(arn: &str) -> bool {
    arn.rsplit_once('.').is_some_and(|(_, kind)| kind == "fifo")
}

/// Name and qualifier in `function:NAME[:QUALIFIER]`.
fn function_resource(arn: &Arn) -> Option<(&str, Option<&str>)> {
    let rest = arn.resource.strip_prefix("function:")?;
    Some(rest.split_once(':').map_or((rest, None), |(name, qualifier)| (name, Some(qualifier))))
}

pub(crate) fn qualifier_of(target: &Target) -> &str {
    target.qualifier.as_deref().unwrap_or(LATEST)
}

/// AWS's words for a function or qualifier of which a configuration is to be set.
pub(crate) fn no_function() -> Failure {
    crate::error::not_found("The function doesn't exist.".to_owned())
}

/// How the API shows it.
pub(crate) fn show(
    function_arn: &str,
    qualifier: &str,
    config: &EventInvokeConfig,
) -> FunctionEventInvokeConfig {
    let destinations = api::DestinationConfig {
        on_success: Some(api::OnSuccess { destination: config.on_success.clone() }),
        on_failure: Some(api::OnFailure { destination: config.on_failure.clone() }),
    };
    FunctionEventInvokeConfig {
        last_modified: Some(config.modified),
        function_arn: Some(format!("{function_arn}:{qualifier}")),
        maximum_retry_attempts: config.max_retries.map(small),
        maximum_event_age_in_seconds: config.max_age_secs.map(small),
        destination_config: Some(destinations),
    }
}

fn refused(refused: &Refused) -> Failure {
    let too_many = |reason| {
        let mut failure = Failure::new(ErrorCode::TooManyRequestsException, "Rate Exceeded.");
        failure.error = failure.error.with("Reason", reason);
        failure
    };
    match refused {
        Refused::FunctionFull => too_many("FunctionInvocationRateLimitExceeded"),
        Refused::ServerFull => too_many("CallerRateLimitExceeded"),
        Refused::NotDone(_) => Failure::service(
            "The server could not write the event down. The function will not be invoked. Try again.",
            refused,
        ),
        Refused::Unknown(_) => Failure::service(
            "The server stopped writing before it knew whether the event was kept. The function may be invoked.",
            refused,
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millstream_shapes::ErrorName;

    #[test]
    fn a_full_queue_is_too_many_requests() {
        for (why, reason) in [
            (Refused::FunctionFull, "FunctionInvocationRateLimitExceeded"),
            (Refused::ServerFull, "CallerRateLimitExceeded"),
        ] {
            let failure = refused(&why);
            assert_eq!((failure.error.code.status(), failure.internal), (429, None));
            assert_eq!(failure.error.extra, [("Reason", reason.to_owned())]);
        }
        let unknown = refused(&Refused::Unknown("EIO".into()));
        assert_eq!(unknown.error.code.status(), 500);
        assert!(unknown.error.message.contains("may be invoked") && unknown.internal.is_some());
        assert!(refused(&Refused::NotDone("full".into())).error.message.contains("will not be invoked"));
    }
}
