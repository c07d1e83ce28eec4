"""Layers: what is published can be read at /opt."""

from support.case import ServerCase
from support.deploy import deploy, invoke, wait_until_updated
from support.package import zip_of
from support.server import ACCOUNT, REGION

ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:layer:"
READER = (
    "import os, sys\n"
    "def handler(event, context):\n"
    "    found = {}\n"
    "    for path in event['paths']:\n"
    "        found[path] = open(path).read() if os.path.exists(path) else None\n"
    "    try:\n"
    "        import shared\n"
    "        found['shared'] = shared.VALUE\n"
    "    except ImportError:\n"
    "        found['shared'] = None\n"
    "    return found\n"
)


class Layers(ServerCase):
    def publish(self, name, files):
        published = self.functions.publish_layer_version(LayerName=name, Content={"ZipFile": zip_of(files)}, Description="a layer")
        return published["LayerVersionArn"]

    def test_a_layer_is_published_in_versions_and_listed(self):
        self.assertEqual(self.publish("facts", {"a.txt": "1"}), ARN + "facts:1")
        self.assertEqual(self.publish("facts", {"a.txt": "2"}), ARN + "facts:2")
        got = self.functions.get_layer_version(LayerName="facts", VersionNumber=1)
        self.assertEqual((got["LayerArn"], got["Version"], got["Description"]), (ARN + "facts", 1, "a layer"))
        (listed,) = [layer for layer in self.functions.list_layers()["Layers"] if layer["LayerName"] == "facts"]
        self.assertEqual(listed["LatestMatchingVersion"]["Version"], 2)
        self.refused(self.functions.get_layer_version, "ResourceNotFoundException", LayerName="facts", VersionNumber=3)

    def test_layers_are_merged_into_opt_and_the_later_one_wins(self):
        first = self.publish("first", {"both.txt": "first", "first.txt": "1", "python/shared.py": "VALUE = 'from the layer'\n"})
        second = self.publish("second", {"both.txt": "second", "deep/er/second.txt": "2"})
        paths = ["/opt/both.txt", "/opt/first.txt", "/opt/deep/er/second.txt", "/opt/absent.txt"]
        deploy(self.functions, "reader", READER, Layers=[first, second])
        _, found = invoke(self.functions, "reader", {"paths": paths})
        self.assertEqual(found, {"/opt/both.txt": "second", "/opt/first.txt": "1", "/opt/deep/er/second.txt": "2",
                                 "/opt/absent.txt": None, "shared": "from the layer"})
        settings = self.functions.get_function_configuration(FunctionName="reader")
        self.assertEqual([layer["Arn"] for layer in settings["Layers"]], [first, second])

        self.functions.update_function_configuration(FunctionName="reader", Layers=[second])
        wait_until_updated(self.functions, "reader")
        _, found = invoke(self.functions, "reader", {"paths": paths})
        self.assertEqual((found["/opt/both.txt"], found["/opt/first.txt"], found["shared"]), ("second", None, None))

    def test_a_layer_that_is_not_there_is_refused(self):
        with self.assertRaises(self.functions.exceptions.ClientError) as caught:
            deploy(self.functions, "hopeful", READER, wait=False, Layers=[ARN + "nothing:1"])
        error = caught.exception.response["Error"]
        self.assertEqual(error["Code"], "InvalidParameterValueException")
        self.assertIn("does not exist", error["Message"])
