/**
 * Memory stays bounded and service comes back by itself, whatever peers do: devices that never
 * read, requests that never end at every door, senders faster than the store.
 *
 * @module
 */

import { assert, assertEquals, assertLess } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { within } from "../support/arrivals.ts";
import { PushClient } from "../support/push_client.ts";
import { opaqueBody, post } from "../support/sender.ts";
import { Service } from "../support/service.ts";
import { WebSocketClient } from "../support/websocket_client.ts";

const V8_FLAGS = "--max-semi-space-size=4,--max-old-space-size=300";
const PEAK_BYTES_MAX = 300 * 1_024 * 1_024;
/** Root of a user and a network name space of its own, where the buffers of TCP are small. */
const SMALL_NETWORK = ["unshare", "--user", "--map-root-user", "--net"];
const SMALL_BUFFERS = "PATH=$PATH:/usr/sbin; ip link set lo up && cd /proc/sys/net/ipv4 && " +
  'echo "4096 8192 8192" > tcp_wmem && echo "4096 8192 8192" > tcp_rmem && cd "$1" && shift && exec "$@"';
const ROOT = new URL("../../", import.meta.url).pathname;

Deno.test({
  name: "Two thousand devices that never read take a bounded amount of memory together",
  ignore: !hasNetworks(),
  async fn() {
    const program = [Deno.execPath(), "run", "-A", "tests/end_to_end/deaf_devices.ts"];
    const [command = "", ...args] = [...SMALL_NETWORK, "sh", "-c", SMALL_BUFFERS, "sh", ROOT];
    const { code, stderr } = await new Deno.Command(command, {
      args: [...args, ...program],
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).output();
    assertEquals(code, 0, new TextDecoder().decode(stderr));
  },
});

/** Half requests, one kind for each door. */
const HALVES = [
  "POST /wpush/v1/x HTTP/1.1\r\nHost: localhost\r\nX-Long: ",
  "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nX-Long: ",
  "GET /metrics HTTP/1.1\r\nHost: localhost\r\nX-Long: ",
];
/** Half requests at each door; with four kilobytes each they are as large as they get. */
const HALF_OPEN = 800;
/** The doors cut a head that is not complete after 10 s; the rest is for a busy machine. */
const CUT_MS = 20_000;
/** How long a good peer may take while its door is full of half requests. */
const GOOD_MS = 5_000;

Deno.test("Half requests at all doors are cut, and hold up nobody", async () => {
  await using service = await Service.start({ v8Flags: V8_FLAGS });
  await using good = await PushClient.connect(service.deviceUrl);
  const { endpoint } = await good.register();
  const ports = [service.endpointPort, service.devicePort, service.apiPort];
  await using stack = new AsyncDisposableStack();
  const cut: Promise<unknown>[] = [];
  for (const [index, port] of ports.entries()) {
    for (let i = 0; i < HALF_OPEN; i++) {
      const half = stack.use(await WebSocketClient.open({ port }));
      await half.raw(`${HALVES[index]}${"x".repeat(4_000)}`);
      cut.push(ended(half));
    }
  }
  const goodOnes = async () => {
    assertEquals((await post(endpoint, opaqueBody(100))).status, 201);
    await using fresh = await PushClient.connect(service.deviceUrl);
    await fresh.ping();
    const health = await fetch(`http://127.0.0.1:${service.apiPort}/readyz`);
    assertEquals(await health.json().then(({ ready }: { ready: boolean }) => ready), true);
  };
  await within(goodOnes(), GOOD_MS, "good peers among the half ones");
  await within(Promise.all(cut), CUT_MS, "the doors to cut all half requests");
  await good.notifications.until(() => true, { what: "the good message" });
  assertLess(service.peakBytes(), PEAK_BYTES_MAX);
});

/** Waits, without the client's own deadline, until the server has ended this connection. */
async function ended(client: WebSocketClient): Promise<void> {
  for (;;) {
    try {
      await client.http();
      return;
    } catch (error) {
      if (!(error instanceof Error && error.message.startsWith("Waited"))) throw error;
    }
  }
}

/** Posts on each connection without waiting for answers: as many as the store may have waiting, and more. */
const SENDERS = 80;
const PIPELINED = 64;

Deno.test("Senders faster than the store are answered 503 with Retry-After, until it is well again", async () => {
  await using service = await Service.start({ v8Flags: V8_FLAGS });
  const device = await PushClient.connect(service.deviceUrl);
  const { uaid } = device;
  const { endpoint } = await device.register();
  await device.close();
  const { host, pathname } = new URL(endpoint);
  const body = "x".repeat(4_000);
  const request = `POST ${pathname} HTTP/1.1\r\nHost: ${host}\r\nTTL: 60\r\n` +
    `Content-Encoding: aes128gcm\r\nContent-Length: ${body.length}\r\n`;
  const all = `${request}\r\n${body}`.repeat(PIPELINED - 1) +
    `${request}Connection: close\r\n\r\n${body}`;
  using blocker = new DatabaseSync(`${service.dataDir}/messages.sqlite`);
  blocker.exec("BEGIN IMMEDIATE"); // Nobody else can write now.
  const answers = (await Promise.all(Array.from({ length: SENDERS }, async () => {
    await using sender = await WebSocketClient.open({ port: service.endpointPort });
    await sender.raw(all);
    const { status, body } = await sender.http();
    assertEquals(status, 503);
    return body;
  }))).join("");
  assertEquals(answers.match(/HTTP\/1\.1 503 /g)?.length, SENDERS * (PIPELINED - 1));
  assertEquals(answers.match(/Retry-After: \d+\r/g)?.length, SENDERS * (PIPELINED - 1));
  assert(!answers.includes("HTTP/1.1 201"));
  const busy = await fetch(`http://127.0.0.1:${service.apiPort}/readyz`);
  assertEquals((await busy.body?.cancel(), busy.status), 503);
  blocker.exec("ROLLBACK");
  const accepted = await post(endpoint, opaqueBody(100));
  const well = await fetch(`http://127.0.0.1:${service.apiPort}/readyz`);
  assertEquals([accepted.status, (await well.body?.cancel(), well.status)], [201, 200]);
  await using back = await PushClient.connect(service.deviceUrl, { uaid });
  await back.notifications.until(() => true, { what: "the accepted message" });
  await back.ping();
  assertEquals(back.notifications.size, 1); // What was refused was not stored.
  assertLess(service.peakBytes(), PEAK_BYTES_MAX);
});

/** Whether the system lets a process have a network of its own with other buffers. */
function hasNetworks(): boolean {
  const [command = "", ...args] = [...SMALL_NETWORK, "sh", "-c", SMALL_BUFFERS, "sh", ROOT, "true"];
  return new Deno.Command(command, { args, stdout: "null", stderr: "null" }).outputSync().success;
}
