// Stands in for the native part of aws-lambda-ric, which needs a C++ compiler, cmake and more to be built: its three calls,
// over Node.js' own HTTP. The rest of the client is AWS's own JavaScript. Loaded with `node --require`.

"use strict";

const http = require("node:http");
const Module = require("node:module");
const { Worker } = require("node:worker_threads");

const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");

// The native client posts and waits: nothing of the function runs meanwhile.
const POST = `
  const http = require("node:http");
  const { workerData } = require("node:worker_threads");
  const { signal, host, port, path, body } = workerData;
  const headers = { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(body) };
  const request = http.request({ host, port, path, method: "POST", headers }, (answer) => {
    answer.resume();
    answer.on("end", () => { Atomics.store(signal, 0, 1); Atomics.notify(signal, 0); });
  });
  request.end(body);
`;

function post(path, ...texts) {
  if (texts.some((text) => typeof text !== "string")) throw new TypeError("Wrong arguments");
  const signal = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(POST, { eval: true, workerData: { signal, host, port, path, body: texts[0] }, stdout: false, env: {}, execArgv: [] });
  worker.unref();
  Atomics.wait(signal, 0, 0);
}

const client = {
  next: () =>
    new Promise((resolve, reject) => {
      const request = http.get({ host, port, path: "/2018-06-01/runtime/invocation/next", agent: false }, (answer) => {
        const chunks = [];
        answer.on("data", (chunk) => chunks.push(chunk));
        answer.on("end", () => {
          const named = (name) => answer.headers[`lambda-runtime-${name}`] ?? "";
          const headers = { "lambda-runtime-deadline-ms": Number(named("deadline-ms")) };
          for (const name of ["aws-request-id", "trace-id", "invoked-function-arn"]) headers[`lambda-runtime-${name}`] = named(name);
          for (const name of ["client-context", "cognito-identity", "aws-tenant-id"]) {
            if (named(name)) headers[`lambda-runtime-${name}`] = named(name);
          }
          resolve({ bodyJson: Buffer.concat(chunks).toString(), headers });
        });
      });
      request.on("error", reject);
    }),
  done: (id, body) => post(`/2018-06-01/runtime/invocation/${id}/response`, body),
  error: (id, body, cause) => post(`/2018-06-01/runtime/invocation/${id}/error`, body, cause),
};

const load = Module._load;
Module._load = function (name, ...rest) {
  return name.endsWith("rapid-client.node") ? client : load.call(this, name, ...rest);
};
