"""`kill -9` at any moment of a log's life: while files change, while it flushes, while streams and shards come
and go."""

import contextlib
import itertools
import random
import threading
import time
import unittest

from rig import GONE, LONG, SLACK, LogCase, Ledger, Writer, disk_use, metric, seed
from support.bare import Bare

SECONDS = 600 if LONG else 18
WRITERS = 4
STREAMS, SHARDS = 3, 2
MOST_SHARDS = 4
LOAD = (0.3, 1.5)


class Churn(threading.Thread):
    """Makes streams, fills them a little and deletes them, until the server is gone."""

    def __init__(self, address, name):
        super().__init__(name=name, daemon=True)
        self.address = address
        # Reshardings, of which it makes none.
        self.done = 0
        self.trouble = None

    def run(self):
        with contextlib.closing(Bare(self.address)) as client, contextlib.suppress(*GONE):
            try:
                self.churn(client)
            except (RuntimeError, KeyError) as error:
                self.trouble = repr(error)

    def churn(self, client):
        for number in itertools.count():
            stream = f"{self.name}-{number}"
            client.kinesis("CreateStream", StreamName=stream, ShardCount=3)
            while client.kinesis("DescribeStreamSummary", StreamName=stream)["StreamDescriptionSummary"]["StreamStatus"] != "ACTIVE":
                time.sleep(0.005)
            for record in range(8):
                client.put(stream, f"{record}", bytes(20_000))
            client.kinesis("DeleteStream", StreamName=stream)


class Resharder(threading.Thread):
    """Splits and merges the streams' shards, until the server is gone."""

    def __init__(self, address, streams, chance):
        super().__init__(daemon=True)
        self.address, self.streams, self.chance = address, streams, chance
        self.done = 0
        self.trouble = None

    def run(self):
        with contextlib.closing(Bare(self.address)) as client, contextlib.suppress(*GONE):
            try:
                while True:
                    self.reshard(client, self.chance.choice(self.streams))
                    self.done += 1
            except (RuntimeError, KeyError) as error:
                self.trouble = repr(error)

    def reshard(self, client, stream):
        shards = open_shards(client, stream)
        place = self.chance.randrange(len(shards))
        one = shards[place]
        start, end = hash_range(one)
        if len(shards) < MOST_SHARDS and (len(shards) == 1 or self.chance.random() < 0.5):
            middle = str((start + end) // 2 + 1)
            client.kinesis("SplitShard", StreamName=stream, ShardToSplit=one["ShardId"], NewStartingHashKey=middle)
        else:
            lower, upper = shards[max(place, 1) - 1 : max(place, 1) + 1]
            client.kinesis("MergeShards", StreamName=stream, ShardToMerge=lower["ShardId"], AdjacentShardToMerge=upper["ShardId"])
        while LogCase.status(client, stream) != "ACTIVE":
            time.sleep(0.005)


def hash_range(shard):
    """First and last hash key."""
    keys = shard["HashKeyRange"]
    return int(keys["StartingHashKey"]), int(keys["EndingHashKey"])


def open_shards(client, stream):
    """The shards that take records, in the order of their hash keys."""
    shards = client.kinesis("ListShards", StreamName=stream)["Shards"]
    return sorted((shard for shard in shards if "EndingSequenceNumber" not in shard["SequenceNumberRange"]), key=hash_range)


class LogKill(LogCase):
    def test_nothing_acknowledged_is_lost_and_the_disk_does_not_fill(self):
        chance = seed()
        server, client = self.start()
        ledger = Ledger(self)
        for number in range(STREAMS):
            self.open_stream(client, ledger, f"s{number}")
        deadline = time.monotonic() + SECONDS
        flushes = written = rounds = reshards = 0
        while time.monotonic() < deadline or rounds < 3:
            threads = self.load(server, sorted(ledger.known), chance, rounds)
            time.sleep(chance.uniform(*LOAD))
            flushes += metric(server.address, "log_flushes_total")
            written += metric(server.address, "log_written_bytes_total")
            # Not always just after the metrics were read.
            time.sleep(chance.uniform(0, 0.1))
            server.kill()
            for thread in threads:
                thread.join(30)
                if isinstance(thread, Writer):
                    self.assertEqual(thread.refusals, [], "a healthy server refused records")
                    ledger.take(thread)
                else:
                    self.assertIsNone(thread.trouble, "a healthy server refused a change")
                    reshards += thread.done
            server, client = self.start()
            with self.subTest(round=rounds):
                self.check(client, ledger)
            rounds += 1
            # The oldest goes, a new one comes.
            gone = min(ledger.known, key=lambda stream: int(stream[1:]))
            del ledger.known[gone]
            self.delete(client, gone)
            self.open_stream(client, ledger, f"s{STREAMS + rounds}")
        print(f"{rounds} kills, {ledger.acknowledged} records, {written / 1e6:.0f} MB written, {flushes:.0f} flushes, {reshards} reshardings ", end="", flush=True)
        self.assertGreater(flushes, rounds, "the load was too small to cross flushes")
        self.assertGreater(reshards, rounds, "the streams kept their shards")
        self.assertGreater(ledger.acknowledged, 100 * rounds, "the load was too small to prove anything")

    def open_stream(self, client, ledger, stream):
        self.create(client, stream, SHARDS)
        ledger.known[stream] = {}

    @staticmethod
    def load(server, streams, chance, rounds):
        writers = [
            Writer(server.address, f"r{rounds}w{number}", streams, random.Random(chance.random())) for number in range(WRITERS)
        ]
        resharder = Resharder(server.address, streams, random.Random(chance.random()))
        threads = [*writers, resharder, Churn(server.address, f"churn{rounds}")]
        for thread in threads:
            thread.start()
        return threads

    def check(self, client, ledger):
        for stream in ledger.known:
            self.wait(lambda stream=stream: self.status(client, stream) == "ACTIVE", f"{stream} does not come to rest")
            ranges = [hash_range(shard) for shard in open_shards(client, stream)]
            starts = [0, *(end + 1 for _, end in ranges)]
            self.assertEqual(starts, [*(start for start, _ in ranges), 1 << 128], f"{stream}: every key has one open shard")
        live = ledger.check(client)
        for stream in client.kinesis("ListStreams")["StreamNames"]:
            if stream.startswith("churn"):
                self.wait(lambda stream=stream: self.status(client, stream) in ("ACTIVE", None), f"{stream} stays as it is")
                if self.status(client, stream):
                    self.delete(client, stream)
        bound = live * 5 // 4 + SLACK
        self.wait(lambda: disk_use(self.data) <= bound, lambda: f"{live} bytes live, {disk_use(self.data)} on disk")


if __name__ == "__main__":
    unittest.main()
