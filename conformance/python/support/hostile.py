"""Requests that a service's model makes possible, and those that it forbids: wrong types, huge values, missing members, garbage.

All chance comes from one `random.Random`, so that a seed repeats a run.
"""

import base64
import json
import math
import pathlib

from support import cbor
from support.server import ACCOUNT, REGION, ROOT

# What exists, once the test has made it, so that requests come past the first look-up.
NAME = "hostile"
ARN = f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/{NAME}"
FUNCTION_ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{NAME}"
LOGS_ARN = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{NAME}"
PATTERNS = ["a", "?a -b %c%", '{ $.a = 1 && ($.b NOT EXISTS || $.c[*].d != "x*") }', "%(a*)*b%", "{" + "(" * 500, "-" * 900, '"' + "\\" * 500, "[a, b]"]
HUGE = 300_000
DEEP = 60_000
MOST_ITEMS = 3
MOST_REPEATED_BYTES = 2 << 20
NAMES = [NAME, NAME, NAME, "", " ", "nowhere", "a" * 300, "../../etc/passwd", "\x00", "é\u2028😀", ARN, FUNCTION_ARN, "arn:aws:kinesis", ":" * 20,
         f"{ARN}/consumer/c:1", "$LATEST", "shardId-000000000000", "shardId-99999999999999999999", "%n%s{}", "null"]
# What would be right, by words in the names of shapes and members.
RIGHT = [
    ("StreamARN", [ARN]), ("ResourceARN", [ARN]), ("ConsumerARN", [f"{ARN}/consumer/c:1"]), ("Arn", [ARN, FUNCTION_ARN]),
    ("StreamName", [NAME]), ("FunctionName", [NAME]), ("ShardId", ["shardId-000000000000", "shardId-000000000001"]), ("ConsumerName", ["c"]),
    ("HashKey", ["0", str(2**127), str(2**128 - 1), str(2**128)]), ("SequenceNumber", ["0", "1", "9" * 56]), ("PartitionKey", ["k", "é" * 256]),
    ("Qualifier", ["$LATEST", "1", "live"]), ("Version", ["1", "$LATEST"]), ("UUID", ["0" * 8 + "-0000-4000-8000-" + "0" * 12]), ("Alias", ["live"]),
    ("logGroupIdentifier", [LOGS_ARN, NAME]), ("logGroupName", [NAME]), ("logStreamName", [NAME]), ("FilterPattern", PATTERNS),
    ("TagKey", ["a", "aws:x"]), ("LayerName", [NAME]), ("Handler", ["main.handler"]), ("Role", [f"arn:aws:iam::{ACCOUNT}:role/r"]),
]
NUMBERS = [0, 1, -1, 2, 100, 10_000, 10_001, 2**31 - 1, 2**31, -(2**31) - 1, 2**53, 2**63 - 1, 2**63, -(2**63), 2**64 - 1, 1.5, -0.0, 1e308]
# JSON's numbers may be larger than any type has room for.
NUMBER_TEXTS = ["1e400", "-1e400", "1" * 400, "0." + "9" * 400, "1e-400", "-0", "9223372036854775808"]


class Number(float):
    """A number that JSON has and Python has not: written as its text says."""

    def __new__(cls, text):
        self = super().__new__(cls, 0.0)
        self.text = text
        return self

    def __repr__(self):
        return self.text


class Hostile:
    """Requests for one service, by its model in `models/`."""

    def __init__(self, service, random):
        model = json.loads(pathlib.Path(ROOT, "models", f"{service}.json").read_text())
        self.operations, self.shapes, self.random = model["operations"], model["shapes"], random
        self.wrong = 0.0

    def input(self, operation):
        """A structure for an operation: half of them with something wrong, the others perhaps with a value out of range."""
        self.wrong = self.random.choice([0.005, 0.1])
        shape = self.operations[operation].get("input")
        return self.structure(self.shapes[shape["shape"]], 0) if shape else {}

    def structure(self, shape, depth):
        """Members as the model has them: some left out, some of the wrong kind, some unknown."""
        needed = set(shape.get("required", ()))
        value = {}
        for name, member in shape.get("members", {}).items():
            if self.random.random() < (1 - self.wrong if name in needed else 0.3):
                value[name] = self.value(member["shape"], depth + 1, name)
        if self.random.random() < self.wrong:
            value[self.random.choice(["Unknown", "", "x" * 1000, "StreamId"])] = self.anything(depth)
        return value

    def value(self, name, depth, called=""):
        """A value for a shape, of another shape's kind now and then."""
        shape = self.shapes[name]
        if depth > 8 or self.random.random() < self.wrong:
            return self.anything(depth)
        match shape["type"]:
            case "structure":
                return self.structure(shape, depth)
            case "list":
                return self.items(lambda: self.value(shape["member"]["shape"], depth + 1))
            case "map":
                return {self.text({}, "TagKey"): self.value(shape["value"]["shape"], depth + 1) for _ in range(self.random.randrange(MOST_ITEMS))}
            case "string":
                return self.text(shape, called + name)
            case "blob":
                return self.random.choice([b"", b"x", b"PK\x03\x04", self.random.randbytes(50), b"z" * self.random.choice([1_000, HUGE])])
            case "boolean":
                return self.random.random() < 0.5
            case "timestamp":
                return self.random.choice([cbor.Millis(0), cbor.Millis(1_800_000_000_000), cbor.Millis(2**63), -1, 1e300])
            case _:
                if self.random.random() > 2 * self.wrong:
                    least = int(shape.get("min", 1))
                    return self.random.randint(least, max(least, min(int(shape.get("max", 3)), 100)))
                near = [shape.get("min", 1), shape.get("max", 1), shape.get("max", 1) + 1]
                return self.random.choice(near + NUMBERS)

    def items(self, one):
        """A list: mostly short, sometimes the same thing very often."""
        if self.random.random() < 0.03:
            item = one()
            # A body that is larger than what a server would read only to refuse it is another test's.
            return [item] * min(2_000, 1 + MOST_REPEATED_BYTES // len(repr(item)))
        return [one() for _ in range(self.random.randrange(MOST_ITEMS + 1))]

    def text(self, shape, called):
        """A string: one of those that are allowed, a name of something, or far too long."""
        if self.random.random() < self.wrong:
            return "x" * HUGE
        if self.random.random() > 2 * self.wrong:
            if shape.get("enum"):
                return self.random.choice(shape["enum"])
            for word, texts in RIGHT:
                if word in called:
                    return self.random.choice(texts)
        return self.random.choice(NAMES)

    def anything(self, depth):
        """A value of any kind."""
        simple = [None, True, "", "x", b"x", 0, -1, 1e300, self.random.choice(NUMBERS), Number(self.random.choice(NUMBER_TEXTS)), [], {}]
        if depth < 6 and self.random.random() < 0.3:
            inner = self.anything(depth + 1)
            often = 50 if len(repr(inner)) < 100 else 1
            return self.random.choice([[inner], {"a": inner}, [inner] * often])
        return self.random.choice(simple)

    def spoilt(self, body):
        """Bytes that were a body."""
        at = self.random.randrange(len(body) + 1)
        match self.random.randrange(4):
            case 0:
                return body[:at]
            case 1:
                return body[:at] + self.random.randbytes(4) + body[at:]
            case 2:
                return body + body
            case _:
                return bytes(byte ^ (1 << self.random.randrange(8)) if self.random.random() < 0.02 else byte for byte in body)


def json_of(value):
    """JSON of a value, with blobs in base64; its numbers may be such that no type has room for them."""
    match value:
        case Number():
            return value.text
        case cbor.Millis(millis):
            return json.dumps(millis / 1_000)
        case bytes():
            return json.dumps(base64.b64encode(value).decode())
        case float() if not math.isfinite(value):
            return "null"
        case list():
            return "[" + ",".join(map(json_of, value)) + "]"
        case dict():
            return "{" + ",".join(f"{json.dumps(name)}:{json_of(item)}" for name, item in value.items()) + "}"
    return json.dumps(value)


def cbor_of(value, indefinite):
    """CBOR of a value; what it has no form for becomes the nearest that it has."""
    match value:
        case Number():
            return b"\xfb\x7f\xf0" + bytes(6)
        case cbor.Millis(millis):
            return b"\xc1" + cbor.head(0, min(millis, 2**64 - 1))
        case bool() | None:
            return cbor.encode(value)
        case int() if not -(2**64) <= value < 2**64:
            return cbor.encode(float(value))
        case list():
            items = b"".join(cbor_of(item, indefinite) for item in value)
            return b"\x9f" + items + b"\xff" if indefinite else cbor.head(4, len(value)) + items
        case dict():
            entries = b"".join(cbor.encode(name) + cbor_of(item, indefinite) for name, item in value.items())
            return b"\xbf" + entries + b"\xff" if indefinite else cbor.head(5, len(value)) + entries
    return cbor.encode(value, indefinite)


JSON_GARBAGE = [
    b"", b" ", b"{", b"}", b"[]", b"null", b"1", b'"', b"\xff\xfe", b"\xef\xbb\xbf{}", b"{}{}", b'{"a":}', b"{'a':1}", b'{"StreamName":"\\ud800"}',
    b'{"StreamName":"\xff"}', b"[" * DEEP, b'{"a":' * DEEP, b'{"Records":' + b"[" * DEEP, b'{"StreamName":' * DEEP + b"1" + b"}" * DEEP,
    b'{"StreamName":"a","StreamName":"b"}', b'{"' + b"a" * HUGE + b'":1}', b"{" + b'"a":1,' * 20_000 + b'"b":1}', b'{"Data":"' + b"A" * HUGE + b'!"}',
    b"\x00" * 1_000, b"{" + b" " * HUGE + b"}",
]
CBOR_GARBAGE = [
    b"", b"\xff", b"\xa1", b"\xbf", b"\x9f" * DEEP, b"\x81" * DEEP, b"\xc1" * DEEP, b"\xa1\x61a" * DEEP, b"\xbf\x67Records" + b"\x9f" * DEEP,
    b"\x9b" + b"\xff" * 8, b"\xbb" + b"\xff" * 8, b"\x5b\x7f" + b"\xff" * 7, b"\x7b\xff" + b"\xff" * 7, b"\xa1\x67Records\x9a\xff\xff\xff\xff",
    b"\xa1\x6aStreamName\x62\xff\xff", b"\xa1\x64Data\x5f\x5f\xff\xff", b"\xf9\x7e\x00", b"\xf8\x18", b"\x1c", b"\x3b" + b"\xff" * 8, b"\xa0\xa0",
    b"\xa1\xa0\xa0", b"\xc2\x5a\x00\x04\x00\x00" + b"\xff" * (256 << 10), b"\xa2\x61a\x01\x61a\x02",
]
