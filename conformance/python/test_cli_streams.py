"""`millstream stream`, `shard` and `consumer`: what they do, print and refuse."""

import pathlib
import socket
import tempfile

from support import clients
from support.case import ServerCase
from support.program import run


class StreamCommands(ServerCase):
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

    def create(self, name, shards=1):
        self.ok("stream", "create", name, "--shards", shards, "--wait")

    def test_a_stream_from_its_creation_to_its_end(self):
        created = self.ok("stream", "create", "whole-life", "--shards", 2, "--tag", "team=web", "--wait", "--output", "json").json()
        self.assertEqual(created["StreamStatus"], "ACTIVE")
        self.assertEqual(created["StreamARN"], "arn:aws:kinesis:us-east-1:000000000000:stream/whole-life")
        told = self.ok("stream", "describe", "whole-life", "--output", "json").json()
        self.assertEqual((told["OpenShardCount"], told["StreamMode"], told["RetentionPeriodHours"]), (2, "PROVISIONED", 24))
        self.assertEqual(told["Tags"], [{"Key": "team", "Value": "web"}])
        self.assertEqual([shard["ShardId"] for shard in told["Shards"]], ["shardId-000000000000", "shardId-000000000001"])
        text = self.ok("stream", "describe", created["StreamARN"]).out
        for part in ("whole-life", "ACTIVE", "shardId-000000000001", "50.0%", "team=web", "24 hours"):
            self.assertIn(part, text)
        self.assertIn("whole-life", self.ok("stream", "list").out)
        listed = self.ok("stream", "list", "--prefix", "whole", "--output", "json").json()["Streams"]
        self.assertEqual([stream["StreamName"] for stream in listed], ["whole-life"])
        self.assertIn("DELETED", self.ok("stream", "delete", "whole-life", "--wait").out)
        self.assertNotIn("whole-life", [stream for stream in self.kinesis.list_streams()["StreamNames"]])

    def test_nothing_there_is_said_in_words(self):
        self.assertIn("no stream whose name starts with", self.ok("stream", "list", "--prefix", "no-such").out)
        self.create("empty-words")
        self.assertIn("has no consumers", self.ok("consumer", "list", "empty-words").out)
        self.assertIn("has no tags", self.ok("stream", "tags", "list", "empty-words").out)
        self.assertEqual(self.ok("consumer", "list", "empty-words", "--output", "json").json(), {"Consumers": []})

    def test_a_name_that_is_nearly_right_is_proposed(self):
        self.create("signups-near")
        for command in (["describe"], ["delete"], ["tail"], ["reshard", "--shards", 2], ["put", "--data", "x"]):
            with self.subTest(command):
                said = self.fails("stream", command[0], "signup-near", *command[1:])
                self.assertIn("ResourceNotFoundException", said)
                self.assertIn("Did you mean signups-near?", said)
        self.assertIn("stream list", self.fails("stream", "describe", "zzzzzzzzzzz"))

    def test_what_the_service_refuses_is_said_in_its_words(self):
        self.create("twice")
        self.assertIn("ResourceInUseException", self.fails("stream", "create", "twice"))
        self.assertIn("ValidationException", self.fails("stream", "create", "not/good"))
        self.assertIn("go in steps", self.fails("stream", "reshard", "twice", "--shards", 50))

    def test_no_server_says_what_to_start(self):
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            nobody = f"http://127.0.0.1:{closed.getsockname()[1]}"
            done = run(nobody, "stream", "list")
        self.assertEqual(done.code, 1)
        self.assertIn("Connection refused", done.error)
        self.assertIn(nobody, done.error)

    def test_an_endpoint_is_taken_from_flag_variable_or_profile(self):
        with tempfile.TemporaryDirectory() as home:
            config = pathlib.Path(home) / "config"
            config.write_text(f"[profile here]\nregion = eu-west-1\nendpoint_url = {self.address}\n"
                              "aws_access_key_id = one\naws_secret_access_key = two\n")
            for address, arguments, more in [
                (None, ["--endpoint-url", self.address], {}),
                ("http://127.0.0.1:1", ["--endpoint-url", self.address], {}),
                ("http://127.0.0.1:1", [], {"AWS_ENDPOINT_URL_KINESIS": self.address}),
                (None, ["--profile", "here"], {"AWS_CONFIG_FILE": str(config)}),
                (None, [], {"AWS_CONFIG_FILE": str(config), "AWS_PROFILE": "here"}),
            ]:
                with self.subTest(arguments=arguments, more=more):
                    self.assertEqual(run(address, "stream", "list", *arguments, **more).code, 0)
            config.write_text("[profile here]\n")
            done = run(self.address, "stream", "list", "--profile", "heer", AWS_CONFIG_FILE=str(config))
            self.assertEqual(done.code, 1, done)
            self.assertIn("did you mean here?", done.error)
        self.assertIn("is no URL", self.fails("stream", "list", "--endpoint-url", "127.0.0.1:4566"))
        self.assertIn("cannot be used with", self.fails("stream", "list", "--aws", "--endpoint-url", self.address, code=2))

    def test_aws_is_reached_by_no_default(self):
        # An endpoint of the environment does not count either: AWS is what was asked for.
        for address in (None, self.address):
            said = run(address, "stream", "list", "--aws", "--region", "us-east-1", AWS_EC2_METADATA_DISABLED="true")
            self.assertEqual(said.code, 1, said)
            self.assertIn("Credentials come from", said.error)
        said = run(None, "stream", "list", "--aws", AWS_EC2_METADATA_DISABLED="true")
        self.assertIn("--region", said.error)

    def test_shards_are_counted_split_and_merged(self):
        self.create("cut", 2)
        told = self.ok("stream", "reshard", "cut", "--shards", 4, "--wait")
        self.assertIn("4 open shards; it had 2", told.out)
        listed = self.ok("shard", "list", "cut", "--output", "json").json()["Shards"]
        self.assertEqual([shard["Open"] for shard in listed], [False, False, True, True, True, True])
        open_ones = self.ok("shard", "list", "cut", "--open", "--output", "json").json()["Shards"]
        self.assertEqual(len(open_ones), 4)
        first, second = open_ones[0]["ShardId"], open_ones[1]["ShardId"]
        self.assertIn("3 open shards", self.ok("shard", "merge", "cut", first, second, "--wait").out)
        merged = self.ok("shard", "list", "cut", "--open", "--output", "json").json()["Shards"][-1]["ShardId"]
        self.assertIn("4 open shards", self.ok("shard", "split", "cut", merged, "--wait").out)
        open_ones = self.ok("shard", "list", "cut", "--open", "--output", "json").json()["Shards"]
        ranges = sorted((int(shard["StartingHashKey"]), int(shard["EndingHashKey"])) for shard in open_ones)
        self.assertEqual([start for start, _ in ranges], [0] + [end + 1 for _, end in ranges[:-1]])
        self.assertEqual(ranges[-1][1], 2**128 - 1)
        at = ranges[0][1] // 3
        self.assertIn("5 open", self.ok("shard", "split", "cut", open_ones[0]["ShardId"] if int(open_ones[0]["StartingHashKey"]) == 0
                                        else next(s["ShardId"] for s in open_ones if s["StartingHashKey"] == "0"), "--at", at, "--wait").out)
        self.assertIn("shard list cut", self.fails("shard", "split", "cut", "shardId-000000000099"))
        self.assertIn("shard list cut", self.fails("shard", "merge", "cut", "shardId-000000000098", "shardId-000000000099"))

    def test_settings_of_a_stream(self):
        self.create("settings")
        self.assertIn("48 hours", self.ok("stream", "retention", "settings", "--hours", 48).out)
        self.assertIn("24 hours; it was 48", self.ok("stream", "retention", "settings", "--hours", 24).out)
        self.assertIn("24 hours", self.ok("stream", "retention", "settings", "--hours", 24).out)
        self.assertIn("ON_DEMAND", self.ok("stream", "mode", "settings", "on-demand").out)
        self.assertIn("2048 KiB", self.ok("stream", "record-size", "settings", "--kib", 2048).out)
        tags = self.ok("stream", "tags", "set", "settings", "a=1", "b=x=y", "--output", "json").json()["Tags"]
        self.assertEqual(tags, [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "x=y"}])
        self.assertNotIn("x=y", self.ok("stream", "tags", "remove", "settings", "b").out)
        self.assertIn("KEY=VALUE", self.fails("stream", "tags", "set", "settings", "novalue", code=2))
        self.assertIn("cannot", self.fails("stream", "retention", "settings", "--hours", 1))

    def test_consumers(self):
        self.create("fan")
        made = self.ok("consumer", "register", "fan", "web", "--tag", "a=1", "--wait", "--output", "json").json()
        self.assertEqual(made["ConsumerStatus"], "ACTIVE")
        self.assertIn("web", self.ok("consumer", "list", "fan").out)
        self.assertIn(made["ConsumerARN"], self.ok("consumer", "describe", "fan", "web").out)
        self.assertIn("Did you mean web?", self.fails("consumer", "describe", "fan", "wab"))
        self.assertIn("Did you mean web?", self.fails("consumer", "deregister", "fan", "wab"))
        self.assertIn("--enforce-consumer-deletion", self.fails("stream", "delete", "fan"))
        self.assertIn("DELETED", self.ok("consumer", "deregister", "fan", "web", "--wait").out)
        self.ok("consumer", "register", "fan", "again", "--wait")
        self.ok("stream", "delete", "fan", "--enforce-consumer-deletion", "--wait")

    def test_completions_for_every_shell(self):
        for shell in ("bash", "zsh", "fish", "elvish", "powershell"):
            with self.subTest(shell):
                script = self.ok("completions", shell).out
                self.assertIn("millstream", script)
                self.assertIn("deregister", script)

    def test_help_of_every_command(self):
        for command in ("stream", "shard", "consumer", "function", "mapping"):
            text = self.ok(command, "--help").out
            names = [line.split()[0] for line in text.split("Commands:")[1].split("Options:")[0].splitlines() if line.startswith("  ") and line.split()[0] != "help"]
            self.assertIn("list", names)
            for name in names:
                with self.subTest(command=command, name=name):
                    self.assertIn("Usage:", self.ok(command, name, "--help").out)

    def test_the_same_through_the_sdk(self):
        self.create("both")
        self.assertEqual(self.kinesis.describe_stream_summary(StreamName="both")["StreamDescriptionSummary"]["OpenShardCount"], 1)
        clients.create_stream(self.kinesis, "other-way")
        self.assertIn("ACTIVE", self.ok("stream", "describe", "other-way").out)
