"""Handlers run by aws-lambda-java-runtime-interface-client and by the bundled bootstrap for Java, compared byte for byte.

`MILLSTREAM_RIC_JAVA` names the directory with the client's jars (`cargo xtask test --only runtimes` fills one where there is Maven);
the Java is that of PATH and takes a compiler."""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from compare import BOOTSTRAP, Comparison
from runtime_api import Call

JARS = os.environ.get("MILLSTREAM_RIC_JAVA")
HERE = pathlib.Path(__file__).resolve().parent
CLIENT = "com.amazonaws.services.lambda.runtime.api.client.AWSLambda"
# What a function that does not bring the client brings.
OWN = ("aws-lambda-java-core", "aws-lambda-java-events", "joda-time")

RECORD = {
    "kinesis": {"kinesisSchemaVersion": "1.0", "partitionKey": "k", "sequenceNumber": "495", "data": "aGVsbG8=", "approximateArrivalTimestamp": 1545084650.987},
    "eventSource": "aws:kinesis", "eventVersion": "1.0", "eventID": "s:1", "eventName": "aws:kinesis:record", "invokeIdentityArn": "role",
    "awsRegion": "r", "eventSourceARN": "arn",
}
POINT = {"x": 1, "y": 2, "label": "l", "more": [{"x": 3}], "set": True, "sizes": {"a": 1.5}, "bytes": "AQI=", "colour": "RED", "unknown": 1}
IDENTIFIED = {
    "Lambda-Runtime-Client-Context": json.dumps({"custom": {"a": "b"}, "env": {"p": "x"}, "client": {"installation_id": "i"}}),
    "Lambda-Runtime-Cognito-Identity": '{"cognitoIdentityId": "id", "cognitoIdentityPoolId": "pool"}',
}


def do(what, **more):
    return Call(json.dumps({"do": what, **more}))


def calls(*payloads):
    return [Call(payload) for payload in payloads]


@unittest.skipUnless(JARS and shutil.which("javac"), "MILLSTREAM_RIC_JAVA names no directory with jars, or there is no javac in PATH")
class JavaComparison(Comparison):
    @classmethod
    def setUpClass(cls):
        cls.built = tempfile.TemporaryDirectory(prefix="millstream-java-")
        cls.addClassCleanup(cls.built.cleanup)
        function, client = (pathlib.Path(cls.built.name, name) for name in ("function", "client"))
        all_jars = str(pathlib.Path(JARS, "*"))
        subprocess.run(["javac", "-d", function, "-cp", all_jars, HERE / "java/Cases.java"], check=True)
        subprocess.run(["javac", "--release", "11", "-Xlint:all,-options", "-Werror", "-d", client, *(BOOTSTRAP / "java").glob("*.java")], check=True)
        own = [str(jar) for jar in pathlib.Path(JARS).glob("*.jar") if jar.name.startswith(OWN)]
        java = ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp"]
        cls.official = [*java, f"{function}:{all_jars}", CLIENT, "HANDLER"]
        cls.ours = [*java, ":".join([str(client), str(function), *own]), "millstream.Bootstrap"]
        cls.handed_over = [*java, f"{client}:{function}:{all_jars}", "millstream.Bootstrap"]

    def compared(self, handler, each, **options):
        return self.same({}, each, handler=handler, **options)

    def test_values(self):
        values = (1, "a", None, True, 1.5, [1, {"a": []}], [None], {}, {"b": 1, "a": 2, "n": None}, 2**40, 2**70, 1e300, "ä€😀\u0001/\u2028")
        run = self.compared("example.Cases", [do("echo", value=value) for value in values] + [do("null"), do("types"), do("log")])
        self.assertEqual({answer.kind for answer in run.answers}, {"response"})
        self.compared("example.Cases::handleRequest", [do("echo", value=1)])

    def test_types(self):
        for handler, each in (
            ("point", calls(json.dumps(POINT), "{}", '{"x": "7"}', '{"X": 7}', "[]", "null", '{"colour": "GREEN"}')), ("text", calls('"a"', "1", "null")),
            ("number", calls("1", '"1"', "1.7", "null")), ("points", calls('[{"x": 1}]', "[]")), ("nothing", calls("1")), ("none", calls("1")),
            ("statically", calls('"s"')), ("flag", calls("true")), ("half", calls("3")), ("kinesis", calls(json.dumps({"Records": [RECORD, RECORD]}))),
        ):
            with self.subTest(handler):
                self.compared(f"example.Cases::{handler}", each)
        self.compared("example.Cases$Streams", calls('{"a": 1}', "[]"))

    def test_what_is_no_such_value(self):
        for handler, payload in (("point", '"text"'), ("text", "{}"), ("number", '"x"')):
            # What the log says of Jackson's own doings is Jackson's.
            self.compared(f"example.Cases::{handler}", calls(payload), logs=False)

    def test_what_is_thrown(self):
        self.compared("example.Cases", [do("throw", value=1), do("cause"), do("silent"), do("npe"), do("echo", value=1)])
        self.compared("example.Cases", [do("error")])
        run = self.compared("example.Cases", [do("exit")])
        self.assertEqual(run.status, 3)

    def test_the_context(self):
        self.compared("example.Cases", [do("context"), Call('{"do": "client"}', IDENTIFIED)])

    def test_starts_that_fail(self):
        for handler in ("example.Cases$Private::go", "example.Cases$Failing::go", "example.Cases$Static::go", "example.Cases$Neither", "example.Absent::go",
                        "example.Cases::absent", "", "example.Cases::", "::x"):
            with self.subTest(handler):
                self.compared(handler, calls('"a"', '"b"'), logs=False)

    def test_a_function_that_brings_the_client_is_run_by_it(self):
        official, ours = self.official, self.ours
        try:
            self.ours = self.handed_over
            self.compared("example.Cases", [do("types"), do("throw", value=1)])
        finally:
            self.official, self.ours = official, ours


if __name__ == "__main__":
    unittest.main()
