/**
 * What a notification becomes on its way to Apple: the whole request for each push type, and the
 * notifications that are refused before one is made.
 *
 * @module
 */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { apnsProvider } from "../../../transports/apns/mod.ts";
import type {
  ApnsContent,
  ApnsCredentials,
  Content,
  Notification,
  Prepared,
} from "../../../transports/provider/provider.ts";
import {
  appOf,
  notificationOf,
  NOW,
  recipientsOf,
  ScriptedConnection,
  type SeenRequest,
  sendAll,
  StandingClock,
} from "../../support/scripted_connection.ts";
import { TOKEN_CREDENTIALS } from "./keys.ts";

const DEVICE = "ab12cd";
const ID = "11111111-2222-8333-8444-000000000000";

async function prepare(
  fields: Partial<Notification>,
  credentials: ApnsCredentials = TOKEN_CREDENTIALS,
): Promise<Prepared> {
  const provider = apnsProvider({
    connect: () => Promise.reject(new Error("not needed")),
    clock: new StandingClock(),
  });
  return await provider.prepare(appOf({ apns: credentials }), notificationOf(fields));
}

/** The request for one recipient, without its token, whose signature is never the same. */
async function requestFor(fields: Partial<Notification>): Promise<SeenRequest> {
  const prepared = await prepare(fields);
  if (prepared.kind === "refused") throw new Error(Deno.inspect(prepared.verdict));
  const [leg] = prepared.route(recipientsOf("apns", [DEVICE])).legs;
  if (leg === undefined) throw new Error("No leg");
  const connection = new ScriptedConnection();
  await sendAll(leg, connection);
  const [request] = connection.requests;
  if (request === undefined) throw new Error("No request");
  const { authorization = "", ...others } = request.fields;
  assertStringIncludes(authorization, "bearer eyJ");
  return { ...request, fields: others };
}

/** Content, then topic, push type, priority and body of the request. */
type Golden = readonly [
  name: string,
  content: Content,
  suffix: string,
  pushType: string,
  priority: string,
  body: object,
];

const ALERT = { title: "Hello", body: "World" };
const own = (apns: ApnsContent, data?: Content["data"]): Content => ({
  ...ALERT,
  ...(data === undefined ? {} : { data }),
  apns,
});

const GOLDEN: readonly Golden[] = [
  ["title and body", ALERT, "", "alert", "10", { aps: { alert: ALERT } }],
  ["title alone", { title: "Hello" }, "", "alert", "10", { aps: { alert: { title: "Hello" } } }],
  [
    "data and aps beside them",
    { ...ALERT, data: { id: 7, nested: [1] }, apns: { aps: { badge: 3, "thread-id": "t" } } },
    "",
    "alert",
    "10",
    { id: 7, nested: [1], aps: { alert: ALERT, badge: 3, "thread-id": "t" } },
  ],
  [
    "an alert of its own",
    own({ aps: { alert: "Hi" } }),
    "",
    "alert",
    "10",
    { aps: { alert: "Hi" } },
  ],
  [
    "a badge alone",
    { apns: { aps: { badge: 1 } } },
    "",
    "alert",
    "10",
    { aps: { badge: 1 } },
  ],
  [
    "data alone",
    { data: { id: 7 } },
    "",
    "background",
    "5",
    { id: 7, aps: { "content-available": 1 } },
  ],
  [
    "background, whatever else is shown elsewhere",
    own({ pushType: "background", priority: 10 }, { id: 7 }),
    "",
    "background",
    "5",
    { id: 7, aps: { "content-available": 1 } },
  ],
  [
    "a whole payload",
    own({ payload: { aps: { sound: "x" }, a: 1 } }),
    "",
    "alert",
    "10",
    { aps: { sound: "x" }, a: 1 },
  ],
  [
    "a whole payload and aps",
    own({ payload: { aps: { sound: "x" }, a: 1 }, aps: { badge: 2 } }),
    "",
    "alert",
    "10",
    { aps: { sound: "x", badge: 2 }, a: 1 },
  ],
  ["voip", own({ pushType: "voip" }), ".voip", "voip", "10", { aps: { alert: ALERT } }],
  [
    "complication",
    own({ pushType: "complication", payload: { step: 1 } }),
    ".complication",
    "complication",
    "10",
    { step: 1 },
  ],
  [
    "fileprovider",
    own({ pushType: "fileprovider", payload: { domain: "d" } }),
    ".pushkit.fileprovider",
    "fileprovider",
    "10",
    { domain: "d" },
  ],
  ["mdm", own({ pushType: "mdm", payload: { mdm: "m" } }), "", "mdm", "10", { mdm: "m" }],
  [
    "liveactivity",
    { apns: { pushType: "liveactivity", aps: { timestamp: 1, event: "update" }, priority: 5 } },
    ".push-type.liveactivity",
    "liveactivity",
    "5",
    { aps: { timestamp: 1, event: "update" } },
  ],
  ["location", { apns: { pushType: "location" } }, ".location-query", "location", "10", {
    aps: {},
  }],
  ["pushtotalk", { apns: { pushType: "pushtotalk" } }, ".voip-ptt", "pushtotalk", "10", {
    aps: {},
  }],
  ["widgets", { apns: { pushType: "widgets" } }, ".push-type.widgets", "widgets", "10", {
    aps: {},
  }],
  ["controls", { apns: { pushType: "controls" } }, ".push-type.controls", "controls", "10", {
    aps: {},
  }],
];

for (const [name, content, suffix, pushType, priority, body] of GOLDEN) {
  Deno.test(`apnsProvider() renders ${name}`, async () => {
    const { body: text, ...request } = await requestFor({ content });
    assertEquals(request, {
      method: "POST",
      authority: "api.push.apple.com",
      path: `/3/device/${DEVICE}`,
      fields: {
        "apns-topic": `com.example.app${suffix}`,
        "apns-push-type": pushType,
        "apns-priority": priority,
        "apns-expiration": String((NOW + 3_600_000) / 1_000),
        "apns-id": ID,
      },
    });
    assertEquals(JSON.parse(text), body);
  });
}

Deno.test("apnsProvider() keeps what differs between requests out of the compression table", async () => {
  const prepared = await prepare({ topic: "news" });
  if (prepared.kind === "refused") throw new Error("refused");
  const [leg] = prepared.route(recipientsOf("apns", [DEVICE])).legs;
  const connection = new ScriptedConnection();
  if (leg !== undefined) await sendAll(leg, connection);
  const fields = connection.blocks[0]?.head.fields ?? [];
  assertEquals(fields.map(({ name, indexing }) => [name, indexing]), [
    ["authorization", "literal"],
    ["apns-topic", "indexed"],
    ["apns-push-type", "indexed"],
    ["apns-priority", "indexed"],
    ["apns-expiration", "literal"],
    ["apns-collapse-id", "literal"],
  ]);
});

Deno.test("apnsProvider() turns urgency into priority", async () => {
  const rows = [["very-low", "1"], ["low", "5"], ["normal", "10"], ["high", "10"]] as const;
  for (const [urgency, priority] of rows) {
    const { fields } = await requestFor({ urgency });
    assertEquals(fields["apns-priority"], priority);
    const silent = await requestFor({ urgency, content: { data: { a: 1 } } });
    assertEquals(silent.fields["apns-priority"], "5");
  }
});

Deno.test("apnsProvider() has a notification of no lifetime tried once", async () => {
  const { fields } = await requestFor({ ttlSeconds: 0, expiresAt: NOW + 30_000 });
  assertEquals(fields["apns-expiration"], "0");
});

Deno.test("apnsProvider() makes a collapse id of the topic", async () => {
  const rows: readonly (readonly [Partial<Notification>, string])[] = [
    [{ topic: "news" }, "news"],
    [{ topic: "x".repeat(64) }, "x".repeat(64)],
    [{ topic: "x".repeat(65) }, await digestOf("x".repeat(65))],
    [{ topic: "Ärger" }, await digestOf("Ärger")],
    [{ topic: "news", content: own({ collapseId: "mine" }) }, "mine"],
  ];
  for (const [fields, id] of rows) {
    assertEquals((await requestFor(fields)).fields["apns-collapse-id"], id);
  }
});

async function digestOf(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return new Uint8Array(digest).toBase64({ alphabet: "base64url", omitPadding: true });
}

/** A payload of exactly so many bytes, some of them beyond ASCII. */
function payloadOf(bytes: number): Content["data"] {
  const rest = bytes - JSON.stringify({ a: "ää" }).length - 2;
  return { a: `ää${"x".repeat(rest)}` };
}

Deno.test("apnsProvider() sends payloads up to Apple's limit, in bytes", async () => {
  for (const [pushType, bytes] of [["alert", 4_096], ["voip", 5_120]] as const) {
    const payload = payloadOf(bytes) ?? {};
    const { body } = await requestFor({ content: { apns: { pushType, payload } } });
    assertEquals(new TextEncoder().encode(body).length, bytes);
  }
});

const CERTIFICATE: ApnsCredentials = { certificate: "c", certificateKey: "k", topic: "com.a" };

Deno.test("apnsProvider() refuses what Apple would refuse, without a request", async () => {
  const rows: readonly (readonly [Content, string])[] = [
    [{ apns: { payload: payloadOf(4_097) ?? {} } }, "payload 4097 > 4096"],
    [{ apns: { payload: payloadOf(5_121) ?? {}, pushType: "voip" } }, "payload 5121 > 5120"],
    [{ data: { aps: 1 } }, 'data key "aps" is reserved by APNs'],
    [
      { apns: { pushType: "background", aps: { alert: "Hi" } } },
      "push type background with an alert, badge or sound",
    ],
    [{ apns: { collapseId: "x".repeat(65) } }, "apns collapse id 65 > 64"],
    [{ apns: { collapseId: "a\r\nb" } }, "apns collapse id is not printable ASCII"],
    [
      { apns: { topic: "a b" } },
      'apns topic: expected a bundle id such as "com.example.app", found "a b"',
    ],
  ];
  for (const [content, reason] of rows) {
    assertEquals(await prepare({ content }), {
      kind: "refused",
      verdict: { kind: "rejected", status: 0, reason },
    });
  }
});

Deno.test("apnsProvider() pauses an app whose certificate cannot be used", async () => {
  assertEquals(await prepare({}, CERTIFICATE), {
    kind: "refused",
    verdict: {
      kind: "pause",
      status: 0,
      reason: "apns.certificateKey: expected an unencrypted private key in PKCS#8 PEM, " +
        "found a text that is not PEM",
    },
  });
});
