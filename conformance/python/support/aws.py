"""Services of AWS that Millstream sends to, as far as tests need them."""

import http.server
import json
import threading
import urllib.parse

from botocore.auth import SIGV4_TIMESTAMP, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "AKIDMILLSTREAM", "AWS_SECRET_ACCESS_KEY": "a secret", "AWS_SESSION_TOKEN": ""}


class Service:
    """An endpoint that keeps what it is sent, and refuses what botocore would have signed in another way."""

    def __init__(self, name):
        self.name = name
        self.taken = []
        self.bad = []
        self.refusing = False
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def take(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                if not service.is_signed(self, body):
                    service.bad.append((self.path, dict(self.headers)))
                    self.answer(403)
                elif service.refusing:
                    self.answer(500)
                else:
                    service.taken.append((self.command, urllib.parse.unquote(self.path), dict(self.headers), body))
                    self.answer(200)

            def answer(self, status):
                self.send_response(status)
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_):
                pass

            do_POST = do_PUT = take

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def is_signed(self, handler, body):
        headers = {name.lower(): value for name, value in handler.headers.items()}
        given = headers.pop("authorization", "")
        names = given.partition("SignedHeaders=")[2].partition(",")[0].split(";")
        region = given.split("/")[2]
        request = AWSRequest(handler.command, self.url + handler.path, {n: headers[n] for n in names}, body)
        request.context["timestamp"] = headers["x-amz-date"]
        assert SIGV4_TIMESTAMP
        signer = SigV4Auth(Credentials(ENVIRONMENT["AWS_ACCESS_KEY_ID"], ENVIRONMENT["AWS_SECRET_ACCESS_KEY"]), self.name, region)
        to_sign = signer.string_to_sign(request, signer.canonical_request(request))
        return given.endswith(f"Signature={signer.signature(to_sign, request)}")

    def bodies(self):
        """What was told, decoded."""
        decode = {
            "sqs": lambda body: json.loads(body)["MessageBody"],
            "sns": lambda body: urllib.parse.parse_qs(body.decode())["Message"][0],
            "s3": lambda body: body,
            "events": lambda body: json.loads(body)["Entries"][0]["Detail"],
        }[self.name]
        return [json.loads(decode(body)) for _, _, _, body in self.taken]

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
