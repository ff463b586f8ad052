/**
 * The provider for Google's devices over a scripted connection and a real token endpoint: who is sent
 * to, at what pace, and what happens when Google refuses the token.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import type { Verdict } from "../../../transports/provider/provider.ts";
import {
  recipientsOf,
  type ScriptedAnswer,
  ScriptedConnection,
  type SeenRequest,
  sendAll,
} from "../../support/scripted_connection.ts";
import { Subject } from "./subject.ts";

function many(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `token${index}`);
}

function kindsOf(verdicts: readonly Verdict[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { kind } of verdicts) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}

Deno.test("fcmProvider() settles tokens that cannot be any, without a request", async () => {
  await using subject = new Subject();
  const prepared = await subject.prepare();
  assert(prepared.kind === "ready");
  const tokens = ["", "a", "x".repeat(4_097), "x".repeat(4_096)];
  const { settled, legs } = prepared.route(recipientsOf("fcm", tokens, [1]));
  const verdict = { kind: "rejected", status: 0, reason: "bad token" } as const;
  assertEquals([...settled], [[0, verdict], [2, verdict]]);
  assertEquals(legs.map(({ places }) => places), [[1, 3]]);
  assertEquals(prepared.route(recipientsOf("fcm", [""])).legs, []);
});

Deno.test("fcmProvider() shares connections of 100 streams between projects", async () => {
  await using subject = new Subject({ connectionsMax: 3 });
  const first = await subject.leg(["a"]);
  const second = await subject.leg(["a"], {}, subject.credentials("shop-2"));
  assertEquals(first.destination.key, second.destination.key);
  assertEquals(first.destination.connectionsMax, 3);
  await first.destination.connect();
  assertEquals(subject.targets, [{ origin: "https://fcm.googleapis.com", streamsMax: 100 }]);
  const elsewhere = { ...subject.credentials(), origin: "https://fcm.example" };
  assert((await subject.leg(["a"], {}, elsewhere)).destination.key !== first.destination.key);
});

Deno.test("fcmProvider() asks for one token for all notifications of an account", async () => {
  await using subject = new Subject();
  const connection = new ScriptedConnection();
  await sendAll(await subject.leg(["a"]), connection);
  await sendAll(await subject.leg(["b"]), connection);
  assertEquals(subject.server.forms.length, 1);
});

Deno.test("Leg.send() sends to those who are named", async () => {
  await using subject = new Subject();
  const connection = new ScriptedConnection();
  await (await subject.leg(["a", "b", "c"])).send(connection, [2, 0]);
  const tokens = connection.requests.map(({ body }) => JSON.parse(body).message.token);
  assertEquals(tokens, ["c", "a"]);
});

/** Refuses some access tokens for one device. */
function refusing(used: readonly string[], device: string) {
  return ({ fields, body }: SeenRequest): ScriptedAnswer => {
    const token = (fields.authorization ?? "").replace("Bearer ", "");
    return used.includes(token) && body.includes(`"${device}"`)
      ? { status: 401, body: { error: { status: "UNAUTHENTICATED" } } }
      : { status: 200 };
  };
}

Deno.test("Leg.send() sends again with a new token to those whose token was refused, only", async () => {
  await using subject = new Subject();
  const connection = new ScriptedConnection(refusing(["token-1"], "b"));
  const verdicts = await sendAll(await subject.leg(["a", "b", "c"]), connection);
  assertEquals(kindsOf(verdicts), { delivered: 3 });
  assertEquals(connection.blocks.map(({ paths }) => paths.length), [3, 1]);
  assertEquals(subject.server.forms.length, 2);
});

Deno.test("Leg.send() renews once: a new token that is refused as well pauses the app", async () => {
  await using subject = new Subject();
  const connection = new ScriptedConnection(refusing(["token-1", "token-2"], "b"));
  const verdicts = await sendAll(await subject.leg(["a", "b"]), connection);
  assertEquals(verdicts, [
    { kind: "delivered" },
    { kind: "pause", status: 401, reason: "UNAUTHENTICATED" },
  ]);
  assertEquals(connection.blocks.length, 2);
});

Deno.test("Leg.send() without a token sends nothing", async () => {
  const rows: readonly (readonly [number, Verdict["kind"]])[] = [[400, "pause"], [503, "unsent"]];
  for (const [status, kind] of rows) {
    await using subject = new Subject();
    subject.server.answer = () => ({ status, body: { error: "invalid_grant" } });
    const connection = new ScriptedConnection();
    assertEquals(kindsOf(await sendAll(await subject.leg(["a", "b"]), connection)), { [kind]: 2 });
    assertEquals(connection.blocks.length, 0);
  }
});

Deno.test("Leg.send() gives a message the lifetime it has left", async () => {
  await using subject = new Subject();
  const connection = new ScriptedConnection();
  const leg = await subject.leg(["a"]);
  for (const passedMs of [0, 10_000, 600_000, 3_600_000]) {
    subject.clock.now += passedMs;
    await sendAll(leg, connection);
  }
  const lifetimes = connection.requests.map(({ body }) => JSON.parse(body).message.android.ttl);
  assertEquals(lifetimes, ["3600s", "3600s", "2990s", "0s"]);
});

Deno.test("Leg.send() keeps the pace of the project", async () => {
  // A hundred a second: a burst of 100, and 500 within the longest wait.
  await using subject = new Subject({ messagesPerMinute: 6_000 });
  const connection = new ScriptedConnection();
  const verdicts = await sendAll(await subject.leg(many(1_000)), connection);
  assertEquals(kindsOf(verdicts), { delivered: 600, unsent: 400 });
  assertEquals(verdicts.at(-1), {
    kind: "unsent",
    reason: "the project's quota is spent",
    afterMs: 5_000,
  });
  assertEquals(subject.clock.slept, [5_000]);
  const other = await subject.leg(many(100), {}, subject.credentials("shop-2"));
  assertEquals(kindsOf(await sendAll(other, connection)), { delivered: 100 });
});

Deno.test("Leg.send() makes no request while a project's quota is exceeded", async () => {
  await using subject = new Subject();
  const exceeded = new ScriptedConnection(() => ({
    status: 429,
    headers: { "retry-after": "20" },
    body: { error: { status: "RESOURCE_EXHAUSTED" } },
  }));
  const leg = await subject.leg(["a"]);
  assertEquals(await sendAll(leg, exceeded), [{
    kind: "retry",
    status: 429,
    reason: "RESOURCE_EXHAUSTED",
    afterMs: 20_000,
    scope: "lane",
  }]);
  const connection = new ScriptedConnection();
  subject.clock.now += 5_000;
  assertEquals(await sendAll(await subject.leg(["b"]), connection), [{
    kind: "unsent",
    reason: "the project's quota is spent",
    afterMs: 15_000,
  }]);
  assertEquals(connection.blocks.length, 0);
  subject.clock.now += 15_000;
  assertEquals(kindsOf(await sendAll(leg, connection)), { delivered: 1 });
});

Deno.test("Leg.send() enters tokens into the compression table that leave room in it", async () => {
  for (const [length, indexing] of [[2_048, "indexed"], [2_049, "literal"]] as const) {
    await using subject = new Subject();
    subject.server.answer = () => ({ body: { access_token: "x".repeat(length) } });
    const connection = new ScriptedConnection();
    await sendAll(await subject.leg(["a"]), connection);
    assertEquals(connection.blocks[0]?.head.fields[0]?.indexing, indexing);
  }
});

Deno.test("fcmProvider() pauses an app whose credentials cannot be used, and says why", async () => {
  await using subject = new Subject();
  const rows = [
    [{ serviceAccount: {} }, "fcm.serviceAccount.client_email: missing"],
    [{ ...subject.credentials(), origin: "x" }, "fcm.origin: expected an https origin"],
  ] as const;
  for (const [credentials, reason] of rows) {
    const prepared = await subject.prepare({}, credentials);
    assert(prepared.kind === "refused" && prepared.verdict.kind === "pause");
    assert(prepared.verdict.reason.startsWith(reason), prepared.verdict.reason);
  }
});
