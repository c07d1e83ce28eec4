"""Monitoring, account settings, warm throughput, distribution and dry runs, through boto3; metrics as Prometheus sees them."""

import http.client
import tempfile
import unittest

from support import clients
from support.case import ServerCase
from support.clients import create_stream, read_stream, shards_of
from support.server import Server

METRICS = ["IncomingBytes", "IncomingRecords", "OutgoingBytes", "OutgoingRecords", "WriteProvisionedThroughputExceeded",
           "ReadProvisionedThroughputExceeded", "IteratorAgeMilliseconds"]


def create_on_demand(kinesis, name, **more):
    kinesis.create_stream(StreamName=name, StreamModeDetails={"StreamMode": "ON_DEMAND"}, **more)
    return settled(kinesis, name)


def settled(kinesis, name):
    """The stream's description once it is active."""
    kinesis.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig=clients.WAIT)
    return kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]


def commit(kinesis, status):
    answer = kinesis.update_account_settings(MinimumThroughputBillingCommitment={"Status": status})
    return answer["MinimumThroughputBillingCommitment"]


class Settings(ServerCase):
    def metrics(self):
        connection = http.client.HTTPConnection(*self.server.host_and_port(), timeout=20)
        self.addCleanup(connection.close)
        connection.request("GET", "/_millstream/metrics")
        lines = connection.getresponse().read().decode().splitlines()
        self.assertEqual(lines[-1], "# EOF")
        return dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))

    def test_enhanced_monitoring_is_enabled_shown_and_disabled(self):
        arn = create_stream(self.kinesis, "monitored")["StreamARN"]
        answer = self.kinesis.enable_enhanced_monitoring(StreamARN=arn, ShardLevelMetrics=["ALL"])
        self.assertEqual((answer["StreamName"], answer["CurrentShardLevelMetrics"]), ("monitored", []))
        self.assertEqual(answer["DesiredShardLevelMetrics"], METRICS)
        answer = self.kinesis.disable_enhanced_monitoring(StreamName="monitored", ShardLevelMetrics=METRICS[1:])
        self.assertEqual((answer["CurrentShardLevelMetrics"], answer["DesiredShardLevelMetrics"]), (METRICS, METRICS[:1]))
        for described in (settled(self.kinesis, "monitored"),
                          self.kinesis.describe_stream(StreamName="monitored")["StreamDescription"]):
            self.assertEqual(described["EnhancedMonitoring"], [{"ShardLevelMetrics": METRICS[:1]}])
        self.refused(self.unchecked.enable_enhanced_monitoring, "ValidationException", StreamName="monitored",
                     ShardLevelMetrics=["Other"])

    def test_metrics_have_cloudwatchs_names(self):
        create_stream(self.kinesis, "measured")
        self.kinesis.enable_enhanced_monitoring(StreamName="measured", ShardLevelMetrics=["ALL"])
        self.kinesis.put_record(StreamName="measured", PartitionKey="k", Data=b"1234")
        self.kinesis.put_records(StreamName="measured", Records=[{"PartitionKey": "k", "Data": b"1"}] * 3)
        self.refused(self.kinesis.put_record, "ValidationException", StreamName="measured", PartitionKey="k",
                     Data=b"1" * (1 << 20))
        read_stream(self.kinesis, "measured")
        found = self.metrics()
        labels = 'stream_name="measured",account_id="000000000000",region="us-east-1"'
        for name, expected in {
            "incoming_records_total": 4, "incoming_bytes_total": 5 + 6, "put_record_success_sum": 1,
            "put_record_success_count": 2, "put_records_total_records_total": 3, "put_records_success_sum": 1,
            "put_record_latency_milliseconds_count": 2, "get_records_records_total": 4,
            "get_records_iterator_age_milliseconds": 0, "write_provisioned_throughput_exceeded_total": 0,
        }.items():
            self.assertEqual(float(found[f"millstream_kinesis_{name}{{{labels}}}"]), expected, name)
        shard = f'{labels},shard_id="shardId-000000000000"'
        self.assertEqual(found[f"millstream_kinesis_shard_incoming_records_total{{{shard}}}"], "4")
        self.assertEqual(found[f"millstream_kinesis_shard_outgoing_bytes_total{{{shard}}}"], "11")
        self.kinesis.delete_stream(StreamName="measured")
        self.eventually(lambda: not any('"measured"' in name for name in self.metrics()), "a deleted stream's metrics go")

    def test_an_on_demand_stream_is_scaled_by_hand(self):
        create_on_demand(self.kinesis, "warm")
        self.refused(self.kinesis.update_stream_warm_throughput, "InvalidArgumentException", StreamName="warm",
                     WarmThroughputMiBps=6)
        started = commit(self.kinesis, "ENABLED")
        self.assertEqual(started["Status"], "ENABLED")
        self.assertEqual((started["EarliestAllowedEndAt"] - started["StartedAt"]).total_seconds(), 86_400)
        self.addCleanup(commit, self.kinesis, "DISABLED")
        answer = self.kinesis.update_stream_warm_throughput(StreamName="warm", WarmThroughputMiBps=6)
        self.assertEqual(answer["WarmThroughput"], {"TargetMiBps": 6, "CurrentMiBps": 4})
        self.assertEqual(settled(self.kinesis, "warm")["WarmThroughput"], {"TargetMiBps": 6, "CurrentMiBps": 6})
        described = create_on_demand(self.kinesis, "born-warm", WarmThroughputMiBps=5)
        self.assertEqual((described["OpenShardCount"], described["WarmThroughput"]["TargetMiBps"]), (5, 5))
        ending = commit(self.kinesis, "DISABLED")
        self.assertEqual(ending["Status"], "ENABLED_UNTIL_EARLIEST_ALLOWED_END")
        described = self.kinesis.describe_account_settings()["MinimumThroughputBillingCommitment"]
        self.assertEqual(described, ending)

    def test_a_stream_that_distributes_by_itself_needs_no_keys(self):
        arn = create_on_demand(self.kinesis, "auto", RecordDistributionStrategy="AUTO")["StreamARN"]
        self.kinesis.put_record(StreamName="auto", Data=b"one")
        answer = self.kinesis.put_records(StreamARN=arn, Records=[{"Data": b"more"}] * 100 + [{"Data": b"x", "PartitionKey": "k"}])
        self.assertEqual(answer["FailedRecordCount"], 0)
        self.assertEqual({record["ShardId"] for record in answer["Records"]},
                         {shard["ShardId"] for shard in shards_of(self.kinesis, "auto")})
        records = read_stream(self.kinesis, "auto")
        self.assertEqual((len(records), [r["PartitionKey"] for r in records if "PartitionKey" in r]), (102, ["k"]))
        self.refused(self.kinesis.put_record, "InvalidArgumentException", StreamName="auto", Data=b"",
                     SequenceNumberForOrdering="1")
        self.kinesis.update_stream_record_distribution_strategy(StreamARN=arn, RecordDistributionStrategy="USER_PARTITION_KEY")
        self.assertEqual(settled(self.kinesis, "auto")["RecordDistributionStrategy"], "USER_PARTITION_KEY")
        message = self.refused(self.kinesis.put_record, "ValidationException", StreamName="auto", Data=b"")
        self.assertIn("Value null at 'partitionKey' failed to satisfy constraint: Member must not be null", message)

    def test_a_dry_run_says_that_it_would_succeed(self):
        create_stream(self.kinesis, "dry")
        shard = {"StreamName": "dry", "ShardId": "shardId-000000000000", "ShardIteratorType": "TRIM_HORIZON"}
        iterator = self.kinesis.get_shard_iterator(**shard)["ShardIterator"]
        for call, arguments in (
            (self.kinesis.put_record, {"StreamName": "dry", "PartitionKey": "k", "Data": b"x"}),
            (self.kinesis.put_records, {"StreamName": "dry", "Records": [{"PartitionKey": "k", "Data": b"x"}]}),
            (self.kinesis.get_shard_iterator, shard),
            (self.kinesis.get_records, {"ShardIterator": iterator}),
        ):
            self.refused(call, "DryRunOperationException", DryRun=True, **arguments)
        self.assertEqual(read_stream(self.kinesis, "dry"), [])


class Restart(unittest.TestCase):
    def test_settings_are_kept(self):
        with tempfile.TemporaryDirectory(prefix="millstream-settings-") as data:
            with Server(data) as server:
                kinesis = clients.client("kinesis", server.address)
                commit(kinesis, "ENABLED")
                create_on_demand(kinesis, "kept", RecordDistributionStrategy="AUTO", WarmThroughputMiBps=5)
                kinesis.enable_enhanced_monitoring(StreamName="kept", ShardLevelMetrics=["IncomingBytes"])
                kinesis.put_record(StreamName="kept", Data=b"without a key")
                before = self.shown(kinesis)
            with Server(data) as server:
                kinesis = clients.client("kinesis", server.address)
                self.assertEqual(self.shown(kinesis), before)
                [record] = read_stream(kinesis, "kept")
                self.assertEqual((record["Data"], "PartitionKey" in record), (b"without a key", False))

    def shown(self, kinesis):
        return settled(kinesis, "kept"), kinesis.describe_account_settings()["MinimumThroughputBillingCommitment"]
