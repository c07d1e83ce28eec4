"""Faults that the server is told to inject: what clients see, and that nothing of a failed request is done."""

import subprocess
import unittest
import urllib.error
import urllib.request

from botocore.exceptions import ClientError

from support import cbor, clients
from support.bare import Bare
from support.case import ServerCase
from support.clients import create_stream, read_stream
from support.server import Server, binary

CBOR = "application/x-amz-cbor-1.1"
PUTS = 200


def outcomes(address, stream, faults):
    """What becomes of some puts, one after the other, when the faults are set anew."""
    operate(address, "PUT", faults)
    kinesis = clients.client("kinesis", address)
    row = ""
    for number in range(PUTS):
        try:
            kinesis.put_record(StreamName=stream, PartitionKey="k", Data=str(number).encode())
            row += "."
        except ClientError as refused:
            row += {"ProvisionedThroughputExceededException": "t", "InternalFailure": "e"}[refused.response["Error"]["Code"]]
    return row


def operate(address, method, body=None, headers=None):
    """A request to the operator's page of faults; (status, text)."""
    data = body.encode() if body is not None else None
    request = urllib.request.Request(f"{address}/_millstream/faults", data, headers or {}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()


class Faults(ServerCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server.kill()
        cls.server = Server(arguments=["--fault", "off", "--fault-seed", "7"])
        cls.addClassCleanup(cls.server.kill)
        cls.address = cls.server.address
        cls.kinesis = clients.client("kinesis", cls.address)
        cls.functions = clients.client("lambda", cls.address)

    def setUp(self):
        self.addCleanup(operate, self.address, "DELETE")

    def set(self, *faults):
        status, text = operate(self.address, "PUT", "\n".join(faults))
        self.assertEqual((status, text.split()), (200, list(faults)))

    def test_what_is_refused_is_not_stored_and_what_is_acknowledged_is(self):
        create_stream(self.kinesis, "dice")
        row = outcomes(self.address, "dice", "PutRecord=throttle:0.3\nPutRecord=error:0.2")
        self.assertTrue({".", "t", "e"} <= set(row), row)
        stored = [int(record["Data"]) for record in read_stream(self.kinesis, "dice")]
        self.assertEqual(stored, [number for number, outcome in enumerate(row) if outcome == "."])
        # The same seed, the same requests: the same faults.
        create_stream(self.kinesis, "dice-again")
        self.assertEqual(outcomes(self.address, "dice-again", "PutRecord=throttle:0.3\nPutRecord=error:0.2"), row)

    def test_records_of_put_records_fail_by_themselves(self):
        create_stream(self.kinesis, "some", 2)
        self.set("PutRecords=throttle-records:0.5")
        records = [{"PartitionKey": str(number), "Data": str(number).encode()} for number in range(100)]
        answer = self.kinesis.put_records(StreamName="some", Records=records)
        entries = answer["Records"]
        failed = [number for number, entry in enumerate(entries) if "ErrorCode" in entry]
        self.assertEqual(len(entries), 100)
        self.assertEqual(answer["FailedRecordCount"], len(failed))
        self.assertTrue(10 < len(failed) < 90, failed)
        for entry in entries:
            if "ErrorCode" in entry:
                self.assertEqual(entry["ErrorCode"], "ProvisionedThroughputExceededException")
                self.assertIn("Rate exceeded", entry["ErrorMessage"])
                self.assertNotIn("SequenceNumber", entry)
            else:
                self.assertRegex(entry["ShardId"], r"^shardId-\d{12}$")
                self.assertTrue(entry["SequenceNumber"])
        stored = sorted(int(record["Data"]) for record in read_stream(self.kinesis, "some"))
        self.assertEqual(stored, sorted(set(range(100)) - set(failed)))
        # The numbers are those of the records that they stand beside.
        by_number = {record["SequenceNumber"]: record["Data"] for record in read_stream(self.kinesis, "some")}
        for number, entry in enumerate(entries):
            if number not in failed:
                self.assertEqual(by_number[entry["SequenceNumber"]], str(number).encode())

    def test_all_records_may_fail_and_what_is_wrong_is_still_told(self):
        create_stream(self.kinesis, "none")
        self.set("PutRecords=throttle-records:1")
        answer = self.kinesis.put_records(StreamName="none", Records=[{"PartitionKey": "k", "Data": b"x"}] * 3)
        self.assertEqual((answer["FailedRecordCount"], len(answer["Records"])), (3, 3))
        self.assertEqual(read_stream(self.kinesis, "none"), [])
        self.refused(self.kinesis.put_records, "ResourceNotFoundException", StreamName="nowhere", Records=[{"PartitionKey": "k", "Data": b"x"}])

    def test_throttles_and_failures_are_those_of_aws_in_both_encodings(self):
        self.set("GetRecords=throttle:1", "ListShards=throttle:1", "ListStreams=error:1")
        for operation, status, code in (
            ("GetRecords", 400, "ProvisionedThroughputExceededException"),
            ("ListShards", 400, "LimitExceededException"),
            ("ListStreams", 500, "InternalFailure"),
        ):
            bare = Bare(self.address)
            self.addCleanup(bare.close)
            target = f"Kinesis_20131202.{operation}"
            answered, headers, body = bare.post(target, b"\xa0", {"Content-Type": CBOR})
            self.assertEqual((answered, headers["Content-Type"], cbor.decode(body)["__type"]), (status, CBOR, code))
            answered, headers, body = bare.post(target, b"{}")
            self.assertEqual((answered, headers["Content-Type"]), (status, "application/x-amz-json-1.1"))
            self.assertIn(f'"__type":"{code}"'.encode(), body)

    def test_a_sdk_tries_again_until_it_gets_through(self):
        create_stream(self.kinesis, "patient")
        self.set("PutRecord=throttle:0.5", "PutRecord=error:0.2")
        patient = clients.client("kinesis", self.address, retries={"total_max_attempts": 30, "mode": "standard"})
        for number in range(5):
            patient.put_record(StreamName="patient", PartitionKey="k", Data=str(number).encode())
        self.assertEqual([int(record["Data"]) for record in read_stream(self.kinesis, "patient")], list(range(5)))

    def test_lambda_has_faults_of_its_own(self):
        self.set("ListFunctions=throttle:1", "GetFunction=error:1", "lambda:TagResource=error:1")
        with self.assertRaises(ClientError) as caught:
            self.functions.list_functions()
        self.assertEqual(caught.exception.response["Error"]["Code"], "TooManyRequestsException")
        self.assertEqual(caught.exception.response["ResponseMetadata"]["HTTPStatusCode"], 429)
        with self.assertRaises(ClientError) as caught:
            self.functions.get_function(FunctionName="f")
        self.assertEqual(caught.exception.response["Error"]["Code"], "ServiceException")
        self.assertEqual(caught.exception.response["ResponseMetadata"]["HTTPStatusCode"], 500)
        arn = create_stream(self.kinesis, "tagged")["StreamARN"]
        self.kinesis.tag_resource(ResourceARN=arn, Tags={"a": "b"})

    def test_latency_only_delays(self):
        self.set("ListStreams=latency:1ms:1")
        self.kinesis.list_streams()
        with urllib.request.urlopen(f"{self.address}/_millstream/metrics", timeout=30) as answer:
            metrics = answer.read().decode()
        self.assertRegex(metrics, r'millstream_faults_injected_total\{service="kinesis",kind="latency"\} [1-9]')

    def test_the_operators_page_is_for_operators(self):
        self.assertEqual(operate(self.address, "GET"), (200, ""))
        for body in ("PutRecord=throttle", "nonsense", "*=error:1\n" * 200):
            status, text = operate(self.address, "PUT", body)
            self.assertEqual(status, 400, text)
        self.assertEqual(operate(self.address, "GET"), (200, ""), "what is wrong changes nothing")
        self.assertEqual(operate(self.address, "POST", "*=error:1")[0], 400)
        self.assertEqual(operate(self.address, "PUT", "*=error:1", {"Origin": "https://example.org"})[0], 403)
        self.assertEqual(operate(self.address, "PUT", "*=error:1", {"Host": "evil.example"})[0], 403)
        self.assertEqual(operate(self.address, "PUT", "x" * 100_000)[0], 400)
        self.kinesis.list_streams()


class Start(unittest.TestCase):
    def test_a_server_says_that_it_injects_faults_and_others_have_none(self):
        with Server(arguments=["--fault", "ListStreams=error:1", "--fault", "PutRecord=throttle:0.5"]) as server:
            self.assertIn("injects faults", server.log())
            with self.assertRaises(ClientError):
                clients.client("kinesis", server.address).list_streams()
        with Server() as server:
            self.assertNotIn("injects faults", server.log())
            self.assertEqual(operate(server.address, "PUT", "*=error:1")[0], 404)
            clients.client("kinesis", server.address).list_streams()

    def test_what_is_no_fault_keeps_the_server_from_starting(self):
        for arguments in (["--fault", "PutRecords=throttle"], ["--fault", "NoSuch=error:1"], ["--fault-seed", "1"]):
            done = subprocess.run([binary(), "serve", "--memory", "--bind", "127.0.0.1:0", *arguments], capture_output=True, text=True,
                                  timeout=60, check=False, stdin=subprocess.DEVNULL)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("fault", done.stdout + done.stderr)
