"""Who may do what: signatures, users, policies, resource policies and the sessions of functions, through boto3."""

import base64
import datetime
import json
import os
import pathlib
import stat
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.request

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from support import clients
from support.bare import Bare
from support.deploy import boto3_layer, deploy, invoke
from support.package import ROLE
from support.server import ACCOUNT, REGION, Server, binary

PUTS = {"Version": "2012-10-17", "Statement": {
    "Effect": "Allow", "Action": ["kinesis:PutRecord", "kinesis:PutRecords"], "Resource": f"arn:aws:kinesis:*:{ACCOUNT}:stream/orders*"}}
HANDLER = """
import json, os, urllib.request, urllib.error
import boto3
def handler(event, context):
    kinesis = boto3.client("kinesis")
    said = []
    for call in (lambda: kinesis.put_record(StreamName="orders", PartitionKey="k", Data=b"from a function"),
                 lambda: kinesis.delete_stream(StreamName="orders")):
        try:
            call()
            said.append("done")
        except Exception as error:
            said.append(str(error))
    return {"said": said, "key": os.environ["AWS_ACCESS_KEY_ID"], "secret": os.environ["AWS_SECRET_ACCESS_KEY"], "token": os.environ["AWS_SESSION_TOKEN"]}
"""


def credentials(*arguments, file, text=None):
    """Runs `millstream credentials`; what it printed. Raises when it refuses."""
    done = subprocess.run([binary(), "credentials", "--credentials", str(file), *arguments], capture_output=True, text=True, timeout=30,
                          check=False, input=text)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout


def made(*arguments, file):
    """A new key, as (id, secret)."""
    key = json.loads(credentials(*arguments, "--format", "json", file=file))
    return key["AccessKeyId"], key["SecretAccessKey"]


def client(service, address, key, token=None, region=REGION, **options):
    """A client that signs with `key`."""
    config = Config(retries={"total_max_attempts": 1}, **options)
    return boto3.client(service, endpoint_url=address, region_name=region, config=config, aws_access_key_id=key[0],
                        aws_secret_access_key=key[1], aws_session_token=token)


class LockedServer(unittest.TestCase):
    """One server with an administrator and a user who may put records into some streams."""

    @classmethod
    def setUpClass(cls):
        scratch = tempfile.TemporaryDirectory(prefix="millstream-security-")
        cls.addClassCleanup(scratch.cleanup)
        cls.file = pathlib.Path(scratch.name) / "locked" / "credentials.json"
        cls.admin = made("create", "admin", "--admin", file=cls.file)
        credentials("policy", "put", "puts", "-", file=cls.file, text=json.dumps(PUTS))
        cls.writer = made("create", "writer", "--policy", "puts", file=cls.file)
        cls.server = Server(arguments=["--credentials", str(cls.file)])
        cls.addClassCleanup(cls.server.kill)
        cls.address = cls.server.address
        cls.kinesis = client("kinesis", cls.address, cls.admin)
        cls.functions = client("lambda", cls.address, cls.admin)
        clients.create_stream(cls.kinesis, "orders")
        cls.arn = f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/orders"

    def refused(self, code, call, **arguments):
        """The text of the error that a call is answered with."""
        with self.assertRaises(ClientError) as caught:
            call(**arguments)
        self.assertEqual(caught.exception.response["Error"]["Code"], code)
        return caught.exception.response["Error"]["Message"]

    def test_the_file_is_its_owners_and_holds_what_was_shown(self):
        self.assertEqual(stat.S_IMODE(os.stat(self.file).st_mode), 0o600)
        listed = credentials("list", file=self.file)
        self.assertIn(self.admin[0], listed)
        self.assertNotIn(self.admin[1], listed + self.server.log())
        shown = credentials("create", "shown", file=self.file)
        for word in ("[shown]", "aws_access_key_id = MKIA", "aws_secret_access_key = ", "export AWS_SECRET_ACCESS_KEY="):
            self.assertIn(word, shown)

    def test_without_a_signature_there_is_health_and_nothing_else(self):
        health = json.load(urllib.request.urlopen(self.address + "/_millstream/health"))
        self.assertEqual(health, {"status": "ok"})
        bare = Bare(self.address)
        self.addCleanup(bare.close)
        status, _, body = bare.post("Kinesis_20131202.ListStreams", b"{}", {"Authorization": ""})
        self.assertEqual((status, json.loads(body)["__type"]), (400, "MissingAuthenticationTokenException"))
        with self.assertRaises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(self.address + "/2015-03-31/functions")
        self.assertEqual(caught.exception.code, 403)
        self.assertEqual(caught.exception.headers["x-amzn-ErrorType"], "MissingAuthenticationTokenException")
        self.assertEqual(json.load(caught.exception), {"message": "Missing Authentication Token"})

    def test_metrics_want_a_key_too(self):
        def metrics(key):
            request = urllib.request.Request(self.address + "/_millstream/metrics")
            if key:
                request.add_header("Authorization", "Basic " + base64.b64encode(":".join(key).encode()).decode())
            try:
                return urllib.request.urlopen(request).status
            except urllib.error.HTTPError as error:
                return error.code
        self.assertEqual([metrics(key) for key in (None, (self.admin[0], "wrong"), self.writer, self.admin)], [401, 401, 403, 200])

    def test_a_key_that_nobody_has_and_a_secret_that_is_another(self):
        for service, call in (("kinesis", "list_streams"), ("lambda", "list_functions")):
            unknown = client(service, self.address, ("MKIAUNKNOWNUNKNOWN00", "x" * 40))
            self.assertEqual(self.refused("UnrecognizedClientException", getattr(unknown, call)),
                             "The security token included in the request is invalid.")
            wrong = client(service, self.address, (self.admin[0], "x" * 40))
            self.assertTrue(self.refused("InvalidSignatureException", getattr(wrong, call)).startswith(
                "The request signature we calculated does not match the signature you provided."))
            tokened = client(service, self.address, self.admin, token="a-token-that-it-does-not-have")
            self.refused("UnrecognizedClientException", getattr(tokened, call))

    def signed(self, service, when=None, method="POST", path="/", body=b"{}", headers=None):
        """A request as botocore signs it, at another time if need be."""
        request = AWSRequest(method, self.address + path, headers=headers or {}, data=body)
        auth = SigV4Auth(Credentials(*self.admin), service, REGION)
        if when is None:
            auth.add_auth(request)
        else:
            request.context["timestamp"] = when.strftime("%Y%m%dT%H%M%SZ")
            request.headers["X-Amz-Date"] = request.context["timestamp"]
            request.headers["Authorization"] = "AWS4-HMAC-SHA256 " + ", ".join([
                f"Credential={auth.scope(request)}", f"SignedHeaders={auth.signed_headers(auth.headers_to_sign(request))}",
                f"Signature={auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)}"])
        return request

    def send(self, request, body=None):
        prepared = request.prepare()
        sent = urllib.request.Request(prepared.url, data=prepared.body if body is None else body, method=prepared.method)
        for name, value in prepared.headers.items():
            sent.add_header(name, value.decode() if isinstance(value, bytes) else value)
        try:
            answer = urllib.request.urlopen(sent)
            return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def test_a_request_of_another_time_or_with_another_body(self):
        head = {"X-Amz-Target": "Kinesis_20131202.ListStreams", "Content-Type": "application/x-amz-json-1.1"}
        now = datetime.datetime.now(datetime.timezone.utc)
        self.assertEqual(self.send(self.signed("kinesis", now, headers=dict(head)))[0], 200)
        for minutes, word in ((-10, "Signature expired: "), (10, "Signature not yet current: ")):
            status, error = self.send(self.signed("kinesis", now + datetime.timedelta(minutes=minutes), headers=dict(head)))
            self.assertEqual((status, error["__type"]), (400, "InvalidSignatureException"))
            self.assertTrue(error["message"].startswith(word), error)
        status, error = self.send(self.signed("kinesis", headers=dict(head)), body=b'{"Limit":1}')
        self.assertEqual((status, error["__type"]), (400, "InvalidSignatureException"))
        changed = self.signed("kinesis", headers=dict(head))
        changed.headers["X-Amz-Target"] = "Kinesis_20131202.DescribeLimits"
        self.assertEqual(self.send(changed)[1]["__type"], "InvalidSignatureException")
        status, error = self.send(self.signed("lambda", headers=dict(head)))
        self.assertEqual(error["message"], "Credential should be scoped to correct service: 'kinesis'. ")

    def test_a_presigned_request_needs_no_header(self):
        url = self.functions.generate_presigned_url("list_functions", Params={"MaxItems": 5}, ExpiresIn=60)
        self.assertIn("Functions", json.load(urllib.request.urlopen(url)))
        with self.assertRaises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(url.replace("MaxItems=5", "MaxItems=6"))
        self.assertEqual(caught.exception.headers["x-amzn-ErrorType"], "InvalidSignatureException")

    def test_a_user_may_do_what_its_policies_say(self):
        writer = client("kinesis", self.address, self.writer)
        writer.put_record(StreamName="orders", PartitionKey="k", Data=b"x")
        writer.put_records(StreamARN=self.arn, Records=[{"PartitionKey": "k", "Data": b"y"}])
        said = self.refused("AccessDeniedException", writer.delete_stream, StreamName="orders")
        self.assertEqual(said, f"User: arn:aws:iam::{ACCOUNT}:user/writer is not authorized to perform: kinesis:DeleteStream on "
                               f"resource: {self.arn} because no identity-based policy allows the kinesis:DeleteStream action")
        # What is not there is not told either.
        self.refused("AccessDeniedException", writer.put_record, StreamName="secret", PartitionKey="k", Data=b"x")
        self.refused("ResourceNotFoundException", writer.put_record, StreamName="orders-2", PartitionKey="k", Data=b"x")
        self.refused("AccessDeniedException", writer.list_streams)
        # An iterator that somebody else got is not a way around.
        shard = clients.shards_of(self.kinesis, "orders")[0]["ShardId"]
        iterator = self.kinesis.get_shard_iterator(StreamName="orders", ShardId=shard, ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
        self.assertIn(f"on resource: {self.arn} ", self.refused("AccessDeniedException", writer.get_records, ShardIterator=iterator))
        # Another partition is another word for the same stream.
        deny = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"},
                                                       {"Effect": "Deny", "Action": "*", "Resource": self.arn}]}
        credentials("policy", "put", "allbutone", "-", file=self.file, text=json.dumps(deny))
        almost = made("create", "almost", "--policy", "allbutone", file=self.file)
        kinesis = self.eventually(lambda: client("kinesis", self.address, almost), lambda one: one.list_streams())
        for arn in (self.arn, self.arn.replace("arn:aws:", "arn:aws-cn:")):
            said = self.refused("AccessDeniedException", kinesis.describe_stream_summary, StreamARN=arn)
            self.assertTrue(said.endswith("with an explicit deny in an identity-based policy"), said)

    def eventually(self, make, probe):
        """What `make` makes, once the server knows of it."""
        deadline = time.monotonic() + 20
        while True:
            one = make()
            try:
                probe(one)
                return one
            except ClientError as error:
                if error.response["Error"]["Code"] not in ("UnrecognizedClientException", "AccessDeniedException") or time.monotonic() > deadline:
                    raise
            time.sleep(0.05)

    def test_keys_come_and_go_while_the_server_runs(self):
        first = made("create", "rolling", "--admin", file=self.file)
        old = self.eventually(lambda: client("kinesis", self.address, first), lambda one: one.list_streams())
        second = made("rotate", "rolling", "--keep-old", file=self.file)
        self.eventually(lambda: client("kinesis", self.address, second), lambda one: one.list_streams())
        old.list_streams()
        credentials("remove", "rolling", "--key", first[0], file=self.file)
        self.until_refused(old.list_streams)
        third = made("rotate", "rolling", file=self.file)
        self.eventually(lambda: client("kinesis", self.address, third), lambda one: one.list_streams())
        self.until_refused(client("kinesis", self.address, second).list_streams)
        credentials("remove", "rolling", file=self.file)
        self.until_refused(client("kinesis", self.address, third).list_streams)
        with self.assertRaisesRegex(RuntimeError, "no user rolling"):
            credentials("rotate", "rolling", file=self.file)

    def until_known(self, kinesis):
        """Until the server knows the key of one that may do nothing."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                kinesis.list_streams()
            except ClientError as error:
                if error.response["Error"]["Code"] == "AccessDeniedException":
                    return
            time.sleep(0.05)
        self.fail("the key is not known")

    def until_refused(self, call):
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                call()
            except ClientError as error:
                self.assertEqual(error.response["Error"]["Code"], "UnrecognizedClientException")
                return
            time.sleep(0.05)
        self.fail("the key is still good")

    def test_a_policy_can_be_attached_to_who_is_there(self):
        key = made("create", "later", file=self.file)
        kinesis = client("kinesis", self.address, key)
        credentials("policy", "attach", "AmazonKinesisReadOnlyAccess", "--user", "later", file=self.file)
        self.eventually(lambda: kinesis, lambda one: one.list_streams())
        self.refused("AccessDeniedException", kinesis.delete_stream, StreamName="orders")
        self.assertIn("AmazonKinesisReadOnlyAccess", credentials("list", file=self.file))
        self.assertIn("kinesis:Get*", credentials("policy", "show", "AmazonKinesisReadOnlyAccess", file=self.file))
        credentials("policy", "detach", "AmazonKinesisReadOnlyAccess", "--user", "later", file=self.file)
        for arguments, word in ((["policy", "attach", "None", "--user", "later"], "no policy None"),
                                (["policy", "put", "AdministratorAccess", "-"], "built-in"), (["create", "a b"], "is not a name"),
                                (["create", "later"], "already"), (["policy", "remove", "puts"], "detach it first")):
            with self.assertRaisesRegex(RuntimeError, word):
                credentials(*arguments, file=self.file, text=json.dumps(PUTS))

    def test_a_resource_policy_lets_a_user_in_and_keeps_one_out(self):
        stream = clients.create_stream(self.kinesis, "shared")
        arn = stream["StreamARN"]
        guest = made("create", "guest", file=self.file)
        kinesis = client("kinesis", self.address, guest)
        self.until_known(kinesis)
        self.assertEqual(self.kinesis.get_resource_policy(ResourceARN=arn)["Policy"], "{}")
        self.refused("AccessDeniedException", kinesis.put_record, StreamName="shared", PartitionKey="k", Data=b"x")

        def policy(effect):
            return json.dumps({"Version": "2012-10-17", "Statement": [{
                "Effect": effect, "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:user/guest"}, "Action": "kinesis:PutRecord", "Resource": arn}]})
        self.kinesis.put_resource_policy(ResourceARN=arn, Policy=policy("Allow"))
        self.assertEqual(self.kinesis.get_resource_policy(ResourceARN=arn)["Policy"], policy("Allow"))
        kinesis.put_record(StreamName="shared", PartitionKey="k", Data=b"x")
        self.refused("AccessDeniedException", kinesis.describe_stream_summary, StreamName="shared")
        self.kinesis.put_resource_policy(ResourceARN=arn, Policy=policy("Deny"))
        said = self.refused("AccessDeniedException", kinesis.put_record, StreamName="shared", PartitionKey="k", Data=b"x")
        self.assertTrue(said.endswith("with an explicit deny in a resource-based policy"), said)
        self.kinesis.delete_resource_policy(ResourceARN=arn)
        said = self.refused("ResourceNotFoundException", self.kinesis.delete_resource_policy, ResourceARN=arn)
        self.assertEqual(said, f"No resource policy found for resource ARN {arn}.")
        self.refused("InvalidArgumentException", self.kinesis.put_resource_policy, ResourceARN=arn, Policy="{")

    def test_logs_are_for_those_who_may_read_them(self):
        arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group"
        boss = client("logs", self.address, self.admin)
        for group in ("/mine/a", "/others/b"):
            boss.create_log_group(logGroupName=group)
            boss.create_log_stream(logGroupName=group, logStreamName="s")
        policy = {"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": ["logs:Get*", "logs:FilterLogEvents", "logs:StartLiveTail", "logs:CreateLogGroup"], "Resource": f"{arn}:/mine/*:*"},
            {"Effect": "Deny", "Action": "logs:GetLogEvents", "Resource": f"{arn}:/mine/*:log-stream:secret"}]}
        credentials("policy", "put", "readslogs", "-", file=self.file, text=json.dumps(policy))
        reader = made("create", "reader", "--policy", "readslogs", file=self.file)
        logs = self.eventually(lambda: client("logs", self.address, reader, inject_host_prefix=False),
                               lambda logs: logs.filter_log_events(logGroupName="/mine/a"))
        self.assertEqual(logs.get_log_events(logGroupName="/mine/a", logStreamName="s")["events"], [])
        for call, arguments, resource in (
            (logs.filter_log_events, {"logGroupName": "/others/b"}, "/others/b:log-stream:"),
            (logs.filter_log_events, {"logGroupIdentifier": f"{arn}:/others/b"}, "/others/b:log-stream:"),
            (logs.get_log_events, {"logGroupName": "/others/b", "logStreamName": "s"}, "/others/b:log-stream:s"),
            (logs.get_log_events, {"logGroupName": "/mine/a", "logStreamName": "secret"}, "/mine/a:log-stream:secret"),
            (logs.delete_log_group, {"logGroupName": "/mine/a"}, "/mine/a:log-stream:"),
            (logs.describe_log_groups, {}, ":log-stream:"),
            (logs.start_live_tail, {"logGroupIdentifiers": [f"{arn}:/mine/a", f"{arn}:/others/b"]}, "/others/b:log-stream:"),
            # A group that begins with tags wants one action more.
            (logs.create_log_group, {"logGroupName": "/mine/c", "tags": {"a": "b"}}, "/mine/c:log-stream:"),
        ):
            message = self.refused("AccessDeniedException", call, **arguments)
            self.assertIn(f"on resource: {arn}:{resource}", message)
        logs.create_log_group(logGroupName="/mine/c")
        logs.start_live_tail(logGroupIdentifiers=[f"{arn}:/mine/a"])["responseStream"].close()
        stranger = client("logs", self.address, ("AKIANOBODY", "x"))
        self.refused("UnrecognizedClientException", stranger.describe_log_groups)

    def test_accounts_meet_by_resource_policies(self):
        away = made("create", "visitor", "--admin", "--account", "111122223333", file=self.file)
        kinesis = self.eventually(lambda: client("kinesis", self.address, away), lambda one: one.list_streams())
        self.assertEqual(kinesis.list_streams()["StreamNames"], [])
        clients.create_stream(self.kinesis, "crossed")
        arn = f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/crossed"
        said = self.refused("AccessDeniedException", kinesis.put_record, StreamARN=arn, PartitionKey="k", Data=b"x")
        self.assertTrue(said.endswith("because no resource-based policy allows the kinesis:PutRecord action"), said)
        self.kinesis.put_resource_policy(ResourceARN=arn, Policy=json.dumps({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": {"AWS": "111122223333"}, "Action": "kinesis:Put*", "Resource": arn}]}))
        kinesis.put_record(StreamARN=arn, PartitionKey="k", Data=b"x")

    def test_a_function_signs_with_a_session_of_its_own(self):
        deploy(self.functions, "home", HANDLER, Layers=[boto3_layer(self.functions)])
        answer, said = invoke(self.functions, "home")
        self.assertNotIn("FunctionError", answer, said)
        self.assertEqual(said["said"][0], "done")
        self.assertIn(f"User: arn:aws:sts::{ACCOUNT}:assumed-role/{ROLE.rsplit('/')[-1]}/home is not authorized to perform: kinesis:DeleteStream",
                      said["said"][1])
        key = (said["key"], said["secret"])
        worker = client("kinesis", self.address, key, token=said["token"])
        worker.list_streams()
        self.refused("UnrecognizedClientException", client("kinesis", self.address, key).list_streams)
        self.refused("UnrecognizedClientException", client("kinesis", self.address, key, token=said["token"][:-1] + "!").list_streams)
        # The session ends with the worker.
        self.functions.delete_function(FunctionName="home")
        self.until_refused(worker.list_streams)

    def test_whoever_makes_a_function_must_be_allowed_to_pass_its_role(self):
        text = {"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "lambda:*", "Resource": "*"},
            {"Effect": "Allow", "Action": "iam:PassRole", "Resource": f"arn:aws:iam::{ACCOUNT}:role/plain"}]}
        credentials("policy", "put", "deployer", "-", file=self.file, text=json.dumps(text))
        key = made("create", "deployer", "--policy", "deployer", file=self.file)
        functions = self.eventually(lambda: client("lambda", self.address, key), lambda one: one.list_functions())
        source = "def handler(event, context): return 1"
        said = self.refused("AccessDeniedException", deploy, functions=functions, name="passed", source=source,
                            Role=f"arn:aws:iam::{ACCOUNT}:role/admin")
        self.assertIn(f"is not authorized to perform: iam:PassRole on resource: arn:aws:iam::{ACCOUNT}:role/admin", said)
        deploy(functions, "passed", source, Role=f"arn:aws:iam::{ACCOUNT}:role/plain")
        self.assertEqual(invoke(functions, "passed")[1], 1)
        # A link to code is good as it is, and not otherwise.
        link = functions.get_function(FunctionName="passed")["Code"]["Location"]
        self.assertEqual(urllib.request.urlopen(link).status, 200)
        for bad in (link.split("?")[0], link[:-1] + ("0" if link[-1] != "0" else "1"), link.replace("expires=", "expires=1")):
            with self.assertRaises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen(bad)
            self.assertEqual(caught.exception.code, 403)
        writer = client("lambda", self.address, self.writer)
        said = self.refused("AccessDeniedException", writer.invoke, FunctionName="passed")
        self.assertIn("lambda:InvokeFunction on resource: arn:aws:lambda:us-east-1:000000000000:function:passed ", said)

    def test_a_mapping_wants_a_role_that_may_read(self):
        credentials("role", "create", "blind", "--policy", "AWSLambda_ReadOnlyAccess", file=self.file)
        time.sleep(0.5)
        deploy(self.functions, "blind", "def handler(event, context): return 1", Role=f"arn:aws:iam::{ACCOUNT}:role/blind")
        deploy(self.functions, "seeing", "def handler(event, context): return 1")
        mapping = {"EventSourceArn": self.arn, "StartingPosition": "LATEST"}
        said = self.refused("InvalidParameterValueException", self.functions.create_event_source_mapping, FunctionName="blind", **mapping)
        self.assertTrue(said.startswith(f"Cannot access stream {self.arn}. Please ensure the role can perform"), said)
        made_one = self.functions.create_event_source_mapping(FunctionName="seeing", **mapping)
        self.functions.delete_event_source_mapping(UUID=made_one["UUID"])


class OpenAndLocked(unittest.TestCase):
    """A data directory before its first user and after."""

    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix="millstream-security-")
        self.addCleanup(scratch.cleanup)
        self.data = pathlib.Path(scratch.name) / "data"

    def test_the_first_user_locks_a_server_that_runs(self):
        with Server(self.data) as server:
            anybody = clients.client("kinesis", server.address)
            clients.create_stream(anybody, "mine")
            key = made("create", "root", "--admin", file=self.data / "credentials.json")
            deadline = time.monotonic() + 20
            while time.monotonic() < deadline:
                try:
                    anybody.list_streams()
                except ClientError as error:
                    self.assertEqual(error.response["Error"]["Code"], "UnrecognizedClientException")
                    break
                time.sleep(0.05)
            else:
                self.fail("the server is still open")
            kinesis = client("kinesis", server.address, key)
            self.assertEqual(kinesis.list_streams()["StreamNames"], ["mine"])
            arn = kinesis.describe_stream_summary(StreamName="mine")["StreamDescriptionSummary"]["StreamARN"]
            policy = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "kinesis:*"}]})
            kinesis.put_resource_policy(ResourceARN=arn, Policy=policy)
            self.assertNotIn(key[1], server.log())
        # After kill -9 both are as they were.
        with Server(self.data) as server:
            kinesis = client("kinesis", server.address, key)
            self.assertEqual(kinesis.get_resource_policy(ResourceARN=arn)["Policy"], policy)
            with self.assertRaises(ClientError):
                clients.client("kinesis", server.address).list_streams()

    def test_what_others_can_read_or_nobody_can_keeps_it_from_starting(self):
        made("create", "root", "--admin", file=self.data / "credentials.json")
        os.chmod(self.data / "credentials.json", 0o644)
        with self.assertRaisesRegex(RuntimeError, "chmod 600"):
            Server(self.data)
        with self.assertRaisesRegex(RuntimeError, "there are no credentials in"):
            Server(arguments=["--credentials", str(self.data / "none.json")])
