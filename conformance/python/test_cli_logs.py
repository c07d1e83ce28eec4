"""`millstream function logs`."""

import json
import time

from support.case import ServerCase
from support.clients import client
from support.deploy import deploy, invoke
from support.program import Running, run

TALK = "def handler(event, context):\n    print('said', event.get('n'))\n    if event.get('fail'):\n        raise ValueError('no')\n    return context.log_stream_name\n"


class LogCommands(ServerCase):
    def ok(self, *arguments):
        done = run(self.address, "function", "logs", *arguments)
        self.assertEqual(done.code, 0, done)
        return done

    def fails(self, *arguments):
        done = run(self.address, "function", "logs", *arguments)
        self.assertEqual(done.code, 1, done)
        return done.error

    def test_what_was_printed_is_shown(self):
        deploy(self.functions, "shown", TALK)
        self.assertIn("nothing was printed yet", self.ok("shown").error)
        answer, stream = invoke(self.functions, "shown", {"n": 1})
        invoke(self.functions, "shown", {"fail": True})
        lines = self.ok("shown").lines()
        self.assertRegex(lines[0], r"^\d{4}-\d\d-\d\dT[\d:.]+Z  [0-9a-f]{8}  INIT_START Runtime Version: python")
        self.assertIn(f"  {stream[-8:]}  said 1", lines[2])
        self.assertIn("  [ERROR] ValueError: no", "\n".join(lines))
        self.assertIn("    Traceback (most recent call last):", lines)
        for name in ("arn:aws:lambda:us-east-1:000000000000:function:shown", "/aws/lambda/shown", "shown:$LATEST"):
            self.assertEqual(self.ok(name).lines(), lines, name)
        self.assertEqual(len(self.ok("shown", "--filter", "said").lines()), 2)
        whole = [json.loads(line) for line in self.ok("shown", "--format", "json").lines()]
        self.assertEqual(whole[2]["message"], "said 1\n")
        self.assertEqual(whole[2]["logStreamName"], stream)
        self.assertEqual(len({event["eventId"] for event in whole}), len(whole))
        self.assertEqual(self.ok("shown", "--since", "latest").lines(), [])
        self.assertEqual(self.ok("shown", "--since", "trim-horizon").lines(), lines)

    def test_following_goes_across_workers_and_ends_cleanly(self):
        deploy(self.functions, "followed", TALK)
        with Running(self.address, "function", "logs", "followed", "--follow", "--filter", "said") as following:
            invoke(self.functions, "followed", {"n": 1})
            first = following.lines(1)[0]
            # Another worker: the configuration has changed.
            self.functions.update_function_configuration(FunctionName="followed", Timeout=9)
            self.functions.get_waiter("function_updated_v2").wait(FunctionName="followed", WaiterConfig={"Delay": 0.05, "MaxAttempts": 400})
            invoke(self.functions, "followed", {"n": 2})
            second = following.lines(1)[0]
            time.sleep(1.2)
            code, rest = following.end()
        self.assertEqual((code, rest), (0, ""), following)
        self.assertTrue(first.endswith("said 1") and second.endswith("said 2"), (first, second))
        self.assertNotEqual(first.split()[1], second.split()[1])

    def test_following_a_group_that_somebody_writes_late_to_misses_nothing(self):
        logs = client("logs", self.address)
        logs.create_log_group(logGroupName="/late")
        for stream in "ab":
            logs.create_log_stream(logGroupName="/late", logStreamName=stream)
        at = int(time.time() * 1000)
        with Running(self.address, "function", "logs", "/late", "-f") as following:
            logs.put_log_events(logGroupName="/late", logStreamName="a", logEvents=[{"timestamp": at, "message": "on time"}])
            self.assertTrue(following.lines(1)[0].endswith("on time"))
            logs.put_log_events(logGroupName="/late", logStreamName="b", logEvents=[{"timestamp": at - 5_000, "message": "late"}])
            self.assertTrue(following.lines(1)[0].endswith("late"))
            self.assertEqual(following.end(), (0, ""))

    def test_errors_help(self):
        deploy(self.functions, "enrich", TALK)
        self.assertIn("Did you mean enrich?", self.fails("enrihc"))
        self.assertIn("ResourceNotFoundException", self.fails("enrihc"))
        invoke(self.functions, "enrich", {})
        self.assertIn("Invalid character(s) in term 'a:b'", self.fails("enrich", "--filter", "a:b"))
        self.functions.delete_function(FunctionName="enrich")
        self.assertIn("said", self.ok("enrich").out)
        done = run("http://127.0.0.1:9", "function", "logs", "x")
        self.assertIn("No server answers", done.error)
