"""boto3 as a customer would set it up for a server of their own."""

import boto3
from botocore.config import Config

from support.server import REGION

CREDENTIALS = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
WAIT = {"Delay": 0.05, "MaxAttempts": 400}


def client(service, address, region_name=REGION, **options):
    """A boto3 client that does not retry: a test wants to see the first answer."""
    config = Config(retries={"total_max_attempts": 1}, connect_timeout=10, read_timeout=60).merge(Config(**options))
    return boto3.client(service, endpoint_url=address, region_name=region_name, config=config, **CREDENTIALS)


def create_stream(kinesis, name, shards=1):
    """Creates a stream and waits until it is active; its description."""
    kinesis.create_stream(StreamName=name, ShardCount=shards)
    kinesis.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig=WAIT)
    return kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]


def shards_of(kinesis, name):
    """All shards, page by page."""
    page = kinesis.list_shards(StreamName=name)
    shards = page["Shards"]
    while token := page.get("NextToken"):
        page = kinesis.list_shards(NextToken=token)
        shards += page["Shards"]
    return shards


def read_shard(kinesis, name, shard_id, **start):
    """Reads a shard from the start (or from where `start` says) up to its present end."""
    start = start or {"ShardIteratorType": "TRIM_HORIZON"}
    iterator = kinesis.get_shard_iterator(StreamName=name, ShardId=shard_id, **start)["ShardIterator"]
    records = []
    while iterator:
        answer = kinesis.get_records(ShardIterator=iterator)
        records += answer["Records"]
        iterator = answer.get("NextShardIterator")
        if not answer["Records"] and answer["MillisBehindLatest"] == 0:
            break
    return records


def read_stream(kinesis, name):
    """All records of a stream, shard after shard."""
    return [record for shard in shards_of(kinesis, name) for record in read_shard(kinesis, name, shard["ShardId"])]
