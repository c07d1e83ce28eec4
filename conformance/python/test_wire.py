"""The wire without an SDK: headers, errors, limits, bad clients."""

import email.utils
import http.client
import json
import re
import socket
import time

from support.case import ServerCase
from support.bare import Bare
from support.clients import create_stream

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
H2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
EMPTY_SETTINGS = b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
FRAME_HEADER = 9
SETTINGS = 4
SLOW_CLIENTS = 100


class Wire(ServerCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        create_stream(cls.kinesis, "wire")

    def bare(self):
        bare = Bare(self.address)
        self.addCleanup(bare.close)
        return bare

    def assert_answers(self):
        """The server still serves an ordinary request."""
        self.assertIn("wire", self.bare().kinesis("ListStreams")["StreamNames"])

    def connect(self):
        connection = socket.create_connection(self.server.host_and_port(), timeout=20)
        self.addCleanup(connection.close)
        return connection

    def error(self, answer):
        """(status, __type, message) of an error."""
        status, headers, body = answer
        self.assertRegex(headers["x-amzn-RequestId"], UUID)
        decoded = json.loads(body)
        return status, decoded["__type"], decoded.get("message")

    def test_every_answer_has_the_headers_that_sdks_read(self):
        bare = self.bare()
        for operation, expected in (("ListStreams", 200), ("DescribeStream", 400)):
            status, headers, body = bare.post(f"Kinesis_20131202.{operation}", b'{"StreamName":"nowhere"}' if expected == 400 else b"{}")
            self.assertEqual(status, expected)
            self.assertRegex(headers["x-amzn-RequestId"], UUID)
            self.assertTrue(headers["x-amz-id-2"])
            self.assertEqual(headers["Content-Type"], "application/x-amz-json-1.1")
            self.assertEqual(int(headers["Content-Length"]), len(body))
            self.assertAlmostEqual(email.utils.parsedate_to_datetime(headers["Date"]).timestamp(), time.time(), delta=5)

    def test_request_ids_differ(self):
        bare = self.bare()
        ids = {bare.post("Kinesis_20131202.ListStreams", b"{}")[1]["x-amzn-RequestId"] for _ in range(5)}
        self.assertEqual(len(ids), 5)

    def test_one_connection_serves_many_requests(self):
        bare = self.bare()
        bare.kinesis("ListStreams")
        first = bare.connection.sock
        for n in range(20):
            bare.put("wire", "k", str(n).encode())
        self.assertEqual(bare.post("Kinesis_20131202.DescribeStream", b'{"StreamName":"nowhere"}')[0], 400)
        bare.kinesis("ListStreams")
        self.assertIs(bare.connection.sock, first, "the server closed the connection in between")

    def test_a_body_in_chunks_is_read(self):
        bare = self.bare()
        answer = bare.post("Kinesis_20131202.ListStreams", iter([b"{", b"}"]))
        self.assertEqual(answer[0], 200)

    def test_what_is_no_json_is_a_serialization_error(self):
        bare = self.bare()
        for body in (b"{", b"not json", b"[1,2]", b'{"StreamName":7}', b'{"StreamName":"x","ShardCount":"1"}', b"\xff\xfe", b"[" * 100_000):
            with self.subTest(body[:40]):
                status, kind, _ = self.error(bare.post("Kinesis_20131202.CreateStream", body))
                self.assertEqual((status, kind), (400, "SerializationException"))

    def test_base64_that_is_none_is_a_serialization_error(self):
        body = b'{"StreamName":"wire","PartitionKey":"k","Data":"%%%"}'
        status, kind, _ = self.error(self.bare().post("Kinesis_20131202.PutRecord", body))
        self.assertEqual((status, kind), (400, "SerializationException"))

    def test_members_that_are_unknown_are_ignored(self):
        answer = self.bare().kinesis("DescribeStreamSummary", StreamName="wire", Invented={"a": [1, None, "x"]})
        self.assertEqual(answer["StreamDescriptionSummary"]["StreamName"], "wire")

    def test_unknown_operations_and_targets_are_told_apart_from_failures(self):
        bare = self.bare()
        for target in ("Kinesis_20131202.Invented", "Kinesis_20131202.", "Nothing", "Other_20000101.ListStreams"):
            with self.subTest(target):
                status, kind, _ = self.error(bare.post(target, b"{}"))
                self.assertEqual((status, kind), (400, "UnknownOperationException"))

    def test_an_answer_is_compact(self):
        # Fluent Bit searches for this text, byte by byte (wire.md, 1.8).
        body = {"StreamName": "wire", "Records": [{"PartitionKey": "k", "Data": "eA=="}]}
        _, _, answer = self.bare().post("Kinesis_20131202.PutRecords", json.dumps(body).encode())
        self.assertIn(b'"FailedRecordCount":0', answer)

    def test_times_in_json_are_seconds(self):
        created = self.bare().kinesis("DescribeStreamSummary", StreamName="wire")["StreamDescriptionSummary"]["StreamCreationTimestamp"]
        self.assertAlmostEqual(created, time.time(), delta=600)

    def test_a_body_that_is_too_large_is_refused_before_it_is_sent(self):
        connection = self.connect()
        connection.sendall(
            b"POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target: Kinesis_20131202.PutRecords\r\n"
            b"Content-Type: application/x-amz-json-1.1\r\nContent-Length: 1099511627776\r\n\r\n{"
        )
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        self.assertIn(answer.status, (400, 413))
        self.assert_answers()

    def test_garbage_is_answered_or_closed_and_hurts_nobody(self):
        for garbage in (b"\x00\x01\x02garbage\r\n\r\n", b"GET\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00", b"POST / HTTP/9.9\r\n\r\n", b"A" * 200_000):
            with self.subTest(garbage[:16]):
                connection = self.connect()
                try:
                    connection.sendall(garbage)
                    connection.shutdown(socket.SHUT_WR)
                    answer = b""
                    while part := connection.recv(65536):
                        answer += part
                except ConnectionError:
                    answer = b""
                self.assertTrue(answer == b"" or answer.startswith(b"HTTP/1.1 4"), answer[:200])
        self.assert_answers()

    def test_http_2_begins_with_prior_knowledge(self):
        connection = self.connect()
        connection.sendall(H2_PREFACE + EMPTY_SETTINGS)
        head = b""
        while len(head) < FRAME_HEADER:
            part = connection.recv(FRAME_HEADER - len(head))
            self.assertTrue(part, "the server closed the connection")
            head += part
        self.assertEqual(head[3], SETTINGS)

    def test_slow_clients_do_not_hold_up_others(self):
        head = b"POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target: Kinesis_20131202.PutRecords\r\n"
        for part in (head[:40], head + b"Content-Length: 10\r\n\r\n{", head + b"Content-Length: 15000000\r\n\r\n{"):
            with self.subTest(part[-30:]):
                for _ in range(SLOW_CLIENTS):
                    self.connect().sendall(part)
                # More than once, because the first may overtake what the server has not read yet.
                for _ in range(20):
                    self.assert_answers()
                    time.sleep(0.05)

    def test_an_answer_given_before_the_body_is_read_keeps_the_connection_or_says_that_it_ends(self):
        head = b"POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target: Unknown\r\nContent-Length: 2\r\n\r\n"
        for _ in range(20):
            connection = self.connect()
            connection.sendall(head)
            connection.sendall(b"{}")
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            self.assertEqual(answer.status, 400)
            answer.read()
            if answer.headers.get("Connection", "").lower() == "close":
                continue
            connection.sendall(head + b"{}")
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            self.assertEqual(answer.status, 400)

    def test_a_client_that_goes_away_in_the_middle_hurts_nobody(self):
        for _ in range(20):
            connection = self.connect()
            connection.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target: Kinesis_20131202.PutRecord\r\nContent-Length: 999\r\n\r\n{")
            connection.close()
        self.assert_answers()

    def test_health_and_metrics(self):
        connection = http.client.HTTPConnection(*self.server.host_and_port(), timeout=20)
        self.addCleanup(connection.close)
        for path in ("/_millstream/health", "/_millstream/metrics"):
            connection.request("GET", path)
            answer = connection.getresponse()
            self.assertEqual(answer.status, 200, path)
            self.assertTrue(answer.read(), path)
