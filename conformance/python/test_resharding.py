"""Shards that are split and merged: their family tree, their ends, and the order of records through it all."""

import json
import tempfile
import threading
import unittest
from collections import defaultdict

from support.case import ServerCase
from support.clients import WAIT, client, create_stream, shards_of
from support.deploy import deploy
from support.package import PUT_SOURCE
from support.server import ACCOUNT, Server

LAST_HASH_KEY = 2**128 - 1
QUARTER = str(2**126)


def shard_id(number):
    return f"shardId-{number:012d}"


def wait_until_active(kinesis, name):
    kinesis.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig=WAIT)


def split(kinesis, name, number, key):
    kinesis.split_shard(StreamName=name, ShardToSplit=shard_id(number), NewStartingHashKey=str(key))
    wait_until_active(kinesis, name)


def merge(kinesis, name, low, high):
    kinesis.merge_shards(StreamName=name, ShardToMerge=shard_id(low), AdjacentShardToMerge=shard_id(high))
    wait_until_active(kinesis, name)


def update(kinesis, name, count):
    kinesis.update_shard_count(StreamName=name, TargetShardCount=count, ScalingType="UNIFORM_SCALING")
    wait_until_active(kinesis, name)


def range_of(shard):
    keys = shard["HashKeyRange"]
    return int(keys["StartingHashKey"]), int(keys["EndingHashKey"])


def is_open(shard):
    return "EndingSequenceNumber" not in shard["SequenceNumberRange"]


def parents_of(shard):
    return [shard[member] for member in ("ParentShardId", "AdjacentParentShardId") if member in shard]


def walk(kinesis, name):
    """Reads all of a stream as a consumer library does: a shard when its parents have ended, children as ends name them."""
    first = kinesis.list_shards(StreamName=name, ShardFilter={"Type": "AT_TRIM_HORIZON"})["Shards"]
    waiting = {shard["ShardId"]: [] for shard in first}
    records, done = [], set()
    while ready := [shard for shard, parents in waiting.items() if shard not in done and done.issuperset(parents)]:
        for shard in ready:
            done.add(shard)
            start = kinesis.get_shard_iterator(StreamName=name, ShardId=shard, ShardIteratorType="TRIM_HORIZON")
            iterator = start["ShardIterator"]
            while iterator:
                answer = kinesis.get_records(ShardIterator=iterator)
                records += answer["Records"]
                iterator = answer.get("NextShardIterator")
                if iterator and not answer["Records"] and answer["MillisBehindLatest"] == 0:
                    break
            else:
                assert answer["ChildShards"], f"the end of {shard} names no children"
                for child in answer["ChildShards"]:
                    waiting[child["ShardId"]] = child["ParentShards"]
    return records


class Writers:
    """Threads that put numbered records under keys of their own, each after the last one was acknowledged."""

    def __init__(self, address, name, count=4):
        self.address, self.name = address, name
        self.acknowledged = defaultdict(list)
        self.errors = []
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self._write, args=(number,)) for number in range(count)]
        for thread in self.threads:
            thread.start()

    def _write(self, number):
        kinesis = client("kinesis", self.address)
        keys = [f"{number}-{key}" for key in range(5)]
        value = 0
        try:
            while not self.stopping.is_set():
                entries = [{"PartitionKey": key, "Data": f"{value}".encode()} for key in keys]
                answer = kinesis.put_records(StreamName=self.name, Records=entries)
                if answer["FailedRecordCount"]:
                    raise RuntimeError(answer)
                for key, entry in zip(keys, answer["Records"]):
                    self.acknowledged[key].append((value, entry["SequenceNumber"]))
                value += 1
        except Exception as error:
            self.errors.append(error)

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join()


class Resharding(ServerCase):
    def test_a_shard_is_split_and_its_children_take_over(self):
        create_stream(self.kinesis, "split", 2)
        before = self.kinesis.put_record(StreamName="split", PartitionKey="k", ExplicitHashKey="0", Data=b"before")
        split(self.kinesis, "split", 0, QUARTER)
        after = self.kinesis.put_record(StreamName="split", PartitionKey="k", ExplicitHashKey="0", Data=b"after")
        self.assertEqual(after["ShardId"], shard_id(2))
        self.assertGreater(int(after["SequenceNumber"]), int(before["SequenceNumber"]))
        shards = {shard["ShardId"]: shard for shard in shards_of(self.kinesis, "split")}
        self.assertEqual([parents_of(shards[shard_id(n)]) for n in range(4)], [[], [], [shard_id(0)], [shard_id(0)]])
        ending = shards[shard_id(0)]["SequenceNumberRange"]["EndingSequenceNumber"]
        self.assertTrue(int(before["SequenceNumber"]) <= int(ending) < int(after["SequenceNumber"]))
        self.assertEqual([is_open(shards[shard_id(n)]) for n in range(4)], [False, True, True, True])
        summary = self.kinesis.describe_stream_summary(StreamName="split")["StreamDescriptionSummary"]
        self.assertEqual(summary["OpenShardCount"], 3)
        self.assertEqual([record["Data"] for record in walk(self.kinesis, "split")], [b"before", b"after"])

    def test_the_end_of_a_shard_has_children_and_no_iterator(self):
        create_stream(self.kinesis, "ends", 2)
        self.kinesis.put_record(StreamName="ends", PartitionKey="k", ExplicitHashKey="0", Data=b"x")
        merge(self.kinesis, "ends", 0, 1)
        # KCL's clean-up asks for the latest of a shard that has ended, and expects its children.
        for kind in ("TRIM_HORIZON", "LATEST"):
            iterator = self.kinesis.get_shard_iterator(StreamName="ends", ShardId=shard_id(0), ShardIteratorType=kind)
            answer = self.kinesis.get_records(ShardIterator=iterator["ShardIterator"])
            self.assertNotIn("NextShardIterator", answer)
            self.assertEqual(answer["MillisBehindLatest"], 0)
            (child,) = answer["ChildShards"]
            self.assertEqual(child["ShardId"], shard_id(2))
            self.assertEqual(child["ParentShards"], [shard_id(0), shard_id(1)])
            self.assertEqual(child["HashKeyRange"], {"StartingHashKey": "0", "EndingHashKey": str(LAST_HASH_KEY)})

    def test_a_subscription_ends_with_the_children(self):
        arn = create_stream(self.kinesis, "pushed-end")["StreamARN"]
        consumer = self.kinesis.register_stream_consumer(StreamARN=arn, ConsumerName="reader")["Consumer"]["ConsumerARN"]

        def active():
            described = self.kinesis.describe_stream_consumer(ConsumerARN=consumer)["ConsumerDescription"]
            return described["ConsumerStatus"] == "ACTIVE"

        self.eventually(active, "the consumer is active")
        self.kinesis.put_record(StreamName="pushed-end", PartitionKey="k", Data=b"x")
        answer = self.kinesis.subscribe_to_shard(
            ConsumerARN=consumer, ShardId=shard_id(0), StartingPosition={"Type": "TRIM_HORIZON"})
        events = (event["SubscribeToShardEvent"] for event in answer["EventStream"])
        self.assertEqual([record["Data"] for record in next(events)["Records"]], [b"x"])
        split(self.kinesis, "pushed-end", 0, QUARTER)
        *others, last = events
        for event in others:
            self.assertIn("ContinuationSequenceNumber", event)
        self.assertEqual([child["ShardId"] for child in last["ChildShards"]], [shard_id(1), shard_id(2)])
        self.assertNotIn("ContinuationSequenceNumber", last)

    def test_shard_counts_go_up_and_down_and_shards_always_tile(self):
        create_stream(self.kinesis, "counts", 2)
        listings = [{"Type": "AT_LATEST"}, {"Type": "AT_TRIM_HORIZON"}]
        for count in (3, 6, 4, 5, 3, 2, 1):
            answer = self.kinesis.update_shard_count(
                StreamName="counts", TargetShardCount=count, ScalingType="UNIFORM_SCALING")
            self.assertEqual(answer["TargetShardCount"], count)
            wait_until_active(self.kinesis, "counts")
            # Later this finds what was open now.
            now = self.kinesis.put_record(StreamName="counts", PartitionKey="k", Data=b"x")
            shard = self.kinesis.get_shard_iterator(
                StreamName="counts", ShardId=now["ShardId"], ShardIteratorType="AT_SEQUENCE_NUMBER",
                StartingSequenceNumber=now["SequenceNumber"])["ShardIterator"]
            (record,) = self.kinesis.get_records(ShardIterator=shard)["Records"]
            listings.append({"Type": "AT_TIMESTAMP", "Timestamp": record["ApproximateArrivalTimestamp"]})
            for listing in listings:
                shards = self.kinesis.list_shards(StreamName="counts", ShardFilter=listing)["Shards"]
                ids = [shard["ShardId"] for shard in shards]
                self.assertEqual(ids, sorted(ids))
                ranges = sorted(map(range_of, shards))
                self.assertEqual((ranges[0][0], ranges[-1][1]), (0, LAST_HASH_KEY), listing)
                for low, high in zip(ranges, ranges[1:]):
                    self.assertEqual(low[1] + 1, high[0], listing)
            latest = self.kinesis.list_shards(StreamName="counts", ShardFilter={"Type": "AT_LATEST"})["Shards"]
            self.assertEqual(len(latest), count)
        everything = shards_of(self.kinesis, "counts")
        after = self.kinesis.list_shards(
            StreamName="counts", ShardFilter={"Type": "AFTER_SHARD_ID", "ShardId": shard_id(3)})["Shards"]
        self.assertEqual(after, everything[4:])
        self.assertEqual(len(walk(self.kinesis, "counts")), 7)

    def test_refusals_are_in_the_words_of_aws(self):
        create_stream(self.kinesis, "refusals", 2)
        split_shard, merge_shards = self.kinesis.split_shard, self.kinesis.merge_shards
        where = f"in stream refusals under account {ACCOUNT}"
        message = self.refused(split_shard, "InvalidArgumentException", StreamName="refusals",
                               ShardToSplit=shard_id(0), NewStartingHashKey="1")
        self.assertEqual(message, f"NewStartingHashKey 1 used in SplitShard() on shard {shard_id(0)} {where} is not both "
                                  "greater than one plus the shard's StartingHashKey 0 and less than the shard's "
                                  f"EndingHashKey {2**127 - 1}.")
        message = self.refused(merge_shards, "InvalidArgumentException", StreamName="refusals",
                               ShardToMerge=shard_id(1), AdjacentShardToMerge=shard_id(0))
        self.assertEqual(message, f"Shards {shard_id(1)} and {shard_id(0)} {where} are not an adjacent pair of shards "
                                  "eligible for merging")
        message = self.refused(split_shard, "ResourceNotFoundException", StreamName="refusals",
                               ShardToSplit=shard_id(7), NewStartingHashKey="5")
        self.assertEqual(message, f"Could not find shard {shard_id(7)} {where}.")
        self.refused(self.kinesis.update_shard_count, "InvalidArgumentException",
                     StreamName="refusals", TargetShardCount=5, ScalingType="UNIFORM_SCALING")
        merge(self.kinesis, "refusals", 0, 1)
        message = self.refused(split_shard, "InvalidArgumentException", StreamName="refusals",
                               ShardToSplit=shard_id(0), NewStartingHashKey="5")
        self.assertIn("has already been merged or split", message)

    def test_nothing_is_lost_or_reordered_under_load(self):
        create_stream(self.kinesis, "load", 2)
        writers = Writers(self.address, "load")
        try:
            for count in (4, 3, 6, 3, 2, 1, 2, 4):
                update(self.kinesis, "load", count)
        finally:
            writers.stop()
        self.assertEqual(writers.errors, [])
        self.check_all("load", self.kinesis, writers)

    def check_all(self, name, kinesis, writers):
        read = defaultdict(list)
        for record in walk(kinesis, name):
            read[record["PartitionKey"]].append((int(record["Data"]), record["SequenceNumber"]))
        self.assertEqual(read, writers.acknowledged)

    def test_a_mapping_follows_the_tree(self):
        arn = create_stream(self.kinesis, "mapped", 1)["StreamARN"]
        create_stream(self.kinesis, "mapped-out")
        body = ("def handler(event, context):\n"
                "    for record in event['Records']:\n"
                "        put('mapped-out', [record['kinesis']['partitionKey'], record['eventID'].split(':')[0]])\n")
        deploy(self.functions, "mapped", f"{PUT_SOURCE}\n{body}")
        self.functions.create_event_source_mapping(
            EventSourceArn=arn, FunctionName="mapped", StartingPosition="TRIM_HORIZON", BatchSize=3)
        wanted = []
        for round_, reshard in enumerate([
            lambda: split(self.kinesis, "mapped", 0, QUARTER),
            lambda: split(self.kinesis, "mapped", 1, str(2**125)),
            lambda: merge(self.kinesis, "mapped", 4, 2),
            lambda: None,
        ]):
            for n in range(4):
                self.kinesis.put_record(StreamName="mapped", PartitionKey=f"{round_}-{n}", ExplicitHashKey=QUARTER, Data=b"x")
                wanted.append(f"{round_}-{n}")
            reshard()

        def seen():
            page = self.kinesis.get_shard_iterator(
                StreamName="mapped-out", ShardId=shard_id(0), ShardIteratorType="TRIM_HORIZON")
            records = self.kinesis.get_records(ShardIterator=page["ShardIterator"])["Records"]
            return [json.loads(record["Data"]) for record in records]

        self.eventually(lambda: len(seen()) >= len(wanted), "all records came through")
        self.assertEqual([key for key, _ in seen()], wanted, "one hash key, so one order through all its shards")
        self.assertEqual(sorted({shard for _, shard in seen()}), [shard_id(n) for n in (0, 2, 5)])


class ReshardingAcrossKills(unittest.TestCase):
    def test_a_kill_in_the_middle_is_made_good(self):
        with tempfile.TemporaryDirectory() as data:
            with Server(data) as server:
                create_stream(client("kinesis", server.address), "killed", 2)
            acknowledged = defaultdict(list)
            for count in (4, 3, 6):
                with Server(data) as server:
                    kinesis = client("kinesis", server.address)
                    wait_until_active(kinesis, "killed")
                    for key in map(str, range(20)):
                        put = kinesis.put_record(StreamName="killed", PartitionKey=key, Data=f"{count}".encode())
                        acknowledged[key].append((f"{count}".encode(), put["SequenceNumber"]))
                    # Answered as soon as it is durable that it shall be; the server dies at once.
                    kinesis.update_shard_count(StreamName="killed", TargetShardCount=count, ScalingType="UNIFORM_SCALING")
            with Server(data) as server:
                kinesis = client("kinesis", server.address)
                wait_until_active(kinesis, "killed")
                latest = kinesis.list_shards(StreamName="killed", ShardFilter={"Type": "AT_LATEST"})["Shards"]
                self.assertEqual(len(latest), 6)
                read = defaultdict(list)
                for record in walk(kinesis, "killed"):
                    read[record["PartitionKey"]].append((record["Data"], record["SequenceNumber"]))
                self.assertEqual(read, acknowledged)
