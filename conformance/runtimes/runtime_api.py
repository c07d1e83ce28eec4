"""A Lambda Runtime API that gives one runtime its invocations and keeps what it answers. Standard library only."""

import base64
import dataclasses
import http.server
import json
import os
import pathlib
import struct
import subprocess
import tempfile
import threading
import time

# A runtime that hangs is ended after this.
PATIENCE_SECONDS = 60
ARN = "arn:aws:lambda:eu-central-1:123456789012:function:compared"
ENVIRONMENT = {
    "AWS_LAMBDA_FUNCTION_NAME": "compared",
    "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
    "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
    "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/compared",
    "AWS_LAMBDA_LOG_STREAM_NAME": "2026/11/22/[$LATEST]0123456789abcdef0123456789abcdef",
    "AWS_REGION": "eu-central-1",
    "LANG": "en_US.UTF-8",
    "TZ": ":UTC",
    "PATH": os.environ["PATH"],
}


@dataclasses.dataclass
class Call:
    """An invocation: its payload as text or bytes, and headers beside the usual ones."""

    payload: str | bytes = "{}"
    headers: dict = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Answer:
    """What a runtime posted: `response`, `error` or `init/error`, of which invocation, and with what."""

    kind: str
    request_id: str
    content_type: str
    error_type: str
    body: bytes
    mode: str = ""
    # Of a response that is streamed: its error's type and body, decoded.
    trailers: tuple = ("", b"")


@dataclasses.dataclass
class Run:
    """A runtime's life: what it answered, in order, what it printed, and how it ended (None: it was ended, all being answered).

    `events` are the frames that it wrote, as type and text, if it was given a channel for them."""

    answers: list
    stdout: str
    stderr: str
    status: int | None
    events: list = dataclasses.field(default_factory=list)

    def bodies(self):
        """The answers' kinds and bodies, decoded if they are JSON."""
        return [(answer.kind, decoded(answer.body)) for answer in self.answers]


def decoded(body):
    try:
        return json.loads(body)
    except ValueError:
        return body


def request_id(index):
    return f"00000000-0000-4000-8000-{index:012}"


class Api(http.server.ThreadingHTTPServer):
    """Hands out `calls` one after the other."""

    daemon_threads = True
    # Requests that wait for an invocation that never comes are not waited for.
    block_on_close = False

    def __init__(self, calls):
        super().__init__(("127.0.0.1", 0), Handler)
        self.calls = list(calls)
        self.given = 0
        self.answers = []
        self.all_answered = threading.Event()
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def handle_error(self, request, client_address):
        """A runtime that was ended leaves its connection behind."""

    def next(self):
        if self.given == len(self.calls):
            # As on AWS, nothing comes until something does.
            self.all_answered.set()
            time.sleep(PATIENCE_SECONDS)
            return None
        self.given += 1
        return self.calls[self.given - 1], request_id(self.given)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # An answer is one packet, or a runtime waits for the second one.
    wbufsize = -1

    def log_message(self, *_):
        pass

    def do_GET(self):
        if self.path != "/2018-06-01/runtime/invocation/next":
            return self.answer(404, {}, b"")
        given = self.server.next()
        if given is None:
            self.close_connection = True
            return None
        call, id = given
        payload = call.payload if isinstance(call.payload, bytes) else call.payload.encode()
        return self.answer(200, {
            "Content-Type": "application/json",
            "Lambda-Runtime-Aws-Request-Id": id,
            "Lambda-Runtime-Deadline-Ms": str(int(time.time() * 1000) + 20_000),
            "Lambda-Runtime-Invoked-Function-Arn": ARN,
            **call.headers,
        }, payload)

    def do_POST(self):
        body, trailers = self.body()
        kind = self.path.removeprefix("/2018-06-01/runtime/")
        id = ""
        if kind.startswith("invocation/"):
            _, id, kind = kind.split("/")
        self.server.answers.append(Answer(
            kind, id, self.headers.get("Content-Type", ""), self.headers.get("Lambda-Runtime-Function-Error-Type", ""), body,
            self.headers.get("Lambda-Runtime-Function-Response-Mode", ""),
            (trailers.get("lambda-runtime-function-error-type", ""), base64.b64decode(trailers.get("lambda-runtime-function-error-body", ""))),
        ))
        self.answer(202, {"Content-Type": "application/json"}, b'{"status":"OK"}\n')

    def body(self):
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0))), {}
        chunks = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        trailers = {}
        while line := self.rfile.readline().decode().strip():
            name, _, value = line.partition(":")
            trailers[name.lower()] = value.strip()
        return b"".join(chunks), trailers

    def answer(self, status, headers, body):
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()


def run(command, task, handler, calls, environment=None, framed=False):
    """Run a runtime over the function in the directory `task` until it has answered all `calls` or has ended. `framed` gives it a
    channel for log events, as AWS does."""
    api = Api(calls)
    try:
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, tempfile.TemporaryFile() as events:
            channel = {"_LAMBDA_TELEMETRY_LOG_FD": str(events.fileno())} if framed else {}
            process = subprocess.Popen(
                [part.replace("HANDLER", handler) for part in command],
                cwd=task, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True, pass_fds=[events.fileno()] if framed else [],
                env={
                    **ENVIRONMENT,
                    "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{api.server_address[1]}",
                    "LAMBDA_TASK_ROOT": str(task),
                    "_HANDLER": handler,
                    **channel,
                    **(environment or {}),
                },
            )
            status = wait(process, api)
            return Run(api.answers, text_of(out), text_of(err), status, frames_of(events))
    finally:
        api.shutdown()
        api.server_close()


def frames_of(file):
    file.seek(0)
    frames = []
    while header := file.read(16):
        kind, size, micros = struct.unpack(">IIQ", header)
        if not 0 <= time.time() - micros / 1e6 < 10 * PATIENCE_SECONDS:
            raise AssertionError(f"a frame of the time {micros}")
        frames.append((f"{kind:#x}", file.read(size).decode("utf-8", "surrogateescape")))
    return frames


def text_of(file):
    file.seek(0)
    return file.read().decode("utf-8", "surrogateescape")


def wait(process, api):
    """The exit status; None if the runtime asked for more once all was answered."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        status = process.poll()
        if status is not None:
            return status
        if api.all_answered.wait(0.005):
            process.kill()
            process.wait()
            return None
    process.kill()
    process.wait()
    raise AssertionError("the runtime neither answered nor ended")


def write(directory, files):
    """Files by name, text or bytes, below `directory`."""
    for name, content in files.items():
        path = pathlib.Path(directory, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
