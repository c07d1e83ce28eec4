"""PutRecords of Kinesis Data Streams, as the AWS SDKs speak it, with the standard library only.

One keep-alive connection, AWS JSON 1.1, Signature Version 4, and the retries that PutRecords asks of its callers:
the service takes part of a batch and names the entries that it did not take.
"""

import base64
import http.client
import json
import os
import random
import time
import urllib.parse

import sigv4

MAX_ENTRIES = 500  # per call, the service's own limit
MAX_BYTES = 5 * 1024 * 1024  # per call, data and partition keys
FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 2.0
MAX_RESPONSE_BYTES = 4 * 1024 * 1024


class PutFailed(Exception):
    """Some entries were not acknowledged in the time there was. Others of the same batch may have been."""

    def __init__(self, left, attempts, cause):
        super().__init__(f"{left} entries were not acknowledged after {attempts} attempts: {cause}")
        self.left = left
        self.cause = cause


class KinesisClient:
    def __init__(self, endpoint, region, credentials, sleep=time.sleep):
        """`endpoint` is a URL, `credentials` a function that returns `sigv4.Credentials`."""
        self._url = urllib.parse.urlsplit(endpoint)
        if self._url.scheme not in ("http", "https") or not self._url.hostname:
            raise ValueError(f"not an endpoint URL: {endpoint!r}")
        self._region = region
        self._credentials = credentials
        self._sleep = sleep
        self._connection = None

    @classmethod
    def from_environment(cls, environment=os.environ):
        """The endpoint, region and credentials that Lambda (or a local runtime) puts into the environment."""
        region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or "us-east-1"
        endpoint = (
            environment.get("AWS_ENDPOINT_URL_KINESIS")
            or environment.get("AWS_ENDPOINT_URL")
            or f"https://kinesis.{region}.amazonaws.com"
        )
        return cls(endpoint, region, lambda: sigv4.Credentials.from_environment(environment))

    def put_records(self, stream, entries, deadline):
        """Puts `(partition_key, data)` pairs; returns when every one is acknowledged.

        `deadline` is a `time.monotonic()` value; `PutFailed` is raised when it is reached first, and at once for an
        error that trying again cannot cure. Only entries that were not acknowledged are sent again.
        """
        for chunk in _chunks(entries):
            self._put_chunk(stream, chunk, deadline)

    def _put_chunk(self, stream, waiting, deadline):
        attempts, pause = 0, FIRST_PAUSE_S
        while True:
            attempts += 1
            cause, curable = None, True
            try:
                waiting, cause = self._put_once(stream, waiting, deadline)
            except _Refused as refused:
                cause, curable = str(refused), refused.curable
            except (OSError, http.client.HTTPException, ValueError) as error:
                self._close()
                cause = f"{type(error).__name__}: {error}"
            if not waiting:
                return
            # Full jitter: functions that were throttled together do not come back together.
            wait = random.uniform(pause / 2, pause)
            if not curable or time.monotonic() + wait >= deadline:
                raise PutFailed(len(waiting), attempts, cause)
            self._sleep(wait)
            pause = min(pause * 2, LONGEST_PAUSE_S)

    def _put_once(self, stream, entries, deadline):
        """One call. Returns the entries that were not taken, and why the first of them was not."""
        answer = self._call(
            "PutRecords",
            {
                "StreamName": stream,
                "Records": [
                    {"PartitionKey": key, "Data": base64.b64encode(data).decode()} for key, data in entries
                ],
            },
            deadline,
        )
        results = answer.get("Records")
        if not isinstance(results, list) or len(results) != len(entries):
            raise ValueError("PutRecords answered with another number of records than it was given")
        left, cause = [], None
        for entry, result in zip(entries, results):
            if not result.get("SequenceNumber"):
                left.append(entry)
                cause = cause or f"{result.get('ErrorCode')}: {result.get('ErrorMessage')}"
        return left, cause

    def _call(self, operation, body, deadline):
        payload = json.dumps(body, separators=(",", ":")).encode()
        path = self._url.path or "/"
        headers = {
            "Host": self._url.netloc.rpartition("@")[2],
            "Content-Type": "application/x-amz-json-1.1",
            "X-Amz-Target": f"Kinesis_20131202.{operation}",
        }
        sigv4.sign("POST", path, headers, payload, "kinesis", self._region, self._credentials(), time.time())
        connection = self._connect(max(0.1, deadline - time.monotonic()))
        connection.request("POST", path, body=payload, headers=headers)
        response = connection.getresponse()
        text = response.read(MAX_RESPONSE_BYTES)
        if response.will_close:
            self._close()
        if response.status != 200:
            raise _Refused.from_response(response.status, text)
        return json.loads(text)

    def _connect(self, timeout):
        if self._connection is None:
            secure = self._url.scheme == "https"
            kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
            self._connection = kind(self._url.hostname, self._url.port, timeout=timeout)
        self._connection.timeout = timeout
        if self._connection.sock is not None:
            self._connection.sock.settimeout(timeout)
        return self._connection

    def _close(self):
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class _Refused(Exception):
    """The service answered with an error. `curable`: the same call may succeed later."""

    CURABLE = frozenset(
        {
            "InternalFailure",
            "InternalServerError",
            "KMSThrottlingException",
            "LimitExceededException",
            "ProvisionedThroughputExceededException",
            "RequestTimeout",
            "ServiceUnavailable",
            "ThrottlingException",
        }
    )

    def __init__(self, code, message, curable):
        super().__init__(f"{code}: {message}")
        self.curable = curable

    @classmethod
    def from_response(cls, status, text):
        try:
            body = json.loads(text)
            code = str(body.get("__type", "")).rpartition("#")[2]
            message = body.get("message") or body.get("Message") or ""
        except (ValueError, AttributeError):
            code, message = "", text[:200].decode(errors="replace")
        return cls(code or f"HTTP {status}", message, status >= 500 or code in cls.CURABLE)


def _chunks(entries):
    """Splits entries so that each part is within what one call may carry."""
    chunk, size = [], 0
    for key, data in entries:
        entry_size = len(key.encode()) + len(data)
        if chunk and (len(chunk) == MAX_ENTRIES or size + entry_size > MAX_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append((key, data))
        size += entry_size
    if chunk:
        yield chunk
