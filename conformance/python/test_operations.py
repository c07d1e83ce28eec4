"""Every operation of the Lambda model, as botocore sends it: supported or not, the answer is one that an SDK understands."""

import http.client
import json
import pathlib
import re
import urllib.parse

from botocore.exceptions import ClientError

from support.case import ServerCase
from support.clients import client
from support.server import ACCOUNT, REGION, ROOT

FUNCTION_ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:absent"
# What the model's patterns ask for, by the names of members.
FITTING = {
    "FunctionName": "absent", "FunctionVersion": "1", "Name": "absent", "LayerName": "absent", "UUID": "00000000-0000-4000-8000-000000000000",
    "EventSourceArn": f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/absent", "Resource": FUNCTION_ARN, "ResourceArn": FUNCTION_ARN, "Principal": "*",
    "Arn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:layer:absent:1", "StatementId": "s", "Qualifier": "live", "Policy": "{}", "Role": f"arn:aws:iam::{ACCOUNT}:role/r",
    "CodeSigningConfigArn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:code-signing-config:csc-0123456789abcdef0", "OrganizationId": "o-1234567890",
    "Action": "lambda:InvokeFunction",
}


def not_supported():
    """The operations that docs/compatibility.md says are not."""
    _, page = pathlib.Path(ROOT, "docs", "compatibility.md").read_text().split("\n## Lambda\n")
    return set(re.findall(r"^\| `(\w+)` \| `UnknownOperationException` \|$", page.split("\n## ")[0], re.MULTILINE))


def value(shape, name):
    """Something for a required member."""
    if name in FITTING:
        return FITTING[name]
    kind = shape.type_name
    if kind == "structure":
        return {member: value(shape.members[member], member) for member in shape.required_members}
    if kind == "list":
        return [value(shape.member, name)]
    if kind == "map":
        return {}
    if kind == "string":
        return shape.enum[0] if getattr(shape, "enum", None) else "x" * max(1, shape.metadata.get("min", 1))
    return {"boolean": True, "blob": b"{}", "timestamp": 0, "float": 1.0, "double": 1.0}.get(kind, max(1, shape.metadata.get("min", 1)))


class Operations(ServerCase):
    def test_every_operation_of_the_model_is_answered(self):
        functions = client("lambda", self.address, parameter_validation=False)
        model, missing, refused = functions.meta.service_model, not_supported(), set()
        names = {operation: method for method, operation in functions.meta.method_to_api_mapping.items()}
        self.assertEqual(len(names), 91)
        for operation in sorted(names):
            shape = model.operation_model(operation).input_shape
            arguments = value(shape, "") if shape else {}
            with self.subTest(operation):
                try:
                    getattr(functions, names[operation])(**arguments)
                except ClientError as error:
                    answer, status = error.response["Error"], error.response["ResponseMetadata"]["HTTPStatusCode"]
                    self.assertTrue(400 <= status < 500 and answer["Code"] and answer["Message"], f"{status} {answer}")
                    self.assertFalse(answer["Code"].isdigit(), f"botocore saw no error type: {answer}")
                    if answer["Code"] == "UnknownOperationException":
                        self.assertEqual((status, answer["Message"]), (404, f"{operation} is not supported by this version of Millstream."))
                        refused.add(operation)
        self.assertEqual(refused, missing)

    def test_what_no_operation_is_has_a_body_too(self):
        for method, path in (("GET", "/2015-03-31/nothing"), ("PATCH", "/2015-03-31/functions"), ("GET", "/2031-01-01/functions")):
            parts = urllib.parse.urlsplit(self.address)
            connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)
            self.addCleanup(connection.close)
            connection.request(method, path)
            answer = connection.getresponse()
            body = json.loads(answer.read())
            self.assertEqual((answer.status, answer.headers["x-amzn-ErrorType"]), (404, "UnknownOperationException"), path)
            self.assertTrue(body.get("message") or body.get("Message"), body)
