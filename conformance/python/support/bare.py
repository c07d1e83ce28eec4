"""A client without any SDK; standard library only."""

import base64
import http.client
import json
import urllib.parse


class Bare:
    """Speaks AWS JSON 1.1 over one HTTP/1.1 connection with nothing in between. Not for more than one thread."""

    AUTHORIZATION = (
        "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/kinesis/aws4_request, "
        "SignedHeaders=host;x-amz-date, Signature=" + "0" * 64
    )

    def __init__(self, address, timeout=30):
        parts = urllib.parse.urlsplit(address)
        self.connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)

    def post(self, target, body, headers=None):
        """One POST to `/`; (status, headers, body as bytes)."""
        head = {
            "Content-Type": "application/x-amz-json-1.1",
            "X-Amz-Target": target,
            "X-Amz-Date": "20260101T000000Z",
            "Authorization": self.AUTHORIZATION,
        }
        self.connection.request("POST", "/", body=body, headers={**head, **(headers or {})})
        answer = self.connection.getresponse()
        return answer.status, answer.headers, answer.read()

    def kinesis(self, operation, **members):
        """One Kinesis operation that must succeed; its output."""
        status, _, body = self.post(f"Kinesis_20131202.{operation}", json.dumps(members).encode())
        if status != 200:
            raise RuntimeError(f"{operation}: {status} {body.decode(errors='replace')}")
        return json.loads(body) if body else {}

    def put(self, stream, key, data):
        """PutRecord; its output."""
        return self.kinesis("PutRecord", StreamName=stream, PartitionKey=key, Data=base64.b64encode(data).decode())

    def close(self):
        """Closes the connection."""
        self.connection.close()
