/**
 * One bad peer hurts nobody else: good devices exchange messages while garbage of every kind pours
 * in at all doors. No good message may be lost or late, and nothing may crash.
 *
 * What is sent is drawn from a seed; play a run again with `HELIOGRAPH_SEED=… deno test …`.
 *
 * @module
 */

import { assert, assertEquals, assertLess } from "@std/assert";
import { within } from "../support/arrivals.ts";
import { PushClient } from "../support/push_client.ts";
import { chooseSeed, report, Seeded } from "../support/seeded.ts";
import { opaqueBody, post } from "../support/sender.ts";
import { Service } from "../support/service.ts";
import { closePayload, frameBytes, upgradeRequest } from "../support/websocket_client.ts";

/** Good devices, and messages each gets while the hostile ones are at work. */
const DEVICES = 200;
const ROUNDS = 4;
/** Hostile connections at a time, and how many there are in all. */
const HOSTILE = 32;
const ATTACKS = 3_000;
/** Connections that trickle, for as long as the test lasts. */
const TRICKLING = 60;
const TRICKLE_MS = 250;
/** How late a good message may be, in milliseconds, with everything on two cores. */
const LATE_MS = 5_000;
/** How long a hostile connection may stay open before this side ends it. */
const PATIENCE_MS = 300;

const HELLO = `{"messageType":"hello","use_webpush":true}`;
const CHANNEL = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";

/** Messages no device should send. */
const TEXTS: readonly string[] = [
  ...["nope", "[]", "7", "null", '""', '{"messageType":"hello","uaid":7}', "[".repeat(60_000)],
  `{"messageType":"register","channelID":"${CHANNEL}","key":"\u0000"}`,
  `{"__proto__":{"messageType":"hello"},"constructor":{"prototype":{"x":1}}}`,
  `{"messageType":"ack","updates":[{"channelID":"x","version":1e400,"code":-0}]}`,
  `{"messageType":"ack","updates":${JSON.stringify(new Array(500).fill({ version: "x" }))}}`,
  `{"messageType":"broadcast_subscribe","broadcasts":{"__proto__":"a","toString":"b"}}`,
  `{"messageType":"unregister","channelID":"${"é".repeat(20_000)}"}`,
  `{"messageType":"nack","version":"${"\\u202e".repeat(2_000)}","code":301}`,
];

/** Frames no device should send. */
const FRAMES: readonly Uint8Array<ArrayBufferLike>[] = [
  frameBytes({ opcode: 1, payload: "unmasked", masked: false }),
  frameBytes({ opcode: 3 }),
  frameBytes({ opcode: 1, reserved: 4, payload: "x" }),
  frameBytes({ opcode: 9, payload: "x".repeat(126) }),
  frameBytes({ opcode: 0, payload: "no start" }),
  frameBytes({ opcode: 2, payload: "binary" }),
  frameBytes({ opcode: 1, payload: new Uint8Array([0xff, 0xfe]) }),
  frameBytes({ opcode: 1, payload: "x".repeat(65_537) }),
  frameBytes({ opcode: 8, payload: closePayload(1005) }),
  new Uint8Array([0x81, 0xff, 0x3f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4]),
  new Uint8Array([0x81, 0xfe, 0xff]),
];

/** Requests no sender should make, but for their ends. */
const REQUESTS: readonly string[] = [
  "get / HTTP/1.1\r\nHost: localhost\r\n\r\n",
  "POST /wpush/v1/x HTTP/1.1\r\n\r\n",
  "POST /wpush/v2/%00%ff%2e HTTP/1.1\r\nHost: localhost\r\nTTL: 1e9\r\nContent-Length: 5\r\n\r\nhello",
  "POST /wpush/v1/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
  "POST /wpush/v1/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
  "DELETE /m/gAAAAA HTTP/1.1\r\nHost: rebound.example\r\n\r\n",
  "OPTIONS * HTTP/1.1\r\nHost: localhost\r\nOrigin: null\r\nAccess-Control-Request-Method: X\r\n\r\n",
  `GET /${"a".repeat(20_000)} HTTP/1.1\r\nHost: localhost\r\n\r\n`,
  `GET / HTTP/1.1\r\nHost: localhost\r\n${"A: b\r\n".repeat(300)}\r\n`,
  "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
  "CONNECT localhost:1 HTTP/1.1\r\nHost: localhost\r\n\r\n",
  `POST /wpush/v1/x HTTP/1.1\r\nHost: localhost\r\nAuthorization: vapid t=a.b.c, k=${
    "A".repeat(88)
  }\r\n\r\n`,
  "GET /v1/tree HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer \r\n\r\n".repeat(100),
];

Deno.test("Good devices lose nothing and wait for nothing while garbage pours in at all doors", async () => {
  const seed = chooseSeed();
  const random = new Seeded(seed);
  await using service = await Service.start({ flags: ["--log-level", "debug"] });
  await using devices = new AsyncDisposableStack();
  const good = await connectGood(service, devices);
  using _trickle = await trickle(service);
  let left = ATTACKS;
  const attacks = Promise.all(Array.from({ length: HOSTILE }, async () => {
    while (left-- > 0) await attack(service, random);
  }));
  const delays: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    for (const { endpoint, client } of good) {
      const startedAt = performance.now();
      const answer = await post(endpoint, opaqueBody(100, round), { ttlSeconds: 60 });
      assertEquals(answer.status, 201, `seed ${seed}`);
      await client.notifications.until(() => true, {
        what: "a good message",
        count: round + 1,
        withinMs: LATE_MS,
      });
      delays.push(performance.now() - startedAt);
    }
  }
  await attacks;
  await Promise.all(good.map(({ client }) => client.ping()));
  assertEquals(new Set(good.map(({ client }) => client.notifications.size)), new Set([ROUNDS]));
  for (const event of ["actor_crashed", "rejection_", "owner_failed", "gave_up", "_failed"]) {
    assert(!service.stderr.includes(event), `seed ${seed}: ${event} in\n${service.stderr}`);
  }
  delays.sort((a, b) => a - b);
  const p99 = delays[Math.floor(delays.length * 0.99)] ?? 0;
  assertLess(p99, LATE_MS);
  report(
    `\n${ATTACKS} attacks, seed ${seed}: ${delays.length} good messages, p99 ${p99.toFixed(0)} ms`,
  );
  assertEquals(await service.stop(), { code: 0, signal: null });
});

/** A good device and where its messages are posted. */
interface Good {
  readonly client: PushClient;
  readonly endpoint: string;
}

async function connectGood(
  service: Service,
  stack: AsyncDisposableStack,
): Promise<readonly Good[]> {
  const good: Good[] = [];
  for (let i = 0; i < DEVICES; i++) {
    const client = stack.use(await PushClient.connect(service.deviceUrl));
    good.push({ client, endpoint: (await client.register()).endpoint });
  }
  return good;
}

/** One hostile connection: to a door, with garbage of a kind, then what comes is thrown away. */
async function attack(service: Service, random: Seeded): Promise<void> {
  const pick = <T>(items: readonly T[]): T => {
    const item = items[random.between(0, items.length - 1)];
    if (item === undefined) throw new Error("Nothing to pick from");
    return item;
  };
  const upgrade = upgradeRequest({ port: service.devicePort });
  const hello = random.chance(0.5) ? [frameBytes({ opcode: 1, payload: HELLO })] : [];
  const noise = Uint8Array.from({ length: random.between(1, 3_000) }, () => random.between(0, 255));
  const http = pick([service.endpointPort, service.apiPort, service.devicePort]);
  const [port, ...chunks] = pick<readonly [number, ...(string | Uint8Array<ArrayBufferLike>)[]]>([
    [http, pick(REQUESTS)],
    [http, noise],
    [service.devicePort, upgrade, ...hello, pick(FRAMES)],
    [service.devicePort, upgrade, ...hello, frameBytes({ opcode: 1, payload: pick(TEXTS) })],
    [service.devicePort, upgrade, ...hello, noise],
  ]);
  using conn = await Deno.connect({ hostname: "127.0.0.1", port });
  try {
    for (const chunk of chunks) await writeAll(conn, chunk);
    // Half of them stay to hear the answer, the others are gone in the middle of it.
    if (random.chance(0.5)) await within(drain(conn), PATIENCE_MS, "the door's answer");
  } catch {
    // Refused, reset or still waiting: each of them is a right answer to garbage.
  }
}

/** Connections that send a byte now and then and never come to an end. */
async function trickle(service: Service): Promise<Disposable> {
  const head = " / HTTP/1.1\r\nHost: localhost\r\nX: ";
  const body = "POST /wpush/v1/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4000\r\n\r\n";
  const starts = [
    [service.endpointPort, `POST${head}`],
    [service.endpointPort, body],
    [service.apiPort, `GET${head}`],
    [service.devicePort, `GET${head}`],
    [service.devicePort, upgradeRequest({ port: service.devicePort })],
  ] as const;
  const conns = await Promise.all(
    Array.from({ length: TRICKLING / starts.length }, () => starts).flat().map(
      async ([port, start]) => {
        const conn = await Deno.connect({ hostname: "127.0.0.1", port });
        await writeAll(conn, start);
        return conn;
      },
    ),
  );
  const timer = setInterval(() => {
    // Whoever was cut meanwhile cannot be written to.
    for (const conn of conns) conn.write(new Uint8Array([0x81])).catch(() => {});
  }, TRICKLE_MS);
  return {
    [Symbol.dispose]() {
      clearInterval(timer);
      for (const conn of conns) conn.close();
    },
  };
}

async function writeAll(conn: Deno.Conn, chunk: string | Uint8Array<ArrayBufferLike>) {
  const bytes = typeof chunk === "string" ? new TextEncoder().encode(chunk) : chunk;
  for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
}

async function drain(conn: Deno.Conn): Promise<void> {
  const buffer = new Uint8Array(16_384);
  while (await conn.read(buffer) !== null);
}
