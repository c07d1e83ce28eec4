"""A real `millstream serve` process."""

import ctypes
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]
REGION = "us-east-1"
ACCOUNT = "000000000000"
START_LIMIT_SECONDS = 60
STOP_LIMIT_SECONDS = 20


def binary():
    """The server under test: `MILLSTREAM_BIN`, or the development build."""
    path = pathlib.Path(os.environ.get("MILLSTREAM_BIN", ROOT / "target/debug/millstream"))
    if not path.is_file():
        raise RuntimeError(f"{path} does not exist; run `cargo build` first, or set MILLSTREAM_BIN")
    return str(path)


def die_with_parent():
    """Runs in the child: a test run that is killed leaves no server behind (Linux only)."""
    if sys.platform == "linux":
        set_parent_death_signal = 1
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)


class Server:
    """Starts in the constructor, is ready when that returns. Use as a context manager, or call `kill`/`stop`.

    Without `data` everything is kept in memory. The log of the process goes to `self.log_path`, and to the
    terminal when it does not start. `inside` is a command that becomes the server's, such as one that enters a namespace.
    """

    def __init__(self, data=None, arguments=(), environment=None, inside=(), bind="127.0.0.1:0"):
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix="millstream-test-"))
        self.log_path = self.scratch / "log"
        ready = self.scratch / "ready"
        where = ["--data", str(data)] if data else ["--memory"]
        command = [*inside, binary(), "serve", "--bind", bind, "--ready-file", str(ready), *where, *arguments]
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **(environment or {})},
                preexec_fn=die_with_parent,
            )
        try:
            self.address = self._wait_until_ready(ready)
        except BaseException:
            self.kill()
            raise

    def _wait_until_ready(self, ready):
        deadline = time.monotonic() + START_LIMIT_SECONDS
        while time.monotonic() < deadline:
            if ready.exists() and (address := ready.read_text().strip()):
                return address
            if self.process.poll() is not None:
                raise RuntimeError(f"the server ended with {self.process.returncode}:\n{self.log()}")
            time.sleep(0.01)
        raise RuntimeError(f"the server was not ready after {START_LIMIT_SECONDS} s:\n{self.log()}")

    def log(self):
        """What the process has printed so far."""
        return self.log_path.read_text(errors="replace")

    def host_and_port(self):
        """The address as a socket wants it."""
        host, port = self.address.partition("://")[2].rstrip("/").rsplit(":", 1)
        return host, int(port)

    def kill(self):
        """`kill -9`, then cleans up after the process. Harmless when it has ended already."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        shutil.rmtree(self.scratch, ignore_errors=True)

    def signal_and_wait(self, number=signal.SIGTERM):
        """Asks for a clean end; the exit code. Raises when it takes too long."""
        self.process.send_signal(number)
        return self.process.wait(STOP_LIMIT_SECONDS)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
