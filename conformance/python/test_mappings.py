"""Event source mappings as things: create, get, list, update, delete, and the words of their errors (lambda.md, 2.2)."""

from support.case import ServerCase
from support.clients import create_stream
from support.deploy import deploy
from support.server import ACCOUNT, REGION

SOURCE = "def handler(event, context):\n    return None\n"


class Mappings(ServerCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        deploy(cls.functions, "worker", SOURCE)

    def map(self, stream, **options):
        """A stream and a mapping of it to `worker`; what the creation answered."""
        arn = create_stream(self.kinesis, stream)["StreamARN"]
        settings = {"StartingPosition": "LATEST", **options}
        return self.functions.create_event_source_mapping(EventSourceArn=arn, FunctionName="worker", **settings)

    def state(self, uuid):
        return self.functions.get_event_source_mapping(UUID=uuid)["State"]

    def test_a_mapping_is_created_with_the_defaults_of_aws(self):
        created = self.map("defaults")
        metadata = created.pop("ResponseMetadata")
        self.assertEqual(metadata["HTTPStatusCode"], 202)
        uuid = created.pop("UUID")
        self.assertTrue(created.pop("LastModified"))
        self.assertEqual(created, {
            "BatchSize": 100,
            "BisectBatchOnFunctionError": False,
            "DestinationConfig": {"OnFailure": {}},
            "EventSourceArn": f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/defaults",
            "EventSourceMappingArn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:event-source-mapping:{uuid}",
            "FunctionArn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:worker",
            "FunctionResponseTypes": [],
            "LastProcessingResult": "No records processed",
            "MaximumBatchingWindowInSeconds": 0,
            "MaximumRecordAgeInSeconds": -1,
            "MaximumRetryAttempts": -1,
            "ParallelizationFactor": 1,
            "StartingPosition": "LATEST",
            "State": "Creating",
            "StateTransitionReason": "User action",
            "TumblingWindowInSeconds": 0,
        })
        self.eventually(lambda: self.state(uuid) == "Enabled", "the mapping is enabled")

    def test_a_mapping_is_listed_changed_and_deleted(self):
        uuid = self.map("life")["UUID"]
        arn = f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/life"
        for question in ({"EventSourceArn": arn}, {"FunctionName": "worker"}, {}):
            listed = self.functions.list_event_source_mappings(**question)["EventSourceMappings"]
            self.assertIn(uuid, [mapping["UUID"] for mapping in listed], question)
        self.assertEqual(self.functions.list_event_source_mappings(EventSourceArn=arn + "-other")["EventSourceMappings"], [])
        self.eventually(lambda: self.state(uuid) == "Enabled", "the mapping is enabled")

        updated = self.functions.update_event_source_mapping(UUID=uuid, BatchSize=7, MaximumBatchingWindowInSeconds=1)
        self.assertEqual((updated["BatchSize"], updated["MaximumBatchingWindowInSeconds"]), (7, 1))
        self.eventually(lambda: self.state(uuid) == "Enabled", "the change is in force")
        self.functions.update_event_source_mapping(UUID=uuid, Enabled=False)
        self.eventually(lambda: self.state(uuid) == "Disabled", "the mapping is disabled")
        self.functions.update_event_source_mapping(UUID=uuid, Enabled=True)
        self.eventually(lambda: self.state(uuid) == "Enabled", "the mapping is enabled again")

        self.assertEqual(self.functions.delete_event_source_mapping(UUID=uuid)["State"], "Deleting")

        def gone():
            try:
                self.functions.get_event_source_mapping(UUID=uuid)
            except self.functions.exceptions.ResourceNotFoundException:
                return True
            return False

        self.eventually(gone, "the mapping is deleted")

    def test_errors_are_in_the_words_of_aws(self):
        stream = create_stream(self.kinesis, "errors")["StreamARN"]
        good = {"EventSourceArn": stream, "FunctionName": "worker", "StartingPosition": "LATEST"}

        def message(code, **changes):
            arguments = {name: value for name, value in {**good, **changes}.items() if value is not None}
            return self.refused(self.unchecked_functions.create_event_source_mapping, code, **arguments)

        nowhere = stream.replace("errors", "nowhere")
        self.assertEqual(message("InvalidParameterValueException", EventSourceArn=nowhere), f"Stream not found: {nowhere}")
        self.assertEqual(message("InvalidParameterValueException", FunctionName="nobody"), "Function does not exist")
        self.assertEqual(message("InvalidParameterValueException", EventSourceArn=None), "Unrecognized event source.")
        self.assertEqual(
            message("InvalidParameterValueException", StartingPosition=None),
            "1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: Member must not be null.",
        )
        self.assertEqual(
            message("ValidationException", StartingPosition="invalid"),
            "1 validation error detected: Value 'invalid' at 'startingPosition' failed to satisfy constraint: "
            "Member must satisfy enum value set: [LATEST, AT_TIMESTAMP, TRIM_HORIZON]",
        )
        self.assertEqual(
            message("InvalidParameterValueException", DestinationConfig={"OnSuccess": {"Destination": stream}}),
            "Unsupported DestinationConfig parameter for given event source mapping type.",
        )
        self.assertEqual(
            message("ValidationException", BatchSize=10001),
            "1 validation error detected: Value '10001' at 'batchSize' failed to satisfy constraint: "
            "Member must have value less than or equal to 10000",
        )
        uuid = self.functions.create_event_source_mapping(**good)["UUID"]
        self.assertEqual(
            message("ResourceConflictException"),
            f'The event source arn (" {stream} ") and function (" worker ") provided mapping already exists. '
            f"Please update or delete the existing mapping with UUID {uuid}",
        )
        missing = "00000000-0000-4000-8000-000000000000"
        for call in (self.functions.get_event_source_mapping, self.functions.delete_event_source_mapping, self.functions.update_event_source_mapping):
            with self.subTest(call.__name__):
                self.assertEqual(self.refused(call, "ResourceNotFoundException", UUID=missing), "The resource you requested does not exist.")
