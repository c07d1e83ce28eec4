"""Tags of streams and consumers, and what else of a stream can be set."""

from support.case import ServerCase
from support.clients import create_stream


def as_dict(answer):
    return {tag["Key"]: tag["Value"] for tag in answer["Tags"]}


class Tags(ServerCase):
    def test_a_stream_is_tagged_by_name_and_by_arn(self):
        arn = create_stream(self.kinesis, "tagged")["StreamARN"]
        self.kinesis.add_tags_to_stream(StreamName="tagged", Tags={"team": "a", "stage": "test"})
        self.kinesis.tag_resource(ResourceARN=arn, Tags={"team": "b"})
        self.assertEqual(as_dict(self.kinesis.list_tags_for_stream(StreamName="tagged")), {"stage": "test", "team": "b"})
        self.kinesis.remove_tags_from_stream(StreamARN=arn, TagKeys=["stage"])
        self.assertEqual(as_dict(self.kinesis.list_tags_for_resource(ResourceARN=arn)), {"team": "b"})
        self.kinesis.untag_resource(ResourceARN=arn, TagKeys=["team"])
        self.assertEqual(as_dict(self.kinesis.list_tags_for_stream(StreamARN=arn)), {})

    def test_pages_of_tags_follow_one_another(self):
        # As Terraform reads them.
        create_stream(self.kinesis, "paged")
        tags = {f"n{number:02}": "x" for number in range(50)}
        for chunk in range(0, 50, 10):
            self.kinesis.add_tags_to_stream(StreamName="paged", Tags=dict(list(tags.items())[chunk:chunk + 10]))
        found, more = {}, {}
        while True:
            page = self.kinesis.list_tags_for_stream(StreamName="paged", Limit=7, **more)
            found.update(as_dict(page))
            if not page["HasMoreTags"]:
                break
            more = {"ExclusiveStartTagKey": page["Tags"][-1]["Key"]}
        self.assertEqual(found, tags)
        with self.assertRaises(self.kinesis.exceptions.InvalidArgumentException) as refused:
            self.kinesis.add_tags_to_stream(StreamName="paged", Tags={"one": "more"})
        self.assertIn("cannot have more than 50 tags", str(refused.exception))

    def test_a_consumer_is_tagged(self):
        arn = create_stream(self.kinesis, "consumed")["StreamARN"]
        registered = self.kinesis.register_stream_consumer(StreamARN=arn, ConsumerName="app", Tags={"a": "1"})
        consumer = registered["Consumer"]["ConsumerARN"]
        self.kinesis.tag_resource(ResourceARN=consumer, Tags={"b": "2"})
        self.assertEqual(as_dict(self.kinesis.list_tags_for_resource(ResourceARN=consumer)), {"a": "1", "b": "2"})


class Settings(ServerCase):
    def test_records_may_be_larger_when_a_stream_says_so(self):
        arn = create_stream(self.kinesis, "large")["StreamARN"]
        data = bytes(3 << 20)
        with self.assertRaises(self.kinesis.exceptions.ClientError):
            self.kinesis.put_record(StreamName="large", PartitionKey="k", Data=data)
        self.kinesis.update_max_record_size(StreamARN=arn, MaxRecordSizeInKiB=4096)
        put = self.kinesis.put_record(StreamName="large", PartitionKey="k", Data=data)
        iterator = self.kinesis.get_shard_iterator(
            StreamName="large", ShardId=put["ShardId"], ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
        self.assertEqual(self.kinesis.get_records(ShardIterator=iterator)["Records"][0]["Data"], data)

    def test_a_stream_changes_its_mode(self):
        arn = create_stream(self.kinesis, "moody")["StreamARN"]
        before = self.kinesis.describe_limits()["OnDemandStreamCount"]
        for mode, count in [("ON_DEMAND", before + 1), ("PROVISIONED", before)]:
            self.kinesis.update_stream_mode(StreamARN=arn, StreamModeDetails={"StreamMode": mode})
            summary = self.kinesis.describe_stream_summary(StreamName="moody")["StreamDescriptionSummary"]
            self.assertEqual(summary["StreamModeDetails"], {"StreamMode": mode})
            self.assertEqual(self.kinesis.describe_limits()["OnDemandStreamCount"], count)
