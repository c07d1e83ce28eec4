//! What CloudWatch would show of streams and shards, for Prometheus. `docs/metrics.md` says which is which.

use super::{Counter, Greatest, OperationMeter, Samples, ShardMeter, StreamMeter};
use crate::Kinesis;
use millstream_control::{ShardMetric, Stream};
use std::fmt::{self, Write};
use std::sync::Arc;

/// How a meter's value is shown.
enum Show<'a> {
    /// A counter.
    Total(&'a Counter),
    /// A summary without quantiles, of values counted in this fraction of what is shown.
    Samples(&'a Samples, u64),
    /// A gauge, left out while there is nothing to show.
    Greatest(&'a Greatest),
}

/// A family of metrics about one kind of thing.
struct Family<Meter: 'static> {
    /// Behind [`PREFIX`], before the suffix that its kind has.
    name: &'static str,
    cloudwatch: &'static str,
    show: for<'a> fn(&'a Meter) -> Show<'a>,
}

const PREFIX: &str = "millstream_kinesis_";

const fn family<Meter>(
    name: &'static str,
    cloudwatch: &'static str,
    show: for<'a> fn(&'a Meter) -> Show<'a>,
) -> Family<Meter> {
    Family { name, cloudwatch, show }
}

impl Show<'_> {
    fn kind(&self) -> &'static str {
        match self {
            Self::Total(_) => "counter",
            Self::Samples(..) => "summary",
            Self::Greatest(_) => "gauge",
        }
    }
}

fn latency(of: &OperationMeter) -> Show<'_> {
    Show::Samples(&of.latency, 1_000)
}

fn success(of: &OperationMeter) -> Show<'_> {
    Show::Samples(&of.success, 1)
}

const STREAM: [Family<StreamMeter>; 26] = [
    family("incoming_bytes", "IncomingBytes", |m| Show::Total(&m.incoming_bytes)),
    family("incoming_records", "IncomingRecords", |m| Show::Total(&m.incoming_records)),
    family("put_record_bytes", "PutRecord.Bytes", |m| Show::Total(&m.put_record.bytes)),
    family("put_record_latency_milliseconds", "PutRecord.Latency", |m| latency(&m.put_record)),
    family("put_record_success", "PutRecord.Success", |m| success(&m.put_record)),
    family("put_records_bytes", "PutRecords.Bytes", |m| Show::Total(&m.put_records.bytes)),
    family("put_records_latency_milliseconds", "PutRecords.Latency", |m| latency(&m.put_records)),
    family("put_records_records", "PutRecords.Records", |m| Show::Total(&m.put_records.records)),
    family("put_records_success", "PutRecords.Success", |m| success(&m.put_records)),
    family("put_records_total_records", "PutRecords.TotalRecords", |m| Show::Total(&m.put_records_total)),
    family("put_records_successful_records", "PutRecords.SuccessfulRecords", |m| {
        Show::Total(&m.put_records.records)
    }),
    family("put_records_failed_records", "PutRecords.FailedRecords", |m| Show::Total(&m.put_records_failed)),
    family("put_records_throttled_records", "PutRecords.ThrottledRecords", |m| {
        Show::Total(&m.put_records_throttled)
    }),
    family("get_records_bytes", "GetRecords.Bytes", |m| Show::Total(&m.get_records.bytes)),
    family("get_records_iterator_age_milliseconds", "GetRecords.IteratorAgeMilliseconds", |m| {
        Show::Greatest(&m.iterator_age)
    }),
    family("get_records_latency_milliseconds", "GetRecords.Latency", |m| latency(&m.get_records)),
    family("get_records_records", "GetRecords.Records", |m| Show::Total(&m.get_records.records)),
    family("get_records_success", "GetRecords.Success", |m| success(&m.get_records)),
    family("read_provisioned_throughput_exceeded", "ReadProvisionedThroughputExceeded", |m| {
        Show::Total(&m.read_exceeded)
    }),
    family("write_provisioned_throughput_exceeded", "WriteProvisionedThroughputExceeded", |m| {
        Show::Total(&m.write_exceeded)
    }),
    family("subscribe_to_shard_rate_exceeded", "SubscribeToShard.RateExceeded", |m| {
        Show::Total(&m.subscribe_rate_exceeded)
    }),
    family("subscribe_to_shard_success", "SubscribeToShard.Success", |m| success(&m.subscribe)),
    family("subscribe_to_shard_event_bytes", "SubscribeToShardEvent.Bytes", |m| Show::Total(&m.events.bytes)),
    family(
        "subscribe_to_shard_event_millis_behind_latest",
        "SubscribeToShardEvent.MillisBehindLatest",
        |m| Show::Greatest(&m.events_behind),
    ),
    family("subscribe_to_shard_event_records", "SubscribeToShardEvent.Records", |m| {
        Show::Total(&m.events.records)
    }),
    family("subscribe_to_shard_event_success", "SubscribeToShardEvent.Success", |m| success(&m.events)),
];

/// With enhanced monitoring, those that are enabled.
const SHARD: [(ShardMetric, Family<ShardMeter>); 7] = [
    (
        ShardMetric::IncomingBytes,
        family("shard_incoming_bytes", "IncomingBytes", |m| Show::Total(&m.incoming_bytes)),
    ),
    (
        ShardMetric::IncomingRecords,
        family("shard_incoming_records", "IncomingRecords", |m| Show::Total(&m.incoming_records)),
    ),
    (
        ShardMetric::OutgoingBytes,
        family("shard_outgoing_bytes", "OutgoingBytes", |m| Show::Total(&m.outgoing_bytes)),
    ),
    (
        ShardMetric::OutgoingRecords,
        family("shard_outgoing_records", "OutgoingRecords", |m| Show::Total(&m.outgoing_records)),
    ),
    (
        ShardMetric::WriteProvisionedThroughputExceeded,
        family("shard_write_provisioned_throughput_exceeded", "WriteProvisionedThroughputExceeded", |m| {
            Show::Total(&m.write_exceeded)
        }),
    ),
    (
        ShardMetric::ReadProvisionedThroughputExceeded,
        family("shard_read_provisioned_throughput_exceeded", "ReadProvisionedThroughputExceeded", |m| {
            Show::Total(&m.read_exceeded)
        }),
    ),
    (
        ShardMetric::IteratorAgeMilliseconds,
        family("shard_iterator_age_milliseconds", "IteratorAgeMilliseconds", |m| {
            Show::Greatest(&m.iterator_age)
        }),
    ),
];

/// A stream with its meter, and what its lines have between the braces.
struct OfStream {
    stream: Arc<Stream>,
    meter: Arc<StreamMeter>,
    labels: String,
}

struct OfShard {
    stream: Arc<Stream>,
    meter: Arc<ShardMeter>,
    labels: String,
}

impl OfStream {
    fn new((stream, meter): (Arc<Stream>, Arc<StreamMeter>)) -> Self {
        // arn:PARTITION:kinesis:REGION:ACCOUNT:…; neither these nor a stream's name have anything to escape.
        let mut arn = stream.arn.split(':').skip(3);
        let (region, account) = (arn.next().unwrap_or_default(), arn.next().unwrap_or_default());
        let name = stream.own_name();
        let labels = format!("stream_name=\"{name}\",account_id=\"{account}\",region=\"{region}\"");
        Self { stream, meter, labels }
    }

    fn shards(&self) -> impl Iterator<Item = OfShard> {
        let shards = self.meter.shards(&self.stream).into_iter();
        shards.map(|(id, meter)| OfShard {
            stream: self.stream.clone(),
            meter,
            labels: format!("{},shard_id=\"{id}\"", self.labels),
        })
    }
}

impl Kinesis {
    /// Appends what was measured of all streams, in the OpenMetrics text format.
    pub fn write_metrics(&self, text: &mut String) {
        let minute = self.minute();
        let streams: Vec<OfStream> = self.meters().into_iter().map(OfStream::new).collect();
        for family in &STREAM {
            let meters = streams.iter().map(|of| (of.labels.as_str(), &*of.meter));
            written(family.render(text, meters, minute));
        }
        let shards: Vec<OfShard> = streams.iter().flat_map(OfStream::shards).collect();
        for (metric, family) in &SHARD {
            let enabled = shards.iter().filter(|of| of.stream.monitoring.contains(metric));
            written(family.render(text, enabled.map(|of| (of.labels.as_str(), &*of.meter)), minute));
        }
    }
}

fn written(result: fmt::Result) {
    if let Err(error) = result {
        tracing::error!(%error, "metrics could not be written");
    }
}

impl<Meter> Family<Meter> {
    /// Nothing if there are no meters.
    fn render<'a>(
        &self,
        text: &mut String,
        meters: impl Iterator<Item = (&'a str, &'a Meter)>,
        minute: u64,
    ) -> fmt::Result {
        let name = self.name;
        for (place, (labels, meter)) in meters.enumerate() {
            let show = (self.show)(meter);
            if place == 0 {
                let kind = show.kind();
                writeln!(text, "# HELP {PREFIX}{name} CloudWatch's {}", self.cloudwatch)?;
                writeln!(text, "# TYPE {PREFIX}{name} {kind}")?;
            }
            match show {
                Show::Total(counter) => writeln!(text, "{PREFIX}{name}_total{{{labels}}} {}", counter.get())?,
                Show::Samples(samples, 1) => {
                    writeln!(text, "{PREFIX}{name}_sum{{{labels}}} {}", samples.sum.get())?;
                    writeln!(text, "{PREFIX}{name}_count{{{labels}}} {}", samples.count.get())?;
                }
                Show::Samples(samples, parts) => {
                    let (whole, rest) = (samples.sum.get() / parts, samples.sum.get() % parts);
                    writeln!(text, "{PREFIX}{name}_sum{{{labels}}} {whole}.{rest:03}")?;
                    writeln!(text, "{PREFIX}{name}_count{{{labels}}} {}", samples.count.get())?;
                }
                Show::Greatest(greatest) => {
                    if let Some(value) = greatest.get(minute) {
                        writeln!(text, "{PREFIX}{name}{{{labels}}} {value}")?;
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One that is not in the table is one that nobody finds.
    #[test]
    fn the_page_lists_them_all() {
        let page = include_str!("../../../../docs/metrics.md");
        let has = |name: &str, cloudwatch: &str, kind: &str| {
            let row = format!("| `{cloudwatch}` | `{PREFIX}{name}{}` |", suffix(kind));
            assert!(page.contains(&row), "{row}");
        };
        let stream = StreamMeter::default();
        for family in &STREAM {
            has(family.name, family.cloudwatch, (family.show)(&stream).kind());
        }
        let shard = ShardMeter::default();
        for (_, family) in &SHARD {
            has(family.name, family.cloudwatch, (family.show)(&shard).kind());
        }
        let names: std::collections::BTreeSet<&str> = STREAM.iter().map(|family| family.name).collect();
        assert_eq!(names.len(), STREAM.len());
    }

    fn suffix(kind: &str) -> &'static str {
        match kind {
            "counter" => "_total",
            "summary" => "_sum`, `_count",
            _ => "",
        }
    }

    #[test]
    fn the_text_is_what_prometheus_reads() {
        let meter = StreamMeter::default();
        meter.put_record.latency.add(1_002_003);
        meter.put_record.latency.add(5);
        meter.put_record.success.add(1);
        meter.put_record.success.add(0);
        meter.incoming_bytes.add(7);
        meter.iterator_age.add(3, 250);
        let mut text = String::new();
        for family in &STREAM {
            family.render(&mut text, [("stream_name=\"s\"", &meter)].into_iter(), 3).unwrap();
        }
        for line in [
            "# TYPE millstream_kinesis_put_record_latency_milliseconds summary",
            "millstream_kinesis_put_record_latency_milliseconds_sum{stream_name=\"s\"} 1002.008",
            "millstream_kinesis_put_record_latency_milliseconds_count{stream_name=\"s\"} 2",
            "millstream_kinesis_put_record_success_sum{stream_name=\"s\"} 1",
            "millstream_kinesis_put_record_success_count{stream_name=\"s\"} 2",
            "# TYPE millstream_kinesis_incoming_bytes counter",
            "millstream_kinesis_incoming_bytes_total{stream_name=\"s\"} 7",
            "# HELP millstream_kinesis_get_records_iterator_age_milliseconds CloudWatch's GetRecords.IteratorAgeMilliseconds",
            "millstream_kinesis_get_records_iterator_age_milliseconds{stream_name=\"s\"} 250",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        // Nobody subscribed: there is nothing to be behind.
        let behind = "millstream_kinesis_subscribe_to_shard_event_millis_behind_latest{";
        assert!(!text.contains(behind), "{text}");
    }
}
