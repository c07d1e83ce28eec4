"""Streams: create, describe, list, delete, and the words of their errors."""

from support.case import ServerCase
from support.clients import WAIT, create_stream
from support.server import ACCOUNT, REGION


class Streams(ServerCase):
    def test_a_stream_is_created_described_and_deleted(self):
        self.kinesis.create_stream(StreamName="life", ShardCount=3)
        status = self.kinesis.describe_stream_summary(StreamName="life")["StreamDescriptionSummary"]["StreamStatus"]
        self.assertIn(status, ("CREATING", "ACTIVE"))
        self.kinesis.get_waiter("stream_exists").wait(StreamName="life", WaiterConfig=WAIT)

        stream = self.kinesis.describe_stream(StreamName="life")["StreamDescription"]
        self.assertEqual(stream["StreamName"], "life")
        self.assertEqual(stream["StreamARN"], f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/life")
        self.assertEqual(stream["StreamStatus"], "ACTIVE")
        self.assertEqual(stream["RetentionPeriodHours"], 24)
        self.assertFalse(stream["HasMoreShards"])
        self.assertEqual(len(stream["Shards"]), 3)
        self.assertEqual(stream["EncryptionType"], "NONE")

        summary = self.kinesis.describe_stream_summary(StreamARN=stream["StreamARN"])["StreamDescriptionSummary"]
        self.assertEqual(summary["OpenShardCount"], 3)
        self.assertEqual(summary["ConsumerCount"], 0)
        self.assertEqual(summary["StreamModeDetails"], {"StreamMode": "PROVISIONED"})
        # A StreamId would make the SDKs leave this endpoint for Amazon's (wire.md, 1.7a).
        self.assertNotIn("StreamId", summary)

        self.kinesis.delete_stream(StreamName="life")
        self.kinesis.get_waiter("stream_not_exists").wait(StreamName="life", WaiterConfig=WAIT)
        self.assertNotIn("life", self.kinesis.list_streams()["StreamNames"])

    def test_a_deleted_name_can_be_used_again_and_starts_empty(self):
        create_stream(self.kinesis, "again")
        self.kinesis.put_record(StreamName="again", PartitionKey="k", Data=b"old")
        self.kinesis.delete_stream(StreamName="again")
        self.kinesis.get_waiter("stream_not_exists").wait(StreamName="again", WaiterConfig=WAIT)
        create_stream(self.kinesis, "again")
        shard = self.kinesis.list_shards(StreamName="again")["Shards"][0]["ShardId"]
        iterator = self.kinesis.get_shard_iterator(StreamName="again", ShardId=shard, ShardIteratorType="TRIM_HORIZON")
        answer = self.kinesis.get_records(ShardIterator=iterator["ShardIterator"])
        self.assertEqual(answer["Records"], [])

    def test_streams_are_listed_in_order_and_in_pages(self):
        names = [f"page-{number}" for number in range(5)]
        for name in names:
            create_stream(self.kinesis, name)
        listed = [name for name in self.kinesis.list_streams()["StreamNames"] if name.startswith("page-")]
        self.assertEqual(listed, names)
        first = self.kinesis.list_streams(Limit=2, ExclusiveStartStreamName="page-0")
        self.assertEqual(first["StreamNames"], ["page-1", "page-2"])
        self.assertTrue(first["HasMoreStreams"])
        paged = self.kinesis.get_paginator("list_streams").paginate(PaginationConfig={"PageSize": 2})
        everything = [name for page in paged for name in page["StreamNames"]]
        self.assertEqual([name for name in everything if name.startswith("page-")], names)

    def test_errors_are_in_the_words_of_aws(self):
        create_stream(self.kinesis, "taken")
        self.assertEqual(
            self.refused(self.kinesis.create_stream, "ResourceInUseException", StreamName="taken", ShardCount=1),
            f"Stream taken under account {ACCOUNT} already exists.",
        )
        missing = f"Stream nowhere under account {ACCOUNT} not found."
        for call, arguments in [
            (self.kinesis.describe_stream, {}),
            (self.kinesis.describe_stream_summary, {}),
            (self.kinesis.delete_stream, {}),
            (self.kinesis.list_shards, {}),
            (self.kinesis.put_record, {"PartitionKey": "k", "Data": b"x"}),
            (self.kinesis.put_records, {"Records": [{"PartitionKey": "k", "Data": b"x"}]}),
        ]:
            with self.subTest(call.__name__):
                message = self.refused(call, "ResourceNotFoundException", StreamName="nowhere", **arguments)
                self.assertEqual(message, missing)

    def test_an_operation_that_is_not_built_says_so(self):
        self.refused(self.kinesis.list_channels, "UnknownOperationException")

    def test_values_out_of_bounds_are_refused_in_one_message(self):
        message = self.refused(self.unchecked.create_stream, "ValidationException", StreamName="not a name", ShardCount=1)
        self.assertEqual(
            message,
            "1 validation error detected: Value 'not a name' at 'streamName' failed to satisfy constraint: "
            "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+",
        )
        message = self.refused(self.unchecked.create_stream, "ValidationException", StreamName="x" * 129, ShardCount=0)
        self.assertTrue(message.startswith("2 validation errors detected: "), message)
        self.assertIn("at 'shardCount' failed to satisfy constraint: Member must have value greater than or equal to 1", message)
        self.assertIn("at 'streamName' failed to satisfy constraint: Member must have length less than or equal to 128", message)
        message = self.refused(self.unchecked.put_record, "ValidationException", StreamName="unbuilt", Data=b"x")
        self.assertIn("Value null at 'partitionKey' failed to satisfy constraint: Member must not be null", message)
        message = self.refused(self.unchecked.get_records, "ValidationException", ShardIterator="x", Limit=10001)
        self.assertIn("Value '10001' at 'limit' failed to satisfy constraint: Member must have value less than or equal to 10000", message)
        message = self.refused(self.unchecked.get_shard_iterator, "ValidationException",
                               StreamName="unbuilt", ShardId="shardId-000000000000", ShardIteratorType="SOMEWHERE")
        self.assertIn("Value 'SOMEWHERE' at 'shardIteratorType' failed to satisfy constraint: Member must satisfy enum value set: [", message)

    def test_a_value_of_the_wrong_type_is_a_serialization_error(self):
        self.refused(self.unchecked.create_stream, "SerializationException", StreamName="x", ShardCount="many")
