"""Responses that are streamed: InvokeWithResponseStream through boto3, over functions in Node.js and Python."""

import base64
import json
import re
import shutil
import socket
import subprocess
import threading
import time
import unittest

from botocore.eventstream import EventStreamBuffer

from support.case import ServerCase
from support.clients import WAIT, client
from support.deploy import deploy, invoke
from support.package import ROLE, zip_of

# Waits, after its first chunk, for a word from whoever has seen that.
NODE = """
import net from "node:net";
import { pipeline } from "node:stream/promises";

const word = (port) => new Promise((resolve, reject) => net.connect(port, "127.0.0.1").on("data", resolve).on("close", resolve).on("error", reject));

export const handler = awslambda.streamifyResponse(async (event, stream, context) => {
  const cases = {
    waits: async () => { stream.write("first"); await word(event.port); stream.write("second"); stream.end(); },
    http: async () => {
      stream = awslambda.HttpResponseStream.from(stream, { statusCode: 201, headers: { "X-A": "b" } });
      stream.write("body");
      stream.end();
    },
    piped: () => pipeline(async function* () { for (let n = 0; n < event.count; n += 1) yield Buffer.alloc(100000, "x"); }, stream),
    endless: () => pipeline(async function* () { for (;;) yield Buffer.alloc(1000000, "x"); }, stream),
    fails: async () => { throw new RangeError("as asked"); },
    failsMidway: async () => { stream.write("half"); await new Promise(setImmediate); throw new RangeError("as asked"); },
    exits: async () => { stream.write("half"); await new Promise((done) => setTimeout(done, 100)); process.exit(3); },
    hangs: async () => { stream.write("half"); await new Promise((done) => setTimeout(done, 600000)); },
    context: async () => { console.log("printed"); stream.end(JSON.stringify({ event, id: context.awsRequestId, custom: context.clientContext?.custom })); },
  };
  await cases[event.do]();
});
"""
PYTHON = "def handler(event, context):\n    if event == 'fail':\n        raise ValueError('as asked')\n    return 'x' * event\n"


def runtime():
    """The runtime of this machine's Node.js, or none."""
    if node := shutil.which("node"):
        major = re.match(r"v(\d+)", subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout)[1]
        return f"nodejs{major}.x" if major in ("18", "20", "22", "24") else None
    return None


def listen():
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(60)
    return listener, listener.getsockname()[1]


class Streaming(ServerCase):
    def stream(self, name, payload, functions=None, **options):
        return (functions or self.functions).invoke_with_response_stream(FunctionName=name, Payload=json.dumps(payload).encode(), **options)

    def whole(self, name, payload, **options):
        """The bytes, the event that ends the stream, and the answer."""
        answer = self.stream(name, payload, **options)
        events = list(answer["EventStream"])
        chunks, last = events[:-1], events[-1]
        self.assertEqual(list(last), ["InvokeComplete"])
        return b"".join(event["PayloadChunk"]["Payload"] for event in chunks), last["InvokeComplete"], answer


class Buffered(Streaming):
    """Functions that do not stream."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        deploy(cls.functions, "plain", PYTHON, Timeout=5)

    def test_a_buffered_response_comes_in_chunks(self):
        body, last, answer = self.whole("plain", 600_000)
        self.assertEqual(json.loads(body), "x" * 600_000)
        self.assertEqual(last, {})
        self.assertEqual((answer["StatusCode"], answer["ExecutedVersion"]), (200, "$LATEST"))
        self.assertEqual(answer["ResponseStreamContentType"], "application/vnd.amazon.eventstream")
        self.assertEqual([len(event["PayloadChunk"]["Payload"]) for event in list(self.stream("plain", 600_000)["EventStream"])[:-1]], [262_144, 262_144, 75_714])

    def test_a_function_error_is_told_at_the_end(self):
        body, last, answer = self.whole("plain", "fail", LogType="Tail")
        self.assertEqual((body, last["ErrorCode"]), (b"", "Unhandled"))
        details = json.loads(last["ErrorDetails"])
        self.assertEqual((details["errorType"], details["errorMessage"]), ("ValueError", "as asked"))
        log = base64.b64decode(last["LogResult"]).decode()
        self.assertIn(f"START RequestId: {answer['ResponseMetadata']['RequestId']}", log)
        self.assertIn("\nREPORT RequestId: ", log)

    def test_versions_and_aliases(self):
        version = self.functions.publish_version(FunctionName="plain")["Version"]
        self.functions.create_alias(FunctionName="plain", Name="live", FunctionVersion=version)
        for options in ({"Qualifier": version}, {"Qualifier": "live"}):
            self.assertEqual(self.stream("plain", 1, **options)["ExecutedVersion"], version)
        self.assertEqual(self.stream("plain:live", 1)["ExecutedVersion"], version)

    def test_a_dry_run_runs_nothing(self):
        answer = self.stream("plain", 1, InvocationType="DryRun")
        self.assertEqual(answer["StatusCode"], 204)
        self.assertNotIn("ExecutedVersion", answer)
        self.assertEqual(self.stream("plain", 1, InvocationType="RequestResponse")["StatusCode"], 200)

    def test_what_is_refused(self):
        call = self.functions.invoke_with_response_stream
        self.assertIn(":function:gone:$LATEST", self.refused(call, "ResourceNotFoundException", FunctionName="gone"))
        message = self.refused(call, "InvalidRequestContentException", FunctionName="plain", Payload=b"{")
        self.assertIn("Could not parse payload into json", message)
        message = self.refused(call, "RequestEntityTooLargeException", FunctionName="plain", Payload=b'"' + b"x" * 6_291_456 + b'"')
        self.assertEqual(message, "Request must be smaller than 6291456 bytes for the InvokeFunction operation")
        self.assertIn("Client context", self.refused(call, "InvalidRequestContentException", FunctionName="plain", ClientContext="!"))
        unchecked = self.unchecked_functions.invoke_with_response_stream
        self.assertIn("invocationType", self.refused(unchecked, "ValidationException", FunctionName="plain", InvocationType="Event"))
        self.assertIn("logType", self.refused(unchecked, "ValidationException", FunctionName="plain", LogType="All"))
        self.assertIn("TenantId", self.refused(call, "InvalidParameterValueException", FunctionName="plain", TenantId="t"))
        deploy(self.functions, "closed", PYTHON)
        self.functions.put_function_concurrency(FunctionName="closed", ReservedConcurrentExecutions=0)
        self.assertIn("Rate Exceeded", self.refused(call, "TooManyRequestsException", FunctionName="closed"))

    def test_an_empty_payload_is_an_empty_object(self):
        deploy(self.functions, "echo", "def handler(event, context):\n    return event\n")
        answer = self.functions.invoke_with_response_stream(FunctionName="echo")
        self.assertEqual([event for event in answer["EventStream"]], [{"PayloadChunk": {"Payload": b"{}"}}, {"InvokeComplete": {}}])


@unittest.skipUnless(runtime(), "there is no Node.js of a version that AWS offers")
class Streams(Streaming):
    """Functions that stream."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        code = {"ZipFile": zip_of({"index.mjs": NODE})}
        settings = {"Runtime": runtime(), "Role": ROLE, "Handler": "index.handler", "Code": code}
        for name, timeout in (("streams", 60), ("brief", 1)):
            cls.functions.create_function(FunctionName=name, Timeout=timeout, **settings)
            cls.functions.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig=WAIT)

    def test_chunks_arrive_while_the_function_runs(self):
        listener, port = listen()
        with listener:
            events = iter(self.stream("streams", {"do": "waits", "port": port})["EventStream"])
            self.assertEqual(next(events), {"PayloadChunk": {"Payload": b"first"}})
            listener.accept()[0].close()
            self.assertEqual(list(events), [{"PayloadChunk": {"Payload": b"second"}}, {"InvokeComplete": {}}])

    def test_it_is_so_over_http_2(self):
        if "HTTP2" not in subprocess.run(["curl", "--version"], capture_output=True, text=True).stdout:
            self.skipTest("there is no curl that speaks HTTP/2")
        listener, port = listen()
        url = f"{self.address}/2021-11-15/functions/streams/response-streaming-invocations"
        command = ["curl", "--silent", "--no-buffer", "--http2-prior-knowledge", "--include", "--data-binary", json.dumps({"do": "waits", "port": port}), url]
        with listener, subprocess.Popen(command, stdout=subprocess.PIPE) as curl:
            head = iter(curl.stdout.readline, b"\r\n")
            head = b"".join(head).decode().lower()
            self.assertIn("http/2 200", head)
            self.assertIn("x-amz-executed-version: $latest", head)
            self.assertIn("content-type: application/vnd.amazon.eventstream", head)
            buffer, frames = EventStreamBuffer(), []
            while not frames:
                buffer.add_data(curl.stdout.read1())
                frames += list(buffer)
            headers = {":message-type": "event", ":event-type": "PayloadChunk", ":content-type": "application/octet-stream"}
            self.assertEqual((frames[0].headers, frames[0].payload), (headers, b"first"))
            listener.accept()[0].close()
            buffer.add_data(curl.stdout.read())
            frames += list(buffer)
        self.assertEqual([frame.headers[":event-type"] for frame in frames], ["PayloadChunk", "PayloadChunk", "InvokeComplete"])
        self.assertEqual((frames[1].payload, json.loads(frames[2].payload)), (b"second", {}))

    def test_a_plain_invocation_has_the_whole_body(self):
        listener, port = listen()
        with listener:
            threading.Thread(target=lambda: listener.accept()[0].close()).start()
            answer = self.functions.invoke(FunctionName="streams", Payload=json.dumps({"do": "waits", "port": port}))
            self.assertEqual((answer["Payload"].read(), answer.get("FunctionError")), (b"firstsecond", None))
        answer, payload = invoke(self.functions, "streams", {"do": "failsMidway"})
        self.assertEqual((answer["FunctionError"], payload["errorType"]), ("Unhandled", "RangeError"))
        answer, payload = invoke(self.functions, "streams", {"do": "piped", "count": 63})
        self.assertEqual((answer["FunctionError"], payload["errorType"]), ("Unhandled", "Function.ResponseSizeTooLarge"))

    def test_more_than_a_buffered_response_may_hold(self):
        body, last, _ = self.whole("streams", {"do": "piped", "count": 100})
        self.assertEqual((len(body), last), (10_000_000, {}))

    def test_a_response_for_http(self):
        body, _, _ = self.whole("streams", {"do": "http"})
        self.assertEqual(body, b'{"statusCode":201,"headers":{"X-A":"b"}}' + bytes(8) + b"body")

    def test_the_event_the_context_and_the_log(self):
        context = base64.b64encode(b'{"custom":{"k":"v"}}').decode()
        body, last, answer = self.whole("streams", {"do": "context"}, ClientContext=context, LogType="Tail")
        request = answer["ResponseMetadata"]["RequestId"]
        self.assertEqual(json.loads(body), {"event": {"do": "context"}, "id": request, "custom": {"k": "v"}})
        self.assertIn("printed", base64.b64decode(last.pop("LogResult")).decode())
        self.assertEqual(last, {})

    def test_failures_before_and_after_the_first_chunk(self):
        for what, wanted in (("fails", b""), ("failsMidway", b"half")):
            body, last, _ = self.whole("streams", {"do": what})
            details = json.loads(last["ErrorDetails"])
            self.assertEqual((body, last["ErrorCode"], details["errorType"], details["errorMessage"]), (wanted, "Unhandled", "RangeError", "as asked"))
        self.assertEqual(self.whole("streams", {"do": "piped", "count": 1})[1], {})

    def test_a_process_that_ends_midway(self):
        body, last, answer = self.whole("streams", {"do": "exits"})
        request = answer["ResponseMetadata"]["RequestId"]
        message = f"RequestId: {request} Error: Runtime exited with error: exit status 3"
        self.assertEqual((body, last["ErrorCode"]), (b"half", "Unhandled"))
        self.assertEqual(json.loads(last["ErrorDetails"]), {"errorType": "Runtime.ExitError", "errorMessage": message})

    def test_a_function_that_runs_out_of_time_midway(self):
        body, last, answer = self.whole("brief", {"do": "hangs"}, LogType="Tail")
        request = answer["ResponseMetadata"]["RequestId"]
        message = f"RequestId: {request} Error: Task timed out after 1.00 seconds"
        self.assertEqual((body, json.loads(last["ErrorDetails"])), (b"half", {"errorType": "Sandbox.Timedout", "errorMessage": message}))
        self.assertIn("Status: timeout", base64.b64decode(last["LogResult"]).decode())

    def test_an_endless_response_is_cut(self):
        size, last = 0, None
        for event in self.stream("streams", {"do": "endless"})["EventStream"]:
            if "PayloadChunk" in event:
                size += len(event["PayloadChunk"]["Payload"])
            else:
                last = event["InvokeComplete"]
        message = "Response payload size exceeded maximum allowed payload size (209715200 bytes)."
        self.assertEqual(size, 209_715_200)
        self.assertEqual(json.loads(last["ErrorDetails"]), {"errorType": "Function.ResponseSizeTooLarge", "errorMessage": message})

    def test_a_client_that_goes_away(self):
        listener, port = listen()
        gone = client("lambda", self.address)
        with listener:
            answer = self.stream("streams", {"do": "waits", "port": port}, functions=gone)
            self.assertIn("PayloadChunk", next(iter(answer["EventStream"])))
            answer["EventStream"].close()
            # The function is still there, and goes on to its end.
            listener.accept()[0].close()
        self.assertEqual(self.whole("streams", {"do": "http"})[1], {})

    def test_a_client_that_does_not_read(self):
        """A slow reader holds the function up, not the server: its own time ends it."""
        url = self.address.removeprefix("http://")
        body = json.dumps({"do": "endless"})
        with socket.create_connection(url.split(":")) as stalled:
            path = "/2021-11-15/functions/brief/response-streaming-invocations"
            stalled.sendall(f"POST {path} HTTP/1.1\r\nHost: {url}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
            self.assertTrue(stalled.recv(1000).startswith(b"HTTP/1.1 200 OK"))
            time.sleep(1)
            self.assertEqual(self.whole("streams", {"do": "http"})[1], {})
            stalled.settimeout(60)
            received = b""
            while b"Sandbox.Timedout" not in received:
                piece = stalled.recv(1 << 20)
                self.assertTrue(piece, "the end of the stream is missing")
                received = received[-100:] + piece


if __name__ == "__main__":
    unittest.main()
