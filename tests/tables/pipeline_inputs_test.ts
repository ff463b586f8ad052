/**
 * Bad input of the delivery pipeline, each with its number among all bad inputs: at the API of a real
 * node (what its door says to bodies, 79 to 82, is the table of the API's inputs), from providers and
 * push services that misbehave, from a source, and out of the queue. After each row a good client
 * still works, and no secret is in any answer or line of the log.
 */

import { assertEquals } from "@std/assert";
import type { MemoryDeliveryStore } from "../../transports/memory/memory_delivery_store.ts";
import { writeData } from "../../transports/http2/mod.ts";
import {
  HostileProvider,
  http2,
  type Peer,
  saying,
  type Serve,
} from "../support/hostile_provider.ts";
import { type ListedEntry, OwnPipeline } from "../support/own_pipeline.ts";
import { CANARY, NAMED_TOKENS, NodeWorld, type Recipient } from "../support/node_world.ts";
import { MADE } from "../support/stand_in.ts";
import { type RawAnswer, RawServer } from "../transports/webpush/raw_server.ts";

/** A row of a node: its number, the input, what becomes of it, and how it is put in. */
interface NodeRow {
  readonly number: number;
  readonly input: string;
  /** `STATUS DETAIL` of an answer, or `OUTCOME STATUS REASON` of a result, with what the log says of the provider, `HOST`. */
  readonly expected: string;
  put(world: NodeWorld, push: PushService): Promise<string>;
}

const FAR = "Fri, 31 Dec 9999 23:59:59 GMT";
const GIBIBYTES = new Array<Uint8Array<ArrayBuffer>>(1_000).fill(new Uint8Array(65_536));

/** What a push service says first to each path; to the second request it says 201. */
const PUSH_ANSWERS: Readonly<Record<string, RawAnswer>> = {
  "/redirecting": http1("307 Temporary Redirect", "Location: /elsewhere\r\n"),
  "/garbage": { parts: [`\u0000\u0001${CANARY} nonsense\r\n\r\n`], end: true },
  "/empty": { parts: [], end: true },
  "/newer": { parts: ["HTTP/2.0 201 Created\r\nContent-Length: 0\r\n\r\n"], end: true },
  "/endless": {
    parts: ["HTTP/1.1 400 Bad Request\r\nContent-Length: 10737418240\r\n\r\n", ...GIBIBYTES],
  },
  "/banana": busy("banana"),
  "/negative": busy("-5"),
  "/far": busy(FAR),
};

function http1(status: string, fields = ""): RawAnswer {
  return { parts: [`HTTP/1.1 ${status}\r\n${fields}Content-Length: 0\r\n\r\n`] };
}

function busy(retryAfter: string): RawAnswer {
  return http1("503 Service Unavailable", `Retry-After: ${retryAfter}\r\n`);
}

/** A push service over HTTP/1.1 that answers by {@linkcode PUSH_ANSWERS}. */
class PushService implements AsyncDisposable {
  readonly #seen = new Map<string, number>();
  readonly #server = new RawServer(({ head }) => {
    const path = /^POST (\S+)/.exec(head)?.[1] ?? "";
    const before = this.requests(path);
    this.#seen.set(path, before + 1);
    return before === 0 ? PUSH_ANSWERS[path] : http1("201 Created");
  });

  get origin(): string {
    return `http://127.0.0.1:${this.#server.port}`;
  }

  requests(path: string): number {
    return this.#seen.get(path) ?? 0;
  }

  recipient(path: string): Recipient {
    return browser(`${this.origin}${path}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server[Symbol.asyncDispose]();
  }
}

function browser(endpoint: string): Recipient {
  return { tokens: [{ platform: "webpush", subscription: { endpoint, keys: MADE.receiver } }] };
}

function token(platform: "apns" | "fcm", text: string): Recipient {
  return { tokens: [{ platform, token: text }] };
}

/** Posts a notification with this token for the API. */
function posted(said: string | undefined): NodeRow["put"] {
  return async (world) => {
    const { status, text } = await world.call("POST", "/v1/notifications", {
      token: said,
      json: {},
    });
    return `${status} ${JSON.parse(text).detail}`;
  };
}

/** What becomes of something that never reaches its provider. */
function unasked(
  to: Recipient,
  options: Readonly<Record<string, unknown>> = {},
): NodeRow["put"] {
  return async (world) => {
    const requests = async () =>
      Object.values(await world.standIn.seen()).reduce((sum, one) => sum + one.requests, 0);
    const before = await requests();
    const { said } = await world.result(await world.send("shop", to, options));
    assertEquals(await requests(), before);
    return said;
  };
}

/** What becomes of one recipient, and what the log says of its provider meanwhile. */
async function followed(
  world: NodeWorld,
  { app, to, origin, ttl, retriesMin }: {
    readonly app: string;
    readonly to: Recipient;
    readonly origin: string;
    readonly ttl: number;
    readonly retriesMin?: number | undefined;
  },
): Promise<string> {
  const startedAt = new Date().toISOString();
  const { said, retries } = await world.result(await world.send(app, to, { ttl }), retriesMin);
  const { host } = new URL(origin);
  const failures = world.service.stderr.split("\n")
    .filter((line) => /provider_(answered|unreachable)/.test(line))
    .map((line) => JSON.parse(line))
    .filter(({ time, reason }) => time >= startedAt && reason.includes(host));
  const words = new Set(failures.map(({ reason }) => `; ${reason}`));
  return [said, retries > 0 ? ", tried again" : "", ...words].join("").replaceAll(host, "HOST");
}

/** A push service. */
function pushed(path: string, ttl = 60): NodeRow["put"] {
  return async (world, push) => {
    const { origin } = push;
    const retriesMin = path === "/far" ? 1 : undefined;
    const to = push.recipient(path);
    return await followed(world, { app: await world.app({}), to, origin, ttl, retriesMin });
  };
}

/** Apple, who behaves so at first. */
function apple(serve: Serve, ttl = 60, retriesMin?: number): NodeRow["put"] {
  return async (world) => {
    await using provider = new HostileProvider(serve);
    const { origin } = provider;
    const app = await world.app({ apns: { origin } });
    const to = token("apns", "ab".repeat(32));
    return await followed(world, { app, to, origin, ttl, retriesMin });
  };
}

/** Google, who behaves so at first; there is not time for another try, which it wants to be ten seconds later. */
function google(serve: Serve): NodeRow["put"] {
  return async (world) => {
    await using provider = new HostileProvider(serve);
    const { origin } = provider;
    const app = await world.app({ fcm: { origin } });
    return await followed(world, { app, to: token("fcm", "token"), origin, ttl: 9 });
  };
}

/** Says this to the first connection; the others are accepted, and what is sent over them, too. */
function greeting(serve: Serve): Serve {
  const good = http2(async (peer, { streamId }) => await peer.answer(streamId, 200));
  let connections = 0;
  return (conn) => connections++ === 0 ? serve(conn) : good(conn);
}

/** Answers the first request so, and accepts the others. */
function answering(bad: (peer: Peer, streamId: number) => Promise<void>): Serve {
  return http2(async (peer, { streamId }, before) =>
    before === 0 ? await bad(peer, streamId) : await peer.answer(streamId, 200)
  );
}

/** Says 400 and this. */
function saying400(body: string): Serve {
  return answering(async (peer, streamId) => await peer.answer(streamId, 400, body));
}

/** An answer whose body has no end. */
function endless(): Serve {
  return answering(async (peer, streamId) => {
    await peer.write((out) => peer.writeHeaders(out, streamId, [[":status", "400"]], false));
    for (;;) await peer.write((out) => writeData(out, streamId, new Uint8Array(16_384), false));
  });
}

/** Wants to be asked again after this. */
function putOff(retryAfter: string): Serve {
  const body = new TextEncoder().encode('{"reason":"ServiceUnavailable"}');
  return answering((peer, streamId) =>
    peer.write((out) => {
      const fields = [[":status", "503"], ["retry-after", retryAfter]] as const;
      peer.writeHeaders(out, streamId, fields, false);
      writeData(out, streamId, body, true);
    })
  );
}

const AGAIN = "delivered 0, tried again";
const BAD = `${AGAIN}; bad answer from HOST`;
/** Twice in the log: of the connection, and of the request that was not made, which is no retry. */
function noHttp2(why: string): string {
  const words = `HOST sent no valid SETTINGS: ${why}`;
  return `delivered 0; ${words}; no connection: ${words}`;
}
const BAD_TOKEN = "rejected 0 bad token";

const ROWS: readonly NodeRow[] = [
  {
    number: 78,
    input: "no token",
    expected: "401 an API token is needed: Authorization: Bearer TOKEN",
    put: posted(undefined),
  },
  { number: 78, input: "a wrong token", expected: "401 unknown token", put: posted("x") },
  {
    number: 78,
    input: "an expired token",
    expected: "401 token expired",
    put: posted(NAMED_TOKENS.old),
  },
  {
    number: 78,
    input: "a token that may look",
    expected: "403 needs scope send",
    put: posted(NAMED_TOKENS.reading),
  },
  {
    number: 82,
    input: "an endpoint that redirects",
    expected: "rejected 307 redirect refused, 0 requests elsewhere",
    async put(world, push) {
      const said = await pushed("/redirecting")(world, push);
      return `${said}, ${push.requests("/elsewhere")} requests elsewhere`;
    },
  },
  {
    number: 83,
    input: "an APNs token that is not hexadecimal",
    expected: BAD_TOKEN,
    put: unasked(token("apns", "xyz".repeat(22))),
  },
  {
    number: 83,
    input: "an APNs token of 63 characters",
    expected: BAD_TOKEN,
    put: unasked(token("apns", "a".repeat(63))),
  },
  { number: 83, input: "no FCM token", expected: BAD_TOKEN, put: unasked(token("fcm", "")) },
  {
    number: 84,
    input: "an APNs payload of 4097 bytes",
    expected: "rejected 0 payload 4097 > 4096",
    put: unasked({ devices: ["good"] }, {
      content: { apns: { payload: { a: "x".repeat(4_089) } } },
    }),
  },
  {
    number: 89,
    input: "garbage instead of HTTP/2",
    expected: noHttp2("The peer does not begin with SETTINGS"),
    put: apple(greeting(saying(`\u0000\u0001${CANARY}`.repeat(100)))),
  },
  {
    number: 89,
    input: "HTTP/1.1 instead of HTTP/2",
    expected: noHttp2("The peer speaks HTTP/1"),
    put: apple(greeting(saying("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"))),
  },
  {
    number: 89,
    input: "the end of TCP instead of HTTP/2",
    expected: noHttp2("the peer ended the connection"),
    put: apple(greeting(() => Promise.resolve())),
  },
  { number: 89, input: "an empty answer of Apple", expected: BAD, put: apple(saying400("")) },
  { number: 89, input: "garbage of Apple", expected: BAD, put: apple(saying400(`<p>${CANARY}`)) },
  { number: 89, input: "an endless answer of Apple", expected: BAD, put: apple(endless()) },
  {
    number: 89,
    input: "an empty answer of Google",
    expected: "expired 400 no time left to try again: bad answer from HOST; bad answer from HOST",
    put: google(saying400("")),
  },
  {
    number: 89,
    input: "an endless answer of Google",
    expected: "expired 0 no time left to try again: bad answer from HOST; bad answer from HOST",
    put: google(endless()),
  },
  { number: 89, input: "garbage of a push service", expected: BAD, put: pushed("/garbage") },
  {
    number: 89,
    input: "nothing of a push service",
    expected: `${AGAIN}; connection to HOST lost`,
    put: pushed("/empty"),
  },
  { number: 89, input: "HTTP/2.0 in a line of text", expected: BAD, put: pushed("/newer") },
  { number: 89, input: "10 GiB of a push service", expected: BAD, put: pushed("/endless") },
  { number: 90, input: "Retry-After banana", expected: AGAIN, put: apple(putOff("banana")) },
  { number: 90, input: "Retry-After -5", expected: AGAIN, put: apple(putOff("-5")) },
  {
    number: 90,
    input: "Retry-After of the year 9999, an hour left",
    expected: "expired 503 no time left to try again: ServiceUnavailable",
    put: apple(putOff(FAR), 3_600),
  },
  {
    number: 90,
    input: "Retry-After of the year 9999, more than an hour left",
    expected: "pending, tried again",
    put: apple(putOff(FAR), 3_660, 1),
  },
  {
    number: 90,
    input: "Retry-After banana of a push service",
    expected: AGAIN,
    put: pushed("/banana"),
  },
  {
    number: 90,
    input: "Retry-After -5 of a push service",
    expected: AGAIN,
    put: pushed("/negative"),
  },
  {
    number: 90,
    input: "Retry-After of the year 9999 of a push service, more than an hour left",
    expected: "pending, tried again",
    put: pushed("/far", 3_660),
  },
];

Deno.test("a node, its API and its providers: bad input", async (test) => {
  await using push = new PushService();
  await using world = await NodeWorld.open([push.origin]);
  for (const { number, input, expected, put } of ROWS) {
    await test.step(`${number} ${input} => ${expected}`, async () => {
      assertEquals(await put(world, push), expected);
      await world.assertWorks();
      world.assertNoSecrets();
    });
  }
  assertEquals(await world.service.stop(), { code: 0, signal: null });
});

/** Where the pipeline of one's own sends to. */
const TO = { app: "shop", content: { title: CANARY }, to: token("apns", "abcd".repeat(16)) };

/** A row of a source: entries that come before a good one, why they are set aside, and requests for them. */
const ENTRIES: readonly (readonly [
  number: number,
  input: string,
  entries: readonly ListedEntry[],
  expected: { readonly letters: readonly string[]; readonly requests: number },
])[] = [
  [85, "no JSON", [{ body: `{"${CANARY}` }], { letters: ["not JSON"], requests: 0 }],
  [85, "no id", [{ id: "", body: TO }], {
    letters: ["id of 0 characters, allowed are 1 to 128"],
    requests: 0,
  }],
  [85, "no app", [{ body: JSON.stringify({ ...TO, app: undefined }) }], {
    letters: ["app: missing"],
    requests: 0,
  }],
  [85, "an unknown platform", [{ body: { ...TO, to: { tokens: [{ platform: "pager" }] } } }], {
    letters: ['to.tokens[0].platform: must be one of apns, fcm, webpush, found "pager"'],
    requests: 0,
  }],
  [86, "an entry that comes twice", [{ id: "1", body: TO }, { id: "1", body: TO, deliveries: 2 }], {
    letters: [],
    requests: 1,
  }],
  [87, "an entry for the sixth time", [{ body: TO, deliveries: 6 }], {
    letters: ["gave up after 5 deliveries"],
    requests: 0,
  }],
  [88, "an entry of the future", [{ body: { ...TO, schema: 7 } }], {
    letters: ["schema 7, this build reads ≤ 1"],
    requests: 0,
  }],
];

for (const [number, input, entries, expected] of ENTRIES) {
  const shown = Deno.inspect(expected, { compact: true, breakLength: 200 });
  Deno.test(`a source: ${number} ${input} => ${shown}`, async () => {
    await using own = await OwnPipeline.open(entries);
    await own.start();
    await own.outcomes("delivered", expected.requests + 1);
    assertEquals(await own.letters(), expected.letters);
    assertEquals(await own.requests(), expected.requests + 1);
    // Each was handed out once, settled once, and is not asked for again.
    const each = entries.map(() => 1);
    assertEquals([own.acknowledged, own.opened], [[...each, 1], 1]);
    own.assertNoSecrets();
  });
}

/** A row of the queue: what happened to a batch before this node has it, and what is said of it. */
const BATCHES: readonly (readonly [
  number: number,
  input: string,
  damage: (store: MemoryDeliveryStore, claim: () => Promise<number>) => Promise<void>,
  letter: string,
])[] = [
  [85, "a batch that cannot be read", async (store, claim) => {
    store.corrupt(await claim());
  }, "its recipients cannot be read"],
  [87, "a batch for the sixth time", async (_, claim) => {
    for (let delivery = 1; delivery <= 5; delivery++) await claim();
  }, "gave up after 5 deliveries"],
];

for (const [number, input, damage, letter] of BATCHES) {
  Deno.test(`the queue: ${number} ${input} => failed, ${letter}`, async () => {
    await using own = await OwnPipeline.open([]);
    const id = await own.submit(TO);
    await own.store.expand(id, { limit: 10, batchMax: 10 });
    await damage(own.store, () => own.claimAndForget());
    await own.start();
    await own.outcomes("failed", 1);
    await own.outcomes("delivered", 1);
    const status = await own.store.notification(id);
    assertEquals([status?.state, status?.counts.failed, status?.counts.total], ["done", 1, 1]);
    assertEquals(await own.letters(), [letter]);
    assertEquals(await own.requests(), 1);
    own.assertNoSecrets();
  });
}
