//! What a mapping may ask of delivery: which records, how many at once, how often, and what then.

use crate::service::Lambda;
use crate::{Failure, caps};
use millstream_api_lambda as api;
use millstream_control::{DeliverySettings, State, StreamStatus};
use millstream_mapping::check_filters;

/// Members that creating and changing a mapping have in common. What is left out stays as it is.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) parallelization_factor: Option<i32>,
    pub(crate) bisect: Option<bool>,
    pub(crate) retry_attempts: Option<i32>,
    pub(crate) record_age: Option<i32>,
    pub(crate) tumbling_window: Option<i32>,
    pub(crate) response_types: Option<&'a [api::FunctionResponseType]>,
    pub(crate) filter_criteria: Option<&'a api::FilterCriteria>,
    pub(crate) destinations: Option<&'a api::DestinationConfig>,
    pub(crate) metrics: Option<&'a api::EventSourceMappingMetricsConfig>,
    pub(crate) kms_key_arn: Option<&'a str>,
    /// What is not for Kinesis or not built: whether it was asked for, and its name.
    pub(crate) others: &'a [(bool, &'static str)],
}

/// Lambda's -1 is no limit.
fn limit(value: i32) -> Option<u32> {
    u32::try_from(value).ok()
}

impl Asked<'_> {
    /// Change `delivery` as asked.
    pub(crate) fn apply(
        &self,
        lambda: &Lambda,
        state: &State,
        source_arn: &str,
        delivery: &mut DeliverySettings,
    ) -> Result<(), Failure> {
        let encrypted = self.kms_key_arn.is_some_and(|arn| !arn.is_empty());
        let others = self.others.iter().copied();
        Failure::unless_built([(encrypted, "KMSKeyArn")].into_iter().chain(others))?;
        self.apply_numbers(delivery)?;
        if let Some(types) = self.response_types {
            delivery.report_failures = !types.is_empty();
        }
        if let Some(criteria) = self.filter_criteria {
            delivery.filters = filters(criteria)?;
        }
        if let Some(destinations) = self.destinations {
            delivery.on_failure = on_failure(lambda, state, destinations)?;
            let own = delivery.on_failure.as_deref().and_then(|arn| source_arn.strip_prefix(arn));
            if own.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
                return Err(Failure::invalid(
                    "The failures of a stream's mapping cannot go to the same stream: they would come back to it.",
                ));
            }
        }
        if let Some(metrics) = self.metrics {
            delivery.count_events = count_events(metrics)?;
        }
        if delivery.tumbling_secs > 0 && delivery.parallelization > 1 {
            return Err(Failure::invalid(
                "A ParallelizationFactor other than 1 is not supported with TumblingWindowInSeconds.",
            ));
        }
        Ok(())
    }

    fn apply_numbers(&self, delivery: &mut DeliverySettings) -> Result<(), Failure> {
        if let Some(factor) = self.parallelization_factor.and_then(limit) {
            delivery.parallelization = factor;
        }
        if let Some(bisect) = self.bisect {
            delivery.bisect = bisect;
        }
        if let Some(attempts) = self.retry_attempts {
            delivery.max_retries = limit(attempts);
        }
        match self.record_age {
            None => {}
            Some(age @ 0..60) => {
                return Err(Failure::constraint(
                    &age.to_string(),
                    "maximumRecordAgeInSeconds",
                    "Member must be -1, or have value greater than or equal to 60",
                ));
            }
            Some(age) => delivery.max_age_secs = limit(age),
        }
        if let Some(secs) = self.tumbling_window.and_then(limit) {
            delivery.tumbling_secs = secs;
        }
        Ok(())
    }
}

fn filters(criteria: &api::FilterCriteria) -> Result<Vec<String>, Failure> {
    let asked = criteria.filters.as_deref().unwrap_or_default();
    if asked.len() > caps::FILTERS {
        return Err(Failure::invalid(format!(
            "The filter criteria has {} filters; an event source mapping has at most {}.",
            asked.len(),
            caps::FILTERS
        )));
    }
    let patterns: Option<Vec<String>> = asked.iter().map(|filter| filter.pattern.clone()).collect();
    let invalid = |why: &str| {
        // AWS's words do not say what is wrong with it.
        tracing::debug!(why, "a filter pattern was refused");
        Failure::invalid("Invalid filter pattern definition.")
    };
    let patterns = patterns.ok_or_else(|| invalid("no pattern"))?;
    check_filters(&patterns).map_err(|why| invalid(&why))?;
    Ok(patterns)
}

fn on_failure(
    lambda: &Lambda,
    state: &State,
    destinations: &api::DestinationConfig,
) -> Result<Option<String>, Failure> {
    if destinations.on_success.is_some() {
        return Err(Failure::invalid(
            "Unsupported DestinationConfig parameter for given event source mapping type.",
        ));
    }
    let arn = destinations.on_failure.as_ref().and_then(|on_failure| on_failure.destination.as_deref());
    let Some(arn) = arn.filter(|arn| !arn.is_empty()) else { return Ok(None) };
    let invalid = || {
        Failure::invalid(format!(
            "The provided destination config DestinationConfig(onSuccess=null, \
             onFailure=OnFailure(destination={arn})) is invalid."
        ))
    };
    match arn.split(':').nth(2) {
        // A stream of this server: our own addition.
        Some("kinesis") => {
            let found = state.streams.values().find(|stream| stream.arn == arn);
            let there = found.is_some_and(|stream| stream.status != StreamStatus::Deleting);
            if !there {
                return Err(Failure::invalid(format!("Stream not found: {arn}")));
            }
        }
        // Standard queues only, as on AWS.
        Some("sqs") if arn.rsplit_once('.').is_some_and(|(_, kind)| kind == "fifo") => return Err(invalid()),
        Some("sqs" | "sns" | "s3") => {
            lambda.mappings().destinations().check(arn).map_err(Failure::invalid)?;
        }
        _ => return Err(invalid()),
    }
    Ok(Some(arn.to_owned()))
}

fn count_events(metrics: &api::EventSourceMappingMetricsConfig) -> Result<bool, Failure> {
    let asked = metrics.metrics.as_deref().unwrap_or_default();
    match asked.iter().find(|metric| **metric != api::EventSourceMappingMetric::EventCount) {
        None => Ok(!asked.is_empty()),
        Some(other) => Err(Failure::invalid(format!(
            "The metric {} is not supported for Kinesis event sources.",
            other.as_str()
        ))),
    }
}

/// How the API shows them.
pub(crate) fn show(delivery: &DeliverySettings, shown: &mut api::EventSourceMappingConfiguration) {
    let number = |value: u32| Some(i32::try_from(value).unwrap_or(i32::MAX));
    let limited = |value: Option<u32>| value.map_or(Some(-1), number);
    shown.parallelization_factor = number(delivery.parallelization);
    shown.maximum_retry_attempts = limited(delivery.max_retries);
    shown.maximum_record_age_in_seconds = limited(delivery.max_age_secs);
    shown.bisect_batch_on_function_error = Some(delivery.bisect);
    shown.tumbling_window_in_seconds = number(delivery.tumbling_secs);
    let reports = delivery.report_failures.then_some(api::FunctionResponseType::ReportBatchItemFailures);
    shown.function_response_types = Some(reports.into_iter().collect());
    shown.destination_config = Some(api::DestinationConfig {
        on_failure: Some(api::OnFailure { destination: delivery.on_failure.clone() }),
        ..Default::default()
    });
    shown.filter_criteria = (!delivery.filters.is_empty()).then(|| {
        let filter = |pattern: &String| api::Filter { pattern: Some(pattern.clone()) };
        api::FilterCriteria { filters: Some(delivery.filters.iter().map(filter).collect()) }
    });
    shown.metrics_config = delivery.count_events.then(|| api::EventSourceMappingMetricsConfig {
        metrics: Some(vec![api::EventSourceMappingMetric::EventCount]),
    });
}
