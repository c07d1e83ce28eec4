"""`millstream function` and `mapping`."""

import pathlib
import tempfile

from support import clients
from support.case import ServerCase
from support.package import RUNTIME
from support.program import Running, run

HANDLER = "import json\ndef handler(event, context):\n    print('got', json.dumps(event))\n    return {'version': %s, 'event': event}\n"


class FunctionCommands(ServerCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix="millstream-functions-")
        self.addCleanup(scratch.cleanup)
        self.scratch = pathlib.Path(scratch.name)

    def ok(self, *arguments, **more):
        """Runs a command that must succeed."""
        done = run(self.address, *arguments, **more)
        self.assertEqual(done.code, 0, done)
        return done

    def fails(self, *arguments, code=1, **more):
        """Runs a command that must fail; what it says."""
        done = run(self.address, *arguments, **more)
        self.assertEqual(done.code, code, done)
        return done.error

    def code(self, name, **files):
        """A directory with code; its path."""
        directory = self.scratch / name
        directory.mkdir(exist_ok=True)
        for file, text in files.items():
            (directory / f"{file}.py").write_text(text)
        return directory

    def deploy(self, name, version=1, *arguments):
        directory = self.code(name, app=HANDLER % version)
        self.ok("function", "deploy", directory, "--runtime", RUNTIME, "--handler", "app.handler", *arguments)
        return directory

    def test_a_function_from_its_directory_to_its_end(self):
        directory = self.code("life", app=HANDLER % 1)
        made = self.ok("function", "deploy", directory, "--runtime", RUNTIME, "--handler", "app.handler", "--timeout", 20, "--memory", 256,
                       "--environment", "SECRET=hidden", "--description", "for a test")
        arn = "arn:aws:lambda:us-east-1:000000000000:function:life"
        self.assertEqual(made.out, arn + "\n")
        self.assertIn("life: created", made.error)
        self.assertIn("unchanged", self.ok("function", "deploy", directory).error)
        answer = self.ok("function", "invoke", "life", '{"a":1}')
        self.assertEqual(answer.json(), {"version": 1, "event": {"a": 1}})
        (directory / "app.py").write_text(HANDLER % 2)
        again = self.ok("function", "deploy", directory, "--memory", 512, "--output", "json").json()
        self.assertEqual((again["Outcome"], again["MemorySize"], again["Timeout"]), ("updated", 512, 20))
        self.assertEqual(again["Environment"], {"SECRET": "hidden"})
        self.assertEqual(self.ok("function", "invoke", "life").json()["version"], 2)
        described = self.ok("function", "describe", "life").out
        for part in (arn, "Active", "app.handler", "512 MiB", "20 s", "SECRET", "for a test"):
            self.assertIn(part, described)
        self.assertNotIn("hidden", described)
        self.assertIn("life", self.ok("function", "list").out)
        names = [function["FunctionName"] for function in self.ok("function", "list", "--output", "json").json()["Functions"]]
        self.assertIn("life", names)
        self.assertIn("life is deleted", self.ok("function", "delete", "life").out)
        self.assertIn("ResourceNotFoundException", self.fails("function", "delete", "life"))

    def test_what_an_invocation_takes_and_gives(self):
        self.deploy("taking")
        event = self.scratch / "event.json"
        event.write_text('{"from":"file"}')
        self.assertEqual(self.ok("function", "invoke", "taking", "--file", event).json()["event"], {"from": "file"})
        self.assertEqual(self.ok("function", "invoke", "taking", "-", stdin=b'{"from":"stdin"}').json()["event"], {"from": "stdin"})
        done = self.ok("function", "invoke", "taking", "{}", "--logs")
        self.assertIn("got {}", done.error)
        self.assertIn("REPORT RequestId", done.error)
        whole = self.ok("function", "invoke", "taking", "[]", "--logs", "--output", "json").json()
        self.assertEqual((whole["StatusCode"], whole["Payload"]["event"], whole["FunctionError"]), (200, [], None))
        self.assertIn("got []", whole["LogResult"])
        self.assertIn("could be invoked", self.ok("function", "invoke", "taking", "--dry-run").error)
        self.assertIn("InvalidRequestContentException", self.fails("function", "invoke", "taking", "{"))
        self.assertIn("Did you mean taking?", self.fails("function", "invoke", "takin"))
        self.assertIn("Did you mean taking?", self.fails("function", "describe", "takinG1"))
        self.assertIn("larger than 6 MiB", self.fails("function", "invoke", "taking", "-", stdin=b" " * (7 << 20)))

    def test_a_function_that_fails_costs_the_exit_code(self):
        directory = self.code("failing", app="def handler(event, context):\n    raise ValueError('no')\n")
        self.ok("function", "deploy", directory, "--runtime", RUNTIME, "--handler", "app.handler")
        done = run(self.address, "function", "invoke", "failing")
        self.assertEqual(done.code, 1, done)
        self.assertEqual(done.json()["errorType"], "ValueError")
        self.assertIn("failed (Unhandled)", done.error)

    def test_what_cannot_be_deployed_says_why(self):
        directory = self.code("wrong", app=HANDLER % 1)
        self.assertIn("--runtime", self.fails("function", "deploy", directory))
        self.assertIn("--handler", self.fails("function", "deploy", directory, "--runtime", RUNTIME))
        self.assertIn("bootstrap", self.fails("function", "deploy", directory, "--runtime", "provided.al2023"))
        self.assertIn("the component bootstrap.wasm", self.fails("function", "deploy", directory, "--runtime", "provided.wasm"))
        self.assertIn("the component enrich.wasm", self.fails("function", "deploy", directory, "--runtime", "provided.wasm", "--handler", "enrich.wasm"))
        self.assertIn("neither a directory", self.fails("function", "deploy", self.scratch / "nowhere", "--name", "x"))
        self.assertIn("InvalidParameterValueException",
                      self.fails("function", "deploy", directory, "--runtime", "cobol", "--handler", "a.b"))
        done = self.ok("function", "deploy", directory, "--runtime", RUNTIME, "--handler", "ap.handler")
        self.assertIn("wants a file ap.py", done.error)

    def test_files_that_are_named_stay_out(self):
        directory = self.deploy("lean")
        before = self.functions.get_function_configuration(FunctionName="lean")["CodeSha256"]
        (directory / ".millstreamignore").write_text("*.md\n")
        (directory / "README.md").write_text("x")
        (directory / "__pycache__").mkdir()
        (directory / "__pycache__" / "app.pyc").write_text("x")
        (directory / "notes.txt").write_text("x")
        self.assertIn("unchanged", self.ok("function", "deploy", directory, "--exclude", "*.txt").error)
        self.assertEqual(self.functions.get_function_configuration(FunctionName="lean")["CodeSha256"], before)
        self.assertIn("updated", self.ok("function", "deploy", directory).error)

    def test_a_layer(self):
        layer = self.scratch / "layer"
        (layer / "python").mkdir(parents=True)
        (layer / "python" / "shared.py").write_text("WORD = 'shared'\n")
        made = self.ok("function", "layer", "publish", layer, "--name", "common", "--runtime", RUNTIME, "--description", "d", "--output", "json").json()
        self.assertEqual(made["Version"], 1)
        arn = made["LayerVersionArn"]
        directory = self.code("layered", app="import shared\ndef handler(event, context):\n    return shared.WORD\n")
        self.ok("function", "deploy", directory, "--runtime", RUNTIME, "--handler", "app.handler", "--layer", arn)
        self.assertEqual(self.ok("function", "invoke", "layered").json(), "shared")
        self.assertIn(arn, self.ok("function", "describe", "layered").out)
        self.assertIn("common", self.ok("function", "layer", "list").out)
        self.assertIn(arn, self.ok("function", "layer", "list", "common").out)
        self.assertIn("deleted", self.ok("function", "layer", "delete", "common", 1).out)
        self.assertIn("no version of a layer common", self.ok("function", "layer", "list", "common").out)

    def test_runtimes_of_this_machine(self):
        names = [runtime["Runtime"] for runtime in run(None, "function", "runtimes", "--output", "json").json()["Runtimes"]]
        self.assertIn(RUNTIME, names)
        self.assertIn("provided.al2023", names)
        self.assertIn(RUNTIME, run(None, "function", "runtimes").out)

    def test_watching_deploys_what_is_saved(self):
        directory = self.code("watched", app=HANDLER % 1)
        version = lambda: self.ok("function", "invoke", "watched").json()["version"]
        with Running(self.address, "function", "deploy", directory, "--runtime", RUNTIME, "--handler", "app.handler", "--watch") as watch:
            self.eventually(lambda: "watching" in watch.error(), "it watches")
            self.assertEqual(version(), 1)
            (directory / "app.py").write_text(HANDLER % 2)
            self.eventually(lambda: version() == 2, "the new code runs")
            # A file in a directory that is new, and one that is of no interest.
            (directory / "lib").mkdir()
            (directory / "lib" / "part.py").write_text("V = 3\n")
            (directory / "app.py").write_text("from lib.part import V\n" + HANDLER % "V")
            self.eventually(lambda: version() == 3, "the new file is there")
            (directory / "lib" / "part.py").write_text("V = 4\n")
            self.eventually(lambda: version() == 4, "the new directory is watched")
            code, _ = watch.end()
            self.assertEqual(code, 0)

    def test_a_mapping_from_its_creation_to_its_end(self):
        clients.create_stream(self.kinesis, "mapped")
        self.deploy("mapper")
        self.assertIn("no mappings", self.ok("mapping", "list", "--function", "mapper").out)
        made = self.ok("mapping", "create", "--stream", "mapped", "--function", "mapper", "--from", "trim-horizon", "--batch-size", 50,
                       "--batch-window", 1, "--wait", "--output", "json").json()
        self.assertEqual((made["State"], made["BatchSize"], made["MaximumBatchingWindowInSeconds"]), ("Enabled", 50, 1))
        uuid = made["UUID"]
        for arguments in ([], ["--function", "mapper"], ["--stream", "mapped"]):
            self.assertIn(uuid, self.ok("mapping", "list", *arguments).out)
        described = self.ok("mapping", "describe", uuid).out
        for part in ("stream/mapped", "function:mapper", "Enabled", "TRIM_HORIZON"):
            self.assertIn(part, described)
        self.ok("stream", "put", "mapped", "--data", "x")
        self.eventually(lambda: "OK" in self.ok("mapping", "describe", uuid).out, "the function was called")
        changed = self.ok("mapping", "update", uuid, "--batch-size", 7, "--wait", "--output", "json").json()
        self.assertEqual((changed["BatchSize"], changed["MaximumBatchingWindowInSeconds"]), (7, 1))
        self.assertIn("Disabled", self.ok("mapping", "disable", uuid, "--wait").out)
        self.assertIn("Enabled", self.ok("mapping", "enable", uuid, "--wait").out)
        self.assertIn("Deleted", self.ok("mapping", "delete", uuid, "--wait").out)
        said = self.fails("mapping", "describe", uuid)
        self.assertIn("ResourceNotFoundException", said)
        self.assertIn("mapping list", said)

    def test_a_mapping_through_a_consumer(self):
        clients.create_stream(self.kinesis, "mapped-fan")
        self.deploy("fan-mapper")
        self.ok("consumer", "register", "mapped-fan", "web", "--wait")
        made = self.ok("mapping", "create", "--stream", "mapped-fan", "--consumer", "web", "--function", "fan-mapper", "--disabled", "--wait",
                       "--output", "json").json()
        self.assertEqual(made["State"], "Disabled")
        self.assertIn("/consumer/web", made["EventSourceArn"])
        self.assertIn("Did you mean web?", self.fails("mapping", "create", "--stream", "mapped-fan", "--consumer", "wex", "--function", "fan-mapper"))

    def test_what_a_mapping_refuses(self):
        clients.create_stream(self.kinesis, "unmapped")
        self.deploy("unmapper")
        self.assertIn("Did you mean unmapper?", self.fails("mapping", "create", "--stream", "unmapped", "--function", "unmappr"))
        self.assertIn("Did you mean unmapped?", self.fails("mapping", "create", "--stream", "unmappd", "--function", "unmapper"))
        said = self.fails("mapping", "create", "--stream", "unmapped", "--function", "unmapper", "--batch-size", 0)
        self.assertIn("cannot map unmapped to unmapper", said)
        for command in (["update", "--batch-size", 1], ["enable"], ["delete"], ["describe"]):
            self.assertIn("mapping list", self.fails("mapping", command[0], "00000000-0000-0000-0000-000000000000", *command[1:]))

    def test_every_parameter_reaches_the_service(self):
        """Read back from a service that takes them all: what is refused here is refused by the service, not left out."""
        clients.create_stream(self.kinesis, "full")
        self.deploy("fuller")
        for flags, name, value in [
            (["--parallelization", "2"], "ParallelizationFactor", 2),
            (["--retries", "3"], "MaximumRetryAttempts", 3),
            (["--max-age", "60"], "MaximumRecordAgeInSeconds", 60),
            (["--bisect"], "BisectBatchOnFunctionError", True),
            (["--report-failures"], "FunctionResponseTypes", ["ReportBatchItemFailures"]),
            (["--tumbling-window", "30"], "TumblingWindowInSeconds", 30),
            (["--filter", '{"partitionKey":["a"]}'], "Filters", ['{"partitionKey":["a"]}']),
            (["--on-failure", "arn:aws:sqs:us-east-1:000000000000:failed"], "OnFailure", "arn:aws:sqs:us-east-1:000000000000:failed"),
            (["--metric", "EventCount"], "Metrics", ["EventCount"]),
        ]:
            with self.subTest(name):
                done = run(self.address, "mapping", "create", "--stream", "full", "--function", "fuller", *flags, "--output", "json")
                if done.code == 0:
                    self.assertEqual(done.json()[name], value)
                    self.ok("mapping", "delete", done.json()["UUID"], "--wait")
                else:
                    self.assertRegex(done.error, "InvalidParameterValueException|not supported|ValidationException")
