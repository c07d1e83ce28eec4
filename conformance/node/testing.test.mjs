// The helper for tests in Node.js, as somebody who tests an application of theirs uses it.

import assert from "node:assert/strict";
import test from "node:test";
import { fileURLToPath } from "node:url";

import { CreateStreamCommand, KinesisClient, ListStreamsCommand } from "@aws-sdk/client-kinesis";

import { startMillstream } from "../../testing/node/index.mjs";

const BINARY = process.env.MILLSTREAM_BIN ?? fileURLToPath(new URL("../../target/debug/millstream", import.meta.url));

test("a server starts, answers the SDK and ends", async () => {
  process.env.MILLSTREAM_BIN = BINARY;
  const server = await startMillstream();
  const kinesis = new KinesisClient(server.clientConfig);
  await kinesis.send(new CreateStreamCommand({ StreamName: "s", ShardCount: 1 }));
  assert.deepEqual((await kinesis.send(new ListStreamsCommand({}))).StreamNames, ["s"]);
  assert.equal(server.environment.AWS_ENDPOINT_URL, server.endpoint);
  kinesis.destroy();
  await server.stop();
  await assert.rejects(fetch(server.endpoint));
});

test("what keeps it from starting is said", async () => {
  process.env.MILLSTREAM_BIN = BINARY;
  await assert.rejects(startMillstream({ arguments: ["--no-such-flag"] }), /did not start[^]*--no-such-flag/);
  process.env.MILLSTREAM_BIN = "/nowhere/millstream";
  await assert.rejects(startMillstream(), /MILLSTREAM_BIN/);
  process.env.MILLSTREAM_BIN = BINARY;
});
