/**
 * What a notification becomes on its way to Google: the whole request, and the notifications that are
 * refused before one is made.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import type { Content, Notification } from "../../../transports/provider/provider.ts";
import { NOW, ScriptedConnection, sendAll } from "../../support/scripted_connection.ts";
import { Subject } from "./subject.ts";

const HIGH = { ttl: "3600s", priority: "HIGH" };
const NORMAL = { ttl: "3600s", priority: "NORMAL" };
const SHOWN = { title: "Hello", body: "World" };

async function bodyFor(fields: Partial<Notification>, token = "a:b"): Promise<unknown> {
  await using subject = new Subject();
  const connection = new ScriptedConnection();
  await sendAll(await subject.leg([token], fields), connection);
  return JSON.parse(connection.requests[0]?.body ?? "");
}

Deno.test("fcmProvider() makes a request as Google documents it", async () => {
  await using subject = new Subject();
  const connection = new ScriptedConnection();
  await sendAll(await subject.leg(["a:b"]), connection);
  const [request] = connection.requests;
  assertEquals({ ...request, body: JSON.parse(request?.body ?? "") }, {
    method: "POST",
    authority: "fcm.googleapis.com",
    path: "/v1/projects/shop-1/messages:send",
    fields: { "authorization": "Bearer token-1", "content-type": "application/json" },
    body: { message: { notification: SHOWN, android: HIGH, token: "a:b" } },
  });
});

/** Content, and the message without its token. */
const GOLDEN: readonly (readonly [string, Content, object])[] = [
  ["a title alone", { title: "Hello" }, { notification: { title: "Hello" }, android: HIGH }],
  ["data alone", { data: { a: "b" } }, { data: { a: "b" }, android: NORMAL }],
  [
    "data that is not text",
    { data: { n: 1, t: true, z: null, l: [1, "x"], o: { a: 1 }, s: "s" } },
    {
      data: { n: "1", t: "true", z: "null", l: '[1,"x"]', o: '{"a":1}', s: "s" },
      android: NORMAL,
    },
  ],
  ["nothing", {}, { android: NORMAL }],
  [
    "fields of its own beside and instead",
    {
      ...SHOWN,
      data: { a: 1 },
      fcm: {
        message: {
          notification: { title: "Hi" },
          android: { notification: { channel_id: "c" }, ttl: "5s" },
          apns: { headers: { "apns-priority": "5" } },
          webpush: { headers: { TTL: "60" } },
        },
      },
    },
    {
      notification: { title: "Hi" },
      data: { a: "1" },
      android: { ttl: "5s", priority: "HIGH", notification: { channel_id: "c" } },
      apns: { headers: { "apns-priority": "5" } },
      webpush: { headers: { TTL: "60" } },
    },
  ],
  [
    "data of its own",
    { data: { a: 1 }, fcm: { message: { data: { b: 2 } } } },
    { data: { b: "2" }, android: NORMAL },
  ],
];

for (const [name, content, message] of GOLDEN) {
  Deno.test(`fcmProvider() renders ${name}`, async () => {
    assertEquals(await bodyFor({ content }), { message: { ...message, token: "a:b" } });
  });
}

Deno.test("fcmProvider() lets Google check and not deliver", async () => {
  const content = { data: { a: "b" }, fcm: { validateOnly: true } };
  assertEquals(Object.entries(Object(await bodyFor({ content }))), [
    ["validate_only", true],
    ["message", { data: { a: "b" }, android: NORMAL, token: "a:b" }],
  ]);
});

Deno.test("fcmProvider() gives Android lifetime, priority and topic", async () => {
  const silent: Content = { data: { a: "b" } };
  const hour = 3_600_000;
  const rows: readonly (readonly [Partial<Notification>, object])[] = [
    [{ urgency: "very-low" }, NORMAL],
    [{ urgency: "low" }, NORMAL],
    [{ urgency: "normal" }, HIGH],
    [{ urgency: "high" }, HIGH],
    [{ urgency: "normal", content: silent }, NORMAL],
    [{ urgency: "high", content: silent }, HIGH],
    [{ topic: "news" }, { ...HIGH, collapse_key: "news" }],
    [{ ttlSeconds: 0 }, { ...HIGH, ttl: "0s" }],
    [{ ttlSeconds: 7_200, expiresAt: NOW + hour }, HIGH],
    [{ expiresAt: NOW - 1 }, { ...HIGH, ttl: "0s" }],
    [{ ttlSeconds: 1e9, expiresAt: NOW + 1e12 }, { ...HIGH, ttl: "2419200s" }],
  ];
  for (const [fields, android] of rows) {
    const content = fields.content ?? SHOWN;
    const rest = fields.content === undefined ? { notification: SHOWN } : silent;
    assertEquals(await bodyFor({ ...fields, content }), {
      message: { ...rest, android, token: "a:b" },
    });
  }
});

Deno.test("fcmProvider() does not name a collapse key twice", async () => {
  for (const name of ["collapse_key", "collapseKey"]) {
    const content = { fcm: { message: { android: { [name]: "mine" } } } };
    assertEquals(await bodyFor({ topic: "news", content }), {
      message: { android: { ...NORMAL, [name]: "mine" }, token: "a:b" },
    });
  }
});

Deno.test("fcmProvider() writes any token as JSON", async () => {
  for (const token of ['"},"topic":"all', "\\", "a\u0000b", "äöü", "😀", "\ud800"]) {
    await using subject = new Subject();
    const connection = new ScriptedConnection();
    await sendAll(await subject.leg([token, "plain"], { content: {} }), connection);
    const sent = connection.requests.map(({ body }) => JSON.parse(body));
    assertEquals(sent, [token, "plain"].map((token) => ({ message: { android: NORMAL, token } })));
  }
});

Deno.test("fcmProvider() sends messages up to Google's limit, in bytes of keys and values", async () => {
  const rest = 4_096 - "titleHello".length - "bodyWorld".length - "aä".length - 1;
  const content = { ...SHOWN, data: { a: `ä${"x".repeat(rest)}` } };
  await bodyFor({ content });
  await using subject = new Subject();
  const data = { a: `ä${"x".repeat(rest + 1)}` };
  assertEquals(await subject.prepare({ content: { ...SHOWN, data } }), {
    kind: "refused",
    verdict: { kind: "rejected", status: 0, reason: "payload 4097 > 4096" },
  });
});

Deno.test("fcmProvider() refuses what Google would refuse, without a request", async () => {
  await using subject = new Subject();
  const reserved = ["from", "message_type", "notification", "google.x", "gcm.x", "gcm."];
  const rows: readonly (readonly [Content, string])[] = [
    ...reserved.flatMap((key): [Content, string][] => [
      [{ data: { [key]: "x" } }, `data key "${key}" is reserved by FCM`],
      [{ fcm: { message: { data: { [key]: 1 } } } }, `data key "${key}" is reserved by FCM`],
    ]),
    ...["token", "fid", "topic", "condition"].map((name): [Content, string] => [
      { fcm: { message: { [name]: "x" } } },
      `fcm.message.${name}: recipients are the target`,
    ]),
  ];
  for (const [content, reason] of rows) {
    assertEquals(await subject.prepare({ content }), {
      kind: "refused",
      verdict: { kind: "rejected", status: 0, reason },
    });
  }
  for (const key of ["fromage", "gcmx", "googlex"]) {
    assertEquals((await subject.prepare({ content: { data: { [key]: "x" } } })).kind, "ready");
  }
});
