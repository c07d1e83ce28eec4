"""`millstream queue`: what it does, prints and refuses."""

import base64

from support.case import ServerCase
from support.program import run


class QueueCommands(ServerCase):
    def ok(self, *arguments, **more):
        """Runs a command that must succeed."""
        done = run(self.address, *arguments, **more)
        self.assertEqual(done.code, 0, done)
        return done

    def fails(self, *arguments, code=1, **more):
        """Runs a command that must fail; what it says."""
        done = run(self.address, *arguments, **more)
        self.assertEqual(done.code, code, done)
        return done.error

    def create(self, stream, queue, *more):
        self.ok("stream", "create", stream, "--on-demand", "--wait")
        return self.ok("queue", "create", stream, queue, "--from", "trim-horizon", "--wait", *more, "--output", "json").json()

    def put(self, stream, *lines):
        for line in lines:
            self.ok("stream", "put", stream, "--key", "k", "--data", line)

    def receive(self, queue, *more, command=("receive",)):
        return self.ok("queue", *command, queue, "--wait-time", "1s", *more, "--output", "json").json()["QueueRecords"]

    def test_a_queue_from_its_creation_to_its_end(self):
        made = self.create("cli-whole", "mails", "--visibility", "1m", "--max-receives", 3, "--tag", "team=web")
        self.assertEqual((made["QueueName"], made["QueueStatus"]), ("mails", "ACTIVE"))
        self.assertEqual(made["QueueAttributes"], {
            "VisibilityTimeoutSeconds": 60, "DeadLetterConfiguration": {"TargetType": "BUILT_IN", "MaxReceiveCount": 3}})
        self.assertEqual(self.kinesis.list_tags_for_resource(ResourceARN=made["QueueARN"])["Tags"], [{"Key": "team", "Value": "web"}])
        described = self.ok("queue", "describe", made["QueueARN"]).out
        for part in ("mails", made["QueueARN"], "ACTIVE", "stream/cli-whole", "TRIM_HORIZON", "60 seconds", "after 3 receives"):
            self.assertIn(part, described)
        self.assertRegex(self.ok("queue", "list").out, r"mails +cli-whole +ACTIVE")
        listed = self.ok("queue", "list", "--stream", "cli-whole", "--output", "json").json()["Queues"]
        self.assertEqual([queue["QueueARN"] for queue in listed], [made["QueueARN"]])
        changed = self.ok("queue", "update", "mails", "--visibility", "5s", "--no-dead-letters", "--output", "json").json()
        self.assertEqual(changed["QueueAttributes"]["VisibilityTimeoutSeconds"], 5)
        self.assertEqual(changed["QueueAttributes"]["DeadLetterConfiguration"]["TargetType"], "NONE")
        self.assertIn("never", self.ok("queue", "describe", "mails").out)
        self.assertIn("DELETED", self.ok("queue", "delete", "mails", "--wait").out)
        self.assertIn("has no queues", self.ok("queue", "list", "--stream", "cli-whole").out)

    def test_records_are_received_and_acknowledged(self):
        self.create("cli-records", "cli-work")
        self.put("cli-records", "one", "two")
        records = self.receive("cli-work", "--visibility", "10m")
        self.assertEqual(sorted(base64.b64decode(record["Data"]) for record in records), [b"one", b"two"])
        self.assertEqual({(record["PartitionKey"], record["ReceiveCount"]) for record in records}, {("k", 1)})
        first, second = (record["ReceiptHandle"] for record in records)
        self.assertEqual(self.receive("cli-work"), [])
        self.assertIn("1 record hidden", self.ok("queue", "visibility", "cli-work", first, "--for", "0s").out)
        (again,) = self.receive("cli-work", "--limit", 1)
        self.assertEqual(again["ReceiveCount"], 2)
        said = self.fails("queue", "ack", "cli-work", first)
        self.assertIn("InvalidArgumentException", said)
        self.assertIn(first, said)
        done = self.ok("queue", "ack", "cli-work", again["ReceiptHandle"], second, "--output", "json").json()
        self.assertEqual((len(done["Successful"]), done["Failed"]), (2, []))
        self.assertIn("no record to receive", self.ok("queue", "receive", "cli-work", "--wait-time", "1s").out)

    def test_receiving_can_acknowledge_and_print_data_alone(self):
        self.create("cli-raw", "cli-raw-work", "--visibility", "0s")
        self.put("cli-raw", "plain")
        text = self.ok("queue", "receive", "cli-raw-work", "--wait-time", "1s").out
        self.assertRegex(text, r"RECEIVES +ARRIVED +KEY +RECEIPT HANDLE +DATA\n1 +20\S+ +k +\S+ +plain")
        self.assertEqual(self.ok("queue", "receive", "cli-raw-work", "--raw", "--ack", "--visibility", "1m").out, "plain\n")
        self.assertEqual(self.receive("cli-raw-work"), [])

    def test_dead_letters_are_received_restored_hidden_and_acknowledged(self):
        self.create("cli-dead", "cli-dead-work", "--visibility", "0s", "--max-receives", 1)
        self.put("cli-dead", "bad")
        self.assertEqual(len(self.receive("cli-dead-work")), 1)
        self.assertEqual(self.receive("cli-dead-work"), [])
        dead = ("dead-letters", "receive")
        (letter,) = self.receive("cli-dead-work", "--visibility", "10m", command=dead)
        handle = letter["ReceiptHandle"]
        self.assertIn("1 dead letter hidden", self.ok("queue", "dead-letters", "visibility", "cli-dead-work", handle, "--for", "0s").out)
        (letter,) = self.receive("cli-dead-work", "--visibility", "10m", command=dead)
        self.assertIn("1 dead letter restored", self.ok("queue", "dead-letters", "restore", "cli-dead-work", letter["ReceiptHandle"]).out)
        self.assertEqual(self.receive("cli-dead-work")[0]["ReceiveCount"], 1)
        (letter,) = self.receive("cli-dead-work", command=dead)
        self.assertIn("1 dead letter acknowledged", self.ok("queue", "dead-letters", "ack", "cli-dead-work", letter["ReceiptHandle"]).out)
        self.assertIn("no dead letter to receive", self.ok("queue", *dead, "cli-dead-work", "--wait-time", "1s").out)

    def test_what_is_wrong_is_said_in_words(self):
        self.create("cli-wrong", "cli-wrong-work")
        said = self.fails("queue", "describe", "cli-wrong-wrk")
        self.assertIn("Did you mean cli-wrong-work?", said)
        self.assertIn("queue create", self.fails("queue", "receive", "zzzzzzzzzzzzzz"))
        self.assertIn("Did you mean cli-wrong?", self.fails("queue", "create", "cli-wron", "new"))
        self.assertIn("ResourceInUseException", self.fails("queue", "create", "cli-wrong", "cli-wrong-work"))
        self.ok("stream", "create", "cli-provisioned", "--shards", 1, "--wait")
        self.assertIn("ON_DEMAND", self.fails("queue", "create", "cli-provisioned", "new"))
        self.assertIn("ValidationException", self.fails("queue", "update", "cli-wrong-work", "--max-receives", 0))
        self.fails("queue", "update", "cli-wrong-work", code=2)
        self.fails("queue", "receive", "cli-wrong-work", "--limit", 11, code=2)
        self.fails("queue", "ack", "cli-wrong-work", code=2)
