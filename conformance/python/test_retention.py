"""Retention: how long records are kept, and the words in which a period is refused."""

import tempfile
import unittest

from support.case import ServerCase
from support.clients import client, create_stream, read_stream
from support.server import Server

YEAR_HOURS = 8760


def hours(kinesis, name):
    """The stream's retention. A stream that changes it stays active, as Terraform's waiter wants."""
    summary = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
    assert summary["StreamStatus"] == "ACTIVE", summary
    return summary["RetentionPeriodHours"]


class Retention(ServerCase):
    def test_a_period_is_raised_and_lowered(self):
        arn = create_stream(self.kinesis, "periods")["StreamARN"]
        self.kinesis.put_record(StreamName="periods", PartitionKey="k", Data=b"kept")
        self.kinesis.increase_stream_retention_period(StreamName="periods", RetentionPeriodHours=YEAR_HOURS)
        self.assertEqual(hours(self.kinesis, "periods"), YEAR_HOURS)
        self.kinesis.decrease_stream_retention_period(StreamARN=arn, RetentionPeriodHours=48)
        self.assertEqual(hours(self.kinesis, "periods"), 48)
        described = self.kinesis.describe_stream(StreamName="periods")["StreamDescription"]
        self.assertEqual(described["RetentionPeriodHours"], 48)
        self.assertEqual([record["Data"] for record in read_stream(self.kinesis, "periods")], [b"kept"])

    def test_the_period_that_a_stream_has_already_is_taken(self):
        # Terraform sets 24 hours on every new stream.
        create_stream(self.kinesis, "same")
        self.kinesis.increase_stream_retention_period(StreamName="same", RetentionPeriodHours=24)
        self.kinesis.decrease_stream_retention_period(StreamName="same", RetentionPeriodHours=24)
        self.assertEqual(hours(self.kinesis, "same"), 24)

    def test_periods_are_refused_in_the_words_of_aws(self):
        create_stream(self.kinesis, "words")
        increase, decrease = self.kinesis.increase_stream_retention_period, self.kinesis.decrease_stream_retention_period
        increase(StreamName="words", RetentionPeriodHours=30)
        for call, asked, message in [
            (increase, 20, "Minimum allowed retention period is 24 hours. Requested retention period (20 hours) is too short."),
            (decrease, 20, "Minimum allowed retention period is 24 hours. Requested retention period (20 hours) is too short."),
            (increase, YEAR_HOURS + 1,
             "Maximum allowed retention period is 8760 hours. Requested retention period (8761 hours) is too long."),
            (increase, 25,
             "Requested retention period (25 hours) for stream words can not be shorter than existing retention period "
             "(30 hours). Use DecreaseRetentionPeriod API."),
            (decrease, 31,
             "Requested retention period (31 hours) for stream words can not be longer than existing retention period "
             "(30 hours). Use IncreaseRetentionPeriod API."),
        ]:
            with self.subTest(asked=asked):
                refused = self.refused(call, "InvalidArgumentException", StreamName="words", RetentionPeriodHours=asked)
                self.assertEqual(refused, message)
        self.refused(increase, "ResourceNotFoundException", StreamName="nowhere", RetentionPeriodHours=48)
        self.assertEqual(hours(self.kinesis, "words"), 30)


class RetentionAcrossRestarts(unittest.TestCase):
    def test_a_period_survives_kill_nine(self):
        with tempfile.TemporaryDirectory() as data:
            with Server(data) as server:
                kinesis = client("kinesis", server.address)
                create_stream(kinesis, "kept")
                kinesis.increase_stream_retention_period(StreamName="kept", RetentionPeriodHours=72)
            with Server(data) as server:
                self.assertEqual(hours(client("kinesis", server.address), "kept"), 72)
