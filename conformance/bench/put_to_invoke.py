"""How long a record waits for its function on an idle system, beside a bare Runtime API round trip, in one run.

Prints Markdown. Needs nothing but the standard library, so that no SDK is in the numbers.
"""

import argparse
import base64
import http.client
import http.server
import json
import os
import pathlib
import platform
import shutil
import socketserver
import subprocess
import sys
import tempfile
import threading
import time

from support.bare import Bare
from support.package import PUT_SOURCE, ROLE, RUNTIME, zip_of
from support.server import Server

WARM_UP = 20
# Between two records; long enough that the system is idle again.
PAUSE_SECONDS = 0.05
REST = "/2015-03-31"

# Notes the wall clock first of all, then tells it through a second stream.
FUNCTION = f'''
import time
{PUT_SOURCE}
def handler(event, context):
    now = time.time()
    if "Records" in event:
        put("out", [[data, now] for data in payloads(event)])
    return now
'''

# The smallest Python that speaks the Runtime API: what a round trip costs with nothing around it.
BARE_WORKER = '''
import http.client, os
connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
while True:
    connection.request("GET", "/2018-06-01/runtime/invocation/next")
    answer = connection.getresponse()
    event, request = answer.read(), answer.headers["Lambda-Runtime-Aws-Request-Id"]
    connection.request("POST", f"/2018-06-01/runtime/invocation/{request}/response", event)
    connection.getresponse().read()
'''


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--records", type=int, default=200)
    records = arguments.parse_args().records
    bare = measure_bare(records)
    rows = {}
    for place, data in (("on disk", tempfile.mkdtemp(prefix="millstream-bench-")), ("in memory", None)):
        with Server(data=data) as server:
            rows[place] = measure_server(server, records)
        if data:
            shutil.rmtree(data, ignore_errors=True)
    print(report(records, bare, rows))


def measure_bare(records):
    """Event handed over → response received, against a worker that does nothing; seconds, one per round trip."""
    with BareRuntimeApi() as api:
        environment = {**os.environ, "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{api.server_address[1]}"}
        worker = subprocess.Popen([sys.executable, "-c", BARE_WORKER], env=environment)
        try:
            taken = [api.round_trip(b'{"n": 1}') for _ in range(WARM_UP + records)]
        finally:
            worker.kill()
            worker.wait()
        return taken[WARM_UP:]


class BareRuntimeApi(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """The two calls of the Runtime API that a worker makes, for one invocation at a time."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), RuntimeApiHandler)
        self.event = None
        self.handed_over = threading.Semaphore(0)
        self.done = threading.Semaphore(0)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def round_trip(self, event):
        time.sleep(PAUSE_SECONDS)
        self.event = event
        started = time.perf_counter()
        self.handed_over.release()
        self.done.acquire()
        return time.perf_counter() - started

    def __exit__(self, *what):
        self.shutdown()
        super().__exit__(*what)


class RuntimeApiHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Without it the kernel holds small answers back for tens of milliseconds.
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self):
        self.server.handed_over.acquire()
        self.answer(200, self.server.event, {"Lambda-Runtime-Aws-Request-Id": "1"})

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.done.release()
        self.answer(202, b'{"status":"OK"}')

    def answer(self, status, body, headers=None):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Says nothing."""


def measure_server(server, records):
    """(put → acknowledged, put → function, direct invoke): seconds, one per record."""
    kinesis = Bare(server.address)
    rest = http.client.HTTPConnection(*server.host_and_port(), timeout=60)
    set_up(kinesis, rest)
    acknowledged, sent = [], {}
    for number in range(WARM_UP + records):
        time.sleep(PAUSE_SECONDS)
        sent[str(number)] = time.time()
        started = time.perf_counter()
        kinesis.put("in", "k", str(number).encode())
        acknowledged.append(time.perf_counter() - started)
    received = dict(collect(kinesis, WARM_UP + records))
    invoked = [received[number] - sent[number] for number in sent]
    direct = []
    for _ in range(WARM_UP + records):
        time.sleep(PAUSE_SECONDS)
        started = time.perf_counter()
        call(rest, "POST", f"{REST}/functions/bench/invocations", {"n": 1})
        direct.append(time.perf_counter() - started)
    return acknowledged[WARM_UP:], invoked[WARM_UP:], direct[WARM_UP:]


def set_up(kinesis, rest):
    """Two streams, the function, the mapping between them."""
    for name in ("in", "out"):
        kinesis.kinesis("CreateStream", StreamName=name, ShardCount=1)
        wait_until(lambda: summary(kinesis, name)["StreamStatus"] == "ACTIVE", f"stream {name} is active")
    call(rest, "POST", f"{REST}/functions", {
        "FunctionName": "bench", "Runtime": RUNTIME, "Handler": "main.handler", "Role": ROLE, "Timeout": 20,
        "Code": {"ZipFile": zip_of({"main.py": FUNCTION}, encoded=True)},
    })
    wait_until(lambda: call(rest, "GET", f"{REST}/functions/bench/configuration")["State"] == "Active", "the function is active")
    mapping = call(rest, "POST", f"{REST}/event-source-mappings", {
        "EventSourceArn": summary(kinesis, "in")["StreamARN"], "FunctionName": "bench", "StartingPosition": "TRIM_HORIZON"})
    path = f"{REST}/event-source-mappings/{mapping['UUID']}"
    wait_until(lambda: call(rest, "GET", path)["State"] == "Enabled", "the mapping is enabled")


def summary(kinesis, name):
    return kinesis.kinesis("DescribeStreamSummary", StreamName=name)["StreamDescriptionSummary"]


def collect(kinesis, count):
    """[number, time at which the function saw it] for every record, in order."""
    place = {"StreamName": "out", "ShardId": "shardId-000000000000", "ShardIteratorType": "TRIM_HORIZON"}
    iterator = kinesis.kinesis("GetShardIterator", **place)["ShardIterator"]
    seen = []
    deadline = time.monotonic() + 60
    while len(seen) < count:
        if time.monotonic() > deadline:
            raise RuntimeError(f"only {len(seen)} of {count} records reached the function")
        answer = kinesis.kinesis("GetRecords", ShardIterator=iterator)
        iterator = answer["NextShardIterator"]
        for record in answer["Records"]:
            seen += json.loads(base64.b64decode(record["Data"]))
        time.sleep(0.02)
    return seen


def call(connection, method, path, body=None):
    """One Lambda operation that must succeed; its output."""
    headers = {"Content-Type": "application/json", "X-Amz-Date": "20260101T000000Z", "Authorization": Bare.AUTHORIZATION}
    connection.request(method, path, json.dumps(body).encode() if body is not None else None, headers)
    answer = connection.getresponse()
    content = answer.read()
    if answer.status >= 300:
        raise RuntimeError(f"{method} {path}: {answer.status} {content.decode(errors='replace')}")
    return json.loads(content) if content else {}


def wait_until(probe, what):
    deadline = time.monotonic() + 60
    while not probe():
        if time.monotonic() > deadline:
            raise RuntimeError(f"not after 60 s: {what}")
        time.sleep(0.02)


def percentile(values, part):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


def report(records, bare, rows):
    """The table, with the machine that it is from."""
    base = percentile(bare, 0.5)

    def row(name, values):
        half, most = percentile(values, 0.5), percentile(values, 0.99)
        return f"| {name} | {half * 1000:.2f} | {most * 1000:.2f} | {half / base:.1f} |"

    lines = [
        "## Put to invoke, idle system",
        "",
        f"{records} records one after another, {PAUSE_SECONDS * 1000:.0f} ms apart, one shard, a warm Python function behind a",
        "standard mapping; HTTP/1.1 without an SDK. The base is a bare Runtime API round trip (event handed to a Python worker",
        "that does nothing, response received), measured in the same run.",
        "",
        f"Machine: {machine()}. Measured on {time.strftime('%Y-%m-%d', time.gmtime())}.",
        "",
        "| | p50 ms | p99 ms | p50 / bare |",
        "|---|---:|---:|---:|",
        row("bare Runtime API round trip", bare),
    ]
    for place, (acknowledged, invoked, direct) in rows.items():
        lines.append(row(f"PutRecord → acknowledged, {place}", acknowledged))
        lines.append(row(f"PutRecord → first line of the function, {place}", invoked))
        lines.append(row(f"Invoke (RequestResponse), warm, {place}", direct))
    return "\n".join(lines)


def machine():
    model = platform.processor() or platform.machine()
    info = pathlib.Path("/proc/cpuinfo")
    if info.exists():
        names = [line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
        model = names[0] if names else model
    return f"{model}, {os.cpu_count()} cores, {platform.system()} {platform.release()}, Python {platform.python_version()}"


if __name__ == "__main__":
    main()
