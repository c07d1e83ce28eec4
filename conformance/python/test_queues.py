"""Queues on streams: competing receivers, acknowledgements, dead letters, restarts."""

import tempfile
import threading
import unittest

from botocore.exceptions import ClientError

from support import clients
from support.case import ServerCase
from support.clients import WAIT
from support.server import Server


def on_demand(kinesis, name):
    kinesis.create_stream(StreamName=name, StreamModeDetails={"StreamMode": "ON_DEMAND"})
    kinesis.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig=WAIT)
    return kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamARN"]


def put(kinesis, name, values):
    entries = [{"PartitionKey": str(value), "Data": str(value).encode()} for value in values]
    assert kinesis.put_records(StreamName=name, Records=entries)["FailedRecordCount"] == 0


def handles(records):
    return [{"ReceiptHandle": record["ReceiptHandle"]} for record in records]


def values(records):
    return sorted(int(record["Data"]) for record in records)


class QueueCase(ServerCase):
    def queue(self, name, position="TRIM_HORIZON", **attributes):
        """A stream and an active queue of this name; the queue's ARN."""
        stream = on_demand(self.kinesis, name)
        source = {"StreamARN": stream, "StartingPosition": {"Type": position}}
        made = self.kinesis.create_queue(QueueName=name, StreamConfigurationList=[source], QueueAttributes=attributes)
        arn = made["QueueDescription"]["QueueARN"]
        self.eventually(lambda: self.describe(arn)["QueueStatus"] == "ACTIVE", "the queue is active")
        return arn

    def describe(self, arn):
        return self.kinesis.describe_queue(QueueARN=arn)["QueueDescription"]

    def receive(self, arn, wait=1, **options):
        return self.kinesis.receive_queue_records(QueueARN=arn, WaitTimeSeconds=wait, **options)["QueueRecords"]

    def receive_dead(self, arn, **options):
        return self.kinesis.receive_dead_letter_queue_records(QueueARN=arn, WaitTimeSeconds=1, **options)["QueueRecords"]


class Queues(QueueCase):
    def test_a_record_is_received_once_until_it_is_acknowledged(self):
        arn = self.queue("once", VisibilityTimeoutSeconds=600)
        put(self.kinesis, "once", range(15))
        first = self.receive(arn)
        self.assertEqual(len(first), 10)
        second = self.receive(arn)
        self.assertEqual(values(first + second), list(range(15)))
        self.assertEqual(self.receive(arn), [])
        record = first[0]
        self.assertEqual(record["PartitionKey"], record["Data"].decode())
        self.assertEqual(record["ReceiveCount"], 1)
        self.assertRegex(record["RecordId"], "^[a-z0-9]{1,64}$")
        # What is let go of comes again, with another handle and the same id.
        back = [{"ReceiptHandle": record["ReceiptHandle"], "VisibilityTimeoutSeconds": 0}]
        self.assertEqual(self.kinesis.update_queue_records_visibility(QueueARN=arn, Entries=back)["Failed"], [])
        (again,) = self.receive(arn)
        self.assertEqual((again["RecordId"], again["ReceiveCount"]), (record["RecordId"], 2))
        self.assertEqual(again["FirstReceiveTimestamp"], record["FirstReceiveTimestamp"])
        self.assertNotEqual(again["ReceiptHandle"], record["ReceiptHandle"])
        stale = self.kinesis.acknowledge_queue_records(QueueARN=arn, Entries=handles([record]))
        self.assertEqual(stale["Failed"][0]["ErrorCode"], "InvalidArgumentException")
        done = self.kinesis.acknowledge_queue_records(QueueARN=arn, Entries=handles([again] + second))
        self.assertEqual((len(done["Successful"]), done["Failed"]), (6, []))
        gone = self.kinesis.acknowledge_queue_records(QueueARN=arn, Entries=handles([again]))
        self.assertEqual(gone["Failed"][0]["ErrorCode"], "ResourceNotFoundException")

    def test_a_handle_cannot_be_made_or_used_elsewhere(self):
        arn, other = self.queue("signed"), self.queue("other-signed")
        put(self.kinesis, "signed", [1])
        (record,) = self.receive(arn)
        handle = record["ReceiptHandle"]
        forged = handle[:-1] + ("A" if handle[-1] != "A" else "B")
        for queue, used in ((arn, forged), (arn, "nonsense"), (other, handle)):
            answer = self.kinesis.acknowledge_queue_records(QueueARN=queue, Entries=[{"ReceiptHandle": used}])
            self.assertEqual((answer["Successful"], answer["Failed"][0]["ErrorCode"]), ([], "InvalidArgumentException"))
        # Nor in the operations on dead letters.
        answer = self.kinesis.restore_dead_letter_queue_records(QueueARN=arn, Entries=handles([record]))
        self.assertEqual(answer["Failed"][0]["ErrorCode"], "InvalidArgumentException")

    def test_what_is_received_too_often_is_a_dead_letter(self):
        arn = self.queue(
            "dead", VisibilityTimeoutSeconds=0, DeadLetterConfiguration={"TargetType": "BUILT_IN", "MaxReceiveCount": 3})
        put(self.kinesis, "dead", [7])
        self.assertEqual([self.receive(arn)[0]["ReceiveCount"] for _ in range(3)], [1, 2, 3])
        self.assertEqual(self.receive(arn), [])
        (letter,) = self.receive_dead(arn, VisibilityTimeoutSeconds=600)
        self.assertEqual((letter["Data"], letter["PartitionKey"]), (b"7", "7"))
        self.assertEqual(self.receive_dead(arn), [])
        back = [{**handles([letter])[0], "VisibilityTimeoutSeconds": 0}]
        self.assertEqual(self.kinesis.update_dead_letter_queue_records_visibility(QueueARN=arn, Entries=back)["Failed"], [])
        (letter,) = self.receive_dead(arn, VisibilityTimeoutSeconds=600)
        restored = self.kinesis.restore_dead_letter_queue_records(QueueARN=arn, Entries=handles([letter]))
        self.assertEqual(restored["Failed"], [])
        late = self.kinesis.acknowledge_dead_letter_queue_records(QueueARN=arn, Entries=handles([letter]))
        self.assertEqual(late["Failed"][0]["ErrorCode"], "InvalidArgumentException")
        self.assertEqual([self.receive(arn)[0]["ReceiveCount"] for _ in range(3)], [1, 2, 3])
        (letter,) = self.receive_dead(arn)
        done = self.kinesis.acknowledge_dead_letter_queue_records(QueueARN=arn, Entries=handles([letter]))
        self.assertEqual(len(done["Successful"]), 1)
        self.assertEqual(self.receive_dead(arn), [])
        # Without dead-letter handling it goes on.
        self.kinesis.update_queue(QueueARN=arn, QueueAttributes={"DeadLetterConfiguration": {"TargetType": "NONE"}})
        put(self.kinesis, "dead", [8])
        self.assertEqual([self.receive(arn)[0]["ReceiveCount"] for _ in range(5)], [1, 2, 3, 4, 5])

    def test_a_long_poll_ends_with_the_first_record(self):
        arn = self.queue("polled", "LATEST")
        found = []
        waiting = threading.Thread(target=lambda: found.extend(self.receive(arn, wait=20)))
        waiting.start()
        put(self.kinesis, "polled", [1])
        waiting.join(19)
        self.assertFalse(waiting.is_alive(), "it waited to the end")
        self.assertEqual(values(found), [1])

    def test_latest_begins_with_what_comes(self):
        stream = on_demand(self.kinesis, "late")
        put(self.kinesis, "late", range(5))
        made = self.kinesis.create_queue(QueueName="late", StreamConfigurationList=[{"StreamARN": stream}])["QueueDescription"]
        arn = made["QueueARN"]
        self.eventually(lambda: self.describe(arn)["QueueStatus"] == "ACTIVE", "the queue is active")
        put(self.kinesis, "late", [10])
        self.assertEqual(values(self.receive(arn)), [10])
        self.assertEqual(self.receive(arn), [])

    def test_any_number_of_receivers_share_the_work(self):
        arn = self.queue("shared", VisibilityTimeoutSeconds=600)
        put(self.kinesis, "shared", range(300))
        seen, lock = [], threading.Lock()

        def work():
            kinesis = clients.client("kinesis", self.address)
            while records := kinesis.receive_queue_records(QueueARN=arn, WaitTimeSeconds=1)["QueueRecords"]:
                done = kinesis.acknowledge_queue_records(QueueARN=arn, Entries=handles(records))
                assert done["Failed"] == [], done
                with lock:
                    seen.extend(records)

        workers = [threading.Thread(target=work) for _ in range(8)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        self.assertEqual(values(seen), list(range(300)))

    def test_a_queue_is_described_changed_tagged_listed_and_deleted(self):
        arn = self.queue("whole")
        described = self.describe(arn)
        self.assertEqual(described["QueueName"], "whole")
        self.assertRegex(arn, r"^arn:aws:kinesis:us-east-1:000000000000:queue/[0-9a-f]{32}$")
        self.assertEqual(described["QueueAttributes"], {
            "VisibilityTimeoutSeconds": 30, "DeadLetterConfiguration": {"TargetType": "BUILT_IN", "MaxReceiveCount": 6}})
        (source,) = described["StreamConfigurationList"]
        self.assertEqual(source["StartingPosition"]["Type"], "TRIM_HORIZON")
        self.assertIn("Timestamp", source["StartingPosition"])
        changed = self.kinesis.update_queue(QueueARN=arn, QueueAttributes={"VisibilityTimeoutSeconds": 60})["QueueDescription"]
        self.assertEqual(changed["QueueAttributes"]["VisibilityTimeoutSeconds"], 60)
        self.assertEqual(changed["QueueAttributes"]["DeadLetterConfiguration"]["MaxReceiveCount"], 6)
        self.kinesis.tag_resource(ResourceARN=arn, Tags={"team": "a"})
        self.assertEqual(self.kinesis.list_tags_for_resource(ResourceARN=arn)["Tags"], [{"Key": "team", "Value": "a"}])
        self.kinesis.untag_resource(ResourceARN=arn, TagKeys=["team"])
        self.assertEqual(self.kinesis.list_tags_for_resource(ResourceARN=arn)["Tags"], [])
        summary = self.kinesis.describe_stream_summary(StreamName="whole")["StreamDescriptionSummary"]
        self.assertEqual(summary["QueueCount"], 1)
        listed = self.kinesis.list_queues(StreamFilter=[{"StreamARN": source["StreamARN"]}])["QueueSummaries"]
        self.assertEqual([found["QueueARN"] for found in listed], [arn])
        message = self.refused(self.kinesis.delete_stream, "ResourceInUseException", StreamName="whole", EnforceConsumerDeletion=True)
        self.assertIn("has 1 queues", message)
        self.refused(
            self.kinesis.update_stream_mode, "ResourceInUseException", StreamARN=source["StreamARN"],
            StreamModeDetails={"StreamMode": "PROVISIONED"})
        self.kinesis.delete_queue(QueueARN=arn)

        def is_gone():
            try:
                self.describe(arn)
            except ClientError as error:
                return error.response["Error"]["Code"] == "ResourceNotFoundException"
            return False

        self.eventually(is_gone, "the queue is gone")
        self.refused(self.kinesis.receive_queue_records, "ResourceNotFoundException", QueueARN=arn)
        self.kinesis.delete_stream(StreamName="whole")

    def test_pages_of_queues_follow_one_another(self):
        for number in range(5):
            self.queue(f"paged-{number}")
        found, more = [], {}
        while True:
            page = self.kinesis.list_queues(MaxResults=2, **more)
            found += [summary["QueueName"] for summary in page["QueueSummaries"]]
            if "NextToken" not in page:
                break
            more = {"NextToken": page["NextToken"]}
        self.assertEqual(sorted(name for name in found if name.startswith("paged-")), [f"paged-{number}" for number in range(5)])
        self.assertEqual(len(found), len(set(found)))

    def test_what_cannot_be_made_is_refused(self):
        stream = on_demand(self.kinesis, "refusing")
        provisioned = clients.create_stream(self.kinesis, "provisioned")["StreamARN"]
        source = {"StreamARN": stream}
        missing = stream.replace("refusing", "missing")
        dead = {"DeadLetterConfiguration": {"TargetType": "BUILT_IN"}}
        none = {"DeadLetterConfiguration": {"TargetType": "NONE", "MaxReceiveCount": 3}}
        self.kinesis.create_queue(QueueName="taken", StreamConfigurationList=[source])
        for code, arguments in (
            ("ValidationException", {"StreamConfigurationList": [{"StreamARN": provisioned}]}),
            ("ValidationException", {"StreamConfigurationList": [source, source]}),
            ("ResourceNotFoundException", {"StreamConfigurationList": [{"StreamARN": missing}]}),
            ("ValidationException", {"QueueAttributes": dead}),
            ("ValidationException", {"QueueAttributes": none}),
            ("ValidationException", {"StreamConfigurationList": [{**source, "StartingPosition": {"Type": "AT_TIMESTAMP"}}]}),
            ("ValidationException", {"StreamConfigurationList": [{**source, "StartingPosition": {"Type": "LATEST", "Timestamp": 1}}]}),
            ("ResourceInUseException", {"QueueName": "taken"}),
        ):
            given = {"QueueName": "new", "StreamConfigurationList": [source], **arguments}
            self.refused(self.kinesis.create_queue, code, **given)
        self.refused(self.kinesis.describe_queue, "ResourceNotFoundException", QueueARN=stream.replace("stream/refusing", "queue/gone"))


class Restarts(unittest.TestCase):
    def test_nothing_is_lost_or_comes_back_after_kill_9(self):
        with tempfile.TemporaryDirectory() as data:
            server = Server(data=data)
            kinesis = clients.client("kinesis", server.address)
            stream = on_demand(kinesis, "s")
            arn = kinesis.create_queue(
                QueueName="q", StreamConfigurationList=[{"StreamARN": stream, "StartingPosition": {"Type": "TRIM_HORIZON"}}],
                QueueAttributes={"VisibilityTimeoutSeconds": 0, "DeadLetterConfiguration": {"TargetType": "BUILT_IN", "MaxReceiveCount": 4}},
            )["QueueDescription"]["QueueARN"]
            put(kinesis, "s", range(40))
            acknowledged, counts = set(), {}
            for round_ in range(3):
                while kinesis.describe_queue(QueueARN=arn)["QueueDescription"]["QueueStatus"] != "ACTIVE":
                    pass
                received = []
                while len(received) < 10 and (some := kinesis.receive_queue_records(
                        QueueARN=arn, WaitTimeSeconds=1, Limit=10 - len(received), VisibilityTimeoutSeconds=600)["QueueRecords"]):
                    received += some
                for record in received:
                    value = int(record["Data"])
                    self.assertNotIn(value, acknowledged)
                    self.assertEqual(record["ReceiveCount"], counts.get(value, 0) + 1)
                    counts[value] = record["ReceiveCount"]
                kinesis.acknowledge_queue_records(QueueARN=arn, Entries=handles(received[:5]))
                acknowledged.update(values(received[:5]))
                back = [{**handle, "VisibilityTimeoutSeconds": 0} for handle in handles(received[5:])]
                kinesis.update_queue_records_visibility(QueueARN=arn, Entries=back)
                server.kill()
                server = Server(data=data)
                kinesis = clients.client("kinesis", server.address)
            rest = []
            while some := kinesis.receive_queue_records(QueueARN=arn, WaitTimeSeconds=1, VisibilityTimeoutSeconds=600)["QueueRecords"]:
                rest += some
            self.assertEqual(set(values(rest)) | acknowledged, set(range(40)))
            self.assertFalse(set(values(rest)) & acknowledged)
            server.kill()
