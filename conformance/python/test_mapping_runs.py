"""Event source mappings at work: batches, order, retries, checkpoints, both kinds of source."""

import base64
import json
import time

from support.case import ServerCase
from support.clients import create_stream, read_stream
from support.deploy import deploy, wait_until_updated
from support.package import PUT_SOURCE, ROLE, zip_of


class Mappings(ServerCase):
    def map(self, name, body, shards=1, consumer=False, **options):
        """Streams `NAME` and `NAME-out`, a function with `body` in its handler, and an enabled mapping; its UUID.

        The body may call `put(OUT, value)` and `payloads(event)`.
        """
        arn = create_stream(self.kinesis, name, shards)["StreamARN"]
        create_stream(self.kinesis, f"{name}-out")
        deploy(self.functions, name, f"{PUT_SOURCE}\nOUT = {name + '-out'!r}\nattempts = 0\n\n{body}")
        source = self.register(arn) if consumer else arn
        settings = {"StartingPosition": "TRIM_HORIZON", **options}
        uuid = self.functions.create_event_source_mapping(EventSourceArn=source, FunctionName=name, **settings)["UUID"]
        self.wait_for(uuid, "Enabled")
        return uuid

    def register(self, stream):
        consumer = self.kinesis.register_stream_consumer(StreamARN=stream, ConsumerName="mapping")["Consumer"]["ConsumerARN"]

        def active():
            described = self.kinesis.describe_stream_consumer(ConsumerARN=consumer)["ConsumerDescription"]
            return described["ConsumerStatus"] == "ACTIVE"

        self.eventually(active, "the consumer is active")
        return consumer

    def wait_for(self, uuid, state):
        self.eventually(lambda: self.functions.get_event_source_mapping(UUID=uuid)["State"] == state, f"the mapping is {state}")

    def put(self, stream, values, key="k"):
        entries = [{"PartitionKey": key, "Data": str(value).encode()} for value in values]
        answer = self.kinesis.put_records(StreamName=stream, Records=entries)
        self.assertEqual(answer["FailedRecordCount"], 0)
        return [entry["SequenceNumber"] for entry in answer["Records"]]

    def out(self, name):
        """What the function has put so far."""
        return [json.loads(record["Data"]) for record in read_stream(self.kinesis, f"{name}-out")]

    def wait_for_out(self, name, count, what):
        self.eventually(lambda: len(self.out(name)) >= count, what)
        return self.out(name)

    def test_the_event_has_the_form_of_aws(self):
        self.map("form", "def handler(event, context):\n    put(OUT, event)\n")
        (number,) = self.put("form", ["hello"])
        (event,) = self.wait_for_out("form", 1, "the event came")
        (record,) = event["Records"]
        arrived = record["kinesis"].pop("approximateArrivalTimestamp")
        self.assertAlmostEqual(arrived, time.time(), delta=60)
        stream = self.kinesis.describe_stream_summary(StreamName="form")["StreamDescriptionSummary"]["StreamARN"]
        self.assertEqual(record, {
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": "k",
                "sequenceNumber": number,
                "data": base64.b64encode(b"hello").decode(),
            },
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventID": f"shardId-000000000000:{number}",
            "eventName": "aws:kinesis:record",
            "invokeIdentityArn": ROLE,
            "awsRegion": "us-east-1",
            "eventSourceARN": stream,
        })

    def check_order(self, name, consumer):
        body = "def handler(event, context):\n    put(OUT, [r['eventID'] + ' ' + d for r, d in zip(event['Records'], payloads(event))])\n"
        self.map(name, body, shards=3, consumer=consumer, BatchSize=10)
        for start in range(0, 60, 20):
            entries = [{"PartitionKey": f"k{n % 12}", "Data": str(n).encode()} for n in range(start, start + 20)]
            self.kinesis.put_records(StreamName=name, Records=entries)

        def seen():
            return [line for batch in self.out(name) for line in batch]

        self.eventually(lambda: len(seen()) >= 60, "all records came")
        batches = self.out(name)
        self.assertTrue(all(len(batch) <= 10 for batch in batches), batches)
        by_shard = {}
        for batch in batches:
            self.assertEqual(len({line.split(":")[0] for line in batch}), 1, "a batch mixes shards")
            for line in batch:
                shard, rest = line.split(":")
                by_shard.setdefault(shard, []).append(rest.split(" "))
        self.assertGreater(len(by_shard), 1)
        for shard, lines in by_shard.items():
            numbers = [number for number, _ in lines]
            self.assertEqual(numbers, sorted(set(numbers)), f"{shard} is out of order or has duplicates")
        self.assertEqual(sorted(int(data) for lines in by_shard.values() for _, data in lines), list(range(60)))

    def test_a_stream_is_read_in_order(self):
        self.check_order("standard", consumer=False)

    def test_a_consumer_is_read_in_order(self):
        self.check_order("fanout", consumer=True)

    def test_a_batch_that_fails_twice_comes_again_as_it_was(self):
        body = (
            "def handler(event, context):\n"
            "    global attempts\n"
            "    attempts += 1\n"
            "    put(OUT, [attempts, payloads(event)])\n"
            "    if attempts <= 2:\n"
            "        raise RuntimeError('not yet')\n"
        )
        uuid = self.map("retry", body, BatchSize=5)
        self.put("retry", range(5))
        self.wait_for_out("retry", 3, "the batch succeeded")
        self.put("retry", range(5, 8))
        self.eventually(lambda: self.out("retry")[-1][1][-1] == "7", "the next records came")
        batches = [batch for _, batch in self.out("retry")]
        self.assertEqual(batches[0], batches[1])
        self.assertEqual(batches[1], batches[2])
        self.assertEqual(batches[0][0], "0")
        self.assertEqual([data for batch in batches[2:] for data in batch], [str(n) for n in range(8)])

        def processed():
            return self.functions.get_event_source_mapping(UUID=uuid)["LastProcessingResult"] == "OK"

        self.eventually(processed, "the mapping says that it went well")

    def test_a_failing_shard_does_not_hold_up_another(self):
        body = (
            "def handler(event, context):\n"
            "    if 'poison' in payloads(event):\n"
            "        raise RuntimeError('poison')\n"
            "    put(OUT, payloads(event))\n"
        )
        self.map("poisoned", body, shards=2)
        low, high = "0", str(2**128 - 1)
        self.kinesis.put_record(StreamName="poisoned", PartitionKey="k", Data=b"poison", ExplicitHashKey=low)
        self.kinesis.put_record(StreamName="poisoned", PartitionKey="k", Data=b"after poison", ExplicitHashKey=low)
        self.kinesis.put_record(StreamName="poisoned", PartitionKey="k", Data=b"well", ExplicitHashKey=high)
        self.assertEqual(self.wait_for_out("poisoned", 1, "the other shard went on"), [["well"]])
        time.sleep(1)
        self.assertEqual(self.out("poisoned"), [["well"]], "a record overtook one that failed")

    def test_latest_begins_at_the_creation_of_the_mapping(self):
        arn = create_stream(self.kinesis, "late")["StreamARN"]
        create_stream(self.kinesis, "late-out")
        self.put("late", ["old"])
        deploy(self.functions, "late", f"{PUT_SOURCE}\ndef handler(event, context):\n    put('late-out', payloads(event))\n")
        mapping = self.functions.create_event_source_mapping(EventSourceArn=arn, FunctionName="late", StartingPosition="LATEST")
        self.wait_for(mapping["UUID"], "Enabled")
        self.put("late", ["new"])
        self.assertEqual(self.wait_for_out("late", 1, "the new record came")[0], ["new"])

    def test_a_window_gathers_records_into_one_batch(self):
        body = "def handler(event, context):\n    put(OUT, payloads(event))\n"
        self.map("window", body, BatchSize=100, MaximumBatchingWindowInSeconds=3)
        for n in range(5):
            self.put("window", [n])
        self.eventually(lambda: sum(map(len, self.out("window"))) >= 5, "all records came")
        # The first batch may have begun before the first record; more than two would be no window.
        self.assertLessEqual(len(self.out("window")), 2)

    def test_disabling_keeps_the_place(self):
        uuid = self.map("pause", "def handler(event, context):\n    put(OUT, payloads(event))\n")
        self.put("pause", ["a"])
        self.wait_for_out("pause", 1, "the first record came")
        self.functions.update_event_source_mapping(UUID=uuid, Enabled=False)
        self.wait_for(uuid, "Disabled")
        self.put("pause", ["b"])
        time.sleep(1)
        self.assertEqual(self.out("pause"), [["a"]])
        self.functions.update_event_source_mapping(UUID=uuid, Enabled=True)
        self.wait_for(uuid, "Enabled")
        self.wait_for_out("pause", 2, "the second record came")
        self.assertEqual(self.out("pause"), [["a"], ["b"]])

    def test_new_code_takes_over_between_batches(self):
        self.map("swap", "def handler(event, context):\n    put(OUT, ['old', payloads(event)])\n")
        self.put("swap", ["1"])
        self.wait_for_out("swap", 1, "the old code ran")
        source = f"{PUT_SOURCE}\ndef handler(event, context):\n    put('swap-out', ['new', payloads(event)])\n"
        self.functions.update_function_code(FunctionName="swap", ZipFile=zip_of({"main.py": source}))
        wait_until_updated(self.functions, "swap")
        # The mapping hears of it a moment after the function's owner.
        sent = 1
        while self.out("swap")[-1][0] == "old":
            sent += 1
            self.assertLess(sent, 1_000, "the old code goes on running")
            self.put("swap", [str(sent)])
            self.wait_for_out("swap", sent, "the next batch ran")
        seen = self.out("swap")
        self.assertEqual([values for _, values in seen], [[str(n)] for n in range(1, sent + 1)])
        self.assertEqual([which for which, _ in seen], ["old"] * (sent - 1) + ["new"])

    def test_a_large_batch_stays_below_six_megabytes(self):
        self.map("large", "def handler(event, context):\n    put(OUT, len(event['Records']))\n")
        for _ in range(3):
            entries = [{"PartitionKey": "k", "Data": b"x" * 900_000} for _ in range(4)]
            self.assertEqual(self.kinesis.put_records(StreamName="large", Records=entries)["FailedRecordCount"], 0)
        self.eventually(lambda: sum(self.out("large")) >= 12, "all records came")
        self.assertLessEqual(max(self.out("large")), 5)
