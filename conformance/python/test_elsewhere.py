"""Functions that run elsewhere: at an HTTP endpoint that speaks the Runtime Interface Emulator's protocol, and at AWS Lambda,
whose place another Millstream takes."""

import base64
import http.server
import json
import threading

from support import clients
from support.case import ServerCase
from support.deploy import deploy, invoke
from support.package import ROLE
from support.server import ACCOUNT, REGION, Server

PATH = "/2015-03-31/functions/function/invocations"


class Emulator(http.server.BaseHTTPRequestHandler):
    """A container as AWS's base images make it: one function, which doubles a number or fails."""

    protocol_version = "HTTP/1.1"
    events = []

    def do_POST(self):
        event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.events.append((self.path, event))
        if event == "fail":
            answer = {"errorType": "ValueError", "errorMessage": "no", "stackTrace": []}
        elif isinstance(event, dict):
            answer = [record["kinesis"]["partitionKey"] for record in event["Records"]]
        else:
            answer = 2 * event
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Elsewhere(ServerCase):
    @classmethod
    def setUpClass(cls):
        endpoint = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Emulator)
        threading.Thread(target=endpoint.serve_forever, daemon=True).start()
        cls.addClassCleanup(endpoint.server_close)
        cls.addClassCleanup(endpoint.shutdown)
        cls.url = f"http://127.0.0.1:{endpoint.server_port}"
        cls.at_aws = Server()
        cls.addClassCleanup(cls.at_aws.kill)
        arguments = ["--function-handoff", cls.url, "--function-handoff", f"arn:aws:lambda:{REGION}:*",
                     "--lambda-endpoint", cls.at_aws.address]
        credentials = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
        cls.server = Server(arguments=arguments, environment=credentials)
        cls.addClassCleanup(cls.server.kill)
        cls.kinesis = clients.client("kinesis", cls.server.address)
        cls.functions = clients.client("lambda", cls.server.address)

    def image(self, name, uri):
        made = self.functions.create_function(FunctionName=name, PackageType="Image", Role=ROLE, Code={"ImageUri": uri})
        self.functions.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig=clients.WAIT)
        return made

    def test_an_endpoint_runs_the_function(self):
        made = self.image("double", self.url)
        self.assertEqual(made["PackageType"], "Image")
        answer, payload = invoke(self.functions, "double", 21)
        self.assertEqual((payload, answer.get("FunctionError")), (42, None))
        self.assertIn((PATH, 21), Emulator.events)
        answer, error = invoke(self.functions, "double", "fail")
        self.assertEqual((answer["FunctionError"], error["errorType"]), ("Unhandled", "ValueError"))

    def test_a_mapping_polls_here_and_runs_there(self):
        self.image("mapped", self.url)
        self.kinesis.create_stream(StreamName="numbers", ShardCount=1)
        self.kinesis.get_waiter("stream_exists").wait(StreamName="numbers", WaiterConfig=clients.WAIT)
        arn = f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/numbers"
        self.functions.create_event_source_mapping(EventSourceArn=arn, FunctionName="mapped", StartingPosition="TRIM_HORIZON")
        self.kinesis.put_record(StreamName="numbers", PartitionKey="there", Data=b"1")
        keys = lambda: [record["kinesis"]["partitionKey"] for _, event in list(Emulator.events) if isinstance(event, dict)
                        for record in event["Records"]]
        self.eventually(lambda: "there" in keys(), "the endpoint gets the record")

    def test_aws_runs_the_function(self):
        there = clients.client("lambda", self.at_aws.address)
        deploy(there, "real", "def handler(event, context):\n    print('there')\n    return {'at': context.function_name, 'got': event}\n")
        self.image("proxy", f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:real")
        answer, payload = invoke(self.functions, "proxy", [1], LogType="Tail")
        self.assertEqual(payload, {"at": "real", "got": [1]})
        self.assertIn("there", base64.b64decode(answer["LogResult"]).decode())
        self.image("missing", f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:nobody")
        message = self.refused(self.functions.invoke, "ServiceException", FunctionName="missing")
        self.assertIn("AWS answered 404 ResourceNotFoundException", message)

    def test_what_the_operator_did_not_allow_is_refused(self):
        for uri, hint in (("http://127.0.0.1:1/", "--function-handoff http://127.0.0.1:1"),
                          ("123456789012.dkr.ecr.eu-west-1.amazonaws.com/enrich:1", "neither the URL")):
            message = self.refused(self.functions.create_function, "InvalidParameterValueException", FunctionName="no",
                                   PackageType="Image", Role=ROLE, Code={"ImageUri": uri})
            self.assertIn(hint, message)
