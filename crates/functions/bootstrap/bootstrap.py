"""Millstream's Python runtime: runs one handler against the Lambda Runtime API.

It needs nothing but the standard library and behaves as AWS's own runtime client does: the same search path, context
object, error payloads, log format and exit statuses.
"""

import importlib
import json
import logging
import os
import socket
import sys
import time
import traceback

VERSION = "2018-06-01"
HERE = os.path.abspath(__file__)
NO_BREAK_SPACE = "\u00a0"


class Fault(Exception):
    """An error of the function's set-up or of its values, with the type that AWS gives it."""

    def __init__(self, kind, message, trace=None):
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.trace = trace or []


class RuntimeApi:
    """The Runtime API over one kept connection. The server always announces the length of a body."""

    def __init__(self, address):
        host, _, port = address.rpartition(":")
        self._address = (host, int(port))
        self._host_line = ("Host: %s\r\n" % address).encode()
        self._socket = None
        self._reader = None

    def _connect(self):
        self._socket = socket.create_connection(self._address)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = self._socket.makefile("rb", buffering=64 * 1024)

    def _call(self, method, path, body=None, headers=()):
        if self._socket is None:
            self._connect()
        lines = [("%s /%s/runtime/%s HTTP/1.1\r\n" % (method, VERSION, path)).encode(), self._host_line]
        lines += [("%s: %s\r\n" % header).encode() for header in headers]
        if body is not None:
            lines.append(b"Content-Length: %d\r\n" % len(body))
        lines.append(b"\r\n")
        head = b"".join(lines)
        if body is not None and len(body) < 64 * 1024:
            self._socket.sendall(head + body)
        else:
            self._socket.sendall(head)
            if body:
                self._socket.sendall(body)
        return self._answer()

    def _answer(self):
        status_line = self._reader.readline()
        if not status_line:
            raise ConnectionError("the Runtime API closed the connection")
        status = int(status_line.split(None, 2)[1])
        headers = {}
        while True:
            line = self._reader.readline()
            if line in (b"\r\n", b"\n", b""):
                break
            name, _, value = line.partition(b":")
            headers[name.strip().lower().decode("latin-1")] = value.strip().decode("utf-8", "replace")
        length = int(headers.get("content-length", "0"))
        body = self._reader.read(length) if length else b""
        return status, headers, body

    def next(self):
        status, headers, body = self._call("GET", "invocation/next")
        if status != 200:
            raise RuntimeError("the Runtime API refused the next invocation: %d %s" % (status, body.decode("utf-8", "replace")))
        return headers, body

    def respond(self, request_id, body, content_type):
        self._call("POST", "invocation/%s/response" % request_id, body, [("Content-Type", content_type)])

    def fail(self, request_id, error):
        self._call("POST", "invocation/%s/error" % request_id, encoded_error(error), error_headers(error))

    def fail_init(self, error):
        self._call("POST", "init/error", encoded_error(error), error_headers(error))


def encoded_error(error):
    """An error's text may hold halves of surrogate pairs, which UTF-8 has no bytes for and JSON has an escape for."""
    return to_json(error).encode("utf-8", "backslashreplace")


def error_headers(error):
    kind = error["errorType"].encode("ascii", "replace").decode()
    return [("Content-Type", "application/json"), ("Lambda-Runtime-Function-Error-Type", kind)]


class CognitoIdentity:
    __slots__ = ("cognito_identity_id", "cognito_identity_pool_id")


class Client:
    __slots__ = ("installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name")


class ClientContext:
    __slots__ = ("custom", "env", "client")


def filled(kind, values):
    made = kind()
    for name in kind.__slots__:
        setattr(made, name, values.get(name))
    return made


class LambdaContext:
    """What a handler gets as its second argument."""

    def __init__(self, headers):
        environment = os.environ.get
        self.aws_request_id = headers.get("lambda-runtime-aws-request-id", "")
        self.log_group_name = environment("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = environment("AWS_LAMBDA_LOG_STREAM_NAME")
        self.function_name = environment("AWS_LAMBDA_FUNCTION_NAME")
        self.memory_limit_in_mb = environment("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.function_version = environment("AWS_LAMBDA_FUNCTION_VERSION")
        self.invoked_function_arn = headers.get("lambda-runtime-invoked-function-arn")
        self.tenant_id = headers.get("lambda-runtime-aws-tenant-id")
        client = parsed_header(headers, "lambda-runtime-client-context", "Client Context")
        self.client_context = None
        if client is not None:
            self.client_context = filled(ClientContext, client)
            if self.client_context.client is not None:
                self.client_context.client = filled(Client, self.client_context.client)
        identity = parsed_header(headers, "lambda-runtime-cognito-identity", "Cognito Identity") or {}
        self.identity = filled(
            CognitoIdentity,
            {
                "cognito_identity_id": identity.get("cognitoIdentityId"),
                "cognito_identity_pool_id": identity.get("cognitoIdentityPoolId"),
            },
        )
        self._deadline_in_ms = int(headers.get("lambda-runtime-deadline-ms", "0"))

    def get_remaining_time_in_millis(self):
        return max(0, self._deadline_in_ms - int(time.time() * 1000))

    def log(self, message):
        sys.stdout.write(str(message))

    def __repr__(self):
        shown = ("%s=%s" % (name, value) for name, value in vars(self).items() if not name.startswith("_"))
        return "LambdaContext([%s])" % ",".join(shown)


def parsed_header(headers, name, label):
    text = headers.get(name)
    if not text:
        return None
    try:
        return json.loads(text)
    except Exception as error:
        raise Fault("Runtime.LambdaContextUnmarshalError", "Unable to parse %s JSON: %s" % (label, error))


def plain(value):
    """JSON for the one type that AWS's client adds to JSON's own."""
    decimal = sys.modules.get("decimal")
    if decimal is not None and isinstance(value, decimal.Decimal):
        if value.is_finite() and value == value.to_integral_value():
            return int(value)
        return float(value)
    raise TypeError("Object of type %s is not JSON serializable" % type(value).__name__)


# AWS writes characters as they are since python3.12.
ENCODER = json.JSONEncoder(ensure_ascii=sys.version_info < (3, 12), default=plain)
to_json = ENCODER.encode


def error_of(message, kind, trace, request_id=""):
    return {
        "errorMessage": message or "",
        "errorType": kind or "",
        "requestId": request_id or "",
        "stackTrace": trace or [],
    }


def error_of_exception(request_id=""):
    """The exception at hand, without the frames of this file that lead to the function's own."""
    kind, value, tb = sys.exc_info()
    frames = [(frame.filename, frame.lineno, frame.name, frame.line) for frame in traceback.extract_tb(tb)]
    own = 0
    while own < len(frames) and (os.path.abspath(frames[own][0]) == HERE or frames[own][0].startswith("<frozen importlib")):
        own += 1
    shown = frames[own:] or frames
    return error_of(str(value), kind.__name__, traceback.format_list(shown), request_id)


def log_error(error):
    """One log event: its lines end in carriage returns and are indented with no-break spaces, as AWS's are."""
    head = "[ERROR]"
    if error["errorType"]:
        head += " " + error["errorType"] + (":" if error["errorMessage"] else "")
    if error["errorMessage"]:
        head += " " + error["errorMessage"]
    lines = [head, "Traceback (most recent call last):"]
    for element in error["stackTrace"]:
        for line in element.splitlines() or [""]:
            text = line.lstrip(" ")
            lines.append(NO_BREAK_SPACE * (len(line) - len(text)) + text)
    sys.stdout.write("\r".join(lines) + "\n")


class RequestIdFilter(logging.Filter):
    request_id = ""

    def filter(self, record):
        record.aws_request_id = self.request_id
        return True


class StandardOutput(logging.Handler):
    """Writes where `print` writes now, also if the function has replaced sys.stdout.

    A record is one log event, as it is where AWS's client has a channel of its own for them: the lines within it end in carriage
    returns until they are stored.
    """

    def emit(self, record):
        try:
            sys.stdout.write(self.format(record).rstrip("\n").replace("\n", "\r") + "\n")
        except Exception:
            self.handleError(record)


def set_up_logging():
    logging.Formatter.converter = time.gmtime
    handler = StandardOutput()
    handler.setFormatter(
        logging.Formatter(
            "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s\n", "%Y-%m-%dT%H:%M:%S"
        )
    )
    request_ids = RequestIdFilter()
    handler.addFilter(request_ids)
    root = logging.getLogger()
    level = os.environ.get("AWS_LAMBDA_LOG_LEVEL", "").upper()
    if level:
        root.setLevel({"TRACE": "DEBUG", "WARN": "WARNING", "FATAL": "CRITICAL"}.get(level, level))
    root.addHandler(handler)
    return request_ids


def set_up_search_path():
    task = os.environ["LAMBDA_TASK_ROOT"]
    layers = os.environ.get("MILLSTREAM_LAYERS", "/opt")
    python = os.path.join(layers, "python")
    version = "python%d.%d" % sys.version_info[:2]
    rest = [path for path in sys.path[1:]]
    sys.path[:] = [task, os.path.join(python, "lib", version, "site-packages"), python] + rest


def load_handler(name):
    module_name, dot, function = name.rpartition(".")
    if not dot:
        raise Fault(
            "Runtime.MalformedHandlerName",
            "Bad handler '%s': not enough values to unpack (expected 2, got 1)" % name,
        )
    if module_name.split(".")[0] in sys.builtin_module_names:
        raise Fault(
            "Runtime.BuiltInModuleConflict", "Cannot use built-in module %s as a handler module" % module_name
        )
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        raise Fault("Runtime.ImportModuleError", "Unable to import module '%s': %s" % (module_name, error))
    except SyntaxError as error:
        trace = ['  File "%s" Line %s\n    %s' % (error.filename, error.lineno, error.text)]
        raise Fault(
            "Runtime.UserCodeSyntaxError", "Syntax error in module '%s': %s" % (module_name, error), trace
        )
    try:
        return getattr(module, function)
    except AttributeError:
        raise Fault("Runtime.HandlerNotFound", "Handler '%s' missing on module '%s'" % (function, module_name))


def encoded(response):
    if isinstance(response, bytes):
        return response, "application/unknown"
    try:
        return ENCODER.encode(response).encode("utf-8", "surrogatepass"), "application/json"
    except Exception as error:
        raise Fault("Runtime.MarshalError", "Unable to marshal response: %s" % error)


def decoded(body):
    try:
        return json.loads(body)
    except Exception as error:
        raise Fault("Runtime.UnmarshalError", "Unable to unmarshal input: %s" % error)


def flush():
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            pass


def run_one(api, handler, headers, body):
    request_id = headers.get("lambda-runtime-aws-request-id", "")
    trace_id = headers.get("lambda-runtime-trace-id")
    if trace_id:
        os.environ["_X_AMZN_TRACE_ID"] = trace_id
    else:
        os.environ.pop("_X_AMZN_TRACE_ID", None)
    error = None
    try:
        response, content_type = encoded(handler(decoded(body), LambdaContext(headers)))
    except Fault as fault:
        error = error_of(fault.message, fault.kind, fault.trace, request_id)
    except Exception:
        error = error_of_exception(request_id)
    if error is None:
        flush()
        api.respond(request_id, response, content_type)
    else:
        log_error(error)
        flush()
        api.fail(request_id, error)


def main():
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True, errors="backslashreplace")
    api = RuntimeApi(os.environ["AWS_LAMBDA_RUNTIME_API"])
    request_ids = set_up_logging()
    set_up_search_path()
    error = None
    try:
        handler = load_handler(os.environ["_HANDLER"])
    except Fault as fault:
        error = error_of(fault.message, fault.kind, fault.trace)
    except Exception:
        error = error_of_exception()
    if error is not None:
        log_error(error)
        flush()
        api.fail_init(error)
        sys.exit(1)
    while True:
        headers, body = api.next()
        request_ids.request_id = headers.get("lambda-runtime-aws-request-id", "")
        run_one(api, handler, headers, body)


if __name__ == "__main__":
    main()
