"""AWS's limits on rates and counts, as SDKs meet them."""

import unittest
import urllib.request

from support.case import ServerCase
from support.clients import client, create_stream, shards_of
from support.server import ACCOUNT, Server

SHARD = "shardId-000000000000"


def entries(count):
    return [{"Data": str(number).encode(), "PartitionKey": "k"} for number in range(count)]


def metrics(address):
    with urllib.request.urlopen(f"{address}/_millstream/metrics") as page:
        return page.read().decode().splitlines()


class Limits(ServerCase):
    @classmethod
    def setUpClass(cls):
        # What the tests themselves need is not limited.
        limits = "shard-write-records=5,CreateStream=none,DescribeStream=none,DescribeStreamSummary=none"
        cls.server = Server(arguments=["--limits", "aws", "--limit", limits])
        cls.addClassCleanup(cls.server.kill)
        cls.address = cls.server.address
        cls.kinesis = client("kinesis", cls.address)

    def test_records_beyond_the_rate_fail_one_by_one(self):
        create_stream(self.kinesis, "records")
        answer = self.kinesis.put_records(StreamName="records", Records=entries(8))
        # The whole call is weighed at one moment, so it is five exactly.
        self.assertEqual(answer["FailedRecordCount"], 3)
        for record in answer["Records"][:5]:
            self.assertEqual(record["ShardId"], SHARD)
        for record in answer["Records"][5:]:
            self.assertEqual(record["ErrorCode"], "ProvisionedThroughputExceededException")
            self.assertEqual(
                record["ErrorMessage"], f"Rate exceeded for shard {SHARD} in stream records under account {ACCOUNT}."
            )
            self.assertNotIn("SequenceNumber", record)
        iterator = self.kinesis.get_shard_iterator(StreamName="records", ShardId=SHARD, ShardIteratorType="TRIM_HORIZON")
        found = self.kinesis.get_records(ShardIterator=iterator["ShardIterator"])["Records"]
        self.assertEqual([record["Data"] for record in found], [b"0", b"1", b"2", b"3", b"4"])
        line = next(line for line in metrics(self.address) if 'throttled_total{limit="shard-write-records"}' in line)
        self.assertGreaterEqual(float(line.split()[-1]), 3)

    def test_an_sdk_waits_and_tries_again(self):
        create_stream(self.kinesis, "again")
        self.kinesis.put_records(StreamName="again", Records=entries(5))
        patient = client("kinesis", self.address, retries={"total_max_attempts": 12, "mode": "standard"})
        self.assertEqual(patient.put_record(StreamName="again", Data=b"x", PartitionKey="k")["ShardId"], SHARD)

    def test_calls_beyond_the_rate_are_refused(self):
        create_stream(self.kinesis, "calls")
        message = None
        for _ in range(2_000):
            try:
                self.kinesis.describe_limits()
            except self.kinesis.exceptions.LimitExceededException as error:
                self.assertEqual(error.response["ResponseMetadata"]["HTTPStatusCode"], 400)
                message = error.response["Error"]["Message"]
                break
        self.assertEqual(message, f"Rate exceeded for account {ACCOUNT}.")

    def test_a_limit_that_is_lifted_is_none(self):
        create_stream(self.kinesis, "lifted")
        for _ in range(60):
            self.kinesis.describe_stream_summary(StreamName="lifted")


class Settings(unittest.TestCase):
    def test_a_limit_that_there_is_not_keeps_the_server_from_starting(self):
        with self.assertRaisesRegex(RuntimeError, "shard-write-bytes"):
            Server(arguments=["--limit", "shard-bytes=1"])


class Elasticity(ServerCase):
    """Shards that are full at a hundredth of the load, and a server that does not wait long."""

    @classmethod
    def setUpClass(cls):
        cls.server = Server(arguments=["--scaling-test-factor", "100"])
        cls.addClassCleanup(cls.server.kill)
        cls.kinesis = client("kinesis", cls.server.address)

    def open_shards(self, name):
        return self.kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["OpenShardCount"]

    def test_an_on_demand_stream_grows_with_its_load_and_shrinks_without(self):
        self.kinesis.create_stream(StreamName="elastic", StreamModeDetails={"StreamMode": "ON_DEMAND"})
        self.kinesis.get_waiter("stream_exists").wait(StreamName="elastic", WaiterConfig={"Delay": 1, "MaxAttempts": 60})
        self.assertEqual(self.open_shards("elastic"), 4)
        put, sent = [], 0

        def grown():
            nonlocal sent
            records = [{"Data": str(sent + n).encode(), "PartitionKey": str(sent + n)} for n in range(100)]
            answer = self.kinesis.put_records(StreamName="elastic", Records=records)
            self.assertEqual(answer["FailedRecordCount"], 0)
            put.extend(range(sent, sent + 100))
            sent += 100
            return self.open_shards("elastic") >= 8

        self.eventually(grown, "eight shards", 120)
        self.assertIn("a shard is split", self.server.log())
        self.eventually(lambda: self.open_shards("elastic") == 4, "four shards again", 120)
        self.assertIn("two shards are merged", self.server.log())
        found = []
        for shard in shards_of(self.kinesis, "elastic"):
            iterator = self.kinesis.get_shard_iterator(
                StreamName="elastic", ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
            )["ShardIterator"]
            while iterator:
                page = self.kinesis.get_records(ShardIterator=iterator)
                found += [int(record["Data"]) for record in page["Records"]]
                iterator = page.get("NextShardIterator") if page["Records"] or page["MillisBehindLatest"] else None
        self.assertEqual(sorted(found), put)
        message = self.refused(
            self.kinesis.update_shard_count, "ValidationException",
            StreamName="elastic", TargetShardCount=5, ScalingType="UNIFORM_SCALING",
        )
        self.assertIn("On-Demand mode", message)


if __name__ == "__main__":
    unittest.main()
