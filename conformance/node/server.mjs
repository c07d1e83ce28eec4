// A real `millstream serve` process for the tests of this directory.

import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const START_LIMIT_MILLIS = 60_000;
export const BINARY = process.env.MILLSTREAM_BIN ?? fileURLToPath(new URL("../../target/debug/millstream", import.meta.url));

/** Starts a server in memory; its address and how to stop it. */
export async function startServer(more = []) {
  if (!existsSync(BINARY)) throw new Error(`${BINARY} does not exist; run \`cargo build\` first, or set MILLSTREAM_BIN`);
  const scratch = mkdtempSync(join(tmpdir(), "millstream-test-"));
  const ready = join(scratch, "ready");
  const log = join(scratch, "log");
  const output = openSync(log, "w");
  const child = spawn(BINARY, ["serve", "--bind", "127.0.0.1:0", "--memory", "--ready-file", ready, ...more], {
    stdio: ["ignore", output, output],
  });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const stop = async () => {
    child.kill("SIGKILL");
    await ended;
    rmSync(scratch, { recursive: true, force: true });
  };
  process.once("exit", () => child.kill("SIGKILL"));
  const deadline = Date.now() + START_LIMIT_MILLIS;
  for (;;) {
    const address = existsSync(ready) ? readFileSync(ready, "utf8").trim() : "";
    if (address) return { address, stop };
    if (child.exitCode !== null || Date.now() > deadline) {
      const said = readFileSync(log, "utf8");
      await stop();
      throw new Error(`the server did not start:\n${said}`);
    }
    await sleep(10);
  }
}
