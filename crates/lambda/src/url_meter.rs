//! What is counted of function URLs, under CloudWatch's names for it (Developer Guide, "Monitoring Lambda function URLs").

use crate::caps;
use crate::service::Lambda;
use crate::url_call::UrlTarget;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The functions whose URLs were asked since the start. At most [`caps::METERED_URLS`]; further ones are not counted one by one.
#[derive(Debug, Default)]
pub(crate) struct UrlMeters(Mutex<BTreeMap<String, UrlCounts>>);

/// What was counted of the URLs of one function, those of its aliases together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct UrlCounts {
    pub(crate) requests: u64,
    /// Answers with a status from 400 to 499.
    pub(crate) client_errors: u64,
    /// Answers with a status from 500 on.
    pub(crate) server_errors: u64,
    /// From the request to the head of its answer, of all together.
    pub(crate) latency: Duration,
}

impl UrlMeters {
    fn count(&self, arn: &str, status: u16, took: Duration) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !all.contains_key(arn) {
            if all.len() >= caps::METERED_URLS {
                return;
            }
            all.insert(arn.to_owned(), UrlCounts::default());
        }
        let Some(counts) = all.get_mut(arn) else { return };
        counts.requests += 1;
        counts.client_errors += u64::from((400..500).contains(&status));
        counts.server_errors += u64::from(status >= 500);
        counts.latency = counts.latency.saturating_add(took);
    }

    /// Of each function in the order of their ARNs. Those that are not in `living` are forgotten.
    pub(crate) fn counts(&self, living: &BTreeSet<&str>) -> Vec<(String, UrlCounts)> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|arn, _| living.contains(arn.as_str()));
        all.iter().map(|(arn, counts)| (arn.clone(), *counts)).collect()
    }
}

impl Lambda {
    /// A request to a function URL was answered, whoever answered it.
    pub fn count_url(&self, target: &UrlTarget, status: u16, took: Duration) {
        self.url_meters().count(target.function_arn(), status, took);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_told_until_the_function_is_gone() {
        let meters = UrlMeters::default();
        for status in [200, 302, 404, 429, 502] {
            meters.count("a", status, Duration::from_millis(2));
        }
        meters.count("b", 200, Duration::ZERO);
        let counts =
            UrlCounts { requests: 5, client_errors: 2, server_errors: 1, latency: Duration::from_millis(10) };
        assert_eq!(meters.counts(&BTreeSet::from(["a"])), [("a".to_owned(), counts)]);
        assert_eq!(meters.counts(&BTreeSet::from(["a", "b"])).len(), 1, "b begins anew");
    }

    #[test]
    fn no_more_are_counted_than_there_is_room_for() {
        let meters = UrlMeters::default();
        let names: Vec<String> = (0..=caps::METERED_URLS).map(|n| n.to_string()).collect();
        for name in &names {
            meters.count(name, 200, Duration::ZERO);
        }
        meters.count(&names[0], 200, Duration::ZERO);
        let counts = meters.counts(&names.iter().map(String::as_str).collect());
        assert_eq!(counts.len(), caps::METERED_URLS);
        assert!(counts.iter().any(|(name, counts)| *name == names[0] && counts.requests == 2));
    }
}
