"""Functions in Rust (the crate lambda_runtime) and Go (aws-lambda-go): built as a customer builds them, run on provided.al2023
through invocations and an event source mapping. They take a compiler each, and minutes the first time."""

import json
import os
import pathlib
import shutil
import socket
import subprocess
import unittest

from support import clients, guide
from support.case import ServerCase
from support.deploy import invoke
from support.package import ROLE, zip_of

HERE = pathlib.Path(__file__).resolve().parent
TARGET = HERE.parents[1] / "target/languages"


def rust():
    """The function's binary."""
    command = ["cargo", "build", "--locked", "--quiet", "--manifest-path", HERE / "rust/Cargo.toml", "--target-dir", TARGET / "rust"]
    subprocess.run(command, check=True)
    return TARGET / "rust/debug/bootstrap"


def go():
    """The function's binary, by the Go that `cargo xtask interop` chose or that of PATH."""
    tool = os.environ.get("MILLSTREAM_GO") or shutil.which("go")
    if tool is None:
        raise unittest.SkipTest("there is no go in PATH, and MILLSTREAM_GO names none")
    binary = TARGET / "go/bootstrap"
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local"}
    subprocess.run([tool, "build", "-tags", "lambda.norpc", "-o", binary, "."], cwd=HERE / "go", check=True, env=environment)
    return binary


class Languages(ServerCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        clients.create_stream(cls.kinesis, "forwarded")

    def test_rust(self):
        if shutil.which("cargo") is None:
            self.skipTest("there is no cargo in PATH")
        self.deploy("rust", rust())
        self.works("rust", failure={"errorMessage": "on purpose"}, panicked={"errorMessage": "Lambda panicked: as it was asked to"})
        self.forwards("rust")

    def test_the_guide_in_rust(self):
        if shutil.which("cargo") is None:
            self.skipTest("there is no cargo in PATH")
        # Built where it was built before; the guide finds its program in its own directory.
        build = "cargo build --release"
        shown, = guide.section("Rust")
        self.assertIn(build, shown)
        cache = TARGET / "guide"
        variables = {"CARGO_BUILD_BUILD_DIR": str(cache)}
        self.assertEqual(guide.enriched_by("Rust", seconds=1_800, **variables), guide.ENRICHED)

    def test_rust_streams(self):
        if shutil.which("cargo") is None:
            self.skipTest("there is no cargo in PATH")
        self.deploy("rust-streams", rust(), Environment={"Variables": {"STREAMS": "1"}})
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(60)
            payload = json.dumps({"port": listener.getsockname()[1]})
            events = iter(self.functions.invoke_with_response_stream(FunctionName="rust-streams", Payload=payload)["EventStream"])
            received = b""
            while not received.endswith(b"first"):
                received += next(events)["PayloadChunk"]["Payload"]
            listener.accept()[0].close()
            prelude, body = received.split(bytes(8))
            self.assertEqual((json.loads(prelude)["statusCode"], body), (200, b"first"))
            self.assertEqual(list(events), [{"PayloadChunk": {"Payload": b"last"}}, {"InvokeComplete": {}}])

    def test_go(self):
        self.deploy("go", go())
        self.works("go", failure={"errorMessage": "on purpose", "errorType": "errorString"}, panicked={"errorMessage": "as it was asked to", "errorType": "string"})
        self.forwards("go")

    def deploy(self, name, binary, **more):
        code = {"ZipFile": zip_of({"bootstrap": binary.read_bytes()})}
        self.functions.create_function(FunctionName=name, Runtime="provided.al2023", Handler="bootstrap", Role=ROLE, Timeout=20, Code=code, **more)
        self.functions.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig=clients.WAIT)

    def works(self, name, failure, panicked):
        answer, payload = invoke(self.functions, name, {"a": [1, "ä"]}, LogType="Tail")
        self.assertNotIn("FunctionError", answer, payload)
        self.assertEqual(payload["event"], {"a": [1, "ä"]})
        self.assertEqual(payload["id"], answer["ResponseMetadata"]["RequestId"])
        self.assertEqual((payload["memory"], payload["name"], payload["task"]), (128, name, "/var/task"))
        self.assertTrue(payload["arn"].endswith(f":function:{name}"))
        for what, wanted in (({"fail": "on purpose"}, failure), ({"exit": True}, {"errorType": "Runtime.ExitError"}), ({"panic": True}, panicked)):
            answer, payload = invoke(self.functions, name, what)
            self.assertEqual(answer["FunctionError"], "Unhandled")
            self.assertEqual({**payload, **wanted}, payload)
        answer, payload = invoke(self.functions, name, {"after": 1})
        self.assertEqual(payload["event"], {"after": 1})

    def forwards(self, name):
        clients.create_stream(self.kinesis, f"to-{name}")
        source = self.kinesis.describe_stream_summary(StreamName=f"to-{name}")["StreamDescriptionSummary"]["StreamARN"]
        self.functions.create_event_source_mapping(
            EventSourceArn=source, FunctionName=name, StartingPosition="TRIM_HORIZON", FunctionResponseTypes=["ReportBatchItemFailures"],
        )
        for size in range(5):
            self.kinesis.put_record(StreamName=f"to-{name}", PartitionKey=f"key-{size}", Data=b"x" * size)
        had = self.eventually(lambda: self.forwarded(name, 5), f"the {name} function forwards five records")
        self.assertEqual(sorted((one["key"], one["bytes"]) for one in had), [(f"key-{size}", size) for size in range(5)])

    def forwarded(self, name, count):
        iterator = self.kinesis.get_shard_iterator(StreamName="forwarded", ShardId="shardId-000000000000", ShardIteratorType="TRIM_HORIZON")
        records = self.kinesis.get_records(ShardIterator=iterator["ShardIterator"])["Records"]
        mine = [one for one in (json.loads(record["Data"]) for record in records) if one["from"] == name]
        return mine if len(mine) >= count else None


if __name__ == "__main__":
    unittest.main()
