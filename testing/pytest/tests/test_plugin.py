"""The plugin in a test run of its own, as somebody who tests an application of theirs would have it."""

import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

from support.server import binary

HERE = pathlib.Path(__file__).resolve().parents[1]

USES = '''
import boto3

def test_one_server_for_all(millstream):
    kinesis = millstream.client("kinesis")
    kinesis.create_stream(StreamName="shared", ShardCount=1)

def test_it_is_the_same(millstream):
    assert millstream.client("kinesis").list_streams()["StreamNames"] == ["shared"]

def test_a_server_of_its_own(millstream_fresh):
    assert millstream_fresh.client("kinesis").list_streams()["StreamNames"] == []

def test_code_finds_it_by_itself(millstream_environment):
    assert boto3.client("kinesis").list_streams()["StreamNames"] == ["shared"]
'''


class Plugin(unittest.TestCase):
    def run_pytest(self, source, **environment):
        with tempfile.TemporaryDirectory() as scratch:
            (pathlib.Path(scratch) / "test_uses.py").write_text(source)
            done = subprocess.run(
                [sys.executable, "-m", "pytest", "-p", "pytest_millstream", "-p", "no:cacheprovider", "-q", scratch],
                env={**os.environ, "PYTHONPATH": str(HERE), **environment}, capture_output=True, text=True, timeout=300, check=False)
        return done.returncode, done.stdout + done.stderr

    def test_fixtures_give_a_server_that_works(self):
        code, printed = self.run_pytest(USES, MILLSTREAM_BIN=binary())
        self.assertEqual(code, 0, printed)
        self.assertIn("4 passed", printed)

    def test_a_missing_program_is_named_with_what_to_do(self):
        code, printed = self.run_pytest(USES, MILLSTREAM_BIN="/nowhere/millstream")
        self.assertNotEqual(code, 0)
        self.assertIn("name it with the environment variable MILLSTREAM_BIN", printed)
