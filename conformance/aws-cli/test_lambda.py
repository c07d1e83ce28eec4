"""`aws lambda …`: every command for an operation that the server has."""

import base64
import io
import json
import urllib.error
import urllib.request
import zipfile

from command_line import CliCase
from support.package import ROLE, RUNTIME, zip_of

ECHO = "def handler(event, context):\n    print('saw', event)\n    return {'echo': event, 'version': context.function_version}\n"
COUNT = (
    "import base64, os\n"
    "def handler(event, context):\n"
    "    with open('/tmp/seen', 'a') as file:\n"
    "        for record in event.get('Records', []):\n"
    "            file.write(base64.b64decode(record['kinesis']['data']).decode() + ' ')\n"
    "    return {'seen': open('/tmp/seen').read().split()}\n"
)


class Functions(CliCase):
    def functions(self, command, *words):
        return self.aws("lambda", command, *words)

    def package(self, source):
        """A zip in the working directory, as `--zip-file` takes it."""
        (self.scratch / "code.zip").write_bytes(zip_of({"main.py": source}))
        return "fileb://code.zip"

    def create(self, name, source=ECHO, *more):
        made = self.functions(
            "create-function", "--function-name", name, "--runtime", RUNTIME, "--handler", "main.handler", "--role", ROLE,
            "--zip-file", self.package(source), "--timeout", 20, *more)
        self.assertIsNone(self.functions("wait", "function-active-v2", "--function-name", name))
        return made

    def invoke(self, name, payload=None, *more):
        """Invokes; (what the CLI printed, what it wrote into the file)."""
        out = self.scratch / f"{name}.out"
        words = ["--payload", json.dumps(payload)] if payload is not None else []
        printed = self.functions("invoke", "--function-name", name, *words, *more, out)
        return printed, json.loads(out.read_text())

    def test_a_function_from_its_creation_to_its_end(self):
        made = self.create("life", ECHO, "--environment", "Variables={ONE=1,TWO=two}", "--tags", "team=a", "--description", "echoes")
        self.assertEqual((made["State"], made["Environment"]), ("Pending", {"Variables": {"ONE": "1", "TWO": "two"}}))
        self.functions("wait", "function-exists", "--function-name", "life")
        self.functions("wait", "function-active", "--function-name", "life")
        printed, answer = self.invoke("life", {"a": [1, "é"]})
        self.assertEqual(printed, {"StatusCode": 200, "ExecutedVersion": "$LATEST"})
        self.assertEqual(answer, {"echo": {"a": [1, "é"]}, "version": "$LATEST"})
        printed, _ = self.invoke("life", 1, "--log-type", "Tail")
        log = base64.b64decode(printed["LogResult"]).decode()
        for word in ("START RequestId", "saw 1", "END RequestId", "REPORT RequestId"):
            self.assertIn(word, log)
        self.assertEqual(self.functions("invoke", "--function-name", "life", "--invocation-type", "DryRun", "dry.out"), {"StatusCode": 204})

        got = self.functions("get-function", "--function-name", "life")
        self.assertEqual((got["Configuration"]["Description"], got["Tags"]), ("echoes", {"team": "a"}))
        self.assertIn("life", [function["FunctionName"] for function in self.functions("list-functions", "--page-size", 1)["Functions"]])
        self.functions("delete-function", "--function-name", "life")
        said = self.refused("ResourceNotFoundException", "lambda", "get-function-configuration", "--function-name", "life")
        self.assertEqual(said, f"Function not found: {made['FunctionArn']}")

    def test_code_and_settings_are_changed(self):
        self.create("changed")
        update = ["--function-name", "changed", "--zip-file", self.package(ECHO.replace("'echo'", "'new'"))]
        dry = self.functions("update-function-code", *update, "--dry-run")
        updated = self.functions("update-function-code", *update)
        self.assertEqual(dry["CodeSha256"], updated["CodeSha256"])
        self.functions("wait", "function-updated-v2", "--function-name", "changed")
        self.assertIn("new", self.invoke("changed", 1)[1])
        self.functions("update-function-configuration", "--function-name", "changed", "--timeout", 7, "--memory-size", 256)
        self.functions("wait", "function-updated", "--function-name", "changed")
        settings = self.functions("get-function-configuration", "--function-name", "changed")
        self.assertEqual((settings["Timeout"], settings["MemorySize"], settings["LastUpdateStatus"]), (7, 256, "Successful"))
        reserved = self.functions("put-function-concurrency", "--function-name", "changed", "--reserved-concurrent-executions", 3)
        self.assertEqual(reserved, {"ReservedConcurrentExecutions": 3})
        self.assertEqual(self.functions("get-function-concurrency", "--function-name", "changed"), reserved)
        self.functions("delete-function-concurrency", "--function-name", "changed")
        self.assertIn("AccountLimit", self.functions("get-account-settings"))

    def test_an_error_of_the_function_is_told_apart(self):
        self.create("failing", "def handler(event, context):\n    raise ValueError('no ' + event)\n")
        printed, answer = self.invoke("failing", "thing")
        self.assertEqual((printed["StatusCode"], printed["FunctionError"]), (200, "Unhandled"))
        self.assertEqual((answer["errorType"], answer["errorMessage"]), ("ValueError", "no thing"))
        said = self.refused("InvalidRequestContentException", "lambda", "invoke", "--function-name", "failing", "--payload", "{", "x.out")
        self.assertIn("Could not parse request body into json", said)

    def test_versions_and_aliases(self):
        self.create("versioned")
        first = self.functions("publish-version", "--function-name", "versioned", "--description", "the first")
        self.assertEqual((first["Version"], first["Description"]), ("1", "the first"))
        self.functions("wait", "published-version-active", "--function-name", "versioned", "--qualifier", "1")
        self.functions("update-function-code", "--function-name", "versioned", "--zip-file", self.package(ECHO + "# 2\n"), "--publish")
        self.functions("wait", "function-updated-v2", "--function-name", "versioned")
        listed = self.functions("list-versions-by-function", "--function-name", "versioned", "--page-size", 1)["Versions"]
        self.assertEqual([version["Version"] for version in listed], ["$LATEST", "1", "2"])

        alias = self.functions("create-alias", "--function-name", "versioned", "--name", "live", "--function-version", 1)
        self.assertEqual(alias["AliasArn"], f"{listed[0]['FunctionArn'].rpartition(':')[0]}:live")
        self.assertEqual(self.invoke("versioned", 1, "--qualifier", "live")[0]["ExecutedVersion"], "1")
        self.functions("update-alias", "--function-name", "versioned", "--name", "live", "--function-version", 2,
                       "--routing-config", "AdditionalVersionWeights={1=0.25}")
        got = self.functions("get-alias", "--function-name", "versioned", "--name", "live")
        self.assertEqual((got["FunctionVersion"], got["RoutingConfig"]), ("2", {"AdditionalVersionWeights": {"1": 0.25}}))
        self.assertEqual(self.functions("list-aliases", "--function-name", "versioned")["Aliases"], [got])
        self.functions("delete-alias", "--function-name", "versioned", "--name", "live")
        self.refused("ResourceNotFoundException", "lambda", "get-alias", "--function-name", "versioned", "--name", "live")

    def test_layers(self):
        (self.scratch / "layer.zip").write_bytes(zip_of({"python/shared.py": "VALUE = 'from the layer'\n"}))
        made = self.functions("publish-layer-version", "--layer-name", "library", "--zip-file", "fileb://layer.zip",
                              "--compatible-runtimes", RUNTIME, "--description", "shared code")
        arn = made["LayerVersionArn"]
        self.create("layered", "import shared\ndef handler(event, context):\n    return shared.VALUE\n", "--layers", arn)
        self.assertEqual(self.invoke("layered")[1], "from the layer")
        self.assertEqual(self.functions("list-layers", "--compatible-runtime", RUNTIME)["Layers"][0]["LayerName"], "library")
        listed = self.functions("list-layer-versions", "--layer-name", "library")["LayerVersions"]
        self.assertEqual([version["LayerVersionArn"] for version in listed], [arn])
        got = self.functions("get-layer-version", "--layer-name", "library", "--version-number", 1)
        self.assertEqual(got["Description"], "shared code")
        self.assertEqual(self.functions("get-layer-version-by-arn", "--arn", arn)["LayerVersionArn"], arn)
        self.functions("delete-layer-version", "--layer-name", "library", "--version-number", 1)
        self.refused("ResourceNotFoundException", "lambda", "get-layer-version", "--layer-name", "library", "--version-number", 1)

    def test_urls_and_who_may_call_them(self):
        self.create("open")
        name = ["--function-name", "open"]
        made = self.functions("create-function-url-config", *name, "--auth-type", "NONE", "--cors", "AllowOrigins=https://a.example,MaxAge=60")
        with self.assertRaises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(made["FunctionUrl"])
        with refused.exception as error:
            self.assertEqual((error.code, error.headers["x-amzn-ErrorType"]), (403, "AccessDeniedException"))
        url = ["--statement-id", "url", "--action", "lambda:InvokeFunctionUrl", "--principal", "*", "--function-url-auth-type", "NONE"]
        added = self.functions("add-permission", *name, *url)
        self.functions("add-permission", *name, "--statement-id", "via", "--action", "lambda:InvokeFunction", "--principal", "*", "--invoked-via-function-url")
        with urllib.request.urlopen(f"{made['FunctionUrl']}a?b=c") as answer:
            self.assertEqual(json.loads(answer.read())["echo"]["queryStringParameters"], {"b": "c"})
        policy = self.functions("get-policy", *name)
        statements = json.loads(policy["Policy"])["Statement"]
        self.assertEqual(([statement["Sid"] for statement in statements], statements[0]), (["url", "via"], json.loads(added["Statement"])))
        self.functions("remove-permission", *name, "--statement-id", "via", "--revision-id", policy["RevisionId"])
        changed = self.functions("update-function-url-config", *name, "--auth-type", "AWS_IAM", "--invoke-mode", "BUFFERED")
        self.assertEqual((changed["AuthType"], changed["Cors"]), ("AWS_IAM", {"AllowOrigins": ["https://a.example"], "MaxAge": 60}))
        got = self.functions("get-function-url-config", *name)
        listed = self.functions("list-function-url-configs", *name)["FunctionUrlConfigs"]
        self.assertEqual((got["InvokeMode"], [url["FunctionUrl"] for url in listed]), ("BUFFERED", [made["FunctionUrl"]]))
        self.functions("delete-function-url-config", *name)
        self.refused("ResourceNotFoundException", "lambda", "get-function-url-config", *name)
        self.assertEqual(self.functions("get-function-code-signing-config", *name)["FunctionName"], "open")

    def test_policies_of_layers(self):
        (self.scratch / "shared.zip").write_bytes(zip_of({"python/lib.py": ""}))
        self.functions("publish-layer-version", "--layer-name", "governed", "--zip-file", "fileb://shared.zip")
        which = ["--layer-name", "governed", "--version-number", 1]
        self.functions("add-layer-version-permission", *which, "--statement-id", "all", "--action", "lambda:GetLayerVersion", "--principal", "*")
        policy = json.loads(self.functions("get-layer-version-policy", *which)["Policy"])
        self.assertEqual([statement["Sid"] for statement in policy["Statement"]], ["all"])
        self.functions("remove-layer-version-permission", *which, "--statement-id", "all")
        self.refused("ResourceNotFoundException", "lambda", "get-layer-version-policy", *which)

    def test_tags_of_functions(self):
        arn = self.create("tagged")["FunctionArn"]
        self.functions("tag-resource", "--resource", arn, "--tags", "team=a,stage=test")
        self.functions("untag-resource", "--resource", arn, "--tag-keys", "stage")
        self.assertEqual(self.functions("list-tags", "--resource", arn)["Tags"], {"team": "a"})

    def test_a_stream_is_mapped_to_a_function(self):
        arn = self.stream("mapped")
        self.create("worker", COUNT)
        made = self.functions("create-event-source-mapping", "--function-name", "worker", "--event-source-arn", arn,
                              "--starting-position", "TRIM_HORIZON", "--batch-size", 10, "--function-response-types",
                              "ReportBatchItemFailures", "--filter-criteria", '{"Filters": [{"Pattern": "{\\"partitionKey\\": [\\"k\\"]}"}]}')
        uuid = made["UUID"]
        for key, data in (("k", "one"), ("other", "not-this"), ("k", "two")):
            self.aws("kinesis", "put-record", "--stream-name", "mapped", "--partition-key", key, "--data", data)
        # Counting is an invocation of the same worker, which may find it at work and get another with a /tmp of its own.
        self.functions("put-function-concurrency", "--function-name", "worker", "--reserved-concurrent-executions", 1)

        def seen():
            done = self.run_cli("lambda", "invoke", "--function-name", "worker", "--payload", "{}", "seen.out")
            return done.returncode == 0 and json.loads((self.scratch / "seen.out").read_text()) == {"seen": ["one", "two"]}

        self.eventually(seen, "the function has seen the records that pass the filter, in order")
        listed = self.functions("list-event-source-mappings", "--event-source-arn", arn)["EventSourceMappings"]
        self.assertEqual([(found["UUID"], found["State"]) for found in listed], [(uuid, "Enabled")])
        updated = self.functions("update-event-source-mapping", "--uuid", uuid, "--batch-size", 5, "--no-enabled")
        self.assertEqual(updated["BatchSize"], 5)

        def state():
            return self.functions("get-event-source-mapping", "--uuid", uuid)["State"]

        self.eventually(lambda: state() == "Disabled", "the mapping is disabled")
        self.assertEqual(self.functions("delete-event-source-mapping", "--uuid", uuid)["State"], "Deleting")
        self.eventually(
            lambda: self.run_cli("lambda", "get-event-source-mapping", "--uuid", uuid).returncode != 0, "the mapping is gone")

    def test_the_code_comes_back_as_it_was_sent(self):
        # `aws lambda get-function --query Code.Location` is how scripts fetch what is deployed.
        self.create("fetched")
        location = self.text("lambda", "get-function", "--function-name", "fetched", "--query", "Code.Location")
        with urllib.request.urlopen(location, timeout=30) as answer:
            archive = zipfile.ZipFile(io.BytesIO(answer.read()))
        self.assertEqual(archive.read("main.py").decode(), ECHO)
