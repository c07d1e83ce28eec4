// Functions and event source mappings through the AWS SDK for JavaScript, from their creation to their end.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import * as Kinesis from "@aws-sdk/client-kinesis";
import * as Lambda from "@aws-sdk/client-lambda";

import { startServer } from "./server.mjs";

const PATIENCE_SECONDS = 60;
const RUNTIME = `nodejs${process.versions.node.split(".")[0]}.x`;
const ECHO = `
export const handler = async (event, context) => {
  console.log("saw", event);
  if (event === "fail") throw new TypeError("as asked");
  return { echo: event, version: context.functionVersion };
};
`;
const REMEMBER = `
const seen = [];
export const handler = async (event) => {
  for (const record of event.Records ?? []) seen.push(Buffer.from(record.kinesis.data, "base64").toString());
  return { seen };
};
`;
let scratch, server, kinesis, lambda;

before(async () => {
  scratch = mkdtempSync(join(tmpdir(), "millstream-functions-"));
  server = await startServer();
  const settings = {
    endpoint: server.address,
    region: "us-east-1",
    credentials: { accessKeyId: "test", secretAccessKey: "test" },
    maxAttempts: 1,
  };
  kinesis = new Kinesis.KinesisClient(settings);
  lambda = new Lambda.LambdaClient(settings);
});

after(async () => {
  kinesis?.destroy();
  lambda?.destroy();
  await server?.stop();
  rmSync(scratch, { recursive: true, force: true });
});

/** A zip with one module, made by the Python that every machine with these tests has. */
function zip(source) {
  writeFileSync(join(scratch, "index.mjs"), source);
  execFileSync("python3", ["-m", "zipfile", "-c", "code.zip", "index.mjs"], { cwd: scratch });
  return readFileSync(join(scratch, "code.zip"));
}

const waiting = () => ({ client: lambda, maxWaitTime: PATIENCE_SECONDS, minDelay: 0.05, maxDelay: 0.2 });
const updated = (name) => Lambda.waitUntilFunctionUpdatedV2(waiting(), { FunctionName: name });

async function deploy(name, source) {
  const made = await lambda.send(
    new Lambda.CreateFunctionCommand({
      FunctionName: name,
      Runtime: RUNTIME,
      Handler: "index.handler",
      Role: "arn:aws:iam::000000000000:role/function",
      Timeout: 20,
      Code: { ZipFile: zip(source) },
      Environment: { Variables: { FROM: "node" } },
    }),
  );
  assert.equal(made.State, "Pending");
  await Lambda.waitUntilFunctionActiveV2(waiting(), { FunctionName: name });
  return made.FunctionArn;
}

async function invoke(name, payload, more = {}) {
  const answer = await lambda.send(new Lambda.InvokeCommand({ FunctionName: name, Payload: JSON.stringify(payload), ...more }));
  return { ...answer, body: JSON.parse(answer.Payload.transformToString()) };
}

async function eventually(what, probe) {
  const deadline = Date.now() + PATIENCE_SECONDS * 1000;
  while (!(await probe())) {
    assert.ok(Date.now() < deadline, `in time, ${what}`);
    await sleep(20);
  }
}

test("a function is created, invoked, changed and deleted", async () => {
  const arn = await deploy("life", ECHO);
  const answer = await invoke("life", { a: "é" }, { LogType: "Tail" });
  assert.deepEqual([answer.StatusCode, answer.FunctionError, answer.ExecutedVersion], [200, undefined, "$LATEST"]);
  assert.deepEqual(answer.body, { echo: { a: "é" }, version: "$LATEST" });
  const log = Buffer.from(answer.LogResult, "base64").toString();
  assert.match(log, /saw { a: 'é' }/);
  assert.match(log, /REPORT RequestId: /);
  const failed = await invoke("life", "fail");
  assert.equal(failed.FunctionError, "Unhandled");
  assert.deepEqual([failed.body.errorType, failed.body.errorMessage], ["TypeError", "as asked"]);

  await lambda.send(new Lambda.UpdateFunctionCodeCommand({ FunctionName: "life", ZipFile: zip(ECHO.replace("echo:", "changed:")) }));
  await updated("life");
  await lambda.send(new Lambda.UpdateFunctionConfigurationCommand({ FunctionName: "life", MemorySize: 256 }));
  await updated("life");
  assert.deepEqual((await invoke(arn, 1)).body, { changed: 1, version: "$LATEST" });
  const settings = await lambda.send(new Lambda.GetFunctionConfigurationCommand({ FunctionName: "life" }));
  assert.deepEqual([settings.MemorySize, settings.Environment], [256, { Variables: { FROM: "node" } }]);
  await lambda.send(new Lambda.TagResourceCommand({ Resource: arn, Tags: { team: "a", stage: "test" } }));
  await lambda.send(new Lambda.UntagResourceCommand({ Resource: arn, TagKeys: ["stage"] }));
  assert.deepEqual((await lambda.send(new Lambda.ListTagsCommand({ Resource: arn }))).Tags, { team: "a" });
  await lambda.send(new Lambda.DeleteFunctionCommand({ FunctionName: "life" }));
  await assert.rejects(invoke("life", 1), (error) => {
    assert.ok(error instanceof Lambda.ResourceNotFoundException, error.name);
    assert.equal(error.$metadata.httpStatusCode, 404);
    return true;
  });
});

test("a streamed response arrives while the function writes it", async () => {
  const source = `
    import net from "node:net";
    const word = (port) => new Promise((resolve) => net.connect(port, "127.0.0.1").on("close", resolve).resume());
    export const handler = awslambda.streamifyResponse(async (event, stream) => {
      stream.write("first");
      await word(event.port);
      if (event.fail) throw new RangeError(event.fail);
      stream.end("last");
    });
  `;
  await deploy("streams", source);
  // The function goes on only once the client has seen what it has written.
  const heard = net.createServer();
  await new Promise((resolve) => heard.listen(0, "127.0.0.1", resolve));
  const run = async (event) => {
    const events = [];
    const waits = once(heard, "connection");
    const Payload = JSON.stringify({ port: heard.address().port, ...event });
    const answer = await lambda.send(new Lambda.InvokeWithResponseStreamCommand({ FunctionName: "streams", Payload, LogType: "Tail" }));
    assert.deepEqual([answer.StatusCode, answer.ExecutedVersion], [200, "$LATEST"]);
    for await (const event of answer.EventStream) {
      events.push(event);
      if (events.length === 1) (await waits)[0].end();
    }
    const complete = events.pop().InvokeComplete;
    assert.match(Buffer.from(complete.LogResult, "base64").toString(), /REPORT RequestId: /);
    return [events.map(({ PayloadChunk }) => Buffer.from(PayloadChunk.Payload).toString()), complete];
  };
  try {
    const [chunks, complete] = await run({});
    assert.deepEqual([chunks, complete.ErrorCode], [["first", "last"], undefined]);
    const [half, failed] = await run({ fail: "as asked" });
    assert.deepEqual([half, failed.ErrorCode], [["first"], "Unhandled"]);
    const { errorType, errorMessage } = JSON.parse(failed.ErrorDetails);
    assert.deepEqual([errorType, errorMessage], ["RangeError", "as asked"]);
  } finally {
    heard.close();
  }
  const dry = await lambda.send(new Lambda.InvokeWithResponseStreamCommand({ FunctionName: "streams", InvocationType: "DryRun" }));
  assert.equal(dry.StatusCode, 204);
  await assert.rejects(lambda.send(new Lambda.InvokeWithResponseStreamCommand({ FunctionName: "gone" })), Lambda.ResourceNotFoundException);
});

test("versions, aliases and layers", async () => {
  writeFileSync(join(scratch, "shared.mjs"), "export const value = 'from the layer';\n");
  execFileSync("python3", ["-m", "zipfile", "-c", "layer.zip", "shared.mjs"], { cwd: scratch });
  const layer = await lambda.send(
    new Lambda.PublishLayerVersionCommand({ LayerName: "library", Content: { ZipFile: readFileSync(join(scratch, "layer.zip")) } }),
  );
  await deploy("versioned", 'export const handler = async () => (await import("/opt/shared.mjs")).value;\n');
  await lambda.send(new Lambda.UpdateFunctionConfigurationCommand({ FunctionName: "versioned", Layers: [layer.LayerVersionArn] }));
  await updated("versioned");
  const published = await lambda.send(new Lambda.PublishVersionCommand({ FunctionName: "versioned" }));
  assert.equal(published.Version, "1");
  await lambda.send(new Lambda.CreateAliasCommand({ FunctionName: "versioned", Name: "live", FunctionVersion: "1" }));
  const answer = await invoke("versioned", null, { Qualifier: "live" });
  assert.deepEqual([answer.ExecutedVersion, answer.body], ["1", "from the layer"]);
  const second = await lambda.send(
    new Lambda.UpdateFunctionCodeCommand({ FunctionName: "versioned", ZipFile: zip(ECHO), Publish: true }),
  );
  await updated("versioned");
  await lambda.send(new Lambda.UpdateAliasCommand({ FunctionName: "versioned", Name: "live", FunctionVersion: second.Version }));
  assert.equal((await lambda.send(new Lambda.GetAliasCommand({ FunctionName: "versioned", Name: "live" }))).FunctionVersion, "2");
  assert.deepEqual((await invoke("versioned:live", 1)).body, { echo: 1, version: "2" });
  const versions = [];
  for await (const page of Lambda.paginateListVersionsByFunction({ client: lambda, pageSize: 1 }, { FunctionName: "versioned" })) {
    versions.push(...page.Versions.map((version) => version.Version));
  }
  assert.deepEqual(versions, ["$LATEST", "1", "2"]);
  await lambda.send(new Lambda.DeleteAliasCommand({ FunctionName: "versioned", Name: "live" }));
  await assert.rejects(invoke("versioned:live", 1), Lambda.ResourceNotFoundException);
});

test("a stream is mapped to a function", async () => {
  await kinesis.send(new Kinesis.CreateStreamCommand({ StreamName: "mapped", ShardCount: 1 }));
  const patient = { client: kinesis, maxWaitTime: PATIENCE_SECONDS, minDelay: 0.05, maxDelay: 0.2 };
  await Kinesis.waitUntilStreamExists(patient, { StreamName: "mapped" });
  const described = await kinesis.send(new Kinesis.DescribeStreamSummaryCommand({ StreamName: "mapped" }));
  const stream = described.StreamDescriptionSummary.StreamARN;
  await deploy("worker", REMEMBER);
  // One worker has one memory.
  await lambda.send(new Lambda.PutFunctionConcurrencyCommand({ FunctionName: "worker", ReservedConcurrentExecutions: 1 }));
  const { UUID, State } = await lambda.send(
    new Lambda.CreateEventSourceMappingCommand({
      EventSourceArn: stream,
      FunctionName: "worker",
      StartingPosition: "TRIM_HORIZON",
      FilterCriteria: { Filters: [{ Pattern: JSON.stringify({ partitionKey: ["k"] }) }] },
      FunctionResponseTypes: ["ReportBatchItemFailures"],
    }),
  );
  assert.equal(State, "Creating");
  for (const [key, text] of [["k", "one"], ["other", "not this"], ["k", "two"]]) {
    await kinesis.send(new Kinesis.PutRecordCommand({ StreamName: "mapped", PartitionKey: key, Data: Buffer.from(text) }));
  }
  await eventually("the function has seen what passes the filter, in order", async () => {
    try {
      const { seen } = (await invoke("worker", {})).body;
      return seen.join() === "one,two";
    } catch (error) {
      assert.ok(error instanceof Lambda.TooManyRequestsException, error.message);
      return false;
    }
  });
  const get = () => lambda.send(new Lambda.GetEventSourceMappingCommand({ UUID }));
  assert.equal((await get()).State, "Enabled");
  assert.ok((await get()).LastModified instanceof Date);
  const listed = await lambda.send(new Lambda.ListEventSourceMappingsCommand({ FunctionName: "worker" }));
  assert.deepEqual(listed.EventSourceMappings.map((mapping) => mapping.UUID), [UUID]);
  const changed = await lambda.send(new Lambda.UpdateEventSourceMappingCommand({ UUID, BatchSize: 7, Enabled: false }));
  assert.equal(changed.BatchSize, 7);
  await eventually("the mapping is disabled", async () => (await get()).State === "Disabled");
  assert.equal((await lambda.send(new Lambda.DeleteEventSourceMappingCommand({ UUID }))).State, "Deleting");
  await eventually("the mapping is gone", async () => {
    try {
      await get();
      return false;
    } catch (error) {
      assert.ok(error instanceof Lambda.ResourceNotFoundException, error.message);
      return true;
    }
  });
});
