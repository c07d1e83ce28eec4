"""Fixtures that start Millstream: Amazon Kinesis and AWS Lambda, in memory, on a free port of this machine."""

import ctypes
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import pytest

START_LIMIT_SECONDS = 60
REGION = "us-east-1"


class Millstream:
    """A running server. `endpoint_url` is what clients need, `environment` what programs need."""

    def __init__(self, arguments=()):
        self._scratch = pathlib.Path(tempfile.mkdtemp(prefix="millstream-test-"))
        ready = self._scratch / "ready"
        command = [program(), "serve", "--memory", "--bind", "127.0.0.1:0", "--ready-file", str(ready), *arguments]
        with open(self._scratch / "log", "wb") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=end_with_parent if sys.platform == "linux" else None)
        try:
            self.endpoint_url = self._wait_for(ready)
        except BaseException:
            self.stop()
            raise

    @property
    def environment(self):
        """Variables with which any AWS SDK and the AWS command line use this server."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(self, service, **options):
        """A boto3 client of `service` ("kinesis" or "lambda") for this server."""
        import boto3

        defaults = {"region_name": REGION, "aws_access_key_id": "test", "aws_secret_access_key": "test"}
        return boto3.client(service, endpoint_url=self.endpoint_url, **{**defaults, **options})

    def stop(self):
        """Ends the server; what it kept is gone."""
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _wait_for(self, ready):
        deadline = time.monotonic() + START_LIMIT_SECONDS
        while not (address := ready.read_text().strip() if ready.exists() else ""):
            if self._process.poll() is not None or time.monotonic() > deadline:
                said = (self._scratch / "log").read_text(errors="replace")
                raise RuntimeError(f"Millstream did not start. It said:\n{said}")
            time.sleep(0.005)
        return address


def program():
    """The server's program: `MILLSTREAM_BIN`, or `millstream` in PATH."""
    found = os.environ.get("MILLSTREAM_BIN") or shutil.which("millstream")
    if not found or not os.access(found, os.X_OK):
        raise RuntimeError(
            "the program millstream was not found: put it in PATH, or name it with the environment variable MILLSTREAM_BIN "
            "(`cargo build --release` makes target/release/millstream)")
    return found


def end_with_parent():
    """Runs in the child: a test run that is killed leaves no server behind."""
    set_parent_death_signal = 1
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)


@pytest.fixture(scope="session")
def millstream():
    """One server for the whole run."""
    server = Millstream()
    yield server
    server.stop()


@pytest.fixture
def millstream_fresh():
    """A server of the test's own."""
    server = Millstream()
    yield server
    server.stop()


@pytest.fixture
def millstream_environment(millstream, monkeypatch):
    """Points the AWS SDKs of this process at the server of the run, for one test."""
    for name, value in millstream.environment.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_KINESIS", "AWS_ENDPOINT_URL_LAMBDA"):
        monkeypatch.delenv(name, raising=False)
    return millstream
