"""In one process what a batch needs of JSON on its way to a Python function: the event made of records, with their data in
base64, and parsed again. Prints records per second as JSON."""

import argparse
import base64
import json
import os
import time

ARN = "arn:aws:kinesis:us-east-1:000000000000:stream/bench"
SHARD = "shardId-000000000000"


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--batch", type=int, required=True)
    arguments.add_argument("--size", type=int, required=True)
    arguments.add_argument("--seconds", type=float, required=True)
    arguments = arguments.parse_args()
    records = [(f"source-{number:016x}", os.urandom(arguments.size)) for number in range(arguments.batch)]
    done = 0
    began = time.perf_counter()
    while time.perf_counter() - began < arguments.seconds:
        text = json.dumps({"Records": [record(number, *one) for number, one in enumerate(records)]}, separators=(",", ":"))
        done += len(json.loads(text)["Records"])
    print(json.dumps({"per_s": done / (time.perf_counter() - began), "event_bytes": len(text)}))


def record(number, key, data):
    sequence_number = f"{number:056d}"
    return {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": key,
            "sequenceNumber": sequence_number,
            "data": base64.b64encode(data).decode(),
            "approximateArrivalTimestamp": 1795443600.123,
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"{SHARD}:{sequence_number}",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": "arn:aws:iam::000000000000:role/millstream",
        "awsRegion": "us-east-1",
        "eventSourceARN": ARN,
    }


if __name__ == "__main__":
    main()
