"""The command line of the server: what it refuses, and where settings may come from."""

import pathlib
import subprocess
import tempfile
import unittest

from support import clients
from support.server import Server, binary


def run(*arguments):
    """Runs the program to its end; (exit code, all that it printed)."""
    done = subprocess.run([binary(), *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False)
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
            kinesis = clients.client("kinesis", server.address)
            arn = clients.create_stream(kinesis, "placed")["StreamARN"]
        self.assertEqual(arn, "arn:aws:kinesis:eu-west-1:333333333333:stream/placed")
