//! What CloudWatch would show of functions, for Prometheus. `docs/metrics.md` says which is which.

use crate::Lambda;
use crate::url_meter::UrlCounts;
use millstream_functions::FunctionCounts;
use millstream_types::Arn;
use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::time::Duration;

const PREFIX: &str = "millstream_lambda_";

/// A metric of a function, and how it is shown.
#[derive(Clone, Copy, Debug)]
enum Show {
    Total(u64),
    /// A sum of milliseconds and how many there were.
    Times(Duration, u64),
    Now(u64),
    /// A part of a whole; 0 of nothing.
    Share(u32, u32),
}

struct Family<T> {
    /// Behind [`PREFIX`], before the suffix that its kind has.
    name: &'static str,
    cloudwatch: &'static str,
    show: fn(&T) -> Show,
}

const FAMILIES: [Family<FunctionCounts>; 10] = [
    Family { name: "invocations", cloudwatch: "Invocations", show: |f| Show::Total(f.invocations) },
    Family { name: "errors", cloudwatch: "Errors", show: |f| Show::Total(f.errors) },
    Family { name: "throttles", cloudwatch: "Throttles", show: |f| Show::Total(f.throttles) },
    Family {
        name: "duration_milliseconds",
        cloudwatch: "Duration",
        show: |f| Show::Times(f.duration, f.invocations),
    },
    Family {
        name: "init_duration_milliseconds",
        cloudwatch: "InitDuration",
        show: |f| Show::Times(f.init, f.cold_starts),
    },
    Family {
        name: "concurrent_executions",
        cloudwatch: "ConcurrentExecutions",
        show: |f| Show::Now(f.running),
    },
    Family {
        name: "provisioned_concurrency_invocations",
        cloudwatch: "ProvisionedConcurrencyInvocations",
        show: |f| Show::Total(f.provisioned_invocations),
    },
    Family {
        name: "provisioned_concurrency_spillover_invocations",
        cloudwatch: "ProvisionedConcurrencySpilloverInvocations",
        show: |f| Show::Total(f.spillover_invocations),
    },
    Family {
        name: "provisioned_concurrent_executions",
        cloudwatch: "ProvisionedConcurrentExecutions",
        show: |f| Show::Now(f.provisioned_running.into()),
    },
    Family {
        name: "provisioned_concurrency_utilization",
        cloudwatch: "ProvisionedConcurrencyUtilization",
        show: |f| Show::Share(f.provisioned_running, f.provisioned),
    },
];

const URL_FAMILIES: [Family<UrlCounts>; 4] = [
    Family { name: "url_requests", cloudwatch: "UrlRequestCount", show: |url| Show::Total(url.requests) },
    Family { name: "url_4xx", cloudwatch: "Url4xxCount", show: |url| Show::Total(url.client_errors) },
    Family { name: "url_5xx", cloudwatch: "Url5xxCount", show: |url| Show::Total(url.server_errors) },
    Family {
        name: "url_request_latency_milliseconds",
        cloudwatch: "UrlRequestLatency",
        show: |url| Show::Times(url.latency, url.requests),
    },
];

const ITERATOR_AGE: &str = "iterator_age_milliseconds";
const UNRESERVED: &str = "unreserved_concurrent_executions";

/// All that is shown. What is of a function comes with its labels.
struct Measured {
    functions: Vec<(String, FunctionCounts)>,
    urls: Vec<(String, UrlCounts)>,
    ages: BTreeMap<String, u64>,
    unreserved: u64,
}

impl Lambda {
    /// Appends what was measured of all functions, in the OpenMetrics text format.
    pub fn write_metrics(&self, text: &mut String) {
        let state = self.control().state();
        let mut ages: BTreeMap<String, u64> = BTreeMap::new();
        for lane in self.mappings().statuses() {
            let Some(function) = state.functions.get(&lane.function) else { continue };
            let age = ages.entry(labels(&function.arn)).or_default();
            *age = (*age).max(lane.iterator_age_ms);
        }
        let living = state.functions.values().map(|function| function.arn.as_str()).collect();
        let counts = self.functions().counts().into_iter();
        let measured = Measured {
            functions: counts.map(|counts| (labels(&counts.arn), counts)).collect(),
            urls: self
                .url_meters()
                .counts(&living)
                .into_iter()
                .map(|(arn, url)| (labels(&arn), url))
                .collect(),
            ages,
            unreserved: self.functions().unreserved_running(),
        };
        if let Err(error) = write_all(text, &measured) {
            tracing::error!(%error, "metrics could not be written");
        }
    }
}

fn write_all(text: &mut String, measured: &Measured) -> fmt::Result {
    for family in &FAMILIES {
        family.write(text, &measured.functions)?;
    }
    for family in &URL_FAMILIES {
        family.write(text, &measured.urls)?;
    }
    if !measured.ages.is_empty() {
        head(text, ITERATOR_AGE, "IteratorAge", "gauge")?;
        for (labels, age) in &measured.ages {
            writeln!(text, "{PREFIX}{ITERATOR_AGE}{{{labels}}} {age}")?;
        }
    }
    head(text, UNRESERVED, "UnreservedConcurrentExecutions", "gauge")?;
    writeln!(text, "{PREFIX}{UNRESERVED} {}", measured.unreserved)
}

fn head(text: &mut String, name: &str, cloudwatch: &str, kind: &str) -> fmt::Result {
    writeln!(text, "# HELP {PREFIX}{name} CloudWatch's {cloudwatch}")?;
    writeln!(text, "# TYPE {PREFIX}{name} {kind}")
}

impl Show {
    #[cfg(test)]
    fn suffix(self) -> &'static str {
        match self {
            Self::Total(_) => "_total",
            Self::Times(..) => "_sum`, `_count",
            Self::Now(_) | Self::Share(..) => "",
        }
    }

    fn kind(self) -> &'static str {
        match self {
            Self::Total(_) => "counter",
            Self::Times(..) => "summary",
            Self::Now(_) | Self::Share(..) => "gauge",
        }
    }
}

impl<T> Family<T> {
    /// Nothing if there are no functions.
    fn write(&self, text: &mut String, counts: &[(String, T)]) -> fmt::Result {
        let name = self.name;
        for (place, (labels, function)) in counts.iter().enumerate() {
            let show = (self.show)(function);
            if place == 0 {
                head(text, name, self.cloudwatch, show.kind())?;
            }
            match show {
                Show::Total(count) => writeln!(text, "{PREFIX}{name}_total{{{labels}}} {count}")?,
                Show::Times(sum, count) => {
                    let micros = sum.as_micros();
                    let (whole, rest) = (micros / 1_000, micros % 1_000);
                    writeln!(text, "{PREFIX}{name}_sum{{{labels}}} {whole}.{rest:03}")?;
                    writeln!(text, "{PREFIX}{name}_count{{{labels}}} {count}")?;
                }
                Show::Now(count) => writeln!(text, "{PREFIX}{name}{{{labels}}} {count}")?,
                Show::Share(part, whole) => {
                    let share = f64::from(part) / f64::from(whole.max(1));
                    writeln!(text, "{PREFIX}{name}{{{labels}}} {share}")?;
                }
            }
        }
        Ok(())
    }
}

/// None of these has anything to escape.
fn labels(arn: &str) -> String {
    let arn: Option<Arn> = arn.parse().ok();
    let field = |of: fn(&Arn) -> &str| arn.as_ref().map_or("", of);
    let name = field(|arn| &arn.resource);
    let name = name.strip_prefix("function:").unwrap_or(name);
    let (account, region) = (field(|arn| &arn.account), field(|arn| &arn.region));
    format!("function_name=\"{name}\",account_id=\"{account}\",region=\"{region}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts() -> FunctionCounts {
        FunctionCounts {
            arn: "arn:aws:lambda:eu-west-1:111122223333:function:f".to_owned(),
            invocations: 3,
            errors: 1,
            throttles: 2,
            duration: Duration::from_micros(1_500),
            cold_starts: 1,
            init: Duration::from_millis(20),
            running: 4,
            provisioned_invocations: 2,
            spillover_invocations: 1,
            provisioned: 4,
            provisioned_running: 1,
        }
    }

    /// One that is not in the table is one that nobody finds.
    #[test]
    fn the_page_lists_them_all() {
        let page = include_str!("../../../docs/metrics.md");
        let has = |name: &str, cloudwatch: &str, suffix: &str| {
            let row = format!("| `{cloudwatch}` | `{PREFIX}{name}{suffix}` |");
            assert!(page.contains(&row), "{row}");
        };
        for family in &FAMILIES {
            has(family.name, family.cloudwatch, (family.show)(&counts()).suffix());
        }
        for family in &URL_FAMILIES {
            has(family.name, family.cloudwatch, (family.show)(&UrlCounts::default()).suffix());
        }
        has(ITERATOR_AGE, "IteratorAge", "");
        has(UNRESERVED, "UnreservedConcurrentExecutions", "");
    }

    #[test]
    fn the_text_is_what_prometheus_reads() {
        let mut text = String::new();
        let labels = labels(&counts().arn);
        assert_eq!(labels, "function_name=\"f\",account_id=\"111122223333\",region=\"eu-west-1\"");
        let url = UrlCounts {
            requests: 9,
            client_errors: 2,
            server_errors: 1,
            latency: Duration::from_micros(2_500),
        };
        let measured = Measured {
            functions: vec![(labels.clone(), counts())],
            urls: vec![(labels.clone(), url)],
            ages: BTreeMap::from([(labels.clone(), 7)]),
            unreserved: 5,
        };
        write_all(&mut text, &measured).unwrap();
        for line in [
            "# TYPE millstream_lambda_invocations counter".to_owned(),
            format!("millstream_lambda_invocations_total{{{labels}}} 3"),
            format!("millstream_lambda_errors_total{{{labels}}} 1"),
            format!("millstream_lambda_throttles_total{{{labels}}} 2"),
            "# TYPE millstream_lambda_duration_milliseconds summary".to_owned(),
            format!("millstream_lambda_duration_milliseconds_sum{{{labels}}} 1.500"),
            format!("millstream_lambda_duration_milliseconds_count{{{labels}}} 3"),
            format!("millstream_lambda_init_duration_milliseconds_sum{{{labels}}} 20.000"),
            format!("millstream_lambda_init_duration_milliseconds_count{{{labels}}} 1"),
            format!("millstream_lambda_concurrent_executions{{{labels}}} 4"),
            format!("millstream_lambda_provisioned_concurrency_invocations_total{{{labels}}} 2"),
            format!("millstream_lambda_provisioned_concurrency_spillover_invocations_total{{{labels}}} 1"),
            format!("millstream_lambda_provisioned_concurrent_executions{{{labels}}} 1"),
            format!("millstream_lambda_provisioned_concurrency_utilization{{{labels}}} 0.25"),
            format!("millstream_lambda_url_requests_total{{{labels}}} 9"),
            format!("millstream_lambda_url_4xx_total{{{labels}}} 2"),
            format!("millstream_lambda_url_5xx_total{{{labels}}} 1"),
            "# TYPE millstream_lambda_url_request_latency_milliseconds summary".to_owned(),
            format!("millstream_lambda_url_request_latency_milliseconds_sum{{{labels}}} 2.500"),
            format!("millstream_lambda_url_request_latency_milliseconds_count{{{labels}}} 9"),
            format!("millstream_lambda_iterator_age_milliseconds{{{labels}}} 7"),
            "millstream_lambda_unreserved_concurrent_executions 5".to_owned(),
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }
}
