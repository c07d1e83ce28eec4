"""Asynchronous invocations through boto3, with real functions and services that take what is told."""

import json
import pathlib
import tempfile
import urllib.request
import uuid

from support import aws, clients
from support.case import ServerCase
from support.clients import create_stream, read_stream
from support.deploy import deploy, wait_until_updated
from support.package import PUT_SOURCE
from support.program import run
from support.server import Server

ACCOUNT = "000000000000"
QUEUE = f"arn:aws:sqs:us-east-1:{ACCOUNT}:told"
TOPIC = f"arn:aws:sns:us-east-1:{ACCOUNT}:told"
BUCKET = "arn:aws:s3:::told"
BUS = f"arn:aws:events:us-east-1:{ACCOUNT}:event-bus/told"
DEAD = f"arn:aws:sqs:us-east-1:{ACCOUNT}:dead"

ECHO = """
def handler(event, context):
    if isinstance(event, dict) and event.get('fail'):
        raise ValueError('as asked')
    return {'event': event, 'id': context.aws_request_id, 'arn': context.invoked_function_arn}
"""


def later(functions, name, event, **options):
    """Invokes asynchronously; the id of the request."""
    answer = functions.invoke(FunctionName=name, InvocationType="Event", Payload=json.dumps(event).encode(), **options)
    assert answer["StatusCode"] == 202, answer
    assert answer["Payload"].read() == b"" and "FunctionError" not in answer and "ExecutedVersion" not in answer, answer
    return answer["ResponseMetadata"]["RequestId"]


class Asynchronous(ServerCase):
    @classmethod
    def setUpClass(cls):
        cls.services = {name: aws.Service(name) for name in ("sqs", "sns", "s3", "events")}
        for service in cls.services.values():
            cls.addClassCleanup(service.stop)
        named = {"events": "EVENTBRIDGE"}
        endpoints = {f"AWS_ENDPOINT_URL_{named.get(name, name.upper())}": of.url for name, of in cls.services.items()}
        cls.server = Server(environment={**aws.ENVIRONMENT, **endpoints})
        cls.addClassCleanup(cls.server.kill)
        cls.kinesis = clients.client("kinesis", cls.server.address)
        cls.functions = clients.client("lambda", cls.server.address)
        cls.unchecked_functions = clients.client("lambda", cls.server.address, parameter_validation=False)

    def function(self, **options):
        name = f"f-{uuid.uuid4().hex[:8]}"
        deploy(self.functions, name, ECHO, **options)
        return name

    def arn(self, name, qualifier="$LATEST"):
        return f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{name}:{qualifier}"

    def records(self, service, request):
        """The invocation records of one request that a service was told."""
        told = self.services[service].bodies()
        return [record for record in told if isinstance(record, dict) and record.get("requestContext", {}).get("requestId") == request]

    def record(self, service, request):
        (record,) = self.eventually(lambda: self.records(service, request), f"{service} is told of {request}")
        return record

    def test_success_is_told_with_what_was_returned(self):
        for service, arn in (("sqs", QUEUE), ("sns", TOPIC), ("events", BUS)):
            name = self.function()
            self.functions.put_function_event_invoke_config(FunctionName=name, DestinationConfig={"OnSuccess": {"Destination": arn}})
            request = later(self.functions, name, {"n": 1})
            record = self.record(service, request)
            self.assertEqual(list(record), ["version", "timestamp", "requestContext", "requestPayload", "responseContext", "responsePayload"])
            self.assertEqual(record["version"], "1.0")
            context = {"requestId": request, "functionArn": self.arn(name), "condition": "Success", "approximateInvokeCount": 1}
            self.assertEqual(record["requestContext"], context)
            self.assertEqual(record["requestPayload"], {"n": 1})
            self.assertEqual(record["responseContext"], {"statusCode": 200, "executedVersion": "$LATEST"})
            self.assertEqual(record["responsePayload"]["id"], request)
            self.assertEqual(self.services[service].bad, [])
        body = json.loads(self.services["events"].taken[-1][3])["Entries"][0]
        self.assertEqual(body["DetailType"], "Lambda Function Invocation Result - Success")
        self.assertEqual((body["Source"], body["EventBusName"]), ("lambda", BUS))

    def test_failure_is_told_and_the_event_is_a_dead_letter(self):
        name = self.function(DeadLetterConfig={"TargetArn": DEAD})
        for service, arn in (("sqs", QUEUE), ("s3", BUCKET)):
            config = {"MaximumRetryAttempts": 0, "DestinationConfig": {"OnFailure": {"Destination": arn}}}
            self.functions.put_function_event_invoke_config(FunctionName=name, **config)
            request = later(self.functions, name, {"fail": service})
            record = self.record(service, request)
            self.assertEqual(record["requestContext"]["condition"], "RetriesExhausted")
            self.assertEqual(record["responseContext"], {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"})
            self.assertEqual(record["responsePayload"]["errorMessage"], "as asked")
            letters = lambda: [
                body for body in (json.loads(body) for _, _, _, body in self.services["sqs"].taken)
                if body.get("MessageAttributes", {}).get("RequestID", {}).get("StringValue") == request
            ]
            (letter,) = self.eventually(letters, "the event is a dead letter")
            self.assertEqual(json.loads(letter["MessageBody"]), {"fail": service})
            self.assertEqual(letter["MessageAttributes"]["ErrorCode"], {"DataType": "Number", "StringValue": "200"})
            self.assertEqual(letter["MessageAttributes"]["ErrorMessage"], {"DataType": "String", "StringValue": "as asked"})
        path = self.services["s3"].taken[-1][1]
        self.assertRegex(path, rf"^/told/aws/lambda/async/{name}/\d{{4}}/\d\d/\d\d/\d{{4}}-\d\d-\d\dT\d\d\.\d\d\.\d\d-[0-9a-f-]{{36}}$")

    def test_a_function_and_a_stream_can_be_told(self):
        name, other, out = self.function(), f"g-{uuid.uuid4().hex[:8]}", f"s-{uuid.uuid4().hex[:8]}"
        stream = create_stream(self.kinesis, out)["StreamARN"]
        deploy(self.functions, other, f"{PUT_SOURCE}\ndef handler(event, context):\n    put({out!r}, {{'heard': event}})\n")
        target = self.arn(other).rpartition(":")[0]
        self.functions.put_function_event_invoke_config(
            FunctionName=name, MaximumRetryAttempts=0,
            DestinationConfig={"OnSuccess": {"Destination": target}, "OnFailure": {"Destination": stream}})
        fine, failed = later(self.functions, name, {}), later(self.functions, name, {"fail": 1})
        got = lambda: [json.loads(record["Data"]) for record in read_stream(self.kinesis, out)]
        self.eventually(lambda: len(got()) >= 2, "both are told")
        told = [record.get("heard", record)["requestContext"] for record in got()]
        self.assertEqual({context["requestId"]: context["condition"] for context in told}, {fine: "Success", failed: "RetriesExhausted"})

    def test_a_version_and_an_alias_have_their_own_settings(self):
        name = self.function()
        version = self.functions.publish_version(FunctionName=name)["Version"]
        self.functions.create_alias(FunctionName=name, Name="live", FunctionVersion=version)
        for qualifier in ("$LATEST", version, "live"):
            made = self.functions.put_function_event_invoke_config(
                FunctionName=name, Qualifier=qualifier, MaximumRetryAttempts=1, DestinationConfig={"OnSuccess": {"Destination": QUEUE}})
            self.assertEqual((made["FunctionArn"], made["MaximumRetryAttempts"]), (self.arn(name, qualifier), 1))
            self.assertEqual(made["DestinationConfig"], {"OnSuccess": {"Destination": QUEUE}, "OnFailure": {}})
            shown = self.functions.get_function_event_invoke_config(FunctionName=name, Qualifier=qualifier)
            self.assertEqual({**shown, "ResponseMetadata": None}, {**made, "ResponseMetadata": None})
        changed = self.functions.update_function_event_invoke_config(FunctionName=name, MaximumEventAgeInSeconds=60)
        self.assertEqual((changed["MaximumRetryAttempts"], changed["MaximumEventAgeInSeconds"]), (1, 60))
        pages = self.functions.get_paginator("list_function_event_invoke_configs").paginate(FunctionName=name, PaginationConfig={"PageSize": 2})
        arns = [config["FunctionArn"] for page in pages for config in page["FunctionEventInvokeConfigs"]]
        self.assertEqual(sorted(arns), sorted(self.arn(name, of) for of in ("$LATEST", version, "live")))
        request = later(self.functions, name, 7, Qualifier="live")
        record = self.record("sqs", request)
        self.assertEqual(record["requestContext"]["functionArn"], self.arn(name, "live"))
        self.assertEqual((record["responseContext"]["executedVersion"], record["responsePayload"]["arn"]), (version, self.arn(name, "live")))
        self.functions.delete_function_event_invoke_config(FunctionName=name, Qualifier="live")
        text = self.refused(
            self.functions.get_function_event_invoke_config, "ResourceNotFoundException", FunctionName=name, Qualifier="live")
        self.assertEqual(text, f"The function {self.arn(name, 'live')} doesn't have an EventInvokeConfig")

    def test_bad_input_is_refused(self):
        name = self.function()
        put = self.unchecked_functions.put_function_event_invoke_config
        text = self.refused(put, "InvalidParameterValueException", FunctionName=name)
        self.assertEqual(text, "You must specify at least one of error handling or destination setting.")
        self.assertEqual(
            self.refused(put, "ResourceNotFoundException", FunctionName="nowhere", MaximumRetryAttempts=1), "The function doesn't exist.")
        self.refused(put, "ValidationException", FunctionName=name, MaximumRetryAttempts=3)
        self.refused(put, "ValidationException", FunctionName=name, MaximumEventAgeInSeconds=59)
        itself = {"OnSuccess": {"Destination": self.arn(name)}}
        self.assertEqual(
            self.refused(put, "InvalidParameterValueException", FunctionName=name, DestinationConfig=itself),
            "You can't specify the function as a destination for itself.")
        large = b'"' + b"x" * 1_048_576 + b'"'
        text = self.refused(
            self.functions.invoke, "RequestEntityTooLargeException", FunctionName=name, InvocationType="Event", Payload=large)
        self.assertEqual(text, "Request must be smaller than 1048576 bytes for the InvokeFunction operation")
        self.refused(
            self.functions.invoke, "InvalidRequestContentException", FunctionName=name, InvocationType="Event", Payload=b"{")
        self.refused(self.functions.invoke, "ResourceNotFoundException", FunctionName="nowhere", InvocationType="Event")

    def test_the_old_operation_and_a_function_that_is_switched_off(self):
        name = self.function()
        self.functions.put_function_event_invoke_config(FunctionName=name, DestinationConfig={"OnSuccess": {"Destination": QUEUE}})
        answer = self.functions.invoke_async(FunctionName=name, InvokeArgs=b'{"old": 1}')
        self.assertEqual(answer["Status"], 202)
        self.record("sqs", answer["ResponseMetadata"]["RequestId"])
        self.functions.update_function_event_invoke_config(FunctionName=name, DestinationConfig={"OnFailure": {"Destination": QUEUE}})
        self.functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
        record = self.record("sqs", later(self.functions, name, {}))
        self.assertEqual(record["requestContext"]["condition"], "ZeroReservedConcurrency")
        self.assertNotIn("responseContext", record)

    def test_a_dead_letter_target_is_shown_changed_and_taken_away(self):
        name = self.function(DeadLetterConfig={"TargetArn": DEAD})
        shown = lambda: self.functions.get_function_configuration(FunctionName=name).get("DeadLetterConfig")
        self.assertEqual(shown(), {"TargetArn": DEAD})
        self.functions.update_function_configuration(FunctionName=name, DeadLetterConfig={"TargetArn": TOPIC})
        wait_until_updated(self.functions, name)
        self.assertEqual(shown(), {"TargetArn": TOPIC})
        self.functions.update_function_configuration(FunctionName=name, DeadLetterConfig={})
        wait_until_updated(self.functions, name)
        self.assertIsNone(shown())

    def test_it_is_measured_under_cloudwatchs_names(self):
        name = self.function()
        config = {"MaximumRetryAttempts": 0, "DestinationConfig": {"OnSuccess": {"Destination": QUEUE}}}
        self.functions.put_function_event_invoke_config(FunctionName=name, **config)
        self.record("sqs", later(self.functions, name, {}))
        later(self.functions, name, {"fail": 1})
        labels = f'{{function_name="{name}",account_id="{ACCOUNT}",region="us-east-1"}}'

        def lines():
            with urllib.request.urlopen(f"{self.server.address}/_millstream/metrics") as answer:
                text = answer.read().decode()
            values = (line.rsplit(" ", 1) for line in text.splitlines() if labels in line)
            return {name.partition("{")[0]: float(value) for name, value in values}

        dropped = "millstream_lambda_async_events_dropped_total"
        self.eventually(lambda: lines().get(dropped) == 1, "the failed event is counted as dropped")
        self.assertEqual(lines()["millstream_lambda_async_events_received_total"], 2)
        self.assertEqual(lines()["millstream_lambda_destination_delivery_failures_total"], 0)
        self.assertEqual(lines()["millstream_lambda_dead_letter_errors_total"], 0)
        self.assertGreaterEqual(lines()["millstream_lambda_async_event_age_milliseconds"], 0)

    def test_the_command_line_hands_an_event_over(self):
        name = self.function()
        self.functions.put_function_event_invoke_config(FunctionName=name, DestinationConfig={"OnSuccess": {"Destination": QUEUE}})
        marker = uuid.uuid4().hex
        done = run(self.server.address, "function", "invoke", name, json.dumps({"marker": marker}), "--async")
        self.assertEqual((done.code, done.error.strip()), (0, "handed over"), done)
        told = lambda: [record for record in self.services["sqs"].bodies() if record.get("requestPayload") == {"marker": marker}]
        self.eventually(told, "the event gets to the function")


class Killed(ServerCase):
    """What was taken is delivered, whatever becomes of the server."""

    @classmethod
    def setUpClass(cls):
        pass

    def test_an_event_survives_kill_9(self):
        data = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        count = 20
        server = Server(data=data)
        self.addCleanup(server.kill)
        kinesis, functions = clients.client("kinesis", server.address), clients.client("lambda", server.address)
        create_stream(kinesis, "out")
        source = f"{PUT_SOURCE}\nimport time\ndef handler(event, context):\n    time.sleep(event['sleep'])\n    put('out', {{'n': event['n'], 'id': context.aws_request_id}})\n"
        deploy(functions, "slow", source)
        # One at a time, and slow: most of them wait when the server goes.
        functions.put_function_concurrency(FunctionName="slow", ReservedConcurrentExecutions=1)
        requests = {n: later(functions, "slow", {"n": n, "sleep": 0.2}) for n in range(count)}
        server.kill()
        self.server = Server(data=data)
        self.addCleanup(self.server.kill)
        kinesis = clients.client("kinesis", self.server.address)
        got = lambda: [json.loads(record["Data"]) for record in read_stream(kinesis, "out")]
        self.eventually(lambda: {record["n"] for record in got()} == set(range(count)), "every event has run")
        self.assertEqual({record["n"]: record["id"] for record in got()}, requests)
        # At least once: only what was under way may have run twice.
        self.assertLessEqual(len(got()), count + 1)
