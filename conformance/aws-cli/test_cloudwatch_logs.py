"""`aws logs …`: every command for an operation that the server has. `aws logs tail` is in version 2 of the CLI only; it calls
filter-log-events."""

import json
import time

from command_line import CliCase
from support.package import ROLE, RUNTIME, zip_of

SOURCE = "import logging\ndef handler(event, context):\n    logging.getLogger().warning('order %s', event['order'])\n    return event\n"


class Logs(CliCase):
    def logs(self, command, *words):
        return self.aws("logs", command, *words)

    def events(self, group, *words):
        """The messages that filter-log-events finds."""
        return [event["message"] for event in self.logs("filter-log-events", "--log-group-name", group, *words)["events"]]

    def group(self, name, *streams):
        self.logs("create-log-group", "--log-group-name", name)
        for stream in streams:
            self.logs("create-log-stream", "--log-group-name", name, "--log-stream-name", stream)

    def test_what_a_function_says(self):
        (self.scratch / "code.zip").write_bytes(zip_of({"main.py": SOURCE}))
        self.aws("lambda", "create-function", "--function-name", "talks", "--runtime", RUNTIME, "--handler", "main.handler", "--role", ROLE,
                 "--zip-file", "fileb://code.zip", "--timeout", 20, "--logging-config", "LogFormat=JSON,LogGroup=/orders,SystemLogLevel=WARN")
        self.aws("lambda", "wait", "function-active-v2", "--function-name", "talks")
        for order in (7, 8):
            self.aws("lambda", "invoke", "--function-name", "talks", "--payload", json.dumps({"order": order}), "talks.out")
        self.assertEqual([json.loads(text)["message"] for text in self.events("/orders")], ["order 7", "order 8"])
        self.assertEqual(len(self.events("/orders", "--filter-pattern", '{ $.message = "order 8" }')), 1)
        stream, = self.logs("describe-log-streams", "--log-group-name", "/orders", "--order-by", "LastEventTime", "--descending")["logStreams"]
        self.assertIn("/talks[$LATEST]", stream["logStreamName"])
        got = self.logs("get-log-events", "--log-group-name", "/orders", "--log-stream-name", stream["logStreamName"], "--start-from-head", "--limit", 1)
        self.assertEqual(json.loads(got["events"][0]["message"])["message"], "order 7")
        shown = self.aws("lambda", "get-function-configuration", "--function-name", "talks")["LoggingConfig"]
        self.assertEqual(shown, {"LogFormat": "JSON", "ApplicationLogLevel": "INFO", "SystemLogLevel": "WARN", "LogGroup": "/orders"})

    def test_groups_and_streams_come_and_go(self):
        self.group("/own/one", "a", "b")
        self.group("/own/two")
        self.logs("put-retention-policy", "--log-group-name", "/own/one", "--retention-in-days", 7)
        groups = self.logs("describe-log-groups", "--log-group-name-prefix", "/own/", "--page-size", 1)["logGroups"]
        self.assertEqual([(group["logGroupName"], group.get("retentionInDays")) for group in groups], [("/own/one", 7), ("/own/two", None)])
        self.logs("delete-retention-policy", "--log-group-name", "/own/one")
        self.assertNotIn("retentionInDays", self.logs("describe-log-groups", "--log-group-name-prefix", "/own/one")["logGroups"][0])
        streams = self.logs("describe-log-streams", "--log-group-name", "/own/one", "--page-size", 1)["logStreams"]
        self.assertEqual([stream["logStreamName"] for stream in streams], ["a", "b"])
        self.logs("delete-log-stream", "--log-group-name", "/own/one", "--log-stream-name", "b")
        self.logs("delete-log-group", "--log-group-name", "/own/two")
        self.refused("ResourceNotFoundException", "logs", "describe-log-streams", "--log-group-name", "/own/two")
        self.refused("ResourceAlreadyExistsException", "logs", "create-log-group", "--log-group-name", "/own/one")

    def test_events_are_written_and_read_page_by_page(self):
        self.group("/pages", "s")
        now = int(time.time() * 1_000)
        written = [{"timestamp": now + n, "message": f"line {n}"} for n in range(5)]
        self.logs("put-log-events", "--log-group-name", "/pages", "--log-stream-name", "s", "--log-events", json.dumps(written))
        self.assertEqual(self.events("/pages", "--page-size", 2), [one["message"] for one in written])
        self.assertEqual(self.events("/pages", "--start-time", now + 3), ["line 3", "line 4"])
        self.assertEqual(self.events("/pages", "--filter-pattern", "line -2", "--log-stream-names", "s", "--max-items", 3), ["line 0", "line 1", "line 3"])
        where = ["--log-group-name", "/pages", "--log-stream-name", "s", "--limit", 2]
        last = self.logs("get-log-events", *where)
        self.assertEqual([event["message"] for event in last["events"]], ["line 3", "line 4"])
        before = self.logs("get-log-events", *where, "--next-token", last["nextBackwardToken"])
        self.assertEqual([event["message"] for event in before["events"]], ["line 1", "line 2"])

    def test_what_is_not_there_says_so(self):
        self.refused("UnknownOperationException", "logs", "describe-metric-filters")
