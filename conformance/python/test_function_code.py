"""Code that a request names by bucket and key: directories of the server."""

import pathlib
import tempfile

from support import clients
from support.case import ServerCase
from support.deploy import invoke
from support.package import ROLE, RUNTIME, zip_of
from support.server import Server

CODE = "def handler(event, context):\n    return {'from': %r}\n"
NOT_GOT = "Error occurred while GetObject. S3 Error Code: "


class FunctionCode(ServerCase):
    @classmethod
    def setUpClass(cls):
        made = tempfile.TemporaryDirectory(prefix="millstream-code-")
        cls.addClassCleanup(made.cleanup)
        cls.directory = pathlib.Path(made.name)
        for name in ("enrich", "empty"):
            (cls.directory / name).mkdir()
        (cls.directory / "enrich" / "main.py").write_text(CODE % "a directory")
        (cls.directory / "made.zip").write_bytes(zip_of({"main.py": CODE % "a zip"}))
        (cls.directory / "broken.zip").write_bytes(b"no zip")
        cls.server = Server(arguments=["--function-code", f"my-code={cls.directory}"])
        cls.addClassCleanup(cls.server.kill)
        cls.functions = clients.client("lambda", cls.server.address)

    def make(self, name, **code):
        made = self.functions.create_function(FunctionName=name, Runtime=RUNTIME, Handler="main.handler", Role=ROLE, Code=code)
        self.functions.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.05, "MaxAttempts": 400})
        return made

    def test_a_zip_and_a_directory_become_functions_and_layers(self):
        made = self.make("zipped", S3Bucket="my-code", S3Key="made.zip")
        self.assertEqual(made["CodeSize"], (self.directory / "made.zip").stat().st_size)
        self.assertEqual(invoke(self.functions, "zipped", {})[1], {"from": "a zip"})
        self.functions.update_function_code(FunctionName="zipped", S3Bucket="my-code", S3Key="enrich")
        self.functions.get_waiter("function_updated_v2").wait(FunctionName="zipped", WaiterConfig={"Delay": 0.05, "MaxAttempts": 400})
        self.assertEqual(invoke(self.functions, "zipped", {})[1], {"from": "a directory"})
        layer = self.functions.publish_layer_version(LayerName="library", Content={"S3Bucket": "my-code", "S3Key": "made.zip"})
        self.assertEqual(layer["Content"]["CodeSize"], made["CodeSize"])

    def test_what_is_not_there_is_told_in_the_words_of_s3(self):
        for code, wanted in (
            ({"S3Bucket": "other-code", "S3Key": "made.zip"}, NOT_GOT + "NoSuchBucket. S3 Error Message: The specified bucket does not exist"),
            ({"S3Bucket": "my-code", "S3Key": "none.zip"}, NOT_GOT + "NoSuchKey. S3 Error Message: The specified key does not exist."),
            ({"S3Bucket": "my-code", "S3Key": "../" + self.directory.name + "/made.zip"}, NOT_GOT + "NoSuchKey"),
            ({"S3Bucket": "my-code", "S3Key": "made.zip", "S3ObjectVersion": "1"}, NOT_GOT + "NoSuchVersion"),
            ({"S3Bucket": "my-code", "S3Key": "broken.zip"}, "Could not unzip uploaded file."),
            ({"S3Bucket": "my-code", "S3Key": "empty"}, "there is nothing in "),
            ({"S3Bucket": "my-code"}, "Please provide a source for function code."),
            ({"S3Bucket": "my-code", "S3Key": "made.zip", "ZipFile": b"zip"}, "Please do not provide other FunctionCode parameters"),
        ):
            with self.subTest(code):
                message = self.refused(self.functions.create_function, "InvalidParameterValueException", FunctionName="refused",
                                       Runtime=RUNTIME, Handler="main.handler", Role=ROLE, Code=code)
                self.assertIn(wanted, message)
