"""CloudWatch Logs: what functions print, and what clients write, through boto3."""

import json
import pathlib
import re
import shutil
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.request

from support import clients
from support.bare import Bare
from support.case import ServerCase
from support.deploy import deploy, invoke
from support.package import ROLE, zip_of
from support.server import ACCOUNT, REGION, Server

TALK = """
import logging
print("starting")
logging.getLogger().setLevel(logging.INFO)
def handler(event, context):
    print("first", event.get("n"))
    logging.info("two\\nlines")
    if event.get("fail"):
        raise ValueError("no")
    return context.log_stream_name
"""
TRACED = "import os\ndef handler(event, context):\n    return os.environ.get('_X_AMZN_TRACE_ID')\n"
STREAM = re.compile(r"^\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}$")


def now():
    return int(time.time() * 1000)


def messages(answer):
    return [event["message"] for event in answer["events"]]


class FunctionLogs(ServerCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.logs = clients.client("logs", cls.address, inject_host_prefix=False)

    def events(self, name, **options):
        return self.logs.filter_log_events(logGroupName=f"/aws/lambda/{name}", **options)

    def test_an_invocation_is_in_the_log_of_its_worker(self):
        deploy(self.functions, "talk", TALK)
        answer, stream = invoke(self.functions, "talk", {"n": 1})
        request = answer["ResponseMetadata"]["RequestId"]
        again, same = invoke(self.functions, "talk", {"n": 2})
        self.assertEqual(stream, same, "one worker, one stream")
        self.assertRegex(stream, STREAM)
        group = self.logs.describe_log_groups(logGroupNamePrefix="/aws/lambda/talk")["logGroups"][0]
        arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/lambda/talk"
        self.assertEqual((group["arn"], group["logGroupArn"], group["logGroupClass"]), (arn + ":*", arn, "STANDARD"))
        self.assertEqual((group["metricFilterCount"], group.get("retentionInDays")), (0, None))
        self.assertGreater(group["storedBytes"], 0)
        streams = self.logs.describe_log_streams(logGroupName="/aws/lambda/talk")["logStreams"]
        self.assertEqual([one["logStreamName"] for one in streams], [stream])
        self.assertEqual(streams[0]["arn"], f"{arn}:log-stream:{stream}")
        self.assertLessEqual(streams[0]["firstEventTimestamp"], streams[0]["lastEventTimestamp"])
        lines = messages(self.logs.get_log_events(logGroupName="/aws/lambda/talk", logStreamName=stream, startFromHead=True))
        self.assertRegex(lines[0], rf"^INIT_START Runtime Version: python:3\.\d+\.v\d+\tRuntime Version ARN: arn:aws:lambda:{REGION}::runtime:[0-9a-f]{{64}}\n$")
        self.assertEqual(lines[1:4], ["starting\n", f"START RequestId: {request} Version: $LATEST\n", "first 1\n"])
        self.assertRegex(lines[4], rf"^\[INFO\]\t\d{{4}}-\d\d-\d\dT[\d:.]+Z\t{request}\ttwo\nlines\n$")
        self.assertEqual(lines[5], f"END RequestId: {request}\n")
        self.assertRegex(lines[6], rf"^REPORT RequestId: {request}\tDuration: [\d.]+ ms\tBilled Duration: \d+ ms\tMemory Size: 128 MB\t"
                                   r"Max Memory Used: \d+ MB\tInit Duration: [\d.]+ ms\t\n$")
        warm = again["ResponseMetadata"]["RequestId"]
        self.assertEqual(lines[7:9], [f"START RequestId: {warm} Version: $LATEST\n", "first 2\n"])
        self.assertNotIn("Init Duration", lines[11])
        self.assertEqual(len(lines), 12)

    def test_an_exception_is_one_event(self):
        deploy(self.functions, "fails", TALK)
        invoke(self.functions, "fails", {"fail": True})
        found = messages(self.events("fails", filterPattern="Traceback"))
        self.assertEqual(len(found), 1)
        self.assertRegex(found[0], r"^\[ERROR\] ValueError: no\nTraceback \(most recent call last\):\n\u00a0\u00a0File \"/var/task/main\.py\", line \d+, in handler\n")

    def test_a_timeout_is_told_as_aws_tells_it(self):
        deploy(self.functions, "slow", "import time\ndef handler(event, context):\n    time.sleep(30)\n", Timeout=1)
        answer, _ = invoke(self.functions, "slow", {})
        request = answer["ResponseMetadata"]["RequestId"]
        lines = messages(self.events("slow"))
        self.assertRegex("".join(lines), rf"\d{{4}}-\d\d-\d\dT[\d:.]+Z {request} Task timed out after 1\.00 seconds\n")
        self.assertTrue(lines[-1].rstrip().endswith("Status: timeout"), lines)

    def test_each_worker_has_a_stream(self):
        deploy(self.functions, "many", "import time\ndef handler(event, context):\n    time.sleep(1)\n    return context.log_stream_name\n")
        names = set()
        calls = [threading.Thread(target=lambda: names.add(invoke(self.functions, "many", {})[1])) for _ in range(3)]
        for call in calls:
            call.start()
        for call in calls:
            call.join()
        self.assertEqual(len(names), 3)
        pages = self.logs.get_paginator("describe_log_streams").paginate(logGroupName="/aws/lambda/many", PaginationConfig={"PageSize": 1})
        self.assertEqual([stream["logStreamName"] for page in pages for stream in page["logStreams"]], sorted(names))
        found = self.events("many", filterPattern="START")["events"]
        self.assertEqual({event["logStreamName"] for event in found}, names)

    def test_a_trace_goes_through_and_is_named_when_it_is_kept(self):
        deploy(self.functions, "traced", TRACED)
        kept = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
        bare = Bare(self.address)
        for trace in (kept, kept.replace("Sampled=1", "Sampled=0"), None):
            headers = {"Authorization": Bare.AUTHORIZATION.replace("kinesis", "lambda"), **({"X-Amzn-Trace-Id": trace} if trace else {})}
            bare.connection.request("POST", "/2015-03-31/functions/traced/invocations", body=b"{}", headers=headers)
            self.assertEqual(json.loads(bare.connection.getresponse().read()), trace)
        bare.close()
        reports = messages(self.events("traced", filterPattern="REPORT"))
        self.assertEqual(len(reports), 3)
        self.assertTrue(reports[0].endswith("\t\nXRAY TraceId: 1-5759e988-bd862e3fe1be46a994272793\tSegmentId: 53995c3f42cd8ad8\tSampled: true\t\n"), reports)
        self.assertNotIn("XRAY", reports[1] + reports[2])

    def test_a_log_in_json_has_its_own_group_and_levels(self):
        source = (
            "import logging\n"
            "log = logging.getLogger('mine')\n"
            "def handler(event, context):\n"
            "    log.debug('not seen')\n"
            "    log.warning('two\\nlines', extra={'order': 7})\n"
            "    print('plain')\n"
            "    if event.get('fail'):\n"
            "        raise ValueError('no')\n"
        )
        deploy(self.functions, "json", source, LoggingConfig={"LogFormat": "JSON", "LogGroup": "/shared"})
        shown = self.functions.get_function_configuration(FunctionName="json")["LoggingConfig"]
        self.assertEqual(shown, {"LogFormat": "JSON", "ApplicationLogLevel": "INFO", "SystemLogLevel": "INFO", "LogGroup": "/shared"})
        answer, _ = invoke(self.functions, "json", {})
        request = answer["ResponseMetadata"]["RequestId"]
        found = self.logs.filter_log_events(logGroupName="/shared")["events"]
        self.assertRegex(found[0]["logStreamName"], r"^\d{4}/\d\d/\d\d/json\[\$LATEST\][0-9a-f]{32}$")
        self.assertEqual(found[3]["message"], "plain\n")
        init, start, warning, report = [json.loads(found[n]["message"]) for n in (0, 1, 2, 4)]
        self.assertEqual((init["type"], init["record"]["functionName"], init["record"]["phase"]), ("platform.initStart", "json", "init"))
        self.assertEqual(start["record"], {"requestId": request, "functionArn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:json", "version": "$LATEST"})
        self.assertEqual({**warning, "timestamp": ""}, {"timestamp": "", "level": "WARNING", "message": "two\nlines", "logger": "mine", "requestId": request, "order": 7})
        self.assertEqual((report["type"], report["record"]["requestId"], report["record"]["status"]), ("platform.report", request, "success"))
        self.assertEqual(set(report["record"]["metrics"]), {"durationMs", "billedDurationMs", "memorySizeMB", "maxMemoryUsedMB", "initDurationMs"})
        self.assertEqual(len(found), 5)
        # Fewer of the platform's, more of the function's.
        self.functions.update_function_configuration(FunctionName="json", LoggingConfig={"ApplicationLogLevel": "DEBUG", "SystemLogLevel": "WARN"})
        self.functions.get_waiter("function_updated_v2").wait(FunctionName="json", WaiterConfig=clients.WAIT)
        at = now()
        invoke(self.functions, "json", {})
        invoke(self.functions, "json", {"fail": True})
        found = messages(self.logs.filter_log_events(logGroupName="/shared", startTime=at))
        kinds = [json.loads(text) for text in found if text != "plain\n"]
        self.assertEqual([one.get("type") or one.get("level") or one.get("log_level") for one in kinds],
                         ["DEBUG", "WARNING", "DEBUG", "WARNING", "ERROR", "platform.runtimeDone", "platform.report"])
        self.assertEqual((kinds[4]["errorType"], kinds[4]["errorMessage"]), ("ValueError", "no"))
        self.assertEqual(kinds[-1]["record"]["status"], "failure")
        self.assertEqual(len(self.logs.filter_log_events(logGroupName="/shared", startTime=at, filterPattern='{ $.level = "DEBUG" }')["events"]), 2)
        # Text again, in the function's own group.
        self.functions.update_function_configuration(FunctionName="json", LoggingConfig={"LogFormat": "Text", "LogGroup": "/aws/lambda/json"})
        self.functions.get_waiter("function_updated_v2").wait(FunctionName="json", WaiterConfig=clients.WAIT)
        shown = self.functions.get_function_configuration(FunctionName="json")["LoggingConfig"]
        self.assertEqual(shown, {"LogFormat": "Text", "LogGroup": "/aws/lambda/json"})
        invoke(self.functions, "json", {})
        self.assertTrue(messages(self.events("json", filterPattern="REPORT")))
        self.refused(self.functions.update_function_configuration, "InvalidParameterValueException", FunctionName="json",
                     LoggingConfig={"SystemLogLevel": "WARN"})

    def test_all_events_of_the_platform_are_there_at_debug(self):
        deploy(self.functions, "verbose", "def handler(event, context):\n    return 1\n",
               LoggingConfig={"LogFormat": "JSON", "SystemLogLevel": "DEBUG", "ApplicationLogLevel": "FATAL"})
        invoke(self.functions, "verbose", {})
        found = [json.loads(text) for text in messages(self.events("verbose"))]
        self.assertEqual([one["type"] for one in found], ["platform." + kind for kind in (
            "initStart", "initRuntimeDone", "initReport", "start", "runtimeDone", "report")])
        for one in found[:3]:
            self.assertEqual((one["record"]["initializationType"], one["record"]["phase"]), ("on-demand", "init"))
        self.assertEqual([one["record"]["status"] for one in found if "status" in one["record"]], ["success"] * 4)
        self.assertEqual(set(found[2]["record"]["metrics"]), {"durationMs"})

    def test_a_configured_log_outlives_a_restart(self):
        with tempfile.TemporaryDirectory(prefix="millstream-logs-") as directory:
            server = Server(data=directory)
            self.addCleanup(server.kill)
            functions = clients.client("lambda", server.address)
            deploy(functions, "kept", "def handler(event, context):\n    return 1\n",
                   LoggingConfig={"LogFormat": "JSON", "SystemLogLevel": "WARN", "LogGroup": "/kept"})
            wanted = functions.get_function_configuration(FunctionName="kept")["LoggingConfig"]
            server.kill()
            server = Server(data=directory)
            self.addCleanup(server.kill)
            functions = clients.client("lambda", server.address)
            self.assertEqual(functions.get_function_configuration(FunctionName="kept")["LoggingConfig"], wanted)
            self.assertEqual(wanted, {"LogFormat": "JSON", "ApplicationLogLevel": "INFO", "SystemLogLevel": "WARN", "LogGroup": "/kept"})

    @unittest.skipUnless(shutil.which("node"), "there is no Node.js")
    def test_a_message_of_node_is_one_event_in_either_format(self):
        source = "exports.handler = async (event) => { console.log('two\\nlines', 7); console.warn({ a: [1] }); if (event.fail) throw new TypeError('no'); };\n"
        major = subprocess.run(["node", "-p", "process.versions.node.split('.')[0]"], capture_output=True, text=True, check=True).stdout.strip()
        for form, group in (("Text", "/aws/lambda/node"), ("JSON", "/node")):
            name = "node" if form == "Text" else "nodejson"
            try:
                self.functions.create_function(FunctionName=name, Runtime=f"nodejs{major}.x", Handler="index.handler", Role=ROLE,
                                               Code={"ZipFile": zip_of({"index.js": source})}, LoggingConfig={"LogFormat": form, "LogGroup": group})
            except self.functions.exceptions.ClientError:
                self.skipTest(f"Node.js {major} is none of AWS's")
            self.functions.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig=clients.WAIT)
            answer, _ = invoke(self.functions, name, {"fail": True})
            request = answer["ResponseMetadata"]["RequestId"]
            found = messages(self.logs.filter_log_events(logGroupName=group))
            if form == "Text":
                self.assertTrue(any(text.endswith(f"\t{request}\tINFO\ttwo\nlines 7\n") for text in found), found)
                continue
            shown = [json.loads(text) for text in found]
            shown = [{**one, "timestamp": ""} for one in shown if "level" in one]
            self.assertEqual(shown[0], {"timestamp": "", "level": "INFO", "requestId": request, "message": "two\nlines 7"})
            self.assertEqual(shown[1], {"timestamp": "", "level": "WARN", "requestId": request, "message": {"a": [1]}})
            self.assertEqual((shown[2]["level"], shown[2]["message"]["errorType"], shown[2]["message"]["errorMessage"]), ("ERROR", "TypeError", "no"))

    def test_metrics_have_cloudwatchs_names(self):
        deploy(self.functions, "metered", TALK)
        invoke(self.functions, "metered", {})
        invoke(self.functions, "metered", {"fail": True})
        self.functions.put_function_concurrency(FunctionName="metered", ReservedConcurrentExecutions=0)
        self.refused(self.functions.invoke, "TooManyRequestsException", FunctionName="metered")
        text = urllib.request.urlopen(self.address + "/_millstream/metrics").read().decode()
        labels = f'{{function_name="metered",account_id="{ACCOUNT}",region="{REGION}"}}'
        for line in (f"millstream_lambda_invocations_total{labels} 2", f"millstream_lambda_errors_total{labels} 1",
                     f"millstream_lambda_throttles_total{labels} 1", f"millstream_lambda_duration_milliseconds_count{labels} 2",
                     f"millstream_lambda_init_duration_milliseconds_count{labels} 1", f"millstream_lambda_concurrent_executions{labels} 0"):
            self.assertIn(line + "\n", text)
        self.assertIn("millstream_lambda_unreserved_concurrent_executions", text)
        self.assertIn("millstream_function_log_dropped_lines_total 0", text)
        self.functions.delete_function(FunctionName="metered")
        self.eventually(lambda: labels not in urllib.request.urlopen(self.address + "/_millstream/metrics").read().decode(), "a deleted function is not counted")

    def test_live_tail_shows_what_comes(self):
        deploy(self.functions, "live", TALK)
        invoke(self.functions, "live", {"n": "before"})
        arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/lambda/live"
        answer = self.logs.start_live_tail(logGroupIdentifiers=[arn], logEventFilterPattern="first")
        seen = []
        for event in answer["responseStream"]:
            if "sessionStart" in event:
                start = event["sessionStart"]
                self.assertEqual((start["logGroupIdentifiers"], start["logEventFilterPattern"]), ([arn], "first"))
                self.assertTrue(start["sessionId"] and start["requestId"])
                for n in range(3):
                    invoke(self.functions, "live", {"n": n})
                continue
            update = event["sessionUpdate"]
            self.assertEqual(update["sessionMetadata"], {"sampled": False})
            seen += update["sessionResults"]
            if len(seen) >= 3:
                break
        answer["responseStream"].close()
        self.assertEqual([event["message"] for event in seen], ["first 0\n", "first 1\n", "first 2\n"])
        self.assertEqual({event["logGroupIdentifier"] for event in seen}, {arn})
        self.assertRegex(seen[0]["logStreamName"], STREAM)

    def test_live_tail_refuses_what_aws_refuses(self):
        self.logs.create_log_group(logGroupName="/live/a")
        arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/live/a"
        tail = self.logs.start_live_tail
        self.refused(tail, "ResourceNotFoundException", logGroupIdentifiers=[arn + "b"])
        self.refused(tail, "InvalidParameterException", logGroupIdentifiers=[arn], logStreamNames=["a"], logStreamNamePrefixes=["b"])
        self.refused(tail, "InvalidParameterException", logGroupIdentifiers=[arn, arn], logStreamNames=["a"])
        self.refused(tail, "InvalidParameterException", logGroupIdentifiers=[arn + ":*"])
        self.refused(tail, "InvalidParameterException", logGroupIdentifiers=[arn], logEventFilterPattern="[a]")
        open_ones = [tail(logGroupIdentifiers=[arn]) for _ in range(15)]
        self.refused(tail, "LimitExceededException", logGroupIdentifiers=[arn])
        for one in open_ones:
            one["responseStream"].close()


class Groups(ServerCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.logs = clients.client("logs", cls.address)
        cls.loose = clients.client("logs", cls.address, parameter_validation=False)

    def group(self, name, *streams):
        self.logs.create_log_group(logGroupName=name)
        for stream in streams:
            self.logs.create_log_stream(logGroupName=name, logStreamName=stream)

    def put(self, group, stream, *texts, at=None):
        at = at or now()
        events = [{"timestamp": at + n, "message": text} for n, text in enumerate(texts)]
        return self.logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)

    def test_groups_from_beginning_to_end(self):
        self.logs.create_log_group(logGroupName="/g/one", tags={"team": "x"})
        self.assertIn("already exists", self.refused(self.logs.create_log_group, "ResourceAlreadyExistsException", logGroupName="/g/one"))
        self.group("/g/two")
        self.group("/other")
        named = lambda **options: [group["logGroupName"] for group in self.logs.describe_log_groups(**options)["logGroups"]]
        self.assertEqual(named(logGroupNamePrefix="/g/"), ["/g/one", "/g/two"])
        self.assertEqual(named(logGroupNamePattern="the"), ["/other"])
        self.assertEqual(named(logGroupIdentifiers=["/other", "/g/one"]), ["/g/one", "/other"])
        self.assertEqual(named(logGroupNamePrefix="/g/", logGroupClass="INFREQUENT_ACCESS"), [])
        pages = self.logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix="/g/", PaginationConfig={"PageSize": 1})
        self.assertEqual([[group["logGroupName"] for group in page["logGroups"]] for page in pages], [["/g/one"], ["/g/two"]])
        self.logs.put_retention_policy(logGroupName="/g/one", retentionInDays=7)
        self.assertEqual(self.logs.describe_log_groups(logGroupNamePrefix="/g/one")["logGroups"][0]["retentionInDays"], 7)
        self.logs.delete_retention_policy(logGroupName="/g/one")
        self.assertNotIn("retentionInDays", self.logs.describe_log_groups(logGroupNamePrefix="/g/one")["logGroups"][0])
        self.logs.delete_log_group(logGroupName="/g/one")
        self.assertEqual(named(logGroupNamePrefix="/g/"), ["/g/two"])
        gone = {"logGroupName": "/g/one"}
        for call, more in ((self.logs.delete_log_group, {}), (self.logs.delete_retention_policy, {}), (self.logs.describe_log_streams, {}),
                           (self.logs.put_retention_policy, {"retentionInDays": 1}), (self.logs.create_log_stream, {"logStreamName": "s"}),
                           (self.logs.delete_log_stream, {"logStreamName": "s"}), (self.logs.get_log_events, {"logStreamName": "s"}),
                           (self.logs.filter_log_events, {}), (self.logs.put_log_events, {"logStreamName": "s", "logEvents": [{"timestamp": now(), "message": "x"}]})):
            self.assertEqual(self.refused(call, "ResourceNotFoundException", **gone, **more), "The specified log group does not exist.")

    def test_streams_are_listed_by_name_or_by_their_last_event(self):
        self.group("/streams", "b", "a", "c")
        self.refused(self.logs.create_log_stream, "ResourceAlreadyExistsException", logGroupName="/streams", logStreamName="a")
        self.put("/streams", "b", "x", at=now() - 5_000)
        self.put("/streams", "a", "x", at=now() - 1_000)
        listed = lambda **options: [stream["logStreamName"] for stream in self.logs.describe_log_streams(logGroupName="/streams", **options)["logStreams"]]
        self.assertEqual(listed(), ["a", "b", "c"])
        self.assertEqual(listed(descending=True), ["c", "b", "a"])
        self.assertEqual(listed(orderBy="LastEventTime", descending=True), ["a", "b", "c"])
        self.assertEqual(listed(orderBy="LastEventTime"), ["c", "b", "a"])
        self.assertEqual(listed(logStreamNamePrefix="b"), ["b"])
        pages = self.logs.get_paginator("describe_log_streams").paginate(
            logGroupIdentifier=f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/streams", orderBy="LastEventTime", descending=True, PaginationConfig={"PageSize": 2})
        self.assertEqual([stream["logStreamName"] for page in pages for stream in page["logStreams"]], ["a", "b", "c"])
        self.assertIn("LastEventTime", self.refused(self.logs.describe_log_streams, "InvalidParameterException", logGroupName="/streams",
                                                    orderBy="LastEventTime", logStreamNamePrefix="a"))
        self.logs.delete_log_stream(logGroupName="/streams", logStreamName="a")
        self.assertEqual(listed(), ["b", "c"])
        for call in (self.logs.delete_log_stream, self.logs.get_log_events):
            self.assertEqual(self.refused(call, "ResourceNotFoundException", logGroupName="/streams", logStreamName="a"),
                             "The specified log stream does not exist.")

    def test_get_log_events_goes_both_ways_and_tokens_repeat_at_the_ends(self):
        self.group("/get", "s")
        at = now() - 60_000
        self.put("/get", "s", *[f"{n:02}" for n in range(10)], at=at)
        get = lambda **options: self.logs.get_log_events(logGroupName="/get", logStreamName="s", **options)
        last = get(limit=3)
        self.assertEqual(messages(last), ["07", "08", "09"])
        before = get(limit=3, nextToken=last["nextBackwardToken"])
        self.assertEqual(messages(before), ["04", "05", "06"])
        self.assertEqual(messages(get(limit=3, nextToken=before["nextForwardToken"])), ["07", "08", "09"])
        token, seen = get(limit=4, startFromHead=True), []
        while True:
            seen += messages(token)
            following = get(limit=4, nextToken=token["nextForwardToken"], startFromHead=True)
            if following["nextForwardToken"] == token["nextForwardToken"]:
                break
            token = following
        self.assertEqual(seen, [f"{n:02}" for n in range(10)])
        self.assertEqual(following["events"], [])
        self.put("/get", "s", "10", at=at + 10)
        self.assertEqual(messages(get(nextToken=following["nextForwardToken"])), ["10"])
        self.assertEqual(messages(get(nextToken=following["nextBackwardToken"], limit=1)), ["09"])
        first = get(limit=4, startFromHead=True)["nextBackwardToken"]
        self.assertEqual(get(nextToken=first)["nextBackwardToken"], first)
        self.assertEqual(messages(get(startTime=at + 2, endTime=at + 5)), ["02", "03", "04"])
        event = get(limit=1)["events"][0]
        self.assertEqual(event["timestamp"], at + 10)
        self.assertAlmostEqual(event["ingestionTime"], now(), delta=60_000)
        for bad in ("x", "f/1/s", "f/" + "9" * 56 + "/s"):
            self.assertEqual(self.refused(get, "InvalidParameterException", nextToken=bad), "The specified nextToken is invalid.")

    def test_filter_log_events_goes_through_all_streams_in_order(self):
        self.group("/filter", "a", "b", "c")
        at = now() - 60_000
        for n in range(12):
            self.put("/filter", "abc"[n % 3], json.dumps({"n": n, "level": "ERROR" if n % 2 else "INFO"}), at=at + n)
        find = lambda **options: self.logs.filter_log_events(logGroupName="/filter", **options)
        numbers = lambda answer: [json.loads(text)["n"] for text in messages(answer)]
        self.assertEqual(numbers(find()), list(range(12)))
        self.assertEqual(find()["searchedLogStreams"], [])
        self.assertEqual(numbers(find(logStreamNames=["a", "c"])), [0, 2, 3, 5, 6, 8, 9, 11])
        self.assertEqual(numbers(find(logStreamNamePrefix="b")), [1, 4, 7, 10])
        self.assertEqual(numbers(find(filterPattern='{ $.level = "ERROR" && $.n > 5 }')), [7, 9, 11])
        self.assertEqual(numbers(find(filterPattern="?WARN ?INFO")), [0, 2, 4, 6, 8, 10])
        self.assertEqual(numbers(find(startTime=at + 3, endTime=at + 5)), [3, 4, 5])
        self.assertEqual(numbers(find(startFromHead=False, startTime=at, limit=2)), [11, 10])
        pages = self.logs.get_paginator("filter_log_events").paginate(logGroupName="/filter", filterPattern="ERROR", PaginationConfig={"PageSize": 2})
        pages = list(pages)
        self.assertEqual([n for page in pages for n in numbers(page)], [1, 3, 5, 7, 9, 11])
        ids = [event["eventId"] for page in pages for event in page["events"]]
        self.assertEqual((len(set(ids)), sorted(ids)), (6, ids))
        self.refused(find, "InvalidParameterException", logStreamNames=["a"], logStreamNamePrefix="a")
        self.refused(find, "InvalidParameterException", startFromHead=False)
        self.refused(find, "ResourceNotFoundException", logStreamNames=["a", "nowhere"])
        self.refused(find, "InvalidParameterException", nextToken="x")
        self.assertIn("Invalid character(s) in term", self.refused(find, "InvalidParameterException", filterPattern="a:b"))
        self.assertIn("must end with '}'", self.refused(find, "InvalidParameterException", filterPattern="{ $.a = 1"))

    def test_put_log_events_takes_what_aws_takes(self):
        self.group("/put", "s")
        put = lambda *events: self.logs.put_log_events(logGroupName="/put", logStreamName="s",
                                                       logEvents=[{"timestamp": at, "message": text} for at, text in events])
        self.assertTrue(put((now(), "x"))["nextSequenceToken"])
        message = lambda *events: self.refused(lambda: put(*events), "InvalidParameterException")
        self.assertIn("chronological order", message((now(), "b"), (now() - 1_000, "a")))
        self.assertIn("24 hours", message((now() - 90_000_000, "a"), (now(), "b")))
        self.assertIn("Upload too large", message(*[(now(), "x" * 100_000)] * 11))
        self.assertIn("too large", message((now(), "x" * 1_048_577)))
        rejected = put((now() - 20 * 86_400_000, "old"), (now(), "good"), (now() + 10_800_000, "new"))["rejectedLogEventsInfo"]
        self.assertEqual(rejected, {"tooOldLogEventEndIndex": 1, "tooNewLogEventStartIndex": 2})
        found = messages(self.logs.get_log_events(logGroupName="/put", logStreamName="s"))
        self.assertEqual(found, ["x", "good"])
        self.refused(self.logs.put_log_events, "ResourceNotFoundException", logGroupName="/put", logStreamName="t", logEvents=[{"timestamp": 1, "message": "old"}])

    def test_what_the_model_forbids_is_an_invalid_parameter(self):
        for call, arguments, words in (
            (self.loose.create_log_group, {}, "logGroupName"), (self.loose.create_log_group, {"logGroupName": "no spaces"}, "pattern"),
            (self.loose.create_log_group, {"logGroupName": "aws/x"}, "reserved"), (self.loose.create_log_group, {"logGroupName": "k", "kmsKeyId": "k"}, "kmsKeyId"),
            (self.loose.create_log_group, {"logGroupName": "k", "logGroupClass": "DELIVERY"}, "logGroupClass"),
            (self.loose.create_log_group, {"logGroupName": "k", "deletionProtectionEnabled": True}, "deletionProtectionEnabled"),
            (self.loose.describe_log_groups, {"limit": 51}, "less than or equal to 50"), (self.loose.describe_log_groups, {"nextToken": "x"}, "nextToken"),
            (self.loose.describe_log_groups, {"includeLinkedAccounts": True}, "includeLinkedAccounts"),
            (self.loose.describe_log_groups, {"accountIdentifiers": ["111122223333"]}, "accountIdentifiers"),
            (self.loose.describe_log_groups, {"logGroupNamePrefix": "a", "logGroupNamePattern": "b"}, "mutually exclusive"),
            (self.loose.describe_log_groups, {"logGroupNamePrefix": "a", "logGroupIdentifiers": ["b"]}, "logGroupIdentifiers"),
            (self.loose.describe_log_streams, {}, "logGroup"), (self.loose.describe_log_streams, {"logGroupName": "a", "logGroupIdentifier": "a"}, "logGroup"),
            (self.loose.put_retention_policy, {"logGroupName": "a", "retentionInDays": 2}, "enum value set"),
            (self.loose.filter_log_events, {"logGroupName": "a", "limit": 10_001}, "less than or equal to 10000"),
            (self.loose.filter_log_events, {"logGroupIdentifier": "arn:aws:sqs:us-east-1:000000000000:q"}, "ARN"),
            (self.loose.get_log_events, {"logGroupName": "a"}, "logStreamName"), (self.loose.create_log_stream, {"logGroupName": "a", "logStreamName": "a:b"}, "pattern"),
        ):
            self.assertIn(words, self.refused(call, "InvalidParameterException", **arguments), arguments)

    def test_the_rest_of_the_service_is_not_there_and_says_so(self):
        for call, arguments in ((self.logs.list_tags_for_resource, {"resourceArn": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:x"}),
                                (self.logs.describe_metric_filters, {}), (self.logs.start_query, {"startTime": 0, "endTime": 1, "queryString": "x"})):
            self.assertIn("not an operation that this version", self.refused(call, "UnknownOperationException", **arguments))

    def test_accounts_and_regions_have_groups_of_their_own(self):
        self.group("/own", "s")
        far = clients.client("logs", self.address, region_name="eu-west-1")
        self.refused(far.describe_log_streams, "ResourceNotFoundException", logGroupName="/own")
        far.create_log_group(logGroupName="/own")
        self.assertEqual(far.describe_log_groups()["logGroups"][0]["logGroupArn"], f"arn:aws:logs:eu-west-1:{ACCOUNT}:log-group:/own")
        functions = clients.client("lambda", self.address, region_name="eu-west-1")
        deploy(functions, "far", TALK)
        invoke(functions, "far", {})
        self.assertTrue(far.filter_log_events(logGroupName="/aws/lambda/far")["events"])
        self.refused(self.logs.filter_log_events, "ResourceNotFoundException", logGroupName="/aws/lambda/far")
        self.refused(self.logs.filter_log_events, "ResourceNotFoundException", logGroupIdentifier=f"arn:aws:logs:eu-west-1:{ACCOUNT}:log-group:/own")


class Restart(unittest.TestCase):
    def test_logs_are_there_after_a_restart_and_after_a_kill(self):
        with tempfile.TemporaryDirectory(prefix="millstream-logs-") as data:
            with Server(data=data) as server:
                logs, functions = clients.client("logs", server.address), clients.client("lambda", server.address)
                deploy(functions, "kept", TALK)
                invoke(functions, "kept", {"n": 1})
                logs.put_retention_policy(logGroupName="/aws/lambda/kept", retentionInDays=30)
                logs.create_log_stream(logGroupName="/aws/lambda/kept", logStreamName="mine")
                before = logs.filter_log_events(logGroupName="/aws/lambda/kept")["events"]
                self.assertEqual(server.signal_and_wait(), 0, server.log())
            with Server(data=data) as server:
                logs, functions = clients.client("logs", server.address), clients.client("lambda", server.address)
                self.assertEqual(logs.filter_log_events(logGroupName="/aws/lambda/kept")["events"], before)
                self.assertEqual(logs.describe_log_groups()["logGroups"][0]["retentionInDays"], 30)
                at = now()
                logs.put_log_events(logGroupName="/aws/lambda/kept", logStreamName="mine", logEvents=[{"timestamp": at, "message": "acknowledged"}])
                invoke(functions, "kept", {"n": 2})
                # What was read was written; a killed process takes nothing of it along.
                seen = logs.filter_log_events(logGroupName="/aws/lambda/kept")["events"]
                server.kill()
            with Server(data=data) as server:
                logs = clients.client("logs", server.address)
                self.assertEqual(logs.filter_log_events(logGroupName="/aws/lambda/kept")["events"], seen)
                self.assertIn("acknowledged", [event["message"] for event in seen])

    def test_the_oldest_goes_when_there_is_too_much(self):
        limits = ("--function-log-group-bytes", "1MiB", "--function-logs-bytes", "4MiB")
        with tempfile.TemporaryDirectory(prefix="millstream-logs-") as data, Server(data=data, arguments=limits) as server:
            logs, functions = clients.client("logs", server.address), clients.client("lambda", server.address)
            deploy(functions, "loud", "def handler(event, context):\n    for n in range(5000): print(event['i'], n, 'x' * 90)\n")
            for i in range(8):
                invoke(functions, "loud", {"i": i})
            kept = pathlib.Path(data, "function-logs")
            logs.filter_log_events(logGroupName="/aws/lambda/loud", limit=1)
            size = sum(path.stat().st_size for path in kept.rglob("*.log"))
            self.assertLess(size, 3 << 19)
            group = logs.describe_log_groups()["logGroups"][0]
            self.assertEqual(group["storedBytes"], size)
            newest = logs.filter_log_events(logGroupName="/aws/lambda/loud", startFromHead=False, startTime=now() - 600_000, limit=1)["events"][0]
            self.assertTrue(newest["message"].startswith("REPORT"), newest)
            self.assertEqual(logs.filter_log_events(logGroupName="/aws/lambda/loud", filterPattern="INIT_START")["events"], [])
