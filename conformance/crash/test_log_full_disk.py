"""A disk that is full under the real process: puts are refused and nothing else is, and room is enough to go on."""

import base64
import json
import unittest

from rig import Ledger, LogCase, Writer, metric, payload, seed
from small_disk import SmallDisk

STREAMS = ("a", "b")
LARGE, SMALL = (200, 12_000), (20, 30)


class FullDisk(LogCase):
    def setUp(self):
        super().setUp()
        self.disk = SmallDisk(self, 32)
        self.small = f"{self.disk.directory}/data"
        self.ledger = Ledger(self)

    def open(self):
        return self.start(data=self.small, inside=self.disk.inside)

    def begin(self):
        server, client = self.open()
        for stream in STREAMS:
            self.create(client, stream, 2)
            self.ledger.known[stream] = {}
        return server, client

    def write_until_full(self, server, chance):
        """Puts until nobody can put any more, be it ever so small. Every refusal says why, and that it is worth another try."""
        for sizes in (LARGE, SMALL):
            self.write_until_refused(server, chance, sizes)
        self.assertEqual(metric(server.address, "log_stopped"), 0, "a full disk is not a broken one")

    def write_until_refused(self, server, chance, sizes):
        writers = [Writer(server.address, f"w{chance.getrandbits(32)}", STREAMS, chance, sizes) for _ in range(3)]
        for writer in writers:
            writer.start()
        self.wait(lambda: all(len(writer.refusals) > 3 for writer in writers), "the disk does not become full")
        refusals = []
        for writer in writers:
            writer.stop()
            self.ledger.take(writer)
            refusals += writer.refusals
        for status, text in refusals:
            # What SDKs repeat by themselves.
            self.assertEqual((status, json.loads(text)["__type"]), (400, "ProvisionedThroughputExceededException"))
            self.assertRegex(text, "disk is full.*Nothing of this request was stored")

    def puts(self, client, stream, name):
        """Whether a put goes well; its record is in the ledger then."""
        record = {"StreamName": stream, "PartitionKey": "k", "Data": base64.b64encode(payload(name, 500)).decode()}
        status, _, text = client.post("Kinesis_20131202.PutRecord", json.dumps(record).encode())
        if status == 200:
            self.ledger.in_doubt.add(name)
        return status == 200

    def test_room_made_by_others_is_enough_to_go_on(self):
        chance = seed()
        server, client = self.begin()
        self.disk.fill("ballast", 12)
        self.write_until_full(server, chance)
        self.ledger.check(client)
        (self.disk.path / "ballast").unlink()
        self.wait(lambda: self.puts(client, "a", "after"), "puts are refused although there is room")
        self.write_until_full(server, chance)
        self.ledger.check(client)
        # A start makes do with the room that there is.
        server.kill()
        _, client = self.open()
        self.ledger.check(client)

    def test_a_stream_deleted_makes_room_for_the_others(self):
        chance = seed()
        server, client = self.begin()
        self.write_until_full(server, chance)
        self.ledger.check(client)
        del self.ledger.known["a"]
        self.delete(client, "a")
        self.wait(lambda: self.puts(client, "b", "after"), "puts are refused although a stream was deleted")
        self.ledger.check(client)
        server.kill()
        _, client = self.open()
        self.ledger.check(client)
        self.assertTrue(self.puts(client, "b", "at last"))


if __name__ == "__main__":
    unittest.main()
