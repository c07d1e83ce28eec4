"""`millstream demo --headless`: the whole scenario, and no sign-up is lost."""

import pathlib
import shutil
import tempfile
import unittest

from support.demo import Demo, row


class Headless(unittest.TestCase):
    def run_demo(self, *arguments):
        """Runs to the end; the table."""
        with Demo("--headless", "--duration", "5s", "--rate", "40", *arguments) as demo:
            code = demo.wait()
            printed = demo.printed()
        self.assertEqual(code, 0, printed)
        self.assertGreater(row(printed, "Sign-ups put"), 50, printed)
        self.assertEqual(row(printed, "Enriched"), row(printed, "Sign-ups put"), printed)
        self.assertEqual(row(printed, "Lost"), 0, printed)
        self.assertIn("Put to offer, p99", printed)
        return printed

    def test_every_sign_up_gets_its_offer_and_nothing_is_left_behind(self):
        printed = self.run_demo()
        self.assertEqual(row(printed, "Duplicates"), 0, printed)
        data = next(line.split()[1] for line in printed.splitlines() if line.startswith("Data "))
        self.assertFalse(pathlib.Path(data).exists(), "the temporary directory is still there")

    def test_a_second_start_goes_on_with_the_first_ones_data(self):
        data = tempfile.mkdtemp(prefix="millstream-demo-data-")
        self.addCleanup(shutil.rmtree, data, ignore_errors=True)
        self.run_demo("--data", data)
        self.assertTrue(any(pathlib.Path(data).iterdir()))
        self.run_demo("--data", data)

    def test_ctrl_c_ends_it_with_the_table(self):
        with Demo("--headless", "--rate", "20") as demo:
            demo.wait_for(r"Function\s+\S+")
            # It is putting sign-ups when it says how many; the form of that line is the demo's own affair.
            demo.wait_for(r"(?s)Function.*\n.*\d")
            code = demo.interrupt()
            printed = demo.printed()
        self.assertIn(code, (0, 1, 130), printed)
        self.assertNotIn("panicked", printed)


if __name__ == "__main__":
    unittest.main()
