/** What is sent to InfluxDB, and what its answers come to, against a server that answers as it is told. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { REQUEST_POINTS_MAX } from "../../../transports/influx/limits.ts";
import {
  type Influx,
  InfluxError,
  type InfluxOptions,
  InfluxSink,
  integer,
  openInflux,
  type Point,
  type Tally,
} from "../../../transports/influx/mod.ts";
import { makeCertificate } from "../../../transports/provider_stand_in/mod.ts";
import { readLine } from "./line_reader.ts";

const TOKEN = "canary-token==";
const V2 = "/api/v2/write?org=canary-org&bucket=push";
const signal = new AbortController().signal;

/** A request as it came. */
interface Received {
  readonly path: string;
  readonly headers: Headers;
  readonly body: string;
}

/** An InfluxDB that a test plays. */
class Played implements AsyncDisposable {
  readonly received: Received[] = [];
  readonly origin: string;
  answer: () => Response | Promise<Response> = () => new Response(null, { status: 204 });
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  constructor(tls: { readonly cert?: string; readonly key?: string } = {}) {
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen() {}, ...tls },
      async (request) => {
        const { pathname, search } = new URL(request.url);
        this.received.push({
          path: pathname + search,
          headers: request.headers,
          body: await request.text(),
        });
        return await this.answer();
      },
    );
    const scheme = tls.cert === undefined ? "http" : "https";
    this.origin = `${scheme}://127.0.0.1:${this.#server.addr.port}`;
  }

  open(path = V2, options: Partial<InfluxOptions> = {}): Influx {
    return opened({ url: this.origin + path, token: TOKEN, ...options });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#server.shutdown();
  }
}

function opened(options: InfluxOptions): Influx {
  const opened = openInflux(options);
  if (opened.kind === "refused") throw new Error(opened.problem);
  return opened.influx;
}

function points(count: number): readonly Point[] {
  return Array.from({ length: count }, (_, place) => ({
    measurement: "m",
    tags: {},
    fields: { f: integer(place) },
    timeNs: "1",
  }));
}

function tally(position: number, change: Partial<Tally> = {}): Tally {
  return {
    position,
    notification: "n1",
    app: "shop",
    platform: "apns",
    at: 1_700_000_000_123,
    outcomes: {
      delivered: 990,
      token_invalid: 1,
      rejected: 2,
      expired: 3,
      failed: 4,
      cancelled: 5,
    },
    retries: 6,
    ...change,
  };
}

Deno.test("Influx.write() posts lines with the token, and sets the precision", async () => {
  await using server = new Played();
  using influx = server.open(`${V2}&precision=s`);
  await influx.write(points(2), signal);
  const [request] = server.received;
  assertEquals(server.received.length, 1);
  assertEquals(request?.path, "/api/v2/write?org=canary-org&bucket=push&precision=ns");
  assertEquals(request?.body, "m f=0i 1\nm f=1i 1");
  assertEquals(request?.headers.get("authorization"), `Token ${TOKEN}`);
  assertEquals(request?.headers.get("content-type"), "text/plain; charset=utf-8");
});

const PROOFS:
  readonly (readonly [path: string, token: string | undefined, header: string | null])[] = [
    ["/write?db=push", "user:pass word", `Basic ${btoa("user:pass word")}`],
    ["/write?db=push", "a-token", "Token a-token"],
    ["/write?db=push", undefined, null],
    ["/behind/a/proxy/api/v2/write?bucket=b", "user:password", "Token user:password"],
  ];

for (const [path, token, header] of PROOFS) {
  Deno.test(`Influx.write() to ${path} with the token ${token} proves itself by ${header}`, async () => {
    await using server = new Played();
    using influx = server.open(path, { token });
    await influx.write(points(1), signal);
    assertEquals(server.received[0]?.headers.get("authorization"), header);
  });
}

Deno.test("Influx.write() splits what is too much for one request, and writes nothing for nothing", async () => {
  await using server = new Played();
  using influx = server.open();
  await influx.write(points(2 * REQUEST_POINTS_MAX + 1), signal);
  await influx.write([], signal);
  assertEquals(server.received.map(({ body }) => body.split("\n").length), [
    REQUEST_POINTS_MAX,
    REQUEST_POINTS_MAX,
    1,
  ]);
});

Deno.test("InfluxSink.record() writes a point a tally, the same whenever it is offered", async () => {
  await using server = new Played();
  using influx = server.open();
  const sink = new InfluxSink(influx);
  assertEquals([sink.name, sink.rows], ["influx", "tallies"]);
  const page = [tally(7), tally(8, { platform: "fcm", app: "news" }), tally(1_000_009)];
  await sink.record(page, signal);
  await sink.record(page, signal);
  const [first, again] = server.received.map(({ body }) => body);
  assertEquals(first, again);
  const read = first?.split("\n").map(readLine) ?? [];
  assertEquals(read[0], {
    measurement: "heliograph_deliveries",
    tags: [["app", "shop"], ["platform", "apns"]],
    fields: {
      delivered: "990i",
      token_invalid: "1i",
      rejected: "2i",
      expired: "3i",
      failed: "4i",
      cancelled: "5i",
      retries: "6i",
    },
    timeNs: 1_700_000_000_123_000_007n,
  });
  assertEquals(read[1]?.tags, [["app", "news"], ["platform", "fcm"]]);
  assertEquals(read[2]?.timeNs, 1_700_000_000_123_000_009n);
});

const JSON_V1 = (error: string) => JSON.stringify({ error });
const JSON_V2 = (code: string, message: string) => JSON.stringify({ code, message });

const ANSWERS: readonly (readonly [status: number, body: string, said: string | undefined])[] = [
  [200, "", undefined],
  [400, JSON_V1("partial write: points beyond retention policy dropped=3"), undefined],
  [
    422,
    JSON_V2(
      "unprocessable entity",
      "failure writing points to database: partial write: dropped 1 points outside retention " +
        "policy of duration 1h0m0s - oldest point m at 1970",
    ),
    undefined,
  ],
  [
    400,
    JSON_V1("partial write: field type conflict: input field dropped=1"),
    '400: "partial write: field type conflict: input field dropped=1"',
  ],
  [401, JSON_V2("unauthorized", "unauthorized access"), '401: "unauthorized access"'],
  [404, JSON_V1('database not found: "push"'), '404: "database not found: "push""'],
  [413, "Request Entity Too Large", '413: "Request Entity Too Large"'],
  [429, "", '429: ""'],
  [503, `<html>${"x".repeat(9_000)}</html>`, `503: "<html>${"x".repeat(194)}"`],
  [302, "", '302: ""'],
];

const PASSWORD = 'canary "pass" \\ word';

const REPEATED: readonly (readonly [path: string, token: string, body: string, said: string])[] = [
  [V2, TOKEN, `refused: Authorization: Token ${TOKEN}`, "refused: Authorization: Token …"],
  [
    "/write?db=push",
    `me:${PASSWORD}`,
    `refused: Authorization: Basic ${btoa(`me:${PASSWORD}`)}`,
    "refused: Authorization: Basic …",
  ],
  ["/write?db=push", `me:${PASSWORD}`, JSON_V1(`me with ${PASSWORD}`), "me with …"],
];

for (const [path, token, body, said] of REPEATED) {
  Deno.test(`Influx.write() says no secret though a server repeats it: ${said}`, async () => {
    await using server = new Played();
    using influx = server.open(path, { token });
    server.answer = () => new Response(body, { status: 401 });
    const { message } = await assertRejects(() => influx.write(points(1), signal), InfluxError);
    assertEquals(message, `${server.origin} answered 401: "${said}"`);
  });
}

for (const [status, body, said] of ANSWERS) {
  const title = said === undefined ? "takes" : "rejects for";
  Deno.test(`Influx.write() ${title} an answer ${status} of ${body.slice(0, 70)}`, async () => {
    await using server = new Played();
    using influx = server.open();
    server.answer = () =>
      new Response(status === 200 ? null : body, { status, headers: { location: "/other" } });
    const writing = influx.write(points(1), signal);
    if (said === undefined) return await writing;
    const { message } = await assertRejects(() => writing, InfluxError);
    assert(message.startsWith(`${server.origin} answered ${said}`), message);
    assert(!message.includes("canary"), message);
    assertEquals(server.received.length, 1);
  });
}

Deno.test("Influx.write() does not wait for ever, and tells no secret of what fails", async () => {
  await using server = new Played();
  const answer = Promise.withResolvers<Response>();
  server.answer = () => answer.promise;
  using influx = server.open(V2, { timeoutMs: 20 });
  const late = await assertRejects(() => influx.write(points(1), signal), InfluxError);
  assertEquals(late.message, `${server.origin} did not answer within 20 ms`);
  answer.resolve(new Response());
  using nobody = opened({ url: `http://127.0.0.1:1${V2}`, token: TOKEN });
  const { message } = await assertRejects(() => nobody.write(points(1), signal), InfluxError);
  assert(message.startsWith("http://127.0.0.1:1 could not be reached: "), message);
  assert(!message.includes("canary"), message);
});

Deno.test("Influx.write() trusts the roots it is given, and no other", async () => {
  const { caPem, tls } = makeCertificate();
  await using server = new Played(tls);
  {
    using influx = server.open(V2, { caCerts: [caPem] });
    await influx.write(points(1), signal);
  }
  using influx = server.open();
  await assertRejects(() => influx.write(points(1), signal), InfluxError, "could not be reached");
  assertEquals(server.received.length, 1);
});

Deno.test("Influx.write() ends with its signal", async () => {
  await using server = new Played();
  const answer = Promise.withResolvers<Response>();
  const stop = new AbortController();
  server.answer = () => {
    stop.abort(new Error("The sink is stopped"));
    return answer.promise;
  };
  using influx = server.open();
  await assertRejects(() => influx.write(points(1), stop.signal), Error, "The sink is stopped");
  answer.resolve(new Response());
});

const REFUSED: readonly (readonly [options: InfluxOptions, problem: string])[] = [
  [{ url: "influx" }, "url: not a URL"],
  [{ url: "udp://influx:8089/write?db=d" }, "url: udp: instead of http: or https:"],
  [
    { url: "http://influx:8086/" },
    "url: is not a write API: …/api/v2/write?org=ORG&bucket=BUCKET, or …/write?db=DATABASE",
  ],
  [
    { url: "http://influx:8086/api/v2/write?org=o" },
    "url: has no bucket: …/api/v2/write?org=ORG&bucket=BUCKET",
  ],
  [{ url: "http://influx:8086/write" }, "url: has no database: …/write?db=DATABASE"],
  [
    { url: "http://u:canary@influx/write?db=d" },
    "url: has a user or password; give the token, or USER:PASSWORD in its place",
  ],
  [
    { url: "http://influx/write?db=d&u=me&p=canary" },
    "url: has a user or password; give the token, or USER:PASSWORD in its place",
  ],
  [{ url: `http://influx/write?db=${"d".repeat(2_048)}` }, "url: over 2048 characters"],
  [
    { url: "http://influx/write?db=d", token: "canary\n" },
    "token: has characters other than visible ASCII ones",
  ],
  [
    { url: "http://influx/write?db=d", token: "c".repeat(1_025) },
    "token: over 1024 characters",
  ],
];

for (const [options, problem] of REFUSED) {
  Deno.test(`openInflux() refuses ${options.url.slice(0, 50)}: ${problem}`, () => {
    assertEquals(openInflux(options), { kind: "refused", problem });
  });
}
