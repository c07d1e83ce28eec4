"""Functions that go wrong: each gives the answer AWS gives, and nothing else suffers."""

import base64
import json
import threading
import time

from support.case import ServerCase
from support.clients import client
from support.deploy import deploy, invoke
from support.package import ROLE, RUNTIME, zip_of

FINE = "def handler(event, context):\n    return 'fine'\n"


class Failures(ServerCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        deploy(cls.functions, "bystander", FINE)

    def tearDown(self):
        self.assertEqual(invoke(self.functions, "bystander")[1], "fine")

    def failing(self, name, source, **options):
        """Deploys, invokes, and gives (answer, payload) of an invocation that must fail in the function."""
        deploy(self.functions, name, source, **options)
        answer, payload = invoke(self.functions, name, {"n": 1}, LogType="Tail")
        self.assertEqual((answer["StatusCode"], answer.get("FunctionError")), (200, "Unhandled"), payload)
        return answer, payload

    def test_an_exception_is_described(self):
        source = "class Odd(Exception):\n    pass\n\ndef handler(event, context):\n    raise Odd('no such place')\n"
        answer, payload = self.failing("raises", source)
        self.assertEqual((payload["errorType"], payload["errorMessage"]), ("Odd", "no such place"))
        self.assertEqual(payload["requestId"], answer["ResponseMetadata"]["RequestId"])
        self.assertIn('File "/var/task/main.py", line 5, in handler', payload["stackTrace"][-1])
        self.assertIn("no such place", base64.b64decode(answer["LogResult"]).decode())
        again, _ = invoke(self.functions, "raises", {})
        self.assertEqual(again["FunctionError"], "Unhandled")

    def test_one_that_never_returns_is_stopped(self):
        started = time.monotonic()
        answer, payload = self.failing("hangs", "import time\ndef handler(event, context):\n    time.sleep(600)\n", Timeout=1)
        self.assertLess(time.monotonic() - started, 30)
        request = answer["ResponseMetadata"]["RequestId"]
        self.assertEqual(payload, {"errorType": "Sandbox.Timedout", "errorMessage": f"RequestId: {request} Error: Task timed out after 1.00 seconds"})

    def test_one_that_hangs_runs_again_afterwards(self):
        source = "import time\ndef handler(event, context):\n    if event.get('hang'):\n        time.sleep(600)\n    return 'well'\n"
        deploy(self.functions, "moody", source, Timeout=1)
        self.assertEqual(invoke(self.functions, "moody", {"hang": True})[0]["FunctionError"], "Unhandled")
        self.assertEqual(invoke(self.functions, "moody", {})[1], "well")

    def test_others_run_while_one_hangs(self):
        deploy(self.functions, "blocker", "import time\ndef handler(event, context):\n    time.sleep(600)\n", Timeout=4)
        threads = [threading.Thread(target=lambda: invoke(client("lambda", self.address), "blocker", {})) for _ in range(3)]
        for thread in threads:
            thread.start()
        self.assertEqual(invoke(self.functions, "bystander")[1], "fine")
        self.assertTrue(any(thread.is_alive() for thread in threads), "the bystander waited for the others")
        for thread in threads:
            thread.join()

    def test_one_that_exits_is_told_so(self):
        answer, payload = self.failing("leaves", "import os\ndef handler(event, context):\n    os._exit(0)\n")
        request = answer["ResponseMetadata"]["RequestId"]
        self.assertEqual(payload, {"errorType": "Runtime.ExitError", "errorMessage": f"RequestId: {request} Error: Runtime exited without providing a reason"})
        answer, payload = self.failing("breaks", "import os\ndef handler(event, context):\n    os._exit(7)\n")
        request = answer["ResponseMetadata"]["RequestId"]
        self.assertEqual(payload, {"errorType": "Runtime.ExitError", "errorMessage": f"RequestId: {request} Error: Runtime exited with error: exit status 7"})

    def test_one_that_is_killed_is_told_so(self):
        _, payload = self.failing("dies", "import os, signal\ndef handler(event, context):\n    os.kill(os.getpid(), signal.SIGKILL)\n")
        self.assertEqual(payload["errorType"], "Runtime.ExitError")
        self.assertIn("signal: killed", payload["errorMessage"])

    def test_one_that_cannot_be_loaded_names_the_cause(self):
        _, payload = self.failing("unparsed", "def handler(event, context)\n    return 1\n")
        self.assertEqual(payload["errorType"], "Runtime.UserCodeSyntaxError")
        deploy(self.functions, "misnamed", FINE, Handler="main.missing")
        answer, payload = invoke(self.functions, "misnamed", {})
        self.assertEqual((answer["FunctionError"], payload["errorType"]), ("Unhandled", "Runtime.HandlerNotFound"))
        self.assertIn("Handler 'missing' missing on module 'main'", payload["errorMessage"])
        deploy(self.functions, "mislaid", FINE, Handler="elsewhere.handler")
        answer, payload = invoke(self.functions, "mislaid", {})
        self.assertEqual((answer["FunctionError"], payload["errorType"]), ("Unhandled", "Runtime.ImportModuleError"))
        self.assertIn("Unable to import module 'elsewhere'", payload["errorMessage"])

    def test_one_that_prints_megabytes_still_answers(self):
        source = (
            "import sys\n"
            "def handler(event, context):\n"
            "    for _ in range(64):\n"
            "        sys.stdout.write('x' * 65535 + '\\n')\n"
            "    sys.stdout.write('y' * (2 << 20))\n"
            "    print('the end')\n"
            "    return 'done'\n"
        )
        deploy(self.functions, "chatty", source)
        answer, payload = invoke(self.functions, "chatty", {}, LogType="Tail")
        self.assertEqual(payload, "done")
        log = base64.b64decode(answer["LogResult"])
        self.assertLessEqual(len(log), 4096)
        self.assertIn(b"REPORT RequestId: ", log)

    def test_a_response_that_is_too_big_is_an_error_of_the_function(self):
        deploy(self.functions, "vast", "def handler(event, context):\n    return 'x' * (7 << 20)\n")
        answer, payload = invoke(self.functions, "vast", {})
        self.assertEqual(answer["FunctionError"], "Unhandled")
        self.assertEqual(payload["errorType"], "Function.ResponseSizeTooLarge")
        self.assertIn("6291556 bytes", payload["errorMessage"])

    def test_a_zip_that_is_broken_is_refused(self):
        whole = zip_of({"main.py": FINE})
        for name, broken in (("text", b"this is no zip"), ("half", whole[: len(whole) // 2]), ("empty", b"")):
            with self.subTest(name), self.assertRaises(self.functions.exceptions.ClientError) as caught:
                self.functions.create_function(FunctionName=f"broken-{name}", Runtime=RUNTIME, Handler="main.handler", Role=ROLE,
                                               Code={"ZipFile": broken})
            error = caught.exception.response["Error"]
            self.assertEqual(error["Code"], "InvalidParameterValueException", error)
        self.assertNotIn("broken-text", json.dumps(self.functions.list_functions()["Functions"], default=str))

    def test_a_zip_that_points_outside_stays_inside(self):
        for name in ("../escape.py", "/tmp/millstream-escape.py", "a/../../escape.py"):
            with self.subTest(name), self.assertRaises(self.functions.exceptions.ClientError) as caught:
                self.functions.create_function(FunctionName="escape", Runtime=RUNTIME, Handler="main.handler", Role=ROLE,
                                               Code={"ZipFile": zip_of({"main.py": FINE, name: "x"})})
            self.assertEqual(caught.exception.response["Error"]["Code"], "InvalidParameterValueException")

    def test_memory_is_bounded(self):
        source = "def handler(event, context):\n    hoard = bytearray(1 << 30)\n    hoard[:: 4096] = b'x' * len(hoard[:: 4096])\n    return len(hoard)\n"
        _, payload = self.failing("hungry", source, MemorySize=128)
        self.assertIn(payload["errorType"], ("MemoryError", "Runtime.ExitError", "Runtime.OutOfMemory"))

    def test_a_function_cannot_see_the_servers_files_or_other_functions(self):
        source = (
            "import os\n"
            "def handler(event, context):\n"
            "    try:\n"
            "        return {'seen': open(event['path']).read(100)}\n"
            "    except OSError as error:\n"
            "        return {'error': type(error).__name__}\n"
        )
        deploy(self.functions, "nosy", source)
        _, payload = invoke(self.functions, "nosy", {"path": f"/proc/{self.server.process.pid}/environ"})
        self.assertIn("error", payload)
        _, payload = invoke(self.functions, "nosy", {"path": str(self.server.log_path)})
        self.assertIn("error", payload)
