"""The command line of the server: what it refuses, and where settings may come from."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import time
import unittest
import urllib.request

from support import clients
from support.bare import Bare
from support.server import Server, binary


def run(*arguments, **environment):
    """Runs the program to its end; (exit code, all that it printed)."""
    done = subprocess.run([binary(), *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False,
                          env={**os.environ, **environment})
    return done.returncode, done.stdout + done.stderr


class CommandLine(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix="millstream-settings-")
        self.addCleanup(scratch.cleanup)
        self.scratch = pathlib.Path(scratch.name)

    def write(self, text):
        path = self.scratch / "millstream.toml"
        path.write_text(text)
        return str(path)

    def test_help_names_the_commands(self):
        code, printed = run("--help")
        self.assertEqual(code, 0)
        for word in ("serve", "demo"):
            self.assertIn(word, printed)

    def test_a_key_that_is_unknown_keeps_it_from_starting(self):
        code, printed = run("serve", "--memory", "--config", self.write('bnid = "127.0.0.1:0"\n'))
        self.assertNotEqual(code, 0)
        self.assertIn("bnid", printed)

    def test_an_address_that_others_can_reach_needs_a_word(self):
        code, printed = run("serve", "--memory", "--bind", "0.0.0.0:0")
        self.assertNotEqual(code, 0)
        self.assertIn("--allow-insecure-bind", printed)

    def test_a_port_that_is_taken_is_named(self):
        with Server() as server:
            port = server.host_and_port()[1]
            code, printed = run("serve", "--memory", "--bind", f"127.0.0.1:{port}")
        self.assertNotEqual(code, 0)
        self.assertIn(str(port), printed)

    def test_settings_come_from_flag_environment_and_file(self):
        file = self.write('region = "eu-west-1"\naccount = "111111111111"\n')
        with Server(arguments=["--config", file, "--account", "333333333333"], environment={"MILLSTREAM_ACCOUNT": "222222222222"}) as server:
            # A request without credentials is for the server's own account and region.
            headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "Kinesis_20131202.DescribeStreamSummary"}
            request = urllib.request.Request(server.address, b'{"StreamName":"placed"}', headers)
            clients.create_stream(clients.client("kinesis", server.address, region_name="eu-west-1"), "placed")
            with urllib.request.urlopen(request, timeout=30) as answer:
                arn = json.load(answer)["StreamDescriptionSummary"]["StreamARN"]
        self.assertEqual(arn, "arn:aws:kinesis:eu-west-1:333333333333:stream/placed")

    def test_a_flag_wins_over_the_environment_and_two_that_contradict_are_refused(self):
        elsewhere = str(self.scratch / "elsewhere")
        with Server(environment={"MILLSTREAM_DATA": elsewhere}) as server:
            self.assertEqual(self.storage(server), "memory")
        data = self.scratch / "data"
        with Server(data=data, environment={"MILLSTREAM_MEMORY": "1"}) as server:
            self.assertEqual(self.storage(server), str(data))
        for arguments, environment in [
            (["--memory", "--data", elsewhere], {}),
            ([], {"MILLSTREAM_MEMORY": "yes", "MILLSTREAM_DATA": elsewhere}),
        ]:
            code, printed = run("serve", "--bind", "127.0.0.1:0", *arguments, **environment)
            self.assertNotEqual(code, 0)
            self.assertIn("exclude each other", printed)
        self.assertFalse(os.path.exists(elsewhere))

    @staticmethod
    def storage(server):
        with urllib.request.urlopen(f"{server.address}/_millstream/health", timeout=30) as answer:
            return json.load(answer)["storage"]

    def test_what_cannot_be_meant_is_refused_with_what_can(self):
        for arguments, hint in [
            (["serve", "--memory", "--bind", "127.0.0.1:0", "--log-level", "loud"], "debug"),
            (["serve", "--memory", "--bind", "localhost"], "127.0.0.1:4566"),
            (["serve", "--memory", "--log-flush-bytes", "5MB"], "256MiB"),
            (["serve", "--data", str(self.scratch / "d"), "--bind", "127.0.0.1:0", "--log-flush-bytes", "5KiB"], "from 64KiB to 1GiB"),
            (["demo", "--rate", "9999"], "0 to 5000"),
        ]:
            with self.subTest(arguments):
                code, printed = run(*arguments)
                self.assertNotEqual(code, 0)
                self.assertIn(hint, printed)

    def test_a_name_of_this_machine_is_an_address(self):
        with Server() as server:
            port = server.host_and_port()[1]
            code, printed = run("serve", "--memory", "--bind", f"localhost:{port}")
        self.assertNotEqual(code, 0)
        self.assertIn(f"cannot listen on 127.0.0.1:{port}", printed)

    def test_a_second_interrupt_does_not_wait(self):
        with Server() as server, socket.create_connection(server.host_and_port()) as client:
            # A request that never comes to its end keeps a clean stop waiting.
            head = {
                "Host": "{}:{}".format(*server.host_and_port()), "X-Amz-Target": "Kinesis_20131202.ListStreams",
                "Content-Type": "application/x-amz-json-1.1", "X-Amz-Date": "20260101T000000Z",
                "Authorization": Bare.AUTHORIZATION, "Content-Length": "100", "Expect": "100-continue",
            }
            lines = ["POST / HTTP/1.1", *(f"{name}: {value}" for name, value in head.items()), "", ""]
            client.sendall("\r\n".join(lines).encode())
            # The server asks for the body when it has begun with the request.
            self.assertIn(b"100", client.recv(100))
            server.process.send_signal(signal.SIGINT)
            deadline = time.monotonic() + 20
            while "stopping" not in server.log():
                self.assertLess(time.monotonic(), deadline, server.log())
                time.sleep(0.01)
            self.assertEqual(server.signal_and_wait(signal.SIGINT), 130, server.log())
