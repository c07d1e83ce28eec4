"""enrich-signup: reads sign-ups from a Kinesis stream, writes what can be offered to another one.

Runs on AWS Lambda (Python 3.9 or later) with the layer `bandwidth-catalogue`; needs nothing but the standard library.

A batch is answered whole or not at all: if a result cannot be written, the function raises, and the event source
mapping delivers the same batch again. So an offer can come twice; it carries the sign-up's id, by which a reader tells.
A sign-up that makes no sense is answered with the status `rejected`: raising would block its shard behind it.
"""

import base64
import json
import os
import time

from bandwidth import catalogue

from kinesis import KinesisClient, PutFailed

MAX_ID_CHARACTERS = 64
ECHOED_FIELDS = ("name", "origin", "put_at_ms")
MAX_ECHO_CHARACTERS = 200
MAX_ECHO_NUMBER = 2**53
# Time kept at the end of an invocation to report a failure before the runtime is stopped.
SAFETY_MARGIN_S = 2.0

_client = None


def client():
    """One client, and so one warm connection, for all invocations of this process."""
    global _client
    if _client is None:
        _client = KinesisClient.from_environment()
    return _client


def handler(event, context):
    """Entry point. Returns counts by status, which the log and a test invocation show."""
    offers = [enrich(record) for record in event.get("Records", ())]
    entries = [(offer.pop("partition_key"), encode(offer)) for offer in offers]
    if entries:
        deadline = time.monotonic() + context.get_remaining_time_in_millis() / 1000 - SAFETY_MARGIN_S
        try:
            client().put_records(os.environ["OFFERS_STREAM"], entries, deadline)
        except PutFailed as failure:
            print(f"WARN {failure}; the batch of {len(entries)} will be delivered again")
            raise
    counts = {}
    for offer in offers:
        counts[offer["status"]] = counts.get(offer["status"], 0) + 1
    return counts


def enrich(record):
    """The offer for one record of the event; `partition_key` is the sign-up's id."""
    sequence_number = record["kinesis"]["sequenceNumber"]
    offer = {
        "sign_up_id": None,
        "sequence_number": sequence_number,
        "shard_id": record.get("eventID", "").partition(":")[0],
    }
    sign_up, problem = parse(record["kinesis"]["data"])
    if sign_up is not None:
        offer.update(echo(sign_up))
        offer["sign_up_id"] = sign_up["id"]
        offer.update(catalogue.look_up(sign_up.get("place")).as_dict())
    else:
        offer.update(status=catalogue.REJECTED, options=[], reason={"code": "malformed", "message": problem})
    offer["enriched_at_ms"] = time.time_ns() // 1_000_000
    offer["partition_key"] = offer["sign_up_id"] or sequence_number
    return offer


def encode(offer):
    """An offer as a record's data. JSON may escape halves of a character, which no reader could make sense of."""
    return json.dumps(offer, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode(errors="replace")


def parse(data):
    """The sign-up in a record's data, or `None` and what is wrong with it."""
    try:
        sign_up = json.loads(base64.b64decode(data, validate=True))
    except (ValueError, RecursionError):
        return None, "The record is not JSON."
    if not isinstance(sign_up, dict):
        return None, "The record is not a JSON object."
    identity = sign_up.get("id")
    if not isinstance(identity, str) or not 0 < len(identity) <= MAX_ID_CHARACTERS or not identity.isascii():
        return None, f"The sign-up has no id of 1 to {MAX_ID_CHARACTERS} ASCII characters."
    return sign_up, None


def echo(sign_up):
    """Fields that the reader of the offer wants to see again; only scalars of a modest size."""
    fields = {}
    for name in ECHOED_FIELDS:
        value = sign_up.get(name)
        if isinstance(value, str):
            fields[name] = value[:MAX_ECHO_CHARACTERS]
        elif isinstance(value, (int, float)) and abs(value) <= MAX_ECHO_NUMBER:  # false for NaN
            fields[name] = value
    return fields
