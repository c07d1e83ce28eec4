"""Every example of docs/command-line.md works, in the order in which they stand there."""

import os
import pathlib
import re
import subprocess
import tempfile
import unittest

from support.package import RUNTIME
from support.program import environment
from support.server import ROOT, Server, binary


class Examples(unittest.TestCase):
    def test_every_example_works(self):
        text = (ROOT / "docs" / "command-line.md").read_text()
        blocks = re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
        self.assertGreaterEqual(len(blocks), 8)
        with Server() as server, tempfile.TemporaryDirectory(prefix="millstream-examples-") as scratch:
            path = f"{pathlib.Path(binary()).parent}{os.pathsep}{os.environ['PATH']}"
            script = "set -euo pipefail\n" + "\n".join(blocks)
            done = subprocess.run(["bash", "-x", "-c", script], cwd=scratch, capture_output=True, text=True, timeout=120, check=False,
                                  stdin=subprocess.DEVNULL, env=environment(server.address, PATH=path, PYTHON_RUNTIME=RUNTIME))
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertIn("1,002 records replayed into signups-copy", done.stderr)
            self.assertIn("complete -F", (pathlib.Path(scratch) / "millstream.bash").read_text())

    def test_the_page_names_every_command(self):
        text = (ROOT / "docs" / "command-line.md").read_text()
        for command in ("stream", "shard", "consumer", "queue", "function", "mapping"):
            row = next(line for line in text.splitlines() if line.startswith(f"| `millstream {command}`"))
            done = subprocess.run([binary(), command, "--help"], capture_output=True, text=True, timeout=60, check=True)
            for name in re.findall(r"^  ([a-z-]+)", done.stdout.split("Commands:")[1].split("Options:")[0], re.MULTILINE):
                if name != "help":
                    self.assertRegex(row, rf"`{name}\b", f"{command} {name}")
