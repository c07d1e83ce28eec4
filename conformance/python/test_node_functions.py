"""Node.js functions: deployed, invoked, and mapped to a stream."""

import base64
import json
import re
import shutil
import subprocess
import unittest

from support.case import ServerCase
from support.clients import create_stream, read_stream
from support.deploy import invoke
from support.package import ROLE, zip_of

SOURCE = """
import http from "node:http";

// Puts a value through AWS_ENDPOINT_URL with nothing but Node.js itself.
function put(stream, value) {
  const body = JSON.stringify({ StreamName: stream, PartitionKey: "out", Data: Buffer.from(JSON.stringify(value)).toString("base64") });
  const headers = { "Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "Kinesis_20131202.PutRecord" };
  return new Promise((resolve, reject) => {
    const request = http.request(process.env.AWS_ENDPOINT_URL, { method: "POST", headers }, (answer) => {
      answer.resume();
      answer.on("end", () => (answer.statusCode === 200 ? resolve() : reject(new Error(`put: ${answer.statusCode}`))));
    });
    request.on("error", reject);
    request.end(body);
  });
}

export const handler = async (event) => {
  for (const record of event.Records ?? []) {
    await put("node-out", { seen: Buffer.from(record.kinesis.data, "base64").toString() });
  }
  return { echo: event };
};
"""


def runtime():
    """The runtime of this machine's Node.js, or none."""
    if node := shutil.which("node"):
        major = re.match(r"v(\d+)", subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout)[1]
        return f"nodejs{major}.x" if major in ("18", "20", "22", "24") else None
    return None


@unittest.skipUnless(runtime(), "there is no Node.js of a version that AWS offers")
class NodeFunctions(ServerCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.functions.create_function(
            FunctionName="node", Runtime=runtime(), Role=ROLE, Handler="index.handler", Code={"ZipFile": zip_of({"index.mjs": SOURCE})})
        cls.functions.get_waiter("function_active_v2").wait(FunctionName="node")

    def test_it_answers_and_logs(self):
        answer, payload = invoke(self.functions, "node", {"a": [1, "ü"]}, LogType="Tail")
        self.assertNotIn("FunctionError", answer)
        self.assertEqual(payload, {"echo": {"a": [1, "ü"]}})
        self.assertIn("REPORT RequestId: ", base64.b64decode(answer["LogResult"]).decode())

    def test_a_stream_is_mapped_to_it(self):
        arn = create_stream(self.kinesis, "node-in")["StreamARN"]
        create_stream(self.kinesis, "node-out")
        self.functions.create_event_source_mapping(EventSourceArn=arn, FunctionName="node", StartingPosition="TRIM_HORIZON")
        for number in range(5):
            self.kinesis.put_record(StreamName="node-in", PartitionKey="k", Data=f"record {number}".encode())
        seen = self.eventually(
            lambda: len(found := read_stream(self.kinesis, "node-out")) >= 5 and found, "the function has seen all records")
        self.assertEqual([json.loads(record["Data"])["seen"] for record in seen], [f"record {number}" for number in range(5)])

    def test_a_version_that_is_not_here_is_refused_with_what_is(self):
        missing = next(f"nodejs{major}.x" for major in (18, 24) if f"nodejs{major}.x" != runtime())
        message = self.refused(
            self.functions.create_function, "InvalidParameterValueException", FunctionName="missing", Runtime=missing, Role=ROLE,
            Handler="index.handler", Code={"ZipFile": zip_of({"index.mjs": SOURCE})})
        self.assertIn(f"this machine has no {missing}; it has ", message)
        self.assertIn(runtime(), message)
