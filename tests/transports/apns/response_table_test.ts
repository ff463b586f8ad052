/**
 * What Apple's answers mean, one row for each: the answer goes through a whole provider, its verdict
 * comes out. The expectations are written out here and not taken from the table they try.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { BAD_ANSWER, LOST, TIMED_OUT, UNSENT } from "../../../transports/http2/exchange.ts";
import { apnsProvider } from "../../../transports/apns/mod.ts";
import { APNS_RESPONSES } from "../../../transports/apns/response_table.ts";
import type { ApnsContent, Content, Verdict } from "../../../transports/provider/provider.ts";
import {
  appOf,
  notificationOf,
  NOW,
  recipientsOf,
  type ScriptedAnswer,
  ScriptedConnection,
  sendAll,
  StandingClock,
} from "../../support/scripted_connection.ts";
import { TOKEN_CREDENTIALS } from "./keys.ts";

/** Sends to one recipient. */
async function verdictOn(
  answer: ScriptedAnswer,
  content: Content = { body: "Hello" },
): Promise<{ readonly verdict: Verdict | undefined; readonly connection: ScriptedConnection }> {
  const connection = new ScriptedConnection(() => answer);
  const provider = apnsProvider({
    connect: () => Promise.resolve(connection),
    clock: new StandingClock(),
  });
  const prepared = await provider.prepare(
    appOf({ apns: TOKEN_CREDENTIALS }),
    notificationOf({ content }),
  );
  if (prepared.kind === "refused") throw new Error(prepared.verdict.kind);
  const [leg] = prepared.route(recipientsOf("apns", ["ab12"])).legs;
  if (leg === undefined) throw new Error("No leg");
  const [verdict] = await sendAll(leg, connection);
  return { verdict, connection };
}

const SINCE = NOW - 86_400_000;
const retry = { kind: "retry", scope: "recipient" } as const;

/** Status, reason, and what of the verdict is not status and reason. */
const ROWS: readonly (readonly [number, string, object])[] = [
  [400, "BadCollapseId", { kind: "rejected" }],
  [400, "BadDeviceToken", { kind: "token_invalid", doubtful: true }],
  [400, "BadExpirationDate", { kind: "rejected" }],
  [400, "BadMessageId", { kind: "rejected" }],
  [400, "BadPriority", { kind: "rejected" }],
  [400, "BadTopic", { kind: "pause" }],
  [400, "DeviceTokenNotForTopic", { kind: "token_invalid", doubtful: true }],
  [400, "DuplicateHeaders", { kind: "rejected" }],
  [400, "InvalidPushType", { kind: "rejected" }],
  [400, "MissingDeviceToken", { kind: "rejected" }],
  [400, "MissingTopic", { kind: "pause" }],
  [400, "PayloadEmpty", { kind: "rejected" }],
  [400, "TopicDisallowed", { kind: "pause" }],
  [403, "BadCertificate", { kind: "pause" }],
  [403, "BadCertificateEnvironment", { kind: "pause" }],
  [403, "BadEnvironmentKeyIdInToken", { kind: "pause" }],
  [403, "BadEnvironmentKeyInToken", { kind: "pause" }],
  [403, "Forbidden", { kind: "pause" }],
  // The signer has signed just now, so it does not sign again.
  [403, "InvalidProviderToken", { kind: "pause" }],
  [403, "MissingProviderToken", { kind: "pause" }],
  [403, "UnrelatedKeyIdInToken", retry],
  [404, "BadPath", { kind: "rejected" }],
  [405, "MethodNotAllowed", { kind: "rejected" }],
  [410, "ExpiredToken", { kind: "token_invalid", doubtful: false, invalidSince: SINCE }],
  [410, "Unregistered", { kind: "token_invalid", doubtful: false, invalidSince: SINCE }],
  [413, "PayloadTooLarge", { kind: "rejected" }],
  [429, "TooManyProviderTokenUpdates", { kind: "retry", scope: "lane", afterMs: 60_000 }],
  [429, "TooManyRequests", retry],
  [500, "InternalServerError", retry],
  [503, "ServiceUnavailable", retry],
  [503, "Shutdown", retry],
  [400, "SomethingNew", { kind: "rejected" }],
  [499, "SomethingNew", { kind: "rejected" }],
  [500, "SomethingNew", retry],
];

for (const [status, reason, rest] of ROWS) {
  Deno.test(`apns ${status} ${reason} => ${Deno.inspect(rest, { compact: true })}`, async () => {
    const gone = status === 410 ? { timestamp: SINCE } : {};
    const { verdict } = await verdictOn({ status, body: { reason, ...gone } });
    assertEquals<unknown>(verdict, { status, reason, ...rest });
  });
}

Deno.test("apns 200 => delivered", async () => {
  assertEquals((await verdictOn({ status: 200 })).verdict, { kind: "delivered" });
});

Deno.test("apns 400 IdleTimeout => unsent, over another connection", async () => {
  const { verdict, connection } = await verdictOn({ status: 400, body: { reason: "IdleTimeout" } });
  assertEquals(verdict, { kind: "unsent", reason: "IdleTimeout" });
  assertEquals(connection.closed, 1);
});

Deno.test("apns 403 ExpiredProviderToken for a young token => pause, naming the clock", async () => {
  const rows: readonly (readonly [string | undefined, string])[] = [
    [undefined, "is its clock right?"],
    [new Date(NOW).toUTCString(), "is its clock right?"],
    [new Date(NOW + 7_200_000).toUTCString(), "its clock is 120 minutes behind Apple's"],
    [new Date(NOW - 3_600_000).toUTCString(), "its clock is 60 minutes ahead of Apple's"],
    ["banana", "is its clock right?"],
  ];
  for (const [date, clock] of rows) {
    const headers: Record<string, string> = date === undefined ? {} : { date };
    const reason = "ExpiredProviderToken";
    const { verdict } = await verdictOn({ status: 403, headers, body: { reason } });
    assertEquals(verdict, {
      kind: "pause",
      status: 403,
      reason: `${reason}, although the token is not an hour old: ${clock}`,
    });
  }
});

Deno.test("apns response table has a test for each of its rows", () => {
  const tried = [...ROWS.map(([, reason]) => reason), "IdleTimeout", "ExpiredProviderToken"];
  const missing = APNS_RESPONSES.filter(([, reason]) => !tried.includes(reason));
  assertEquals(missing, []);
});

Deno.test("apns answers that end a connection have it closed, the others do not", async () => {
  for (const [status, reason] of APNS_RESPONSES) {
    const { connection } = await verdictOn({ status, body: { reason } });
    const ends = ["IdleTimeout", "Shutdown", "UnrelatedKeyIdInToken"].includes(reason);
    assertEquals(connection.closed, ends ? 1 : 0, reason);
  }
});

for (
  const [criterion, apns] of [
    ["brought its own", { topic: "com.example.other" }],
    ["has one of its push type", { pushType: "voip" }],
  ] satisfies readonly (readonly [string, ApnsContent])[]
) {
  Deno.test(`apns reasons about the topic speak of the notification that ${criterion}`, async () => {
    const content = { body: "Hello", apns };
    for (
      const reason of ["BadTopic", "MissingTopic", "TopicDisallowed", "DeviceTokenNotForTopic"]
    ) {
      const { verdict } = await verdictOn({ status: 400, body: { reason } }, content);
      assertEquals(verdict, { kind: "rejected", status: 400, reason });
    }
  });
}

Deno.test("apns 410 without a time that can be one names none", async () => {
  for (const timestamp of [undefined, "1", -1, null, {}]) {
    const body = { reason: "Unregistered", timestamp };
    const { verdict } = await verdictOn({ status: 410, body });
    assertEquals(verdict, {
      kind: "token_invalid",
      status: 410,
      reason: "Unregistered",
      doubtful: false,
    });
  }
});

Deno.test("apns answers that are not Apple's give up nobody", async () => {
  const bodies = ["", "<html>Bad Request</html>", "{", "[]", "null", { reason: 1 }, "\u0000\u0001"];
  for (const status of [302, 400, 403, 404, 410, 500, 502]) {
    for (const body of bodies) {
      const { verdict } = await verdictOn({ status, body });
      const reason = "bad answer from api.push.apple.com";
      assertEquals<unknown>(verdict, { ...retry, status, reason });
    }
  }
});

Deno.test("apns Retry-After is obeyed within reason", async () => {
  const rows: readonly (readonly [string, object])[] = [
    ["banana", {}],
    ["-5", { afterMs: 0 }],
    ["7", { afterMs: 7_000 }],
    [new Date(NOW + 90_000).toUTCString(), { afterMs: 90_000 }],
    ["Fri, 31 Dec 9999 23:59:59 GMT", { afterMs: 3_600_000 }],
  ];
  for (const [value, rest] of rows) {
    const headers = { "retry-after": value };
    const reason = "ServiceUnavailable";
    const { verdict } = await verdictOn({ status: 503, headers, body: { reason } });
    assertEquals<unknown>(verdict, { ...retry, status: 503, reason, ...rest });
  }
});

Deno.test("apns reasons nobody knows are shown on one line, cut", async () => {
  const reason = `New\u001b[31m\n${"reason ".repeat(100)}`;
  const { verdict } = await verdictOn({ status: 400, body: { reason } });
  const shown = verdict?.kind === "rejected" ? verdict.reason : "";
  assertEquals(shown.length, 200);
  assertEquals(/^[\x20-\x7e]+$/.test(shown), true);
});

Deno.test("apns requests without an answer => what is known of them", async () => {
  const none = { status: 0, reason: "no answer from api.push.apple.com in time" };
  const bad = { status: 0, reason: "bad answer from api.push.apple.com" };
  const goaway = 'GOAWAY NO_ERROR: {"reason":"Shutdown"}';
  const rows: readonly (readonly [ScriptedAnswer, object])[] = [
    [{ end: UNSENT, reason: goaway }, { kind: "unsent", reason: "Shutdown" }],
    [{ end: UNSENT }, { kind: "unsent", reason: "api.push.apple.com took no more requests" }],
    [{ end: LOST, reason: goaway }, { ...retry, status: 0, reason: "Shutdown" }],
    [{ end: LOST, reason: "reset by peer" }, { ...retry, status: 0, reason: "reset by peer" }],
    [{ end: LOST }, { ...retry, status: 0, reason: "connection to api.push.apple.com lost" }],
    [{ end: TIMED_OUT }, { ...retry, ...none }],
    [{ end: BAD_ANSWER }, { ...retry, ...bad }],
    [
      { end: UNSENT, reason: 'GOAWAY: {"reason":"BadCertificate"}' },
      { kind: "pause", status: 0, reason: "BadCertificate" },
    ],
  ];
  for (const [answer, expected] of rows) {
    assertEquals<unknown>((await verdictOn(answer)).verdict, expected);
  }
});
