"""A test case with a server of its own."""

import time
import unittest

from botocore.exceptions import ClientError

from support import clients
from support.server import Server

PATIENCE_SECONDS = 40


class ServerCase(unittest.TestCase):
    """One server in memory for all tests of the class; a test takes names that no other test of it uses."""

    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.addClassCleanup(cls.server.kill)
        cls.address = cls.server.address
        cls.kinesis = clients.client("kinesis", cls.address)
        cls.functions = clients.client("lambda", cls.address)
        # What a customer may send although the SDK's own model check would stop it.
        cls.unchecked = clients.client("kinesis", cls.address, parameter_validation=False)
        cls.unchecked_functions = clients.client("lambda", cls.address, parameter_validation=False)

    def refused(self, call, code, **arguments):
        """Calls, expects the error `code`, and gives its message."""
        with self.assertRaises(ClientError) as caught:
            call(**arguments)
        error = caught.exception.response["Error"]
        self.assertEqual(error["Code"], code, error)
        self.assertTrue(caught.exception.response["ResponseMetadata"]["RequestId"])
        return error["Message"]

    def eventually(self, probe, what, seconds=PATIENCE_SECONDS):
        """Waits until `probe()` is true and gives its value; fails saying `what` was waited for."""
        deadline = time.monotonic() + seconds
        while not (value := probe()):
            if time.monotonic() > deadline:
                self.fail(f"not after {seconds} s: {what}\n--- the end of the server's log ---\n{self.server.log()[-6000:]}")
            time.sleep(0.05)
        return value
