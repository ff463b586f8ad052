/**
 * The provider for Apple's devices over a scripted connection: who is sent to where, with which
 * token, and what happens when Apple refuses the token.
 *
 * @module
 */

import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { apnsProvider, type ApnsProviderOptions } from "../../../transports/apns/mod.ts";
import type { ConnectTarget } from "../../../transports/provider/connect.ts";
import type {
  ApnsCredentials,
  Leg,
  Notification,
  Recipients,
  Routed,
} from "../../../transports/provider/provider.ts";
import {
  appOf,
  notificationOf,
  recipientsOf,
  type ScriptedAnswer,
  ScriptedConnection,
  type SeenRequest,
  sendAll,
  StandingClock,
} from "../../support/scripted_connection.ts";
import { makeClientCertificate } from "./client_certificate.ts";
import { newKey, TOKEN_CREDENTIALS } from "./keys.ts";

const MINUTE = 60_000;

/** A provider with what a test looks at. */
class Subject {
  readonly clock = new StandingClock();
  readonly targets: ConnectTarget[] = [];
  readonly #provider;

  constructor(options: Partial<ApnsProviderOptions> = {}) {
    this.#provider = apnsProvider({
      connect: (target) => {
        this.targets.push(target);
        return Promise.resolve(new ScriptedConnection());
      },
      clock: this.clock,
      ...options,
    });
  }

  async route(
    recipients: Recipients,
    credentials: ApnsCredentials = TOKEN_CREDENTIALS,
    notification: Partial<Notification> = {},
  ): Promise<Routed> {
    const prepared = await this.#provider.prepare(
      appOf({ apns: credentials }),
      notificationOf(notification),
    );
    if (prepared.kind === "refused") throw new Error(Deno.inspect(prepared.verdict));
    return prepared.route(recipients);
  }

  async leg(credentials: ApnsCredentials = TOKEN_CREDENTIALS): Promise<Leg> {
    const { legs: [leg] } = await this.route(recipientsOf("apns", ["aa", "bb", "cc"]), credentials);
    if (leg === undefined) throw new Error("No leg");
    return leg;
  }
}

function tokenOf({ fields }: SeenRequest): string {
  return (fields.authorization ?? "").replace("bearer ", "");
}

Deno.test("apnsProvider() settles tokens that Apple cannot have made, without a request", async () => {
  const bad = ["", "abc", "zz", "ab cd", "ab/../cd", "a".repeat(63), "ab".repeat(1_025), "0xab"];
  const good = ["ab", "AB12", "ab".repeat(32), "ab".repeat(100), "ab".repeat(1_024)];
  const { settled, legs } = await new Subject().route(recipientsOf("apns", [...bad, ...good]));
  assertEquals([...settled.keys()], bad.map((_, place) => place));
  for (const verdict of settled.values()) {
    assertEquals(verdict, { kind: "rejected", status: 0, reason: "bad token" });
  }
  assertEquals(legs.map(({ places }) => places), [good.map((_, index) => bad.length + index)]);
});

Deno.test("apnsProvider() keeps suspects on one connection of their own", async () => {
  const { legs } = await new Subject().route(recipientsOf("apns", ["aa", "bb", "cc"], [1]));
  assertEquals(legs.map(({ places }) => places), [[0, 2], [1]]);
  assertEquals(legs.map(({ destination }) => destination.connectionsMax), [8, 1]);
  assertNotEquals(legs[0]?.destination.key, legs[1]?.destination.key);
});

Deno.test("apnsProvider() opens as many connections as it is told", async () => {
  const { destination } = await new Subject({ connectionsMax: 3 }).leg();
  assertEquals(destination.connectionsMax, 3);
});

Deno.test("apnsProvider() shares connections between apps of one key and nobody else", async () => {
  const subject = new Subject();
  const key = async (credentials: ApnsCredentials) =>
    (await subject.leg(credentials)).destination.key;
  const own = await key(TOKEN_CREDENTIALS);
  assertEquals(await key({ ...TOKEN_CREDENTIALS, topic: "com.example.other" }), own);
  const others: readonly ApnsCredentials[] = [
    { ...TOKEN_CREDENTIALS, keyId: "KEYID00002" },
    { ...TOKEN_CREDENTIALS, teamId: "TEAMID0002" },
    { ...TOKEN_CREDENTIALS, origin: "https://api.sandbox.push.apple.com" },
    // Who names the id of another's key has not got the key.
    { ...TOKEN_CREDENTIALS, key: newKey() },
  ];
  const keys = [own, ...await Promise.all(others.map(key))];
  assertEquals(new Set(keys).size, keys.length);
  assert(keys.every((name) => !name.includes(TOKEN_CREDENTIALS.key.slice(30, 60))));
});

Deno.test("apnsProvider() signs one token for all apps of a key", async () => {
  const subject = new Subject();
  const connection = new ScriptedConnection();
  await sendAll(await subject.leg(), connection);
  await sendAll(await subject.leg({ ...TOKEN_CREDENTIALS, topic: "com.example.b" }), connection);
  assertEquals(new Set(connection.requests.map(tokenOf)).size, 1);
  const thief = { ...TOKEN_CREDENTIALS, key: newKey() };
  await sendAll(await subject.leg(thief), connection);
  assertEquals(new Set(connection.requests.map(tokenOf)).size, 2);
});

Deno.test("apnsProvider() gives a delivery the same id each time, whoever sends it", async () => {
  const ids = async (subject: Subject) => {
    const connection = new ScriptedConnection();
    const recipients = { ...recipientsOf("apns", ["aa", "bb"]), numbers: [7, 281_474_976_710_655] };
    const { legs: [leg] } = await subject.route(recipients);
    if (leg !== undefined) await sendAll(leg, connection);
    return connection.requests.map(({ fields }) => fields["apns-id"]);
  };
  const first = await ids(new Subject());
  assertEquals(first, [
    "11111111-2222-8333-8444-000000000007",
    "11111111-2222-8333-8444-ffffffffffff",
  ]);
  assertEquals(await ids(new Subject()), first);
});

Deno.test("Leg.send() sends to those who are named, one body for all", async () => {
  const connection = new ScriptedConnection(({ path }) =>
    path.endsWith("cc") ? { status: 410, body: { reason: "Unregistered" } } : { status: 200 }
  );
  const answers = await (await new Subject().leg()).send(connection, [2, 0]);
  assertEquals(connection.requests.map(({ path }) => path), ["/3/device/cc", "/3/device/aa"]);
  assertEquals([...answers.of].map((index) => answers.verdicts[index]?.kind), [
    "token_invalid",
    "delivered",
  ]);
  assert(connection.blocks[0]?.bodies instanceof Uint8Array);
});

Deno.test("Leg.send() uses one head as long as the token is the same", async () => {
  const subject = new Subject();
  const leg = await subject.leg();
  const connection = new ScriptedConnection();
  await sendAll(leg, connection);
  await sendAll(leg, connection);
  subject.clock.now += 50 * MINUTE;
  await sendAll(leg, connection);
  const [first, second, third] = connection.blocks.map(({ head }) => head);
  assert(first === second);
  assert(second !== third);
});

/** Refuses requests with these tokens as expired. */
function refusing(
  used: ReadonlySet<string>,
  path: string,
): (request: SeenRequest) => ScriptedAnswer {
  return (request) =>
    used.has(tokenOf(request)) && request.path.endsWith(path)
      ? { status: 403, body: { reason: "ExpiredProviderToken" } }
      : { status: 200 };
}

Deno.test("Leg.send() sends again with a new token to those whose token had expired, only", async () => {
  const subject = new Subject();
  const leg = await subject.leg();
  const before = new ScriptedConnection();
  await sendAll(leg, before);
  subject.clock.now += 31 * MINUTE;
  const used = new Set(before.requests.map(tokenOf));
  const connection = new ScriptedConnection(refusing(used, "bb"));
  const verdicts = await sendAll(leg, connection);
  assertEquals(verdicts.map(({ kind }) => kind), ["delivered", "delivered", "delivered"]);
  assertEquals(connection.requests.map(({ path }) => path.slice(-2)), ["aa", "bb", "cc", "bb"]);
  const [first, again] = connection.requests.filter(({ path }) => path.endsWith("bb"));
  assertEquals(again?.fields["apns-id"], first?.fields["apns-id"]);
});

Deno.test("Leg.send() renews once: a new token that is refused as well pauses the app", async () => {
  const subject = new Subject();
  const leg = await subject.leg();
  await sendAll(leg, new ScriptedConnection());
  subject.clock.now += 31 * MINUTE;
  const connection = new ScriptedConnection(() => ({
    status: 403,
    body: { reason: "InvalidProviderToken" },
  }));
  const verdicts = await sendAll(leg, connection);
  assertEquals(connection.blocks.length, 2);
  const pause = { kind: "pause", status: 403, reason: "InvalidProviderToken" } as const;
  assertEquals(verdicts, [pause, pause, pause]);
});

Deno.test("Leg.send() does not sign again when Apple has seen too many tokens", async () => {
  const subject = new Subject();
  const leg = await subject.leg();
  const connection = new ScriptedConnection(() => ({
    status: 429,
    body: { reason: "TooManyProviderTokenUpdates" },
  }));
  await sendAll(leg, connection);
  subject.clock.now += 31 * MINUTE;
  await sendAll(leg, connection);
  assertEquals(new Set(connection.requests.map(tokenOf)).size, 1);
});

Deno.test("apnsProvider() pauses the app from the end of its certificate on, as the clock has it", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const { certificate, key } = await makeClientCertificate(folder);
    const apns = { certificate, certificateKey: key, topic: "com.example.app" };
    const clock = new StandingClock();
    const provider = apnsProvider({ connect: () => Promise.reject(new Error()), clock });
    const kinds: string[] = [];
    // Valid for two days; a clock that was wrong once must not be believed for ever.
    for (const days of [0, 3, 0]) {
      clock.now = Date.now() + days * 86_400_000;
      const prepared = await provider.prepare(appOf({ apns }), notificationOf());
      kinds.push(prepared.kind === "ready" ? "ready" : prepared.verdict.kind);
    }
    assertEquals(kinds, ["ready", "pause", "ready"]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("apnsProvider() with a certificate connects with it and sends no token", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const { certificate, key } = await makeClientCertificate(folder);
    const credentials = { certificate, certificateKey: key, topic: "com.example.app" };
    // The certificate is valid now, not at the time of these tests.
    const subject = new Subject({ clock: { wallNow: () => Date.now() } });
    const leg = await subject.leg(credentials);
    await leg.destination.connect();
    assertEquals(subject.targets, [{
      origin: "https://api.push.apple.com",
      clientCertificate: { certificate, key },
    }]);
    const connection = new ScriptedConnection(() => ({
      status: 403,
      body: { reason: "MissingProviderToken" },
    }));
    const [verdict] = await sendAll(leg, connection);
    assertEquals(verdict, { kind: "pause", status: 403, reason: "MissingProviderToken" });
    assertEquals(connection.blocks.length, 1);
    assertEquals(connection.requests[0]?.fields.authorization, undefined);
    const live = { content: { apns: { pushType: "liveactivity" } } } as const;
    const refused = await apnsProvider({ connect: () => Promise.reject(new Error()) })
      .prepare(appOf({ apns: credentials }), notificationOf(live));
    assertEquals(refused, {
      kind: "refused",
      verdict: {
        kind: "rejected",
        status: 0,
        reason: "push type liveactivity needs a signing key, not a certificate",
      },
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("apnsProvider() pauses an app whose credentials cannot be used, and says why", async () => {
  const provider = apnsProvider({ connect: () => Promise.reject(new Error()) });
  const rows: readonly (readonly [ApnsCredentials | undefined, string])[] = [
    [undefined, "no credentials for APNs"],
    [{ ...TOKEN_CREDENTIALS, keyId: "x" }, "apns.keyId: "],
    [{ ...TOKEN_CREDENTIALS, key: "x" }, "apns.key: "],
    [{ ...TOKEN_CREDENTIALS, topic: "" }, "apns.topic: "],
    [{ ...TOKEN_CREDENTIALS, origin: "ftp://a" }, "apns.origin: "],
  ];
  for (const [apns, reason] of rows) {
    const prepared = await provider.prepare(
      appOf(apns === undefined ? {} : { apns }),
      notificationOf(),
    );
    assert(prepared.kind === "refused" && prepared.verdict.kind === "pause");
    assert(prepared.verdict.reason.startsWith(reason), prepared.verdict.reason);
  }
});
