/**
 * Bad input at the API: each row is a request and what must come back. After each row a good client
 * still works, and every answer is what the served document says.
 */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { plantedCredentials, subscriptionJson } from "../support/api_fixtures.ts";
import { ApiWorld, type CallOptions } from "../support/api_world.ts";

interface Row {
  readonly what: string;
  readonly call: readonly [method: string, path: string];
  readonly send: CallOptions;
  readonly status: number;
  /** What the detail says. */
  readonly says?: string;
  /** All problems, `path: message`. */
  readonly problems?: readonly string[];
}

const POST = ["POST", "/v1/notifications"] as const;
const PREVIEW = ["POST", "/v1/notifications/preview"] as const;
const DEVICE = ["PUT", "/v1/devices/d1"] as const;
const GOOD = { app: "shop", content: { title: "Hi" }, to: { all: true } };

function submit(differences: Readonly<Record<string, unknown>>): CallOptions {
  return { json: { ...GOOD, ...differences } };
}

function browser(keys: Parameters<typeof subscriptionJson>[0]): CallOptions {
  return { json: { app: "shop", platform: "webpush", subscription: subscriptionJson(keys) } };
}

function bytes(length: number, first: number): string {
  const point = new Uint8Array(length);
  point[0] = first;
  return point.toBase64({ alphabet: "base64url", omitPadding: true });
}

const TOKENS: readonly Row[] = [
  { what: "no token", call: POST, send: { token: undefined, json: GOOD }, status: 401 },
  {
    what: "a wrong token",
    call: POST,
    send: { token: "x", json: GOOD },
    status: 401,
    says: "unknown token",
  },
  {
    what: "an expired token",
    call: POST,
    send: { token: "old-token", json: GOOD },
    status: 401,
    says: "token expired",
  },
  {
    what: "a token that may only look",
    call: POST,
    send: { token: "read-token", json: GOOD },
    status: 403,
    says: "needs scope send",
  },
  {
    what: "a token that may only send",
    call: ["PUT", "/v1/apps/shop"],
    send: { token: "send-token", json: {} },
    status: 403,
    says: "needs scope admin",
  },
];

const FORMS: readonly Row[] = [
  {
    what: "a body that is not JSON",
    call: POST,
    send: { body: '{\n  "app": shop\n}', type: "application/json" },
    status: 400,
    says: "body: not JSON at line 2, column 10",
  },
  {
    what: "no body",
    call: POST,
    send: { body: "", type: "application/json" },
    status: 400,
    says: "body: not JSON at line 1, column 1",
  },
  {
    what: "another type",
    call: POST,
    send: { body: "app=shop", type: "application/x-www-form-urlencoded" },
    status: 415,
    says: "Content-Type must be application/json",
  },
  {
    what: "a compressed body",
    call: POST,
    send: { json: GOOD, headers: { "content-encoding": "gzip" } },
    status: 415,
    says: 'Content-Encoding: none is taken, found "gzip"',
  },
  {
    what: "JSON where rows are taken",
    call: ["POST", "/v1/devices"],
    send: { json: {} },
    status: 415,
    says: "Content-Type must be application/x-ndjson or text/csv",
  },
  {
    what: "a body above 1 MiB",
    call: DEVICE,
    send: { json: "x".repeat(1_048_575) },
    status: 413,
    says: "body: at most 1048576 bytes, found 1048577",
  },
  {
    what: "a chunked body above 1 MiB",
    call: DEVICE,
    send: {
      body: ReadableStream.from([new Uint8Array(1_048_576).fill(32), new Uint8Array(1)]),
      type: "application/json",
    },
    status: 413,
    says: "body: at most 1048576 bytes, found more",
  },
  {
    what: "33 levels",
    call: POST,
    send: submit({ content: { data: JSON.parse("[".repeat(31) + "]".repeat(31)) } }),
    status: 422,
    problems: [": must not be nested deeper than 32 levels"],
  },
  {
    what: "a method that is not served",
    call: ["PATCH", "/v1/devices/d1"],
    send: {},
    status: 405,
    says: "/v1/devices/d1 accepts PUT, GET, HEAD and DELETE",
  },
];

const NOTIFICATIONS: readonly Row[] = [
  {
    what: "missing fields, wrong types and unknown fields at once",
    call: POST,
    send: {
      json: {
        content: { title: 7, apns: { priority: 3, pushTyp: "alert" } },
        to: { users: ["", 1] },
        ttl: "10",
        urgency: "urgent",
        color: "red",
      },
    },
    status: 422,
    problems: [
      "app: missing",
      "content.title: must be a text, found 7",
      "content.apns.priority: must be one of 1, 5, 10, found 3",
      "content.apns.pushTyp: unknown field; known are payload, aps, pushType, priority, collapseId, topic",
      'to.users[0]: must be text of 1 to 256 characters, found ""',
      "to.users[1]: must be text of 1 to 256 characters, found 1",
      'ttl: must be a whole number of seconds from 0 to 2419200, found "10"',
      'urgency: must be one of very-low, low, normal, high, found "urgent"',
      "color: unknown field; known are app, content, to, ttl, urgency, topic, sendAt, ratePerSecond, record",
    ],
  },
  {
    what: "no object",
    call: POST,
    send: { json: [] },
    status: 422,
    problems: [": must be an object, found a list of 0"],
  },
  {
    what: "a list where an object stands",
    call: POST,
    send: submit({ content: { title: "Hi", fcm: [] } }),
    status: 422,
    problems: ["content.fcm: must be an object, found a list of 0"],
  },
  {
    what: "an unknown app",
    call: POST,
    send: submit({ app: "shoe" }),
    status: 422,
    problems: ['app: there is no app "shoe"'],
  },
  {
    what: "two audiences",
    call: POST,
    send: submit({ to: { all: true, users: ["u"] } }),
    status: 422,
    problems: [
      "to: must have exactly one of devices, users, tags, all, tokens, open, found an object",
    ],
  },
  {
    what: "nothing to say",
    call: POST,
    send: submit({ content: {} }),
    status: 422,
    problems: [
      "content: must have at least one of title, body, data, apns, fcm, webpush, found an object",
    ],
  },
  {
    what: "a time that is none",
    call: POST,
    send: submit({ sendAt: "tomorrow" }),
    status: 422,
    problems: [
      'sendAt: must be a time as RFC 3339 has it, such as "2030-01-31T08:00:00Z", found "tomorrow"',
    ],
  },
  {
    what: "a time too far ahead",
    call: POST,
    send: submit({ sendAt: "2031-01-03T00:00:00Z" }),
    status: 422,
    problems: ['sendAt: must be at most a year ahead, found "2031-01-03T00:00:00Z"'],
  },
  {
    what: "10,001 targets",
    call: POST,
    send: submit({ to: { devices: Array.from({ length: 10_001 }, (_, index) => `d${index}`) } }),
    status: 413,
    says: "split into calls of at most 10000",
  },
  {
    what: "10,000 targets",
    call: POST,
    send: submit({ to: { devices: Array.from({ length: 10_000 }, (_, index) => `d${index}`) } }),
    status: 202,
  },
  {
    what: "a key that is none",
    call: POST,
    send: { json: GOOD, headers: { "idempotency-key": "a b" } },
    status: 422,
    problems: [
      'Idempotency-Key: must be visible ASCII of 1 to 255 characters, found "a b"',
    ],
  },
  {
    what: "tokens of a wrong form, which their provider refuses",
    call: POST,
    send: submit({
      to: { tokens: [{ platform: "apns", token: "xyz" }, { platform: "fcm", token: "" }] },
    }),
    status: 202,
  },
  {
    what: "a payload that is too large for its provider, which is measured as it is sent",
    call: POST,
    send: submit({ content: { body: "x".repeat(4_097) } }),
    status: 202,
  },
];

const LISTS: readonly Row[] = [
  {
    what: "a search for nothing and a status that is none",
    call: ["GET", "/v1/notifications?search=&status=sent"],
    send: {},
    status: 422,
    problems: [
      'search: must be text of 1 to 100 characters, found ""',
      'status: must be one of open, scheduled, expanding, sending, done, cancelled, found "sent"',
    ],
  },
  {
    what: "a search that is too long",
    call: ["GET", `/v1/notifications?search=${"x".repeat(101)}`],
    send: {},
    status: 422,
    problems: [
      `search: must be text of 1 to 100 characters, found "${"x".repeat(60)}…"`,
    ],
  },
  {
    what: "a search for what would be a pattern, and for control characters",
    call: ["GET", `/v1/notifications?search=${encodeURIComponent("(.*[\u0000\u202e")}`],
    send: {},
    status: 200,
  },
  {
    what: "the reasons of a notification that is not there",
    call: ["GET", "/v1/notifications/nobody/reasons"],
    send: {},
    status: 404,
    says: 'there is no notification "nobody"',
  },
  {
    what: "a preview by who may only look",
    call: PREVIEW,
    send: { token: "read-token", json: GOOD },
    status: 403,
    says: "needs scope send",
  },
  {
    what: "a preview of what submit refuses",
    call: PREVIEW,
    send: submit({ content: { title: 7 }, ttl: -1 }),
    status: 422,
    problems: [
      "content.title: must be a text, found 7",
      "ttl: must be a whole number of seconds from 0 to 2419200, found -1",
    ],
  },
  {
    what: "a preview for an app that is not there",
    call: PREVIEW,
    send: submit({ app: "shoe" }),
    status: 422,
    problems: ['app: there is no app "shoe"'],
  },
  {
    what: "a preview for too many",
    call: PREVIEW,
    send: submit({ to: { users: Array.from({ length: 10_001 }, (_, index) => `u${index}`) } }),
    status: 413,
    says: "split into calls of at most 10000",
  },
];

const DEVICES: readonly Row[] = [
  {
    what: "no platform, and more",
    call: DEVICE,
    send: { json: { tags: "news" } },
    status: 422,
    problems: [
      "platform: must be one of apns, fcm, webpush, found nothing",
      "app: missing",
      'tags: must be a list of at most 100 tags, found "news"',
    ],
  },
  {
    what: "a token for a browser",
    call: DEVICE,
    send: { json: { app: "shop", platform: "webpush", token: "abc" } },
    status: 422,
    problems: [
      "subscription: missing",
      "token: unknown field; known are app, user, tags, platform, subscription",
    ],
  },
  {
    what: "an app that is not there",
    call: DEVICE,
    send: { json: { app: "shoe", platform: "fcm", token: "abc" } },
    status: 422,
    problems: ['app: there is no app "shoe"'],
  },
  {
    what: "an endpoint over http",
    call: DEVICE,
    send: browser({ endpoint: "http://updates.push.services.mozilla.com/a" }),
    status: 422,
    says: "subscription.endpoint: must begin with https://",
  },
  {
    what: "an endpoint at a private address",
    call: DEVICE,
    send: browser({ endpoint: "https://192.168.1.1/a" }),
    status: 422,
    says: "subscription.endpoint: ",
  },
  {
    what: "64 bytes of p256dh",
    call: DEVICE,
    send: browser({ p256dh: bytes(64, 4) }),
    status: 422,
    problems: ["subscription.keys.p256dh: 65 bytes expected, 64 found"],
  },
  {
    what: "a compressed point",
    call: DEVICE,
    send: browser({ p256dh: bytes(65, 2) }),
    status: 422,
    problems: ["subscription.keys.p256dh: uncompressed point expected"],
  },
  {
    what: "no point of the curve",
    call: DEVICE,
    send: browser({ p256dh: bytes(65, 4) }),
    status: 422,
    problems: ["subscription.keys.p256dh: not a point on P-256"],
  },
  {
    what: "plain base64, and 15 bytes of auth",
    call: DEVICE,
    send: browser({ p256dh: "BA+A", auth: bytes(15, 1) }),
    status: 422,
    problems: [
      "subscription.keys.p256dh: not base64url at position 3",
      "subscription.keys.auth: 16 bytes expected, 15 found",
    ],
  },
  {
    what: "a wrong parameter of a list",
    call: ["GET", "/v1/devices?app=shop&limit=0&colour=red"],
    send: {},
    status: 422,
    problems: [
      "limit: must be a whole number from 1 to 1000, found 0",
      "colour: unknown field; known are app, idPrefix, after, limit, user, tag, state",
    ],
  },
  {
    what: "a prefix no id can have",
    call: ["GET", "/v1/devices?app=shop&idPrefix=a%20b"],
    send: {},
    status: 422,
    problems: ['idPrefix: must be visible ASCII of 1 to 128 characters, found "a b"'],
  },
  {
    what: "a prefix of nothing",
    call: ["GET", "/v1/devices?app=shop&idPrefix="],
    send: {},
    status: 422,
    problems: ['idPrefix: must be visible ASCII of 1 to 128 characters, found ""'],
  },
  {
    what: "a wrong span of bars",
    call: ["GET", "/v1/bars?span=week&step=1"],
    send: {},
    status: 422,
    problems: [
      'span: must be one of ten_minutes, hour, day, found "week"',
      "step: unknown field; known are span",
    ],
  },
];

for (const row of [...TOKENS, ...FORMS, ...NOTIFICATIONS, ...LISTS, ...DEVICES]) {
  const { what, call: [method, path], send, status, says, problems } = row;
  Deno.test(`the API answers ${what}: ${method} ${path} => ${status}`, async () => {
    await using world = await ApiWorld.open();
    await world.ok("PUT", "/v1/apps/shop", { json: plantedCredentials().body });
    const { status: seen, text } = await world.call(method, path, send);
    assertEquals(seen, status, text);
    if (says !== undefined) assertStringIncludes(JSON.parse(text).detail, says);
    if (problems !== undefined) assertEquals(shown(text), problems);
    await world.ok("POST", "/v1/notifications", { token: "send-token", json: GOOD });
  });
}

function shown(text: string): readonly string[] {
  const { problems = [] }: {
    readonly problems?: readonly { readonly path: string; readonly message: string }[];
  } = JSON.parse(text);
  return problems.map(({ path, message }) => `${path}: ${message}`);
}
