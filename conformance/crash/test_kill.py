"""`kill -9` under load, again and again: what was acknowledged is there, once, in order, with its number."""

import os
import shutil
import tempfile
import threading
import time
import unittest

from botocore.exceptions import BotoCoreError, ClientError

from support import clients
from support.deploy import deploy
from support.package import PUT_SOURCE
from support.server import Server

ROUNDS = 50 if os.environ.get("MILLSTREAM_LONG") else 10
WRITERS = 4
BATCH = 20
SHARDS = 3
LOAD_SECONDS = 0.7
SETTLE_SECONDS = 90

COPY = PUT_SOURCE + """
def handler(event, context):
    put("copies", payloads(event))
"""


class Writer(threading.Thread):
    """Puts batches of numbered records until the server is gone; remembers what was acknowledged."""

    def __init__(self, address, name):
        super().__init__(name=name, daemon=True)
        self.address = address
        # (data, shard, sequence number) of each acknowledged record, in the order of the acknowledgements.
        self.acknowledged = []
        # What was sent in the request that had no answer: it may be there or not.
        self.in_doubt = set()

    def run(self):
        kinesis = clients.client("kinesis", self.address, read_timeout=10)
        count = 0
        while True:
            entries = [{"PartitionKey": f"{self.name}-{count + n}", "Data": f"{self.name}:{count + n}".encode()} for n in range(BATCH)]
            count += BATCH
            try:
                answer = kinesis.put_records(StreamName="load", Records=entries)
            except (BotoCoreError, ClientError):
                self.in_doubt.update(entry["Data"] for entry in entries)
                return
            for entry, result in zip(entries, answer["Records"]):
                if "SequenceNumber" in result:
                    self.acknowledged.append((entry["Data"], result["ShardId"], result["SequenceNumber"]))


class Kill(unittest.TestCase):
    def setUp(self):
        self.data = tempfile.mkdtemp(prefix="millstream-crash-")
        self.addCleanup(shutil.rmtree, self.data, ignore_errors=True)

    def start(self):
        server = Server(data=self.data)
        self.addCleanup(server.kill)
        return server, clients.client("kinesis", server.address)

    def test_nothing_acknowledged_is_lost_and_the_mapping_goes_on(self):
        server, kinesis = self.start()
        stream = clients.create_stream(kinesis, "load", SHARDS)["StreamARN"]
        clients.create_stream(kinesis, "copies")
        functions = clients.client("lambda", server.address)
        deploy(functions, "copy", COPY)
        functions.create_event_source_mapping(EventSourceArn=stream, FunctionName="copy", StartingPosition="TRIM_HORIZON", BatchSize=500)

        acknowledged, in_doubt = [], set()
        for round_number in range(ROUNDS):
            writers = [Writer(server.address, f"r{round_number}w{number}") for number in range(WRITERS)]
            for writer in writers:
                writer.start()
            time.sleep(LOAD_SECONDS)
            server.kill()
            for writer in writers:
                writer.join()
                acknowledged += writer.acknowledged
                in_doubt |= writer.in_doubt
            server, kinesis = self.start()
            with self.subTest(round=round_number):
                self.check(kinesis, acknowledged, in_doubt)
        self.assertGreater(len(acknowledged), ROUNDS * BATCH, "the load was too small to prove anything")
        self.check_copies(kinesis, {data for data, _, _ in acknowledged})

    def check(self, kinesis, acknowledged, in_doubt):
        """Every acknowledged record is there once, in its shard, with its number; nothing else is but what was in doubt."""
        found = {}
        for shard in clients.shards_of(kinesis, "load"):
            numbers = []
            for record in clients.read_shard(kinesis, "load", shard["ShardId"]):
                self.assertNotIn(record["Data"], found, "a record is there twice")
                found[record["Data"]] = (shard["ShardId"], record["SequenceNumber"])
                numbers.append(record["SequenceNumber"])
            self.assertEqual(numbers, sorted(set(numbers)), "sequence numbers are out of order or used twice")
        for data, shard, number in acknowledged:
            self.assertEqual(found.pop(data, None), (shard, number), f"{data} is lost or has changed")
        self.assertLessEqual(set(found), in_doubt, "there are records that nobody put")

    def check_copies(self, kinesis, wanted):
        """The mapping, which ran all the time, copies every acknowledged record at least once."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            copied = b" ".join(record["Data"] for record in clients.read_stream(kinesis, "copies")).decode()
            missing = [data for data in wanted if f'"{data.decode()}"' not in copied]
            if not missing:
                return
            if time.monotonic() > deadline:
                self.fail(f"{len(missing)} of {len(wanted)} records never came out of the mapping, such as {sorted(missing)[:5]}")
            time.sleep(0.5)


if __name__ == "__main__":
    unittest.main()
