import { assert, assertEquals, assertRejects } from "@std/assert";
import { Webhook } from "standardwebhooks";
import type { DeliveryRow } from "../../../transports/delivery_row/delivery_row.ts";
import {
  openWebhookSink,
  WebhookError,
  type WebhookOptions,
  type WebhookSink,
} from "../../../transports/webhook/webhook_sink.ts";
import { makeCertificates } from "../../support/certificates.ts";
import { TemporaryFolder } from "../command_line/temporary_folder.ts";

const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/** What the operator keeps secret beside it. */
const PATH = "/hook/canary-path?token=canary-query";

function row(position: number): DeliveryRow {
  return {
    position,
    notification: "11111111-1111-4111-8111-111111111111",
    app: "shop",
    number: position,
    device: undefined,
    platform: "webpush",
    address: "https://push.example/send/abc",
    outcome: "token_invalid",
    status: 410,
    reason: "Gone",
    attempts: 1,
    at: 1_700_000_000_000,
  };
}

/** A request as the receiver got it. */
interface Received {
  readonly method: string;
  readonly path: string;
  readonly headers: Headers;
  readonly body: string;
}

/** A receiver on loopback that answers what the test says. */
class Receiver implements AsyncDisposable {
  readonly received: Received[] = [];
  readonly origin: string;
  answer: (request: Request) => Response | Promise<Response> = () =>
    new Response(null, { status: 204 });
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  constructor(tls: { readonly cert?: string; readonly key?: string } = {}) {
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen() {}, ...tls },
      async (request) => {
        const { pathname, search } = new URL(request.url);
        const { method, headers } = request;
        const body = await request.text();
        this.received.push({ method, path: pathname + search, headers, body });
        return await this.answer(request);
      },
    );
    const scheme = tls.cert === undefined ? "http" : "https";
    this.origin = `${scheme}://127.0.0.1:${this.#server.addr.port}`;
  }

  open(options: Partial<WebhookOptions> = {}): WebhookSink {
    const opened = openWebhookSink({
      url: this.origin + PATH,
      secret: SECRET,
      rows: "failures",
      ...options,
    });
    if (opened.kind === "refused") throw new Error(opened.problem);
    return opened.sink;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#server.shutdown();
  }
}

const signal = new AbortController().signal;

Deno.test("WebhookSink.record() posts rows as events, signed so that the reference implementation takes them", async () => {
  await using receiver = new Receiver();
  using sink = receiver.open();
  assertEquals([sink.name, sink.rows], ["webhook", "failures"]);
  await sink.record([row(7), row(9)], signal);
  const [request] = receiver.received;
  assert(request !== undefined);
  assertEquals([request.method, request.path], ["POST", PATH]);
  assertEquals(request.headers.get("content-type"), "application/json");
  const events = [7, 9].map((position) => ({
    ...row(position),
    device: null,
    at: "2023-11-14T22:13:20.000Z",
  }));
  const verified = new Webhook(SECRET).verify(
    request.body,
    Object.fromEntries(request.headers),
  );
  assertEquals(verified, { events });
});

Deno.test("WebhookSink.record() names a batch by its rows, and stamps each try with its own time", async () => {
  await using receiver = new Receiver();
  let now = 1_700_000_000_999;
  using sink = receiver.open({ wallNow: () => now });
  await sink.record([row(7), row(9)], signal);
  now += 60_000;
  await sink.record([row(7), row(9)], signal);
  await sink.record([row(7), row(9), row(10)], signal);
  const heads = receiver.received.map(({ headers }) => [
    headers.get("webhook-id"),
    headers.get("webhook-timestamp"),
  ]);
  assertEquals(heads, [
    ["deliveries_7_9_1700000000000", "1700000000"],
    ["deliveries_7_9_1700000000000", "1700000060"],
    ["deliveries_7_10_1700000000000", "1700000060"],
  ]);
});

Deno.test("WebhookSink.record() takes any 2xx", async () => {
  await using receiver = new Receiver();
  using sink = receiver.open();
  for (const status of [200, 201, 202, 204, 299]) {
    receiver.answer = () => new Response(null, { status });
    await sink.record([row(1)], signal);
  }
  assertEquals(receiver.received.length, 5);
});

const REFUSALS: readonly (readonly [title: string, answer: () => Response, message: string])[] = [
  ["400", () => new Response("no such tenant", { status: 400 }), 'answered 400: "no such tenant"'],
  ["410", () => new Response(null, { status: 410 }), 'answered 410: ""'],
  ["503", () => new Response("busy", { status: 503 }), 'answered 503: "busy"'],
  [
    "a redirect",
    () => new Response(null, { status: 307, headers: { location: "/elsewhere" } }),
    'answered 307: ""',
  ],
  [
    "a long answer",
    () => new Response("x".repeat(100_000), { status: 500 }),
    `answered 500: "${"x".repeat(120)}"`,
  ],
];

for (const [title, answer, message] of REFUSALS) {
  Deno.test(`WebhookSink.record() rejects on ${title}, with one request and no word of the URL's path`, async () => {
    await using receiver = new Receiver();
    using sink = receiver.open();
    receiver.answer = answer;
    const error = await assertRejects(() => sink.record([row(1)], signal), WebhookError);
    assertEquals(error.message, `${receiver.origin} ${message}`);
    assertEquals(receiver.received.length, 1);
  });
}

Deno.test("WebhookSink.record() reads no more than the beginning of an answer without an end", async () => {
  await using receiver = new Receiver();
  using sink = receiver.open();
  let sentBytes = 0;
  const ended = Promise.withResolvers<void>();
  receiver.answer = () =>
    new Response(
      new ReadableStream({
        pull(controller) {
          sentBytes += 1_024;
          controller.enqueue(new Uint8Array(1_024));
        },
        cancel: () => ended.resolve(),
      }),
    );
  await sink.record([row(1)], signal);
  await ended.promise;
  assert(sentBytes < 64 * 1_024 * 1_024, `${sentBytes} bytes`);
});

Deno.test("WebhookSink.record() gives a receiver that does not answer its time, and no more", async () => {
  await using receiver = new Receiver();
  const gate = Promise.withResolvers<Response>();
  receiver.answer = () => gate.promise;
  using sink = receiver.open({ timeoutMs: 50 });
  const error = await assertRejects(() => sink.record([row(1)], signal), WebhookError);
  assertEquals(error.message, `${receiver.origin} did not answer within 50 ms`);
  gate.resolve(new Response());
});

Deno.test("WebhookSink.record() ends at once when it is told to", async () => {
  await using receiver = new Receiver();
  const gate = Promise.withResolvers<Response>();
  const asked = Promise.withResolvers<void>();
  receiver.answer = () => {
    asked.resolve();
    return gate.promise;
  };
  using sink = receiver.open();
  const abort = new AbortController();
  const recorded = sink.record([row(1)], abort.signal);
  await asked.promise;
  abort.abort(new Error("stopped"));
  await assertRejects(() => recorded, Error, "stopped");
  gate.resolve(new Response());
});

Deno.test("WebhookSink.record() says that nobody listens, without the URL's path", async () => {
  const receiver = new Receiver();
  using sink = receiver.open();
  await receiver[Symbol.asyncDispose]();
  const error = await assertRejects(() => sink.record([row(1)], signal), WebhookError);
  assert(error.message.startsWith(`${receiver.origin} could not be reached: `), error.message);
  assertEquals(/canary|abc/.test(Deno.inspect(error)), false, Deno.inspect(error));
});

Deno.test("WebhookSink.record() trusts the roots it is given, and no other", async () => {
  using folder = new TemporaryFolder();
  const { caPem, certFile, keyFile } = await makeCertificates(folder.path);
  await using receiver = new Receiver({
    cert: await Deno.readTextFile(certFile),
    key: await Deno.readTextFile(keyFile),
  });
  {
    using sink = receiver.open({ caCerts: [caPem] });
    await sink.record([row(1)], signal);
  }
  using sink = receiver.open();
  await assertRejects(() => sink.record([row(1)], signal), WebhookError, "could not be reached");
  assertEquals(receiver.received.length, 1);
});

const URLS: readonly (readonly [url: string, problem: string | undefined])[] = [
  ["https://hooks.example/x?y=1", undefined],
  ["https://10.0.0.7/x", undefined],
  ["http://localhost:8080/", undefined],
  ["http://127.8.9.1/", undefined],
  ["http://[::1]:80/", undefined],
  ["http://hooks.example/", "url: http: to another machine can be read; use https:"],
  ["http://127.0.0.1.example/", "url: http: to another machine can be read; use https:"],
  [
    "https://user:canary@hooks.example/",
    "url: has a user or password, which requests cannot carry; the signature says who sends",
  ],
  ["ftp://hooks.example/", "url: ftp: instead of https:"],
  ["hooks.example", "url: not a URL"],
  [`https://hooks.example/${"x".repeat(2_048)}`, "url: over 2048 characters"],
];

for (const [url, problem] of URLS) {
  Deno.test(`openWebhookSink() to ${url.slice(0, 40)}: ${problem ?? "opened"}`, () => {
    const opened = openWebhookSink({ url, secret: SECRET, rows: "all" });
    assertEquals(opened.kind === "refused" ? opened.problem : undefined, problem);
    if (opened.kind === "opened") opened.sink[Symbol.dispose]();
  });
}

Deno.test("openWebhookSink() refuses a secret without repeating it", () => {
  const opened = openWebhookSink({ url: "https://hooks.example/", secret: "canary", rows: "all" });
  assertEquals(opened, { kind: "refused", problem: "secret: under 16 bytes" });
});
