"""Functions are kept apart: through the real process, with real Python functions."""

import http.server
import json
import re
import subprocess
import sys
import threading
import unittest
import urllib.request

from support import clients
from support.deploy import boto3_layer, deploy, invoke
from support.program import run
from support.server import Server, binary

CODE = """
import os, urllib.error, urllib.request
import boto3

def reach(address):
    try:
        with urllib.request.urlopen(address, timeout=10) as answer:
            return answer.read().decode()
    except OSError as error:
        return "refused: " + str(error)

def handler(event, context):
    home = os.environ.get("AWS_ENDPOINT_URL")
    told = {"other": reach(event["other"]), "home": reach(home + "/_millstream/health")[:1] if home else None}
    if event["sdk"]:
        kinesis = boto3.client("kinesis")
        kinesis.put_record(StreamName="reached", PartitionKey="k", Data=b"from inside")
        told["streams"] = kinesis.list_streams()["StreamNames"]
    return told
"""

# Runs the rest of its command line in a process for which the kernel has no Landlock.
WITHOUT_LANDLOCK = """
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
LANDLOCK_CREATE_RULESET, ENOSYS = 444, 38
# Load the call's number; refuse it if it is that one; allow it else.
code = struct.pack("HBBI" * 4, 0x20, 0, 0, 0, 0x15, 0, 1, LANDLOCK_CREATE_RULESET, 0x06, 0, 0, 0x00050000 | ENOSYS, 0x06, 0, 0, 0x7FFF0000)
class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_char_p)]
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, ctypes.byref(Program(4, code)), 0, 0) == 0
os.execvp(sys.argv[1], sys.argv[1:])
"""

WITHOUT_NAMESPACES = ("unshare", "--user", "--map-root-user", "sh", "-c", 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$0" "$@"')


class Other:
    """A service on the loopback interface that is none of the functions' business."""

    def __enter__(self):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"secret")

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self.server.server_port}/"

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def health(server):
    with urllib.request.urlopen(server.address.rstrip("/") + "/_millstream/health") as answer:
        return json.load(answer)


def outcome(network, sdk):
    with Server(arguments=("--function-network", network)) as server, Other() as other:
        kinesis = clients.client("kinesis", server.address)
        functions = clients.client("lambda", server.address)
        clients.create_stream(kinesis, "reached")
        if sdk:
            layers = [boto3_layer(functions)]
            deploy(functions, "reaching", CODE, Layers=layers, Timeout=60)
        else:
            deploy(functions, "reaching", CODE.replace("import boto3\n", ""))
        answer, told = invoke(functions, "reaching", {"other": other, "sdk": sdk})
        return answer.get("FunctionError"), told, health(server)["isolation"]


class Networks(unittest.TestCase):
    def test_the_host_s_network_is_the_default_s(self):
        failed, told, isolation = outcome("host", sdk=False)
        self.assertEqual((failed, told["other"], told["home"]), (None, "secret", "{"), told)
        self.assertIn("network: host", isolation)

    def test_endpoint_only_is_the_server_and_nothing_else(self):
        failed, told, isolation = outcome("endpoint-only", sdk=False)
        self.assertEqual((failed, told["home"]), (None, "{"), told)
        self.assertIn("refused", told["other"])
        self.assertIn("network: endpoint-only", isolation)

    def test_the_sdk_works_with_the_endpoint_only(self):
        failed, told, _ = outcome("endpoint-only", sdk=True)
        self.assertEqual((failed, told["streams"]), (None, ["reached"]), told)

    def test_none_is_not_even_the_server(self):
        failed, told, isolation = outcome("none", sdk=False)
        self.assertEqual((failed, told["home"]), (None, None), told)
        self.assertIn("refused", told["other"])
        self.assertIn("network: none", isolation)


class Kernels(unittest.TestCase):
    def test_what_is_in_force_is_said_at_the_start(self):
        with Server() as server:
            told = health(server)["isolation"]
            self.assertRegex(told, r"^namespaces: user, mount, process, IPC, host name; system calls: seccomp; access rules: ")
            self.assertEqual(server.log().count("functions are kept apart by: "), 1, server.log())
            self.assertIn(told, server.log())

    def test_the_command_says_what_this_machine_has(self):
        layers = run(None, "function", "isolation", "--output", "json").json()
        self.assertTrue(layers["Isolated"], layers)
        self.assertEqual(layers["Layers"]["system calls"], "seccomp")
        self.assertIn("NAMESPACES", run(None, "function", "isolation").out.upper())

    def test_a_kernel_without_landlock_is_told_of_once(self):
        with Server(inside=(sys.executable, "-c", WITHOUT_LANDLOCK)) as server:
            self.assertIn("access rules: none", health(server)["isolation"])
            functions = clients.client("lambda", server.address)
            for name in ("one", "two"):
                deploy(functions, name, "def handler(event, context): return 1")
                self.assertEqual(invoke(functions, name)[1], 1)
            self.assertEqual(len(re.findall("WARN.*this kernel has no Landlock", server.log())), 1, server.log())

    def test_a_kernel_without_namespaces_runs_no_function(self):
        with Server(inside=WITHOUT_NAMESPACES) as server:
            self.assertRegex(health(server)["functions"], "could not create a user namespace.*--function-isolation process")
            self.assertIn("functions cannot run: functions cannot be isolated on this machine", server.log())
            functions = clients.client("lambda", server.address, retries={"max_attempts": 0})
            deploy(functions, "refused", "def handler(event, context): return 1")
            with self.assertRaises(Exception) as caught:
                invoke(functions, "refused")
            self.assertIn("could not create a user namespace", str(caught.exception))

    def test_and_runs_them_if_it_is_told_to(self):
        arguments = ("--function-isolation", "process")
        with Server(inside=WITHOUT_NAMESPACES, arguments=arguments) as server:
            self.assertIn("namespaces: none, as asked", health(server)["isolation"])
            self.assertIn("functions run without isolation, as asked", server.log())
            functions = clients.client("lambda", server.address)
            deploy(functions, "trusted", "def handler(event, context): return 1")
            self.assertEqual(invoke(functions, "trusted")[1], 1)

    def test_a_command_without_namespaces_fails_and_says_why(self):
        command = [*WITHOUT_NAMESPACES, binary(), "function", "isolation"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 1, done)
        self.assertIn("could not create a user namespace", done.stdout)
