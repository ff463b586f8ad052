import { assert, assertEquals, assertLess, assertStringIncludes } from "@std/assert";
import { connect } from "node:net";
import { LINE_CHARS_MAX, ROWS_STEP, STREAMS_MAX } from "../../../transports/api/limits.ts";
import { plantedCredentials, subscriptionJson } from "../../support/api_fixtures.ts";
import { ApiWorld, type ApiWorldOptions } from "../../support/api_world.ts";

const NDJSON = { type: "application/x-ndjson", token: "send-token" } as const;
const CSV = { type: "text/csv", token: "send-token" } as const;

/** A clock whose deadlines pass, and whose time moves, when the test says so. */
class HandClock {
  time = 0;
  readonly armed = new Map<() => void, number>();

  now(): number {
    return this.time;
  }

  after(ms: number, run: () => void): () => void {
    this.armed.set(run, ms);
    return () => this.armed.delete(run);
  }

  /** Passes the deadlines of so many milliseconds. */
  pass(ms: number): void {
    for (const [run, armedMs] of this.armed) if (armedMs === ms) run();
  }
}

async function shop(options: ApiWorldOptions = {}): Promise<ApiWorld> {
  const world = await ApiWorld.open(options);
  await world.ok("PUT", "/v1/apps/shop", { json: plantedCredentials().body });
  return world;
}

function parsed(text: string): readonly unknown[] {
  return text.trim().split("\n").map((line) => JSON.parse(line));
}

function device(number: number): string {
  const id = `d${String(number).padStart(6, "0")}`;
  return `{"id":"${id}","app":"shop","platform":"apns","token":"${id}"}\n`;
}

Deno.test("an import of 100,000 devices is read no faster than it is stored", async () => {
  const encoder = new TextEncoder();
  const part = 500;
  const rows = 100_000;
  let written = 0;
  let stored = 0;
  let ahead = 0;
  let calls = 0;
  await using world = await shop({
    store: {
      delay: ({ name }) => {
        if (name !== "saveDevices") return undefined;
        calls++;
        ahead = Math.max(ahead, written - stored);
        stored += ROWS_STEP;
        return undefined;
      },
    },
  });
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull(controller) {
      if (written >= rows) return controller.close();
      const lines = Array.from({ length: part }, (_, index) => device(written + index));
      written += part;
      controller.enqueue(encoder.encode(lines.join("")));
    },
  });
  const text = await world.ok("POST", "/v1/devices", { ...NDJSON, body });
  assertEquals(parsed(text).at(-1), { imported: rows, failed: 0, done: true });
  assertEquals(calls, rows / ROWS_STEP);
  // What is on its way is in the buffers of two sockets, a few MB at most: never the whole body.
  assertLess(ahead, rows / 2);
  const { devices } = JSON.parse(
    await world.ok("GET", "/v1/devices?app=shop&after=d099997&limit=5"),
  );
  assertEquals(devices.map(({ id }: { readonly id: string }) => id), ["d099998", "d099999"]);
});

Deno.test("an import holds one part while the store does not answer", async () => {
  const { promise: held, resolve } = Promise.withResolvers<void>();
  let waiting = 0;
  await using world = await shop({
    store: { delay: ({ name }) => name === "saveDevices" && ++waiting > 0 ? held : undefined },
  });
  const lines = Array.from({ length: 5 * ROWS_STEP }, (_, index) => device(index)).join("");
  const asked = world.ok("POST", "/v1/devices", { ...NDJSON, body: lines });
  while (waiting === 0) await new Promise((resolve) => setImmediate(resolve));
  for (let turn = 0; turn < 100; turn++) await new Promise((resolve) => setImmediate(resolve));
  assertEquals(waiting, 1);
  resolve();
  assertEquals(parsed(await asked), [{ imported: 5 * ROWS_STEP, failed: 0, done: true }]);
  assertEquals(waiting, 5);
});

Deno.test("an import tells how far it is while it runs", async () => {
  const clock = new HandClock();
  await using world = await shop({ clock });
  const { readable, writable } = new TransformStream<Uint8Array<ArrayBuffer>>();
  const writer = writable.getWriter();
  const response = await world.fetch("POST", "/v1/devices", { ...NDJSON, body: readable });
  assertEquals(response.headers.get("content-type"), "application/x-ndjson");
  const answer = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  assert(answer !== undefined);
  clock.time += 1_000;
  const part = Array.from({ length: ROWS_STEP }, (_, index) => device(index)).join("");
  await writer.write(new TextEncoder().encode(part));
  const progress = await answer.read();
  assertStringIncludes(progress.value ?? "", '"failed":0}');
  await writer.close();
  const end = await answer.read();
  assertEquals(end.value, '{"imported":1000,"failed":0,"done":true}\n');
  assertEquals((await answer.read()).done, true);
});

Deno.test("an import tells what is wrong by line, and takes the other rows", async () => {
  await using world = await shop();
  const body = [
    device(1).trim(),
    "",
    '{"id":"d2",}',
    '{"id":"d3","app":"shoe","platform":"fcm","token":"t"}',
    '{"id":"d4","app":"shop","platform":"fcm"}\r',
    `{"id":"${"x".repeat(LINE_CHARS_MAX)}"}`,
    "[]",
    device(5).trim(),
  ].join("\n");
  assertEquals(parsed(await world.ok("POST", "/v1/devices", { ...NDJSON, body })), [
    { line: 3, problems: [{ path: "", message: "not JSON at column 12" }] },
    { line: 6, problems: [{ path: "", message: "longer than 65536 characters" }] },
    { line: 4, problems: [{ path: "app", message: 'there is no app "shoe"' }] },
    { line: 5, problems: [{ path: "token", message: "missing" }] },
    { line: 7, problems: [{ path: "", message: "must be an object, found a list of 0" }] },
    { imported: 2, failed: 5, done: true },
  ]);
});

Deno.test("an import tells of a hundred wrong rows and counts the others", async () => {
  await using world = await shop();
  const body = "{}\n".repeat(2_500);
  const lines = parsed(await world.ok("POST", "/v1/devices", { ...NDJSON, body }));
  assertEquals(lines.length, 101);
  assertEquals(lines.at(-1), { imported: 0, failed: 2_500, done: true });
});

Deno.test("an import takes CSV with quotes, tags, subscriptions and the query's app and platform", async () => {
  await using world = await shop();
  const { endpoint, keys } = subscriptionJson();
  const body = "\ufeffid,platform,token,user,tags,endpoint,p256dh,auth\r\n" +
    'a,apns,aa11,"Doe, ""J""",news; vip,,,\r\n' +
    `b,webpush,,,,${endpoint},${keys.p256dh},${keys.auth}\r\n` +
    "c,,t,,,,,\r\n" +
    '"d\nd",fcm,t,,,,,\r\n' +
    "e,fcm,t\r\n" +
    "f,fcm,,,,,,\r\n";
  const path = "/v1/devices?app=shop&platform=fcm";
  assertEquals(parsed(await world.ok("POST", path, { ...CSV, body })), [
    { line: 7, problems: [{ path: "", message: "has another number of cells than the header" }] },
    {
      line: 5,
      problems: [{
        path: "id",
        message: 'must be visible ASCII of 1 to 128 characters, found "d?d"',
      }],
    },
    { line: 8, problems: [{ path: "token", message: "missing" }] },
    { imported: 3, failed: 3, done: true },
  ]);
  const device = JSON.parse(await world.ok("GET", "/v1/devices/a"));
  assertEquals([device.user, device.tags], ['Doe, "J"', ["news", "vip"]]);
  assertEquals(JSON.parse(await world.ok("GET", "/v1/devices/c")).platform, "fcm");
});

const BROKEN: readonly (readonly [
  what: string,
  body: string,
  type: typeof CSV | typeof NDJSON,
  detail: string,
])[] = [
  [
    "an unknown column",
    "id,colour\n",
    CSV,
    'unknown column "colour"; known are id, app, platform, token, endpoint, p256dh, auth, user, tags',
  ],
  [
    "an open quote",
    'id,app,platform,token\na,shop,fcm,"t\n',
    CSV,
    "CSV at line 2: a quote is not closed",
  ],
  [
    "a row without end",
    `id,app,platform,token\na,shop,fcm,${"t".repeat(LINE_CHARS_MAX)}\n`,
    CSV,
    "CSV at line 2: longer than 65536 characters",
  ],
];

for (const [what, body, type, detail] of BROKEN) {
  Deno.test(`an import with ${what} says so and that it is not done`, async () => {
    await using world = await shop();
    assertEquals(parsed(await world.ok("POST", "/v1/devices", { ...type, body })), [
      { imported: 0, failed: 0, done: false, detail },
    ]);
  });
}

Deno.test("an import refuses rows that are not UTF-8, and no others", async () => {
  const bad = new Uint8Array([0x7b, 0xff, 0x0a]);
  const encoded = (text: string) => new TextEncoder().encode(text);
  const message = "not UTF-8, or has the replacement character U+FFFD";
  const told = { line: 2, problems: [{ path: "", message }] };
  await using world = await shop();
  const ndjson = ReadableStream.from([encoded(device(1)), bad, encoded(device(2))]);
  assertEquals(parsed(await world.ok("POST", "/v1/devices", { ...NDJSON, body: ndjson })), [
    told,
    { imported: 2, failed: 1, done: true },
  ]);
  const csv = ReadableStream.from([encoded("id,app,platform,token\n"), bad]);
  assertEquals(parsed(await world.ok("POST", "/v1/devices", { ...CSV, body: csv })).length, 2);
});

Deno.test("an import ends when the store does not take a part, and counts what it took", async () => {
  let calls = 0;
  await using world = await shop({
    store: { fault: ({ name }) => name === "saveDevices" && ++calls === 3 ? "io" : undefined },
  });
  const body = Array.from({ length: 5 * ROWS_STEP }, (_, index) => device(index)).join("");
  assertEquals(parsed(await world.ok("POST", "/v1/devices", { ...NDJSON, body })), [{
    ...{ imported: 2 * ROWS_STEP, failed: 0, done: false },
    detail: "the store is not available now: send the rest again",
  }]);
  assertEquals([calls, world.failures], [3, ["handler_failed"]]);
});

Deno.test("an import with an unknown parameter is refused before it is read", async () => {
  await using world = await shop();
  const { status, text } = await world.call("POST", "/v1/devices?ap=shop", {
    ...NDJSON,
    body: device(1),
  });
  assertEquals(status, 422);
  assertStringIncludes(text, "known are app, platform");
});

Deno.test("imports at once are bounded, and make room when their client goes", async () => {
  await using world = await shop();
  const open = Array.from({ length: STREAMS_MAX }, () => new AbortController());
  const started = await Promise.all(open.map(({ signal }) => {
    const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
      start: (controller) => controller.enqueue(new TextEncoder().encode(device(1))),
    });
    return fetch(`${world.origin}/v1/devices`, {
      method: "POST",
      headers: { authorization: "Bearer send-token", "content-type": "application/x-ndjson" },
      body,
      signal,
    });
  }));
  assertEquals(started.map(({ status }) => status), open.map(() => 200));
  const refused = await world.call("POST", "/v1/devices", { ...NDJSON, body: device(1) });
  assertEquals([refused.status, refused.headers.get("retry-after")], [503, "1"]);
  for (const controller of open) controller.abort();
  await Promise.allSettled(started.map((response) => response.text()));
  while (true) {
    const again = await world.call("POST", "/v1/devices", { ...NDJSON, body: device(1) });
    if (again.status === 200) break;
  }
});

Deno.test("a body that does not come in time is 408, and a streamed one that stands still ends", async () => {
  const clock = new HandClock();
  await using world = await shop({ clock });
  const head = (type: string, path: string, method: string) =>
    `${method} ${path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer admin-token\r\n` +
    `Content-Type: ${type}\r\nContent-Length: 100\r\n\r\n{`;
  const whole = await exchangeSlowly(
    world.port,
    head("application/json", "/v1/devices/d", "PUT"),
    clock,
  );
  assertStringIncludes(whole, "HTTP/1.1 408 ");
  assertStringIncludes(whole, "the request did not arrive completely in time");
  const streamed = await exchangeSlowly(
    world.port,
    head("application/x-ndjson", "/v1/devices", "POST"),
    clock,
  );
  assertStringIncludes(streamed, '"done":false,"detail":"the body stood still for 30 s"');
});

Deno.test("a client that was answered early and never ends its body is cut", async () => {
  const clock = new HandClock();
  await using world = await ApiWorld.open({ clock });
  const answer = await exchangeSlowly(
    world.port,
    "PUT /v1/devices/d HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{",
    clock,
  );
  assertStringIncludes(answer, "HTTP/1.1 401 ");
});

/** Sends this and nothing more, lets deadlines of 30 s pass, and gives all that comes until the end. */
function exchangeSlowly(port: number, text: string, clock: HandClock): Promise<string> {
  return new Promise((resolve, reject) => {
    let seen = "";
    const socket = connect(port, "127.0.0.1", () => socket.write(text));
    const turn = () => {
      if (socket.destroyed) return;
      clock.pass(30_000);
      setImmediate(turn);
    };
    socket.setEncoding("utf8").on("data", (part: string) => {
      seen += part;
    });
    socket.on("error", reject).on("close", () => resolve(seen));
    setImmediate(turn);
  });
}
