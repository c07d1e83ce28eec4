"""The guide for new users, docs/functions.md, run as it is written."""

import json
import os
import pathlib
import re
import subprocess
import tempfile

from support.program import environment
from support.server import ROOT, Server, binary

SIGNUP = {"user": "ada", "country": "NZ"}
ENRICHED = {**SIGNUP, "options": ["300 Mbit/s", "1 Gbit/s"]}


def section(name, kind="bash"):
    """The examples of one language, those that come before the first one where there is no name."""
    text = (ROOT / "docs" / "functions.md").read_text()
    parts = re.split(r"^## (.*)\n", text, flags=re.MULTILINE)
    part = parts[0] if name is None else parts[parts.index(name) + 1]
    return re.findall(rf"^```{kind}\n(.*?)^```$", part, re.MULTILINE | re.DOTALL)


def enriched_by(language, runtime=None, seconds=600, **variables):
    """The record that comes out when a user follows the guide. `runtime` takes the place of the one that it names."""
    start = "\n".join(section(None)).replace("millstream serve &\nexport AWS_ENDPOINT_URL=http://127.0.0.1:4566\n", "")
    assert "millstream serve" not in start, "the guide starts its server in another way"
    blocks = section(language)
    put = section("Python")[1:]
    body = blocks[0]
    if runtime:
        body, found = re.subn(r"--runtime [a-z]+[0-9][0-9.a-z]*", f"--runtime {runtime}", body)
        assert found == 1
    script = "\n".join(["set -euo pipefail", start, body, *put])
    with Server() as server, tempfile.TemporaryDirectory(prefix="millstream-guide-") as scratch:
        path = f"{pathlib.Path(binary()).parent}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(["bash", "-c", script], cwd=scratch, capture_output=True, text=True, timeout=seconds, check=False,
                              stdin=subprocess.DEVNULL, env=environment(server.address, PATH=path, **variables))
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])
