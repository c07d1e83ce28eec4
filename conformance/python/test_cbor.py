"""CBOR, the encoding of the SDKs for Java, without an SDK."""

import email.utils
import json
import re
import time

from botocore.eventstream import EventStreamBuffer

from support import cbor
from support.bare import Bare
from support.case import ServerCase
from support.cbor import Millis, Raw
from support.clients import create_stream

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
CBOR = "application/x-amz-cbor-1.1"
SHARD = "shardId-000000000000"
EVERY_BYTE = bytes(range(256))


class Cbor(ServerCase):
    def setUp(self):
        self.bare = Bare(self.address)
        self.addCleanup(self.bare.close)

    def post(self, operation, body):
        """One request; (status, headers, decoded body), the latter None where there is no body."""
        status, headers, answer = self.bare.post(f"Kinesis_20131202.{operation}", body, {"Content-Type": CBOR})
        self.assertEqual(headers["Content-Type"], CBOR)
        return status, headers, cbor.decode(answer) if answer else None

    def call(self, operation, indefinite=False, **members):
        """One request that must succeed; its output."""
        status, _, answer = self.post(operation, cbor.encode(members, indefinite))
        self.assertEqual(status, 200, answer)
        return answer

    def error(self, operation, body):
        """(status, __type, message) of a request that must fail."""
        status, _, answer = self.post(operation, body)
        return status, answer["__type"], answer["message"]

    def read(self, stream, **start):
        iterator = self.call("GetShardIterator", StreamName=stream, ShardId=SHARD, **start)["ShardIterator"]
        return self.call("GetRecords", ShardIterator=iterator)

    def test_a_stream_from_creation_to_deletion(self):
        self.assertIsNone(self.call("CreateStream", StreamName="cbor-life", ShardCount=1))
        describe = lambda: self.call("DescribeStreamSummary", StreamName="cbor-life")["StreamDescriptionSummary"]
        self.eventually(lambda: describe()["StreamStatus"] == "ACTIVE", "the stream is active")
        created = describe()["StreamCreationTimestamp"]
        self.assertIsInstance(created, Millis)
        self.assertAlmostEqual(created.value / 1000, time.time(), delta=600)
        self.assertIn("cbor-life", self.call("ListStreams")["StreamNames"])
        (shard,) = self.call("ListShards", StreamName="cbor-life")["Shards"]
        self.assertEqual(shard["HashKeyRange"], {"StartingHashKey": "0", "EndingHashKey": str(2**128 - 1)})
        self.assertIsNone(self.call("DeleteStream", StreamName="cbor-life"))

    def test_records_come_back_as_they_were_put(self):
        create_stream(self.kinesis, "cbor-records")
        for indefinite in (False, True):
            put = self.call("PutRecord", indefinite, StreamName="cbor-records", PartitionKey="é😀", Data=EVERY_BYTE)
            self.assertEqual(put["ShardId"], SHARD)
        entries = [{"Data": EVERY_BYTE * 4, "PartitionKey": f"k{n}", "ExplicitHashKey": str(n)} for n in range(500)]
        answer = self.call("PutRecords", StreamName="cbor-records", Records=entries)
        self.assertEqual((answer["FailedRecordCount"], len(answer["Records"])), (0, 500))
        page = self.read("cbor-records", ShardIteratorType="TRIM_HORIZON")
        self.assertEqual([record["Data"] for record in page["Records"]], [EVERY_BYTE] * 2 + [EVERY_BYTE * 4] * 500)
        self.assertEqual({record["PartitionKey"] for record in page["Records"][:2]}, {"é😀"})
        self.assertAlmostEqual(page["Records"][0]["ApproximateArrivalTimestamp"].value / 1000, time.time(), delta=600)
        self.assertEqual(page["MillisBehindLatest"], 0)

    def test_both_encodings_see_the_same_records(self):
        create_stream(self.kinesis, "cbor-both")
        self.call("PutRecord", StreamName="cbor-both", PartitionKey="k", Data=b"from cbor")
        self.kinesis.put_record(StreamName="cbor-both", PartitionKey="k", Data=b"from json")
        iterator = self.kinesis.get_shard_iterator(StreamName="cbor-both", ShardId=SHARD, ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
        in_json = self.kinesis.get_records(ShardIterator=iterator)["Records"]
        in_cbor = self.call("GetRecords", ShardIterator=iterator)["Records"]
        self.assertEqual([record["Data"] for record in in_json], [b"from cbor", b"from json"])
        for one, other in zip(in_json, in_cbor, strict=True):
            millis = round(one.pop("ApproximateArrivalTimestamp").timestamp() * 1000)
            self.assertEqual(other.pop("ApproximateArrivalTimestamp"), Millis(millis))
            self.assertEqual(one, other)

    def test_an_iterator_starts_at_a_time_in_milliseconds(self):
        create_stream(self.kinesis, "cbor-times")
        self.call("PutRecord", StreamName="cbor-times", PartitionKey="k", Data=b"a")
        (first,) = self.read("cbor-times", ShardIteratorType="TRIM_HORIZON")["Records"]
        arrived = first["ApproximateArrivalTimestamp"].value
        # Two records of one millisecond cannot be told apart by time.
        self.eventually(lambda: time.time() * 1000 > arrived + 5, "the next millisecond")
        self.call("PutRecord", StreamName="cbor-times", PartitionKey="k", Data=b"b")
        seconds = Raw(b"\xc1" + cbor.encode((arrived + 1) / 1000))
        for at, wanted in ((Millis(arrived), [b"a", b"b"]), (Millis(arrived + 1), [b"b"]), (seconds, [b"b"]), (arrived + 1, [b"b"])):
            with self.subTest(at):
                page = self.read("cbor-times", ShardIteratorType="AT_TIMESTAMP", Timestamp=at)
                self.assertEqual([record["Data"] for record in page["Records"]], wanted)

    def test_every_answer_has_the_headers_that_sdks_read(self):
        for name, expected in (("ListStreams", 200), ("DescribeStream", 400)):
            status, headers, _ = self.post(name, cbor.encode({"StreamName": "nowhere"} if expected == 400 else {}))
            self.assertEqual(status, expected)
            self.assertRegex(headers["x-amzn-RequestId"], UUID)
            self.assertTrue(headers["x-amz-id-2"])
            self.assertAlmostEqual(email.utils.parsedate_to_datetime(headers["Date"]).timestamp(), time.time(), delta=5)

    def test_errors_say_what_they_say_in_json(self):
        bodies = (
            ("DescribeStream", {"StreamName": "nowhere"}),
            ("CreateStream", {"StreamName": "bad name!", "ShardCount": 0}),
            ("CreateStream", {}),
            ("CreateStream", {"StreamName": 7}),
            ("CreateStream", {"StreamName": "x", "ShardCount": "1"}),
            ("GetRecords", {"ShardIterator": "invented"}),
            ("PutRecords", {"StreamName": "x", "Records": []}),
            ("PutRecords", {"StreamName": "x", "Records": [None]}),
            ("Invented", {}),
        )
        for operation, members in bodies:
            with self.subTest(operation, **members):
                status, headers, answer = self.bare.post(f"Kinesis_20131202.{operation}", json.dumps(members).encode())
                self.assertEqual(headers["Content-Type"], "application/x-amz-json-1.1")
                decoded = json.loads(answer)
                self.assertEqual(status, 400)
                self.assertEqual(self.error(operation, cbor.encode(members)), (status, decoded["__type"], decoded["message"]))

    def test_what_is_no_cbor_is_a_serialization_error(self):
        name = b"\x6aStreamName"
        broken = {
            "json": b'{"StreamName":"x"}',
            "a list": b"\x80",
            "cut short": b"\xa1" + name,
            "no break": b"\xbf" + name + b"\x61x",
            "a length beyond all memory": b"\xa1" + name + b"\x7b" + b"\xff" * 8,
            "as many members": b"\xbb" + b"\xff" * 8,
            "reserved": b"\xa1" + name + b"\x7c",
            "not UTF-8": b"\xa1" + name + b"\x61\xff",
            "a second value": b"\xa0\xa0",
            "nesting": b"\xa1\x61x" + b"\x81" * 1_000_000,
            "nesting without lengths": b"\xa1\x61x" + b"\x9f" * 1_000_000,
        }
        for what, body in broken.items():
            with self.subTest(what):
                status, kind, _ = self.error("CreateStream", body)
                self.assertEqual((status, kind), (400, "SerializationException"))

    def test_members_that_are_unknown_or_null_are_ignored(self):
        create_stream(self.kinesis, "cbor-lenient")
        invented = {"a": [1, None, -1.5, Millis(0)], "b": {"c": b"x"}}
        for indefinite in (False, True):
            answer = self.call("DescribeStreamSummary", indefinite, Invented=invented, StreamARN=None, StreamName="cbor-lenient")
            self.assertEqual(answer["StreamDescriptionSummary"]["StreamName"], "cbor-lenient")

    def register(self, stream):
        arn = create_stream(self.kinesis, stream)["StreamARN"]
        consumer = self.call("RegisterStreamConsumer", StreamARN=arn, ConsumerName="reader")["Consumer"]
        self.assertIsInstance(consumer["ConsumerCreationTimestamp"], Millis)
        consumer = consumer["ConsumerARN"]
        describe = lambda: self.call("DescribeStreamConsumer", ConsumerARN=consumer)["ConsumerDescription"]["ConsumerStatus"]
        self.eventually(lambda: describe() == "ACTIVE", "the consumer is active")
        return consumer

    def subscribe(self, consumer):
        """The frames of a subscription from the shard's start as they come, or the error that came instead."""
        bare = Bare(self.address)
        self.addCleanup(bare.close)
        body = cbor.encode({"ConsumerARN": consumer, "ShardId": SHARD, "StartingPosition": {"Type": "TRIM_HORIZON"}})
        head = {"Content-Type": CBOR, "X-Amz-Target": "Kinesis_20131202.SubscribeToShard", "Authorization": Bare.AUTHORIZATION}
        bare.connection.request("POST", "/", body, head)
        answer = bare.connection.getresponse()
        if answer.status != 200:
            self.assertEqual(answer.headers["Content-Type"], CBOR)
            return cbor.decode(answer.read())["__type"]
        self.assertEqual(answer.headers["Content-Type"], "application/vnd.amazon.eventstream")
        return self.frames(answer)

    def frames(self, answer):
        buffer = EventStreamBuffer()
        while part := answer.read1(65536):
            buffer.add_data(part)
            for frame in buffer:
                self.assertEqual(frame.headers[":content-type"], CBOR)
                kind = frame.headers.get(":event-type") or frame.headers[":exception-type"]
                yield frame.headers[":message-type"], kind, cbor.decode(frame.payload)

    def test_a_subscription_is_a_stream_of_cbor(self):
        consumer = self.register("cbor-pushed")
        self.call("PutRecord", StreamName="cbor-pushed", PartitionKey="k", Data=EVERY_BYTE)
        frames = self.subscribe(consumer)
        self.assertEqual(next(frames), ("event", "initial-response", {}))
        message, kind, event = next(frames)
        self.assertEqual((message, kind), ("event", "SubscribeToShardEvent"))
        (record,) = event["Records"]
        self.assertEqual((record["Data"], record["PartitionKey"]), (EVERY_BYTE, "k"))
        self.assertAlmostEqual(record["ApproximateArrivalTimestamp"].value / 1000, time.time(), delta=600)
        self.assertEqual(event["ContinuationSequenceNumber"], record["SequenceNumber"])
        self.assertEqual(event["MillisBehindLatest"], 0)
        # The first idle event: records are there even when there are none.
        self.assertEqual(next(frames)[2]["Records"], [])

    def test_a_subscription_that_is_taken_over_is_told_so_in_cbor(self):
        consumer = self.register("cbor-busy")
        first = self.subscribe(consumer)
        self.assertEqual(next(first)[1], "initial-response")
        self.assertEqual(self.subscribe(consumer), "ResourceInUseException")

        def try_again():
            second = self.subscribe(consumer)
            return None if isinstance(second, str) else second

        second = self.eventually(try_again, "a new subscription takes over")
        self.assertEqual(next(second)[1], "initial-response")
        *events, (message, kind, payload) = first
        self.assertEqual([event[2]["Records"] for event in events], [[]] * len(events))
        self.assertEqual((message, kind), ("exception", "ResourceInUseException"))
        self.assertIn("took over", payload["message"])
