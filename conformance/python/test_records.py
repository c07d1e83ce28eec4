"""Records: put, the five ways to begin reading, and where a record goes."""

import datetime
import hashlib
import time

from support.case import ServerCase
from support.clients import create_stream, read_shard, read_stream, shards_of

HASH_SPACE = 2**128


class Records(ServerCase):
    def test_what_is_put_is_read_with_its_number_and_time(self):
        create_stream(self.kinesis, "echo")
        before = time.time()
        data = bytes(range(256)) * 4
        put = self.kinesis.put_record(StreamName="echo", PartitionKey="schlüssel", Data=data)
        self.assertEqual(put["ShardId"], "shardId-000000000000")
        self.assertRegex(put["SequenceNumber"], r"^\d{56}$")
        (record,) = read_stream(self.kinesis, "echo")
        self.assertEqual(record["Data"], data)
        self.assertEqual(record["PartitionKey"], "schlüssel")
        self.assertEqual(record["SequenceNumber"], put["SequenceNumber"])
        self.assertAlmostEqual(record["ApproximateArrivalTimestamp"].timestamp(), before, delta=60)

    def test_get_records_in_a_loop_sees_every_record_once_and_in_order(self):
        create_stream(self.kinesis, "loop")
        put = []
        for start in range(0, 100, 10):
            entries = [{"PartitionKey": "k", "Data": str(n).encode()} for n in range(start, start + 10)]
            put += [entry["SequenceNumber"] for entry in self.kinesis.put_records(StreamName="loop", Records=entries)["Records"]]
        iterator = self.kinesis.get_shard_iterator(
            StreamName="loop", ShardId="shardId-000000000000", ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
        seen = []
        while len(seen) < 100:
            answer = self.kinesis.get_records(ShardIterator=iterator, Limit=7)
            self.assertLessEqual(len(answer["Records"]), 7)
            self.assertIn("MillisBehindLatest", answer)
            seen += answer["Records"]
            iterator = answer["NextShardIterator"]
        self.assertEqual([record["Data"] for record in seen], [str(n).encode() for n in range(100)])
        self.assertEqual([record["SequenceNumber"] for record in seen], put)
        self.assertEqual(sorted(put), put)
        answer = self.kinesis.get_records(ShardIterator=iterator)
        self.assertEqual((answer["Records"], answer["MillisBehindLatest"]), ([], 0))

    def test_all_five_iterator_types(self):
        create_stream(self.kinesis, "five")
        numbers = [self.kinesis.put_record(StreamName="five", PartitionKey="k", Data=data)["SequenceNumber"] for data in (b"a", b"b")]
        latest = self.kinesis.get_shard_iterator(
            StreamName="five", ShardId="shardId-000000000000", ShardIteratorType="LATEST")["ShardIterator"]
        time.sleep(0.02)
        between = datetime.datetime.now(datetime.timezone.utc)
        time.sleep(0.02)
        self.kinesis.put_record(StreamName="five", PartitionKey="k", Data=b"c")

        def data(**start):
            return [record["Data"] for record in read_shard(self.kinesis, "five", "shardId-000000000000", **start)]

        self.assertEqual(data(ShardIteratorType="TRIM_HORIZON"), [b"a", b"b", b"c"])
        self.assertEqual(data(ShardIteratorType="AT_SEQUENCE_NUMBER", StartingSequenceNumber=numbers[1]), [b"b", b"c"])
        self.assertEqual(data(ShardIteratorType="AFTER_SEQUENCE_NUMBER", StartingSequenceNumber=numbers[1]), [b"c"])
        self.assertEqual(data(ShardIteratorType="AT_TIMESTAMP", Timestamp=between), [b"c"])
        self.assertEqual(data(ShardIteratorType="LATEST"), [])
        self.assertEqual([record["Data"] for record in self.kinesis.get_records(ShardIterator=latest)["Records"]], [b"c"])

    def test_a_number_that_is_no_record_but_lies_in_the_shard_is_a_place_to_begin(self):
        create_stream(self.kinesis, "gap")
        shard = shards_of(self.kinesis, "gap")[0]
        start = shard["SequenceNumberRange"]["StartingSequenceNumber"]
        self.kinesis.put_record(StreamName="gap", PartitionKey="k", Data=b"a")
        for kind in ("AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER"):
            with self.subTest(kind):
                records = read_shard(self.kinesis, "gap", shard["ShardId"], ShardIteratorType=kind, StartingSequenceNumber=start)
                self.assertEqual([record["Data"] for record in records], [b"a"])

    def test_iterators_are_refused_for_what_is_not_there(self):
        create_stream(self.kinesis, "strict", 2)
        self.refused(self.kinesis.get_shard_iterator, "ResourceNotFoundException",
                     StreamName="strict", ShardId="shardId-000000000009", ShardIteratorType="LATEST")
        self.refused(self.kinesis.get_shard_iterator, "ValidationException",
                     StreamName="strict", ShardId="shardId-000000000000", ShardIteratorType="AT_SEQUENCE_NUMBER",
                     StartingSequenceNumber="not-a-number")
        other = shards_of(self.kinesis, "strict")[1]["SequenceNumberRange"]["StartingSequenceNumber"]
        self.refused(self.kinesis.get_shard_iterator, "InvalidArgumentException",
                     StreamName="strict", ShardId="shardId-000000000000", ShardIteratorType="AT_SEQUENCE_NUMBER",
                     StartingSequenceNumber=other)
        self.refused(self.kinesis.get_records, "InvalidArgumentException", ShardIterator="bm90IG91cnM=")

    def test_the_shards_tile_the_hash_space_and_records_go_where_their_key_says(self):
        create_stream(self.kinesis, "tiles", 7)
        shards = shards_of(self.kinesis, "tiles")
        ranges = [(int(shard["HashKeyRange"]["StartingHashKey"]), int(shard["HashKeyRange"]["EndingHashKey"])) for shard in shards]
        self.assertEqual([shard["ShardId"] for shard in shards], [f"shardId-{number:012}" for number in range(7)])
        self.assertEqual((ranges[0][0], ranges[-1][1]), (0, HASH_SPACE - 1))
        for (_, end), (start, _) in zip(ranges, ranges[1:]):
            self.assertEqual(end + 1, start)

        def owner(hash_key):
            (index,) = [index for index, (start, end) in enumerate(ranges) if start <= hash_key <= end]
            return shards[index]["ShardId"]

        for key in (f"user-{number}" for number in range(30)):
            put = self.kinesis.put_record(StreamName="tiles", PartitionKey=key, Data=b"x")
            self.assertEqual(put["ShardId"], owner(int(hashlib.md5(key.encode()).hexdigest(), 16)))
        for hash_key in (0, HASH_SPACE - 1, *(start for start, _ in ranges), *(end for _, end in ranges)):
            put = self.kinesis.put_record(StreamName="tiles", PartitionKey="same", Data=b"x", ExplicitHashKey=str(hash_key))
            self.assertEqual(put["ShardId"], owner(hash_key))
        self.refused(self.kinesis.put_record, "InvalidArgumentException",
                     StreamName="tiles", PartitionKey="k", Data=b"x", ExplicitHashKey=str(HASH_SPACE))

    def test_list_shards_in_pages(self):
        create_stream(self.kinesis, "paged", 5)
        first = self.kinesis.list_shards(StreamName="paged", MaxResults=2)
        self.assertEqual(len(first["Shards"]), 2)
        second = self.kinesis.list_shards(NextToken=first["NextToken"], MaxResults=2)
        third = self.kinesis.list_shards(NextToken=second["NextToken"], MaxResults=2)
        ids = [shard["ShardId"] for page in (first, second, third) for shard in page["Shards"]]
        self.assertEqual(ids, [f"shardId-{number:012}" for number in range(5)])
        self.assertNotIn("NextToken", third)
        for kind in ("AT_LATEST", "AT_TRIM_HORIZON", "FROM_TRIM_HORIZON"):
            listed = self.kinesis.list_shards(StreamName="paged", ShardFilter={"Type": kind})
            self.assertEqual(len(listed["Shards"]), 5, kind)
        after = self.kinesis.list_shards(StreamName="paged", ExclusiveStartShardId="shardId-000000000002")
        self.assertEqual(len(after["Shards"]), 2)

    def test_put_records_answers_entry_by_entry_and_in_order(self):
        create_stream(self.kinesis, "many", 3)
        entries = [{"PartitionKey": f"k{number}", "Data": f"{number}".encode()} for number in range(500)]
        answer = self.kinesis.put_records(StreamName="many", Records=entries)
        self.assertEqual(answer["FailedRecordCount"], 0)
        self.assertEqual(len(answer["Records"]), 500)
        read = {}
        for shard in shards_of(self.kinesis, "many"):
            for record in read_shard(self.kinesis, "many", shard["ShardId"]):
                read[record["Data"]] = (shard["ShardId"], record["SequenceNumber"])
        for entry, result in zip(entries, answer["Records"]):
            self.assertNotIn("ErrorCode", result)
            self.assertEqual(read[entry["Data"]], (result["ShardId"], result["SequenceNumber"]))

    def test_put_records_refuses_what_is_too_many_or_too_large(self):
        create_stream(self.kinesis, "bounds")
        self.refused(self.unchecked.put_records, "ValidationException",
                     StreamName="bounds", Records=[{"PartitionKey": "k", "Data": b"x"}] * 501)
        self.refused(self.unchecked.put_records, "ValidationException", StreamName="bounds", Records=[])
        for data in (b"x" * (1 << 20) + b"xx", b"x" * (11 << 20)):
            with self.subTest(len(data)), self.assertRaises(self.kinesis.exceptions.ClientError) as caught:
                self.kinesis.put_record(StreamName="bounds", PartitionKey="k", Data=data)
            self.assertIn(caught.exception.response["Error"]["Code"], ("ValidationException", "InvalidArgumentException"))
        self.refused(self.unchecked.put_record, "ValidationException", StreamName="bounds", PartitionKey="k" * 257, Data=b"x")
        self.kinesis.put_record(StreamName="bounds", PartitionKey="k", Data=b"x" * ((1 << 20) - 1))
        self.assertEqual(len(read_stream(self.kinesis, "bounds")), 1)

    def test_sequence_number_for_ordering_keeps_one_producers_records_in_order(self):
        create_stream(self.kinesis, "ordered")
        number = None
        for n in range(20):
            extra = {"SequenceNumberForOrdering": number} if number else {}
            number = self.kinesis.put_record(StreamName="ordered", PartitionKey="k", Data=str(n).encode(), **extra)["SequenceNumber"]
        self.assertEqual([record["Data"] for record in read_stream(self.kinesis, "ordered")], [str(n).encode() for n in range(20)])
