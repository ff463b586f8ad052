import { assert, assertEquals } from "@std/assert";
import type { Content, Submission } from "../../../../actors/push/delivery/records.ts";
import {
  type ReadSubmission,
  readSubmission,
} from "../../../../actors/push/delivery/submission.ts";

const NOW = Date.UTC(2030, 0, 1);
const ID = "00000000-0000-4000-8000-000000000001";
const BODY = { app: "shop", content: { title: "Hi" }, to: { all: true } };
const CHECKS = { endpoint: () => undefined, point: () => true };

function read(body: unknown, idempotencyKey?: string): ReadSubmission {
  return readSubmission(body, { id: ID, now: NOW, idempotencyKey, checks: CHECKS });
}

function good(body: unknown, idempotencyKey?: string): Submission {
  const outcome = read(body, idempotencyKey);
  assert(outcome.kind === "value", JSON.stringify(outcome));
  return outcome.value;
}

Deno.test("readSubmission() fills in what nobody said", () => {
  const { digest, ...submission } = good(BODY);
  assertEquals(submission, {
    notification: {
      id: ID,
      app: "shop",
      content: { title: "Hi" },
      ttlSeconds: 2_419_200,
      urgency: "normal",
      topic: undefined,
      createdAt: NOW,
      sendAt: NOW,
      expiresAt: NOW + 2_419_200_000,
      ratePerSecond: undefined,
      rows: "failures",
    },
    audience: { kind: "all" },
    idempotencyKey: undefined,
  });
  assertEquals(digest.length, 64);
});

Deno.test("readSubmission() takes everything that can be said", () => {
  const content: Content = {
    title: "t",
    body: "b",
    data: { a: [1, null, { __proto_: true }] },
    apns: {
      payload: { aps: {} },
      aps: { badge: 1 },
      pushType: "liveactivity",
      priority: 5,
      collapseId: "c",
      topic: "com.example.shop.push-type.liveactivity",
    },
    fcm: { message: { android: {} }, validateOnly: true },
    webpush: { payload: { a: 1 }, navigate: "https://shop.example/" },
  };
  const { notification, idempotencyKey } = good({
    app: "shop",
    content,
    to: { users: ["u", "u", "v"] },
    ttl: 60,
    urgency: "very-low",
    topic: "deals",
    sendAt: "2030-01-02T00:00:00.5+01:00",
    ratePerSecond: 100,
    record: "all",
  }, "key-1");
  assertEquals(notification.content, content);
  assertEquals(idempotencyKey, "key-1");
  const sendAt = Date.UTC(2030, 0, 1, 23, 0, 0, 500);
  assertEquals([notification.sendAt, notification.expiresAt], [sendAt, sendAt + 60_000]);
  const { urgency, topic, ratePerSecond, rows, ttlSeconds } = notification;
  assertEquals([urgency, topic, ratePerSecond, rows, ttlSeconds], [
    "very-low",
    "deals",
    100,
    "all",
    60,
  ]);
});

const TIMES: readonly (readonly [what: string, said: object, sendMs: number, expireMs: number])[] =
  [
    ["now or never", { ttl: 0 }, 0, 600_000],
    ["a short time", { ttl: 1 }, 0, 1_000],
    ["a time that has passed", { sendAt: "2029-12-31T23:00:00Z", ttl: 5 }, 0, 5_000],
    [
      "an hour ahead, now or never",
      { sendAt: "2030-01-01T01:00:00Z", ttl: 0 },
      3_600_000,
      4_200_000,
    ],
  ];

for (const [what, said, sendMs, expireMs] of TIMES) {
  Deno.test(`readSubmission() counts times of ${what}`, () => {
    const { sendAt, expiresAt } = good({ ...BODY, ...said }).notification;
    assertEquals([sendAt - NOW, expiresAt - NOW], [sendMs, expireMs]);
  });
}

Deno.test("readSubmission() reads each audience, names once, addresses as they are", () => {
  const keys = { p256dh: `BA${"A".repeat(85)}`, auth: "A".repeat(22) };
  const audiences = [
    [{ devices: ["b", "a", "b"] }, { kind: "devices", devices: ["b", "a"] }],
    [{ users: ["u"] }, { kind: "users", users: ["u"] }],
    [{ tags: ["t t"] }, { kind: "tags", tags: ["t t"] }],
    [{ all: true }, { kind: "all" }],
    [{ open: true }, { kind: "open" }],
    [
      {
        tokens: [
          { platform: "fcm", token: "" },
          {
            platform: "webpush",
            subscription: { endpoint: "https://push.example/a", expirationTime: null, keys },
          },
        ],
      },
      {
        kind: "direct",
        recipients: [
          { platform: "fcm", address: "", keys: undefined },
          {
            platform: "webpush",
            address: "https://push.example/a",
            keys: new Uint8Array(81).fill(4, 0, 1),
          },
        ],
      },
    ],
  ] as const;
  for (const [to, audience] of audiences) {
    const read: unknown = good({ ...BODY, to }).audience;
    assertEquals(read, audience);
  }
});

Deno.test("readSubmission() digests what was said, not the order in which it was", () => {
  const { digest } = good({ ...BODY, content: { data: { a: 1, b: [{ c: 1, d: 2 }] } } });
  const content = { data: { b: [{ d: 2, c: 1 }], a: 1 } };
  assertEquals(good({ to: { all: true }, content, app: "shop" }).digest, digest);
  const swapped = { data: { a: [{ c: 1, d: 2 }], b: 1 } };
  assert(good({ ...BODY, content: swapped }).digest !== digest);
});

Deno.test("readSubmission() tells a hundred problems and counts the others", () => {
  const outcome = read({ ...BODY, to: { users: Array.from({ length: 5_000 }, () => 1) } });
  assert(outcome.kind === "problems");
  assertEquals(outcome.problems.length, 101);
  assertEquals(outcome.problems.at(-1), { path: "", message: "and 4900 more problems" });
});

Deno.test("readSubmission() refuses whatever is no notification, without throwing", () => {
  const deep: Record<string, unknown> = {};
  deep["deep"] = deep;
  const hostile = JSON.parse('{"__proto__":{"polluted":1},"constructor":{},"app":"shop"}');
  const values = [undefined, null, 7, NaN, "text", [], () => {}, Symbol("s"), 1n, deep, hostile];
  for (const value of values) assertEquals(read(value).kind, "problems");
  assertEquals(Object.hasOwn(Object.prototype, "polluted"), false);
});
