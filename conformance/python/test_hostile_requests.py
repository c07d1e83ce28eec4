"""Every operation of the models, asked in every wrong way: the answer is the client's fault, and the server goes on.

`MILLSTREAM_FUZZ_SEED` repeats a run, `MILLSTREAM_FUZZ_CASES` says how many requests each operation gets.
"""

import http.client
import json
import os
import pathlib
import random
import urllib.parse

from support import cbor, hostile
from support.bare import Bare
from support.case import ServerCase
from support.clients import WAIT, client, create_stream, read_stream
from support.deploy import deploy

CASES = int(os.environ.get("MILLSTREAM_FUZZ_CASES", "40"))
# The process itself, with all that these requests may make it hold: nothing here needs more than some bodies at once.
MOST_MEMORY_KIB = 1 << 20
JSON = "application/x-amz-json-1.1"
CBOR = "application/x-amz-cbor-1.1"
EVENT_STREAM = "application/vnd.amazon.eventstream"


class HostileRequests(ServerCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.seed = int(os.environ.get("MILLSTREAM_FUZZ_SEED") or random.SystemRandom().getrandbits(32))
        print(f"\nhostile requests: MILLSTREAM_FUZZ_SEED={cls.seed} repeats them")

    def setUp(self):
        self.random = random.Random(f"{self.seed} {self.id()}")
        self.connection = None
        self.asked = ""

    def tearDown(self):
        if self.connection:
            self.connection.close()
        self.still_serves()

    def still_serves(self):
        """Whatever was asked: an ordinary stream works, and the process is neither gone nor swollen."""
        name = f"after-{self.id().rsplit('.', 1)[-1].replace('_', '-')}"
        create_stream(self.kinesis, name)
        self.kinesis.put_record(StreamName=name, PartitionKey="k", Data=b"still here")
        self.assertEqual([record["Data"] for record in read_stream(self.kinesis, name)], [b"still here"])
        self.assertIsNone(self.server.process.poll(), self.server.log()[-3000:])
        self.assertNotIn("panicked", self.server.log())
        status = pathlib.Path(f"/proc/{self.server.process.pid}/status").read_text()
        peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
        self.assertLess(peak, MOST_MEMORY_KIB, "KiB at the most")

    def ask(self, method, path, headers, body, what):
        """One request; (status, content type, body). A server that does not answer in time fails the test by itself."""
        self.asked = f"seed {self.seed}, {what}: {method} {path[:300]} {headers} {body[:600]!r}"
        for attempt in (1, 2):
            if self.connection is None:
                parts = urllib.parse.urlsplit(self.address)
                self.connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)
            try:
                self.connection.request(method, path, body=body, headers={"Authorization": Bare.AUTHORIZATION, **headers})
                answer = self.connection.getresponse()
                kind = answer.headers.get("Content-Type", "")
                if kind == EVENT_STREAM and answer.status == 200:
                    # A subscription goes on for minutes.
                    self.close()
                    return answer.status, kind, b""
                content = answer.read()
                if answer.will_close:
                    self.close()
                return answer.status, kind, content
            except TimeoutError:
                self.fail(f"no answer: {self.asked}")
            except (http.client.HTTPException, OSError) as broken:
                # A connection that the server had closed after the answer before this one.
                self.close()
                if attempt == 2:
                    self.fail(f"{broken!r}: {self.asked}")
        raise AssertionError("unreachable")

    def close(self):
        self.connection.close()
        self.connection = None

    def judge(self, status, body):
        """Nothing may be the server's fault."""
        self.assertTrue(200 <= status < 500, f"{status} {body[:500]!r}: {self.asked}")

    def kinesis_request(self, operation, kind, body, service="Kinesis_20131202"):
        headers = {"Content-Type": kind, "X-Amz-Target": f"{service}.{operation}"}
        status, answered, content = self.ask("POST", "/", headers, body, operation)
        self.judge(status, content)
        if status == 200 and answered == EVENT_STREAM:
            return
        self.assertEqual(answered, kind, self.asked)
        if status != 200:
            error = json.loads(content) if kind == JSON else cbor.decode(content)
            self.assertTrue(error["__type"], self.asked)
            self.assertEqual(status, 400, f"{error}: {self.asked}")

    def make_stream(self):
        """The stream that requests are about, if the operation before has deleted it."""
        try:
            self.kinesis.create_stream(StreamName=hostile.NAME, ShardCount=2)
            self.kinesis.get_waiter("stream_exists").wait(StreamName=hostile.NAME, WaiterConfig=WAIT)
        except self.kinesis.exceptions.ResourceInUseException:
            pass

    def every_kinesis_operation(self, kind, write, garbage):
        made = hostile.Hostile("kinesis", self.random)
        for operation in made.operations:
            self.make_stream()
            for case in range(CASES):
                body = write(made.input(operation))
                self.kinesis_request(operation, kind, made.spoilt(body) if case % 8 == 7 else body)
            # All of the garbage for each would take longer than it tells.
            for body in self.random.sample(garbage, 4):
                self.kinesis_request(operation, kind, body)
        for body in garbage:
            for operation in ("PutRecords", "CreateStream", "ListShards"):
                self.kinesis_request(operation, kind, body)

    def test_kinesis_in_json(self):
        self.every_kinesis_operation(JSON, lambda value: hostile.json_of(value).encode(errors="surrogatepass"), hostile.JSON_GARBAGE)

    def test_kinesis_in_cbor(self):
        self.every_kinesis_operation(CBOR, lambda value: hostile.cbor_of(value, self.random.random() < 0.3), hostile.CBOR_GARBAGE)

    def test_logs(self):
        logs = client("logs", self.address)
        made = hostile.Hostile("logs", self.random)
        for operation in made.operations:
            try:
                logs.create_log_group(logGroupName=hostile.NAME)
                logs.create_log_stream(logGroupName=hostile.NAME, logStreamName=hostile.NAME)
            except logs.exceptions.ResourceAlreadyExistsException:
                pass
            for case in range(CASES):
                body = hostile.json_of(made.input(operation)).encode(errors="surrogatepass")
                self.kinesis_request(operation, JSON, made.spoilt(body) if case % 8 == 7 else body, "Logs_20140328")
            for body in self.random.sample(hostile.JSON_GARBAGE, 8):
                self.kinesis_request(operation, JSON, body, "Logs_20140328")

    def test_lambda(self):
        deploy(self.functions, hostile.NAME, "def handler(event, context):\n    return event\n")
        made = hostile.Hostile("lambda", self.random)
        for operation, facts in made.operations.items():
            for case in range(CASES):
                method, path, headers, body = self.rest(made, operation, facts)
                if case % 8 == 7:
                    body = made.spoilt(body) if body else self.random.choice(hostile.JSON_GARBAGE)
                status, _, content = self.ask(method, path, headers, body, operation)
                self.judge(status, content)

    def rest(self, made, operation, facts):
        """An input, put where the model says that its members go: path, query, headers, body."""
        value = made.input(operation)
        shape = made.shapes[facts["input"]["shape"]] if "input" in facts else {}
        path, query, headers, members, payload = facts["http"]["requestUri"], [], {"Content-Type": "application/json"}, {}, None
        for name, item in value.items():
            member = shape.get("members", {}).get(name, {})
            wire = member.get("locationName", name)
            text = item if isinstance(item, str) else hostile.json_of(item)
            match member.get("location"):
                case "uri":
                    whole = f"{{{wire}+}}"
                    safe = "/" if whole in path else ""
                    path = path.replace(whole, f"{{{wire}}}").replace(f"{{{wire}}}", urllib.parse.quote(text[:4_000], safe=safe))
                case "querystring":
                    query.append((wire, text[:4_000]))
                case "header":
                    headers[wire] = text[:2_000].encode("ascii", "ignore").decode().translate(dict.fromkeys(range(32)))
                case "headers":
                    pass
                case _ if shape.get("payload") == name:
                    payload = item if isinstance(item, bytes) else hostile.json_of(item).encode()
                case _:
                    members[wire] = item
        # What was left out of the path stays as its pattern, which is a name like any other.
        path = path.replace("{", "%7B").replace("}", "%7D")
        if query:
            path += ("&" if "?" in path else "?") + urllib.parse.urlencode(query)
        body = payload if payload is not None else hostile.json_of(members).encode() if members else b""
        return facts["http"]["method"], path, headers, body
