"""What real clients of HTTP/2 and of large bodies need of the edge: the pitfalls that they are known to fall into."""

import base64
import json
import re
import socket
import struct

from support import cbor
from support.bare import Bare
from support.case import PATIENCE_SECONDS, ServerCase
from support.clients import create_stream, read_stream, shards_of

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS, PING = 4, 6
ACK = 1
MAX_CONCURRENT_STREAMS = 3
CBOR = "application/x-amz-cbor-1.1"
MIB = 1 << 20


def frame(kind, flags=0, payload=b""):
    """A frame of HTTP/2 on the connection itself (RFC 9113, section 4.1)."""
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + bytes(4) + payload


class Edge(ServerCase):
    def frames(self, connection):
        """(kind, flags, payload) of each frame that comes."""
        with connection.makefile("rb") as stream:
            while len(head := stream.read(9)) == 9:
                length = int.from_bytes(head[:3], "big")
                yield head[3], head[4], stream.read(length)

    def bare(self):
        bare = Bare(self.address)
        self.addCleanup(bare.close)
        return bare

    def test_http_2_allows_a_stream_for_each_of_many_shards_and_answers_pings(self):
        with socket.create_connection(self.server.host_and_port(), timeout=PATIENCE_SECONDS) as connection:
            connection.sendall(PREFACE + frame(SETTINGS))
            frames = self.frames(connection)
            kind, flags, payload = next(frames)
            self.assertEqual((kind, flags), (SETTINGS, 0))
            settings = dict(struct.iter_unpack(">HI", payload))
            # The KCL opens a stream for each shard that it reads.
            self.assertGreaterEqual(settings[MAX_CONCURRENT_STREAMS], 1_000)
            for opaque in (b"12345678", bytes(8)):
                connection.sendall(frame(PING, 0, opaque))
                answer = next(payload for kind, flags, payload in frames if (kind, flags) == (PING, ACK))
                self.assertEqual(answer, opaque)

    def test_the_largest_requests_are_taken_and_what_is_beyond_is_refused_in_words(self):
        create_stream(self.kinesis, "large", 1)
        bare = self.bare()
        # 10 MiB of records is 14 MB in base64.
        data = base64.b64encode(bytes(MIB - 1)).decode()
        records = [{"PartitionKey": "k", "Data": data}] * 10
        answer = bare.kinesis("PutRecords", StreamName="large", Records=records)
        self.assertEqual(answer["FailedRecordCount"], 0)
        self.assertEqual(len(read_stream(self.kinesis, "large")), 10)
        status, _, body = bare.post("Kinesis_20131202.PutRecords", json.dumps({"StreamName": "large", "Records": records + records[:1]}).encode())
        error = json.loads(body)
        self.assertEqual((status, error["__type"]), (400, "InvalidArgumentException"), error)
        self.assertEqual(len(read_stream(self.kinesis, "large")), 10)

    def test_no_answer_has_a_stream_id(self):
        # An SDK that gets one makes it a host name, of AWS's own.
        described = create_stream(self.kinesis, "plain", 1)
        name, arn = "plain", described["StreamARN"]
        bare = self.bare()
        asked = [("DescribeStream", {"StreamName": name}), ("DescribeStreamSummary", {"StreamName": name}), ("ListStreams", {}),
                 ("ListShards", {"StreamName": name}), ("PutRecord", {"StreamName": name, "PartitionKey": "k", "Data": "eA=="}),
                 ("PutRecords", {"StreamName": name, "Records": [{"PartitionKey": "k", "Data": "eA=="}]}),
                 ("RegisterStreamConsumer", {"StreamARN": arn, "ConsumerName": "c"}), ("ListStreamConsumers", {"StreamARN": arn})]
        shard = shards_of(self.kinesis, name)[0]["ShardId"]
        iterator = bare.kinesis("GetShardIterator", StreamName=name, ShardId=shard, ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
        asked.append(("GetRecords", {"ShardIterator": iterator}))
        for operation, members in asked:
            for kind, write in (("application/x-amz-json-1.1", lambda value: json.dumps(value).encode()), (CBOR, cbor.encode)):
                if kind == CBOR:
                    members = {name: b"x" if name == "Data" else value for name, value in members.items() if name != "Records"}
                    if operation == "PutRecords":
                        members["Records"] = [{"PartitionKey": "k", "Data": b"x"}]
                status, headers, body = bare.post(f"Kinesis_20131202.{operation}", write(members), {"Content-Type": kind})
                if operation != "RegisterStreamConsumer" or kind != CBOR:
                    self.assertEqual(status, 200, (operation, body))
                self.assertEqual(headers["Content-Type"], kind)
                self.assertNotIn(b"StreamId", body, operation)

    def test_members_that_clients_count_on_are_there_when_they_are_empty(self):
        create_stream(self.kinesis, "empty", 1)
        bare = self.bare()

        def text(operation, **members):
            status, _, body = bare.post(f"Kinesis_20131202.{operation}", json.dumps(members).encode())
            self.assertEqual(status, 200, body)
            return body.decode()

        shard = shards_of(self.kinesis, "empty")[0]["ShardId"]
        iterator = json.loads(text("GetShardIterator", StreamName="empty", ShardId=shard, ShardIteratorType="TRIM_HORIZON"))["ShardIterator"]
        answer = json.loads(text("GetRecords", ShardIterator=iterator))
        self.assertEqual((answer["Records"], answer["MillisBehindLatest"]), ([], 0))
        self.assertTrue(answer["NextShardIterator"])
        # Fluent Bit looks for the bytes, not for the JSON.
        put = text("PutRecords", StreamName="empty", Records=[{"PartitionKey": "k", "Data": "eA=="}])
        self.assertTrue(put.startswith('{"FailedRecordCount":0,"Records":[{"'), put)
        self.assertIsNone(re.search(r'[:,{\[] |\s$', put), "compact")
        record = json.loads(text("GetRecords", ShardIterator=iterator))["Records"][0]
        self.assertLessEqual({"ApproximateArrivalTimestamp", "Data", "PartitionKey", "SequenceNumber"}, set(record))
        shards = json.loads(text("ListShards", StreamName="empty"))
        self.assertNotIn("NextToken", shards)
        described = json.loads(text("DescribeStream", StreamName="empty"))["StreamDescription"]
        self.assertEqual((described["HasMoreShards"], described["EnhancedMonitoring"]), (False, [{"ShardLevelMetrics": []}]))
        self.assertEqual(json.loads(text("ListTagsForStream", StreamName="empty")), {"HasMoreTags": False, "Tags": []})
