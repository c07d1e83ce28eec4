"""The same function run by two runtime clients; what they say must be the same."""

import pathlib
import re
import tempfile
import unittest

import runtime_api

ROOT = pathlib.Path(__file__).resolve().parents[2]
BOOTSTRAP = ROOT / "crates/functions/bootstrap"
# What is of the moment, and never the same twice.
TIMES = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
CLIENTS = re.compile(r'(?<=")[^" ]{1,300}/(?:awslambdaric|functions/bootstrap)/bootstrap\.py(\\?"), line \d+')
ADDRESSES = re.compile(r"0x[0-9a-f]{6,}")


class Comparison(unittest.TestCase):
    """`official` and `ours` are commands; HANDLER in them becomes the handler's name."""

    official = ours = ()
    environment = {}

    def both(self, files, calls, handler="main.handler", environment=None, framed=False):
        """The runs of both over a function of `files`, in the same place."""
        with tempfile.TemporaryDirectory(prefix="millstream-compare-") as directory:
            task = pathlib.Path(directory).resolve()
            runtime_api.write(task, files)
            each = [
                runtime_api.run(command, task, handler, calls, {**self.environment, **(environment or {})}, framed)
                for command in (self.official, self.ours)
            ]
        return each

    def same(self, files, calls, handler="main.handler", environment=None, but=None, logs=True, framed=False):
        """Both must answer, print and end alike; gives the official run. `but` takes out of a run what may differ."""
        official, ours = self.both(files, calls, handler, environment, framed)
        shown, wanted = (self.shown(run, but, logs) for run in (ours, official))
        differences = [difference for key in wanted for difference in different(key, shown[key], wanted[key])]
        if differences:
            told = "\n".join(differences[:8])
            self.fail(f"{len(differences)} differences\n{told}\n--- standard error\n{ours.stderr[-2000:]}\n{official.stderr[-2000:]}")
        return official

    def shown(self, run, but, logs):
        shown = {
            "answers": [
                (answer.kind, answer.request_id, answer.content_type, answer.error_type, self.body(answer.body),
                 answer.mode, answer.trailers[0], self.body(answer.trailers[1]))
                for answer in run.answers
            ],
            "status": run.status,
        }
        if logs:
            shown["log"] = [neutral(line) for line in run.stdout.split("\n")]
            shown["events"] = [(kind, neutral(text)) for kind, text in run.events]
        return but(shown) if but else shown

    def body(self, body):
        """As text: the bytes themselves are compared, white space and the order of members included."""
        return neutral(body.decode("utf-8", "surrogateescape"))


def different(key, ours, theirs):
    """What differs, item by item, cut to what can be read."""
    if not isinstance(ours, list):
        ours, theirs = [ours], [theirs]
    for index in range(max(len(ours), len(theirs))):
        one, other = (items[index] if index < len(items) else "nothing" for items in (ours, theirs))
        if one != other:
            yield f"{key} {index}\n  ours     {cut(one, other)}\n  official {cut(other, one)}"


def cut(one, other):
    """The surroundings of the first place where one text differs from another."""
    one, other = repr(one), repr(other)
    at = next((at for at, (a, b) in enumerate(zip(one, other)) if a != b), min(len(one), len(other)))
    return one[max(0, at - 300) : at + 300]


def neutral(text):
    # Where the client itself is in a trace: which of both, and its line.
    text = CLIENTS.sub("bootstrap.py\\1, line N", text)
    return ADDRESSES.sub("ADDRESS", TIMES.sub("TIME", text))
