"""AWS Signature Version 4 for a request with headers and a body (no query string)."""

import hashlib
import hmac
import os
import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Credentials:
    access_key_id: str
    secret_access_key: str
    session_token: str = None

    @classmethod
    def from_environment(cls, environment=os.environ):
        """What Lambda gives a function: the credentials of its execution role."""
        try:
            return cls(
                environment["AWS_ACCESS_KEY_ID"],
                environment["AWS_SECRET_ACCESS_KEY"],
                environment.get("AWS_SESSION_TOKEN") or None,
            )
        except KeyError as missing:
            raise RuntimeError(f"the environment variable {missing} is not set") from None


def _hmac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def sign(method, path, headers, payload, service, region, credentials, now):
    """Adds `X-Amz-Date`, `X-Amz-Security-Token` and `Authorization` to `headers`, in place.

    `now` is in seconds since 1970. Every header that is already there is signed.
    """
    instant = time.gmtime(now)
    stamp, day = time.strftime("%Y%m%dT%H%M%SZ", instant), time.strftime("%Y%m%d", instant)
    headers["X-Amz-Date"] = stamp
    if credentials.session_token:
        headers["X-Amz-Security-Token"] = credentials.session_token

    canonical_headers = sorted((name.lower(), " ".join(value.split())) for name, value in headers.items())
    signed_headers = ";".join(name for name, _ in canonical_headers)
    canonical_request = "\n".join(
        [
            method,
            path,
            "",
            *(f"{name}:{value}" for name, value in canonical_headers),
            "",
            signed_headers,
            hashlib.sha256(payload).hexdigest(),
        ]
    )
    scope = f"{day}/{region}/{service}/aws4_request"
    digest = hashlib.sha256(canonical_request.encode()).hexdigest()
    to_sign = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, digest])

    key = f"AWS4{credentials.secret_access_key}".encode()
    for part in (day, region, service, "aws4_request"):
        key = _hmac(key, part)
    signature = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
    headers["Authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={credentials.access_key_id}/{scope}, "
        f"SignedHeaders={signed_headers}, Signature={signature}"
    )
