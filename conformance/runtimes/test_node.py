"""Handlers run by aws-lambda-ric and by the bundled bootstrap for Node.js, compared byte for byte.

`MILLSTREAM_RIC_NODE` names the directory with both of the client's packages (`cargo xtask test --only runtimes` fills one); the
Node.js is that of PATH or `MILLSTREAM_NODE`. Up to Node.js 22 functions on AWS run with the client's version 3, from 24 on with 4."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import unittest

from compare import BOOTSTRAP, Comparison
from runtime_api import Call

NODE = os.environ.get("MILLSTREAM_NODE") or shutil.which("node")
PACKAGES = os.environ.get("MILLSTREAM_RIC_NODE")
# Where the clients are, which some messages name.
CLIENTS = re.compile(r"/[\w./-]{1,200}/(?:aws-lambda-ric-[34](?:/dist)?|functions/bootstrap)/index\.mjs")
HERE = pathlib.Path(__file__).resolve().parent

# An event is an expression, whose value is the answer.
VALUES = "exports.handler = async (event) => eval(`(${event})`);\n"
EXPRESSIONS = [
    "undefined", "null", "true", "false", "0", "-0", "1.5", "1e21", "5e-324", "NaN", "Infinity", "''", "'text'", "[]", "{}", "[undefined, null]",
    "{a: undefined, b: null}", "'\\\"\\\\\\n\\r\\t\\b\\f\\0'", "'\\u2028\\u2029'", "'\\u00e4\\u20ac\\u{1f600}'", "'\\ud800'", "'\\x7f'",
    "[1, [2, {a: [null]}]]", "{b: 1, a: 2, 1: 3}", "new Date(0)", "new Date(NaN)", "/x/g", "new Map([[1, 2]])", "new Set([1])", "Symbol('s')",
    "() => 1", "{f() {}}", "[() => 1]", "1n", "{a: 1n}", "(() => { const a = {}; a.a = a; return a })()", "{toJSON() { return 'made' }}",
    "{toJSON() { throw new Error('no json') }}", "{get a() { throw new Error('no a') }}", "Buffer.from('bytes')", "new Uint8Array([1, 2])",
    "new Error('as a value')", "Object.create(null)", "Object.create({inherited: 1})", "new (class C { x = 1; #y = 2 })()", "new String('s')",
    "Promise.resolve('nested')", "{then: (ok) => ok('a thenable')}", "new Proxy({a: 1}, {})", "globalThis.undefinedName", "'x'.repeat(100000)",
    "Array.from({length: 20000}, (_, n) => n)", "'<script>'", "new Array(3)", "[1,,3]",
]

THROWS = """
class Odd extends Error { constructor(message) { super(message); this.name = 'Odd'; this.code = 7; this.more = { a: [1] }; } }
class Plain extends Error {}
class Unreadable extends Error { get message() { throw new Error('no message') } }
const cases = {
  error: () => { throw new Error('text') }, empty: () => { throw new Error() }, odd: () => { throw new Odd('odd') }, plain: () => { throw new Plain('plain') },
  type: () => null.x, reference: () => undefinedName, range: () => new Array(-1), syntax: () => JSON.parse('{'), evaluated: () => eval('x y'),
  string: () => { throw 'a string' }, number: () => { throw 7 }, nothing: () => { throw undefined }, null: () => { throw null }, object: () => { throw { a: 1 } },
  array: () => { throw [1, 2] }, symbol: () => { throw Symbol('s') }, bigint: () => { throw 1n }, boolean: () => { throw false }, function: () => { throw () => 1 },
  lines: () => { throw new Error('two\\nlines') }, unicode: () => { throw new Error('\\u00e4\\u20ac\\u{1f600}') }, long: () => { throw new Error('x'.repeat(5000)) },
  del: () => { throw new Error('a \\x7f b') }, stackless: () => { const e = new Error('e'); delete e.stack; e.stack = undefined; throw e },
  stacked: () => { const e = new Error('e'); e.stack = 'my own\\nstack'; throw e }, nameless: () => { const e = new Error('e'); e.name = undefined; throw e },
  named: () => { const e = new Error('e'); e.name = ''; throw e }, cause: () => { throw new Error('outer', { cause: new Error('inner') }) },
  aggregate: () => { throw new AggregateError([new Error('a'), new TypeError('b')], 'many') }, unreadable: () => { throw new Unreadable() },
  looks: () => { throw { name: 'N', message: 'M', stack: 'S' } }, frozen: () => { throw Object.freeze(new Error('frozen')) },
  circular: () => { const e = new Error('c'); e.self = e; throw e }, deep: () => { const f = (n) => { if (n) return f(n - 1); throw new Error('deep') }; f(3) },
  assertion: () => require('node:assert').equal(1, 2), system: () => require('node:fs').readFileSync('/does/not/exist'), spaces: () => { throw new Error(' ') },
};
"""

CALLBACKS = """
exports.handler = (event, context, callback) => {
  const later = (then) => setTimeout(then, 5);
  const cases = {
    callback: () => callback(null, 'callback'), undefinedError: () => callback(undefined, 1), nothing: () => callback(), error: () => callback(new Error('told')),
    text: () => callback('text'), zero: () => callback(0), falseError: () => callback(false), later: () => later(() => callback(null, 'later')),
    twice: () => { callback(null, 1); callback(null, 2); }, errorThenResult: () => { callback(new Error('first')); callback(null, 2); },
    succeed: () => context.succeed('succeed'), succeedNothing: () => context.succeed(), fail: () => context.fail(new Error('fail')), failNothing: () => context.fail(),
    failNull: () => context.fail(null), done: () => context.done(null, 'done'), doneError: () => context.done(new Error('done')), doneNothing: () => context.done(),
    bigint: () => callback(null, 1n), succeedBigint: () => context.succeed(1n), circular: () => { const a = {}; a.a = a; callback(null, a); },
    returned: () => 'returned', silent: () => {}, thrown: () => { throw new Error('thrown') }, thrownAfter: () => { callback(null, 'answered'); throw new Error('after') },
    promise: () => Promise.resolve('promise'), rejected: () => Promise.reject(new Error('rejected')), rejectedNothing: () => Promise.reject(),
    both: () => { callback(null, 'callback'); return Promise.resolve('promise') }, promiseThenCallback: () => { later(() => callback(null, 'late')); return Promise.resolve('promise') },
    mutated: () => { const answer = { done: false }; later(() => { answer.done = true }); callback(null, answer) },
    notWaiting: () => { context.callbackWaitsForEmptyEventLoop = false; const answer = { done: false }; later(() => { answer.done = true }); callback(null, answer) },
    succeedDoesNotWait: () => { const answer = { done: false }; later(() => { answer.done = true }); context.succeed(answer) },
    laterFail: () => later(() => context.fail('later')), laterDone: () => later(() => context.done(null, 'later')), silentLater: () => { later(() => {}) },
  };
  return cases[event]();
};
"""

CONTEXT = """
exports.handler = async (event, context) => ({
  names: Object.keys(context), shown: JSON.stringify(context), left: context.getRemainingTimeInMillis() > 0, leftIs: typeof context.getRemainingTimeInMillis(),
  trace: process.env._X_AMZN_TRACE_ID ?? 'none', client: context.clientContext, identity: context.identity, tenant: context.tenantId,
  writable: (() => { context.extra = 1; context.functionName += '!'; return context.functionName })(), event,
});
"""
CLIENT = {"custom": {"a": [1]}, "env": {"platform": "x"}, "client": {"installation_id": "i"}}

PRINTS = """
console.log('at import');
exports.handler = async (event, context) => {
  console.log('a', 1, { b: [2] }, [3], null, undefined, () => 1); console.log('%s of %d and %j%%', 'one', 2, { c: 3 }, 'more'); console.log();
  console.info('info'); console.warn('warn'); console.error('error'); console.debug('debug'); console.trace('trace'); console.fatal('fatal');
  console.log('two\\nlines'); console.log('\\u00e4 \\u{1f600}'); console.log({ deep: { deeper: { deepest: { bottom: 1 } } } }); console.log(new Map([[1, 2]]), 1n, Symbol('s'));
  console.error('failed', new TypeError('logged').message); console.log(''); console.log({ message: 'object' }); console.log(7); console.log(null); console.log(['x']);
  process.stdout.write('written\\n'); console.table([[1]]); console.dir({ a: 1 }); console.assert(false, 'asserted'); console.count(); console.group('g'); console.log('in group'); console.groupEnd();
  process.stderr.write('to stderr\\n');
  process.stdout.write('not ended');
};
"""


STREAMS = """
const { pipeline } = require('node:stream/promises');
const { Readable } = require('node:stream');
const turn = () => new Promise(setImmediate);
const from = (stream, metadata) => awslambda.HttpResponseStream.from(stream, metadata);
const cases = {
  plain: async (stream) => { stream.write('a'); stream.write('b'); stream.end(); },
  empty: async (stream) => { stream.end(); },
  endWith: async (stream) => { stream.end('last'); },
  callback: async (stream) => { await new Promise((done) => stream.write('a', done)); stream.end(); },
  encodings: async (stream) => { stream.write('e9', 'hex'); stream.write('\u00e4'); stream.write(Buffer.from([0, 255])); stream.write(new Uint8Array([1, 2])); stream.end(); },
  values: async (stream) => { stream.write({ a: [1] }); stream.write([1]); stream.write(7); stream.write(true); stream.end(); },
  large: async (stream) => { for (let n = 0; n < 64; n += 1) { if (!stream.write('x'.repeat(100000))) await new Promise((ok) => stream.once('drain', ok)); } stream.end(); },
  slow: async (stream) => { for (const part of ['a', 'b', 'c']) { stream.write(part); await new Promise((ok) => setTimeout(ok, 5)); } stream.end(); },
  piped: async (stream) => { await pipeline(Readable.from(['p', 'i', 'pe']), stream); },
  pipedMethod: async (stream) => { Readable.from(['p', 'q']).pipe(stream); },
  later: async (stream) => { setTimeout(() => { stream.write('later'); stream.end(); }, 5); },
  type: async (stream) => { stream.setContentType('text/plain'); stream.write('a'); stream.end(); },
  typeTooLate: async (stream) => { stream.write('a'); stream.setContentType('text/plain'); stream.end(); },
  http: async (stream) => { stream = from(stream, { statusCode: 201, headers: { 'X-A': 'b' }, cookies: ['c=d'] }); stream.write('body'); stream.end(); },
  httpNothing: async (stream) => { stream = from(stream); stream.write('body'); stream.end(); },
  httpEnd: async (stream) => { stream = from(stream, {}); stream.end('never written'); },
  httpPiped: async (stream) => { await pipeline(Readable.from(['p']), from(stream, { statusCode: 200 })); },
  httpTwice: async (stream) => { from(from(stream, { a: 1 }), { b: 2 }).write('x'); stream.end(); },
  throws: async (stream) => { throw new TypeError('before the first write'); },
  throwsText: async (stream) => { stream.write('a'); throw 'a text'; },
  throwsMidway: async (stream) => { stream.write('half'); await turn(); throw new RangeError('midway'); },
  throwsAfterHttp: async (stream) => { from(stream, { statusCode: 200 }).write('half'); throw new Error('after the prelude'); },
  returns: async (stream) => { stream.end('a'); return 'ignored'; },
  notAsync: (stream) => { stream.write('a'); return 'no promise'; },
  throwsAtOnce: (stream) => { throw new Error('at once'); },
  state: async (stream) => {
    const seen = () => [stream.writableEnded, stream.writableFinished, stream.writable, stream.destroyed, stream.writableObjectMode, stream.writableCorked];
    stream.write(JSON.stringify([Object.keys(stream).sort(), Object.getOwnPropertyNames(stream).sort(), seen(), typeof stream.writableHighWaterMark, stream instanceof require('node:stream').Writable]));
    stream.end(); console.log(seen());
  },
  context: async (stream, context) => { stream.end(JSON.stringify([Object.keys(context), context.callbackWaitsForEmptyEventLoop, typeof context.succeed])); },
  notWaiting: async (stream, context) => { context.callbackWaitsForEmptyEventLoop = false; setTimeout(() => {}, 50); stream.end('a'); },
  waiting: async (stream) => { setTimeout(() => { console.log('waited') }, 20); stream.end('a'); },
  prints: async (stream) => { console.log('printed'); stream.end('a'); },
  pipedFails: async (stream) => { await pipeline(async function* () { yield 'a'; await turn(); throw new Error('source') }, stream); },
  destroyed: async (stream) => { stream.write('a'); await turn(); stream.destroy(); await turn(); },
  afterEnd: async (stream) => { stream.on('error', (error) => console.log(error.code)); stream.end('a'); stream.write('b'); await turn(); },
};
exports.handler = awslambda.streamifyResponse((event, stream, context) => cases[event](stream, context), { highWaterMark: 1000 });
""".replace("\\'", "'")


def major():
    return int(subprocess.run([NODE, "-p", "process.versions.node.split('.')[0]"], capture_output=True, text=True, check=True).stdout)


@unittest.skipUnless(NODE and PACKAGES, "there is no Node.js, or MILLSTREAM_RIC_NODE names no directory with aws-lambda-ric")
class NodeComparison(Comparison):
    @classmethod
    def setUpClass(cls):
        cls.major = major()
        cls.has_callbacks = cls.major < 24
        modules = pathlib.Path(PACKAGES, "node_modules")
        shim = ["--require", str(HERE / "native.cjs")]
        if cls.has_callbacks:
            cls.official = [NODE, *shim, str(HERE / "start.mjs"), str(modules / "aws-lambda-ric-3/dist/index.mjs"), "HANDLER"]
        else:
            cls.official = [NODE, *shim, str(modules / "aws-lambda-ric-4/index.mjs")]
        cls.ours = [NODE, str(BOOTSTRAP / "index.mjs")]
        cls.environment = {"AWS_EXECUTION_ENV": f"AWS_Lambda_nodejs{cls.major}.x"}

    def bodies(self, code, calls):
        return self.same({"main.js": code}, calls).bodies()

    def test_values(self):
        calls = [Call(json.dumps(expression)) for expression in EXPRESSIONS]
        run = self.same({"main.js": VALUES}, calls, but=without_frames)
        self.assertEqual(len(run.answers), len(EXPRESSIONS))

    def test_what_is_thrown(self):
        for keyword in ("", "async "):
            code = THROWS + f"exports.handler = {keyword}(event) => cases[event]();\n"
            names = [line.split(":")[0].strip() for part in THROWS.split("const cases = {")[1].split("},") for line in part.split(" }, ") if ": () =>" in line]
            names = sorted(set(names) | {"error", "empty", "odd", "plain", "type", "reference", "range", "syntax", "evaluated", "string", "number", "nothing", "null"})
            with self.subTest(keyword):
                self.same({"main.js": code}, [Call(json.dumps(name)) for name in names], but=without_frames)

    def test_callbacks(self):
        if not self.has_callbacks:
            self.same({"main.js": CALLBACKS}, [Call('"callback"')], but=without_frames)
            return
        names = [part.rsplit(" ", 1)[-1] for part in CALLBACKS.split("const cases = {")[1].split(": () =>")[:-1]]
        self.assertGreater(len(names), 30)
        for name in names:
            with self.subTest(name):
                self.same({"main.js": CALLBACKS}, [Call(json.dumps(name)), Call('"done"')], but=without_frames)

    def test_events_and_large_answers(self):
        code = "exports.handler = async (event) => [typeof event, JSON.stringify(event).slice(0, 100), String(event.length)];\n"
        payloads = ['"\\u00e4\\ud83d\\ude00"', '{"a": 1, "a": 2}', "[1e400, -0.0, 12345678901234567890]", ' {"x" : [ ] } ', '"\\ud800"', '{"__proto__": {"x": 1}}',
                    '"' + "x" * 6_000_000 + '"']
        self.same({"main.js": code}, [Call(text) for text in payloads])
        self.same({"main.js": "exports.handler = async (event) => 'x'.repeat(event);\n"}, [Call("6000000"), Call("7000000"), Call("1")])

    def test_nonsense_for_an_event(self):
        for payload in ("", "{", "nonsense"):
            with self.subTest(payload):
                self.same({"main.js": VALUES}, [Call(payload)], but=without_frames)

    def test_ends(self):
        for code in ("process.exit(0)", "process.exit(3)", "process.exit()", "process.kill(process.pid, 'SIGKILL')", "process.kill(process.pid, 'SIGTERM')",
                     "process.abort()", "setTimeout(() => process.exit(4), 5); await new Promise((done) => setTimeout(done, 5000))"):
            with self.subTest(code):
                run = self.same({"main.js": f"exports.handler = async () => {{ {code} }};\n"}, [Call()])
                self.assertIsNotNone(run.status)

    def test_what_nobody_catches(self):
        wait = "return new Promise((done) => setTimeout(done, 5000))"
        for code in (f"setTimeout(() => {{ throw new RangeError('late') }}, 1); {wait}", f"Promise.reject(new Error('nobody')); {wait}", f"Promise.reject('text'); {wait}",
                     f"Promise.reject(); {wait}", f"Promise.reject({{ a: 1 }}); {wait}", f"setTimeout(() => {{ throw 'text' }}, 1); {wait}",
                     f"new (require('node:events'))().emit('error', new Error('emitted')); {wait}", f"process.nextTick(() => {{ throw new Error('tick') }}); {wait}"):
            with self.subTest(code):
                self.same({"main.js": f"exports.handler = () => {{ {code} }};\n"}, [Call()], but=without_frames)

    def test_starts_that_fail(self):
        good = "exports.handler = async () => 1;\n"
        for handler, files in (
            ("main.absent", {"main.js": good}), ("absent.handler", {"main.js": good}), ("main", {"main.js": good}), ("../main.handler", {"main.js": good}),
            ("main.", {"main.js": good}), (".handler", {"main.js": good}), ("main.a.b", {"main.js": good}), ("main.handler", {"main.js": "exports.handler = 7;\n"}),
            ("main.handler", {"main.js": "exports.handler = async ( => 1;\n"}), ("main.handler", {"main.mjs": "export const handler = \n"}),
            ("main.handler", {"main.js": "require('no-such-package');\n"}), ("main.handler", {"main.mjs": "import 'no-such-package';\n"}),
            ("main.handler", {"main.js": "throw new TypeError('at import');\n"}), ("main.handler", {"main.mjs": "throw new TypeError('at import');\n"}),
            ("main.handler", {"main.js": "throw 'text';\n"}), ("main.handler", {"main.js": "process.exit(5);\n"}), ("main.handler", {"main.js": "require('./other');\n", "other.js": "x y\n"}),
            ("main.handler", {"main.js": "Promise.reject(new Error('at import')); exports.handler = async () => new Promise(() => {});\n"}),
            ("main.handler", {"main.js": "setTimeout(() => { throw new Error('soon') }); require('node:fs'); exports.handler = async () => new Promise(() => {});\n"}),
            ("main.handler", {"main.mjs": "await new Promise(() => {});\n"}), ("main.handler", {"main.js": "export const handler = async () => 1;\n"}),
        ):
            with self.subTest(handler=handler, files=files):
                self.same(files, [Call()], handler=handler, but=without_frames)

    def test_modules_wherever_they_are(self):
        common, module = "exports.handler = async () => 'common';\n", "export const handler = async () => 'module';\n"
        package = '{"type": "module"}'
        for handler, files in (
            ("main.handler", {"main.js": common}), ("main.handler", {"main.cjs": common, "package.json": package}), ("main.handler", {"main.mjs": module}),
            ("main.handler", {"main.js": module, "package.json": package}), ("main.handler", {"main.js": common, "main.mjs": module}), ("main.handler", {"main": common}),
            ("src/deep/main.handler", {"src/deep/main.js": common}), ("src/main.handler", {"src/main.js": module, "package.json": package}),
            ("main.a.b.handler", {"main.js": "exports.a = { b: { handler: async () => 'nested' } };\n"}), ("main.handler", {"node_modules/main/index.js": common}),
            ("main.handler", {"main.mjs": "export default { handler: async () => 'default' };\n"}), ("main.default", {"main.mjs": "export default async () => 'default';\n"}),
            ("main.handler", {"main.mjs": "import { createRequire } from 'node:module';\n" + module}),
            ("main.handler", {"main.mjs": "const late = await Promise.resolve('awaited');\nexport const handler = async () => late;\n"}),
            ("main.handler", {"main.js": "module.exports = { handler() { return Promise.resolve(this === module.exports) } };\n"}),
            ("main.handler", {"main.js": "module.exports = class { static async handler() { return 'static' } };\n"}),
        ):
            with self.subTest(handler=handler, files=files):
                self.same(files, [Call()], handler=handler, but=without_frames)

    def test_state_and_what_is_left_between_invocations(self):
        code = ("let count = 0;\nlet ticks = 0;\nconst timer = setInterval(() => { ticks += 1 }, 1);\nexports.handler = async (event) => { count += 1;\n"
                "  if (event === 'raise') throw new Error(String(count));\n  await new Promise((done) => setTimeout(done, 10)); return [count, ticks > 0]; };\n")
        self.same({"main.js": code}, [Call(), Call('"raise"'), Call(), Call('"raise"'), Call()], but=without_frames)
        left = "let late = 'not yet';\nexports.handler = async (event) => { const was = late; setTimeout(() => { late = event }, 1); if (event === 2) await new Promise((d) => setTimeout(d, 30)); return was; };\n"
        self.same({"main.js": left}, [Call("1"), Call("2")], logs=False, but=lambda shown: {**shown, "answers": shown["answers"][:1]})

    def test_a_promise_that_nothing_settles(self):
        # From 24 on AWS names it; the client itself just ends.
        if self.has_callbacks:
            self.same({"main.js": "exports.handler = async (event) => { if (event === 1) await new Promise(() => {}); return event };\n"}, [Call("1"), Call("2")])

    def test_the_context(self):
        named = {"Lambda-Runtime-Client-Context": json.dumps(CLIENT), "Lambda-Runtime-Cognito-Identity": '{"cognitoIdentityId": "id", "cognitoIdentityPoolId": "pool"}',
                 "Lambda-Runtime-Trace-Id": "Root=1-5e1b4151-5ac6c58f;Sampled=1"}
        self.same({"main.js": CONTEXT}, [Call(), Call(headers=named), Call(headers={"Lambda-Runtime-Aws-Tenant-Id": "blue"}), Call()])

    def test_streamed_responses(self):
        names = [line.split(":")[0].strip() for line in STREAMS.split("const cases = {")[1].splitlines() if ": async" in line or ": (" in line]
        self.assertGreater(len(names), 25)
        for name in names:
            with self.subTest(name):
                run = self.same({"main.js": STREAMS}, [Call(json.dumps(name)), Call('"plain"')], but=without_frames)
                # Whatever becomes of one invocation, the next one is answered, unless there was no way to tell.
                if run.status is None:
                    self.assertEqual((run.answers[-1].mode, run.answers[-1].body), ("streaming", b"ab"))

    def test_streams_that_end_their_process(self):
        wait = "await new Promise((done) => setTimeout(done, 5000))"
        for code in (f"process.exit(3)", f"stream.write('a'); await new Promise(setImmediate); process.exit(3)"):
            with self.subTest(code):
                streaming = f"exports.handler = awslambda.streamifyResponse(async (event, stream) => {{ {code}; {wait} }});\n"
                run = self.same({"main.js": streaming}, [Call()], but=lambda shown: {**shown, "answers": []})
                self.assertEqual(run.status, 3)

    def test_handlers_that_cannot_stream(self):
        # Version 3 stumbles over its own refusal of other values.
        for value in ("'response'", "false", "null", "undefined", *(() if self.has_callbacks else ("'request'", "true", "0"))):
            with self.subTest(value):
                code = f"exports.handler = async (event, stream) => {{ stream.end?.() }};\nexports.handler[Symbol.for('aws.lambda.runtime.handler.streaming')] = {value};\n"
                self.same({"main.js": code}, [Call()], but=without_frames)
        code = "exports.handler = async () => typeof globalThis.awslambda;\n"
        for environment in ({}, {"AWS_LAMBDA_NODEJS_NO_GLOBAL_AWSLAMBDA": "1"}):
            self.same({"main.js": code}, [Call()], environment=environment)

    def test_output(self):
        for environment in ({}, {"AWS_LAMBDA_LOG_LEVEL": "ERROR"}, {"AWS_LAMBDA_LOG_LEVEL": "debug"}, {"AWS_LAMBDA_LOG_FORMAT": "JSON"},
                            {"AWS_LAMBDA_LOG_FORMAT": "json", "AWS_LAMBDA_LOG_LEVEL": "WARN"}):
            for framed in (False, True):
                with self.subTest(environment, framed=framed):
                    self.same({"main.js": PRINTS}, [Call(), Call()], environment=environment, but=without_frames, framed=framed)
        failing = "exports.handler = async () => { console.log('with', new TypeError('an error')); console.error(new Error('alone')); throw new RangeError('thrown') };\n"
        for form in ("TEXT", "JSON"):
            for framed in (False, True):
                self.same({"main.js": failing}, [Call()], environment={"AWS_LAMBDA_LOG_FORMAT": form}, but=without_frames, framed=framed)


def without_frames(shown):
    """Stack traces end in frames of the client itself, which are at other lines of other files; the function's own stay."""
    def plain(value):
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items()}
        if isinstance(value, list):
            return [plain(item) for item in value if not (isinstance(item, str) and foreign(item))]
        if not isinstance(value, str):
            return value
        return CLIENTS.sub("CLIENT", "\n".join(line for line in value.split("\n") if not foreign(line)))

    def text(body):
        try:
            return json.dumps(plain(json.loads(body)), ensure_ascii=False)
        except ValueError:
            return body

    # Bodies, and those of errors in trailers.
    answers = [tuple(text(value) if at in (4, 7) else value for at, value in enumerate(answer)) for answer in shown["answers"]]
    log = ["\r".join(cleaned(line)) for line in shown.get("log", [])]
    events = [(kind, "\n".join(cleaned(event, "\n"))) for kind, event in shown.get("events", [])]
    return {**shown, "answers": answers, "log": log, "events": events}


def cleaned(line, end="\r"):
    """A log event, whose traces are lists in JSON or lines with their own ends."""
    start = line.find("{")
    if start >= 0:
        try:
            decoded = json.loads(line[start:])
        except ValueError:
            pass
        else:
            return [line[:start] + without_frames({"answers": [("", "", "", "", json.dumps(decoded))]})["answers"][0][4]]
    return [part for part in line.split(end) if not foreign(part)]


def foreign(line):
    """Whether a frame is neither of the function nor of anything that it calls."""
    frame = line.strip()
    return frame.startswith("at ") and "millstream-compare-" not in frame or "Require stack" in frame or frame.startswith("- /")


if __name__ == "__main__":
    unittest.main()
