// The AWS SDK for JavaScript against a server that asks who calls. Over HTTP/2 it signs `:authority`, over HTTP/1.1 `host`.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import * as Kinesis from "@aws-sdk/client-kinesis";
import * as Lambda from "@aws-sdk/client-lambda";

import { BINARY, startServer } from "./server.mjs";

let scratch, server, key;
const open = [];

before(async () => {
  scratch = mkdtempSync(join(tmpdir(), "millstream-security-"));
  const file = join(scratch, "credentials.json");
  const made = execFileSync(BINARY, ["credentials", "create", "node", "--admin", "--format", "json", "--credentials", file]);
  const { AccessKeyId: accessKeyId, SecretAccessKey: secretAccessKey } = JSON.parse(made);
  key = { accessKeyId, secretAccessKey };
  server = await startServer(["--credentials", file]);
});

after(async () => {
  for (const client of open) client.destroy();
  await server?.stop();
  rmSync(scratch, { recursive: true, force: true });
});

function client(kind, credentials) {
  const made = new kind({ endpoint: server.address, region: "us-east-1", credentials, maxAttempts: 1 });
  open.push(made);
  return made;
}

test("requests over HTTP/2 are signed with :authority", async () => {
  const kinesis = client(Kinesis.KinesisClient, key);
  await kinesis.send(new Kinesis.CreateStreamCommand({ StreamName: "signed", ShardCount: 1 }));
  const settings = { client: kinesis, maxWaitTime: 30, minDelay: 0.1, maxDelay: 0.2 };
  await Kinesis.waitUntilStreamExists(settings, { StreamName: "signed" });
  const put = await kinesis.send(
    new Kinesis.PutRecordCommand({ StreamName: "signed", PartitionKey: "k", Data: new Uint8Array([0, 255]) }),
  );
  assert.equal(put.ShardId, "shardId-000000000000");
});

test("paths and queries over HTTP/1.1 are signed as they are encoded", async () => {
  const lambda = client(Lambda.LambdaClient, key);
  assert.deepEqual((await lambda.send(new Lambda.ListFunctionsCommand({ MaxItems: 5 }))).Functions, []);
  const missing = "arn:aws:lambda:us-east-1:000000000000:function:none";
  await assert.rejects(
    lambda.send(new Lambda.GetFunctionCommand({ FunctionName: missing, Qualifier: "$LATEST" })),
    { name: "ResourceNotFoundException" },
  );
});

test("another secret, key or token is refused", async () => {
  const cases = [
    [{ ...key, secretAccessKey: `${key.secretAccessKey}x` }, "InvalidSignatureException"],
    [{ ...key, accessKeyId: "MKIAUNKNOWNUNKNOWN00" }, "UnrecognizedClientException"],
    [{ ...key, sessionToken: "none" }, "UnrecognizedClientException"],
  ];
  for (const [credentials, name] of cases) {
    await assert.rejects(client(Kinesis.KinesisClient, credentials).send(new Kinesis.ListStreamsCommand({})), { name });
    await assert.rejects(client(Lambda.LambdaClient, credentials).send(new Lambda.ListFunctionsCommand({})), { name });
  }
});

// A machine whose clock is wrong learns the time from the Date of a refusal, and asks again by itself.
test("a client whose clock is wrong finds its way", async (t) => {
  const right = Date.now();
  for (const minutes of [-20, 20]) {
    t.mock.timers.enable({ apis: ["Date"], now: right + minutes * 60_000 });
    const wrong = client(Kinesis.KinesisClient, key);
    await assert.rejects(wrong.send(new Kinesis.ListStreamsCommand({})), { name: "InvalidSignatureException" });
    const patient = new Kinesis.KinesisClient({ endpoint: server.address, region: "us-east-1", credentials: key });
    open.push(patient);
    const listed = await patient.send(new Kinesis.ListStreamsCommand({}));
    assert.equal(listed.$metadata.attempts, 2, `${minutes} minutes`);
    t.mock.timers.reset();
  }
});
