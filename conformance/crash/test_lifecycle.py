"""A second start on the same data, and a clean end."""

import json
import shutil
import signal
import tempfile
import threading
import time
import unittest

from botocore.exceptions import BotoCoreError, EventStreamError

from support import clients
from support.deploy import deploy, invoke
from support.package import PUT_SOURCE, zip_of
from support.server import Server

COPY = PUT_SOURCE + """
def handler(event, context):
    if event.get("ping"):
        return open("/opt/mark.txt").read()
    put("out", payloads(event))
"""


class Lifecycle(unittest.TestCase):
    def setUp(self):
        self.data = tempfile.mkdtemp(prefix="millstream-lifecycle-")
        self.addCleanup(shutil.rmtree, self.data, ignore_errors=True)

    def start(self):
        server = Server(data=self.data)
        self.addCleanup(server.kill)
        return server, clients.client("kinesis", server.address), clients.client("lambda", server.address)

    @staticmethod
    def out(kinesis):
        return [json.loads(record["Data"]) for record in clients.read_stream(kinesis, "out")]

    def wait_for_out(self, kinesis, count):
        deadline = time.monotonic() + 40
        while len(self.out(kinesis)) < count:
            self.assertLess(time.monotonic(), deadline, f"the function put {self.out(kinesis)}")
            time.sleep(0.1)
        return self.out(kinesis)

    def checkpointed(self, functions, uuid):
        """Waits until the mapping says that its last batch went well and is noted."""
        deadline = time.monotonic() + 40
        while functions.get_event_source_mapping(UUID=uuid)["LastProcessingResult"] != "OK":
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)

    def test_a_second_start_continues_where_the_first_was(self):
        for end in ("SIGTERM", "SIGKILL"):
            with self.subTest(end):
                self.setUp()
                self.continue_after(getattr(signal, end))

    def continue_after(self, number):
        server, kinesis, functions = self.start()
        stream = clients.create_stream(kinesis, "in", 2)["StreamARN"]
        clients.create_stream(kinesis, "out")
        consumer = kinesis.register_stream_consumer(StreamARN=stream, ConsumerName="keeper")["Consumer"]["ConsumerARN"]
        layer = functions.publish_layer_version(LayerName="mark", Content={"ZipFile": zip_of({"mark.txt": "kept"})})["LayerVersionArn"]
        created = deploy(functions, "copy", COPY, Layers=[layer], Environment={"Variables": {"MARK": "b"}})
        uuid = functions.create_event_source_mapping(EventSourceArn=stream, FunctionName="copy", StartingPosition="TRIM_HORIZON")["UUID"]
        first = kinesis.put_record(StreamName="in", PartitionKey="k", Data=b"1")
        self.assertEqual(self.wait_for_out(kinesis, 1), [["1"]])
        self.checkpointed(functions, uuid)
        if number == signal.SIGKILL:
            # The checkpoint is durable some moment after the function has returned; a kill before that may repeat the batch.
            time.sleep(1)
            server.kill()
        else:
            self.assertEqual(server.signal_and_wait(number), 0, server.log())

        server, kinesis, functions = self.start()
        self.assertEqual(kinesis.list_streams()["StreamNames"], ["in", "out"])
        summary = kinesis.describe_stream_summary(StreamName="in")["StreamDescriptionSummary"]
        self.assertEqual((summary["StreamStatus"], summary["OpenShardCount"], summary["ConsumerCount"]), ("ACTIVE", 2, 1))
        self.assertEqual(kinesis.describe_stream_consumer(ConsumerARN=consumer)["ConsumerDescription"]["ConsumerStatus"], "ACTIVE")
        settings = functions.get_function_configuration(FunctionName="copy")
        self.assertEqual(settings["CodeSha256"], created["CodeSha256"])
        self.assertEqual(settings["Environment"], {"Variables": {"MARK": "b"}})
        self.assertEqual(invoke(functions, "copy", {"ping": True})[1], "kept")
        self.assertIn(functions.get_event_source_mapping(UUID=uuid)["State"], ("Enabled", "Enabling"))
        (record,) = clients.read_shard(kinesis, "in", first["ShardId"])
        self.assertEqual((record["Data"], record["SequenceNumber"]), (b"1", first["SequenceNumber"]))

        second = kinesis.put_record(StreamName="in", PartitionKey="k", Data=b"2")
        self.assertGreater(second["SequenceNumber"], first["SequenceNumber"])
        self.assertEqual(self.wait_for_out(kinesis, 2), [["1"], ["2"]], "the checkpoint was not kept")
        server.kill()

    def test_signals_end_it_cleanly_with_work_at_hand(self):
        for name in ("SIGTERM", "SIGINT"):
            with self.subTest(name):
                self.setUp()
                self.end_with(getattr(signal, name))

    def end_with(self, number):
        server, kinesis, functions = self.start()
        stream = clients.create_stream(kinesis, "busy")["StreamARN"]
        consumer = kinesis.register_stream_consumer(StreamARN=stream, ConsumerName="open")["Consumer"]["ConsumerARN"]
        while kinesis.describe_stream_consumer(ConsumerARN=consumer)["ConsumerDescription"]["ConsumerStatus"] != "ACTIVE":
            time.sleep(0.05)
        events = kinesis.subscribe_to_shard(ConsumerARN=consumer, ShardId="shardId-000000000000",
                                            StartingPosition={"Type": "LATEST"})["EventStream"]
        follower = threading.Thread(target=self.follow, args=(events,), daemon=True)
        follower.start()
        deploy(functions, "idle", "def handler(event, context):\n    return 1\n")
        invoke(functions, "idle", {})
        put = kinesis.put_record(StreamName="busy", PartitionKey="k", Data=b"x")["SequenceNumber"]
        started = time.monotonic()
        self.assertEqual(server.signal_and_wait(number), 0, server.log())
        self.assertLess(time.monotonic() - started, 15)
        follower.join(10)
        self.assertFalse(follower.is_alive(), "the subscription was not ended")

        server, kinesis, _ = self.start()
        (record,) = clients.read_stream(kinesis, "busy")
        self.assertEqual(record["SequenceNumber"], put)
        server.kill()

    @staticmethod
    def follow(events):
        try:
            for _ in events:
                pass
        except (BotoCoreError, EventStreamError, OSError) as ended:
            # How the end of the server looks from here is the client's affair; that it comes is what counts.
            return repr(ended)
        return "end of stream"

    def test_two_servers_on_one_directory_are_refused(self):
        server, kinesis, _ = self.start()
        clients.create_stream(kinesis, "mine")
        with self.assertRaises(RuntimeError) as refused:
            Server(data=self.data)
        self.assertIn(self.data, str(refused.exception))
        self.assertEqual(kinesis.list_streams()["StreamNames"], ["mine"])
        server.kill()


if __name__ == "__main__":
    unittest.main()
