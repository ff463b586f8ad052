/**
 * The promise at its narrowest: the bytes `201` leave the process after the write-ahead log which
 * holds the message was synced, seen in the system calls of the running service.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { programPath } from "../support/programs.ts";
import { PushClient } from "../support/push_client.ts";
import { opaqueBody, post } from "../support/sender.ts";
import { Service } from "../support/service.ts";
import { checkTrace } from "../transports/sqlite/sync_trace.ts";

const POSTS = 100;
const CALLS = "pwrite64,fsync,fdatasync,write,writev,sendto,sendmsg";

Deno.test("No 201 leaves the service before its message was synced", async () => {
  await using service = await Service.start();
  const device = await PushClient.connect(service.deviceUrl);
  const { endpoint } = await device.register();
  await device.close();
  const folder = await Deno.makeTempDir({ prefix: "heliograph-trace-" });
  const file = `${folder}/trace`;
  const tracer = new Deno.Command(programPath("strace"), {
    args: ["-f", "-y", "-s", "24", "-e", `trace=${CALLS}`, "-o", file, "-p", `${service.pid}`],
    stdout: "null",
    stderr: "piped",
  }).spawn();
  try {
    await attached(tracer.stderr);
    for (let count = 0; count < POSTS; count++) {
      const { status } = await post(endpoint, opaqueBody(100), { ttlSeconds: 60 });
      assertEquals(status, 201);
    }
  } finally {
    tracer.kill("SIGINT");
    await tracer.status;
  }
  const trace = await Deno.readTextFile(file);
  await Deno.remove(folder, { recursive: true });
  assertEquals(checkTrace(trace, /"HTTP\/1\.1 201/), { answers: POSTS, early: [] });
});

/** Resolves when strace says that it follows the process; reads on, so that it never has to wait. */
async function attached(stderr: ReadableStream<Uint8Array>): Promise<void> {
  const reader = stderr.getReader();
  let text = "";
  while (!text.includes("attached")) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`Cannot trace the service: ${text}`);
    text += new TextDecoder().decode(value);
  }
  const drain = async () => {
    while (!(await reader.read()).done);
  };
  void drain();
}
