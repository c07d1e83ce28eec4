"""The AWS CLI as its users run it: a process that knows the server by its environment alone."""

import json
import os
import pathlib
import subprocess
import tempfile
import time
import unittest

from support.server import ROOT, Server, binary

LIMIT_SECONDS = 90
PATIENCE_SECONDS = 60
# What the CLI ends with when the service has refused something.
REFUSED = (254, 255)


def program():
    """The CLI under test: `MILLSTREAM_AWS_CLI`, or what `cargo xtask interop` has installed."""
    return os.environ.get("MILLSTREAM_AWS_CLI", str(ROOT / "target/xtask/aws-cli/bin/aws"))


class CliCase(unittest.TestCase):
    """One server that asks for signatures, for all tests of the class; a test takes names that no other test of it uses."""

    @classmethod
    def setUpClass(cls):
        scratch = tempfile.TemporaryDirectory(prefix="millstream-aws-cli-")
        cls.addClassCleanup(scratch.cleanup)
        cls.scratch = pathlib.Path(scratch.name)
        file = cls.scratch / "credentials.json"
        create = [binary(), "credentials", "--credentials", str(file), "create", "cli", "--admin", "--format", "json"]
        made = json.loads(subprocess.run(create, capture_output=True, check=True, timeout=30).stdout)
        cls.server = Server(arguments=["--credentials", str(file)])
        cls.addClassCleanup(cls.server.kill)
        # Nothing of the machine's own settings: no profile, no proxy, no pager.
        cls.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(cls.scratch),
            "AWS_ENDPOINT_URL": cls.server.address,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": made["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": made["SecretAccessKey"],
            "AWS_MAX_ATTEMPTS": "1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_PAGER": "",
        }

    def run_cli(self, *words, **environment):
        """Runs `aws …`; how the process ended."""
        return subprocess.run(
            [program(), *map(str, words)], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT_SECONDS,
            cwd=self.scratch, env={**self.environment, **environment}, check=False)

    def aws(self, *words, **environment):
        """Runs `aws …`, which must succeed; what it printed, read as JSON, or None if it printed nothing."""
        done = self.run_cli(*words, **environment)
        if done.returncode != 0:
            self.fail(f"aws {' '.join(map(str, words))}\nended with {done.returncode}:\n{done.stderr}\n{self.server.log()[-3000:]}")
        return json.loads(done.stdout) if done.stdout.strip() else None

    def text(self, *words):
        """Runs `aws … --output text`, which must succeed; what it printed, without the end of the line."""
        done = self.run_cli(*words, "--output", "text")
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.strip()

    def refused(self, code, *words, **environment):
        """Runs `aws …`, which must be refused with this error; the error's text."""
        done = self.run_cli(*words, **environment)
        self.assertIn(done.returncode, REFUSED, done.stdout + done.stderr)
        self.assertIn(f"An error occurred ({code}) when calling the ", done.stderr)
        return done.stderr.strip().partition(" operation: ")[2]

    def eventually(self, probe, what):
        """Waits until `probe()` is true and gives its value."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (value := probe()):
            if time.monotonic() > deadline:
                self.fail(f"not after {PATIENCE_SECONDS} s: {what}\n{self.server.log()[-3000:]}")
        return value

    def stream(self, name, *options):
        """Creates a stream and waits until it is active; its ARN."""
        self.assertIsNone(self.aws("kinesis", "create-stream", "--stream-name", name, *(options or ("--shard-count", 1))))
        return self.settled(name)["StreamARN"]

    def summary(self, name):
        return self.aws("kinesis", "describe-stream-summary", "--stream-name", name)["StreamDescriptionSummary"]

    def settled(self, name):
        """Waits until a stream is active, faster than `aws kinesis wait`, which looks every ten seconds; its summary."""

        def active():
            summary = self.summary(name)
            return summary if summary["StreamStatus"] == "ACTIVE" else None

        return self.eventually(active, f"{name} is active")
