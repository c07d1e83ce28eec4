"""Every parameter of an event source mapping, through boto3 and with real functions."""

import base64
import json
import time
import uuid

from support import aws, clients
from support.case import ServerCase
from support.clients import create_stream, read_stream
from support.deploy import deploy
from support.package import PUT_SOURCE
from support.server import Server

QUEUE = "arn:aws:sqs:us-east-1:000000000000:failures"
TOPIC = "arn:aws:sns:us-east-1:000000000000:failures"
BUCKET = "arn:aws:s3:::failures"


class Parameters(ServerCase):
    @classmethod
    def setUpClass(cls):
        cls.services = {name: aws.Service(name) for name in ("sqs", "sns", "s3")}
        for service in cls.services.values():
            cls.addClassCleanup(service.stop)
        endpoints = {f"AWS_ENDPOINT_URL_{name.upper()}": service.url for name, service in cls.services.items()}
        cls.server = Server(environment={**aws.ENVIRONMENT, **endpoints})
        cls.addClassCleanup(cls.server.kill)
        cls.kinesis = clients.client("kinesis", cls.server.address)
        cls.functions = clients.client("lambda", cls.server.address)

    def map(self, body, shards=1, **options):
        """A stream, a function with `body` in its handler, and a mapping: the stream's name and the mapping's UUID."""
        name = f"m-{uuid.uuid4().hex[:8]}"
        arn = create_stream(self.kinesis, name, shards)["StreamARN"]
        create_stream(self.kinesis, f"{name}-out")
        deploy(self.functions, name, f"{PUT_SOURCE}\nOUT = {name + '-out'!r}\ncalls = 0\n\n{body}")
        settings = {"StartingPosition": "TRIM_HORIZON", **options}
        made = self.functions.create_event_source_mapping(EventSourceArn=arn, FunctionName=name, **settings)
        for member, value in options.items():
            if member != "Tags":
                self.assertEqual(made.get(member), value, member)
        self.wait_for(made["UUID"], "Enabled")
        return name, made["UUID"]

    def wait_for(self, mapping, state):
        got = lambda: self.functions.get_event_source_mapping(UUID=mapping)["State"] == state
        self.eventually(got, f"the mapping is {state}")

    def put(self, stream, *values, key="k"):
        entries = [{"PartitionKey": key, "Data": v if isinstance(v, bytes) else json.dumps(v).encode()} for v in values]
        answer = self.kinesis.put_records(StreamName=stream, Records=entries)
        self.assertEqual(answer["FailedRecordCount"], 0)
        return [entry["SequenceNumber"] for entry in answer["Records"]]

    def out(self, name):
        return [json.loads(record["Data"]) for record in read_stream(self.kinesis, f"{name}-out")]

    def wait_for_out(self, name, count):
        self.eventually(lambda: len(self.out(name)) >= count, f"{count} answers of {name}")
        return self.out(name)

    def told(self, service, stream):
        """What a service was told of a stream."""
        told = self.services[service].bodies()
        return [body for body in told if body["KinesisBatchInfo"]["streamArn"].endswith(f"/{stream}")]

    FAIL = "def handler(event, context):\n    put(OUT, payloads(event))\n    if '\"bad\"' in payloads(event): raise ValueError('bad')\n"

    def test_retries_are_counted_and_a_queue_is_told(self):
        options = {"MaximumRetryAttempts": 2, "DestinationConfig": {"OnFailure": {"Destination": QUEUE}}}
        name, mapping = self.map(self.FAIL, BatchSize=1, **options)
        bad, _ = self.put(name, "bad", "good")
        self.assertEqual(self.wait_for_out(name, 4), [['"bad"']] * 3 + [['"good"']])
        (told,) = self.told("sqs", name)
        info, request = told["KinesisBatchInfo"], told["requestContext"]
        self.assertEqual((request["condition"], request["approximateInvokeCount"]), ("RetryAttemptsExhausted", 3))
        self.assertEqual(told["responseContext"], {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"})
        self.assertEqual((info["startSequenceNumber"], info["endSequenceNumber"], info["batchSize"]), (bad, bad, 1))
        self.assertEqual(self.services["sqs"].bad, [])
        self.assertEqual(list(told), ["requestContext", "responseContext", "version", "timestamp", "KinesisBatchInfo"])
        result = lambda: self.functions.get_event_source_mapping(UUID=mapping)["LastProcessingResult"]
        self.eventually(lambda: result() == "OK", "it went well in the end")

    def test_a_topic_a_bucket_and_a_stream_are_told(self):
        dead = create_stream(self.kinesis, "dead-letters")["StreamARN"]
        for service, arn in (("sns", TOPIC), ("s3", BUCKET), (None, dead)):
            options = {"MaximumRetryAttempts": 0, "DestinationConfig": {"OnFailure": {"Destination": arn}}}
            name, mapping = self.map(self.FAIL, BatchSize=1, **options)
            self.put(name, "bad", "good")
            self.assertEqual(self.wait_for_out(name, 2), [['"bad"'], ['"good"']])
            if service is None:
                (told,) = [json.loads(record["Data"]) for record in read_stream(self.kinesis, "dead-letters")]
            else:
                (told,) = self.told(service, name)
                self.assertEqual(self.services[service].bad, [])
            self.assertEqual(told["requestContext"]["condition"], "RetryAttemptsExhausted")
            if service == "s3":
                (record,) = json.loads(told["payload"])["Records"]
                self.assertEqual(base64.b64decode(record["kinesis"]["data"]), b'"bad"')
                method, path, _, _ = self.services["s3"].taken[-1]
                self.assertRegex(
                    f"{method} {path}",
                    rf"PUT /failures/aws/lambda/{mapping}/shardId-000000000000/\d{{4}}/\d\d/\d\d/\d{{4}}-\d\d-\d\dT\d\d\.\d\d\.\d\d-",
                )

    def test_a_destination_that_fails_is_told_again(self):
        self.services["sqs"].refusing = True
        self.addCleanup(setattr, self.services["sqs"], "refusing", False)
        options = {"MaximumRetryAttempts": 0, "DestinationConfig": {"OnFailure": {"Destination": QUEUE}}}
        name, mapping = self.map(self.FAIL, BatchSize=1, **options)
        self.put(name, "bad", "good")
        result = lambda: self.functions.get_event_source_mapping(UUID=mapping)["LastProcessingResult"]
        self.eventually(lambda: "Failure destination" in result(), "the mapping says what it waits for")
        self.assertEqual(self.out(name), [['"bad"']])
        self.services["sqs"].refusing = False
        self.wait_for_out(name, 2)
        self.assertEqual(len(self.told("sqs", name)), 1)

    def test_bisecting_finds_the_bad_record(self):
        options = {"BisectBatchOnFunctionError": True, "MaximumRetryAttempts": 0, "MaximumBatchingWindowInSeconds": 1}
        body = (
            "def handler(event, context):\n"
            "    if '\"bad\"' in payloads(event): raise ValueError('bad')\n"
            "    put(OUT, payloads(event))\n"
        )
        name, _ = self.map(body, BatchSize=8, **options)
        self.put(name, *"abcd", "bad", *"efg")
        self.eventually(lambda: sum(map(len, self.out(name))) >= 7, "all the good ones came")
        self.assertEqual([json.loads(text) for batch in self.out(name) for text in batch], list("abcdefg"))

    def test_reported_failures_come_again_alone(self):
        body = (
            "def handler(event, context):\n"
            "    global calls\n"
            "    calls += 1\n"
            "    put(OUT, payloads(event))\n"
            "    bad = [r['kinesis']['sequenceNumber'] for r, d in zip(event['Records'], payloads(event)) if d == '\"bad\"']\n"
            "    return {'batchItemFailures': [{'itemIdentifier': n} for n in bad] if calls < 3 else []}\n"
        )
        options = {"FunctionResponseTypes": ["ReportBatchItemFailures"], "MaximumBatchingWindowInSeconds": 1}
        name, _ = self.map(body, BatchSize=4, **options)
        self.put(name, "a", "b", "bad", "c")
        got = self.wait_for_out(name, 3)
        self.assertEqual(got, [['"a"', '"b"', '"bad"', '"c"'], ['"bad"', '"c"'], ['"bad"', '"c"']])

    def test_filters_let_pass_what_matches(self):
        pattern = json.dumps({"data": {"temperature": [{"numeric": [">", 20]}], "place": [{"anything-but": "attic"}]}})
        criteria = {"Filters": [{"Pattern": pattern}, {"Pattern": json.dumps({"partitionKey": ["always"]})}]}
        body = "def handler(event, context):\n    put(OUT, payloads(event))\n"
        name, mapping = self.map(body, FilterCriteria=criteria)
        self.put(name, {"temperature": 19, "place": "hall"}, b"no json", {"temperature": 30, "place": "attic"})
        self.put(name, b"no json either", key="always")
        self.put(name, {"temperature": 21.0, "place": "hall"})
        self.eventually(lambda: sum(map(len, self.out(name))) >= 2, "what matches came")
        got = [text for batch in self.out(name) for text in batch]
        self.assertEqual(got, ["no json either", '{"temperature": 21.0, "place": "hall"}'])
        message = self.refused(
            self.functions.update_event_source_mapping,
            "InvalidParameterValueException",
            UUID=mapping,
            FilterCriteria={"Filters": [{"Pattern": '{"data": {"a": "b"}}'}]},
        )
        self.assertEqual(message, "Invalid filter pattern definition.")
        updated = self.functions.update_event_source_mapping(UUID=mapping, FilterCriteria={"Filters": []})
        self.assertNotIn("FilterCriteria", updated)

    def test_keys_run_beside_each_other_and_in_order(self):
        body = (
            "import time\n"
            "def handler(event, context):\n"
            "    start = time.time()\n"
            "    time.sleep(0.3)\n"
            "    put(OUT, [start, time.time(), [[r['kinesis']['partitionKey'], d] for r, d in zip(event['Records'], payloads(event))]])\n"
        )
        name, mapping = self.map(body, ParallelizationFactor=10, BatchSize=4)
        for n in range(4):
            entries = [{"PartitionKey": f"k{k}", "Data": str(n).encode()} for k in range(20)]
            self.assertEqual(self.kinesis.put_records(StreamName=name, Records=entries)["FailedRecordCount"], 0)
        count = lambda: sum(len(records) for _, _, records in self.out(name))
        self.eventually(lambda: count() >= 80, "all records came")
        calls = sorted(self.out(name))
        self.assertTrue(any(later[0] < earlier[1] for earlier, later in zip(calls, calls[1:])), "no two ran at once")
        by_key = {}
        for _, _, records in calls:
            for key, number in records:
                by_key.setdefault(key, []).append(int(number))
        self.assertEqual(set(map(tuple, by_key.values())), {(0, 1, 2, 3)})
        self.functions.update_event_source_mapping(UUID=mapping, ParallelizationFactor=1)
        self.wait_for(mapping, "Enabled")
        self.put(name, "after", key="k1")
        self.eventually(lambda: count() >= 81, "it goes on with another factor")

    def test_a_window_hands_on_its_state(self):
        body = (
            "def handler(event, context):\n"
            "    count = event['state'].get('count', 0) + len(event['Records'])\n"
            "    if event['isFinalInvokeForWindow']:\n"
            "        put(OUT, [event['window'], count, len(event['Records']), event['isWindowTerminatedEarly']])\n"
            "    return {'state': {'count': count}}\n"
        )
        name, _ = self.map(body, TumblingWindowInSeconds=2, BatchSize=2)
        for n in range(5):
            self.put(name, n)
        total = lambda: sum(count for _, count, _, _ in self.out(name))
        self.eventually(lambda: total() >= 5, "the windows ended")
        self.assertEqual(total(), 5)
        for window, _, records, early in self.out(name):
            self.assertEqual((records, early), (0, False))
            seconds = [int(time.mktime(time.strptime(window[end], "%Y-%m-%dT%H:%M:%SZ"))) for end in ("start", "end")]
            self.assertEqual((seconds[1] - seconds[0], seconds[0] % 2), (2, 0))

    def test_records_that_are_too_old_are_told_of(self):
        # The youngest limit is a minute, which no test waits for: the setting is shown, and what is young is delivered.
        options = {"MaximumRecordAgeInSeconds": 60, "DestinationConfig": {"OnFailure": {"Destination": QUEUE}}}
        name, _ = self.map(self.FAIL, BatchSize=1, **options)
        self.put(name, "good")
        self.wait_for_out(name, 1)
        self.assertEqual(self.told("sqs", name), [])

    def test_tags_come_and_go(self):
        name, mapping = self.map("def handler(event, context):\n    pass\n", Tags={"team": "growth"})
        arn = self.functions.get_event_source_mapping(UUID=mapping)["EventSourceMappingArn"]
        self.functions.tag_resource(Resource=arn, Tags={"cost": "12"})
        self.functions.untag_resource(Resource=arn, TagKeys=["team"])
        self.assertEqual(self.functions.list_tags(Resource=arn)["Tags"], {"cost": "12"})

    def test_a_timestamp_starts_the_mapping_there(self):
        name = f"m-{uuid.uuid4().hex[:8]}"
        arn = create_stream(self.kinesis, name)["StreamARN"]
        create_stream(self.kinesis, f"{name}-out")
        self.put(name, "before")
        time.sleep(1.1)
        at = time.time()
        time.sleep(0.1)
        self.put(name, "after")
        deploy(self.functions, name, f"{PUT_SOURCE}\ndef handler(event, context):\n    put({name + '-out'!r}, payloads(event))\n")
        made = self.functions.create_event_source_mapping(
            EventSourceArn=arn, FunctionName=name, StartingPosition="AT_TIMESTAMP", StartingPositionTimestamp=at
        )
        self.assertAlmostEqual(made["StartingPositionTimestamp"].timestamp(), at, delta=0.01)
        self.assertEqual(self.wait_for_out(name, 1), [['"after"']])


class Durable(ServerCase):
    """What is remembered of a mapping when the process is killed."""

    def test_settings_tags_and_the_last_result_outlive_kill_9(self):
        import tempfile

        with tempfile.TemporaryDirectory() as data:
            with Server(data) as server:
                kinesis, functions = clients.client("kinesis", server.address), clients.client("lambda", server.address)
                arn = create_stream(kinesis, "kept")["StreamARN"]
                deploy(functions, "kept", "def handler(event, context):\n    raise ValueError('always')\n")
                made = functions.create_event_source_mapping(
                    EventSourceArn=arn, FunctionName="kept", StartingPosition="TRIM_HORIZON", ParallelizationFactor=3,
                    MaximumRetryAttempts=5, Tags={"a": "b"}, FunctionResponseTypes=["ReportBatchItemFailures"],
                    FilterCriteria={"Filters": [{"Pattern": '{"data":{"n":[1]}}'}]},
                )
                kinesis.put_record(StreamName="kept", PartitionKey="k", Data=b'{"n":1}')
                get = lambda client: client.get_event_source_mapping(UUID=made["UUID"])
                problem = "PROBLEM: Function call failed"
                self.eventually(lambda: get(functions)["LastProcessingResult"] == problem, "the function failed")
                time.sleep(1.5)
                before = get(functions)
            with Server(data) as server:
                functions = clients.client("lambda", server.address)
                after = get(functions)
                for volatile in ("ResponseMetadata",):
                    before.pop(volatile), after.pop(volatile)
                self.assertEqual(before, after)
                self.assertEqual(functions.list_tags(Resource=made["EventSourceMappingArn"])["Tags"], {"a": "b"})

    def test_kill_9_leaves_no_gap_in_any_lane(self):
        import tempfile

        body = "def handler(event, context):\n    put('lanes-out', payloads(event))\n"
        values = lambda client: {int(v) for r in read_stream(client, "lanes-out") for v in json.loads(r["Data"])}
        with tempfile.TemporaryDirectory() as data:
            with Server(data) as server:
                kinesis, functions = clients.client("kinesis", server.address), clients.client("lambda", server.address)
                arn = create_stream(kinesis, "lanes")["StreamARN"]
                create_stream(kinesis, "lanes-out")
                deploy(functions, "lanes", f"{PUT_SOURCE}\n{body}")
                functions.create_event_source_mapping(
                    EventSourceArn=arn, FunctionName="lanes", StartingPosition="TRIM_HORIZON", ParallelizationFactor=4, BatchSize=5
                )
                entries = [{"PartitionKey": f"k{n % 17}", "Data": str(n).encode()} for n in range(300)]
                self.assertEqual(kinesis.put_records(StreamName="lanes", Records=entries)["FailedRecordCount"], 0)
                self.eventually(lambda: len(values(kinesis)) >= 40, "some came")
                server.kill()
            with Server(data) as server:
                kinesis = clients.client("kinesis", server.address)
                self.eventually(lambda: values(kinesis) == set(range(300)), "all came")
