"""Functions that are WebAssembly components: the example, built here and deployed through boto3."""

import json
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from support import clients
from support.case import ServerCase
from support.deploy import invoke
from support.package import ROLE, zip_of
from support.program import run
from support.server import ROOT

EXAMPLE = ROOT / "examples/wasm-function"
TARGET = "wasm32-wasip2"
OFFERS = {"NZ": ["300 Mbit/s", "1 Gbit/s"], "FR": ["8 Gbit/s"]}


def component():
    """The example's component; skips the test where the target cannot be had."""
    if shutil.which("rustup"):
        subprocess.run(["rustup", "target", "add", TARGET], capture_output=True, cwd=EXAMPLE)
    target = ROOT / "target/wasm-function"
    command = ["cargo", "build", "--release", "--locked", "--target", TARGET, "--target-dir", target]
    built = subprocess.run(command, cwd=EXAMPLE, capture_output=True, text=True)
    if built.returncode:
        if "target may not be installed" in built.stderr or "can't find crate for `core`" in built.stderr:
            raise unittest.SkipTest(f"the Rust target {TARGET} is not installed and could not be added by rustup")
        raise AssertionError(built.stderr)
    return (target / TARGET / "release/enrich.wasm").read_bytes()


class WebAssembly(ServerCase):
    @classmethod
    def setUpClass(cls):
        cls.wasm = component()
        super().setUpClass()

    def deploy(self, name, files, wait=True, **options):
        settings = {"Runtime": "provided.wasm", "Handler": "enrich.wasm", "Role": ROLE, "Timeout": 20, **options}
        self.functions.create_function(FunctionName=name, Code={"ZipFile": zip_of(files)}, **settings)
        if wait:
            self.functions.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig=clients.WAIT)

    def layer(self):
        published = self.functions.publish_layer_version(
            LayerName="offers", Content={"ZipFile": zip_of({"offers.json": json.dumps(OFFERS)})})
        return published["LayerVersionArn"]

    def test_it_is_mapped_to_a_stream_and_finds_its_layer(self):
        self.kinesis.create_stream(StreamName="signups", ShardCount=1)
        self.kinesis.create_stream(StreamName="failed", ShardCount=1)
        for stream in ("signups", "failed"):
            self.kinesis.get_waiter("stream_exists").wait(StreamName=stream, WaiterConfig=clients.WAIT)
        arn = self.kinesis.describe_stream_summary(StreamName="signups")["StreamDescriptionSummary"]["StreamARN"]
        self.deploy("enrich", {"enrich.wasm": self.wasm}, Layers=[self.layer()])
        mapping = self.functions.create_event_source_mapping(
            EventSourceArn=arn, FunctionName="enrich", StartingPosition="TRIM_HORIZON")
        self.kinesis.put_record(StreamName="signups", PartitionKey="1", Data=json.dumps({"user": "ada", "country": "NZ"}))
        result = lambda: self.functions.get_event_source_mapping(UUID=mapping["UUID"])["LastProcessingResult"]
        self.eventually(lambda: result() == "OK", "the batch is processed")

    def test_it_answers_and_logs(self):
        self.deploy("direct", {"enrich.wasm": self.wasm}, Layers=[self.layer()])
        data = "eyJ1c2VyIjoiYm9iIiwiY291bnRyeSI6IkZSIn0="
        answer, enriched = invoke(self.functions, "direct", {"Records": [{"kinesis": {"data": data}}]}, LogType="Tail")
        self.assertEqual(enriched, [{"user": "bob", "options": ["8 Gbit/s"]}])
        self.assertNotIn("FunctionError", answer)
        failed, error = invoke(self.functions, "direct", {"Records": [{"kinesis": {"data": "!"}}]})
        self.assertEqual((failed["FunctionError"], error["errorType"]), ("Unhandled", "Runtime.ExitError"))

    def test_the_command_deploys_it(self):
        with tempfile.TemporaryDirectory(prefix="millstream-wasm-") as directory:
            pathlib.Path(directory, "enrich.wasm").write_bytes(self.wasm)
            done = run(self.address, "function", "deploy", directory, "--name", "deployed", "--runtime", "provided.wasm", "--handler", "enrich.wasm",
                       "--layer", self.layer())
        self.assertEqual(done.code, 0, done)
        _, enriched = invoke(self.functions, "deployed", {"Records": []})
        self.assertEqual(enriched, [])

    def test_what_is_no_component_fails_the_function(self):
        self.deploy("text", {"enrich.wasm": b"not at all"}, wait=False)
        state = lambda: self.functions.get_function_configuration(FunctionName="text")
        self.eventually(lambda: state()["State"] == "Failed", "the function fails")
        self.assertIn("enrich.wasm cannot be a function", state()["StateReason"])
