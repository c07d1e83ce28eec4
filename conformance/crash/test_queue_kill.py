"""`kill -9` under receivers of a queue, again and again: nothing is lost or stuck, and what was acknowledged stays so."""

import collections
import os
import random
import shutil
import tempfile
import threading
import time
import unittest

from botocore.exceptions import BotoCoreError, ClientError

from support import clients
from support.clients import WAIT
from support.server import Server

from rig import seed

ROUNDS = 40 if os.environ.get("MILLSTREAM_LONG") else 8
RECEIVERS = 4
BATCH = 20
SETTLE_SECONDS = 90
MAX_RECEIVES = 4
# Short enough that what a dead receiver had comes again soon.
VISIBILITY = 3
FAILED = (BotoCoreError, ClientError)


class Writer(threading.Thread):
    """Puts numbered records until the server is gone."""

    def __init__(self, address, name):
        super().__init__(name=name, daemon=True)
        self.address, self.acknowledged = address, set()

    def run(self):
        kinesis, count = clients.client("kinesis", self.address, read_timeout=30), 0
        while True:
            names = [f"{self.name}:{count + n}" for n in range(BATCH)]
            count += BATCH
            entries = [{"PartitionKey": name, "Data": name.encode()} for name in names]
            try:
                answer = kinesis.put_records(StreamName="work", Records=entries)
            except FAILED:
                return
            self.acknowledged.update(name for name, result in zip(names, answer["Records"]) if "SequenceNumber" in result)
            time.sleep(0.05)


class Receiver(threading.Thread):
    """Receives, and acknowledges, lets go or forgets, until the server is gone. Remembers what it heard and when."""

    def __init__(self, address, queue, name, state):
        super().__init__(name=name, daemon=True)
        self.address, self.queue, self.random = address, queue, random.Random(state)
        # (record, count, when it was asked for, when it came) of each delivery.
        self.deliveries = []
        # What it asked to acknowledge, and when that was confirmed.
        self.asked, self.confirmed = set(), {}
        # (record, count) of what it let go of before its time.
        self.let_go = set()

    def run(self):
        kinesis = clients.client("kinesis", self.address, read_timeout=30)
        while True:
            begun = time.monotonic()
            try:
                records = kinesis.receive_queue_records(QueueARN=self.queue, WaitTimeSeconds=1)["QueueRecords"]
                self.deliveries += [(record["Data"].decode(), record["ReceiveCount"], begun, time.monotonic()) for record in records]
                self.settle(kinesis, records)
            except ClientError as error:
                # It is only just being opened.
                if error.response["Error"]["Code"] != "ThrottlingException":
                    return
                time.sleep(0.02)
            except BotoCoreError:
                return

    def settle(self, kinesis, records):
        done, back = [], []
        for record in records:
            chance = self.random.random()
            if chance < 0.8:
                done.append(record)
            elif chance < 0.9:
                back.append(record)
        if done:
            names = {record["ReceiptHandle"]: record["Data"].decode() for record in done}
            self.asked.update(names.values())
            answer = kinesis.acknowledge_queue_records(QueueARN=self.queue, Entries=[{"ReceiptHandle": handle} for handle in names])
            now = time.monotonic()
            self.confirmed.update({names[entry["ReceiptHandle"]]: now for entry in answer["Successful"]})
        if back:
            self.let_go.update((record["Data"].decode(), record["ReceiveCount"]) for record in back)
            entries = [{"ReceiptHandle": record["ReceiptHandle"], "VisibilityTimeoutSeconds": 0} for record in back]
            kinesis.update_queue_records_visibility(QueueARN=self.queue, Entries=entries)


class QueueKill(unittest.TestCase):
    def setUp(self):
        self.data = tempfile.mkdtemp(prefix="millstream-queue-")
        self.addCleanup(shutil.rmtree, self.data, ignore_errors=True)
        self.put, self.receivers = set(), []

    def start(self):
        server = Server(data=self.data)
        self.addCleanup(server.kill)
        return server, clients.client("kinesis", server.address)

    def make(self, kinesis):
        kinesis.create_stream(StreamName="work", StreamModeDetails={"StreamMode": "ON_DEMAND"})
        kinesis.get_waiter("stream_exists").wait(StreamName="work", WaiterConfig=WAIT)
        stream = kinesis.describe_stream_summary(StreamName="work")["StreamDescriptionSummary"]["StreamARN"]
        queue = kinesis.create_queue(
            QueueName="work", StreamConfigurationList=[{"StreamARN": stream, "StartingPosition": {"Type": "TRIM_HORIZON"}}],
            QueueAttributes={
                "VisibilityTimeoutSeconds": VISIBILITY,
                "DeadLetterConfiguration": {"TargetType": "BUILT_IN", "MaxReceiveCount": MAX_RECEIVES}},
        )["QueueDescription"]["QueueARN"]
        deadline = time.monotonic() + SETTLE_SECONDS
        while kinesis.describe_queue(QueueARN=queue)["QueueDescription"]["QueueStatus"] != "ACTIVE":
            self.assertLess(time.monotonic(), deadline, "the queue does not become active")
            time.sleep(0.05)
        return queue

    def test_nothing_is_lost_or_stuck_and_nothing_acknowledged_comes_back(self):
        chance = seed()
        server, kinesis = self.start()
        queue = self.make(kinesis)
        for number in range(ROUNDS):
            writer = Writer(server.address, f"r{number}")
            receivers = [Receiver(server.address, queue, f"r{number}-{n}", chance.random()) for n in range(RECEIVERS)]
            for thread in (writer, *receivers):
                thread.start()
            time.sleep(chance.uniform(0.3, 1.5))
            server.kill()
            for thread in (writer, *receivers):
                thread.join(SETTLE_SECONDS)
                self.assertFalse(thread.is_alive(), "a client waits for a server that is gone")
            self.put |= writer.acknowledged
            self.receivers += receivers
            server, kinesis = self.start()
        self.assertGreater(len(self.put), BATCH, "the load was too small to prove anything")
        self.check(self.drain(kinesis, queue))

    def drain(self, kinesis, queue):
        """Receives and acknowledges until nothing is left. Returns the names of the dead letters."""
        last, dead = Receiver(None, queue, "last", 0), set()
        quiet = None
        deadline = time.monotonic() + SETTLE_SECONDS
        while quiet is None or time.monotonic() < quiet + VISIBILITY + 1:
            self.assertLess(time.monotonic(), deadline, "the queue does not become empty")
            begun = time.monotonic()
            try:
                records = kinesis.receive_queue_records(QueueARN=queue, WaitTimeSeconds=1)["QueueRecords"]
            except kinesis.exceptions.ThrottlingException:
                # The queue's state is being read after the last start.
                time.sleep(0.1)
                continue
            last.deliveries += [(record["Data"].decode(), record["ReceiveCount"], begun, time.monotonic()) for record in records]
            self.acknowledge(kinesis.acknowledge_queue_records, queue, records)
            last.confirmed.update((record["Data"].decode(), time.monotonic()) for record in records)
            letters = [] if records else kinesis.receive_dead_letter_queue_records(QueueARN=queue, WaitTimeSeconds=1)["QueueRecords"]
            self.acknowledge(kinesis.acknowledge_dead_letter_queue_records, queue, letters)
            dead |= {record["Data"].decode() for record in letters}
            quiet = None if records or letters else quiet or begun
        self.receivers.append(last)
        return dead

    def acknowledge(self, operation, queue, records):
        if records:
            entries = [{"ReceiptHandle": record["ReceiptHandle"]} for record in records]
            self.assertEqual(operation(QueueARN=queue, Entries=entries)["Failed"], [])

    def check(self, dead):
        deliveries, confirmed, asked, let_go = collections.defaultdict(list), {}, set(), set()
        for receiver in self.receivers:
            for name, count, begun, came in receiver.deliveries:
                deliveries[name].append((came, begun, count))
            for name, at in receiver.confirmed.items():
                self.assertNotIn(name, confirmed, "a record was acknowledged twice")
                confirmed[name] = at
            asked |= receiver.asked
            let_go |= receiver.let_go
        # An acknowledgement without an answer may have been made.
        self.assertEqual(self.put - set(confirmed) - dead - asked, set(), "put, and neither acknowledged nor a dead letter")
        self.assertEqual(dead & set(confirmed), set(), "an acknowledged record is a dead letter")
        for name, of in deliveries.items():
            of.sort()
            counts = [count for _, _, count in of]
            # A receive whose answer was lost counts all the same.
            self.assertEqual(counts, sorted(set(counts)), f"{name} has a receive count twice")
            self.assertLessEqual(counts[-1], MAX_RECEIVES, f"{name} was received too often")
            self.assertFalse(name in confirmed and of[-1][1] > confirmed[name], f"{name} came back after it was acknowledged")
            for (_, begun, count), (came, _, _) in zip(of, of[1:]):
                if (name, count) not in let_go:
                    self.assertGreaterEqual(came - begun, VISIBILITY - 0.1, f"{name} had two receivers at the same time")


if __name__ == "__main__":
    unittest.main()
