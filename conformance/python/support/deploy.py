"""Functions, deployed and invoked through boto3."""

import json

from support import clients
from support.package import ROLE, RUNTIME, boto3_zip, zip_of


def deploy(functions, name, source, wait=True, **options):
    """Creates a Python function whose code is `source` with a `handler(event, context)`, and waits until it is active."""
    settings = {"Runtime": RUNTIME, "Handler": "main.handler", "Role": ROLE, "Timeout": 20, **options}
    created = functions.create_function(FunctionName=name, Code={"ZipFile": zip_of({"main.py": source})}, **settings)
    if wait:
        functions.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig=clients.WAIT)
    return created


def wait_until_updated(functions, name):
    """Waits until the last change to a function is in force."""
    functions.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig=clients.WAIT)


def invoke(functions, name, payload=None, **options):
    """Invokes; (the answer, its payload decoded)."""
    answer = functions.invoke(FunctionName=name, Payload=json.dumps(payload).encode(), **options)
    body = answer["Payload"].read()
    return answer, json.loads(body) if body else None


def boto3_layer(functions):
    """Publishes a layer with boto3; its ARN."""
    return functions.publish_layer_version(LayerName="boto3", Content={"ZipFile": boto3_zip()})["LayerVersionArn"]
