"""Millstream's Python runtime: runs one handler against the Lambda Runtime API.

It needs nothing but the standard library and behaves as AWS's own runtime client does: the same search path, context
object, error payloads, log format and exit statuses.
"""

import importlib
import json
import logging
import os
import socket
import struct
import sys
import time
import traceback

VERSION = "2018-06-01"
NO_BREAK_SPACE = "\u00a0"
JSON_LOG = os.environ.get("AWS_LAMBDA_LOG_FORMAT", "").upper() == "JSON"
JSON_TIME = "%Y-%m-%dT%H:%M:%SZ"
# Before the error of a start that failed.
INIT_WARNING = (
    "LAMBDA_WARNING: Unhandled exception. The most likely cause is an issue in the function code. However, in rare cases, a "
    "Lambda runtime update can cause unexpected function behavior. For functions using managed runtimes, runtime updates can "
    "be triggered by a function change, or can be applied automatically. To determine if the runtime has been updated, check "
    "the runtime version in the INIT_START log entry. If this error correlates with a change in the runtime version, you may "
    "be able to mitigate this error by temporarily rolling back to the previous runtime version. For more information, see "
    "https://docs.aws.amazon.com/lambda/latest/dg/runtimes-update.html\r"
)


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
        self._call("POST", "invocation/%s/error" % request_id, encoded_error(error), [("Content-Type", "application/json")])

    def fail_init(self, error):
        kind = error["errorType"].encode("ascii", "replace").decode()
        self._call("POST", "init/error", encoded_error(error), [("Lambda-Runtime-Function-Error-Type", kind)])


def encoded_error(error):
    """An error's text may hold halves of surrogate pairs, which UTF-8 has no bytes for and JSON has an escape for."""
    return to_json(error).encode("utf-8", "backslashreplace")


class Shown:
    """Shows its members as AWS's classes do."""

    __slots__ = ()

    def __repr__(self):
        members = ",".join("%s=%s" % (name, getattr(self, name)) for name in self.__slots__)
        return "%s([%s])" % (type(self).__name__, members)


class CognitoIdentity(Shown):
    __slots__ = ("cognito_identity_id", "cognito_identity_pool_id")


class Client(Shown):
    __slots__ = ("installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name")


class ClientContext(Shown):
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
        identity = parsed_header(headers, "lambda-runtime-cognito-identity", "Cognito Identity")
        tracing = client.pop("w3c", None) if isinstance(client, dict) else None
        self._w3c_fields = {}
        if isinstance(tracing, dict):
            kept = ("traceparent", "tracestate", "baggage")
            self._w3c_fields = {name: tracing[name] for name in kept if isinstance(tracing.get(name), str)}
        self.client_context = None
        if client is not None:
            self.client_context = filled(ClientContext, client)
            if self.client_context.client is not None:
                self.client_context.client = filled(Client, self.client_context.client)
        self.identity = filled(CognitoIdentity, {})
        if identity is not None:
            self.identity.cognito_identity_id = identity.get("cognitoIdentityId")
            self.identity.cognito_identity_pool_id = identity.get("cognitoIdentityPoolId")
        self._epoch_deadline_time_in_ms = int(headers.get("lambda-runtime-deadline-ms", "0"))

    def get_remaining_time_in_millis(self):
        return max(0, self._epoch_deadline_time_in_ms - int(time.time() * 1000))

    def w3c(self):
        return dict(self._w3c_fields)

    @staticmethod
    def log(message):
        sys.stdout.write(str(message))

    def __repr__(self):
        names = ("aws_request_id", "log_group_name", "log_stream_name", "function_name", "memory_limit_in_mb", "function_version",
                 "invoked_function_arn", "client_context", "identity", "tenant_id")
        return "LambdaContext([%s])" % ",".join("%s=%s" % (name, getattr(self, name)) for name in names)


def parsed_header(headers, name, label):
    text = headers.get(name)
    if not text:
        return None
    try:
        return json.loads(text)
    except Exception as error:
        raise Fault("Runtime.LambdaContextUnmarshalError", "Unable to parse %s JSON: %s" % (label, error))


# AWS writes characters as they are since python3.12.
ENSURE_ASCII = os.environ.get("AWS_EXECUTION_ENV", "").rpartition("python3.")[2] in ("", "9", "10", "11")
ENCODER = json.JSONEncoder(ensure_ascii=ENSURE_ASCII)
quoted = json.encoder.encode_basestring_ascii if ENSURE_ASCII else json.encoder.encode_basestring
LEAVES = frozenset((str, int, float, bool, type(None)))


def to_json(value):
    """JSON text as AWS's client writes it: it knows more types than the standard library."""
    return ENCODER.encode(value) if is_plain(value) else written(value, set())


def is_plain(value):
    """Whether all of a value is of the types that the standard library writes as AWS's client does."""
    seen, waiting = set(), [value]
    while waiting:
        value = waiting.pop()
        kind = type(value)
        if kind in LEAVES:
            continue
        if kind is dict:
            if not LEAVES.issuperset(map(type, value)):
                return False
            inner = value.values()
        elif kind is list or kind is tuple:
            inner = value
        else:
            return False
        if id(value) not in seen and not LEAVES.issuperset(map(type, inner)):
            seen.add(id(value))
            waiting.extend(inner)
    return True


def written(value, parents):
    """JSON of any value: also of named tuples, bytes that are text, decimals, and what says itself `_asdict()`."""
    if isinstance(value, (str, bytes)):
        return quoted(text_of(value))
    if value is None or isinstance(value, (bool, int, float)):
        return number(value)
    if id(value) in parents:
        raise ValueError("Circular reference detected")
    parents.add(id(value))
    members = as_dict(value)
    if members is None and isinstance(value, dict):
        members = value
    if members is not None:
        items = ("%s: %s" % (quoted(key_of(key)), written(item, parents)) for key, item in members.items())
        text = "{%s}" % ", ".join(items)
    elif isinstance(value, (list, tuple)):
        text = "[%s]" % ", ".join([written(item, parents) for item in value])
    else:
        decimal = sys.modules.get("decimal")
        if decimal is None or not isinstance(value, decimal.Decimal):
            raise TypeError("Object of type %s is not JSON serializable" % type(value).__name__)
        text = "NaN" if value.is_nan() else str(value)
    parents.remove(id(value))
    return text


def number(value):
    if value is None or value is True or value is False:
        return ENCODER.encode(value)
    # The number itself, whatever a class of its own may show.
    return ENCODER.encode(int(value) if isinstance(value, int) else float.__pos__(value))


def text_of(value):
    return str(value, "utf-8") if isinstance(value, bytes) else str.__str__(value)


def as_dict(value):
    method = getattr(value, "_asdict", None)
    if not callable(method):
        return None
    try:
        members = method()
    except TypeError:
        return None
    if not isinstance(members, dict):
        raise TypeError("_asdict() must return a dict, not %s" % type(members).__name__)
    return members


def key_of(key):
    if isinstance(key, (str, bytes)):
        return text_of(key)
    if key is None or isinstance(key, (bool, int, float)):
        return number(key)
    raise TypeError("keys must be str, int, float, bool or None, not %s" % type(key).__name__)


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
    own = next((at for at, frame in enumerate(frames) if "/bootstrap.py" not in frame[0]), 0)
    return error_of(str(value), kind.__name__, traceback.format_list(frames[own:]), request_id)


def log_error(error):
    """One log event: its lines end in carriage returns and are indented with no-break spaces, as AWS's are."""
    if JSON_LOG:
        moment = time.strftime(JSON_TIME, time.gmtime())
        lines = [to_json({"timestamp": moment, "level": "ERROR", **error})]
    else:
        head = "[ERROR]"
        if error["errorType"]:
            head += " " + error["errorType"] + (":" if error["errorMessage"] else "")
        if error["errorMessage"]:
            head += " " + error["errorMessage"]
        lines = [head, "Traceback (most recent call last):"]
        for element in error["stackTrace"]:
            for line in element.splitlines() or [""]:
                bare = line.lstrip(" ")
                lines.append(NO_BREAK_SPACE * (len(line) - len(bare)) + bare)
    LOG.write_error([line.encode("utf-8", "backslashreplace").decode() for line in lines])


class StandardLog:
    """Where `print` writes now, also if the function has replaced sys.stdout."""

    def write(self, text, _level=None):
        sys.stdout.write(text)

    def write_error(self, lines):
        sys.stdout.write("\r".join(lines) + "\n")


class FramedLog:
    """The platform's channel for log events. A frame says where an event ends, however many lines it has: its type and level, the
    length of its text, the time in microseconds, all big-endian, and the text."""

    def __init__(self, fd):
        self._file = os.fdopen(fd, "wb", 0)

    def write(self, text, level=0):
        text = text.encode("utf-8")
        kind = 0xA55A0002 | (level // 10 + 1 << 2 if level else 0) | (0 if JSON_LOG else 1)
        self._file.write(struct.pack(">IIQ", kind, len(text), time.time_ns() // 1000) + text)

    def write_error(self, lines):
        self.write("\n".join(lines), logging.ERROR)


def log_of_the_platform():
    fd = os.environ.pop("_LAMBDA_TELEMETRY_LOG_FD", None)
    return StandardLog() if fd is None else FramedLog(int(fd))


LOG = StandardLog()


class Prompt:
    """A standard stream that hands on each piece at once: a function may be ended at any moment."""

    def __init__(self, stream):
        self.stream = stream

    def __getattr__(self, name):
        return getattr(self.stream, name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def write(self, text):
        self.stream.write(text)
        self.stream.flush()

    def writelines(self, lines):
        self.stream.writelines(lines)
        self.stream.flush()


class RequestIdFilter(logging.Filter):
    request_id = ""
    tenant_id = None

    def filter(self, record):
        record.aws_request_id = self.request_id
        record.tenant_id = self.tenant_id
        return True


class LogHandler(logging.Handler):
    """Hands records on, with their level if levels were asked for."""

    def __init__(self, has_levels):
        super().__init__()
        self._has_levels = has_levels

    def emit(self, record):
        text = self.format(record)
        LOG.write(text, min(50, max(0, record.levelno)) // 10 * 10 if self._has_levels else 0)


class JsonFormatter(logging.Formatter):
    """What `LoggingConfig` with the format JSON makes of a record."""

    def __init__(self):
        super().__init__(datefmt=JSON_TIME)
        # What every record has; the rest is what the function has added.
        self.known = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "aws_request_id", "tenant_id"}
        self.known -= {"taskName", "message", "asctime"}

    def format(self, record):
        record.levelno = min(50, max(0, record.levelno)) // 10 * 10
        record.levelname = logging.getLevelName(record.levelno)
        failed = record.exc_info or None
        shown = {
            "timestamp": self.formatTime(record, self.datefmt),
            "level": record.levelname,
            "message": record.msg if isinstance(record.msg, dict) and not record.args else record.getMessage(),
            "logger": record.name,
            "stackTrace": failed and traceback.format_tb(failed[2]),
            "errorType": failed and failed[0].__name__,
            "errorMessage": failed and str(failed[1]),
            "requestId": record.aws_request_id,
            "location": failed and "%s:%s:%s" % (record.pathname, record.funcName, record.lineno),
            "tenantId": record.tenant_id,
        }
        added = {name: value for name, value in vars(record).items() if name not in self.known and name not in shown}
        shown = {name: value for name, value in {**shown, **added}.items() if value is not None}
        return json.dumps(shown, ensure_ascii=False, default=str) + "\n"


def set_up_logging():
    logging.Formatter.converter = time.gmtime
    level = os.environ.get("AWS_LAMBDA_LOG_LEVEL", "")
    level = {"TRACE": "DEBUG"}.get(level, level).upper()
    handler = LogHandler(has_levels=bool(JSON_LOG or level))
    text = "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s\n"
    handler.setFormatter(JsonFormatter() if JSON_LOG else logging.Formatter(text, "%Y-%m-%dT%H:%M:%S"))
    request_ids = RequestIdFilter()
    handler.addFilter(request_ids)
    root = logging.getLogger()
    if level in logging._nameToLevel:
        root.setLevel(level)
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
    try:
        module_name, function = name.rsplit(".", 1)
    except ValueError as error:
        raise Fault("Runtime.MalformedHandlerName", "Bad handler '%s': %s" % (name, error))
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
        return to_json(response), "application/json"
    except Exception as error:
        raise Fault("Runtime.MarshalError", "Unable to marshal response: %s" % error)


def decoded(body):
    try:
        return json.loads(body)
    except Exception as error:
        raise Fault("Runtime.UnmarshalError", "Unable to unmarshal input: %s" % error)


def handle_event_request(api, request_handler, headers, body):
    request_id = headers.get("lambda-runtime-aws-request-id", "")
    trace_id = headers.get("lambda-runtime-trace-id")
    if trace_id is not None:
        os.environ["_X_AMZN_TRACE_ID"] = trace_id
    else:
        os.environ.pop("_X_AMZN_TRACE_ID", None)
    error = None
    try:
        lambda_context = LambdaContext(headers)
        event = decoded(body) if headers.get("content-type") == "application/json" else body
        # Where a handler cannot be called this line is in the trace that its user sees, on AWS as here.
        response = request_handler(event, lambda_context)
        result, content_type = encoded(response)
    except Fault as fault:
        error = error_of(fault.message, fault.kind, fault.trace, request_id)
    except Exception:
        error = error_of_exception(request_id)
    if error is None:
        # A text that UTF-8 cannot hold ends the runtime, as it does AWS's.
        api.respond(request_id, result if isinstance(result, bytes) else result.encode("utf-8"), content_type)
    else:
        log_error(error)
        api.fail(request_id, error)


def official_client():
    """The `main` of awslambdaric, where it is installed for this interpreter or comes with the function, and works here."""
    if os.environ.get("MILLSTREAM_RUNTIME_CLIENT") == "bundled":
        return None
    try:
        from awslambdaric import __main__ as client, lambda_runtime_client
    except ImportError:
        return None
    # Its own sign that its native part is not there.
    return None if getattr(lambda_runtime_client, "runtime_client", None) is None else client.main


def main():
    global LOG
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="strict" if stream is sys.stdout else "backslashreplace")
    set_up_search_path()
    official = official_client()
    if official is not None:
        return official([sys.argv[0], os.environ["_HANDLER"]])
    LOG = log_of_the_platform()
    sys.stdout, sys.stderr = Prompt(sys.stdout), Prompt(sys.stderr)
    api = RuntimeApi(os.environ["AWS_LAMBDA_RUNTIME_API"])
    request_ids = set_up_logging()
    error = None
    try:
        handler = load_handler(os.environ["_HANDLER"])
    except Fault as fault:
        error = error_of(fault.message, fault.kind, fault.trace)
    except Exception:
        error = error_of_exception()
    if error is not None:
        logging.warning(INIT_WARNING)
        log_error(error)
        api.fail_init(error)
        sys.exit(1)
    while True:
        headers, body = api.next()
        request_ids.request_id = headers.get("lambda-runtime-aws-request-id", "")
        request_ids.tenant_id = headers.get("lambda-runtime-aws-tenant-id")
        handle_event_request(api, handler, headers, body)


if __name__ == "__main__":
    main()
