"""Records that the Kinesis Producer Library has put together, delivered one by one to a function."""

import hashlib
import json

from support import clients
from support.case import ServerCase
from support.deploy import deploy

DEAGGREGATE = "millstream:deaggregate"
HASH_KEY = str(2**127)
# Puts what it is given onto another stream, as the tests read it.
FORWARD = '''
import base64
from support_put import put

def handler(event, context):
    for record in event["Records"]:
        kinesis = record["kinesis"]
        shown = {name: kinesis.get(name, "absent") for name in ("partitionKey", "subSequenceNumber", "explicitHashKey", "aggregated")}
        put("deaggregated", {**shown, "data": base64.b64decode(kinesis["data"]).decode("utf-8", "replace")})
'''


def varint(number):
    out = b""
    while number >= 0x80:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def member(number, content):
    """A member of a protobuf message: bytes, or a number."""
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    return varint(number << 3 | 2) + varint(len(content)) + content


def aggregated(*records):
    """What the library makes of records (partition key, explicit hash key or None, data)."""
    keys = list(dict.fromkeys(key for key, _, _ in records))
    hashes = list(dict.fromkeys(hash_key for _, hash_key, _ in records if hash_key))
    body = b"".join(member(1, key.encode()) for key in keys) + b"".join(member(2, hash_key.encode()) for hash_key in hashes)
    for key, hash_key, data in records:
        named = member(2, hashes.index(hash_key)) if hash_key else b""
        body += member(3, member(1, keys.index(key)) + named + member(3, data.encode()))
    return b"\xf3\x89\x9a\xc2" + body + hashlib.md5(body).digest()


class Aggregated(ServerCase):
    def test_user_records_are_delivered_one_by_one(self):
        from support.package import PUT_SOURCE, zip_of, ROLE, RUNTIME

        for stream in ("aggregated", "deaggregated"):
            clients.create_stream(self.kinesis, stream)
        code = zip_of({"main.py": FORWARD, "support_put.py": PUT_SOURCE})
        self.functions.create_function(FunctionName="forward", Runtime=RUNTIME, Handler="main.handler", Role=ROLE, Timeout=20, Code={"ZipFile": code})
        source = self.kinesis.describe_stream_summary(StreamName="aggregated")["StreamDescriptionSummary"]["StreamARN"]
        made = self.functions.create_event_source_mapping(
            EventSourceArn=source, FunctionName="forward", StartingPosition="TRIM_HORIZON", BatchSize=2, Tags={DEAGGREGATE: "true"},
        )
        data = aggregated(("one", None, "1"), ("two", HASH_KEY, "zwei ü"), ("one", None, "3"))
        self.kinesis.put_record(StreamName="aggregated", PartitionKey="a", Data=data)
        self.kinesis.put_record(StreamName="aggregated", PartitionKey="broken", Data=data[:-1] + b"x")
        had = self.eventually(lambda: self.had(4), "four records come through")
        first = {"explicitHashKey": None, "aggregated": True}
        self.assertEqual(had[:3], [
            {**first, "partitionKey": "one", "subSequenceNumber": 0, "data": "1"},
            {**first, "partitionKey": "two", "subSequenceNumber": 1, "data": "zwei ü", "explicitHashKey": HASH_KEY},
            {**first, "partitionKey": "one", "subSequenceNumber": 2, "data": "3"},
        ])
        self.assertEqual({name: had[3][name] for name in ("partitionKey", "aggregated")}, {"partitionKey": "broken", "aggregated": "absent"})
        # Off again, at once.
        self.functions.untag_resource(Resource=made["EventSourceMappingArn"], TagKeys=[DEAGGREGATE])
        self.kinesis.put_record(StreamName="aggregated", PartitionKey="a", Data=data)
        had = self.eventually(lambda: self.had(5), "the record comes whole")
        self.assertEqual(had[4]["partitionKey"], "a")

    def had(self, count):
        """The records on the second stream, once there are as many."""
        iterator = self.kinesis.get_shard_iterator(StreamName="deaggregated", ShardId="shardId-000000000000", ShardIteratorType="TRIM_HORIZON")
        records = self.kinesis.get_records(ShardIterator=iterator["ShardIterator"])["Records"]
        return [json.loads(record["Data"]) for record in records] if len(records) >= count else None

    def test_the_tag_is_true_or_false(self):
        clients.create_stream(self.kinesis, "tagged")
        deploy(self.functions, "tagged", "def handler(event, context): pass\n")
        source = self.kinesis.describe_stream_summary(StreamName="tagged")["StreamDescriptionSummary"]["StreamARN"]
        mapping = {"EventSourceArn": source, "FunctionName": "tagged", "StartingPosition": "LATEST"}
        message = self.refused(self.functions.create_event_source_mapping, "InvalidParameterValueException", **mapping, Tags={DEAGGREGATE: "yes"})
        self.assertIn(DEAGGREGATE, message)
        made = self.functions.create_event_source_mapping(**mapping, Tags={DEAGGREGATE: "false"})
        self.refused(self.functions.tag_resource, "InvalidParameterValueException", Resource=made["EventSourceMappingArn"], Tags={DEAGGREGATE: "1"})
