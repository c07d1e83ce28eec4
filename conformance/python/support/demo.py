"""A running `millstream demo` process."""

import re
import signal
import subprocess
import tempfile
import time

from support.server import binary, die_with_parent

START_LIMIT_SECONDS = 120
END_LIMIT_SECONDS = 120


class Demo:
    """Starts in the constructor. What it prints goes to a file, so that it never waits for a reader."""

    def __init__(self, *arguments):
        self.output = tempfile.NamedTemporaryFile(prefix="millstream-demo-test-", suffix=".log")
        self.process = subprocess.Popen([binary(), "demo", *arguments], stdin=subprocess.DEVNULL, stdout=self.output,
                                        stderr=subprocess.STDOUT, preexec_fn=die_with_parent)

    def printed(self):
        """What it has printed so far."""
        with open(self.output.name, errors="replace") as file:
            return file.read()

    def wait_for(self, pattern):
        """The first match of a pattern in what it prints."""
        deadline = time.monotonic() + START_LIMIT_SECONDS
        while not (found := re.search(pattern, self.printed())):
            if self.process.poll() is not None:
                raise RuntimeError(f"the demo ended with {self.process.returncode}:\n{self.printed()}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"the demo did not print {pattern!r}:\n{self.printed()}")
            time.sleep(0.05)
        return found

    def address(self):
        """Where its page is, once it says so."""
        return self.wait_for(r"Application\s+(http://\S+)")[1]

    def wait(self):
        """Its exit code, once it ends by itself."""
        return self.process.wait(END_LIMIT_SECONDS)

    def interrupt(self):
        """Ctrl-C; its exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.wait()

    def kill(self):
        """`kill -9`. Harmless when it has ended already."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.output.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()


def row(printed, label):
    """The number in one row of the table at the end."""
    found = re.search(rf"^\s*{re.escape(label)}\s+([\d,]+)", printed, re.MULTILINE)
    if not found:
        raise AssertionError(f"there is no row {label!r} in:\n{printed}")
    return int(found[1].replace(",", ""))
