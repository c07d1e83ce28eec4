"""docs/functions.md, followed as a new user would: from an empty directory to an enriched stream. Rust is in conformance/languages, as it
takes minutes."""

import json
import shutil
import subprocess
import unittest

from support import guide
from support.package import RUNTIME


class Guide(unittest.TestCase):
    def test_python(self):
        self.assertEqual(guide.enriched_by("Python", RUNTIME), guide.ENRICHED)

    @unittest.skipUnless(shutil.which("npm"), "there is no npm")
    def test_node(self):
        version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
        runtime = f"nodejs{version.strip('v').split('.')[0]}.x"
        self.assertEqual(guide.enriched_by("Node.js", runtime), guide.ENRICHED)

    def test_the_guide_says_what_comes_out(self):
        self.assertEqual(json.loads(guide.section("Python", "json")[0]), guide.ENRICHED)
