"""A disk that fails under the real process: what clients hear, what they can still read, what is there afterwards."""

import base64
import contextlib
import errno
import json
import pathlib
import re
import threading
import time
import unittest
import urllib.error
import urllib.request

from faults import FOR_EVER, SEGMENTS, WAL, Faults
from rig import GONE, LONG, MEMORY, MIB, LogCase, Ledger, Writer, metric, payload, seed
from support.bare import Bare

# A put's record, and how many put at once: more than may wait.
PUT = 700_000
PUTTERS = 40
WAVES = 6 if LONG else 2
# The least that the server can be told to take, and a little more than that of puts.
ADMISSION = 16 * MIB
ADMITTED = ADMISSION // PUT + 1
MARGIN = 48 * MIB
THROTTLED = (400, "ProvisionedThroughputExceededException")


def health(address):
    """(status, what the health page says)."""
    try:
        with urllib.request.urlopen(f"{address}/_millstream/health", timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as answer:
        with answer:
            return answer.code, json.load(answer)

STRIKES = 8
STRIKE_SECONDS = 15


class LogFaults(LogCase):
    def begin(self, chance, streams=("a", "b")):
        """A server that obeys, with two writers at work."""
        faults = Faults(self)
        server, client = self.start(arguments=("--log-admission-bytes", str(ADMISSION)), environment=faults.environment)
        ledger = Ledger(self)
        for stream in streams:
            self.create(client, stream, 2)
            ledger.known[stream] = {}
        writers = [Writer(server.address, f"w{number}", list(streams), chance) for number in range(2)]
        for writer in writers:
            writer.start()
        self.wait(lambda: metric(server.address, "log_flushes_total") >= 1, "nothing is flushed")
        self.assertGreater(faults.orders.syncs, 0, "the library was not loaded: this test would prove nothing")
        return faults, server, client, ledger, writers

    def stop_writers(self, writers, ledger):
        refusals = []
        for writer in writers:
            writer.stop()
            self.assertFalse(writer.is_alive(), "a request was never answered")
            ledger.take(writer)
            refusals += writer.refusals
        return refusals

    def fail_stop(self, what, **orders):
        """The log stops, says so, is still read, and loses nothing at the next start."""
        faults, server, client, ledger, writers = self.begin(seed())
        # A file for the log that cannot be made for want of room is tried again: then the fault has not met the log yet.
        for _ in range(STRIKES):
            faults.give(which=WAL, **orders)
            until = time.monotonic() + STRIKE_SECONDS
            while not (met := all(writer.refusals for writer in writers)) and time.monotonic() < until:
                time.sleep(0.05)
            if met:
                break
        self.assertTrue(met, "puts still go well")
        refusals = self.stop_writers(writers, ledger)
        self.assertEqual({status for status, _ in refusals}, {500})
        self.assertTrue(all("InternalFailure" in text for _, text in refusals), refusals[:3])

        status, said = health(server.address)
        self.assertEqual((status, said["status"]), (503, "failing"))
        # Files for the log are made beside it, and the fault meets whoever comes first.
        what = re.search(f"{what}|making a WAL file", said["trouble"])
        self.assertTrue(what, said)
        self.assertEqual(metric(server.address, "log_stopped"), 1)
        # What failed is not known to be on the disk, and is not to be read either.
        in_doubt, ledger.in_doubt = ledger.in_doubt, set()
        ledger.check(client)
        ledger.in_doubt = in_doubt

        # The disk is well again, and the log stays as it is: of a file whose sync failed nothing can be known.
        faults.give(which=0)
        time.sleep(1.2)
        with self.assertRaisesRegex(RuntimeError, "500"):
            client.put("a", "k", b"x")
        self.assertEqual((faults.orders.syncs_after, faults.orders.writes_after), (0, 0), "a file whose sync failed was used again")
        self.assertIn(what.group(), server.log())
        server.kill()
        server, client = self.start()
        ledger.check(client)
        self.assertEqual(health(server.address)[0], 200)
        client.put("a", "k", b"x")

    def test_a_sync_that_fails_once_stops_the_log(self):
        self.fail_stop("syncing the WAL", sync_errno=errno.EIO, fail_next=1)

    def test_a_write_that_fails_stops_the_log(self):
        self.fail_stop("writing to the WAL", write_errno=errno.EIO, fail_next=1)

    def test_a_full_disk_at_a_sync_stops_the_log_too(self):
        """Nobody knows what of the group is on the disk: delayed allocation, NFS and quotas do this."""
        self.fail_stop("syncing the WAL", sync_errno=errno.ENOSPC, fail_next=1)

    def test_segments_that_cannot_be_written_are_tried_again(self):
        faults, server, client, ledger, writers = self.begin(seed())
        faults.give(which=SEGMENTS, write_errno=errno.EIO, fail_next=FOR_EVER)
        self.wait(lambda: metric(server.address, "log_flush_failures_total") >= 1, "no flush fails")
        self.assertEqual(health(server.address)[0], 200, "records are still safe in the WAL")
        faults.give(which=0)
        flushed = metric(server.address, "log_flushes_total")
        self.wait(lambda: metric(server.address, "log_flushes_total") > flushed, "flushing does not go on")
        self.stop_writers(writers, ledger)
        ledger.check(client)
        server.kill()
        _, client = self.start()
        ledger.check(client)

    def test_a_segments_sync_that_fails_once_loses_nothing(self):
        faults, server, client, ledger, writers = self.begin(seed())
        faults.give(which=SEGMENTS, sync_errno=errno.EIO, fail_next=1)
        self.wait(lambda: faults.orders.failed_syncs, "no sync of a segment was made to fail")
        self.wait(lambda: metric(server.address, "log_flush_failures_total") == 1, "the flush did not fail")
        flushed = metric(server.address, "log_flushes_total")
        self.wait(lambda: metric(server.address, "log_flushes_total") > flushed, "flushing does not go on")
        self.stop_writers(writers, ledger)
        self.assertEqual((faults.orders.syncs_after, faults.orders.writes_after), (0, 0), "a file whose sync failed was used again")
        ledger.check(client)
        server.kill()
        _, client = self.start()
        ledger.check(client)


    def test_a_disk_that_hangs_throttles_clients_and_memory_stays_bounded(self):
        faults, server, client, ledger, writers = self.begin(seed())
        self.assertEqual(self.stop_writers(writers, ledger), [])
        idle = resident(server)
        faults.give(which=WAL, hold=1)
        most = 0
        for wave in range(WAVES):
            putters = [Putter(server.address, f"p{wave}-{number}") for number in range(PUTTERS)]
            for putter in putters:
                putter.start()
            # The disk takes nothing: those that find no room hear so, without any help from here.
            throttled = lambda putters=putters: sum(putter.answer is not None for putter in putters) >= PUTTERS - ADMITTED
            self.wait(throttled, "clients are left waiting")
            most = max(most, resident(server))
            heard = [putter.answer for putter in putters if putter.answer]
            self.assertEqual({(status, json.loads(text)["__type"]) for status, text in heard}, {THROTTLED}, heard[:2])
            self.assertEqual(health(server.address)[0], 200, "slow is not broken")
            ledger.check(client)
        # Those whose turn it is not hold their requests, as base64 and as bytes, until they hear.
        bound = idle + ADMISSION + MEMORY + (ADMITTED + PUTTERS) * PUT * 4 + MARGIN
        self.assertLess(most, bound, "memory grows while the disk hangs")
        faults.give(hold=0)
        client.put("a", "k", payload("after", 100))
        ledger.in_doubt |= {"after"} | {f"p{wave}-{number}" for wave in range(WAVES) for number in range(PUTTERS)}
        ledger.check(client)


class Putter(threading.Thread):
    """Puts one large record; keeps the answer."""

    def __init__(self, address, name):
        super().__init__(name=name, daemon=True)
        self.address, self.answer = address, None

    def run(self):
        record = {"StreamName": "a", "PartitionKey": self.name, "Data": base64.b64encode(payload(self.name, PUT)).decode()}
        with contextlib.closing(Bare(self.address, timeout=300)) as client, contextlib.suppress(*GONE):
            status, _, text = client.post("Kinesis_20131202.PutRecord", json.dumps(record).encode())
            self.answer = (status, text.decode())


def resident(server):
    """Bytes of memory that the server's process has."""
    for line in pathlib.Path(f"/proc/{server.process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("the process is gone")


if __name__ == "__main__":
    unittest.main()
