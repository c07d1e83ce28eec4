"""What the commands do when a service refuses, throttles or fails: against one that does so on command."""

import base64
import http.server
import json
import pathlib
import shutil
import ssl
import subprocess
import tempfile
import threading
import unittest

from support.program import run


class Moody(http.server.ThreadingHTTPServer):
    """Speaks as much of Kinesis as `put` needs, and answers with what `mood` says."""

    daemon_threads = True

    def __init__(self, mood, certificate=None):
        super().__init__(("127.0.0.1", 0), Answer)
        self.scheme = "https" if certificate else "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True)
        self.mood, self.requests, self.kept = mood, [], []
        self.lock = threading.Lock()

    @property
    def address(self):
        return f"{self.scheme}://127.0.0.1:{self.server_port}"

    def handle_error(self, request, client_address):
        """A client that does not trust us hangs up, which is what is tested."""

    def __enter__(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        operation = self.headers["X-Amz-Target"].rsplit(".")[-1]
        with self.server.lock:
            status, answer = self.server.mood(self.server, operation, body)
        text = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


def put(server, records, refuse):
    """Takes what `refuse` does not name a code for."""
    server.requests.append(records)
    results = []
    for record in records:
        code = refuse(record)
        if code is None:
            server.kept.append((record["PartitionKey"], int(base64.b64decode(record["Data"]))))
            results.append({"SequenceNumber": "1", "ShardId": "shardId-000000000000"})
        else:
            results.append({"ErrorCode": code, "ErrorMessage": "no"})
    return 200, {"FailedRecordCount": sum("ErrorCode" in result for result in results), "Records": results}


def error(code, message="it says why", status=400):
    return status, {"__type": code, "message": message}


class Retries(unittest.TestCase):
    LINES = "\n".join(str(n) for n in range(1_000)).encode()

    def test_records_that_are_refused_go_again_until_all_are_there(self):
        seen = set()

        def throttled_once(record):
            # Every third record, the first time.
            if int(base64.b64decode(record["Data"])) % 3 or record["Data"] in seen:
                return None
            seen.add(record["Data"])
            return "ProvisionedThroughputExceededException"

        with Moody(lambda server, _, body: put(server, body["Records"], throttled_once)) as server:
            done = run(server.address, "stream", "put", "s", "--output", "json", stdin=self.LINES)
        self.assertEqual(done.code, 0, done)
        self.assertEqual(sorted(n for _, n in server.kept), list(range(1_000)))
        summary = done.json()
        self.assertEqual((summary["RecordsPut"], summary["RecordsSentAgain"], summary["RecordsLost"]), (1_000, 334, 0))
        self.assertTrue(all(len(request) <= 500 for request in server.requests))

    def test_in_order_nothing_of_a_key_overtakes(self):
        calls = []

        def first_of_each_request(record):
            calls.append(record)
            return "InternalFailure" if len(calls) % 7 == 1 else None

        lines = "\n".join(str(n) for n in range(60)).encode()
        with Moody(lambda server, _, body: put(server, body["Records"], first_of_each_request)) as server:
            done = run(server.address, "stream", "put", "s", "--key", "one", "--ordered", stdin=lines)
        self.assertEqual(done.code, 0, done)
        self.assertEqual([n for _, n in server.kept], list(range(60)))

    def test_what_is_refused_for_good_is_lost_and_said(self):
        never = lambda record: "ProvisionedThroughputExceededException" if base64.b64decode(record["Data"]) == b"5" else None
        with Moody(lambda server, _, body: put(server, body["Records"], never)) as server:
            done = run(server.address, "stream", "put", "s", "--retry-for", "300ms", stdin=b"\n".join(b"%d" % n for n in range(10)))
        self.assertEqual(done.code, 1, done)
        self.assertIn("9 records put into s", done.error)
        self.assertIn("1 LOST (ProvisionedThroughputExceededException)", done.error)

    def test_a_service_that_fails_for_a_while_is_waited_for(self):
        def mood(server, _, body):
            server.requests.append(None)
            if len(server.requests) < 6:
                return error("InternalFailure", status=500)
            return put(server, body["Records"], lambda record: None)

        with Moody(mood) as server:
            done = run(server.address, "stream", "put", "s", stdin=b"1\n2\n")
        self.assertEqual(done.code, 0, done)
        self.assertEqual([n for _, n in server.kept], [1, 2])

    def test_each_kind_of_failure_says_what_helps(self):
        for code, status, part in [
            ("AccessDeniedException", 400, "missing in their policy"),
            ("LimitExceededException", 400, "it says why"),
            ("ThrottlingException", 400, "Try again later"),
            ("UnrecognizedClientException", 400, "AWS_ACCESS_KEY_ID"),
            ("UnknownOperationException", 400, "does not have this operation of Kinesis"),
            ("ValidationException", 400, "it says why"),
            ("InternalFailure", 500, "InternalFailure"),
        ]:
            with self.subTest(code), Moody(lambda *_, code=code, status=status: error(code, status=status)) as server:
                done = run(server.address, "stream", "list")
                self.assertEqual(done.code, 1, done)
                self.assertIn("cannot list the streams", done.error)
                self.assertIn(code, done.error)
                self.assertIn(part, done.error)

    def test_what_a_server_says_cannot_write_to_the_terminal(self):
        with Moody(lambda *_: error("ValidationException", "\x1b[2Jgone")) as server:
            done = run(server.address, "stream", "list")
        self.assertNotIn("\x1b", done.error)

    def test_an_answer_that_is_none_is_no_crash(self):
        for answer in ({"StreamNames": 7}, [], {"HasMoreStreams": False}):
            with self.subTest(answer), Moody(lambda *_, answer=answer: (200, answer)) as server:
                done = run(server.address, "stream", "list")
                self.assertIn(done.code, (0, 1), done)
                self.assertNotIn("panicked", done.error)

    @unittest.skipUnless(shutil.which("openssl"), "there is no openssl to make a certificate with")
    def test_a_certificate_of_the_servers_own_is_trusted_when_it_is_named(self):
        with tempfile.TemporaryDirectory() as home:
            whole, bundle = pathlib.Path(home) / "server.pem", pathlib.Path(home) / "ca.pem"
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                            "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE", "-keyout", f"{home}/key.pem", "-out", bundle],
                           check=True, capture_output=True, timeout=60)
            whole.write_text((pathlib.Path(home) / "key.pem").read_text() + bundle.read_text())
            with Moody(lambda *_: (200, {"StreamNames": [], "HasMoreStreams": False}), certificate=whole) as server:
                done = run(server.address, "stream", "list")
                self.assertEqual(done.code, 1, done)
                self.assertIn("--ca-bundle", done.error)
                for arguments, more in [(["--ca-bundle", bundle], {}), ([], {"AWS_CA_BUNDLE": str(bundle)})]:
                    done = run(server.address, "stream", "list", *arguments, **more)
                    self.assertEqual(done.code, 0, done)
            bundle.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
            self.assertIn("cannot be used", run(None, "stream", "list", "--ca-bundle", bundle).error)
            bundle.write_text("hello")
            self.assertIn("holds no certificate", run(None, "stream", "list", "--ca-bundle", bundle).error)
        self.assertIn("cannot read", run(None, "stream", "list", "--ca-bundle", "/nonexistent").error)
