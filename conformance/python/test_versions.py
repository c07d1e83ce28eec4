"""Versions, aliases and reserved concurrency of functions, through boto3."""

import threading

from support.case import ServerCase
from support.clients import create_stream, read_stream
from support.deploy import deploy, invoke, wait_until_updated
from support.package import PUT_SOURCE, zip_of


def answering(text):
    return f"def handler(event, context):\n    return [{text!r}, context.function_version, context.invoked_function_arn]\n"


class Versions(ServerCase):
    def two_versions(self, name):
        deploy(self.functions, name, answering("one"))
        self.functions.publish_version(FunctionName=name)
        self.functions.update_function_code(FunctionName=name, ZipFile=zip_of({"main.py": answering("two")}), Publish=True)
        wait_until_updated(self.functions, name)
        self.functions.update_function_code(FunctionName=name, ZipFile=zip_of({"main.py": answering("latest")}))
        wait_until_updated(self.functions, name)

    def test_each_version_runs_its_own_code(self):
        self.two_versions("versioned")
        arn = self.functions.get_function_configuration(FunctionName="versioned")["FunctionArn"]
        self.functions.create_alias(FunctionName="versioned", Name="prod", FunctionVersion="1")
        for qualifier, text, version in (("1", "one", "1"), ("2", "two", "2"), ("$LATEST", "latest", "$LATEST"), ("prod", "one", "1")):
            answer, payload = invoke(self.functions, "versioned", Qualifier=qualifier)
            self.assertEqual(payload, [text, version, f"{arn}:{qualifier}"])
            self.assertEqual(answer["ExecutedVersion"], version)
            self.assertEqual(invoke(self.functions, f"{arn}:{qualifier}")[1][0], text)
        self.assertEqual(invoke(self.functions, "versioned")[1], ["latest", "$LATEST", arn])
        self.functions.update_alias(FunctionName="versioned", Name="prod", FunctionVersion="2")
        self.assertEqual(invoke(self.functions, "versioned:prod")[1][0], "two")
        message = self.refused(self.functions.invoke, "ResourceNotFoundException", FunctionName="versioned", Qualifier="9")
        self.assertEqual(message, f"Function not found: {arn}:9")

    def test_two_versions_share_an_alias(self):
        self.two_versions("shared")
        for weight, texts in ((1.0, {"two"}), (0.0, {"one"}), (0.5, {"one", "two"})):
            routing = {"AdditionalVersionWeights": {"2": weight}}
            change = self.functions.update_alias if weight < 1 else self.functions.create_alias
            change(FunctionName="shared", Name="both", FunctionVersion="1", RoutingConfig=routing)
            # With a half each, 64 invocations of one version alone are as likely as 1 in 2^63.
            seen = {invoke(self.functions, "shared:both")[1][0] for _ in range(64)}
            self.assertEqual(seen, texts)

    def test_a_mapping_invokes_the_alias_that_it_names(self):
        source = f"{PUT_SOURCE}\ndef handler(event, context):\n    put('aliased-out', [VERSION, context.invoked_function_arn])\n"
        arn = create_stream(self.kinesis, "aliased")["StreamARN"]
        create_stream(self.kinesis, "aliased-out")
        deploy(self.functions, "aliased", source.replace("VERSION", "'first'"))
        self.functions.publish_version(FunctionName="aliased")
        self.functions.update_function_code(
            FunctionName="aliased", ZipFile=zip_of({"main.py": source.replace("VERSION", "'second'")}), Publish=True)
        wait_until_updated(self.functions, "aliased")
        alias = self.functions.create_alias(FunctionName="aliased", Name="live", FunctionVersion="1")["AliasArn"]
        made = self.functions.create_event_source_mapping(EventSourceArn=arn, FunctionName="aliased:live", StartingPosition="TRIM_HORIZON")
        self.assertEqual(made["FunctionArn"], alias)
        listed = self.functions.list_event_source_mappings(FunctionName="aliased:live")["EventSourceMappings"]
        self.assertEqual([found["UUID"] for found in listed], [made["UUID"]])

        def results():
            return [record["Data"].decode() for record in read_stream(self.kinesis, "aliased-out")]

        self.kinesis.put_record(StreamName="aliased", PartitionKey="k", Data=b"1")
        self.eventually(lambda: results() == [f'["first", "{alias}"]'], "the first version has run")
        self.functions.update_alias(FunctionName="aliased", Name="live", FunctionVersion="2")
        self.kinesis.put_record(StreamName="aliased", PartitionKey="k", Data=b"2")
        self.eventually(lambda: results()[1:] == [f'["second", "{alias}"]'], "the second version has run")

    def test_reserved_concurrency_is_kept(self):
        deploy(self.functions, "reserved", "import time\ndef handler(event, context):\n    time.sleep(event)\n    return 'done'\n")
        self.functions.put_function_concurrency(FunctionName="reserved", ReservedConcurrentExecutions=0)
        message = self.refused(self.functions.invoke, "TooManyRequestsException", FunctionName="reserved", Payload=b"0")
        self.assertEqual(message, "Rate Exceeded.")
        self.functions.put_function_concurrency(FunctionName="reserved", ReservedConcurrentExecutions=1)
        self.assertEqual(invoke(self.functions, "reserved", 0)[1], "done")

        def run_long():
            # The questions whether it runs take its place now and then.
            self.eventually(lambda: not is_throttled(3), "the first invocation has run")

        long = threading.Thread(target=run_long)

        def is_throttled(seconds=0):
            try:
                invoke(self.functions, "reserved", seconds)
            except self.functions.exceptions.TooManyRequestsException as error:
                return error.response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
            return False

        long.start()
        self.eventually(is_throttled, "the second invocation at once is throttled")
        long.join()
        self.functions.delete_function_concurrency(FunctionName="reserved")
        self.assertEqual(invoke(self.functions, "reserved", 0)[1], "done")
