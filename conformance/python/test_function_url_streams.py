"""Function URLs of the mode RESPONSE_STREAM, called with plain HTTP."""

import http.client
import json
import socket
import unittest
import urllib.parse

from support.case import ServerCase
from support.clients import WAIT
from support.deploy import deploy
from support.package import ROLE, zip_of
from test_function_urls import call
from test_streaming import listen, runtime

STREAMS = """
import net from "node:net";
const word = (port) => new Promise((resolve, reject) => net.connect(port, "127.0.0.1").on("data", resolve).on("close", resolve).on("error", reject));
const from = (stream, head) => awslambda.HttpResponseStream.from(stream, head);

export const handler = awslambda.streamifyResponse(async (event, stream) => {
  const cases = {
    "/waits": async () => {
      stream = from(stream, { statusCode: 201, headers: { "Content-Type": "text/plain", "X-A": "b" }, cookies: ["c=1", "d=2"] });
      stream.write("first");
      await word(event.queryStringParameters.port);
      stream.end("second");
    },
    "/plain": async () => { stream.setContentType("text/csv"); stream.write("a,b"); stream.end(); },
    "/bytes": async () => { stream = from(stream, {}); stream.write(Buffer.from([0, 255])); stream.end(); },
    "/empty": async () => { stream = from(stream, { statusCode: 204 }); stream.write(""); stream.end(); },
    // AWS's client writes the head before the first write, and there is none.
    "/headless": async () => { from(stream, { statusCode: 204 }).end(); },
    "/nothing": async () => { stream.end(); },
    "/fails": async () => { throw new Error("as asked"); },
    "/fails-midway": async () => { stream.setContentType("text/plain"); stream.write("half"); await new Promise((done) => setTimeout(done, 100)); throw new Error("as asked"); },
    "/status": async () => { from(stream, { statusCode: 99 }).end("x"); },
    "/prelude": async () => { stream.setContentType("application/vnd.awslambda.http-integration-response"); stream.write("no json" + "\\0".repeat(8)); stream.end("x"); },
    "/endless-prelude": async () => { stream.setContentType("application/vnd.awslambda.http-integration-response"); stream.write("x".repeat(300000)); stream.end(); },
    "/split": async () => {
      stream.setContentType("application/vnd.awslambda.http-integration-response");
      for (const part of ['{"statusC', 'ode":202}', "\\0\\0\\0", "\\0\\0\\0\\0", "\\0bo"]) { stream.write(part); await new Promise((done) => setTimeout(done, 20)); }
      stream.end("dy");
    },
  };
  await cases[event.rawPath]();
});
"""


class FunctionUrlStreams(ServerCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        deploy(cls.functions, "buffered", "def handler(event, context):\n    return {'statusCode': 201, 'body': event['rawPath']}\n")
        cls.buffered = cls.url("buffered")
        if runtime():
            cls.functions.create_function(FunctionName="streams", Runtime=runtime(), Handler="index.handler", Role=ROLE, Timeout=20,
                                          Code={"ZipFile": zip_of({"index.mjs": STREAMS})})
            cls.functions.get_waiter("function_active_v2").wait(FunctionName="streams", WaiterConfig=WAIT)
            cls.streams = cls.url("streams")

    @classmethod
    def url(cls, name):
        made = cls.functions.create_function_url_config(FunctionName=name, AuthType="NONE", InvokeMode="RESPONSE_STREAM")
        return made["FunctionUrl"]

    def setUp(self):
        if runtime() is None and self._testMethodName != "test_the_result_of_a_handler_that_does_not_stream_is_the_body":
            self.skipTest("no Node.js of a version that Lambda has")

    def test_the_result_of_a_handler_that_does_not_stream_is_the_body(self):
        status, headers, body = call(self.buffered, "/a")
        self.assertEqual((status, headers["Content-Type"]), (200, "application/json"))
        self.assertEqual(json.loads(body), {"statusCode": 201, "body": "/a"})

    def test_the_body_comes_while_the_function_writes_it(self):
        listener, port = listen()
        with listener:
            parts = urllib.parse.urlsplit(self.streams)
            connection = http.client.HTTPConnection(parts.netloc, timeout=60)
            connection.request("GET", parts.path.rstrip("/") + f"/waits?port={port}")
            answer = connection.getresponse()
            self.assertEqual((answer.status, answer.headers["Content-Type"], answer.headers["X-A"]), (201, "text/plain", "b"))
            self.assertEqual(answer.headers.get_all("Set-Cookie"), ["c=1", "d=2"])
            self.assertEqual(answer.read(5), b"first")
            # Only now does the function go on.
            with listener.accept()[0] as told:
                told.sendall(b"on")
                self.assertEqual(answer.read(), b"second")
            connection.close()

    def test_heads_of_every_kind(self):
        for path, wanted in (
            ("/plain", (200, "text/csv", b"a,b")), ("/bytes", (200, "application/octet-stream", b"\x00\xff")),
            ("/empty", (204, "application/octet-stream", b"")), ("/headless", (200, "application/octet-stream", b"")), ("/split", (202, "application/octet-stream", b"body")),
        ):
            with self.subTest(path):
                status, headers, body = call(self.streams, path)
                self.assertEqual((status, headers["Content-Type"], body), wanted)
        self.assertEqual(call(self.streams, "/nothing")[0::2], (200, b""))

    def test_what_fails_before_it_begins_is_a_bad_gateway(self):
        for path in ("/fails", "/status", "/prelude", "/endless-prelude"):
            with self.subTest(path):
                status, _, body = call(self.streams, path)
                self.assertEqual((status, body), (502, b"Internal Server Error"))

    def test_what_fails_later_ends_early(self):
        self.assertEqual(call(self.streams, "/fails-midway")[0::2], (200, b"half"))
        self.assertEqual(call(self.streams, "/plain")[0], 200, "the function is used again")

    def test_a_caller_that_goes_away_leaves_the_function_alone(self):
        listener, port = listen()
        with listener:
            parts = urllib.parse.urlsplit(self.streams)
            with socket.create_connection((parts.hostname, parts.port)) as caller:
                caller.sendall(f"GET {parts.path}waits?port={port} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
                self.assertIn(b"201", caller.recv(100))
            with listener.accept()[0] as told:
                told.sendall(b"on")
        self.assertEqual(call(self.streams, "/plain")[0], 200)


if __name__ == "__main__":
    unittest.main()
