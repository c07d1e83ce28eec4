"""A data directory is damaged: the server refuses it in words, and `millstream log` finds the damage and repairs it."""

import json
import pathlib
import shutil
import subprocess
import tempfile
import time
import unittest

from support import clients
from support.server import Server, binary

BLOCK = 4096
CALLS = 8


def run(*arguments):
    """Runs the program to its end; (exit code, all that it printed)."""
    done = subprocess.run([binary(), *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


def flip(path, offset):
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 1]))


class Repair(unittest.TestCase):
    def setUp(self):
        self.data = pathlib.Path(tempfile.mkdtemp(prefix="millstream-repair-"))
        self.addCleanup(shutil.rmtree, self.data, ignore_errors=True)

    def start(self):
        server = Server(data=self.data)
        self.addCleanup(server.kill)
        return server, clients.client("kinesis", server.address)

    def fill(self):
        """Writes records one call after the other, each of which is a group by itself; then ends the server."""
        server, kinesis = self.start()
        clients.create_stream(kinesis, "s")
        for number in range(CALLS):
            kinesis.put_record(StreamName="s", PartitionKey="k", Data=f"record {number}".encode())
        # A quiet log marks its newest group as durable.
        time.sleep(0.3)
        self.assertEqual(server.signal_and_wait(), 0, server.log())

    def wal(self):
        return self.data / "wal" / "0000000001.wal"

    def start_is_refused(self):
        with self.assertRaises(RuntimeError) as refused:
            Server(data=self.data)
        return str(refused.exception)

    def served(self):
        _, kinesis = self.start()
        data = [record["Data"] for record in clients.read_stream(kinesis, "s")]
        put = kinesis.put_record(StreamName="s", PartitionKey="k", Data=b"goes on")
        self.assertIn("SequenceNumber", put)
        return data

    def test_a_damaged_group_is_cut_off_with_what_follows(self):
        self.fill()
        # The last records before the middle one stay; it and what follows go.
        at = self.wal().read_bytes().index(f"record {CALLS // 2}".encode())
        before = self.wal().read_bytes()
        flip(self.wal(), at)

        said = self.start_is_refused()
        self.assertIn("millstream log inspect", said)
        self.assertIn("millstream log repair", said)

        code, printed = run("log", "inspect", str(self.data), "--json")
        self.assertEqual(code, 1, printed)
        found = json.loads(printed)
        (problem,) = found["problems"]
        self.assertEqual((problem["file"], problem["offset"]), ("wal/0000000001.wal", at - at % BLOCK))
        self.assertTrue(problem["refuses_start"])
        lost = {loss["shard"]: (loss["first"], loss["end"]) for loss in found["losses"]}
        self.assertEqual(lost[1], (CALLS // 2, CALLS))

        code, printed = run("log", "repair", str(self.data))
        self.assertEqual(code, 1, "nobody agreed to it")
        self.assertIn("--yes", printed)
        self.assertIn("millstream log", self.start_is_refused(), "and nothing was changed")

        code, printed = run("log", "repair", str(self.data), "--yes")
        self.assertEqual(code, 0, printed)
        (copy,) = self.data.glob("damaged/*/wal/0000000001.wal")
        self.assertEqual(len(copy.read_bytes()), len(before))
        code, printed = run("log", "inspect", str(self.data))
        self.assertEqual(code, 0, printed)
        self.assertEqual(self.served(), [f"record {number}".encode() for number in range(CALLS // 2)])

    def test_a_damaged_file_header_loses_nothing(self):
        self.fill()
        flip(self.wal(), 9)
        self.assertIn("millstream log inspect", self.start_is_refused())
        code, printed = run("log", "repair", str(self.data), "--yes")
        self.assertEqual(code, 0, printed)
        self.assertIn("No record is lost", printed)
        self.assertEqual(self.served(), [f"record {number}".encode() for number in range(CALLS)])

    def test_a_sound_directory_is_left_alone(self):
        self.fill()
        for command in (("inspect",), ("inspect", "--quick"), ("repair",)):
            code, printed = run("log", *command, str(self.data))
            self.assertEqual(code, 0, printed)
        self.assertEqual(self.served(), [f"record {number}".encode() for number in range(CALLS)])

    def test_a_directory_in_use_or_none_of_ours_is_refused(self):
        self.start()
        code, printed = run("log", "inspect", str(self.data))
        self.assertEqual(code, 1)
        self.assertIn("in use by another Millstream process", printed)
        with tempfile.TemporaryDirectory() as elsewhere:
            code, printed = run("log", "repair", elsewhere, "--yes")
            self.assertEqual(code, 1)
            self.assertIn("no data directory", printed)
            self.assertEqual(list(pathlib.Path(elsewhere).iterdir()), [])


if __name__ == "__main__":
    unittest.main()
