"""Registered consumers and SubscribeToShard."""

import time

from botocore.exceptions import ClientError, EventStreamError

from support.case import ServerCase
from support.clients import client, create_stream

SHARD = "shardId-000000000000"


class Consumers(ServerCase):
    def register(self, stream, name="reader"):
        """A stream with an active consumer; the consumer's ARN."""
        arn = create_stream(self.kinesis, stream)["StreamARN"]
        registered = self.kinesis.register_stream_consumer(StreamARN=arn, ConsumerName=name)["Consumer"]
        consumer = registered["ConsumerARN"]
        self.eventually(lambda: self.status(consumer) == "ACTIVE", "the consumer is active")
        return arn, consumer

    def status(self, consumer):
        described = self.kinesis.describe_stream_consumer(ConsumerARN=consumer)
        return described["ConsumerDescription"]["ConsumerStatus"]

    def subscribe(self, consumer, position=None, kinesis=None):
        answer = (kinesis or self.kinesis).subscribe_to_shard(
            ConsumerARN=consumer, ShardId=SHARD, StartingPosition=position or {"Type": "TRIM_HORIZON"})
        self.addCleanup(answer["EventStream"].close)
        return answer["EventStream"]

    @staticmethod
    def take(events, wanted):
        """Reads events until `wanted` records have come; them, and the last event."""
        records = []
        for event in events:
            event = event["SubscribeToShardEvent"]
            records += event["Records"]
            if len(records) >= wanted:
                return records, event
        raise AssertionError(f"the subscription ended after {len(records)} of {wanted} records")

    def test_a_consumer_is_registered_described_listed_and_deregistered(self):
        stream, consumer = self.register("watched")
        self.assertRegex(consumer, rf"^{stream}/consumer/reader:\d+$")
        by_name = self.kinesis.describe_stream_consumer(StreamARN=stream, ConsumerName="reader")["ConsumerDescription"]
        self.assertEqual(by_name["ConsumerARN"], consumer)
        self.assertEqual(by_name["StreamARN"], stream)
        (listed,) = self.kinesis.list_stream_consumers(StreamARN=stream)["Consumers"]
        self.assertEqual((listed["ConsumerName"], listed["ConsumerStatus"]), ("reader", "ACTIVE"))
        self.assertEqual(self.kinesis.describe_stream_summary(StreamName="watched")["StreamDescriptionSummary"]["ConsumerCount"], 1)
        self.refused(self.kinesis.register_stream_consumer, "ResourceInUseException", StreamARN=stream, ConsumerName="reader")

        self.kinesis.deregister_stream_consumer(ConsumerARN=consumer)
        self.eventually(lambda: self.kinesis.list_stream_consumers(StreamARN=stream)["Consumers"] == [], "no consumer is left")
        self.refused(self.kinesis.describe_stream_consumer, "ResourceNotFoundException", ConsumerARN=consumer)

    def test_records_from_before_and_from_now_arrive(self):
        _, consumer = self.register("pushed")
        put = [self.kinesis.put_record(StreamName="pushed", PartitionKey="k", Data=b"before")["SequenceNumber"]]
        events = self.subscribe(consumer)
        iterator = iter(events)
        records, _ = self.take(iterator, 1)
        put.append(self.kinesis.put_record(StreamName="pushed", PartitionKey="k", Data=b"now")["SequenceNumber"])
        more, last = self.take(iterator, 1)
        records += more
        self.assertEqual([record["Data"] for record in records], [b"before", b"now"])
        self.assertEqual([record["SequenceNumber"] for record in records], put)
        self.assertEqual(last["MillisBehindLatest"], 0)
        self.assertGreaterEqual(last["ContinuationSequenceNumber"], put[-1])

    def test_a_subscription_from_latest_sees_only_what_comes_after_it(self):
        _, consumer = self.register("fresh")
        self.kinesis.put_record(StreamName="fresh", PartitionKey="k", Data=b"old")
        events = self.subscribe(consumer, {"Type": "LATEST"})
        for n in range(5):
            self.kinesis.put_record(StreamName="fresh", PartitionKey="k", Data=str(n).encode())
        records, _ = self.take(iter(events), 5)
        self.assertEqual([record["Data"] for record in records], [b"0", b"1", b"2", b"3", b"4"])

    def test_a_subscription_continues_where_another_ended(self):
        _, consumer = self.register("relay")
        _, second = self.register_second("relay")
        for n in range(3):
            self.kinesis.put_record(StreamName="relay", PartitionKey="k", Data=str(n).encode())
        _, last = self.take(iter(self.subscribe(consumer)), 3)
        self.kinesis.put_record(StreamName="relay", PartitionKey="k", Data=b"3")
        position = {"Type": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": last["ContinuationSequenceNumber"]}
        records, _ = self.take(iter(self.subscribe(second, position)), 1)
        self.assertEqual([record["Data"] for record in records], [b"3"])

    def register_second(self, stream):
        arn = self.kinesis.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]["StreamARN"]
        consumer = self.kinesis.register_stream_consumer(StreamARN=arn, ConsumerName="second")["Consumer"]["ConsumerARN"]
        self.eventually(lambda: self.status(consumer) == "ACTIVE", "the second consumer is active")
        return arn, consumer

    def test_an_idle_subscription_is_kept_alive(self):
        _, consumer = self.register("quiet")
        # The Java SDK's client gives up after 10 s without a byte; events must come at least every 5 s.
        impatient = client("kinesis", self.address, read_timeout=8)
        events = iter(self.subscribe(consumer, {"Type": "LATEST"}, impatient))
        for _ in range(2):
            event = next(events)["SubscribeToShardEvent"]
            self.assertEqual(event["Records"], [])
            self.assertIn("ContinuationSequenceNumber", event)
            self.assertEqual(event["MillisBehindLatest"], 0)

    def test_a_second_subscription_waits_five_seconds_and_then_takes_over(self):
        _, consumer = self.register("busy")
        first = self.subscribe(consumer)
        self.refused(self.kinesis.subscribe_to_shard, "ResourceInUseException",
                     ConsumerARN=consumer, ShardId=SHARD, StartingPosition={"Type": "LATEST"})

        def try_again():
            try:
                return self.subscribe(consumer)
            except ClientError:
                time.sleep(0.5)
                return None

        second = self.eventually(try_again, "a new subscription takes over")
        self.kinesis.put_record(StreamName="busy", PartitionKey="k", Data=b"x")
        self.take(iter(second), 1)
        try:
            seen = [event for event in first if event["SubscribeToShardEvent"]["Records"]]
        except EventStreamError as ended:
            self.assertIn("ResourceInUseException", str(ended))
        else:
            self.assertEqual(seen, [], "the replaced subscription still got records")

    def test_subscriptions_to_what_is_not_there_are_refused(self):
        stream, consumer = self.register("absent")
        self.refused(self.kinesis.subscribe_to_shard, "ResourceNotFoundException", ConsumerARN=consumer,
                     ShardId="shardId-000000000007", StartingPosition={"Type": "LATEST"})
        self.refused(self.kinesis.subscribe_to_shard, "ResourceNotFoundException", ConsumerARN=f"{stream}/consumer/nobody:1",
                     ShardId=SHARD, StartingPosition={"Type": "LATEST"})
