import { assert, assertEquals } from "@std/assert";
import {
  ApiClient,
  type ApiFailure,
  type ApiResult,
} from "../../../transports/api_client/api_client.ts";
import type { ImportProgress } from "../../../transports/api_client/answers.ts";
import { factsOf } from "../../support/node_facts.ts";

const TOKEN = "canary-0123456789";
const COUNTS = {
  total: 1,
  delivered: 1,
  tokenInvalid: 0,
  rejected: 0,
  expired: 0,
  failed: 0,
  cancelled: 0,
  pending: 0,
  retries: 0,
};
const NOTIFICATION = {
  id: "n1",
  app: "shop",
  status: "done",
  sendingDone: true,
  counts: COUNTS,
  platforms: { apns: COUNTS },
  createdAt: "2030-01-01T00:00:00.000Z",
  sendAt: "2030-01-01T00:00:00.000Z",
  startedAt: "2030-01-01T00:00:01.000Z",
  finishedAt: "2030-01-01T00:00:02.000Z",
  fromTheFuture: 1,
};
const APP = { name: "shop", version: 1, pauses: [] };
const DELIVERIES = {
  deliveries: [{ platform: "apns", outcome: "rejected", status: 400, reason: "BadTopic" }],
  next: null,
};
const STATUS = {
  node: { id: "a", version: "1.0.0", startedAt: "2030-01-01T00:00:00.000Z" },
  queue: { waiting: 0, leased: 0 },
  lanes: [],
  rates: null,
};

const NODES = {
  now: "2030-01-01T00:00:00.000Z",
  nodes: [
    { id: "a", self: true, url: null, roles: ["api"], version: "1", facts: factsOf() },
    { id: "b", self: false, url: "http://b", roles: [], version: "1", facts: null },
  ],
  checks: [{ name: "store", ok: true, detail: "answers" }],
};

const BARS = {
  span: "ten_minutes",
  step: 1,
  from: 400,
  to: 1_000,
  bars: [{
    second: 999,
    platforms: {
      fcm: {
        ...{ delivered: 1, token_invalid: 2, rejected: 3, expired: 4, failed: 5, cancelled: 6 },
        retries: 7,
      },
    },
  }],
};

/** A server of one handler, and a client of it. */
class Api implements AsyncDisposable {
  readonly client: ApiClient;
  readonly origin: string;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  constructor(handler: (request: Request) => Response | Promise<Response>) {
    this.#server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, handler);
    this.origin = `http://127.0.0.1:${this.#server.addr.port}`;
    this.client = new ApiClient({ origin: this.origin, token: TOKEN });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

function rows(...parts: readonly string[]): ReadableStream<Uint8Array<ArrayBuffer>> {
  return ReadableStream.from(parts.map((part) => new TextEncoder().encode(part)));
}

function problem(status: number, body: unknown): Response {
  const headers = { "content-type": "application/problem+json" };
  return new Response(JSON.stringify(body), { status, headers });
}

async function failureOf(result: Promise<ApiResult<unknown>>): Promise<ApiFailure> {
  const { kind, ...rest } = await result;
  assert(kind === "failed" && "failure" in rest, JSON.stringify(rest));
  return rest.failure;
}

/** Each call with the request it makes and an answer that it takes. */
const CALLS: readonly {
  readonly call: (client: ApiClient) => Promise<ApiResult<unknown>>;
  readonly request: string;
  readonly answer: unknown;
  readonly value: unknown;
}[] = [
  {
    call: (client) => client.putApp("shop", { fcm: {} }),
    request: 'PUT /v1/apps/shop application/json {"fcm":{}}',
    answer: APP,
    value: APP,
  },
  {
    call: (client) => client.apps(),
    request: "GET /v1/apps",
    answer: { apps: [APP] },
    value: [APP],
  },
  { call: (client) => client.app("a/b"), request: "GET /v1/apps/a%2Fb", answer: APP, value: APP },
  {
    call: (client) => client.removeApp("shop"),
    request: "DELETE /v1/apps/shop",
    answer: { removed: "shop" },
    value: null,
  },
  {
    call: (client) => client.resumeApp("shop", "fcm"),
    request: "POST /v1/apps/shop/resume?platform=fcm",
    answer: { resumed: ["fcm"] },
    value: ["fcm"],
  },
  {
    call: (client) => client.devices({ app: "shop", user: "u&1", limit: 5, tag: undefined }),
    request: "GET /v1/devices?app=shop&user=u%261&limit=5",
    answer: { devices: [], next: null },
    value: { devices: [], next: null },
  },
  {
    call: (client) => client.removeDevice("d 1"),
    request: "DELETE /v1/devices/d%201",
    answer: { removed: "d 1" },
    value: null,
  },
  {
    call: (client) =>
      client.importDevices(rows("a", "b"), { app: "shop", format: "csv" }, () => {}),
    request: "POST /v1/devices?app=shop text/csv ab",
    answer: { imported: 2, failed: 0, done: true },
    value: { imported: 2, failed: 0, problems: [], broken: undefined },
  },
  {
    call: (client) => client.submit({ app: "shop" }, "key-1"),
    request: 'POST /v1/notifications application/json key-1 {"app":"shop"}',
    answer: { id: "n1" },
    value: "n1",
  },
  {
    call: (client) => client.addRecipients("n1", rows("{}\n"), () => {}),
    request: "POST /v1/notifications/n1/recipients application/x-ndjson {}\n",
    answer: { imported: 1, failed: 0, done: true },
    value: { imported: 1, failed: 0, problems: [], broken: undefined },
  },
  {
    call: (client) => client.close("n1"),
    request: "POST /v1/notifications/n1/close",
    answer: NOTIFICATION,
    value: NOTIFICATION,
  },
  {
    call: (client) => client.cancel("n1"),
    request: "DELETE /v1/notifications/n1",
    answer: NOTIFICATION,
    value: NOTIFICATION,
  },
  {
    call: (client) => client.notification("n1"),
    request: "GET /v1/notifications/n1",
    answer: NOTIFICATION,
    value: NOTIFICATION,
  },
  {
    call: (client) => client.deliveries("n1", { outcome: "rejected", limit: 5 }),
    request: "GET /v1/notifications/n1/deliveries?outcome=rejected&limit=5",
    answer: DELIVERIES,
    value: DELIVERIES,
  },
  { call: (client) => client.status(), request: "GET /v1/status", answer: STATUS, value: STATUS },
  { call: (client) => client.nodes(), request: "GET /v1/nodes", answer: NODES, value: NODES },
  {
    call: (client) => client.bars(),
    request: "GET /v1/bars?span=ten_minutes",
    answer: BARS,
    value: BARS,
  },
];

for (const { call, request: expected, answer, value } of CALLS) {
  Deno.test(`ApiClient: ${JSON.stringify(expected)} => its answer, whole`, async () => {
    const seen: string[] = [];
    await using api = new Api(async (request) => {
      const { pathname, search } = new URL(request.url);
      const names = ["content-type", "idempotency-key"] as const;
      const headers = names.map((name) => request.headers.get(name));
      const parts = [`${request.method} ${pathname}${search}`, ...headers, await request.text()];
      seen.push(parts.filter((part) => part !== null && part !== "").join(" "));
      seen.push(request.headers.get("authorization") ?? "");
      return Response.json(answer);
    });
    const result = await call(api.client);
    assertEquals(result, { kind: "ok", value });
    assertEquals(seen, [expected, `Bearer ${TOKEN}`]);
  });
}

/** Each answer that is none, and what the client makes of it. */
const FAILURES: readonly (readonly [string, () => Response, ApiFailure])[] = [
  [
    "an unknown token",
    () => problem(401, { title: "Unauthorized", status: 401, detail: "unknown token" }),
    { kind: "refused", status: 401, detail: "unknown token" },
  ],
  [
    "a token without the right",
    () => problem(403, { detail: "needs admin" }),
    { kind: "refused", status: 403, detail: "needs admin" },
  ],
  [
    "problems",
    () => problem(422, { detail: "wrong", problems: [{ path: "to.tags", message: "missing" }] }),
    {
      kind: "problem",
      status: 422,
      detail: "wrong",
      problems: [{ path: "to.tags", message: "missing" }],
    },
  ],
  [
    "a detail",
    () => problem(404, { detail: "there is no app" }),
    { kind: "problem", status: 404, detail: "there is no app", problems: [] },
  ],
  [
    "a page of something else",
    () => new Response("<html>", { headers: { "content-type": "text/html" } }),
    { kind: "strange", status: 200, reason: "the answer is not as expected" },
  ],
  [
    "an answer of another shape",
    () => Response.json({ ...STATUS, lanes: [{ app: "shop" }] }),
    { kind: "strange", status: 200, reason: "the answer has no right lanes.0.platform" },
  ],
  [
    "an error of a proxy",
    () => new Response("Bad Gateway", { status: 502 }),
    { kind: "strange", status: 502, reason: "it answers 502" },
  ],
  [
    "a redirect, which is not followed",
    () => new Response(null, { status: 302, headers: { location: "http://127.0.0.1:1/" } }),
    { kind: "strange", status: 302, reason: "it answers 302" },
  ],
];

for (const [title, answer, failure] of FAILURES) {
  Deno.test(`ApiClient tells ${title}`, async () => {
    await using api = new Api(answer);
    assertEquals(await failureOf(api.client.status()), failure);
  });
}

Deno.test("ApiClient tells that nobody listens, in the network's words", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const origin = `http://127.0.0.1:${listener.addr.port}`;
  listener.close();
  const failure = await failureOf(new ApiClient({ origin, token: TOKEN }).status());
  assert(failure.kind === "unreachable" && failure.reason.startsWith("Connection refused"));
});

Deno.test("ApiClient does not wait longer for an answer than it was told", async () => {
  const held = Promise.withResolvers<Response>();
  await using api = new Api(() => held.promise);
  const client = new ApiClient({ origin: api.origin, token: TOKEN, answerMs: 1 });
  const failure: ApiFailure = { kind: "unreachable", reason: "it does not answer in time" };
  assertEquals(await failureOf(client.status()), failure);
  held.resolve(new Response());
});

Deno.test("ApiClient.bars() waits no longer than its caller", async () => {
  const held = Promise.withResolvers<Response>();
  const asked = Promise.withResolvers<void>();
  await using api = new Api(() => {
    asked.resolve();
    return held.promise;
  });
  const abort = new AbortController();
  const failure = failureOf(api.client.bars(abort.signal));
  await asked.promise;
  abort.abort();
  assertEquals((await failure).kind, "unreachable");
  held.resolve(new Response());
});

Deno.test("ApiClient.importDevices() hears of progress while it still sends", async () => {
  await using api = new Api((request) => {
    const answer = async function* () {
      let imported = 0;
      for await (const part of request.body ?? []) {
        imported += part.length;
        yield new TextEncoder().encode(`{"imported":${imported},"failed":0}\n`);
      }
      yield new TextEncoder().encode(`{"imported":${imported},"failed":0,"done":true}`);
    };
    return new Response(ReadableStream.from(answer()));
  });
  const body = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>();
  const writer = body.writable.getWriter();
  const seen: ImportProgress[] = [];
  const heard = Promise.withResolvers<void>();
  const result = api.client.importDevices(body.readable, { app: "a", format: "ndjson" }, (one) => {
    seen.push(one);
    heard.resolve();
  });
  await writer.write(new Uint8Array(3));
  await heard.promise; // Nothing would come if the answer waited for the end of the body.
  await writer.write(new Uint8Array(4));
  await writer.close();
  assertEquals(await result, {
    kind: "ok",
    value: { imported: 7, failed: 0, problems: [], broken: undefined },
  });
  assertEquals(seen[0], { imported: 3, failed: 0 });
});

Deno.test("ApiClient.importDevices() gathers wrong rows and why it was not read to its end", async () => {
  const lines = [
    '{"line":2,"problems":[{"path":"token","message":"missing"},{"path":"","message":"odd"}]}',
    '{"imported":1,"failed":1}',
    '{"imported":1,"failed":1,"done":false,"detail":"the body is not UTF-8"}',
  ];
  await using api = new Api(() => new Response(`${lines.join("\n")}\n`));
  const result = await api.client.importDevices(rows("x"), { app: "a", format: "csv" }, () => {});
  assertEquals(result, {
    kind: "ok",
    value: {
      imported: 1,
      failed: 1,
      problems: [
        { path: "token", message: "missing", line: 2 },
        { path: "", message: "odd", line: 2 },
      ],
      broken: "the body is not UTF-8",
    },
  });
});

Deno.test("ApiClient.importDevices() does not take an answer that breaks off for an end", async () => {
  await using api = new Api(() => new Response('{"imported":1,"failed":0}\n'));
  const result = api.client.importDevices(rows("x"), { app: "a", format: "csv" }, () => {});
  assertEquals(await failureOf(result), {
    kind: "unreachable",
    reason: "the answer ended before it was done",
  });
});

Deno.test("ApiClient.importDevices() stops at a refusal without sending all of it", async () => {
  await using api = new Api(() => problem(401, { detail: "unknown token" }));
  let sent = 0;
  const endless = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull(controller) {
      sent++;
      controller.enqueue(new Uint8Array(65_536));
    },
  });
  const result = api.client.importDevices(endless, { app: "a", format: "csv" }, () => {});
  assertEquals((await failureOf(result)).kind, "refused");
  assert(sent < 1_000, `${sent} parts were sent`);
});

Deno.test("ApiClient.exportDevices() hands out the stream as it comes", async () => {
  await using api = new Api(() => new Response('{"id":"a"}\n{"id":"b"}\n'));
  const result = await api.client.exportDevices("shop");
  assert(result.kind === "ok");
  assertEquals(await new Response(result.value).text(), '{"id":"a"}\n{"id":"b"}\n');
});
