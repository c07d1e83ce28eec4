"""Provisioned concurrency, and what is reserved, through boto3."""

import threading

from support.case import ServerCase
from support.deploy import deploy, invoke

WHO = (
    "import os, time\n"
    "def handler(event, context):\n"
    "    if event == 'die':\n        os._exit(1)\n"
    "    time.sleep(event or 0)\n"
    "    return [os.environ['AWS_LAMBDA_INITIALIZATION_TYPE'], os.environ['AWS_LAMBDA_LOG_STREAM_NAME']]\n"
)


class Provisioned(ServerCase):
    def published(self, name, source=WHO):
        deploy(self.functions, name, source)
        self.assertEqual(self.functions.publish_version(FunctionName=name)["Version"], "1")

    def status(self, name, qualifier):
        return self.functions.get_provisioned_concurrency_config(FunctionName=name, Qualifier=qualifier)

    def becomes(self, name, qualifier, status):
        self.eventually(lambda: self.status(name, qualifier)["Status"] == status, f"{name}:{qualifier} is {status}")
        return self.status(name, qualifier)

    def test_workers_are_ready_before_they_are_asked_for(self):
        self.published("ready")
        made = self.functions.put_provisioned_concurrency_config(
            FunctionName="ready", Qualifier="1", ProvisionedConcurrentExecutions=1)
        self.assertEqual((made["Status"], made["RequestedProvisionedConcurrentExecutions"]), ("IN_PROGRESS", 1))
        ready = self.becomes("ready", "1", "READY")
        self.assertEqual((ready["AllocatedProvisionedConcurrentExecutions"], ready["AvailableProvisionedConcurrentExecutions"]), (1, 1))
        kind, stream = invoke(self.functions, "ready:1")[1]
        self.assertEqual(kind, "provisioned-concurrency")
        self.functions.create_alias(FunctionName="ready", Name="live", FunctionVersion="1")
        self.assertEqual(invoke(self.functions, "ready:live")[1], [kind, stream])
        self.assertEqual(invoke(self.functions, "ready")[1][0], "on-demand")
        long = threading.Thread(target=invoke, args=(self.functions, "ready:1", 3))
        long.start()
        self.eventually(lambda: self.status("ready", "1")["AvailableProvisionedConcurrentExecutions"] == 0, "it is busy")
        self.assertEqual(invoke(self.functions, "ready:1")[1][0], "on-demand")
        long.join()
        listed = self.functions.list_provisioned_concurrency_configs(FunctionName="ready")["ProvisionedConcurrencyConfigs"]
        self.assertEqual([config["FunctionArn"].rsplit(":", 1)[1] for config in listed], ["1"])
        invoke(self.functions, "ready:1", "die")
        self.eventually(lambda: self.status("ready", "1")["AvailableProvisionedConcurrentExecutions"] == 1, "another is there")
        again, other = invoke(self.functions, "ready:1")[1]
        self.assertEqual(again, "provisioned-concurrency")
        self.assertNotEqual(other, stream)
        self.functions.delete_provisioned_concurrency_config(FunctionName="ready", Qualifier="1")
        message = self.refused(
            self.functions.get_provisioned_concurrency_config, "ProvisionedConcurrencyConfigNotFoundException",
            FunctionName="ready", Qualifier="1")
        self.assertEqual(message, "No Provisioned Concurrency Config found for this function")
        self.eventually(lambda: invoke(self.functions, "ready:1")[1][0] == "on-demand", "nothing is kept ready")

    def test_a_broken_function_is_failed(self):
        self.published("broken", "raise ValueError('no')\n")
        self.functions.create_alias(FunctionName="broken", Name="live", FunctionVersion="1")
        self.functions.put_provisioned_concurrency_config(
            FunctionName="broken", Qualifier="live", ProvisionedConcurrentExecutions=2)
        failed = self.becomes("broken", "live", "FAILED")
        self.assertEqual(failed["StatusReason"], "FUNCTION_ERROR_INIT_FAILURE")

    def test_what_is_refused(self):
        self.published("limited")
        put = self.functions.put_provisioned_concurrency_config
        message = self.refused(
            put, "InvalidParameterValueException", FunctionName="limited", Qualifier="$LATEST", ProvisionedConcurrentExecutions=1)
        self.assertEqual(message, "Provisioned Concurrency Configs cannot be applied to unpublished function versions.")
        limit = self.functions.get_account_settings()["AccountLimit"]["ConcurrentExecutions"]
        message = self.refused(
            self.functions.put_function_concurrency, "InvalidParameterValueException",
            FunctionName="limited", ReservedConcurrentExecutions=limit)
        self.assertIn("decreases account's UnreservedConcurrentExecution below its minimum value of [", message)
        self.functions.put_function_concurrency(FunctionName="limited", ReservedConcurrentExecutions=1)
        message = self.refused(
            put, "InvalidParameterValueException", FunctionName="limited", Qualifier="1", ProvisionedConcurrentExecutions=2)
        self.assertEqual(
            message,
            "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function")
        put(FunctionName="limited", Qualifier="1", ProvisionedConcurrentExecutions=1)
        self.becomes("limited", "1", "READY")
        # All that is reserved is kept ready for the version: nothing is left for the function itself.
        with self.assertRaises(self.functions.exceptions.TooManyRequestsException) as caught:
            self.functions.invoke(FunctionName="limited")
        self.assertEqual(caught.exception.response["Reason"], "ReservedFunctionConcurrentInvocationLimitExceeded")
        self.assertEqual(invoke(self.functions, "limited:1")[1][0], "provisioned-concurrency")
