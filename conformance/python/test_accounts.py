"""Several accounts and regions on one server: the credentials' scope and access key say which."""

import boto3

from support.case import ServerCase
from support.clients import create_stream, read_stream
from support.deploy import deploy
from support.package import PUT_SOURCE, zip_of
from support.server import REGION

FAR_REGION = "ap-southeast-2" if REGION != "ap-southeast-2" else "eu-west-1"
OTHER_ACCOUNT = "111122223333"


class Accounts(ServerCase):
    def elsewhere(self, service, region=REGION, account=None):
        return boto3.client(
            service, endpoint_url=self.address, region_name=region, config=self.kinesis.meta.config,
            aws_access_key_id=account or "test", aws_secret_access_key="test")

    def test_a_stream_belongs_to_the_account_and_region_of_its_maker(self):
        homes = {
            (REGION, "000000000000"): self.kinesis,
            (FAR_REGION, "000000000000"): self.elsewhere("kinesis", FAR_REGION),
            (REGION, OTHER_ACCOUNT): self.elsewhere("kinesis", account=OTHER_ACCOUNT),
        }
        for number, ((region, account), kinesis) in enumerate(homes.items(), 1):
            made = create_stream(kinesis, "same-name", number)
            self.assertEqual(made["StreamARN"], f"arn:aws:kinesis:{region}:{account}:stream/same-name")
            kinesis.put_record(StreamName="same-name", PartitionKey="k", Data=account.encode() + region.encode())
        for number, ((region, account), kinesis) in enumerate(homes.items(), 1):
            self.assertEqual(kinesis.list_streams()["StreamNames"].count("same-name"), 1)
            self.assertEqual(len(kinesis.list_shards(StreamName="same-name")["Shards"]), number)
            (record,) = read_stream(kinesis, "same-name")
            self.assertEqual(record["Data"], account.encode() + region.encode())
        self.kinesis.delete_stream(StreamName="same-name")
        far = homes[FAR_REGION, "000000000000"]
        self.assertEqual(far.describe_stream_summary(StreamName="same-name")["StreamDescriptionSummary"]["StreamStatus"], "ACTIVE")

    def test_a_mapping_and_its_function_are_at_home_elsewhere(self):
        kinesis = self.elsewhere("kinesis", FAR_REGION, OTHER_ACCOUNT)
        functions = self.elsewhere("lambda", FAR_REGION, OTHER_ACCOUNT)
        arn = create_stream(kinesis, "far")["StreamARN"]
        create_stream(kinesis, "far-out")
        source = f"{PUT_SOURCE}\ndef handler(event, context):\n" \
            "    put('far-out', {'arn': context.invoked_function_arn, 'name': context.function_name, 'region': event['Records'][0]['awsRegion']})\n"
        made = deploy(functions, "far", source)
        self.assertEqual(made["FunctionArn"], f"arn:aws:lambda:{FAR_REGION}:{OTHER_ACCOUNT}:function:far")
        self.assertEqual(made["FunctionName"], "far")
        mapping = functions.create_event_source_mapping(EventSourceArn=arn, FunctionName="far", StartingPosition="TRIM_HORIZON")
        kinesis.put_record(StreamName="far", PartitionKey="k", Data=b"x")
        # The function's own calls are made in its account and region, so its record is there.
        (record,) = self.eventually(lambda: read_stream(kinesis, "far-out"), "the function has put its record")
        self.assertEqual(
            record["Data"].decode(), f'{{"arn": "{made["FunctionArn"]}", "name": "far", "region": "{FAR_REGION}"}}')
        self.assertEqual(self.functions.list_functions()["Functions"], [])
        self.assertEqual([found["FunctionName"] for found in functions.list_functions()["Functions"]], ["far"])
        self.assertEqual(self.functions.list_event_source_mappings()["EventSourceMappings"], [])
        message = self.refused(self.functions.get_event_source_mapping, "ResourceNotFoundException", UUID=mapping["UUID"])
        self.assertIn("does not exist", message)
        message = self.refused(self.functions.get_function, "ResourceNotFoundException", FunctionName="far")
        self.assertIn("Function not found", message)

    def test_layers_of_another_account_have_its_arn(self):
        functions = self.elsewhere("lambda", account=OTHER_ACCOUNT)
        made = functions.publish_layer_version(LayerName="library", Content={"ZipFile": zip_of({"python/a.py": "A = 1\n"})})
        self.assertEqual(made["LayerVersionArn"], f"arn:aws:lambda:{REGION}:{OTHER_ACCOUNT}:layer:library:1")
        self.assertEqual([layer["LayerName"] for layer in functions.list_layers()["Layers"]], ["library"])
        self.assertEqual(functions.list_layer_versions(LayerName="library")["LayerVersions"][0]["Version"], 1)
        self.assertEqual(self.functions.list_layers()["Layers"], [])
        functions.delete_layer_version(LayerName="library", VersionNumber=1)
        self.assertEqual(functions.list_layers()["Layers"], [])
