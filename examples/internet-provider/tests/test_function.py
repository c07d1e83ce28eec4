"""The function against a small Kinesis of its own. Run: python3 -m unittest discover examples/internet-provider/tests"""

import base64
import contextlib
import datetime
import http.server
import io
import json
import os
import sys
import threading
import time
import unittest
from pathlib import Path
from unittest import mock

EXAMPLE = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(EXAMPLE / "layer" / "python"))
sys.path.insert(0, str(EXAMPLE / "function"))

import handler  # noqa: E402
import kinesis  # noqa: E402
import sigv4  # noqa: E402

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_SESSION_TOKEN": "token",
    "AWS_REGION": "eu-west-1",
    "OFFERS_STREAM": "bandwidth-offers",
}


class FakeKinesis:
    """Takes PutRecords. `script` holds what to do with the next calls: a function of the entries that returns a
    status and a body, or `"hang up"`; after its end every entry is taken."""

    def __init__(self, script=()):
        self.script = list(script)
        self.calls = []
        self.taken = []
        self.connections = 0
        fake = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self):
                super().setup()
                fake.connections += 1

            def log_message(self, *arguments):
                pass

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                request = json.loads(body)
                fake.calls.append((dict(self.headers), request))
                step = fake.script.pop(0) if fake.script else fake.take_all
                if step == "hang up":
                    self.close_connection = True
                    return
                status, answer = step(request["Records"])
                payload = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def take_all(self, entries):
        return 200, {"FailedRecordCount": 0, "Records": [self.take(entry) for entry in entries]}

    def take_every_second(self, entries):
        throttled = {"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "Rate exceeded."}
        return 200, {"Records": [self.take(e) if i % 2 else throttled for i, e in enumerate(entries)]}

    def take(self, entry):
        self.taken.append((entry["PartitionKey"], json.loads(base64.b64decode(entry["Data"]))))
        return {"SequenceNumber": str(len(self.taken)), "ShardId": "shardId-000000000000"}

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def refuse(status, code):
    return lambda entries: (status, {"__type": code, "message": "no"})


class Context:
    def __init__(self, seconds=30.0):
        self.end = time.monotonic() + seconds

    def get_remaining_time_in_millis(self):
        return int((self.end - time.monotonic()) * 1000)


def record(data, sequence_number="4957"):
    text = data if isinstance(data, str) else base64.b64encode(json.dumps(data).encode()).decode()
    kinesis_part = {"sequenceNumber": sequence_number, "data": text, "partitionKey": "x"}
    return {"eventID": f"shardId-000000000001:{sequence_number}", "kinesis": kinesis_part}


def sign_up(identity="id-1", **changes):
    fields = {"id": identity, "name": "Ana", "email": "ana@example.org", "put_at_ms": 5, "origin": "form"}
    return {**fields, "place": {"city": "Lisbon", "country": "PT"}, **changes}


class FunctionCase(unittest.TestCase):
    def serve(self, *script):
        fake = FakeKinesis(script)
        self.addCleanup(fake.close)
        patch = mock.patch.dict(os.environ, {**ENVIRONMENT, "AWS_ENDPOINT_URL": fake.url})
        patch.start()
        self.addCleanup(patch.stop)
        # The pauses of the retries are of no interest here.
        handler._client = kinesis.KinesisClient.from_environment()
        handler._client._sleep = lambda seconds: None
        self.addCleanup(handler._client._close)
        return fake


class Handler(FunctionCase):
    def test_a_batch_is_answered(self):
        fake = self.serve()
        batch = {"Records": [record(sign_up("a")), record(sign_up("b", place={"latitude": 0, "longitude": -140}))]}
        self.assertEqual(handler.handler(batch, Context()), {"offered": 1, "unserved": 1})
        (key, offer), (other_key, other) = fake.taken
        self.assertEqual((key, other_key), ("a", "b"))
        self.assertEqual((offer["sign_up_id"], offer["status"], offer["name"]), ("a", "offered", "Ana"))
        self.assertEqual((offer["put_at_ms"], offer["shard_id"]), (5, "shardId-000000000001"))
        self.assertTrue(offer["options"])
        self.assertEqual(other["reason"]["code"], "too-remote")
        self.assertNotIn("email", offer)

    def test_nonsense_is_rejected_and_does_not_stop_the_batch(self):
        fake = self.serve()
        nonsense = [
            "!!! not base64",
            base64.b64encode(b"\xff\xfe").decode(),
            base64.b64encode(b"not json").decode(),
            base64.b64encode(b"[" * 100_000).decode(),
            [1, 2],
            "",
            {"name": "no id"},
            {"id": 7},
            {"id": ""},
            {"id": "x" * 65},
            {"id": "\ud800"},
        ]
        batch = {"Records": [record(data, str(number)) for number, data in enumerate(nonsense)]}
        batch["Records"].append(record(sign_up("good")))
        self.assertEqual(handler.handler(batch, Context()), {"rejected": len(nonsense), "offered": 1})
        for number, (key, offer) in enumerate(fake.taken[:-1]):
            self.assertEqual((key, offer["status"], offer["sign_up_id"]), (str(number), "rejected", None))
            self.assertEqual(offer["reason"]["code"], "malformed")

    def test_a_bad_place_is_rejected_under_its_id(self):
        fake = self.serve()
        handler.handler({"Records": [record(sign_up("a", place={"latitude": 1e999, "longitude": 0}))]}, Context())
        self.assertEqual((fake.taken[0][0], fake.taken[0][1]["status"]), ("a", "rejected"))

    def test_echoed_fields_are_bounded(self):
        fake = self.serve()
        handler.handler({"Records": [record(sign_up(name="n" * 10_000, origin={"a": 1}))]}, Context())
        offer = fake.taken[0][1]
        self.assertEqual(len(offer["name"]), handler.MAX_ECHO_CHARACTERS)
        self.assertNotIn("origin", offer)

    def test_what_json_can_say_but_nobody_can_read_is_replaced(self):
        fake = self.serve()
        odd = sign_up(name="half \ud800", put_at_ms=float("nan"), place={"city": "Atlantis \udfff"})
        handler.handler({"Records": [record(odd), record(sign_up("b", put_at_ms=10**400))]}, Context())
        offer = fake.taken[0][1]
        self.assertEqual((offer["name"], offer["status"]), ("half ?", "unserved"))
        self.assertIn("Atlantis ?", offer["reason"]["message"])
        for _, offer in fake.taken:
            self.assertNotIn("put_at_ms", offer)

    def test_an_empty_batch_calls_nobody(self):
        fake = self.serve()
        self.assertEqual(handler.handler({"Records": []}, Context()), {})
        self.assertEqual(fake.calls, [])

    def test_what_cannot_be_written_raises_so_that_the_batch_comes_again(self):
        self.serve(refuse(400, "ResourceNotFoundException"))
        with self.assertRaises(kinesis.PutFailed), contextlib.redirect_stdout(io.StringIO()):
            handler.handler({"Records": [record(sign_up())]}, Context())


class Put(FunctionCase):
    def put(self, entries, seconds=30.0):
        handler.client().put_records("bandwidth-offers", entries, time.monotonic() + seconds)

    def entries(self, count):
        return [(f"key-{number}", json.dumps(number).encode()) for number in range(count)]

    def test_only_the_entries_that_failed_are_put_again(self):
        fake = self.serve()
        fake.script = [fake.take_every_second, fake.take_every_second]
        self.put(self.entries(8))
        self.assertEqual([len(call["Records"]) for _, call in fake.calls], [8, 4, 2])
        self.assertEqual(sorted(number for _, number in fake.taken), list(range(8)))

    def test_errors_of_the_moment_are_retried(self):
        throttled = refuse(400, "com.amazonaws.kinesis#LimitExceededException")
        fake = self.serve(throttled, refuse(500, "InternalFailure"), refuse(503, "Busy"), "hang up")
        self.put(self.entries(3))
        self.assertEqual((len(fake.calls), len(fake.taken)), (5, 3))

    def test_errors_that_stay_are_not_retried(self):
        fake = self.serve(refuse(400, "AccessDeniedException"))
        with self.assertRaisesRegex(kinesis.PutFailed, "AccessDeniedException: no"):
            self.put(self.entries(3))
        self.assertEqual(len(fake.calls), 1)

    def test_retries_end_at_the_deadline(self):
        fake = self.serve(*[refuse(500, "InternalFailure")] * 1000)
        with self.assertRaises(kinesis.PutFailed) as failure:
            self.put(self.entries(3), seconds=0.2)
        self.assertEqual(failure.exception.left, 3)
        self.assertLess(len(fake.calls), 1000)

    def test_an_answer_of_the_wrong_length_is_not_believed(self):
        fake = self.serve(lambda entries: (200, {"Records": []}))
        self.put(self.entries(2))
        self.assertEqual(len(fake.taken), 2)

    def test_large_batches_are_split_within_the_limits(self):
        fake = self.serve()
        self.put(self.entries(1200))
        self.assertEqual([len(call["Records"]) for _, call in fake.calls], [500, 500, 200])
        fake.calls.clear()
        self.put([(str(n), json.dumps("x" * 2**20).encode()) for n in range(6)])
        self.assertEqual([len(call["Records"]) for _, call in fake.calls], [4, 2])

    def test_one_connection_serves_all_calls(self):
        fake = self.serve()
        for _ in range(5):
            self.put(self.entries(1))
        self.assertEqual((len(fake.calls), fake.connections), (5, 1))

    def test_the_request_is_signed_json_for_kinesis(self):
        fake = self.serve()
        self.put(self.entries(1))
        headers, body = fake.calls[0]
        self.assertEqual(headers["X-Amz-Target"], "Kinesis_20131202.PutRecords")
        self.assertEqual(headers["Content-Type"], "application/x-amz-json-1.1")
        self.assertEqual(headers["X-Amz-Security-Token"], "token")
        self.assertIn("/eu-west-1/kinesis/aws4_request", headers["Authorization"])
        self.assertEqual(body["StreamName"], "bandwidth-offers")


class Endpoint(unittest.TestCase):
    def test_the_most_specific_setting_wins(self):
        def url(**variables):
            return kinesis.KinesisClient.from_environment(variables)._url.geturl()

        self.assertEqual(url(AWS_REGION="eu-west-1"), "https://kinesis.eu-west-1.amazonaws.com")
        self.assertEqual(url(AWS_ENDPOINT_URL="http://a:1"), "http://a:1")
        self.assertEqual(url(AWS_ENDPOINT_URL="http://a:1", AWS_ENDPOINT_URL_KINESIS="http://b:2"), "http://b:2")
        with self.assertRaises(ValueError):
            url(AWS_ENDPOINT_URL="a:1")


class Signature(unittest.TestCase):
    def test_the_published_example(self):
        """`post-vanilla` of AWS's own test suite for Signature Version 4."""
        credentials = sigv4.Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
        headers = {"Host": "example.amazonaws.com"}
        now = datetime.datetime(2015, 8, 30, 12, 36, tzinfo=datetime.timezone.utc).timestamp()
        sigv4.sign("POST", "/", headers, b"", "service", "us-east-1", credentials, now)
        self.assertEqual(headers["X-Amz-Date"], "20150830T123600Z")
        self.assertEqual(
            headers["Authorization"],
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
            "SignedHeaders=host;x-amz-date, "
            "Signature=5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
        )

    def test_missing_credentials_are_named(self):
        with self.assertRaisesRegex(RuntimeError, "AWS_ACCESS_KEY_ID"):
            sigv4.Credentials.from_environment({})


if __name__ == "__main__":
    unittest.main()
