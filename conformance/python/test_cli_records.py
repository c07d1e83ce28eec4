"""`millstream stream put`, `tail`, `capture` and `replay`."""

import datetime
import gzip
import json
import os
import pathlib
import pty
import signal
import subprocess
import tempfile
import threading
import time
import unittest

from support import clients
from support.case import ServerCase
from support.program import LIMIT_SECONDS, Running, environment, run
from support.server import Server, binary


class Records(ServerCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix="millstream-records-")
        self.addCleanup(scratch.cleanup)
        self.scratch = pathlib.Path(scratch.name)

    def ok(self, *arguments, **more):
        """Runs a command that must succeed."""
        done = run(self.address, *arguments, **more)
        self.assertEqual(done.code, 0, done)
        return done

    def records(self, stream):
        """All records of a stream, as tail shows them in JSON."""
        done = self.ok("stream", "tail", stream, "--from", "trim-horizon", "--no-follow", "--output", "json")
        return [json.loads(line) for line in done.lines()]

    def test_ten_thousand_lines(self):
        clients.create_stream(self.kinesis, "many", 4)
        lines = [json.dumps({"id": f"user-{n % 50}", "n": n}) for n in range(10_000)]
        done = self.ok("stream", "put", "many", "--key-field", "id", stdin="\n".join(lines).encode())
        self.assertIn("10,000 records put into many", done.error)
        self.assertEqual(done.out, "")
        records = self.records("many")
        self.assertEqual(sorted(record["Data"] for record in records), sorted(lines))
        by_key = {}
        for record in records:
            data = json.loads(record["Data"])
            self.assertEqual(record["PartitionKey"], data["id"])
            by_key.setdefault(data["id"], []).append(data["n"])
        for key, numbers in by_key.items():
            self.assertEqual(numbers, sorted(numbers), key)

    def test_a_summary_for_programs(self):
        clients.create_stream(self.kinesis, "summed")
        done = self.ok("stream", "put", "summed", "--data", "a", "--data", "bc", "--output", "json").json()
        self.assertEqual((done["RecordsPut"], done["BytesPut"], done["RecordsLost"]), (2, 3, 0))

    def test_lines_files_and_whole_input(self):
        clients.create_stream(self.kinesis, "inputs")
        file = self.scratch / "lines"
        file.write_bytes(b"one\n\nthree\r\nfour")
        self.ok("stream", "put", "inputs", "--file", file, "--key", "k")
        self.ok("stream", "put", "inputs", "--whole", "--key", "k", stdin=b"a\nb\n")
        self.ok("stream", "put", "inputs", "--whole", "--key", "k", "--file", file)
        self.ok("stream", "put", "inputs", "--ordered", "--key", "k", stdin=b"x\ny\n")
        texts = [record["Data"] for record in self.records("inputs")]
        self.assertEqual(texts, ["one", "", "three\r", "four", "a\nb\n", "one\n\nthree\r\nfour", "x", "y"])

    def test_bytes_come_back_as_they_were(self):
        clients.create_stream(self.kinesis, "bytes")
        every = bytes(range(256))
        self.ok("stream", "put", "bytes", "--whole", stdin=every)
        raw = self.ok("stream", "tail", "bytes", "--from", "trim-horizon", "--no-follow", "--raw").raw
        self.assertEqual(raw, every + b"\n")
        text = self.ok("stream", "tail", "bytes", "--from", "trim-horizon", "--no-follow").out
        self.assertIn("(256 bytes that are no text)", text)
        self.assertIn("DataBase64", self.records("bytes")[0])

    def test_keys_by_chance_reach_every_shard(self):
        clients.create_stream(self.kinesis, "spread", 4)
        self.ok("stream", "put", "spread", stdin=b"x\n" * 400)
        records = self.records("spread")
        self.assertEqual(len({record["ShardId"] for record in records}), 4)
        self.assertEqual(len({record["PartitionKey"] for record in records}), 400)

    def test_a_record_without_the_field_is_named_and_costs_the_exit_code(self):
        clients.create_stream(self.kinesis, "partly")
        done = run(self.address, "stream", "put", "partly", "--key-field", "user.id",
                   stdin=b'{"user":{"id":"ada"}}\nnot json\n{"user":{}}\n{"user":{"id":7}}\n')
        self.assertEqual(done.code, 1, done)
        self.assertIn("record 2: it is not JSON", done.error)
        self.assertIn("record 3: it has no field user.id", done.error)
        self.assertIn("2 records put into partly", done.error)
        self.assertIn("2 left out", done.error)
        self.assertEqual([record["PartitionKey"] for record in self.records("partly")], ["ada", "7"])

    def test_what_put_refuses(self):
        clients.create_stream(self.kinesis, "strict")
        done = run(self.address, "stream", "put", "no-such-stream-here", stdin=b"a\nb\n")
        self.assertEqual(done.code, 1, done)
        self.assertIn("ResourceNotFoundException", done.error)
        self.assertIn("2 not sent any more", done.error)
        for arguments, code, part in [
            (["--key", ""], 1, "empty"),
            (["--key", "k" * 257], 1, "257 characters"),
            (["--key", "a", "--key-field", "b"], 2, "cannot be used with"),
            (["--key-field", "a..b"], 2, "no field"),
            (["--retry-for", "soon"], 2, "no span"),
            (["--hash-key=-1"], 2, "hash-key"),
            (["--file", "/nonexistent"], 1, "cannot read /nonexistent"),
            (["--file", "/tmp"], 1, "is a directory"),
        ]:
            with self.subTest(arguments):
                done = run(self.address, "stream", "put", "strict", *arguments, stdin=b"x")
                self.assertEqual(done.code, code, done)
                self.assertIn(part, done.error)

    def test_a_record_that_is_too_large_is_left_out_and_the_others_go(self):
        clients.create_stream(self.kinesis, "large")
        done = run(self.address, "stream", "put", "large", stdin=b"a\n" + b"x" * (11 << 20) + b"\nb\n")
        self.assertEqual(done.code, 1, done)
        self.assertIn("larger than 10 MiB", done.error)
        self.assertEqual(sorted(record["Data"] for record in self.records("large")), ["a", "b"])

    def test_lines_go_out_as_they_come(self):
        clients.create_stream(self.kinesis, "live")
        with Running(self.address, "stream", "tail", "live", "--from", "trim-horizon", "--raw") as tail, \
                Running(self.address, "stream", "put", "live", stdin=subprocess.PIPE) as put:
            for line in ("one", "two", "three"):
                put.process.stdin.write(f"{line}\n".encode())
                put.process.stdin.flush()
                # The next one is not written before this one was seen.
                self.assertEqual(tail.lines(1), [line])
            self.assertEqual(put.wait()[0], 0, put.error())
            self.assertEqual(tail.end(), (0, ""))

    def test_progress_is_shown_at_a_terminal_and_nowhere_else(self):
        clients.create_stream(self.kinesis, "shown")
        terminal, end = pty.openpty()
        self.addCleanup(os.close, terminal)
        command = [binary(), "stream", "put", "shown"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=end, env=environment(self.address, TERM="xterm")) as put:
            os.close(end)
            put.stdin.write(b"a\n")
            put.stdin.flush()
            seen = b""
            while b"putting" not in seen:
                seen += os.read(terminal, 1_000)
            put.stdin.close()
            while b"1 record put into shown" not in seen:
                seen += os.read(terminal, 1_000)
            self.assertEqual(put.wait(LIMIT_SECONDS), 0)
        self.assertNotIn("putting", self.ok("stream", "put", "shown", stdin=b"b\n").error)

    def test_an_interrupted_put_says_so(self):
        clients.create_stream(self.kinesis, "cut-short")
        with Running(self.address, "stream", "put", "cut-short", stdin=subprocess.PIPE) as put:
            put.process.stdin.write(b"a\n")
            put.process.stdin.flush()
            self.eventually(lambda: self.records("cut-short"), "the record arrives")
            put.process.send_signal(signal.SIGINT)
            self.assertEqual(put.process.wait(LIMIT_SECONDS), 130)
            self.assertIn("1 record put", put.error())

    def test_tail_follows_splits_and_merges_in_order(self):
        clients.create_stream(self.kinesis, "moving", 2)
        with Running(self.address, "stream", "tail", "moving", "--from", "trim-horizon", "--output", "json", "--count", 1_200) as tail:
            for step, shards in enumerate((4, 2, 3, 2)):
                batch = "\n".join(json.dumps({"id": n % 20, "n": step * 300 + n}) for n in range(300))
                self.ok("stream", "put", "moving", "--key-field", "id", stdin=batch.encode())
                self.ok("stream", "reshard", "moving", "--shards", shards, "--wait")
            code, rest = tail.wait()
        self.assertEqual(code, 0)
        records = [json.loads(json.loads(line)["Data"]) for line in rest.splitlines()]
        self.assertEqual(sorted(record["n"] for record in records), list(range(1_200)))
        for key in range(20):
            numbers = [record["n"] for record in records if record["id"] == key]
            self.assertEqual(numbers, sorted(numbers), key)

    def test_tail_through_a_consumer_follows_too(self):
        clients.create_stream(self.kinesis, "pushed", 2)
        self.ok("consumer", "register", "pushed", "web", "--wait")
        with Running(self.address, "stream", "tail", "pushed", "--consumer", "web", "--from", "trim-horizon", "--raw", "--count", 400) as tail:
            self.ok("stream", "put", "pushed", stdin="\n".join(map(str, range(200))).encode())
            self.ok("stream", "reshard", "pushed", "--shards", 1, "--wait")
            self.ok("stream", "put", "pushed", stdin="\n".join(map(str, range(200, 400))).encode())
            code, rest = tail.wait()
        self.assertEqual((code, sorted(map(int, rest.split()))), (0, list(range(400))))
        done = run(self.address, "stream", "tail", "pushed", "--consumer", "wib")
        self.assertIn("Did you mean web?", done.error)

    def test_tail_begins_where_it_is_told_to(self):
        clients.create_stream(self.kinesis, "when")
        self.ok("stream", "put", "when", "--data", "old", "--key", "a")
        arrived = self.records("when")[0]["ApproximateArrivalTimestamp"]
        self.eventually(lambda: time.time() > seconds(arrived) + 0.01, "the clock moves")
        self.ok("stream", "put", "when", "--data", "new", "--key", "b")
        second = self.records("when")[1]["ApproximateArrivalTimestamp"]
        tail = lambda *arguments: [line for line in self.ok("stream", "tail", "when", "--raw", "--no-follow", *arguments).lines()]
        self.assertEqual(tail("--from", "trim-horizon"), ["old", "new"])
        self.assertEqual(tail("--from", "1h"), ["old", "new"])
        self.assertEqual(tail("--from", second), ["new"])
        self.assertEqual(tail("--from", "latest"), [])
        self.assertEqual(tail("--from", "trim-horizon", "--partition-key", "b"), ["new"])
        self.assertEqual(tail("--from", "trim-horizon", "--count", 1), ["old"])
        done = run(self.address, "stream", "tail", "when", "--from", "yesterday")
        self.assertEqual(done.code, 2)
        self.assertIn("trim-horizon", done.error)

    def test_latest_is_what_comes_after_the_start(self):
        clients.create_stream(self.kinesis, "fresh", 2)
        self.ok("stream", "put", "fresh", "--data", "old")
        with Running(self.address, "stream", "tail", "fresh", "--raw", "--count", 3) as tail:

            def ended():
                self.ok("stream", "put", "fresh", "--data", "new")
                return tail.process.poll() is not None

            self.eventually(ended, "three records come")
            self.assertEqual(tail.wait(), (0, "new\nnew\nnew\n"))

    def test_a_closed_pipe_ends_tail_without_a_word(self):
        clients.create_stream(self.kinesis, "piped")
        self.ok("stream", "put", "piped", stdin=b"x\n" * 3)
        command = f"set -o pipefail; {binary()} stream tail piped --from trim-horizon --raw | head -n 2"
        # Nothing is written any more after the third record: only the closed pipe itself tells.
        done = subprocess.run(["bash", "-c", command], capture_output=True, timeout=LIMIT_SECONDS, check=False, env=environment(self.address))
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"x\nx\n", b""))

    def test_tail_goes_on_after_the_server_was_away(self):
        data = self.scratch / "data"
        with Server(data=data) as server:
            address = server.address
            clients.create_stream(clients.client("kinesis", address), "away")
            tail = Running(address, "stream", "tail", "away", "--from", "trim-horizon", "--raw")
            self.addCleanup(tail.__exit__)
            run(address, "stream", "put", "away", "--data", "before")
            self.assertEqual(tail.lines(1), ["before"])
        self.eventually(lambda: "Trying again" in tail.error(), "it says that the server is away")
        with Server(data=data, bind=address.removeprefix("http://")):
            run(address, "stream", "put", "away", "--data", "after")
            self.assertEqual(tail.lines(1), ["after"])
            self.assertEqual(tail.end()[0], 0)
        self.assertIn("answers again", tail.error())

    def test_put_waits_for_a_server_that_is_away_and_gives_up_in_time(self):
        data = self.scratch / "data"
        with Server(data=data) as server:
            address = server.address
            clients.create_stream(clients.client("kinesis", address), "patient")
        done = run(address, "stream", "put", "patient", "--data", "x", "--retry-for", "500ms")
        self.assertEqual(done.code, 1, done)
        self.assertIn("1 LOST", done.error)
        with Running(address, "stream", "put", "patient", "--data", "kept") as put, \
                Server(data=data, bind=address.removeprefix("http://")):
            self.assertEqual(put.wait()[0], 0, put.error())

    def test_what_was_captured_is_replayed(self):
        clients.create_stream(self.kinesis, "source", 2)
        self.ok("stream", "put", "source", "--key-field", "id", stdin="\n".join(json.dumps({"id": f"k{n % 9}", "n": n}) for n in range(500)).encode())
        self.ok("stream", "put", "source", "--whole", "--key", "bytes", stdin=bytes(range(256)))
        self.ok("stream", "put", "source", "--key", "strayed", "--hash-key", 2**128 - 1, "--data", "far")
        self.ok("stream", "put", "source", "--key", "strayed", "--hash-key", 0, "--data", "near")
        original = self.records("source")
        for name in ("capture.jsonl", "capture.jsonl.gz"):
            with self.subTest(name):
                file, copy = self.scratch / name, f"copy-{name[-2:]}"
                done = self.ok("stream", "capture", "source", "--to", file, "--from", "trim-horizon", "--no-follow", "--output", "json").json()
                self.assertEqual((done["Records"], sum(done["RecordsByShard"].values())), (503, 503))
                text = gzip.decompress(file.read_bytes()) if name.endswith("gz") else file.read_bytes()
                head = json.loads(text.splitlines()[0])
                self.assertEqual(head, {"Capture": 1, "StreamName": "source", "From": "TRIM_HORIZON"})
                clients.create_stream(self.kinesis, copy, 2)
                done = self.ok("stream", "replay", file, "--to", copy, "--speed", "max")
                self.assertIn(f"503 records replayed into {copy}", done.error)
                self.assertEqual(self.shape(self.records(copy)), self.shape(original))

    @staticmethod
    def shape(records):
        """What a replay keeps: for each shard its records in order."""
        shards = {}
        for record in records:
            shards.setdefault(record["ShardId"], []).append((record["PartitionKey"], record.get("Data"), record.get("DataBase64")))
        return shards

    def test_a_capture_goes_on_where_it_was_cut(self):
        clients.create_stream(self.kinesis, "resumed", 2)
        file = self.scratch / "resumed.jsonl"
        self.ok("stream", "put", "resumed", stdin="\n".join(map(str, range(100))).encode())
        self.ok("stream", "capture", "resumed", "--to", file, "--from", "trim-horizon", "--no-follow")
        # As a power cut may leave it: the last line is not whole.
        os.truncate(file, file.stat().st_size - 10)
        self.ok("stream", "reshard", "resumed", "--shards", 4, "--wait")
        self.ok("stream", "put", "resumed", stdin="\n".join(map(str, range(100, 200))).encode())
        cut = self.ok("stream", "replay", file, "--to", "resumed-cut", "--speed", "max") if self.make("resumed-cut") else None
        self.assertIn("is cut off", cut.error)
        self.assertIn("99 records", cut.error)
        self.ok("stream", "capture", "resumed", "--to", file, "--resume", "--no-follow")
        data = [int(json.loads(line)["Data"]) for line in file.read_text().splitlines()[1:]]
        self.assertEqual(sorted(data), list(range(200)))
        self.make("resumed-whole")
        done = run(self.address, "stream", "capture", "resumed-whole", "--to", file, "--resume")
        self.assertIn("holds the stream resumed", done.error)
        done = run(self.address, "stream", "capture", "resumed", "--to", file)
        self.assertEqual(done.code, 1)
        self.assertIn("--resume", done.error)

    def make(self, name):
        clients.create_stream(self.kinesis, name)
        return True

    def test_a_compressed_capture_that_was_cut_gives_what_it_has(self):
        self.make("cut-gz")
        self.make("cut-gz-copy")
        file = self.scratch / "cut.jsonl.gz"
        self.ok("stream", "put", "cut-gz", stdin="\n".join(map(str, range(1_000))).encode())
        self.ok("stream", "capture", "cut-gz", "--to", file, "--from", "trim-horizon", "--no-follow")
        os.truncate(file, file.stat().st_size // 2)
        done = self.ok("stream", "replay", file, "--to", "cut-gz-copy", "--speed", "max")
        self.assertIn("cut off", done.error)
        data = [int(record["Data"]) for record in self.records("cut-gz-copy")]
        self.assertGreater(len(data), 0)
        self.assertEqual(data, list(range(len(data))))

    def test_a_capture_ends_when_it_is_told_to_and_keeps_all(self):
        self.make("ending")
        file = self.scratch / "ending.jsonl"
        with Running(self.address, "stream", "capture", "ending", "--to", file, "--from", "trim-horizon") as capture:
            self.ok("stream", "put", "ending", stdin=b"a\nb\nc\n")
            self.eventually(lambda: file.exists() and len(file.read_text().splitlines()) == 4, "the file has the records")
            self.assertEqual(capture.end()[0], 0)
            self.assertIn("3 records of 1 shard captured", capture.error())
        counted = self.scratch / "counted.jsonl"
        self.ok("stream", "capture", "ending", "--to", counted, "--from", "trim-horizon", "--count", 2)
        self.assertEqual(len(counted.read_text().splitlines()), 3)
        timed = self.scratch / "timed.jsonl"
        self.ok("stream", "capture", "ending", "--to", timed, "--from", "trim-horizon", "--duration", "2s")
        self.assertEqual(len(timed.read_text().splitlines()), 4)

    def test_a_replay_keeps_the_pace_that_was(self):
        self.make("paced")
        file = self.scratch / "paced.jsonl"
        file.write_text("".join(json.dumps({"PartitionKey": "k", "Data": str(n), "ApproximateArrivalTimestamp": f"2026-01-01T00:00:{n * 2:02}.000Z"}) + "\n"
                                for n in range(4)))
        began = time.monotonic()
        self.ok("stream", "replay", file, "--to", "paced", "--speed", "10x")
        # Six seconds at ten times the speed. How much longer it takes says nothing.
        self.assertGreaterEqual(time.monotonic() - began, 0.6)
        self.assertEqual([record["Data"] for record in self.records("paced")], ["0", "1", "2", "3"])

    def test_what_is_no_capture_is_named_by_its_line(self):
        self.make("unread")
        for text, part in [
            ("hello\n", "line 1: it is not JSON"),
            ('{"Capture":9,"StreamName":"a","From":"x"}\n', "version 9"),
            ('{"PartitionKey":"k","Data":"x"}\n{"PartitionKey":"k"}\n', "line 2: it has neither"),
            ('{"PartitionKey":"","Data":"x"}\n', "partition key is empty"),
        ]:
            with self.subTest(text):
                file = self.scratch / "bad.jsonl"
                file.write_text(text)
                done = run(self.address, "stream", "replay", file, "--to", "unread", "--speed", "max")
                self.assertEqual(done.code, 1, done)
                self.assertIn(part, done.error)
        done = run(self.address, "stream", "replay", "/nonexistent", "--to", "unread")
        self.assertIn("cannot read", done.error)

    def test_a_stream_that_is_deleted_ends_its_tail(self):
        self.make("doomed")
        with Running(self.address, "stream", "tail", "doomed", "--from", "trim-horizon", "--raw") as tail:
            self.ok("stream", "put", "doomed", "--data", "x")
            self.assertEqual(tail.lines(1), ["x"])
            self.ok("stream", "delete", "doomed", "--wait")
            code, _ = tail.wait()
            self.assertEqual(code, 1)
            self.assertIn("ResourceNotFoundException", tail.error())

    def test_several_tails_and_puts_at_once(self):
        clients.create_stream(self.kinesis, "busy", 3)
        with Running(self.address, "stream", "tail", "busy", "--from", "trim-horizon", "--raw", "--count", 900) as one, \
                Running(self.address, "stream", "tail", "busy", "--from", "trim-horizon", "--raw", "--count", 900) as two:
            puts = [threading.Thread(target=self.ok, args=("stream", "put", "busy"), kwargs={"stdin": "\n".join(
                str(writer * 300 + n) for n in range(300)).encode()}) for writer in range(3)]
            for put in puts:
                put.start()
            for put in puts:
                put.join()
            for tail in (one, two):
                code, text = tail.wait()
                self.assertEqual((code, sorted(map(int, text.split()))), (0, list(range(900))))


class Encrypted(unittest.TestCase):
    def test_commands_through_tls(self):
        with tempfile.TemporaryDirectory(prefix="millstream-cli-tls-") as scratch:
            authority = pathlib.Path(scratch) / "ca.pem"
            with Server(arguments=["--tls", "self-signed", "--tls-ca-file", str(authority)]) as server:
                call = lambda *arguments, **more: run(server.address, *arguments, AWS_CA_BUNDLE=str(authority), **more)
                self.assertTrue(server.address.startswith("https://"))
                self.assertEqual(call("stream", "create", "secret", "--shards", 8, "--wait").code, 0)
                self.assertEqual(call("consumer", "register", "secret", "web", "--wait").code, 0)
                self.assertEqual(call("stream", "put", "secret", stdin="\n".join(map(str, range(500))).encode()).code, 0)
                # Eight subscriptions on one connection of HTTP/2.
                for how in ([], ["--consumer", "web"]):
                    done = call("stream", "tail", "secret", "--from", "trim-horizon", "--raw", "--no-follow", *how)
                    self.assertEqual((done.code, sorted(map(int, done.lines()))), (0, list(range(500))), done)
                refused = run(server.address, "stream", "list")
                self.assertEqual(refused.code, 1)
                self.assertIn("--ca-bundle", refused.error)


def seconds(text):
    """Seconds since the epoch of a time as the program prints it."""
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
