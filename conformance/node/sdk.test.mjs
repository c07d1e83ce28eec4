// The AWS SDK for JavaScript against the server. Its Kinesis client speaks HTTP/2 with prior knowledge, its Lambda client HTTP/1.1.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import * as Kinesis from "@aws-sdk/client-kinesis";
import * as Lambda from "@aws-sdk/client-lambda";

import { startServer } from "./server.mjs";

const SHARD = "shardId-000000000000";
let server, kinesis, lambda;

before(async () => {
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
});

async function createStream(name, shards = 1) {
  await kinesis.send(new Kinesis.CreateStreamCommand({ StreamName: name, ShardCount: shards }));
  await Kinesis.waitUntilStreamExists({ client: kinesis, maxWaitTime: 30, minDelay: 0.1, maxDelay: 0.2 }, { StreamName: name });
  const described = await kinesis.send(new Kinesis.DescribeStreamSummaryCommand({ StreamName: name }));
  return described.StreamDescriptionSummary;
}

const put = (stream, text) =>
  kinesis.send(new Kinesis.PutRecordCommand({ StreamName: stream, PartitionKey: "k", Data: new TextEncoder().encode(text) }));

const text = (record) => new TextDecoder().decode(record.Data);

test("a stream is created, written and read over HTTP/2", async () => {
  const stream = await createStream("node", 2);
  assert.equal(stream.OpenShardCount, 2);
  assert.ok(stream.StreamCreationTimestamp instanceof Date);

  const answer = await kinesis.send(
    new Kinesis.PutRecordsCommand({
      StreamName: "node",
      Records: ["a", "b", "c"].map((data) => ({ PartitionKey: "k", Data: new TextEncoder().encode(data) })),
    }),
  );
  assert.equal(answer.FailedRecordCount, 0);
  assert.ok(answer.$metadata.requestId);
  const { ShardIterator } = await kinesis.send(
    new Kinesis.GetShardIteratorCommand({ StreamName: "node", ShardId: answer.Records[0].ShardId, ShardIteratorType: "TRIM_HORIZON" }),
  );
  const read = await kinesis.send(new Kinesis.GetRecordsCommand({ ShardIterator }));
  assert.deepEqual(read.Records.map(text), ["a", "b", "c"]);
  assert.deepEqual(
    read.Records.map((record) => record.SequenceNumber),
    answer.Records.map((entry) => entry.SequenceNumber),
  );
});

test("many requests at once share the connection", async () => {
  await createStream("parallel");
  const answers = await Promise.all(Array.from({ length: 50 }, (_, n) => put("parallel", String(n))));
  assert.equal(new Set(answers.map((answer) => answer.SequenceNumber)).size, 50);
});

test("a subscription delivers what was there and what comes", { timeout: 60_000 }, async () => {
  const stream = await createStream("pushed");
  const { Consumer } = await kinesis.send(
    new Kinesis.RegisterStreamConsumerCommand({ StreamARN: stream.StreamARN, ConsumerName: "node" }),
  );
  for (let status; status !== "ACTIVE"; ) {
    const described = await kinesis.send(new Kinesis.DescribeStreamConsumerCommand({ ConsumerARN: Consumer.ConsumerARN }));
    status = described.ConsumerDescription.ConsumerStatus;
  }
  await put("pushed", "before");
  const { EventStream } = await kinesis.send(
    new Kinesis.SubscribeToShardCommand({
      ConsumerARN: Consumer.ConsumerARN,
      ShardId: SHARD,
      StartingPosition: { Type: "TRIM_HORIZON" },
    }),
  );
  const seen = [];
  for await (const event of EventStream) {
    const { Records, ContinuationSequenceNumber } = event.SubscribeToShardEvent;
    assert.ok(ContinuationSequenceNumber);
    seen.push(...Records.map(text));
    if (seen.length === 1 && seen[0] === "before") await put("pushed", "now");
    if (seen.length >= 2) break;
  }
  assert.deepEqual(seen, ["before", "now"]);
});

test("an error has the class the SDK makes of its name", async () => {
  await assert.rejects(kinesis.send(new Kinesis.DescribeStreamCommand({ StreamName: "nowhere" })), (error) => {
    assert.ok(error instanceof Kinesis.ResourceNotFoundException, error.name);
    assert.equal(error.message, "Stream nowhere under account 000000000000 not found.");
    return true;
  });
});

test("functions are listed over HTTP/1.1 on the same port", async () => {
  const { Functions } = await lambda.send(new Lambda.ListFunctionsCommand({}));
  assert.deepEqual(Functions, []);
  await assert.rejects(lambda.send(new Lambda.GetFunctionCommand({ FunctionName: "nobody" })), Lambda.ResourceNotFoundException);
});
