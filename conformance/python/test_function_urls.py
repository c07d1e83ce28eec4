"""Function URLs and resource policies: configured through boto3, called with plain HTTP."""

import http.client
import json
import pathlib
import re
import socket
import tempfile
import unittest
import urllib.error
import urllib.parse
import urllib.request

from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from support.case import ServerCase
from support.deploy import deploy
from support.package import zip_of
from support.server import ACCOUNT, REGION, Server
from test_security import client, made

ECHO = "def handler(event, context):\n    return event\n"
FORBIDDEN = {"Message": "Forbidden. For troubleshooting Function URL authorization issues, see: https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html"}
RESULTS = """
import base64, json

def handler(event, context):
    return json.loads(base64.b64decode(event["body"]))
"""
ANSWERS = """
def handler(event, context):
    path = event["rawPath"]
    if path == "/fails":
        raise ValueError("no")
    if path == "/odd":
        return {"statusCode": "none"}
    if path == "/split":
        return {"statusCode": 200, "headers": {"x-a": "a\\r\\nx-b: b"}}
    if path == "/many":
        return {"statusCode": 200, "cookies": ["a=1"] * 40_000}
    if path == "/exits":
        import os
        os._exit(1)
    if path == "/large":
        return "x" * (7 << 20)
    if path == "/slow":
        import time
        time.sleep(60)
    if path == "/binary":
        return {"statusCode": 200, "body": "AAEC", "isBase64Encoded": True, "headers": {"content-type": "image/png"}}
    return {"statusCode": 201, "body": "made", "headers": {"content-type": "text/plain", "x-count": 3}, "cookies": ["a=1", "b=2; Path=/"]}
"""


def call(url, path="", method="GET", body=None, headers=None):
    """(status, headers, body) of a request to a function URL."""
    request = urllib.request.Request(url.rstrip("/") + path, data=body, method=method, headers=headers or {})
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


class FunctionUrls(ServerCase):
    def url(self, name, source, **options):
        deploy(self.functions, name, source)
        return self.functions.create_function_url_config(FunctionName=name, **{"AuthType": "NONE", **options})["FunctionUrl"]

    def test_a_request_becomes_an_event_of_format_2(self):
        url = self.url("url-event", ECHO)
        headers = {"Content-Type": "application/json", "X-Custom": "c", "Cookie": "a=1; b=2", "User-Agent": "test"}
        status, answered, body = call(url, "/a/b%20c?x=1&x=2&y=z+w", "POST", b'{"k":1}', headers)
        event = json.loads(body)
        self.assertEqual((status, answered["Content-Type"]), (200, "application/json"))
        self.assertEqual((event["version"], event["routeKey"], event["rawPath"]), ("2.0", "$default", "/a/b%20c"))
        self.assertEqual(event["rawQueryString"], "x=1&x=2&y=z+w")
        self.assertEqual(event["queryStringParameters"], {"x": "1,2", "y": "z w"})
        self.assertEqual(event["cookies"], ["a=1", "b=2"])
        self.assertEqual((event["headers"]["x-custom"], event["headers"]["content-type"]), ("c", "application/json"))
        self.assertNotIn("cookie", event["headers"])
        self.assertEqual((event["body"], event["isBase64Encoded"]), ('{"k":1}', False))
        context = event["requestContext"]
        identity = url.rstrip("/").rsplit("/", 1)[1]
        self.assertEqual((context["apiId"], context["accountId"], context["stage"]), (identity, "anonymous", "$default"))
        self.assertEqual(context["http"], {"method": "POST", "path": "/a/b%20c", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "test"})
        self.assertEqual(context["requestId"], answered["x-amzn-RequestId"])
        self.assertRegex(context["time"], r"^\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000$")
        self.assertIsInstance(context["timeEpoch"], int)
        self.assertNotIn("authorizer", context)
        _, _, body = call(url)
        bare = json.loads(body)
        self.assertEqual(bare["rawPath"], "/")
        for member in ("body", "cookies", "queryStringParameters"):
            self.assertNotIn(member, bare)

    def test_what_is_no_text_is_base64(self):
        url = self.url("url-binary", ECHO)
        _, _, body = call(url, "/", "PUT", b"\x00\xff", {"Content-Type": "application/octet-stream"})
        event = json.loads(body)
        self.assertEqual((event["body"], event["isBase64Encoded"]), ("AP8=", True))

    def test_a_result_becomes_an_answer(self):
        url = self.url("url-answers", ANSWERS)
        status, headers, body = call(url, "/made")
        self.assertEqual((status, body, headers["Content-Type"], headers["x-count"]), (201, b"made", "text/plain", "3"))
        self.assertEqual(headers.get_all("Set-Cookie"), ["a=1", "b=2; Path=/"])
        status, headers, body = call(url, "/binary")
        self.assertEqual((status, body, headers["Content-Type"]), (200, b"\x00\x01\x02", "image/png"))
        for path in ("/fails", "/odd", "/split", "/many", "/exits", "/large"):
            status, headers, body = call(url, path)
            self.assertEqual((status, body, headers["Content-Type"]), (502, b"Internal Server Error", "application/json"), path)
        self.functions.update_function_configuration(FunctionName="url-answers", Timeout=1)
        self.functions.get_waiter("function_updated_v2").wait(FunctionName="url-answers")
        status, _, body = call(url, "/slow")
        self.assertEqual((status, body), (502, b"Internal Server Error"))

    def test_results_without_a_status(self):
        """As recorded of AWS: JSON is written anew without blanks, text goes out as it is."""
        url = self.url("url-results", RESULTS)
        for result, sent in (({"hello": "world"}, b'{"hello":"world"}'), (["hello", 3, True], b'["hello",3,true]'), ("hello", b"hello"),
                             (3, b"3"), (3.1, b"3.1"), (True, b"true"), (None, b"null"), ({"body": "b"}, b'{"body":"b"}'),
                             ({"statusCode": 200, "body": "body123"}, b"body123"), ({"statusCode": 200}, b""),
                             ({"statusCode": 200, "body": {"a": 1}}, b'{"a":1}')):
            status, headers, body = call(url, "/", "POST", json.dumps(result).encode(), {"Content-Type": "application/octet-stream"})
            self.assertEqual((status, body, headers["Content-Type"]), (200, sent, "application/json"), result)
        status, headers, body = call(url, "/", "POST", b'{"statusCode":"418","body":"i am a teapot"}', {"Content-Type": "a/b"})
        self.assertEqual((status, body), (418, b"i am a teapot"))
        for status in (204, 304):
            got, _, body = call(url, "/", "POST", json.dumps({"statusCode": status, "body": ""}).encode(), {"Content-Type": "a/b"})
            self.assertEqual((got, body), (status, b""))

    def test_every_method_reaches_the_function(self):
        url = self.url("url-methods", "def handler(event, context):\n    return {'statusCode': 200, 'headers': {'x-method': event['requestContext']['http']['method']}, 'body': 'b'}\n")
        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
            status, headers, body = call(url, "/", method)
            self.assertEqual((status, headers["x-method"], body), (200, method, b"" if method == "HEAD" else b"b"))

    def test_headers_say_where_a_request_came_from(self):
        url = self.url("url-forwarded", ECHO)
        port = str(urllib.parse.urlsplit(url).port)
        _, _, body = call(url)
        headers = json.loads(body)["headers"]
        self.assertEqual([headers[f"x-forwarded-{name}"] for name in ("for", "proto", "port")], ["127.0.0.1", "http", port])
        _, _, body = call(url, headers={"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "https", "X-Forwarded-Port": "443"})
        headers = json.loads(body)["headers"]
        self.assertEqual([headers[f"x-forwarded-{name}"] for name in ("for", "proto", "port")], ["192.0.2.1,127.0.0.1", "http", port])

    def test_odd_requests_are_answered(self):
        """What is no good HTTP is refused; whatever else reaches the function as it was sent."""
        url = urllib.parse.urlsplit(self.url("url-odd", ECHO))

        def ask(line, *headers, method=b"GET"):
            with socket.create_connection((url.hostname, url.port), timeout=30) as connection:
                head = [method + b" " + url.path.rstrip("/").encode() + line + b" HTTP/1.1", b"Host: localhost", b"Connection: close", *headers]
                connection.sendall(b"\r\n".join(head) + b"\r\n\r\n")
                answer = http.client.HTTPResponse(connection)
                answer.begin()
                return answer.status, answer.read()

        for line, path, query, parameters in (
                (b"", "/", "", None), (b"//a/../b/.", "//a/../b/.", "", None), (b"/%zz%2F%", "/%zz%2F%", "", None), (b"?", "/", "", None),
                (b"/a?&&=&b=%ff&c&c=%", "/a", "&&=&b=%ff&c&c=%", {"": "", "b": "%ff", "c": ",%"}), (b"/?a=" + b"b" * 20_000, "/", "a=" + "b" * 20_000, {"a": "b" * 20_000})):
            status, body = ask(line)
            event = json.loads(body)
            self.assertEqual((status, event["rawPath"], event["rawQueryString"], event.get("queryStringParameters")), (200, path, query, parameters), line)
        status, body = ask(b"/", "X-Name: \u00e9\u2028".encode(), b"X-Old: \xe9", b"X-Twice: 1", b"x-twice: 2", b"Cookie: a=1;; b", b"Cookie: c=\"3\"", method=b"PURGE")
        event = json.loads(body)
        self.assertEqual([event["headers"][name] for name in ("x-name", "x-old", "x-twice")], ["\u00e9\u2028", "\u00e9", "1,2"])
        self.assertEqual((status, event["cookies"], event["requestContext"]["http"]["method"]), (200, ["a=1", "b", 'c="3"'], "PURGE"))
        for line, headers in ((b"/ /", ()), (b"/", (b"Bad Name: 1",)), (b"/", (b"Content-Length: 1, 2",))):
            self.assertEqual(ask(line, *headers)[0], 400, (line, headers))
        self.assertEqual(self.server.process.poll(), None)
        self.assertNotIn("panicked", self.server.log())

    def test_headers_are_written_as_the_function_has_them(self):
        url = self.url("url-utf8", "def handler(event, context):\n    return {'statusCode': 200, 'headers': {'x-name': '\u00e9', 'Set-Cookie': 'a=1', 'X-UPPER': True}}\n")
        _, headers, _ = call(url)
        self.assertEqual((headers["x-name"].encode("latin-1").decode(), headers["Set-Cookie"], headers["x-upper"]), ("\u00e9", "a=1", "true"))

    def test_the_host_may_name_the_function_too(self):
        url = urllib.parse.urlsplit(self.url("url-host", ECHO))
        identity = url.path.strip("/").split("/")[1]
        connection = http.client.HTTPConnection(url.hostname, url.port)
        self.addCleanup(connection.close)
        host = f"{identity}.lambda-url.{REGION}.localhost:{url.port}"
        connection.request("GET", "/own/path", headers={"Host": host})
        event = json.loads(connection.getresponse().read())
        self.assertEqual((event["rawPath"], event["requestContext"]["domainName"]), ("/own/path", host))

    def test_an_alias_runs_its_version(self):
        deploy(self.functions, "url-alias", "def handler(event, context):\n    return [context.function_version, context.invoked_function_arn]\n")
        self.functions.publish_version(FunctionName="url-alias")
        self.functions.create_alias(FunctionName="url-alias", Name="live", FunctionVersion="1")
        url = self.functions.create_function_url_config(FunctionName="url-alias", Qualifier="live", AuthType="NONE")["FunctionUrl"]
        _, _, body = call(url)
        self.assertEqual(json.loads(body), ["1", f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:url-alias:live"])

    def test_pages_are_let_in_by_cors(self):
        cors = {"AllowOrigins": ["https://a.example"], "AllowMethods": ["PUT"], "AllowHeaders": ["x-a"], "MaxAge": 60}
        url = self.url("url-cors", ANSWERS, Cors=cors)
        asks = {"Origin": "https://a.example", "Access-Control-Request-Method": "PUT"}
        status, headers, body = call(url, "/", "OPTIONS", headers=asks)
        self.assertEqual((status, body, headers["Access-Control-Allow-Origin"]), (200, b"", "https://a.example"))
        self.assertEqual((headers["Access-Control-Allow-Methods"], headers["Access-Control-Max-Age"]), ("PUT", "60"))
        status, headers, _ = call(url, "/", "PUT", b"", {"Origin": "https://a.example"})
        self.assertEqual((status, headers["Access-Control-Allow-Origin"]), (201, "https://a.example"))
        _, headers, _ = call(url, "/", "PUT", b"", {"Origin": "https://b.example"})
        self.assertIsNone(headers["Access-Control-Allow-Origin"])
        _, headers, _ = call(url, "/", "OPTIONS", headers={**asks, "Access-Control-Request-Method": "DELETE"})
        self.assertIsNone(headers["Access-Control-Allow-Methods"])
        cors = {"AllowOrigins": ["*"], "AllowMethods": ["*"], "AllowCredentials": True, "ExposeHeaders": ["x-count"]}
        self.functions.update_function_url_config(FunctionName="url-cors", Cors=cors)
        status, headers, _ = call(url, "/", "GET", headers={"Origin": "https://b.example"})
        told = [headers[f"Access-Control-{name}"] for name in ("Allow-Origin", "Allow-Credentials", "Expose-Headers")]
        self.assertEqual((status, told), (201, ["https://b.example", "true", "x-count"]))
        # Refused before the function is asked: a page may read that too.
        status, headers, _ = call(url, "/", "POST", b"x" * (7 << 20), {"Origin": "https://b.example"})
        self.assertEqual((status, headers["Access-Control-Allow-Origin"]), (413, "https://b.example"))
        # Nothing configured: the function speaks for itself, to preflights too.
        own = self.url("url-own-cors", "def handler(event, context):\n    return {'statusCode': 204, 'headers': {'Access-Control-Allow-Origin': 'https://own.example'}}\n")
        status, headers, _ = call(own, "/", "OPTIONS", headers=asks)
        self.assertEqual((status, headers["Access-Control-Allow-Origin"]), (204, "https://own.example"))

    def test_limits_and_what_is_not_there(self):
        url = self.url("url-limits", ECHO)
        status, _, body = call(url, "/", "POST", b"x" * ((6 << 20) + 1), {"Content-Type": "text/plain"})
        self.assertEqual((status, list(json.loads(body))), (413, ["Message"]))
        self.functions.delete_function_url_config(FunctionName="url-limits")
        status, _, body = call(url)
        self.assertEqual((status, json.loads(body)), (403, {"Message": None}))
        missing = url.replace(url.rstrip("/").rsplit("/", 1)[1], "0123456789abcdefghijklmnopqrstuv")
        status, headers, body = call(missing)
        self.assertEqual((status, body, headers["Content-Type"], headers["x-amzn-ErrorType"]),
                         (403, b'{"Message":null}', "application/json", "AccessDeniedException"))

    def test_no_invocation_is_let_through_beyond_the_reserved_ones(self):
        url = self.url("url-throttled", ECHO)
        self.functions.put_function_concurrency(FunctionName="url-throttled", ReservedConcurrentExecutions=0)
        status, _, body = call(url)
        self.assertEqual((status, json.loads(body)), (429, {"Message": "Rate Exceeded."}))

    def test_requests_are_measured_by_function(self):
        url = self.url("url-measured", ANSWERS)
        self.url("url-unasked", ANSWERS)
        for path, status in [("/", 201), ("/", 201), ("/fails", 502)]:
            self.assertEqual(call(url, path)[0], status)
        self.functions.put_function_concurrency(FunctionName="url-measured", ReservedConcurrentExecutions=0)
        self.assertEqual(call(url)[0], 429)
        found = dict(re.findall(r'^millstream_lambda_url_(\w+)\{function_name="url-measured",.*\} (\S+)$', self.metrics(), re.M))
        self.assertGreater(float(found.pop("request_latency_milliseconds_sum")), 0)
        self.assertEqual(found, {"requests_total": "4", "4xx_total": "1", "5xx_total": "1", "request_latency_milliseconds_count": "4"})
        self.assertNotIn('requests_total{function_name="url-unasked"', self.metrics())
        self.functions.delete_function(FunctionName="url-measured")
        self.assertNotIn("url-measured", self.metrics())

    def metrics(self):
        return urllib.request.urlopen(f"{self.server.address}/_millstream/metrics").read().decode()

    def test_urls_and_policies_outlive_a_restart(self):
        with tempfile.TemporaryDirectory(prefix="millstream-urls-") as directory:
            server = Server(data=directory)
            functions = client("lambda", server.address, ("a", "b"))
            deploy(functions, "lasting", ECHO)
            made_url = functions.create_function_url_config(FunctionName="lasting", AuthType="NONE")["FunctionUrl"]
            functions.add_permission(FunctionName="lasting", StatementId="s", Action="lambda:InvokeFunction", Principal="s3.amazonaws.com")
            policy = functions.get_policy(FunctionName="lasting")
            server.kill()
            server = Server(data=directory)
            self.addCleanup(server.kill)
            functions = client("lambda", server.address, ("a", "b"))
            self.assertEqual(functions.get_policy(FunctionName="lasting")["Policy"], policy["Policy"])
            path = urllib.parse.urlsplit(made_url).path
            self.assertEqual(call(server.address + path)[0], 200)


class Policies(ServerCase):
    def test_permissions_of_a_function(self):
        deploy(self.functions, "permitted", ECHO)
        statement = json.loads(self.functions.add_permission(
            FunctionName="permitted", StatementId="s3", Action="lambda:InvokeFunction", Principal="s3.amazonaws.com",
            SourceArn="arn:aws:s3:::bucket", SourceAccount=ACCOUNT)["Statement"])
        got = self.functions.get_policy(FunctionName="permitted")
        self.assertEqual(json.loads(got["Policy"])["Statement"], [statement])
        self.refused(self.functions.add_permission, "ResourceConflictException", FunctionName="permitted", StatementId="s3",
                     Action="lambda:InvokeFunction", Principal="s3.amazonaws.com")
        self.refused(self.functions.remove_permission, "PreconditionFailedException", FunctionName="permitted", StatementId="s3", RevisionId="x")
        self.functions.remove_permission(FunctionName="permitted", StatementId="s3", RevisionId=got["RevisionId"])
        self.refused(self.functions.get_policy, "ResourceNotFoundException", FunctionName="permitted")

    def test_a_whole_policy_of_a_function(self):
        arn = deploy(self.functions, "governed", ECHO)["FunctionArn"]
        text = json.dumps({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": "*", "Action": "lambda:InvokeFunction", "Resource": arn}]})
        put = self.functions.put_resource_policy(ResourceArn=arn, Policy=text)
        got = self.functions.get_resource_policy(ResourceArn=arn)
        self.assertEqual((got["Policy"], got["RevisionId"]), (text, put["RevisionId"]))
        self.refused(self.functions.put_resource_policy, "InvalidParameterValueException", ResourceArn=arn, Policy="{}")
        self.functions.delete_resource_policy(ResourceArn=arn, RevisionId=put["RevisionId"])
        self.refused(self.functions.get_resource_policy, "ResourceNotFoundException", ResourceArn=arn)

    def test_permissions_of_a_layer_version(self):
        version = self.functions.publish_layer_version(LayerName="shared", Content={"ZipFile": zip_of({"python/lib.py": ""})})["Version"]
        which = {"LayerName": "shared", "VersionNumber": version}
        self.refused(self.functions.get_layer_version_policy, "ResourceNotFoundException", **which)
        added = self.functions.add_layer_version_permission(StatementId="all", Action="lambda:GetLayerVersion", Principal="*", **which)
        got = self.functions.get_layer_version_policy(**which)
        self.assertEqual(json.loads(got["Policy"])["Statement"], [json.loads(added["Statement"])])
        self.assertEqual(got["RevisionId"], added["RevisionId"])
        self.functions.remove_layer_version_permission(StatementId="all", **which)
        self.refused(self.functions.get_layer_version_policy, "ResourceNotFoundException", **which)

    def test_the_configuration_of_a_url(self):
        deploy(self.functions, "configured", ECHO)
        which = {"FunctionName": "configured"}
        self.refused(self.functions.get_function_url_config, "ResourceNotFoundException", **which)
        created = self.functions.create_function_url_config(AuthType="NONE", **which)
        self.refused(self.functions.create_function_url_config, "ResourceConflictException", AuthType="NONE", **which)
        updated = self.functions.update_function_url_config(AuthType="AWS_IAM", Cors={"AllowOrigins": ["*"]}, **which)
        got = self.functions.get_function_url_config(**which)
        self.assertEqual((got["AuthType"], got["Cors"], got["FunctionUrl"]), ("AWS_IAM", updated["Cors"], created["FunctionUrl"]))
        listed = self.functions.list_function_url_configs(**which)["FunctionUrlConfigs"]
        self.assertEqual([url["FunctionUrl"] for url in listed], [created["FunctionUrl"]])
        self.functions.delete_function_url_config(**which)
        self.assertEqual(self.functions.list_function_url_configs(**which)["FunctionUrlConfigs"], [])


class LockedUrls(unittest.TestCase):
    """URLs of a server that asks who is there."""

    @classmethod
    def setUpClass(cls):
        scratch = tempfile.TemporaryDirectory(prefix="millstream-urls-")
        cls.addClassCleanup(scratch.cleanup)
        file = pathlib.Path(scratch.name) / "locked" / "credentials.json"
        cls.admin = made("create", "admin", "--admin", file=file)
        cls.stranger = made("create", "stranger", file=file)
        cls.server = Server(arguments=["--credentials", str(file)])
        cls.addClassCleanup(cls.server.kill)
        cls.functions = client("lambda", cls.server.address, cls.admin)

    def url(self, name, auth):
        deploy(self.functions, name, ECHO)
        return self.functions.create_function_url_config(FunctionName=name, AuthType=auth)["FunctionUrl"]

    def permit(self, name, principal, auth):
        self.functions.add_permission(FunctionName=name, StatementId="url", Action="lambda:InvokeFunctionUrl", Principal=principal,
                                      FunctionUrlAuthType=auth)
        self.functions.add_permission(FunctionName=name, StatementId="invoke", Action="lambda:InvokeFunction", Principal=principal,
                                      InvokedViaFunctionUrl=True)

    @staticmethod
    def signed(url, key, service="lambda"):
        request = AWSRequest("POST", url, data=b"{}", headers={"Content-Type": "application/json"})
        SigV4Auth(Credentials(*key), service, REGION).add_auth(request)
        return call(url, "/", "POST", b"{}", dict(request.headers))

    def test_everybody_is_let_in_by_policy_only(self):
        url = self.url("open", "NONE")
        status, _, body = call(url)
        self.assertEqual((status, json.loads(body)), (403, FORBIDDEN))
        self.permit("open", "*", "NONE")
        self.assertEqual(call(url)[0], 200)

    def test_a_signed_url_knows_its_caller(self):
        url = self.url("signed", "AWS_IAM")
        self.assertEqual(call(url)[0], 403)
        self.assertEqual(self.signed(url, (self.admin[0], "x" * 40))[0], 403)
        self.assertEqual(self.signed(url, self.admin, service="execute-api")[0], 403)
        presigned = AWSRequest("GET", f"{url}a", headers={})
        SigV4QueryAuth(Credentials(*self.admin), "lambda", REGION, expires=60).add_auth(presigned)
        self.assertEqual(call(presigned.url)[0], 200)
        status, _, body = self.signed(url, self.admin)
        event = json.loads(body)
        self.assertEqual(status, 200)
        self.assertEqual(event["requestContext"]["authorizer"]["iam"]["userArn"], f"arn:aws:iam::{ACCOUNT}:user/admin")
        self.assertNotIn("authorization", event["headers"])
        self.assertEqual(self.signed(url, self.stranger)[0], 403)
        self.permit("signed", f"arn:aws:iam::{ACCOUNT}:user/stranger", "AWS_IAM")
        self.assertEqual(self.signed(url, self.stranger)[0], 200)
