"""Encryption at rest through boto3: what is on the disk, what answers say, and what happens without the key."""

import pathlib
import re
import stat
import subprocess
import tempfile
import time
import unittest

from botocore.exceptions import ClientError

from support import clients
from support.case import ServerCase
from support.server import Server, binary

ALIAS = "alias/aws/kinesis"
MARKER = b"words-that-nobody-else-would-write"
MATERIAL = "5a" * 32


def keys(*arguments):
    done = subprocess.run([binary(), "keys", *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=30, check=False)
    return done.returncode, done.stdout, done.stderr


def files_with(directory, text):
    """The files below a directory that have the text in them."""
    return [str(path) for path in pathlib.Path(directory).rglob("*") if path.is_file() and text in path.read_bytes()]


def settled(kinesis, name):
    deadline = time.monotonic() + 40
    while (summary := kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"])["StreamStatus"] != "ACTIVE":
        assert time.monotonic() < deadline, summary
        time.sleep(0.02)
    return summary


def start(kinesis, name, key=ALIAS):
    kinesis.start_stream_encryption(StreamName=name, EncryptionType="KMS", KeyId=key)
    return settled(kinesis, name)


def put(kinesis, name, count=1):
    records = [{"Data": MARKER + b"%d" % number, "PartitionKey": f"key-{number}-{MARKER.decode()}"} for number in range(count)]
    return kinesis.put_records(StreamName=name, Records=records)


class InMemory(ServerCase):
    """A server that keeps nothing has a key of its own, so that tools which ask for encryption get it."""

    def test_encryption_starts_and_stops(self):
        clients.create_stream(self.kinesis, "toggled")
        self.assertNotIn("EncryptionType", put(self.kinesis, "toggled"))
        summary = start(self.kinesis, "toggled")
        self.assertEqual((summary["EncryptionType"], summary["KeyId"]), ("KMS", ALIAS))
        self.assertEqual(put(self.kinesis, "toggled")["EncryptionType"], "KMS")
        self.kinesis.stop_stream_encryption(StreamName="toggled", EncryptionType="KMS", KeyId=ALIAS)
        self.assertEqual(settled(self.kinesis, "toggled")["EncryptionType"], "NONE")
        put(self.kinesis, "toggled")
        records = clients.read_stream(self.kinesis, "toggled")
        self.assertEqual([record.get("EncryptionType") for record in records], [None, "KMS", None])
        self.assertEqual({record["Data"] for record in records}, {MARKER + b"0"})

    def test_a_consumer_is_pushed_plain_records(self):
        arn = clients.create_stream(self.kinesis, "pushed")["StreamARN"]
        start(self.kinesis, "pushed")
        put(self.kinesis, "pushed")
        consumer = self.kinesis.register_stream_consumer(StreamARN=arn, ConsumerName="app")["Consumer"]["ConsumerARN"]
        self.eventually(lambda: self.kinesis.describe_stream_consumer(ConsumerARN=consumer)["ConsumerDescription"]
                        ["ConsumerStatus"] == "ACTIVE", "the consumer is active")
        stream = self.kinesis.subscribe_to_shard(ConsumerARN=consumer, ShardId="shardId-000000000000",
                                                 StartingPosition={"Type": "TRIM_HORIZON"})["EventStream"]
        record = next(iter(stream))["SubscribeToShardEvent"]["Records"][0]
        stream.close()
        self.assertEqual((record["Data"], record["EncryptionType"]), (MARKER + b"0", "KMS"))

    def test_keys_that_are_not_there(self):
        clients.create_stream(self.kinesis, "keyless")
        for key in ("alias/none", "12345678-1234-1234-1234-123456789012",
                    "arn:aws:kms:us-east-1:000000000000:key/12345678-1234-1234-1234-123456789012"):
            message = self.refused(self.kinesis.start_stream_encryption, "KMSNotFoundException", StreamName="keyless",
                                   EncryptionType="KMS", KeyId=key)
            self.assertIn(key, message)
            self.assertIn("millstream keys create", message)
        self.refused(self.kinesis.start_stream_encryption, "InvalidArgumentException", StreamName="keyless",
                     EncryptionType="NONE", KeyId=ALIAS)


class OnDisk(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix="millstream-encryption-")
        self.addCleanup(scratch.cleanup)
        self.scratch = pathlib.Path(scratch.name)
        self.data, self.file = self.scratch / "data", self.scratch / "keys.toml"

    def serve(self, *arguments, **environment):
        server = Server(data=self.data, arguments=arguments, environment=environment)
        self.addCleanup(server.kill)
        return server, clients.client("kinesis", server.address)

    def refused(self, call, code):
        with self.assertRaises(ClientError) as caught:
            call()
        self.assertEqual(caught.exception.response["Error"]["Code"], code)
        return caught.exception.response["Error"]["Message"]

    def test_nothing_of_an_encrypted_record_is_on_the_disk_in_plain_words(self):
        self.assertEqual(keys("create", str(self.file))[0], 0)
        # Small flushes, so that records are in segments too.
        options = ("--encryption-keys", str(self.file), "--log-flush-bytes", "1MiB")
        server, kinesis = self.serve(*options)
        clients.create_stream(kinesis, "secret", shards=2)
        start(kinesis, "secret")
        for _ in range(40):
            put(kinesis, "secret", 400)
        self.assertEqual(files_with(self.data, MARKER), [])
        server.signal_and_wait()
        self.assertEqual(files_with(self.data, MARKER), [])
        self.assertTrue(list((self.data / "segments").rglob("*")), "something was flushed")
        material = re.search(r'material = "([0-9a-f]{64})"', self.file.read_text())[1]
        log = server.log()
        self.assertNotIn(material, log)
        for secret in (material.encode(), bytes.fromhex(material)):
            self.assertEqual(files_with(self.data, secret), [])
        server, kinesis = self.serve(*options)
        records = clients.read_stream(kinesis, "secret")
        self.assertEqual(len(records), 16_000)
        self.assertEqual({record["EncryptionType"] for record in records}, {"KMS"})
        # The same search finds what is plain.
        kinesis.stop_stream_encryption(StreamName="secret", EncryptionType="KMS", KeyId=ALIAS)
        settled(kinesis, "secret")
        put(kinesis, "secret")
        self.assertTrue(files_with(self.data, MARKER))

    def test_without_keys_the_error_says_what_to_do(self):
        _, kinesis = self.serve()
        clients.create_stream(kinesis, "plain")
        message = self.refused(lambda: start(kinesis, "plain"), "KMSNotFoundException")
        self.assertIn("millstream keys create", message)
        self.assertEqual(put(kinesis, "plain")["FailedRecordCount"], 0)

    def test_a_key_file_that_is_gone_keeps_the_records_and_the_server(self):
        keys("create", str(self.file))
        options = ("--encryption-keys", str(self.file))
        server, kinesis = self.serve(*options)
        clients.create_stream(kinesis, "locked")
        clients.create_stream(kinesis, "open")
        start(kinesis, "locked")
        for name in ("locked", "open"):
            put(kinesis, name)
        server.kill()
        aside = self.file.rename(self.scratch / "aside.toml")
        server, kinesis = self.serve(*options)
        self.assertIn("the file of master keys is not there", server.log())
        self.assertIn("stream=\"locked\"", re.sub(r"\x1b\[[0-9;]*m", "", server.log()))
        self.refused(lambda: put(kinesis, "locked"), "KMSNotFoundException")
        self.refused(lambda: clients.read_stream(kinesis, "locked"), "KMSNotFoundException")
        self.assertEqual(len(clients.read_stream(kinesis, "open")), 1)
        server.kill()
        aside.rename(self.file)
        _, kinesis = self.serve(*options)
        self.assertEqual([record["Data"] for record in clients.read_stream(kinesis, "locked")], [MARKER + b"0"])

    def test_keys_rotate(self):
        code, printed, _ = keys("create", str(self.file), "--alias", "alias/orders")
        self.assertEqual(code, 0)
        self.assertEqual(stat.S_IMODE(self.file.stat().st_mode), 0o600)
        key_id = printed.split()[0]
        options = ("--encryption-keys", str(self.file))
        server, kinesis = self.serve(*options)
        clients.create_stream(kinesis, "rotated")
        start(kinesis, "rotated", "alias/orders")
        put(kinesis, "rotated")
        server.kill()
        self.assertEqual(keys("rotate", str(self.file), "alias/orders")[:2], (0, "alias/orders has version 2\n"))
        self.assertEqual(keys("list", str(self.file))[1], f"{key_id} enabled version 2 alias/orders\n")
        _, kinesis = self.serve(*options)
        start(kinesis, "rotated", key_id)
        put(kinesis, "rotated")
        records = clients.read_stream(kinesis, "rotated")
        self.assertEqual([record["Data"] for record in records], [MARKER + b"0"] * 2)

    def test_the_command_line_refuses_what_is_wrong(self):
        self.assertIn("is not there", keys("list", str(self.file))[2])
        self.assertIn("is not an alias", keys("create", str(self.file), "--alias", "orders")[2])
        self.assertFalse(self.file.exists())
        keys("create", str(self.file), "--alias", "alias/a")
        self.assertIn("names more than one key", keys("create", str(self.file), "--alias", "alias/a")[2])
        self.assertIn("no master key alias/b", keys("rotate", str(self.file), "alias/b")[2])
        self.file.chmod(0o644)
        done = subprocess.run([binary(), "serve", "--memory", "--bind", "127.0.0.1:0", "--encryption-keys", str(self.file)],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("chmod 600", done.stderr)

    def test_a_key_comes_from_the_environment(self):
        environment = {"MILLSTREAM_ENCRYPTION_KEY": f"{ALIAS}={MATERIAL}"}
        server, kinesis = self.serve(**environment)
        clients.create_stream(kinesis, "ci")
        start(kinesis, "ci")
        put(kinesis, "ci")
        server.kill()
        self.assertEqual(files_with(self.data, MARKER), [])
        server, kinesis = self.serve(**environment)
        self.assertEqual(len(clients.read_stream(kinesis, "ci")), 1)
        self.assertNotIn(MATERIAL, server.log())
