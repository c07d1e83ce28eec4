// Starts Millstream for tests: Amazon Kinesis and AWS Lambda, in memory, on a free port of this machine.

import { spawn } from "node:child_process";
import { accessSync, constants, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const START_LIMIT_MILLIS = 60_000;
const REGION = "us-east-1";

/** The server's program: `MILLSTREAM_BIN`, or `millstream` in PATH. */
function program() {
  const named = process.env.MILLSTREAM_BIN;
  const candidates = named ? [named] : (process.env.PATH ?? "").split(delimiter).map((directory) => join(directory, "millstream"));
  for (const candidate of candidates) {
    try {
      accessSync(candidate, constants.X_OK);
      return candidate;
    } catch {
      // The next one, perhaps.
    }
  }
  throw new Error(
    "the program millstream was not found: put it in PATH, or name it with the environment variable MILLSTREAM_BIN " +
      "(`cargo build --release` makes target/release/millstream)",
  );
}

/**
 * Starts a server. Resolves when it answers, to
 * - `endpoint`: its URL,
 * - `clientConfig`: what an AWS SDK client takes to use it,
 * - `environment`: variables with which any AWS SDK and the AWS command line use it,
 * - `stop()`: ends it; what it kept is gone.
 *
 * `options.arguments` are further arguments of `millstream serve`.
 */
export async function startMillstream(options = {}) {
  const binary = program();
  const scratch = mkdtempSync(join(tmpdir(), "millstream-test-"));
  const [ready, log] = [join(scratch, "ready"), join(scratch, "log")];
  const output = openSync(log, "w");
  const flags = ["serve", "--memory", "--bind", "127.0.0.1:0", "--ready-file", ready, ...(options.arguments ?? [])];
  const child = spawn(binary, flags, { stdio: ["ignore", output, output] });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const end = () => child.kill("SIGKILL");
  process.once("exit", end);
  const stop = async () => {
    process.removeListener("exit", end);
    end();
    await ended;
    rmSync(scratch, { recursive: true, force: true });
  };
  const deadline = Date.now() + START_LIMIT_MILLIS;
  for (;;) {
    const endpoint = existsSync(ready) ? readFileSync(ready, "utf8").trim() : "";
    if (endpoint) return describe(endpoint, stop);
    if (child.exitCode !== null || child.signalCode !== null || Date.now() > deadline) {
      const said = readFileSync(log, "utf8");
      await stop();
      throw new Error(`Millstream did not start. It said:\n${said}`);
    }
    await sleep(5);
  }
}

function describe(endpoint, stop) {
  return {
    endpoint,
    clientConfig: { endpoint, region: REGION, credentials: { accessKeyId: "test", secretAccessKey: "test" } },
    environment: {
      AWS_ENDPOINT_URL: endpoint,
      AWS_REGION: REGION,
      AWS_DEFAULT_REGION: REGION,
      AWS_ACCESS_KEY_ID: "test",
      AWS_SECRET_ACCESS_KEY: "test",
      AWS_EC2_METADATA_DISABLED: "true",
    },
    stop,
  };
}
