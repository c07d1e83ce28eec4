// Millstream's Node.js runtime: runs one handler against the Lambda Runtime API.
//
// It needs nothing but Node.js itself and behaves as AWS's own runtime client does: the same search for the handler's
// module, context object, callbacks, error payloads, log format and exit statuses. AWS's client itself cannot be used: its
// package compiles native code when it is installed. `conformance/runtimes` compares both.
//
// On AWS functions run with version 3 of the client up to Node.js 22, and with version 4, a new program, from 24 on.

import { existsSync, readFileSync, writeSync } from "node:fs";
import http from "node:http";
import { createRequire } from "node:module";
import net from "node:net";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { format, types } from "node:util";

const VERSION = "2018-06-01";
const STREAMING = Symbol.for("aws.lambda.runtime.handler.streaming");
const HIGH_WATER_MARK = Symbol.for("aws.lambda.runtime.handler.streaming.highWaterMark");
const UNCAUGHT_EXCEPTION_STATUS = 129;
const UNHANDLED_REJECTION_STATUS = 128;
// Node.js' own, for what waits for ever.
const UNSETTLED_STATUS = 13;
// Which client's behaviour it is. Callbacks are gone from version 4 on.
const CLIENT_4 = Number(process.versions.node.split(".")[0]) >= 24;
const JSON_LOG = process.env.AWS_LAMBDA_LOG_FORMAT?.toUpperCase() === "JSON";

// Errors of the function's set-up, with the names that AWS gives them. In version 3 the name is a matter of the class and
// does not show among the error's own members.
class Fault extends Error {
  constructor(name, message) {
    super(message);
    Object.defineProperty(this, "name", { value: name, enumerable: CLIENT_4, writable: true, configurable: true });
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

  fail(id, error) {
    return this.call("POST", `invocation/${id}/error`, JSON.stringify(toldError(error)), { "Content-Type": "application/json" });
  }

  failInit(error) {
    const told = toldError(error);
    // A header holds printable ASCII only.
    const kind = String(told.errorType).replace(/[^\x20-\x7e]/g, "?");
    const headers = { "Content-Type": "application/json", "Lambda-Runtime-Function-Error-Type": kind };
    return this.call("POST", "init/error", JSON.stringify(told), headers);
  }
}

const isError = (value) => {
  if (value instanceof Error) return true;
  if (CLIENT_4) return false;
  return types.isNativeError(value) || ["name", "message", "stack"].every((member) => value?.[member] && typeof value[member] === "string");
};

// Where AWS's client, and so a trace that it sends, writes the character DEL otherwise.
const withoutDel = (text) => text?.replaceAll("\x7f", "%7F");

function toldError(error) {
  try {
    if (isError(error)) {
      const trace = CLIENT_4 ? withoutDel(error.stack)?.split("\n") || [] : withoutDel(error.stack ?? null.stack).split("\n");
      return { errorType: withoutDel(error.name), errorMessage: withoutDel(error.message), trace };
    }
    return { errorType: typeof error, errorMessage: CLIENT_4 ? String(error) : error.toString(), trace: [] };
  } catch {
    const errorMessage = "callback called with Error argument, but there was a problem while retrieving one or more of its message, name, and stack";
    return { errorType: "handled", errorMessage, ...(CLIENT_4 && { trace: [] }) };
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

function logError(title, thrown) {
  const error = thrown instanceof Error ? thrown : new Error(CLIENT_4 ? String(thrown) : thrown);
  if (JSON_LOG) console.error(error);
  else console.error(title, loggedError(error));
}

let requestId = CLIENT_4 ? "-" : undefined;
let tenantId;

const LEVELS = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];
const logFd = telemetryFd();

// The platform's channel for log events, if it gave one.
function telemetryFd() {
  const given = process.env._LAMBDA_TELEMETRY_LOG_FD;
  delete process.env._LAMBDA_TELEMETRY_LOG_FD;
  return /^\d+$/.test(given ?? "") ? Number(given) : undefined;
}

function log(level, message, ...rest) {
  const now = new Date();
  const line = JSON_LOG ? jsonLine(now, level, message, ...rest) : [now.toISOString(), String(requestId), level, format(message, ...rest)].join("\t");
  // Without a channel one line is one log event, so the lines of one message end in carriage returns.
  if (logFd === undefined) process.stdout.write(`${line.replace(/\n/g, "\r")}\n`);
  else writeFrame(now, level, JSON_LOG ? line : `${line}\n`);
}

// A frame says where an event ends, however many lines it has: its type and level, the length of its text, the time in
// microseconds, all big-endian, and the text.
function writeFrame(now, level, text) {
  const frame = Buffer.alloc(16 + Buffer.byteLength(text));
  const mask = (LEVELS.indexOf(level) + 1) << 2;
  frame.writeUInt32BE((0xa55a0002 | mask | (JSON_LOG ? 0 : 1)) >>> 0, 0);
  frame.writeUInt32BE(frame.length - 16, 4);
  frame.writeBigUInt64BE(BigInt(now.valueOf()) * 1000n, 8);
  frame.write(text, 16);
  for (let at = 0; at < frame.length; ) at += writeSync(logFd, frame, at);
}

// What `LoggingConfig` with the format JSON makes of a call of the console.
function jsonLine(now, level, ...values) {
  const described = (error) => ({ errorType: error.constructor?.name ?? "UnknownError", errorMessage: error.message });
  const trace = (error, other) => (typeof error.stack === "string" ? error.stack.split("\n") : other);
  const line = { timestamp: now.toISOString(), level, requestId };
  if (tenantId) line.tenantId = tenantId;
  if (values.length === 1) {
    line.message = values[0];
    const members = (_key, value) => (value instanceof Error ? { ...described(value), stackTrace: trace(value, value.stack), ...value } : value);
    try {
      return JSON.stringify(line, members);
    } catch {
      line.message = format(values[0]);
      return JSON.stringify(line);
    }
  }
  line.message = format(...values);
  const error = (CLIENT_4 ? values.slice(1) : values).find((value) => value instanceof Error);
  if (error) Object.assign(line, described(error), { stackTrace: trace(error, []) });
  return JSON.stringify(line);
}

function setUpConsole() {
  const wanted = LEVELS.indexOf(process.env.AWS_LAMBDA_LOG_LEVEL?.toUpperCase());
  LEVELS.forEach((level, at) => {
    console[level.toLowerCase()] = at < wanted ? () => {} : (message, ...rest) => log(level, message, ...rest);
  });
  console.log = console.info;
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
  const require = createRequire(import.meta.url);
  const base = path.resolve(task, directory, module);
  const imported = (extension) => (existsSync(base + extension) ? import(pathToFileURL(base + extension)) : undefined);
  const required = (extension) => (existsSync(base + extension) ? require(base + extension) : undefined);
  try {
    if (CLIENT_4) {
      for (const extension of ["", ".js", ".mjs", ".cjs"]) {
        const found = await imported(extension);
        if (found) return found;
      }
    } else {
      const plain = required("");
      if (plain) return plain;
      const script = existsSync(`${base}.js`) && isModule(`${base}.js`) ? await imported(".js") : required(".js");
      const found = script || (await imported(".mjs")) || required(".cjs");
      if (found) return found;
    }
    return require(require.resolve(module, { paths: [task, CLIENT_4 ? path.join(task, directory) : directory] }));
  } catch (error) {
    if (error instanceof SyntaxError) {
      const fault = new Fault("Runtime.UserCodeSyntaxError", String(error));
      if (CLIENT_4) fault.stack = error.stack;
      throw fault;
    }
    if (error?.code === "MODULE_NOT_FOUND") throw new Fault("Runtime.ImportModuleError", String(error));
    throw error;
  }
}

async function loadHandler(task, text) {
  const parts = handlerParts(text);
  const module = await loadModule(task, parts);
  const member = (value, name) => (CLIENT_4 && typeof value !== "object" ? undefined : value && value[name]);
  const inside = (from) => parts.name.split(".").reduce(member, from);
  // Version 4 imports everything, and what a CommonJS module exports is the default of its import.
  const handler = inside(module) || (CLIENT_4 && inside(module.default));
  if (!handler) throw new Fault("Runtime.HandlerNotFound", `${text} is undefined or not exported`);
  if (typeof handler !== "function") throw new Fault("Runtime.HandlerNotFound", `${text} is not a function`);
  const streaming = handler[STREAMING];
  if (CLIENT_4 ? streaming && streaming !== "response" : ![undefined, null, false, "response"].includes(streaming)) {
    throw new Fault("Runtime.MalformedStreamingHandler", "Only response streaming is supported.");
  }
  if (CLIENT_4 && handler.length >= 3 && !handler[STREAMING]) {
    throw new Fault(
      "Runtime.CallbackHandlerDeprecated",
      "ERROR: AWS Lambda has removed support for callback-based function handlers starting with Node.js 24. You need to modify this function to use a supported handler signature to use Node.js 24 or later. For more information see https://docs.aws.amazon.com/lambda/latest/dg/nodejs-handler.html.",
    );
  }
  return handler;
}

// What of the request that carries a streamed response its function gets to see.
const STREAM_METHODS = [
  "cork", "destroy", "end", "uncork", "write", "addListener", "emit", "eventNames", "getMaxListeners", "listenerCount", "listeners", "off", "on", "once",
  "prependListener", "prependOnceListener", "rawListeners", "removeAllListeners", "removeListener", "setMaxListeners", "setContentType",
];
const STREAM_STATE = [
  "writableFinished", "writableObjectMode", "writableEnded", "writableNeedDrain", "writableHighWaterMark", "writableCorked", "writableLength",
];
const STREAM_SETTABLE = ["destroyed", "_onBeforeFirstWrite"];
const OF_VERSION_3 = ["writable", "writableBuffer"];

// The response of one invocation, which is a request to the Runtime API that begins with the first write.
class StreamedResponse {
  constructor(api, id, highWaterMark) {
    // A connection of its own, so that errors and the next invocation do not wait behind it.
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    agent.createConnection = (options, connected) => net.createConnection({ ...options, highWaterMark }, connected);
    this.agent = agent;
    const headers = {
      "Lambda-Runtime-Function-Response-Mode": "streaming",
      Trailer: ["Lambda-Runtime-Function-Error-Type", "Lambda-Runtime-Function-Error-Body"],
      "Content-Type": "application/octet-stream",
      "Transfer-Encoding": "chunked",
    };
    const path = `/${VERSION}/runtime/invocation/${encodeURIComponent(id)}/response`;
    const request = http.request({ agent, host: api.host, port: api.port, method: "POST", path, headers });
    this.request = request;
    // Settled once the Runtime API has taken it.
    this.taken = new Promise((resolve, reject) => {
      request.on("response", (answer) => {
        answer.on("aborted", (error) => {
          reject(error);
          request.destroy(error);
        });
        answer.on("end", resolve);
        answer.resume();
      });
      request.on("error", (error) => {
        reject(error);
        request.destroy(error);
      });
    });
    this.taken.catch(() => {});
    // Nobody handles this one: as with AWS's client, a response that cannot be sent is the end of the process.
    new Promise((resolve, reject) => {
      request.on("response", resolve);
      request.on("error", reject);
    });
    const write = request.write.bind(request);
    let isWritten = false;
    request.write = (chunk, encoding, done) => {
      const isBytes = Buffer.isBuffer(chunk) || (CLIENT_4 ? chunk instanceof Uint8Array : chunk?.constructor === Uint8Array);
      if (!isWritten && typeof request._onBeforeFirstWrite === "function") request._onBeforeFirstWrite((first) => write(first));
      const hasRoom = write(typeof chunk === "string" || isBytes ? chunk : JSON.stringify(chunk), encoding, done);
      isWritten = true;
      return hasRoom;
    };
    if (!CLIENT_4) {
      const end = request.end.bind(request);
      request.end = (last) => {
        end(last);
      };
    }
    request.setContentType = (contentType) => {
      if (isWritten) throw new Fault("Runtime.InvalidStreamingOperation", "Cannot set content-type, too late.");
      request.setHeader("Content-Type", contentType);
    };
    this.stream = Object.fromEntries(STREAM_METHODS.map((name) => [name, request[name].bind(request)]));
    const get = (name) => () => request[name];
    const set = (name) => (value) => {
      request[name] = value;
    };
    for (const name of STREAM_STATE) Object.defineProperty(this.stream, name, { get: get(name) });
    for (const name of STREAM_SETTABLE) Object.defineProperty(this.stream, name, { get: get(name), set: set(name) });
    if (CLIENT_4) Object.defineProperty(this.stream, "writable", { get: get("writable") });
    else for (const name of OF_VERSION_3) Object.defineProperty(this.stream, name, { get: get(name), set: name === "writable" ? set(name) : undefined });
  }

  // What went wrong goes out behind what was written, if anything was.
  fail(error) {
    const told = toldError(error);
    this.request.addTrailers({
      "Lambda-Runtime-Function-Error-Type": told.errorType,
      "Lambda-Runtime-Function-Error-Body": Buffer.from(JSON.stringify(told)).toString("base64"),
    });
    this.request.end();
  }
}

// `awslambda`, which functions that stream their response use.
function setUpGlobals() {
  globalThis.awslambda = {
    streamifyResponse(handler, options) {
      handler[STREAMING] = "response";
      if (typeof options?.highWaterMark === "number") handler[HIGH_WATER_MARK] = Number.parseInt(options.highWaterMark, 10);
      return handler;
    },
    HttpResponseStream: {
      from(stream, metadata) {
        stream.setContentType("application/vnd.awslambda.http-integration-response");
        const prelude = JSON.stringify(metadata);
        stream._onBeforeFirstWrite = (write) => {
          write(prelude);
          write(new Uint8Array(8));
        };
        return stream;
      },
    },
  };
}

function stringified(result) {
  let text;
  try {
    text = JSON.stringify(result === undefined ? null : result);
  } catch {
    const message = "Unable to stringify response body";
    throw CLIENT_4 ? new Fault("Runtime.JSONStringifyError", message) : new Error(message);
  }
  // A function or a symbol has no JSON. This is how AWS's client says so.
  if (text === undefined) throw new TypeError("Wrong arguments");
  return text;
}

const isPromise = (value) => typeof value?.then === "function";

function fromJson(headers, name, label) {
  const text = headers[name];
  if (!text) return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`Cannot parse ${label} as json: ${error}`);
  }
}

// What a handler gets as its second argument, but for the callbacks. The order is that in which it shows them.
function contextOf(headers) {
  const deadline = Number(headers["lambda-runtime-deadline-ms"]);
  const ofVersion = { functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION };
  const ofName = { functionName: process.env.AWS_LAMBDA_FUNCTION_NAME };
  const environment = {
    ...(CLIENT_4 ? { ...ofName, ...ofVersion } : { ...ofVersion, ...ofName }),
    memoryLimitInMB: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: process.env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: process.env.AWS_LAMBDA_LOG_STREAM_NAME,
  };
  const invocation = {
    clientContext: fromJson(headers, "lambda-runtime-client-context", "ClientContext"),
    identity: fromJson(headers, "lambda-runtime-cognito-identity", "CognitoIdentity"),
    invokedFunctionArn: headers["lambda-runtime-invoked-function-arn"],
    awsRequestId: headers["lambda-runtime-aws-request-id"],
    tenantId: headers["lambda-runtime-aws-tenant-id"],
    ...(CLIENT_4 && { xRayTraceId: headers["lambda-runtime-trace-id"] || "" }),
    getRemainingTimeInMillis: () => deadline - Date.now(),
  };
  return CLIENT_4 ? { ...invocation, ...environment } : { ...environment, ...invocation };
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
      const running = this.handleOnce();
      if (CLIENT_4) return;
      running.catch((error) => {
        console.log(`Unexpected Top Level Error: ${error}`);
        this.end(error, UNCAUGHT_EXCEPTION_STATUS);
      });
    });
  }

  async handleOnce() {
    const { headers, body } = await this.api.next();
    this.id = requestId = headers["lambda-runtime-aws-request-id"];
    tenantId = headers["lambda-runtime-aws-tenant-id"];
    const trace = headers["lambda-runtime-trace-id"];
    if (trace) process.env._X_AMZN_TRACE_ID = trace;
    else delete process.env._X_AMZN_TRACE_ID;
    if (this.handler[STREAMING]) await this.handleStreaming(headers, body);
    else if (CLIENT_4) await this.handleAsync(contextOf(headers), JSON.parse(body.toString()));
    else this.handleBuffered(headers, body);
  }

  // As version 4 of AWS's client does: the handler's result counts, and nothing else is waited for.
  async handleAsync(context, event) {
    const id = this.id;
    const pause = () => new Promise((resolve) => setImmediate(resolve));
    this.whenIdle = () => {
      const fault = new Fault(
        "Runtime.NodeJsExit",
        "The Lambda runtime client detected an unexpected Node.js exit code. This is most commonly caused by a Promise that was never settled. For more information, see https://nodejs.org/docs/latest/api/process.html#exit-codes",
      );
      logError("Invoke Error", fault);
      this.api.fail(id, fault).then(() => process.exit(UNSETTLED_STATUS));
    };
    try {
      const result = await this.handler(event, context);
      await pause();
      const text = stringified(result);
      this.whenIdle = null;
      await this.api.respond(id, text, "application/json");
    } catch (error) {
      await pause();
      this.whenIdle = null;
      logError("Invoke Error", error);
      await this.api.fail(id, error);
    }
    this.schedule();
  }

  // As version 3 does.
  handleBuffered(headers, body) {
    const { own, callback, answered } = this.callbacks();
    // A handler that never answers has answered with nothing once there is nothing left to do.
    this.whenIdle = () => {
      answered();
      this.answer(null);
    };
    try {
      const context = Object.assign(own, contextOf(headers));
      const result = this.handler(JSON.parse(body.toString()), context, callback);
      if (isPromise(result)) result.then(own.succeed, own.fail).catch(own.fail);
    } catch (error) {
      callback(error);
    }
  }

  answer(result) {
    this.api.respond(this.id, stringified(result), "application/json").then(() => this.schedule());
  }

  // The ways in which a handler may answer. The first one counts.
  callbacks() {
    let isAnswered = false;
    let waits = true;
    const answered = () => {
      isAnswered = true;
    };
    const fail = (error) => {
      this.whenIdle = null;
      logError("Invoke Error", error);
      this.api.fail(this.id, error).then(() => this.schedule());
    };
    const succeed = (result) => {
      if (isAnswered) {
        console.error("Invocation has already been reported as done. Cannot call complete more than once per invocation.");
        return;
      }
      isAnswered = true;
      this.answer(result);
    };
    const isNothing = (value) => value === undefined || value === null;
    const done = (error, result) => {
      this.whenIdle = null;
      if (isNothing(error)) succeed(result);
      else fail(error);
    };
    const callback = (error, result) => {
      if (!isNothing(error) || !waits) return done(error, result);
      this.whenIdle = () => setImmediate(() => succeed(result));
    };
    let finished = false;
    const once = (answer) => (...values) => {
      if (finished) return;
      answer(...values);
      // Only now: an answer that could not be given leaves room for the error that says so.
      finished = true;
    };
    const own = {
      get callbackWaitsForEmptyEventLoop() {
        return waits;
      },
      set callbackWaitsForEmptyEventLoop(value) {
        waits = value;
      },
      succeed: once((result) => done(null, result)),
      fail: once((error) => done(isNothing(error) ? "handled" : error)),
      done: once(done),
    };
    return { own, callback: once(callback), answered };
  }

  async handleStreaming(headers, body) {
    const event = CLIENT_4 ? JSON.parse(body.toString()) : undefined;
    const mark = Number.parseInt(this.handler[HIGH_WATER_MARK], 10);
    const response = new StreamedResponse(this.api, this.id, mark || undefined);
    const { stream } = response;
    let waits = true;
    const own = {
      get callbackWaitsForEmptyEventLoop() {
        return waits;
      },
      set callbackWaitsForEmptyEventLoop(value) {
        waits = value;
      },
    };
    const next = () => {
      // Its connection is of no use to the next invocation.
      response.agent.destroy();
      this.whenIdle = null;
      if (CLIENT_4 || !waits) this.schedule();
      else this.whenIdle = () => setImmediate(() => this.schedule());
    };
    const unasync = "Streaming does not support non-async handlers.";
    const unfinished = "Response stream is not finished.";
    try {
      const context = CLIENT_4 ? contextOf(headers) : Object.assign(own, contextOf(headers));
      const result = this.handler(CLIENT_4 ? event : JSON.parse(body.toString()), stream, context);
      if (!isPromise(result)) throw CLIENT_4 ? new Error(unasync) : unasync;
      if ((await result) !== undefined) console.warn("Streaming handlers ignore return values.");
      await response.taken;
      if (!stream.writableFinished) throw CLIENT_4 ? new Error(unfinished) : unfinished;
    } catch (error) {
      if (this.isEnding) return;
      if (CLIENT_4) await new Promise((resolve) => setImmediate(resolve));
      logError("Invoke Error", error);
      response.fail(error);
      await response.taken.catch(() => {});
    }
    next();
  }

  // Tell what went wrong and end. The server starts another worker.
  end(error, status) {
    this.isEnding = true;
    const exit = () => process.exit(status);
    const told = this.id === undefined ? this.api.failInit(error) : this.api.fail(this.id, error);
    told.then(exit, exit);
  }
}

async function main() {
  setUpConsole();
  if (!["1", "true"].includes(process.env.AWS_LAMBDA_NODEJS_NO_GLOBAL_AWSLAMBDA)) setUpGlobals();
  const api = new RuntimeApi(process.env.AWS_LAMBDA_RUNTIME_API);
  const runtime = new Runtime(api);
  // Version 4 leaves these to Node.js, which ends the process with 1.
  if (!CLIENT_4) {
    process.on("uncaughtException", (error) => {
      logError("Uncaught Exception", error);
      runtime.end(error, UNCAUGHT_EXCEPTION_STATUS);
    });
    process.on("unhandledRejection", (reason, promise) => {
      const error = new Fault("Runtime.UnhandledPromiseRejection", reason);
      error.reason = reason;
      error.promise = promise;
      logError("Unhandled Promise Rejection", error);
      runtime.end(error, UNHANDLED_REJECTION_STATUS);
    });
  }
  try {
    runtime.handler = await loadHandler(process.env.LAMBDA_TASK_ROOT, process.env._HANDLER);
  } catch (error) {
    if (!CLIENT_4) throw error;
    logError("Init Error", error);
    await api.failInit(error);
    throw error;
  }
  runtime.schedule();
}

// Version 3 waits for its own end, so that what fails at the start is an uncaught exception and no unhandled rejection.
if (CLIENT_4) main();
else await main();
