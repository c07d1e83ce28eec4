// HTTP/2 over TLS, chosen by ALPN, as SDKs speak to https:// endpoints.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { promisify } from "node:util";

import { startServer } from "./server.mjs";

const SCRIPT = `
  import { CreateStreamCommand, KinesisClient, ListStreamsCommand } from "@aws-sdk/client-kinesis";
  const client = new KinesisClient({ endpoint: process.argv[1], region: "us-east-1", credentials: { accessKeyId: "a", secretAccessKey: "b" } });
  await client.send(new CreateStreamCommand({ StreamName: "over-tls", ShardCount: 1 }));
  console.log((await client.send(new ListStreamsCommand({}))).StreamNames.join());
  client.destroy();
`;

test("the SDK trusts the server's authority when it is told to", async (t) => {
  const scratch = mkdtempSync(join(tmpdir(), "millstream-tls-test-"));
  const authority = join(scratch, "ca.pem");
  const server = await startServer(["--tls", "self-signed", "--tls-ca-file", authority]);
  t.after(async () => {
    await server.stop();
    rmSync(scratch, { recursive: true, force: true });
  });
  assert.match(server.address, /^https:/);
  const run = (environment) =>
    promisify(execFile)(process.execPath, ["--input-type=module", "-e", SCRIPT, server.address], {
      cwd: import.meta.dirname,
      env: { ...process.env, ...environment },
    });
  const { stdout } = await run({ NODE_EXTRA_CA_CERTS: authority });
  assert.equal(stdout.trim(), "over-tls");
  await assert.rejects(run({ NODE_EXTRA_CA_CERTS: "" }), /certificate/i);
});
