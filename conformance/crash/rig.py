"""What the tests of the log share: a small log on a real disk, writers that remember, and the check of what is there."""

import base64
import collections
import contextlib
import http.client
import json
import os
import pathlib
import random
import shutil
import tempfile
import threading
import time
import unittest
import urllib.request

from support.bare import Bare
from support.server import Server

LONG = bool(os.environ.get("MILLSTREAM_LONG"))
MIB = 1 << 20

# Small, so that a few seconds cross files, flushes, checkpoints and recycling many times.
WAL_FILE, FLUSH, REPLAY, MEMORY = MIB, 2 * MIB, 8 * MIB, MIB
SMALL_LOG = (
    "--log-wal-file-bytes", str(WAL_FILE), "--log-flush-bytes", str(FLUSH), "--log-replay-bytes", str(REPLAY),
    "--log-memory-bytes", str(MEMORY),
)
# What the log's files may take beyond the records that live: the WAL that a start may have to read and the file being
# written, recycled files, a segment being written, and what is dead but shares a segment's blocks with what lives.
SLACK = REPLAY + (FLUSH // WAL_FILE + 3) * WAL_FILE + 3 * FLUSH + 8 * MIB

# How a client sees the end of a server.
GONE = (OSError, http.client.HTTPException)

BATCH = 8
SETTLE_SECONDS = 60


def seed():
    """The seed of this run: a new one, unless MILLSTREAM_SEED names one. It decides what is asked, not what the threads do."""
    number = int(os.environ.get("MILLSTREAM_SEED") or random.randrange(1 << 32))
    print(f"[MILLSTREAM_SEED={number}] ", end="", flush=True)
    return random.Random(number)


def payload(name, size):
    """A record's data, which its name says all of."""
    text = f"{name}/{size}/".encode()
    return (text * (size // len(text) + 1))[: max(size, len(text))]


def is_whole(data):
    """Whether this is what `payload` made."""
    name, size, _ = data.split(b"/", 2)
    return data == payload(name.decode(), int(size))


def name_of(data):
    """The name in a record's data."""
    return data.split(b"/", 1)[0].decode()


def place_of(sequence_number):
    """A record's place in its shard, from 1 on: the low 64 bits behind the 49."""
    return int(sequence_number[2:]) & ((1 << 64) - 1)


def metric(address, name):
    """A metric's value."""
    with urllib.request.urlopen(f"{address}/_millstream/metrics", timeout=30) as answer:
        for line in answer.read().decode().splitlines():
            if line.startswith(f"millstream_{name} "):
                return float(line.split()[1])
    raise AssertionError(f"there is no metric {name}")


def disk_use(directory):
    """Bytes that the files of the log take on the disk, as the disk counts them."""
    total = 0
    for part in ("wal", "segments", "checkpoint"):
        for file in (pathlib.Path(directory) / part).iterdir():
            try:
                total += file.stat().st_blocks * 512
            except FileNotFoundError:
                pass
    return total


class Writer(threading.Thread):
    """Puts batches of named records until it is told to stop or hears no answer; remembers what was acknowledged."""

    def __init__(self, address, name, streams, random_state, sizes=(200, 12_000)):
        super().__init__(name=name, daemon=True)
        self.address, self.streams, self.random, self.sizes = address, streams, random_state, sizes
        # (stream, name, shard, place) of each acknowledged record, in the order of the acknowledgements.
        self.acknowledged = []
        # Names in the request that had no answer: they may be there or not.
        self.in_doubt = set()
        # (status, text) of answers that were no success, from a server that lives.
        self.refusals = []
        self.halt = threading.Event()

    def run(self):
        with contextlib.closing(Bare(self.address, timeout=SETTLE_SECONDS)) as client:
            self.write(client)

    def write(self, client):
        count = 0
        while not self.halt.is_set():
            stream = self.random.choice(self.streams)
            names = [f"{self.name}-{count + n}" for n in range(BATCH)]
            count += BATCH
            records = [
                {"PartitionKey": name, "Data": base64.b64encode(payload(name, self.random.randint(*self.sizes))).decode()}
                for name in names
            ]
            body = json.dumps({"StreamName": stream, "Records": records}).encode()
            try:
                status, _, answer = client.post("Kinesis_20131202.PutRecords", body)
            except GONE:
                self.in_doubt.update(names)
                return
            if status == 200:
                for name, result in zip(names, json.loads(answer)["Records"]):
                    self.acknowledged.append((stream, name, result["ShardId"], place_of(result["SequenceNumber"])))
            else:
                self.refusals.append((status, answer.decode(errors="replace")))
                if b"may or may not" in answer:
                    self.in_doubt.update(names)
                time.sleep(0.05)

    def stop(self):
        """Ends it after the request under way."""
        self.halt.set()
        self.join(SETTLE_SECONDS)


def read_shard(client, stream, shard):
    """All records of a shard, as (place, data)."""
    iterator = client.kinesis("GetShardIterator", StreamName=stream, ShardId=shard, ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
    records = []
    while iterator:
        answer = client.kinesis("GetRecords", ShardIterator=iterator)
        records += [(place_of(record["SequenceNumber"]), base64.b64decode(record["Data"])) for record in answer["Records"]]
        iterator = answer.get("NextShardIterator")
        if not answer["Records"] and answer["MillisBehindLatest"] == 0:
            break
    return records


class Ledger:
    """What must be there: every acknowledged record, and every record that was ever read."""

    def __init__(self, test):
        self.test = test
        # stream -> shard -> place -> name.
        self.known = {}
        self.in_doubt = set()
        self.acknowledged = 0
        # stream -> shard -> the last place that retention has taken.
        self.horizon = {}

    def take(self, writer):
        """Notes what a writer that has ended heard."""
        order = {}
        for stream, name, shard, place in writer.acknowledged:
            self.test.assertGreater(place, order.get((stream, shard), 0), "a writer's later record has an earlier place")
            order[stream, shard] = place
            if stream in self.known:
                self.note(stream, shard, place, name)
                self.acknowledged += 1
        self.in_doubt |= writer.in_doubt

    def note(self, stream, shard, place, name):
        before = self.known[stream].setdefault(shard, {}).setdefault(place, name)
        self.test.assertEqual(before, name, f"place {place} of {stream} {shard} has two records")

    def check(self, client):
        """Reads everything. Returns the bytes of all records."""
        size = 0
        for stream in self.known:
            names = collections.Counter()
            for shard in client.kinesis("ListShards", StreamName=stream)["Shards"]:
                records = read_shard(client, stream, shard["ShardId"])
                size += self.check_shard(stream, shard["ShardId"], records)
                names.update(name_of(data) for _, data in records)
            self.test.assertEqual([name for name, number in names.items() if number > 1], [], f"records of {stream} are there twice")
        return size

    def check_shard(self, stream, shard, records):
        test, where = self.test, f"{stream} {shard}"
        first = self.horizon.get(stream, {}).get(shard, 0) + 1
        places = [place for place, _ in records]
        test.assertEqual(places, list(range(first, first + len(places))), f"{where} is not dense from {first} on")
        found = {}
        for place, data in records:
            test.assertTrue(is_whole(data), f"{where}: the record at {place} is not what anybody put")
            found[place] = name_of(data)
        known = {place: name for place, name in self.known[stream].get(shard, {}).items() if place >= first}
        lost = {place: name for place, name in known.items() if found.get(place) != name}
        test.assertEqual(lost, {}, f"{where}: acknowledged or once read, and gone or changed")
        strange = {name for place, name in found.items() if place not in known} - self.in_doubt
        test.assertEqual(strange, set(), f"{where}: records that nobody put")
        for place, name in found.items():
            self.note(stream, shard, place, name)
        return sum(len(data) for _, data in records)

    def expire(self):
        """All that is known has expired."""
        for stream, shards in self.known.items():
            self.horizon[stream] = {shard: max(places) for shard, places in shards.items() if places}


class LogCase(unittest.TestCase):
    """A data directory of its own, and servers on it with a small log."""

    def setUp(self):
        self.data = tempfile.mkdtemp(prefix="millstream-log-")
        self.addCleanup(shutil.rmtree, self.data, ignore_errors=True)

    def start(self, data=None, arguments=(), environment=None, inside=()):
        """A server, and a client for it."""
        server = Server(data=data or self.data, arguments=(*SMALL_LOG, *arguments), environment=environment, inside=inside)
        self.addCleanup(server.kill)
        client = Bare(server.address, timeout=SETTLE_SECONDS)
        self.addCleanup(client.close)
        return server, client

    def create(self, client, stream, shards=1):
        """Creates a stream and waits until it takes records."""
        client.kinesis("CreateStream", StreamName=stream, ShardCount=shards)
        self.wait(lambda: self.status(client, stream) == "ACTIVE", f"{stream} does not become active")

    @staticmethod
    def status(client, stream):
        """A stream's status; `None` if there is no such stream."""
        body = json.dumps({"StreamName": stream}).encode()
        status, _, answer = client.post("Kinesis_20131202.DescribeStreamSummary", body)
        if status == 400 and b"ResourceNotFound" in answer:
            return None
        return json.loads(answer)["StreamDescriptionSummary"]["StreamStatus"]

    def delete(self, client, stream):
        """Deletes a stream and waits until it is gone."""
        client.kinesis("DeleteStream", StreamName=stream)
        self.wait(lambda: self.status(client, stream) is None, f"{stream} does not go")

    def wait(self, condition, message, seconds=SETTLE_SECONDS):
        """Waits until something becomes true; what it was then."""
        deadline = time.monotonic() + seconds
        while not (value := condition()):
            if time.monotonic() > deadline:
                self.fail(message() if callable(message) else message)
            time.sleep(0.05)
        return value
