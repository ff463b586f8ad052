/**
 * The Web Push provider: what it sends, to whom, and what it makes of the answers.
 *
 * @module
 */

import { assert, assertEquals, assertNotEquals, assertStringIncludes } from "@std/assert";
import { Buffer } from "node:buffer";
import { BAD_ANSWER } from "../../../transports/http2/exchange.ts";
import type {
  Content,
  Leg,
  Notification,
  Provider,
  Recipients,
  Verdict,
} from "../../../transports/provider/provider.ts";
import { type Encryption, inlineEncryption } from "../../../transports/webpush/encryption.ts";
import { EndpointPolicy } from "../../../transports/webpush/endpoint.ts";
import { PLAINTEXT_BYTES_MAX } from "../../../transports/webpush/limits.ts";
import { nodeCrypto } from "../../../transports/webpush/node_crypto.ts";
import { webPushProvider } from "../../../transports/webpush/provider.ts";
import { PushReceiver } from "../../support/push_receiver.ts";
import {
  appOf,
  notificationOf,
  NOW,
  recipientsOf,
  type ScriptedAnswer,
  ScriptedConnection,
  type SeenRequest,
  sendAll,
  StandingClock,
  verdictsOf,
} from "../../support/scripted_connection.ts";
import { newVapidKeys } from "../../support/sender.ts";

const keys = newVapidKeys();
const credentials = { vapidPrivateKey: keys.privateKey, subject: "mailto:push@example.org" };
const app = appOf({ webpush: credentials });
const receiver = new PushReceiver();
const ORIGIN = "https://push.example.net";
const ALLOWED = "https://push.example.org:8443";
const delivered: Verdict = { kind: "delivered" };

/** A provider whose connections nobody opens, and its clock. */
function newProvider(encryption: Encryption = inlineEncryption(nodeCrypto)) {
  const clock = new StandingClock();
  const provider = webPushProvider({
    connect: ({ origin }) => Promise.reject(new Error(`asked to connect to ${origin}`)),
    policy: new EndpointPolicy({ allowedOrigins: [ALLOWED] }),
    encryption,
    clock,
  });
  return { provider, clock };
}

/** Recipients at these endpoints, all with the receiver's keys. */
function at(...addresses: readonly string[]): Recipients {
  const all = new Uint8Array(Buffer.concat(addresses.map(() => receiver.keys)));
  return { ...recipientsOf("webpush", addresses), keys: all };
}

async function routed(provider: Provider, recipients: Recipients, fields?: Partial<Notification>) {
  const prepared = await provider.prepare(app, notificationOf(fields));
  assert(prepared.kind === "ready");
  return prepared.route(recipients);
}

async function onlyLeg(provider: Provider, recipients: Recipients, fields?: Partial<Notification>) {
  const { legs } = await routed(provider, recipients, fields);
  const [leg] = legs;
  assert(leg !== undefined && legs.length === 1);
  return leg;
}

/** The one request that a notification makes at an endpoint. */
async function requestTo(
  endpoint: string,
  fields?: Partial<Notification>,
  atMs = NOW,
): Promise<SeenRequest> {
  const { provider, clock } = newProvider();
  clock.now = atMs;
  const connection = new ScriptedConnection();
  await sendAll(await onlyLeg(provider, at(endpoint), fields), connection);
  const [request] = connection.requests;
  assert(request !== undefined);
  return request;
}

/** What the receiver reads in each request. */
function texts({ blocks }: ScriptedConnection): readonly string[] {
  return blocks.flatMap(({ bodies }) => {
    assert(!(bodies instanceof Uint8Array));
    return bodies.map((body) => receiver.readText(body));
  });
}

async function refusal(content: Content) {
  const prepared = await newProvider().provider.prepare(app, notificationOf({ content }));
  return prepared.kind === "refused" ? prepared.verdict : undefined;
}

Deno.test("webPushProvider() posts an encrypted message with every header it needs", async () => {
  const { provider } = newProvider();
  const connection = new ScriptedConnection(() => ({ status: 201 }));
  const leg = await onlyLeg(provider, at(`${ORIGIN}/p/1?x=%2b`));
  assertEquals(await sendAll(leg, connection), [delivered]);
  const [request] = connection.requests;
  assert(request !== undefined);
  assertEquals([request.method, request.authority, request.path], [
    "POST",
    "push.example.net",
    "/p/1?x=%2b",
  ]);
  const { authorization = "", ...fields } = request.fields;
  const text = '{"title":"Hello","body":"World"}';
  assertEquals(fields, {
    "content-encoding": "aes128gcm",
    "content-type": "application/octet-stream",
    "content-length": `${text.length + 103}`,
    "accept-encoding": "identity",
    "ttl": "3600",
    "urgency": "normal",
  });
  assert(/^vapid t=[\w-]+\.[\w-]+\.[\w-]+, k=[\w-]{87}$/.test(authorization));
  assertEquals(texts(connection), [text]);
});

Deno.test("webPushProvider() renders what a notification says", async () => {
  const rows: readonly (readonly [content: Content, text: string])[] = [
    [{ title: "T" }, '{"title":"T"}'],
    [{ title: "T", body: "B", data: { n: 1 } }, '{"title":"T","body":"B","data":{"n":1}}'],
    [{ data: {} }, '{"data":{}}'],
    [{ title: "T", webpush: { payload: "as it is" } }, "as it is"],
    [{ title: "T", webpush: { payload: "" } }, ""],
    [{ title: "T", webpush: { payload: { own: [1, "ü"] } } }, '{"own":[1,"ü"]}'],
    [
      { title: "T", body: "B", webpush: { navigate: "https://example.org/x" } },
      '{"web_push":8030,"notification":{"title":"T","navigate":"https://example.org/x","body":"B"}}',
    ],
    [{ webpush: { payload: "own", navigate: "https://example.org/x" } }, "own"],
  ];
  for (const [content, text] of rows) {
    const { provider } = newProvider();
    const connection = new ScriptedConnection();
    await sendAll(await onlyLeg(provider, at(`${ORIGIN}/p`), { content }), connection);
    assertEquals(texts(connection), [text]);
  }
});

Deno.test("webPushProvider() refuses content that no push service takes", async () => {
  const most = "x".repeat(PLAINTEXT_BYTES_MAX);
  assertEquals(await refusal({ webpush: { payload: most } }), undefined);
  const rejected = { kind: "rejected", status: 0 } as const;
  const rows: readonly (readonly [content: Content, reason: string])[] = [
    [{ webpush: { payload: `${most}x` } }, "payload of 3994 bytes exceeds 3993"],
    [{ webpush: { payload: "é".repeat(1_997) } }, "payload of 3994 bytes exceeds 3993"],
    [{ webpush: { navigate: "https://example.org" } }, "navigate needs a title"],
    [
      { title: "T", webpush: { navigate: "/here" } },
      'navigate must be a URL, found "/here"',
    ],
  ];
  for (const [content, reason] of rows) {
    assertEquals(await refusal(content), { ...rejected, reason });
  }
});

Deno.test("webPushProvider() pauses an app whose credentials cannot be used", async () => {
  const { provider } = newProvider();
  const rows = [
    [appOf({}), "no credentials for Web Push"],
    [
      appOf({ webpush: { ...credentials, vapidPrivateKey: "secret" } }),
      "webpush.vapidPrivateKey: ",
    ],
    [appOf({ webpush: { ...credentials, subject: "mailto:a@localhost" } }), "webpush.subject: "],
  ] as const;
  for (const [one, reason] of rows) {
    const prepared = await provider.prepare(one, notificationOf());
    assert(prepared.kind === "refused" && prepared.verdict.kind === "pause");
    assert(prepared.verdict.reason.startsWith(reason), prepared.verdict.reason);
    assertEquals(prepared.verdict.reason.includes("secret"), false);
  }
});

Deno.test("webPushProvider() asks the service to keep a message no longer than it is wanted", async () => {
  const rows:
    readonly (readonly [endpoint: string, ttlSeconds: number, atMs: number, ttl: string])[] = [
      [`${ORIGIN}/p`, 60, NOW, "60"],
      [`${ORIGIN}/p`, 0, NOW, "0"],
      [`${ORIGIN}/p`, 3_600, NOW + 600_500, "2999"],
      [`${ORIGIN}/p`, 3_600, NOW + 3_600_000, "0"],
      [`${ORIGIN}/p`, 3_600, NOW + 9_000_000, "0"],
      ["https://web.push.apple.com/x", 0, NOW, "1"],
      ["https://web.push.apple.com/x", 60, NOW, "60"],
    ];
  for (const [endpoint, ttlSeconds, atMs, ttl] of rows) {
    const request = await requestTo(endpoint, { ttlSeconds }, atMs);
    assertEquals(request.fields["ttl"], ttl, `${endpoint} ${ttlSeconds}`);
  }
  const long = { ttlSeconds: 9_999_999, expiresAt: NOW + 9_999_999_000 };
  assertEquals((await requestTo(`${ORIGIN}/p`, long)).fields["ttl"], "2419200");
});

Deno.test("webPushProvider() sends urgency and topic", async () => {
  for (const urgency of ["very-low", "low", "normal", "high"] as const) {
    assertEquals((await requestTo(`${ORIGIN}/p`, { urgency })).fields["urgency"], urgency);
  }
  assertEquals((await requestTo(`${ORIGIN}/p`)).fields["topic"], undefined);
  const rows: readonly (readonly [endpoint: string, topic: string, same: boolean])[] = [
    [`${ORIGIN}/p`, "score", true],
    [`${ORIGIN}/p`, "a-b_C9".padEnd(32, "x"), true],
    [`${ORIGIN}/p`, "x".repeat(33), false],
    [`${ORIGIN}/p`, "match 7: score", false],
    [`${ORIGIN}/p`, "größe", false],
    ["https://web.push.apple.com/x", "score", false],
    ["https://web.push.apple.com/x", "x".repeat(32), false],
  ];
  for (const [endpoint, topic, same] of rows) {
    const found = (await requestTo(endpoint, { topic })).fields["topic"] ?? "";
    assertEquals(found === topic, same, topic);
    assert(same || /^[A-Za-z0-9_-]{32}$/.test(found), found);
    assertEquals((await requestTo(endpoint, { topic })).fields["topic"], found);
    assertNotEquals((await requestTo(endpoint, { topic: `${topic}2` })).fields["topic"], found);
  }
});

Deno.test("webPushProvider() tells Microsoft's service whether it may keep the message", async () => {
  const wns = "https://wns2-par02p.notify.windows.com/w/?token=a%2bb";
  const policy = async (endpoint: string, ttlSeconds: number) =>
    (await requestTo(endpoint, { ttlSeconds })).fields["x-wns-cache-policy"];
  assertEquals(await policy(wns, 60), "cache");
  assertEquals(await policy(wns, 0), "no-cache");
  assertEquals(await policy(`${ORIGIN}/p`, 60), undefined);
});

Deno.test("webPushProvider() splits recipients by origin, and settles those without a request", async () => {
  const { provider } = newProvider();
  const { settled, legs } = await routed(
    provider,
    at(
      `${ORIGIN}/a`,
      "https://permanently-removed.invalid/fcm/send/x",
      "https://fcm.googleapis.com/fcm/send/b",
      "http://127.0.0.1/",
      `${ORIGIN}:443/c`,
      "https://169.254.169.254/latest",
    ),
  );
  assertEquals(
    legs.map(({ destination, places }) => [destination.origin, places]),
    [[ORIGIN, [0, 4]], ["https://fcm.googleapis.com", [2]]],
  );
  assertEquals([...settled], [
    [1, { kind: "token_invalid", status: 0, reason: "removed by the browser", doubtful: false }],
    [3, { kind: "rejected", status: 0, reason: "endpoint must begin with https://" }],
    [5, {
      kind: "rejected",
      status: 0,
      reason: 'endpoint must be at a public address, found "169.254.169.254"',
    }],
  ]);
});

Deno.test("webPushProvider() shares connections by origin and VAPID key", async () => {
  const { provider } = newProvider();
  const keyOf = async (vapidPrivateKey: string, endpoint: string) => {
    const own = appOf({ webpush: { ...credentials, vapidPrivateKey } });
    const prepared = await provider.prepare(own, notificationOf());
    assert(prepared.kind === "ready");
    return prepared.route(at(endpoint)).legs[0]?.destination.key;
  };
  const first = await keyOf(keys.privateKey, `${ORIGIN}/1`);
  assertEquals(await keyOf(keys.privateKey, `${ORIGIN}/2`), first);
  assertNotEquals(await keyOf(keys.privateKey, "https://other.example.net/1"), first);
  assertNotEquals(await keyOf(newVapidKeys().privateKey, `${ORIGIN}/1`), first);
});

Deno.test("Leg.send() sends to those it is asked to, each with a body and path of its own", async () => {
  const { provider } = newProvider();
  const connection = new ScriptedConnection(({ path }) => ({ status: path === "/c" ? 410 : 201 }));
  const leg = await onlyLeg(provider, at(`${ORIGIN}/a`, `${ORIGIN}/b`, `${ORIGIN}/c`));
  const verdicts = verdictsOf(await leg.send(connection, [2, 0]));
  assertEquals(verdicts.map(({ kind }) => kind), ["token_invalid", "delivered"]);
  assertEquals(connection.requests.map(({ path }) => path), ["/c", "/a"]);
  assertEquals(texts(connection).length, 2);
});

Deno.test("Leg.send() gives a recipient whose key is no point its verdict, and sends to the others", async () => {
  const { provider } = newProvider();
  const recipients = at(`${ORIGIN}/a`, `${ORIGIN}/b`, `${ORIGIN}/c`, `${ORIGIN}/d`);
  const broken = new Uint8Array(recipients.keys);
  broken.fill(9, 81 + 1, 81 + 65);
  // The last recipient's keys are missing altogether.
  const leg = await onlyLeg(provider, { ...recipients, keys: broken.subarray(0, 3 * 81) });
  const connection = new ScriptedConnection(({ path }) => ({ status: path === "/c" ? 410 : 201 }));
  const bad = {
    kind: "token_invalid",
    status: 0,
    reason: "p256dh is not a point on P-256",
    doubtful: true,
  };
  const verdicts = await sendAll(leg, connection);
  assertEquals([verdicts[1], verdicts[3]], [bad, bad]);
  assertEquals([verdicts[0]?.kind, verdicts[2]?.kind], ["delivered", "token_invalid"]);
  assertEquals(connection.requests.map(({ path }) => path), ["/a", "/c"]);
});

Deno.test("Leg.send() encrypts a leg once, and sends parts of it again as they are", async () => {
  const inline = inlineEncryption(nodeCrypto);
  let calls = 0;
  const { provider } = newProvider({
    ...inline,
    encrypt(plaintext, keys) {
      calls++;
      return inline.encrypt(plaintext, keys);
    },
  });
  const leg = await onlyLeg(provider, at(`${ORIGIN}/a`, `${ORIGIN}/b`, `${ORIGIN}/c`));
  const [first, second] = [new ScriptedConnection(), new ScriptedConnection()];
  await sendAll(leg, first);
  await leg.send(second, [2, 1]);
  assertEquals(calls, 1);
  const bodies = (connection: ScriptedConnection) => connection.requests.map(({ body }) => body);
  assertEquals(second.requests.map(({ path }) => path), ["/c", "/b"]);
  assertEquals(bodies(second), [bodies(first)[2], bodies(first)[1]]);
});

Deno.test("Leg.send() asks nothing of a connection when no key is good", async () => {
  const { provider } = newProvider();
  const leg = await onlyLeg(provider, { ...at(`${ORIGIN}/a`), keys: new Uint8Array(81) });
  const connection = new ScriptedConnection();
  assertEquals((await sendAll(leg, connection)).map(({ kind }) => kind), ["token_invalid"]);
  assertEquals(connection.blocks, []);
});

/** Answers 401 to requests with one of the first tokens. */
function refusing(tokens: number, good: ScriptedAnswer): (request: SeenRequest) => ScriptedAnswer {
  const seen: string[] = [];
  return ({ fields }) => {
    const token = fields["authorization"] ?? "";
    if (!seen.includes(token)) seen.push(token);
    return seen.indexOf(token) < tokens ? { status: 401 } : good;
  };
}

Deno.test("Leg.send() renews a refused VAPID token once, and sends again", async () => {
  const { provider, clock } = newProvider();
  const leg = await onlyLeg(provider, at(`${ORIGIN}/a`, `${ORIGIN}/b`));
  await sendAll(leg, new ScriptedConnection(() => ({ status: 500 })));
  clock.now += 1_000;
  const connection = new ScriptedConnection(refusing(1, { status: 201 }));
  assertEquals(await sendAll(leg, connection), [delivered, delivered]);
  assertEquals(connection.requests.map(({ path }) => path), ["/a", "/b", "/a", "/b"]);
  // The body is the same: only the token was wrong.
  assertEquals(connection.blocks[0]?.bodies, connection.blocks[1]?.bodies);
});

Deno.test("Leg.send() pauses the app when a known service refuses the renewed token, too", async () => {
  const rows = [
    ["https://web.push.apple.com", "BadJwtToken", "pause", 2],
    ["https://web.push.apple.com", "BadVapidPublicKey", "pause", 1],
    [ALLOWED, "BadJwtToken", "pause", 2],
    // Whoever has a host and a subscription could pause the app.
    [ORIGIN, "BadJwtToken", "rejected", 2],
    [ORIGIN, "BadVapidPublicKey", "rejected", 1],
  ] as const;
  for (const [origin, reason, kind, requests] of rows) {
    const { provider } = newProvider();
    const leg = await onlyLeg(provider, at(`${origin}/a`));
    const connection = new ScriptedConnection(() => ({ status: 403, body: { reason } }));
    assertEquals(await sendAll(leg, connection), [{ kind, status: 403, reason }]);
    assertEquals(connection.requests.length, requests);
  }
});

Deno.test("Leg.send() does not doubt credentials that were accepted within the hour", async () => {
  const { provider, clock } = newProvider();
  const leg = await onlyLeg(provider, at(`${ALLOWED}/a`, `${ALLOWED}/b`));
  const one = new ScriptedConnection(({ path }) => ({ status: path === "/b" ? 401 : 201 }));
  const later = { kind: "retry", status: 401, reason: "VAPID token refused", scope: "recipient" };
  assertEquals<readonly unknown[]>(await sendAll(leg, one), [delivered, later]);
  assertEquals(one.requests.length, 2);
  clock.now += 3_600_000;
  const none = new ScriptedConnection(() => ({ status: 401 }));
  assertEquals((await sendAll(leg, none)).map(({ kind }) => kind), ["pause", "pause"]);
});

for (
  const [criterion, encrypt, reason, afterMs] of [
    ["is busy", () => Promise.resolve("busy"), "encryption is busy", 500],
    [
      "does not work",
      () => Promise.reject(new Error("Cannot encrypt: its threads died 6 times")),
      "encryption does not work",
      10_000,
    ],
  ] satisfies readonly (readonly [string, Encryption["encrypt"], string, number])[]
) {
  Deno.test(`Leg.send() leaves recipients unsent while encryption ${criterion}`, async () => {
    const { provider } = newProvider({
      name: "node:crypto",
      encrypt,
      [Symbol.asyncDispose]: () => Promise.resolve(),
    });
    const leg = await onlyLeg(provider, at(`${ORIGIN}/a`, `${ORIGIN}/b`));
    const connection = new ScriptedConnection();
    const unsent = { kind: "unsent", reason, afterMs } as const;
    assertEquals(await sendAll(leg, connection), [unsent, unsent]);
    assertEquals(connection.blocks, []);
  });
}

Deno.test("Leg.send() names the host for an answer that is none", async () => {
  const { provider } = newProvider();
  const leg: Leg = await onlyLeg(provider, at(`${ORIGIN}/a`));
  const [verdict] = await sendAll(leg, new ScriptedConnection(() => ({ end: BAD_ANSWER })));
  assert(verdict?.kind === "retry");
  assertStringIncludes(verdict.reason, "bad answer from push.example.net");
});
