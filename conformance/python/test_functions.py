"""Functions: deploy, invoke, change, delete."""

import base64
import hashlib

from support.case import ServerCase
from support.deploy import deploy, invoke, wait_until_updated
from support.package import ROLE, RUNTIME, zip_of
from support.server import ACCOUNT, REGION

ECHO = "def handler(event, context):\n    return {'got': event}\n"
ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:"


class Functions(ServerCase):
    def test_a_function_is_created_described_and_deleted(self):
        created = deploy(self.functions, "life", ECHO, wait=False, Description="tells what it got", MemorySize=256, Timeout=7)
        code = zip_of({"main.py": ECHO})
        self.assertEqual(created["ResponseMetadata"]["HTTPStatusCode"], 201)
        self.assertEqual(created["FunctionArn"], ARN + "life")
        self.assertEqual(created["State"], "Pending")
        self.assertEqual(created["StateReasonCode"], "Creating")
        self.assertEqual(created["CodeSize"], len(code))
        self.assertEqual(created["CodeSha256"], base64.b64encode(hashlib.sha256(code).digest()).decode())
        self.assertEqual(created["Version"], "$LATEST")
        self.assertEqual(created["PackageType"], "Zip")
        self.assertRegex(created["LastModified"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000$")

        self.functions.get_waiter("function_active_v2").wait(FunctionName="life", WaiterConfig={"Delay": 0.05, "MaxAttempts": 400})
        got = self.functions.get_function(FunctionName="life")
        settings = got["Configuration"]
        self.assertEqual((settings["State"], settings["LastUpdateStatus"]), ("Active", "Successful"))
        self.assertEqual((settings["Runtime"], settings["Handler"], settings["Role"]), (RUNTIME, "main.handler", ROLE))
        self.assertEqual((settings["MemorySize"], settings["Timeout"]), (256, 7))
        self.assertEqual(settings["Description"], "tells what it got")
        self.assertIn("Code", got)
        for reference in ("life", ARN + "life", f"{ACCOUNT}:function:life"):
            described = self.functions.get_function_configuration(FunctionName=reference)
            self.assertEqual(described["FunctionArn"], ARN + "life", reference)

        self.assertIn("life", [function["FunctionName"] for function in self.functions.list_functions()["Functions"]])
        self.refused(self.functions.create_function, "ResourceConflictException", FunctionName="life", Runtime=RUNTIME,
                     Handler="main.handler", Role=ROLE, Code={"ZipFile": code})
        deleted = self.functions.delete_function(FunctionName="life")
        self.assertIn(deleted["ResponseMetadata"]["HTTPStatusCode"], (200, 204))
        message = self.refused(self.functions.get_function, "ResourceNotFoundException", FunctionName="life")
        self.assertIn(f"Function not found: {ARN}life", message)

    def test_defaults_are_those_of_aws(self):
        created = self.functions.create_function(FunctionName="plain", Runtime=RUNTIME, Handler="main.handler", Role=ROLE,
                                                 Code={"ZipFile": zip_of({"main.py": ECHO})})
        self.assertEqual((created["MemorySize"], created["Timeout"]), (128, 3))
        self.assertEqual(created["EphemeralStorage"], {"Size": 512})
        self.assertEqual(created["TracingConfig"], {"Mode": "PassThrough"})
        self.assertEqual(created["LoggingConfig"], {"LogFormat": "Text", "LogGroup": "/aws/lambda/plain"})

    def test_no_code_is_signed(self):
        deploy(self.functions, "unsigned", ECHO, wait=False)
        # What Terraform's provider asks of each function of the type Zip after GetFunction and ListVersionsByFunction.
        answer = self.functions.get_function_code_signing_config(FunctionName=ARN + "unsigned")
        self.assertEqual(answer["FunctionName"], "unsigned")
        self.assertNotIn("CodeSigningConfigArn", answer)
        message = self.refused(self.functions.get_function_code_signing_config, "ResourceNotFoundException", FunctionName="absent")
        self.assertIn(f"Function not found: {ARN}absent", message)

    def test_invoke_gives_what_the_handler_returns(self):
        deploy(self.functions, "echo", ECHO)
        answer, payload = invoke(self.functions, "echo", {"a": [1, "zwei", None]})
        self.assertEqual(answer["StatusCode"], 200)
        self.assertEqual(answer["ExecutedVersion"], "$LATEST")
        self.assertNotIn("FunctionError", answer)
        self.assertEqual(payload, {"got": {"a": [1, "zwei", None]}})

    def test_a_dry_run_runs_nothing(self):
        deploy(self.functions, "dry", "def handler(event, context):\n    raise RuntimeError('it ran')\n")
        answer, payload = invoke(self.functions, "dry", {}, InvocationType="DryRun")
        self.assertEqual((answer["StatusCode"], payload), (204, None))

    def test_the_tail_of_the_log_comes_on_request(self):
        deploy(self.functions, "talk", "def handler(event, context):\n    print('hello from inside')\n    return 1\n")
        answer, _ = invoke(self.functions, "talk", {}, LogType="Tail")
        log = base64.b64decode(answer["LogResult"]).decode()
        request = answer["ResponseMetadata"]["RequestId"]
        self.assertIn(f"START RequestId: {request} Version: $LATEST\n", log)
        self.assertIn("hello from inside", log)
        self.assertIn(f"END RequestId: {request}\n", log)
        self.assertRegex(log, rf"REPORT RequestId: {request}\tDuration: [\d.]+ ms\tBilled Duration: \d+ ms\tMemory Size: 128 MB\tMax Memory Used: \d+ MB")
        quiet, _ = invoke(self.functions, "talk", {})
        self.assertNotIn("LogResult", quiet)

    def test_the_context_and_the_environment_are_those_of_lambda(self):
        source = (
            "import os\n"
            "def handler(event, context):\n"
            "    return {'name': context.function_name, 'arn': context.invoked_function_arn, 'id': context.aws_request_id,\n"
            "            'left': context.get_remaining_time_in_millis(), 'memory': context.memory_limit_in_mb,\n"
            "            'cwd': os.getcwd(), 'here': os.path.exists('/var/task/main.py'), 'env': dict(os.environ)}\n"
        )
        deploy(self.functions, "where", source, Environment={"Variables": {"GREETING": "hello"}}, Timeout=9)
        answer, seen = invoke(self.functions, "where")
        self.assertEqual((seen["name"], seen["arn"]), ("where", ARN + "where"))
        self.assertEqual(seen["id"], answer["ResponseMetadata"]["RequestId"])
        self.assertTrue(0 < seen["left"] <= 9000, seen["left"])
        self.assertEqual(int(seen["memory"]), 128)
        self.assertEqual((seen["cwd"], seen["here"]), ("/var/task", True))
        environment = seen["env"]
        self.assertEqual(environment["GREETING"], "hello")
        self.assertEqual(environment["AWS_LAMBDA_FUNCTION_NAME"], "where")
        self.assertEqual(environment["AWS_REGION"], REGION)
        self.assertEqual(environment["LAMBDA_TASK_ROOT"], "/var/task")
        self.assertEqual(environment["_HANDLER"], "main.handler")
        for name in ("AWS_LAMBDA_RUNTIME_API", "AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            self.assertTrue(environment.get(name), name)
        self.assertNotIn("MILLSTREAM_BIN", environment)

    def test_a_worker_is_kept_warm(self):
        deploy(self.functions, "warm", "count = 0\ndef handler(event, context):\n    global count\n    count += 1\n    return count\n")
        self.assertEqual([invoke(self.functions, "warm")[1] for _ in range(3)], [1, 2, 3])

    def test_code_and_settings_can_be_changed(self):
        deploy(self.functions, "change", "def handler(event, context):\n    return 'old'\n")
        self.assertEqual(invoke(self.functions, "change")[1], "old")
        source = "import os\ndef handler(event, context):\n    return 'new' + os.environ.get('MARK', '')\n"
        updated = self.functions.update_function_code(FunctionName="change", ZipFile=zip_of({"main.py": source}))
        self.assertEqual(updated["State"], "Active")
        self.assertIn(updated["LastUpdateStatus"], ("InProgress", "Successful"))
        wait_until_updated(self.functions, "change")
        self.assertEqual(invoke(self.functions, "change")[1], "new")
        self.functions.update_function_configuration(FunctionName="change", Environment={"Variables": {"MARK": "!"}}, MemorySize=192)
        wait_until_updated(self.functions, "change")
        self.assertEqual(invoke(self.functions, "change")[1], "new!")
        self.assertEqual(self.functions.get_function_configuration(FunctionName="change")["MemorySize"], 192)

    def test_a_bootstrap_runs_on_provided(self):
        bootstrap = (
            "#!/bin/sh\n"
            "api=http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation\n"
            f"exec python3 -c '{BOOTSTRAP}' $api\n"
        )
        self.functions.create_function(FunctionName="own", Runtime="provided.al2023", Handler="any.thing", Role=ROLE, Timeout=20,
                                       Code={"ZipFile": zip_of({"bootstrap": bootstrap})})
        self.functions.get_waiter("function_active_v2").wait(FunctionName="own", WaiterConfig={"Delay": 0.05, "MaxAttempts": 400})
        answer, payload = invoke(self.functions, "own", {"x": 1})
        self.assertEqual((answer.get("FunctionError"), payload), (None, {"own": {"x": 1}}))

    def test_unknown_functions_are_not_found(self):
        message = self.refused(self.functions.invoke, "ResourceNotFoundException", FunctionName="nobody")
        self.assertIn(f"Function not found: {ARN}nobody", message)
        self.refused(self.functions.get_function_configuration, "ResourceNotFoundException", FunctionName="nobody")
        self.refused(self.functions.delete_function, "ResourceNotFoundException", FunctionName="nobody")

    def test_a_payload_that_is_no_json_is_refused(self):
        deploy(self.functions, "picky", ECHO)
        message = self.refused(self.functions.invoke, "InvalidRequestContentException", FunctionName="picky", Payload=b"{not json")
        self.assertTrue(message.startswith("Could not parse request body into json"), message)

    def test_values_out_of_bounds_are_refused(self):
        code = {"ZipFile": zip_of({"main.py": ECHO})}
        base = {"FunctionName": "bad", "Runtime": RUNTIME, "Handler": "main.handler", "Role": ROLE, "Code": code}
        for wrong in ({"Timeout": 0}, {"MemorySize": 64}, {"FunctionName": "no spaces"}, {"Role": "nobody"}):
            with self.subTest(wrong), self.assertRaises(self.functions.exceptions.ClientError) as caught:
                self.unchecked_functions.create_function(**{**base, **wrong})
            code_of = caught.exception.response["Error"]["Code"]
            self.assertIn(code_of, ("ValidationException", "InvalidParameterValueException"), wrong)


BOOTSTRAP = (
    "import sys,urllib.request as u\n"
    "while True:\n"
    "  n=u.urlopen(sys.argv[1]+\"/next\")\n"
    "  b=b\"{\\\"own\\\": \"+n.read()+b\"}\"\n"
    "  u.urlopen(sys.argv[1]+\"/\"+n.headers[\"Lambda-Runtime-Aws-Request-Id\"]+\"/response\",b)\n"
)
