"""Running the binary's client commands against a server."""

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import threading

from support.server import binary, die_with_parent

LIMIT_SECONDS = 60


def environment(address, **more):
    """What a command sees: the server, and nothing that this machine's user has of AWS."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    nowhere = {"AWS_CONFIG_FILE": "/nonexistent/config", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent/credentials"}
    server = {"AWS_ENDPOINT_URL": address} if address else {}
    return {**kept, **nowhere, **server, **more}


class Done:
    """What a command that has ended left behind."""

    def __init__(self, code, out, error):
        self.code, self.raw, self.error = code, out, error.decode(errors="replace")
        self.out = out.decode(errors="replace")

    def json(self):
        """Standard output as JSON."""
        return json.loads(self.out)

    def lines(self):
        """Standard output's lines."""
        return self.out.splitlines()

    def __repr__(self):
        return f"exit code {self.code}\n--- out ---\n{self.out}\n--- error ---\n{self.error}"


def run(address, *arguments, stdin=b"", **more):
    """Runs a command to its end."""
    done = subprocess.run([binary(), *map(str, arguments)], input=stdin, capture_output=True, timeout=LIMIT_SECONDS, check=False,
                          env=environment(address, **more))
    return Done(done.returncode, done.stdout, done.stderr)


class Running:
    """A command that goes on. Its output can be read while it runs."""

    def __init__(self, address, *arguments, stdin=subprocess.DEVNULL):
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen([binary(), *map(str, arguments)], stdin=stdin, stdout=subprocess.PIPE, stderr=self.errors,
                                        env=environment(address), preexec_fn=die_with_parent)
        # A test that waits for output that never comes fails instead of hanging.
        self.watchdog = threading.Timer(LIMIT_SECONDS, self.process.kill)
        self.watchdog.start()

    def lines(self, number):
        """The next lines of its output."""
        found = [self.process.stdout.readline().decode() for _ in range(number)]
        if "" in found:
            raise AssertionError(f"it ended after {[line for line in found if line]}:\n{self.error()}")
        return [line.rstrip("\n") for line in found]

    def error(self):
        """What it has written to standard error so far."""
        return os.pread(self.errors.fileno(), 1 << 20, 0).decode(errors="replace")

    def end(self, number=signal.SIGINT):
        """Sends a signal; the exit code and the rest of the output."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self):
        """Waits for its own end; the exit code and the rest of the output."""
        rest, _ = self.process.communicate(timeout=LIMIT_SECONDS)
        return self.process.returncode, rest.decode(errors="replace")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.watchdog.cancel()
        if self.process.poll() is None:
            self.process.kill()
        for pipe in filter(None, (self.process.stdin, self.process.stdout)):
            with contextlib.suppress(OSError):
                pipe.close()
        self.process.wait()
        self.errors.close()
