"""What goes into a function: zips, and the Python inside. Standard library only."""

import base64
import importlib.util
import io
import pathlib
import sys
import zipfile

ROLE = "arn:aws:iam::000000000000:role/function"
# The Python that runs these tests is one that the server can find too.
RUNTIME = f"python{sys.version_info.major}.{sys.version_info.minor}"

# What a function needs to put a record with nothing but the standard library and what Lambda's environment gives it.
PUT_SOURCE = '''
import base64, json, os, urllib.request

def put(stream, value):
    """Puts `value` as JSON onto `stream` through AWS_ENDPOINT_URL."""
    body = {"StreamName": stream, "PartitionKey": "out", "Data": base64.b64encode(json.dumps(value).encode()).decode()}
    region = os.environ["AWS_REGION"]
    request = urllib.request.Request(os.environ["AWS_ENDPOINT_URL"], json.dumps(body).encode(), {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": "Kinesis_20131202.PutRecord",
        "X-Amz-Date": "20260101T000000Z",
        "Authorization": "AWS4-HMAC-SHA256 Credential=" + os.environ["AWS_ACCESS_KEY_ID"] + "/20260101/" + region
            + "/kinesis/aws4_request, SignedHeaders=host;x-amz-date, Signature=" + "0" * 64,
    })
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)

def payloads(event):
    """The data of a batch, as text."""
    return [base64.b64decode(record["kinesis"]["data"]).decode() for record in event["Records"]]
'''


def zip_of(files, encoded=False):
    """A zip with these files, name to text or bytes; as base64 text if `encoded`."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (0o755 if name == "bootstrap" else 0o644) << 16
            archive.writestr(info, content)
    return base64.b64encode(buffer.getvalue()).decode() if encoded else buffer.getvalue()


def boto3_zip():
    """A layer with the boto3 of this interpreter, as far as Kinesis needs it: functions here have none by themselves."""
    site = pathlib.Path(importlib.util.find_spec("boto3").origin).parents[1]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("boto3", "botocore", "dateutil", "jmespath", "s3transfer", "urllib3", "six.py"):
            top = site / name
            for path in [top] if top.is_file() else top.rglob("*"):
                inside = path.relative_to(site)
                data = len(inside.parts) > 2 and inside.parts[:2] == ("botocore", "data")
                if path.is_file() and path.suffix != ".pyc" and (not data or inside.parts[2] == "kinesis" or len(inside.parts) == 3):
                    archive.write(path, f"python/{inside}")
    return buffer.getvalue()
