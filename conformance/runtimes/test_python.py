"""Handlers run by awslambdaric and by the bundled bootstrap for Python, compared byte for byte.

`MILLSTREAM_RIC_PYTHON` names a Python that has awslambdaric (`cargo xtask test --only runtimes` makes one)."""

import json
import os
import subprocess
import unittest

from compare import BOOTSTRAP, Comparison
from runtime_api import Call

PYTHON = os.environ.get("MILLSTREAM_RIC_PYTHON")
REASON = "MILLSTREAM_RIC_PYTHON names no Python with awslambdaric"

# An event is an expression, whose value is the answer.
VALUES = """
import collections, dataclasses, datetime, decimal, enum, math
Point = collections.namedtuple('Point', 'x y')
class Text(str): pass
class Number(int):
    def __repr__(self): return 'odd'
    __str__ = __repr__
class Floating(float):
    def __repr__(self): return 'odd'
class Colour(enum.Enum): RED = 1
class Level(enum.IntEnum): LOW = 1
class Table(dict): pass
class Row(list): pass
class Dicty:
    def _asdict(self): return {'from': 'asdict'}
class BadDicty:
    def _asdict(self): return [1]
class Needy:
    def _asdict(self, more): return {}
@dataclasses.dataclass
class Data:
    a: int = 1
loop = []; loop.append(loop)
ring = {}; ring['ring'] = [ring]
deep = []
for _ in range(100_000): deep = [deep]
def handler(event, context):
    return eval(event)
"""

EXPRESSIONS = [
    "None", "True", "False", "0", "-1", "10**30", "1.5", "-0.0", "1e300", "1e16", "5e-324", "''", "'text'", "[]", "{}", "()",
    "'\"\\\\\\n\\r\\t\\b\\f\\x00\\x1f\\x7f'", "'\\u00e4\\u20ac\\U0001f600'", "'\\u2028\\u2029'", "'</script>'",
    "[1, [2, [3, {'a': [None]}]]]", "{'a': {'b': {}}, 'c': []}", "{1: 1, 2.5: 2, True: 3, None: 4}", "{'b': 1, 'a': 2}",
    "float('nan')", "float('inf')", "-float('inf')", "{float('nan'): 1}",
    "decimal.Decimal('1.10')", "decimal.Decimal('-0')", "decimal.Decimal('1E+400')", "decimal.Decimal('NaN')",
    "decimal.Decimal('sNaN')", "decimal.Decimal('Infinity')", "decimal.Decimal('12345678901234567890.123456789')",
    "[decimal.Decimal('2'), {'a': decimal.Decimal('0.1')}]", "{decimal.Decimal('1'): 1}",
    "Point(1, 2)", "[Point(1, Point(2, 3))]", "{'p': Point('a', [Point(1, 1)])}", "(1, (2, 3))", "Dicty()", "[Dicty()]",
    "BadDicty()", "Needy()", "Data()",
    "Text('t')", "Number(7)", "Floating(1.5)", "Level.LOW", "Colour.RED", "{Text('k'): Number(1)}", "{Number(2): 1}",
    "{Level.LOW: 1}", "Table(a=1)", "Row([1, 2])", "collections.OrderedDict(b=1, a=2)", "collections.defaultdict(list, a=[1])",
    "b'bytes'", "b''", "b'\\xff\\xfe'", "bytearray(b'x')", "{'a': b'x'}", "[b'x', b'\\xc3\\xa4']", "{b'k': 1}", "{'a': b'\\xff'}",
    "{1, 2}", "frozenset()", "object", "object()", "1j", "range(3)", "iter([1])", "(x for x in [1])", "datetime.date(2026, 1, 2)",
    "lambda: 1", "{(1, 2): 3}", "{object: 1}", "loop", "ring", "[loop]", "deep", "memoryview(b'x')", "Ellipsis", "type('T', (), {})",
    "'x' * 100_000", "list(range(20_000))", "[{'n': n, 's': str(n)} for n in range(2_000)]",
]

RAISES = """
class Odd(Exception): pass
class Wordless(Exception):
    def __str__(self): return ''
class Unreadable(Exception):
    def __str__(self): raise RuntimeError('no text')
def inner(depth):
    if depth: return inner(depth - 1)
    raise Odd('deep')
def chained():
    try:
        raise KeyError('first')
    except KeyError as error:
        raise ValueError('second') from error
def during():
    try:
        1 / 0
    except ZeroDivisionError:
        [][1]
def handler(event, context):
    exec(event)
"""

RAISING = [
    "raise ValueError('text')", "raise ValueError", "raise ValueError()", "raise Odd('a', 'b')", "raise KeyError('k')", "raise Wordless('x')",
    "raise OSError(2, 'No such file', 'name')", "raise UnicodeDecodeError('utf-8', b'x', 0, 1, 'why')", "1 / 0", "inner(3)", "chained()",
    "during()", "assert False, 'said'", "assert False", "undefined", "None.attribute", "raise ValueError('two\\nlines')",
    "raise ValueError('\\u00e4\\u20ac\\U0001f600')", "raise ValueError('  indented\\n    more')", "raise ValueError('x' * 5000)",
    "raise StopIteration(1)", "raise NotImplementedError", "raise ExceptionGroup('group', [ValueError('a'), TypeError('b')])",
    "raise RecursionError('not really')", "json", "import absent", "compile('x y', 'made.py', 'exec')", "raise Exception(['a', {}])",
    "exec('def f(:')", "open('/does/not/exist')", "raise type('Made', (Exception,), {})('up')", "raise ValueError('with \\x7f and \\t')",
]

CONTEXT = """
import os, sys
def handler(event, context):
    client = context.client_context
    return {
        'names': sorted(name for name in dir(context) if not name.startswith('_')),
        'plain': {name: getattr(context, name) for name in ('aws_request_id', 'log_group_name', 'log_stream_name', 'function_name',
                  'memory_limit_in_mb', 'function_version', 'invoked_function_arn', 'tenant_id')},
        'client': client and {'custom': client.custom, 'env': client.env, 'client': client.client and {
            name: getattr(client.client, name) for name in type(client.client).__slots__}},
        'identity': [context.identity.cognito_identity_id, context.identity.cognito_identity_pool_id],
        'left': 0 < context.get_remaining_time_in_millis() <= 20_000, 'left_is': type(context.get_remaining_time_in_millis()).__name__,
        'trace': os.environ.get('_X_AMZN_TRACE_ID'), 'shown': repr(context), 'type': type(context).__name__,
        'w3c': context.w3c(), 'logged': context.log('logged\\n'), 'logged_number': context.log(7),
        'event': event,
    }
"""

CLIENT = {"custom": {"a": [1]}, "env": {"platform": "x"}, "client": {"installation_id": "i", "app_title": "t", "other": 1}}

PRINTS = """
import logging, sys, warnings
print('at import')
logging.warning('logged at import')
def handler(event, context):
    log = logging.getLogger(__name__)
    print('a', 'b', sep='-'); print(); print('no end', end=''); print(' of it'); print('two\\nlines'); print('tab\\tand \\u00e4 \\U0001f600')
    print('half of a pair \\ud800'.encode('utf-8', 'replace'))
    sys.stdout.write('written\\n'); sys.stdout.writelines(['x\\n', 'y\\n']); sys.stdout.flush()
    log.debug('debug'); log.info('info'); log.warning('warning %s', 1); log.error('error'); log.critical('critical\\nof two lines')
    logging.getLogger().setLevel('DEBUG'); log.debug('debug now')
    try:
        1 / 0
    except ZeroDivisionError:
        log.exception('it failed')
    log.warning({'a': 'dict'}); log.warning('extra', extra={'field': [1]})
    print('not ended', end='')
    return None
"""


@unittest.skipUnless(PYTHON, REASON)
class PythonComparison(Comparison):
    @classmethod
    def setUpClass(cls):
        version = subprocess.run([PYTHON, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"], capture_output=True, text=True, check=True)
        cls.version = version.stdout.strip()
        cls.official = [PYTHON, "-X", "utf8", "-m", "awslambdaric", "HANDLER"]
        cls.ours = [PYTHON, "-X", "utf8", str(BOOTSTRAP / "bootstrap.py")]
        cls.environment = {"AWS_EXECUTION_ENV": f"AWS_Lambda_python{cls.version}", "MILLSTREAM_RUNTIME_CLIENT": "bundled",
                           # As a locale of UTF-8 has it, which not every machine knows.
                           "PYTHONIOENCODING": "utf-8:strict"}

    def test_values(self):
        calls = [Call(json.dumps(expression)) for expression in EXPRESSIONS]
        for execution in (f"AWS_Lambda_python{self.version}", "AWS_Lambda_python3.9", "AWS_Lambda_python3.13"):
            with self.subTest(execution):
                run = self.same({"main.py": VALUES}, calls, environment={"AWS_EXECUTION_ENV": execution})
                self.assertEqual(len(run.answers), len(EXPRESSIONS))

    def test_events(self):
        # What is no JSON at all never comes so far: the service refuses it.
        payloads = ['"\\u00e4\\ud83d\\ude00"', '{"a": 1, "a": 2}', "[1e400, -0.0, 12345678901234567890]", ' {"x" : [ ] } ', '"\\ud800"',
                    "", "nonsense", b"\xff", '"' + "x" * 6_000_000 + '"', "1" * 5000]
        run = self.same({"main.py": "def handler(event, context): return [str(type(event)), repr(event)[:100]]"}, [Call(text) for text in payloads])
        self.assertEqual(len(run.answers), len(payloads))
        raw = {"Content-Type": "text/plain"}
        self.same({"main.py": "def handler(event, context): return repr(event)"}, [Call("x", raw), Call("{}", raw)])

    def test_what_is_raised(self):
        run = self.same({"main.py": RAISES}, [Call(json.dumps(code)) for code in RAISING])
        self.assertEqual({answer.kind for answer in run.answers}, {"error"})
        self.assertEqual(len(run.answers), len(RAISING))

    def test_an_exception_without_a_text(self):
        for code in ("raise Unreadable('x')",):
            self.same({"main.py": RAISES}, [Call(json.dumps(code))])

    def test_ends(self):
        for code in ("import sys; sys.exit()", "import sys; sys.exit(3)", "import sys; sys.exit('said')", "import os; os._exit(5)", "exit(2)",
                     "raise SystemExit", "raise KeyboardInterrupt", "raise BaseException('base')", "raise GeneratorExit",
                     "import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
                     "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "print('not ended', end=''); import os; os._exit(0)"):
            with self.subTest(code):
                run = self.same({"main.py": RAISES}, [Call(json.dumps(code))])
                self.assertIsNotNone(run.status)

    def test_a_text_that_utf_8_cannot_hold(self):
        self.same({"main.py": "def handler(event, context): return '\\ud800'"}, [Call()])
        self.same({"main.py": "def handler(event, context): return '\\ud800'"}, [Call()], environment={"AWS_EXECUTION_ENV": "AWS_Lambda_python3.13"})

    def test_starts_that_fail(self):
        good = "def handler(event, context): return 1\n"
        for handler, files in (
            ("main.absent", {"main.py": good}), ("absent.handler", {"main.py": good}), ("main", {"main.py": good}), ("", {"main.py": good}),
            ("main.", {"main.py": good}), (".handler", {"main.py": good}), ("sys.exit", {"sys.py": good}), ("time.handler", {"time.py": good}),
            ("main.handler", {"main.py": "def handler(:\n"}), ("main.handler", {"main.py": "if x\n  y\n"}), ("main.handler", {"main.py": "\tx\n  y\n"}),
            ("main.handler", {"main.py": "import absent\n"}), ("main.handler", {"main.py": "from os import absent\n"}),
            ("main.handler", {"main.py": "raise KeyError('k')\n"}), ("main.handler", {"main.py": "1 / 0\n"}),
            ("main.handler", {"main.py": "def f(): raise ValueError('two\\nlines')\nf()\n"}),
            ("main.handler", {"main.py": "import other\n", "other.py": "import third\n", "third.py": "raise RuntimeError('far')\n"}),
            ("main.handler", {"main.py": "import other\n", "other.py": "def f(:\n"}), ("main.handler", {"main.py": "raise SystemExit(4)\n"}),
            ("main.handler", {"main.py": "import os; os._exit(6)\n"}), ("main.handler", {"main.py": "raise KeyboardInterrupt\n"}),
            ("main.handler", {"main.py": b"x = '\xff'\n"}), ("a/b.c.handler", {"a/b/c.py": "1 / 0\n"}), ("main.handler", {"main.py": b"x = 1\x00\n"}),
            ("main.handler", {"main.py": "raise ImportError('my own')\n"}), ("main.handler", {"main.py": "handler = 7\n"}),
        ):
            with self.subTest(handler=handler, files=files):
                self.same(files, [Call()], handler=handler)

    def test_handlers_wherever_they_are(self):
        code = "def handler(event, context): return [__name__, handler.__name__]\n"
        for handler, files in (
            ("main.handler", {"main.py": code}), ("main.handler", {"main/__init__.py": code}), ("a/b.handler", {"a/b.py": code}),
            ("a.b.handler", {"a/__init__.py": "", "a/b.py": code}), ("a/b/c.handler", {"a/b/c/__init__.py": code}),
            ("bootstrap.handler", {"bootstrap.py": code}), ("handler.handler", {"handler.py": code}),
        ):
            with self.subTest(handler):
                self.same(files, [Call()], handler=handler)

    def test_handlers_of_every_kind(self):
        for code in ("class C:\n    def __call__(self, event, context): return [event, 'object']\nhandler = C()\n",
                     "class C:\n    @staticmethod\n    def go(event, context): return 1\nhandler = C.go\n", "handler = lambda event, context: 'lambda'\n",
                     "import functools\ndef h(a, event, context): return a\nhandler = functools.partial(h, 1)\n", "def handler(event): return 1\n",
                     "def handler(): return 1\n", "def handler(*all): return len(all)\n", "async def handler(event, context): return 1\n",
                     "def handler(event, context):\n    yield 1\n", "handler = print\n", "handler = None\n"):
            with self.subTest(code):
                self.same({"main.py": code}, [Call()])

    def test_state_between_invocations(self):
        code = ("import threading\ncount = 0\ndef later():\n    global count\n    count += 10\ndef handler(event, context):\n    global count\n    count += 1\n"
                "    t = threading.Thread(target=later); t.start(); t.join()\n    if event == 'raise': raise ValueError(count)\n    return count\n")
        self.same({"main.py": code}, [Call(), Call('"raise"'), Call(), Call('"raise"'), Call()])

    def test_the_context(self):
        named = {"Lambda-Runtime-Client-Context": json.dumps(CLIENT), "Lambda-Runtime-Cognito-Identity":
                 '{"cognitoIdentityId": "id", "cognitoIdentityPoolId": "pool"}', "Lambda-Runtime-Trace-Id": "Root=1-5e1b4151-5ac6c58f;Sampled=1"}
        tracked = {"Lambda-Runtime-Client-Context": '{"custom": {}, "w3c": {"traceparent": "00-a-b-01", "baggage": 1, "other": "x"}}'}
        calls = [Call(), Call(headers=named), Call(headers=tracked), Call(headers={"Lambda-Runtime-Client-Context": "{}"}),
                 Call(headers={"Lambda-Runtime-Aws-Tenant-Id": "blue"}), Call(headers={"Lambda-Runtime-Client-Context": "nonsense"}),
                 Call(headers={"Lambda-Runtime-Cognito-Identity": "{nonsense"}), Call()]
        self.same({"main.py": CONTEXT}, calls)

    def test_output(self):
        for environment in ({}, {"AWS_LAMBDA_LOG_LEVEL": "ERROR"}, {"AWS_LAMBDA_LOG_LEVEL": "debug"}, {"AWS_LAMBDA_LOG_LEVEL": "TRACE"},
                            {"AWS_LAMBDA_LOG_FORMAT": "JSON"}, {"AWS_LAMBDA_LOG_FORMAT": "json", "AWS_LAMBDA_LOG_LEVEL": "INFO"}):
            for framed in (False, True):
                with self.subTest(environment, framed=framed):
                    self.same({"main.py": PRINTS}, [Call(), Call()], environment=environment, framed=framed)
        for framed in (False, True):
            self.same({"main.py": RAISES}, [Call('"1 / 0"')], environment={"AWS_LAMBDA_LOG_FORMAT": "JSON"}, framed=framed)
            self.same({"main.py": "1 / 0"}, [Call()], environment={"AWS_LAMBDA_LOG_FORMAT": "JSON"}, framed=framed)
        run = self.same({"main.py": RAISES}, [Call('"1 / 0"')], framed=True)
        self.assertIn("Traceback", run.events[-1][1])

    def test_large_answers(self):
        code = "def handler(event, context): return 'x' * event\n"
        self.same({"main.py": code}, [Call("6000000"), Call("7000000"), Call("1")])


if __name__ == "__main__":
    unittest.main()
