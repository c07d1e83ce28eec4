// Millstream's Node.js runtime: runs one handler against the Lambda Runtime API.
//
// It needs nothing but Node.js itself and behaves as AWS's own runtime client does: the same search for the handler's
// module, context object, callbacks, error payloads, log format and exit statuses. AWS's client itself cannot be used: its
// package compiles native code when it is installed.

import { existsSync, readFileSync } from "node:fs";
import http from "node:http";
import { createRequire } from "node:module";
import path from "node:path";
import { Writable } from "node:stream";
import { pathToFileURL } from "node:url";
import { format } from "node:util";

const VERSION = "2018-06-01";
const STREAMING = Symbol.for("aws.lambda.runtime.handler.streaming");
const UNCAUGHT_EXCEPTION_STATUS = 129;
const UNHANDLED_REJECTION_STATUS = 128;
// Callbacks are gone from Node.js 24 on.
const HAS_CALLBACKS = Number(process.versions.node.split(".")[0]) < 24;

// Errors of the function's set-up, with the names that AWS gives them.
class Fault extends Error {
  constructor(name, message) {
    super(message);
    this.name = name;
    Error.captureStackTrace(this, Fault);
  }
}

// The Runtime API over one kept connection.
class RuntimeApi {
  constructor(address) {
    [this.host, this.port] = address.split(":");
    this.agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  }

  call(method, at, body, headers = {}) {
    return new Promise((resolve, reject) => {
      if (body !== undefined) headers["Content-Length"] = Buffer.byteLength(body);
      const options = { agent: this.agent, host: this.host, port: this.port, method, path: `/${VERSION}/runtime/${at}`, headers };
      const request = http.request(options, (answer) => {
        const chunks = [];
        answer.on("data", (chunk) => chunks.push(chunk));
        answer.on("end", () => resolve({ status: answer.statusCode, headers: answer.headers, body: Buffer.concat(chunks) }));
        answer.on("error", reject);
      });
      request.setNoDelay(true);
      request.on("error", reject);
      request.end(body);
    });
  }

  async next() {
    const answer = await this.call("GET", "invocation/next");
    if (answer.status !== 200) {
      throw new Error(`the Runtime API refused the next invocation: ${answer.status} ${answer.body}`);
    }
    return answer;
  }

  respond(id, body, contentType) {
    return this.call("POST", `invocation/${id}/response`, body, { "Content-Type": contentType });
  }

  fail(at, error) {
    const told = toldError(error);
    // A header holds printable ASCII only.
    const kind = String(told.errorType).replace(/[^\x20-\x7e]/g, "?");
    const headers = { "Content-Type": "application/json", "Lambda-Runtime-Function-Error-Type": kind };
    return this.call("POST", at, JSON.stringify(told), headers);
  }
}

function toldError(error) {
  try {
    if (error instanceof Error) {
      return { errorType: error.name, errorMessage: error.message, trace: error.stack?.split("\n") ?? [] };
    }
    return { errorType: typeof error, errorMessage: String(error), trace: [] };
  } catch {
    return { errorType: "handled", errorMessage: "the error could not be read: its message, name or stack throws", trace: [] };
  }
}

// An error as the log shows it: with whatever else the function has put on it.
function loggedError(error) {
  const members = (_key, value) => {
    if (!(value instanceof Error)) return value;
    const shown = { errorType: value.name, errorMessage: value.message, code: value.code, ...value };
    if (typeof value.stack === "string") shown.stack = value.stack.split("\n");
    return shown;
  };
  try {
    return `\t${JSON.stringify(error, members)}`;
  } catch {
    return `\t${JSON.stringify(toldError(error))}`;
  }
}

let requestId;

// One write is one log event, so the lines of one message end in carriage returns.
function log(level, message, ...rest) {
  const line = [new Date().toISOString(), String(requestId), level, format(message, ...rest)].join("\t");
  process.stdout.write(`${line.replace(/\n/g, "\r")}\n`);
}

function setUpConsole() {
  const levels = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];
  const wanted = levels.indexOf((process.env.AWS_LAMBDA_LOG_LEVEL ?? "").toUpperCase());
  const patch = (name, level) => {
    console[name] = levels.indexOf(level) < wanted ? () => {} : (...all) => log(level, ...all);
  };
  patch("log", "INFO");
  for (const name of ["debug", "info", "warn", "error", "trace", "fatal"]) patch(name, name.toUpperCase());
}

// `directory/module.name.of.function`
function handlerParts(handler) {
  if (handler.includes("..")) {
    throw new Fault(
      "Runtime.MalformedHandlerName",
      `'${handler}' is not a valid handler name. Use absolute paths when specifying root directories in handler names.`,
    );
  }
  const last = path.basename(handler);
  const parts = /^([^.]*)\.(.*)$/.exec(last);
  if (!parts) throw new Fault("Runtime.MalformedHandlerName", "Bad handler");
  return { directory: handler.slice(0, handler.length - last.length), module: parts[1], name: parts[2] };
}

// Whether a `.js` file holds an ECMAScript module: what the nearest package.json says.
function isModule(file) {
  for (let directory = path.dirname(file); ; directory = path.dirname(directory)) {
    const about = path.join(directory, "package.json");
    if (existsSync(about)) {
      try {
        return JSON.parse(readFileSync(about, "utf8")).type === "module";
      } catch {
        return false;
      }
    }
    if (directory === path.dirname(directory)) return false;
  }
}

async function loadModule(task, { directory, module }) {
  const require = createRequire(path.join(task, "index.js"));
  const base = path.resolve(task, directory, module);
  try {
    if (existsSync(base) && !existsSync(`${base}.js`) && !existsSync(`${base}.mjs`) && !existsSync(`${base}.cjs`)) return require(base);
    if (existsSync(`${base}.js`)) {
      return isModule(`${base}.js`) ? await import(pathToFileURL(`${base}.js`)) : require(`${base}.js`);
    }
    if (existsSync(`${base}.mjs`)) return await import(pathToFileURL(`${base}.mjs`));
    if (existsSync(`${base}.cjs`)) return require(`${base}.cjs`);
    return require(require.resolve(module, { paths: [task, path.join(task, directory)] }));
  } catch (error) {
    const named = (name) => Object.assign(new Fault(name, String(error)), { stack: `${name}: ${error.stack ?? error}` });
    if (error instanceof SyntaxError) throw named("Runtime.UserCodeSyntaxError");
    if (error?.code === "MODULE_NOT_FOUND" || error?.code === "ERR_MODULE_NOT_FOUND") throw named("Runtime.ImportModuleError");
    throw error;
  }
}

async function loadHandler(task, text) {
  const parts = handlerParts(text);
  const module = await loadModule(task, parts);
  const inside = (from) => parts.name.split(".").reduce((value, name) => value?.[name], from);
  // What a CommonJS module exports is also the default of its import.
  const handler = inside(module) ?? inside(module?.default);
  if (!handler) throw new Fault("Runtime.HandlerNotFound", `${text} is undefined or not exported`);
  if (typeof handler !== "function") throw new Fault("Runtime.HandlerNotFound", `${text} is not a function`);
  if (!HAS_CALLBACKS && handler.length >= 3 && !handler[STREAMING]) {
    throw new Fault(
      "Runtime.CallbackHandlerDeprecated",
      "From Node.js 24 on there are no handlers with a callback as their third parameter: make the handler async and return its result.",
    );
  }
  return handler;
}

// `awslambda`, which functions that stream their response use.
class ResponseStream extends Writable {
  constructor() {
    super();
    this.chunks = [];
    this.contentType = "application/octet-stream";
  }

  setContentType(contentType) {
    this.contentType = contentType;
  }

  _write(chunk, encoding, done) {
    this.chunks.push(typeof chunk === "string" ? Buffer.from(chunk, encoding) : chunk);
    done();
  }
}

function setUpGlobals() {
  globalThis.awslambda = {
    streamifyResponse(handler, options) {
      handler[STREAMING] = "response";
      if (options?.highWaterMark) handler[Symbol.for("aws.lambda.runtime.handler.streaming.highWaterMark")] = options.highWaterMark;
      return handler;
    },
    HttpResponseStream: {
      from(stream, metadata) {
        stream.setContentType("application/vnd.awslambda.http-integration-response");
        stream.write(JSON.stringify(metadata));
        stream.write(Buffer.alloc(8));
        return stream;
      },
    },
  };
}

const isPromise = (value) => typeof value?.then === "function";

function fromJson(headers, name) {
  const text = headers[name];
  return text ? JSON.parse(text) : undefined;
}

// What a handler gets as its second argument, but for the callbacks.
function contextOf(headers) {
  const deadline = Number(headers["lambda-runtime-deadline-ms"]);
  return {
    functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION,
    functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
    memoryLimitInMB: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: process.env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: process.env.AWS_LAMBDA_LOG_STREAM_NAME,
    clientContext: fromJson(headers, "lambda-runtime-client-context"),
    identity: fromJson(headers, "lambda-runtime-cognito-identity"),
    invokedFunctionArn: headers["lambda-runtime-invoked-function-arn"],
    awsRequestId: headers["lambda-runtime-aws-request-id"],
    getRemainingTimeInMillis: () => deadline - Date.now(),
  };
}

class Runtime {
  constructor(api) {
    this.api = api;
    // What happens when the event loop has nothing left to do.
    this.whenIdle = null;
    process.on("beforeExit", () => {
      const work = this.whenIdle;
      this.whenIdle = null;
      work?.();
    });
  }

  // The next invocation, at the beginning of the next turn of the event loop.
  schedule() {
    setImmediate(() => {
      this.handleOnce().catch((error) => this.end(error, UNCAUGHT_EXCEPTION_STATUS));
    });
  }

  async handleOnce() {
    const { headers, body } = await this.api.next();
    const context = contextOf(headers);
    this.id = requestId = context.awsRequestId;
    const trace = headers["lambda-runtime-trace-id"];
    if (trace) process.env._X_AMZN_TRACE_ID = trace;
    else delete process.env._X_AMZN_TRACE_ID;
    if (this.handler[STREAMING]) await this.handleStreaming(context, body);
    else this.handleBuffered(context, body);
  }

  handleBuffered(context, body) {
    const callbacks = this.callbacks(context);
    // A handler that never answers: an async one has a promise that nothing will settle.
    this.whenIdle = () => {
      if (this.handler.constructor.name !== "AsyncFunction") return callbacks.context.succeed(null);
      return callbacks.context.fail(
        new Fault("Runtime.NodeJsExit", "Node.js had nothing left to do before the handler's promise was settled: something it waits for never happens."),
      );
    };
    try {
      const result = this.handler(JSON.parse(body.toString()), callbacks.context, callbacks.callback);
      if (isPromise(result)) result.then(callbacks.context.succeed, callbacks.context.fail).catch(callbacks.context.fail);
    } catch (error) {
      callbacks.callback(error);
    }
  }

  // The ways in which a handler may answer. The first one counts.
  callbacks(context) {
    const id = this.id;
    let answered = false;
    let waits = true;
    const once = (answer) => (...values) => {
      if (answered) return;
      answered = true;
      answer(...values);
    };
    const fail = (error) => {
      this.whenIdle = null;
      log("ERROR", "Invoke Error", loggedError(error));
      this.api.fail(`invocation/${id}/error`, error).then(() => this.schedule());
    };
    const succeed = (result) => {
      this.whenIdle = null;
      let text;
      try {
        text = JSON.stringify(result === undefined ? null : result) ?? "null";
      } catch {
        return fail(new Fault("Runtime.MarshalError", "Unable to stringify response body"));
      }
      this.api.respond(id, text, "application/json").then(() => this.schedule());
    };
    const done = (error, result) => (error === undefined || error === null ? succeed(result) : fail(error));
    const callback = (error, result) => {
      if ((error !== undefined && error !== null) || !waits) return done(error, result);
      this.whenIdle = () => setImmediate(() => succeed(result));
    };
    const own = {
      get callbackWaitsForEmptyEventLoop() {
        return waits;
      },
      set callbackWaitsForEmptyEventLoop(value) {
        waits = value;
      },
      succeed: once(succeed),
      fail: once((error) => fail(error ?? "handled")),
      done: once(done),
    };
    const all = Object.defineProperties(context, Object.getOwnPropertyDescriptors(own));
    return { context: all, callback: once(callback) };
  }

  async handleStreaming(context, body) {
    const stream = new ResponseStream();
    context.callbackWaitsForEmptyEventLoop = true;
    try {
      const result = this.handler(JSON.parse(body.toString()), stream, context);
      if (!isPromise(result)) throw new Fault("Runtime.InvalidStreamingOperation", "Streaming does not support non-async handlers.");
      this.whenIdle = () => this.failStreaming("Response stream is not finished.");
      await result;
      if (!stream.writableEnded) throw new Fault("Runtime.InvalidStreamingOperation", "Response stream is not finished.");
      if (!stream.writableFinished) await new Promise((resolve) => stream.once("finish", resolve));
    } catch (error) {
      this.failStreaming(error);
      return;
    }
    this.whenIdle = null;
    await this.api.respond(this.id, Buffer.concat(stream.chunks), stream.contentType);
    this.schedule();
  }

  failStreaming(error) {
    this.whenIdle = null;
    log("ERROR", "Invoke Error", loggedError(error));
    this.api.fail(`invocation/${this.id}/error`, error).then(() => this.schedule());
  }

  // Tell what went wrong and end. The server starts another worker.
  end(error, status) {
    const at = this.id === undefined ? "init/error" : `invocation/${this.id}/error`;
    const exit = () => process.exit(status);
    this.api.fail(at, error).then(exit, exit);
  }
}

async function main() {
  setUpConsole();
  setUpGlobals();
  const api = new RuntimeApi(process.env.AWS_LAMBDA_RUNTIME_API);
  const runtime = new Runtime(api);
  process.on("uncaughtException", (error) => {
    log("ERROR", "Uncaught Exception", loggedError(error));
    runtime.end(error, UNCAUGHT_EXCEPTION_STATUS);
  });
  process.on("unhandledRejection", (reason, promise) => {
    const error = new Fault("Runtime.UnhandledPromiseRejection", String(reason?.message ? reason : format(reason)));
    error.reason = reason;
    error.promise = promise;
    log("ERROR", "Unhandled Promise Rejection", loggedError(error));
    runtime.end(error, UNHANDLED_REJECTION_STATUS);
  });
  try {
    runtime.handler = await loadHandler(process.env.LAMBDA_TASK_ROOT, process.env._HANDLER);
  } catch (error) {
    log("ERROR", "Uncaught Exception", loggedError(error));
    return runtime.end(error, UNCAUGHT_EXCEPTION_STATUS);
  }
  runtime.schedule();
}

await main();
