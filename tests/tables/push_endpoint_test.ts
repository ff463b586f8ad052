/**
 * Bad input at the push endpoint: one request, its exact answer, and a good sender served after it.
 * Rows are numbered as in the table of bad input this project keeps; autopush's own sentence wins where
 * it has one.
 *
 * @module
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { TokenBox } from "../../transports/push_endpoint/token_box.ts";
import {
  CHANNEL,
  EndpointWorld,
  OTHER_CHANNEL,
  type Posted,
  UAID,
} from "../support/endpoint_world.ts";
import { exchange, type RawAnswer, RawClient } from "../transports/http_door/raw_client.ts";

/** One row: what is sent and what must come back. */
interface Row {
  readonly row: number;
  readonly name: string;
  readonly sent: Posted | ((world: EndpointWorld) => Posted);
  readonly status: number;
  readonly errno: number | null;
  /** The message, or its beginning when it ends with an ellipsis. */
  readonly message: string;
  readonly headers?: Readonly<Record<string, string>>;
}

const TTL = "TTL: 60";
const AES128GCM = [TTL, "Content-Encoding: aes128gcm"];
const AESGCM = [TTL, "Content-Encoding: aesgcm"];
const SALT = 'Encryption: keyid="a";salt="XZwpw6o37R-6qoZjw6KwAw=="';
const DH = 'Crypto-Key: keyid="a1"; dh="JcqK-OLkJZlJ3sJJWstJCA"';
const ALLOW_PUSH = { allow: "POST, PUT, OPTIONS" };
const TTL_ALLOWED = "a whole number of seconds from 0 to 2592000";

const ROWS: readonly Row[] = [
  {
    row: 1,
    name: "GET on a push endpoint",
    sent: { method: "GET" },
    status: 405,
    errno: null,
    message: "push endpoints accept POST",
    headers: ALLOW_PUSH,
  },
  {
    row: 2,
    name: "PATCH",
    sent: { method: "PATCH" },
    status: 405,
    errno: null,
    message: "push endpoints accept POST",
    headers: ALLOW_PUSH,
  },
  {
    row: 2,
    name: "TRACE",
    sent: { method: "TRACE" },
    status: 405,
    errno: null,
    message: "push endpoints accept POST",
    headers: ALLOW_PUSH,
  },
  {
    row: 2,
    name: "DELETE on a push endpoint",
    sent: { method: "DELETE" },
    status: 405,
    errno: null,
    message: "push endpoints accept POST",
    headers: ALLOW_PUSH,
  },
  {
    row: 2,
    name: "CONNECT",
    sent: { method: "CONNECT", path: "localhost:1" },
    status: 405,
    errno: null,
    message: "CONNECT is not served here",
  },
  {
    row: 2,
    name: "POST on a message",
    sent: { path: "/m/abc" },
    status: 405,
    errno: null,
    message: "messages accept DELETE",
    headers: { allow: "DELETE, OPTIONS" },
  },
  {
    row: 2,
    name: "OPTIONS that is no preflight",
    sent: { method: "OPTIONS" },
    status: 405,
    errno: null,
    message: "push endpoints accept POST",
  },
  {
    row: 3,
    name: "lower-case method",
    sent: { method: "post" },
    status: 400,
    errno: null,
    message: 'method must be upper case, found "post"',
  },
  {
    row: 4,
    name: "two Hosts",
    sent: { headers: ["Host: localhost", TTL] },
    status: 400,
    errno: null,
    message: "Host given twice",
  },
  {
    row: 8,
    name: "unsubscribed channel",
    sent: (world) => ({ path: world.path(undefined, OTHER_CHANNEL) }),
    status: 410,
    errno: 106,
    message: "No such subscription",
    headers: { "cache-control": "max-age=86400" },
  },
  {
    row: 8,
    name: "unknown user agent",
    sent: (world) => ({ path: strangersPath(world) }),
    status: 410,
    errno: 106,
    message: "No such subscription",
    headers: { "cache-control": "max-age=86400" },
  },
  {
    row: 9,
    name: "no TTL",
    sent: { headers: [] },
    status: 400,
    errno: 111,
    message: "Missing TTL value",
  },
  {
    row: 10,
    name: "TTL abc",
    sent: { headers: ["TTL: abc"] },
    status: 400,
    errno: 111,
    message: `TTL must be ${TTL_ALLOWED}, found "abc"`,
  },
  {
    row: 10,
    name: "TTL 1.5",
    sent: { headers: ["TTL: 1.5"] },
    status: 400,
    errno: 111,
    message: `TTL must be ${TTL_ALLOWED}, found "1.5"`,
  },
  {
    row: 10,
    name: "empty TTL",
    sent: { headers: ["TTL:"] },
    status: 400,
    errno: 111,
    message: `TTL must be ${TTL_ALLOWED}, found ""`,
  },
  {
    row: 10,
    name: "TTL 1e3",
    sent: { headers: ["TTL: 1e3"] },
    status: 400,
    errno: 111,
    message: `TTL must be ${TTL_ALLOWED}, found "1e3"`,
  },
  {
    row: 10,
    name: "two TTLs",
    sent: { headers: [TTL, TTL] },
    status: 400,
    errno: 111,
    message: `TTL must be ${TTL_ALLOWED}, found "60, 60"`,
  },
  {
    row: 10,
    name: "a TTL of control characters",
    sent: { headers: [`TTL: ${"\x80".repeat(300)}`] },
    status: 400,
    errno: 111,
    message: `TTL must be ${TTL_ALLOWED}, found "??????…`,
  },
  {
    row: 10,
    name: "TTL -1",
    sent: { headers: ["TTL: -1"] },
    status: 400,
    errno: 114,
    message: "ttl: TTL must be greater than 0: or 0 for now or never, found -1",
  },
  {
    row: 12,
    name: "topic of 33 characters",
    sent: { headers: [TTL, `Topic: ${"a".repeat(33)}`] },
    status: 400,
    errno: 113,
    message: "topic: Topic must be at most 32 characters, found 33",
  },
  {
    row: 13,
    name: "topic with !",
    sent: { headers: [TTL, "Topic: a!"] },
    status: 400,
    errno: 113,
    message: 'topic: Topic must be only A-Z a-z 0-9 - _, found "a!"',
  },
  {
    row: 13,
    name: "topic with a space",
    sent: { headers: [TTL, "Topic: a b"] },
    status: 400,
    errno: 113,
    message: "topic: Topic must be only…",
  },
  {
    row: 13,
    name: "topic in UTF-8",
    sent: { headers: [TTL, "Topic: \xc3\xa9"] },
    status: 400,
    errno: 113,
    message: 'topic: Topic must be only A-Z a-z 0-9 - _, found "??"',
  },
  {
    row: 13,
    name: "empty topic",
    sent: { headers: [TTL, "Topic:"] },
    status: 400,
    errno: 113,
    message: "topic: Topic must be only…",
  },
  {
    row: 13,
    name: "two topics",
    sent: { headers: [TTL, "Topic: a", "Topic: b"] },
    status: 400,
    errno: 113,
    message: "topic: Topic must be only…",
  },
  {
    row: 13,
    name: "topic of padding only",
    sent: { headers: [TTL, "Topic: =="] },
    status: 400,
    errno: 113,
    message: "topic: Topic must be only…",
  },
  {
    row: 15,
    name: "body without Content-Encoding",
    sent: { body: "x" },
    status: 400,
    errno: 110,
    message: "Missing Content-Encoding header: an encrypted body needs Content-Encoding: aes128gcm",
  },
  {
    row: 16,
    name: "Content-Encoding gzip",
    sent: { headers: [TTL, "Content-Encoding: gzip"], body: "x" },
    status: 400,
    errno: 110,
    message: 'Unknown Content-Encoding header: expected aes128gcm or aesgcm, found "gzip"',
  },
  {
    row: 16,
    name: "Content-Encoding in capitals",
    sent: { headers: [TTL, "Content-Encoding: AES128GCM"], body: "x" },
    status: 400,
    errno: 110,
    message: "Unknown Content-Encoding header…",
  },
  {
    row: 16,
    name: "two Content-Encodings",
    sent: { headers: [...AES128GCM, "Content-Encoding: gzip"], body: "x" },
    status: 400,
    errno: 110,
    message:
      'Unknown Content-Encoding header: expected aes128gcm or aesgcm, found "aes128gcm, gzip"',
  },
  {
    row: 19,
    name: "aesgcm without Encryption",
    sent: { headers: AESGCM, body: "x" },
    status: 400,
    errno: 110,
    message: "Missing Encryption header",
  },
  {
    row: 19,
    name: "aesgcm without salt",
    sent: { headers: [...AESGCM, "Encryption: keyid=a"], body: "x" },
    status: 400,
    errno: 110,
    message: "Missing salt value in Encryption header",
  },
  {
    row: 19,
    name: "aesgcm with a bad salt",
    sent: { headers: [...AESGCM, "Encryption: salt=a+b/"], body: "x" },
    status: 400,
    errno: 110,
    message: "Invalid salt value in Encryption header…",
  },
  {
    row: 19,
    name: "aesgcm with an empty salt",
    sent: { headers: [...AESGCM, "Encryption: salt="], body: "x" },
    status: 400,
    errno: 110,
    message: "Invalid salt value in Encryption header…",
  },
  {
    row: 19,
    name: "aesgcm with a malformed Encryption",
    sent: { headers: [...AESGCM, "Encryption: salt"], body: "x" },
    status: 400,
    errno: 110,
    message: "Invalid Encryption header…",
  },
  {
    row: 19,
    name: "aesgcm without dh",
    sent: { headers: [...AESGCM, SALT, "Crypto-Key: keyid=a"], body: "x" },
    status: 400,
    errno: 110,
    message: "Missing dh value in Crypto-Key header",
  },
  {
    row: 19,
    name: "aesgcm with a bad dh",
    sent: { headers: [...AESGCM, SALT, "Crypto-Key: dh=!"], body: "x" },
    status: 400,
    errno: 110,
    message: "Invalid dh value in Crypto-Key header…",
  },
  {
    row: 19,
    name: "aesgcm with a malformed Crypto-Key",
    sent: { headers: [...AESGCM, SALT, "Crypto-Key: dh"], body: "x" },
    status: 400,
    errno: 110,
    message: "Invalid Crypto-Key header…",
  },
  {
    row: 19,
    name: "aes128gcm with a salt",
    sent: { headers: [...AES128GCM, SALT], body: "x" },
    status: 400,
    errno: 110,
    message: "Do not include 'salt' header in aes128gcm Encryption header",
  },
  {
    row: 19,
    name: "aes128gcm with dh",
    sent: { headers: [...AES128GCM, DH], body: "x" },
    status: 400,
    errno: 110,
    message: "Do not include 'dh' header in aes128gcm Crypto-Key header",
  },
  {
    row: 19,
    name: "aes128gcm with a malformed Encryption",
    sent: { headers: [...AES128GCM, "Encryption: x"], body: "x" },
    status: 400,
    errno: 110,
    message: "Invalid Encryption header…",
  },
  {
    row: 20,
    name: "5631 bytes",
    sent: { headers: AES128GCM, body: "x".repeat(5_631) },
    status: 413,
    errno: 104,
    message: "payload reached size limit: 5631 bytes, at most 5630",
  },
  {
    row: 20,
    name: "a declared megabyte and no TTL",
    sent: { headers: [], body: "x".repeat(1_000_000) },
    status: 413,
    errno: 104,
    message: "payload reached size limit: 1000000 bytes, at most 5630",
  },
  {
    row: 22,
    name: "Content-Length and chunked",
    sent: { headers: ["Transfer-Encoding: chunked"] },
    status: 400,
    errno: null,
    message: "Content-Length and Transfer-Encoding exclude each other",
  },
  {
    row: 22,
    name: "two Content-Lengths",
    sent: { headers: ["Content-Length: 0"] },
    status: 400,
    errno: null,
    message: "Content-Length given twice",
  },
  {
    row: 23,
    name: "header of 64 KiB",
    sent: { headers: [`X: ${"a".repeat(65_536)}`] },
    status: 431,
    errno: null,
    message: "the request's head is larger than 16384 bytes",
  },
  {
    row: 23,
    name: "200 headers",
    sent: { headers: Array.from({ length: 200 }, () => "X: y") },
    status: 431,
    errno: null,
    message: "more than 100 headers",
  },
  {
    row: 23,
    name: "URL of 70 KiB",
    sent: { path: `/wpush/v1/${"a".repeat(71_680)}` },
    status: 414,
    errno: null,
    message: "URL: at most 8192 characters",
  },
];

function strangersPath(world: EndpointWorld): string {
  const url = world.identifiers.endpointUrl(UAID.replaceAll("f", "e"), CHANNEL, undefined);
  return url.slice(world.endpoint.url.length);
}

function assertError(found: RawAnswer, { status, errno, message, headers = {} }: Row): void {
  assertEquals(found.status, status, found.body);
  assertEquals(found.headers["content-type"], "application/json");
  const body = JSON.parse(found.body);
  assertEquals(Object.keys(body), ["code", "errno", "error", "message", "more_info"]);
  assertEquals([body.code, body.errno], [status, errno]);
  const text = message.endsWith("…")
    ? body.message.slice(0, message.length - 1) + "…"
    : body.message;
  assertEquals(text, message);
  for (const [name, value] of Object.entries(headers)) assertEquals(found.headers[name], value);
}

/** A good sender is served: what went before did no harm. */
async function assertServes(world: EndpointWorld): Promise<void> {
  const before = world.service.messages.length;
  const good = await world.send({ headers: AES128GCM, body: "ciphertext" });
  assertEquals(good.status, 201, good.body);
  assertEquals(good.headers["ttl"], "60");
  assertEquals(world.service.messages.length, before + 1);
}

Deno.test("push endpoint: bad input, row by row", async (t) => {
  await using world = await EndpointWorld.open();
  for (const row of ROWS) {
    await t.step(`row ${row.row}: ${row.name} => ${row.status} errno ${row.errno}`, async () => {
      const before = world.service.messages.length;
      const sent = typeof row.sent === "function" ? row.sent(world) : row.sent;
      assertError(await world.send(sent), row);
      assertEquals(world.service.messages.length, before);
      await assertServes(world);
    });
  }
});

Deno.test("push endpoint: row 4: no Host => 400, foreign Host => 421", async () => {
  await using world = await EndpointWorld.open({ endpointUrl: "https://push.example" });
  const ask = (host: string) =>
    exchange(world.endpoint.port, `GET /status HTTP/1.1\r\n${host}\r\n`);
  const absent = await ask("");
  assertEquals([absent.status, JSON.parse(absent.body).message], [400, "missing Host header"]);
  const foreign = await ask("Host: evil.example\r\n");
  assertEquals([foreign.status, JSON.parse(foreign.body).error], [421, "Misdirected Request"]);
  assertEquals(JSON.parse(foreign.body).message, 'unknown host "evil.example"');
  assertEquals((await ask("Host: push.example\r\n")).status, 200);
});

Deno.test("push endpoint: rows 5, 6, 7: every wrong path and token => the same empty 404", async (t) => {
  await using world = await EndpointWorld.open();
  const [v1, v2] = [world.path(), world.path(new Uint8Array(65))];
  const others = new TokenBox({ keys: [TokenBox.generateKey()], publicUrl: world.endpoint.url });
  const foreign = others.endpointUrl(UAID, CHANNEL, undefined).slice(world.endpoint.url.length);
  const paths: Readonly<Record<string, string>> = {
    "unknown path": "/nothing",
    "the root": "/",
    "no token": "/wpush/",
    "no token after a version": "/wpush/v1/",
    "unknown version": v1.replace("/v1/", "/v3/"),
    "token cut by one": v1.slice(0, -1),
    "token with one more": `${v1}A`,
    "token with a flipped bit": `${v1.slice(0, 60)}${v1[60] === "A" ? "B" : "A"}${v1.slice(61)}`,
    "token of another key": foreign,
    "v1 token as v2": v1.replace("/v1/", "/v2/"),
    "v2 token as v1": v2.replace("/v2/", "/v1/"),
    "token with a bad escape": `${v1}%zz`,
    "path behind the token": `${v1}/x`,
  };
  const answers = new Set<string>();
  for (const [name, path] of Object.entries(paths)) {
    await t.step(name, async () => {
      const found = await world.send({ path });
      assertEquals([found.status, found.body], [404, ""]);
      const { date: _, ...headers } = found.headers;
      answers.add(JSON.stringify(headers));
      await assertServes(world);
    });
  }
  assertEquals(answers.size, 1);
});

Deno.test("push endpoint: row 11: a TTL of 10^18 is capped and said so", async () => {
  await using world = await EndpointWorld.open();
  const found = await world.send({ headers: [`TTL: 1${"0".repeat(18)}`] });
  assertEquals([found.status, found.headers["ttl"]], [201, "2592000"]);
  assertEquals(world.service.messages[0]?.ttlSeconds, 2_592_000);
});

Deno.test("push endpoint: row 14: every urgency is accepted, unknown ones are counted", async () => {
  await using world = await EndpointWorld.open();
  const sent = ["very-low", "low", "normal", "high", "urgent", ""];
  for (const urgency of sent) {
    assertEquals((await world.send({ headers: [TTL, `Urgency: ${urgency}`] })).status, 201);
  }
  assertEquals((await world.send()).status, 201);
  const found = world.events.flatMap((event) => event.kind === "accepted" ? [event.urgency] : []);
  assertEquals(found, ["very-low", "low", "normal", "high", "unknown", "unknown", "normal"]);
});

Deno.test("push endpoint: rows 17, 18: a body is between sender and device, nothing looks into it", async () => {
  await using world = await EndpointWorld.open();
  for (const body of ["x", "\0".repeat(21), `${"\0".repeat(20)}\x41`, "\x1f\x8b\x08"]) {
    assertEquals((await world.send({ headers: AES128GCM, body })).status, 201);
    const kept = world.service.messages.at(-1)?.content;
    assertEquals(kept?.body, Uint8Array.from(body, (character) => character.charCodeAt(0)));
  }
});

Deno.test("push endpoint: row 20: 5630 bytes are accepted, 5631 chunked ones are not", async () => {
  await using world = await EndpointWorld.open();
  assertEquals((await world.send({ headers: AES128GCM, body: "x".repeat(5_630) })).status, 201);
  const head = [`POST ${world.path()} HTTP/1.1`, "Host: localhost", ...AES128GCM];
  const chunked = [
    ...head,
    "Transfer-Encoding: chunked",
    "",
    "15ff",
    "x".repeat(5_631),
    "0",
    "",
    "",
  ];
  const found = await exchange(world.endpoint.port, chunked.join("\r\n"));
  assertEquals([found.status, JSON.parse(found.body).errno], [413, 104]);
  assertStringIncludes(found.body, "at most 5630");
  await assertServes(world);
});

Deno.test("push endpoint: a refused request leaves its connection usable", async () => {
  await using world = await EndpointWorld.open();
  using client = await RawClient.open(world.endpoint.port);
  const post = (path: string, bytes: number) =>
    client.write(
      `POST ${path} HTTP/1.1\r\nHost: localhost\r\n${AES128GCM.join("\r\n")}\r\n` +
        `Content-Length: ${bytes}\r\n\r\n${"x".repeat(bytes)}`,
    );
  for (
    const [path, bytes, status] of [["/wpush/v1/x", 3_000, 404], [
      world.path(),
      9_000,
      413,
    ]] as const
  ) {
    await post(path, bytes);
    assertEquals((await client.read()).status, status);
    await post(world.path(), 10);
    assertEquals((await client.read()).status, 201);
  }
});

Deno.test("push endpoint: row 21: half a body, then silence => 408, the connection ends", async () => {
  await using world = await EndpointWorld.open({ timeouts: { headersMs: 50, requestMs: 100 } });
  const head = `POST ${world.path()} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n`;
  const found = await exchange(world.endpoint.port, `${head}0123456789`);
  assertEquals([found.status, found.ended], [408, true]);
  assertEquals(JSON.parse(found.body).error, "Request Timeout");
  assertEquals(world.service.messages.length, 0);
  await assertServes(world);
});

Deno.test("push endpoint: an unavailable service => 503 with Retry-After, then good again", async (t) => {
  const rows = [
    ["rejects", 503, null, "120"],
    ["unavailable", 503, 201, "120"],
    ["over_limit", 429, null, "3600"],
    ["no_subscription", 410, 106, undefined],
  ] as const;
  await using world = await EndpointWorld.open();
  for (const [fault, status, errno, retryAfter] of rows) {
    await t.step(`${fault} => ${status} errno ${errno}`, async () => {
      world.service.fault = fault;
      const found = await world.send();
      const body = JSON.parse(found.body);
      assertEquals([found.status, body.errno, found.headers["retry-after"]], [
        status,
        errno,
        retryAfter,
      ]);
      assert(!found.body.includes("no store"));
      world.service.fault = "none";
      await assertServes(world);
    });
  }
});

Deno.test("push endpoint: the first failure wins, in autopush's order", async (t) => {
  await using world = await EndpointWorld.open({ payloadBytesMax: 10 });
  const bad = "Authorization: Basic abc";
  const gone = world.path(undefined, OTHER_CHANNEL);
  const large = { headers: [], body: "x".repeat(11) };
  const rows:
    readonly (readonly [name: string, sent: Posted, status: number, errno: number | null])[] = [
      ["token before VAPID", { path: "/wpush/v1/x", headers: [bad] }, 404, null],
      [
        "VAPID before the token's version",
        { path: world.path().replace("v1", "v2"), headers: [bad] },
        401,
        109,
      ],
      ["VAPID even on v1", { headers: [TTL, bad] }, 401, 109],
      ["subscription before size", { ...large, path: gone }, 410, 106],
      ["size before TTL", large, 413, 104],
      ["TTL before encryption", { headers: ["TTL: x"], body: "x" }, 400, 111],
      ["encryption before the TTL's sign", { headers: ["TTL: -1"], body: "x" }, 400, 110],
      ["the TTL's sign before the topic", { headers: ["TTL: -1", "Topic: !"] }, 400, 114],
    ];
  for (const [name, sent, status, errno] of rows) {
    await t.step(name, async () => {
      const found = await world.send(sent);
      const found_errno = found.body === "" ? null : JSON.parse(found.body).errno;
      assertEquals([found.status, found_errno], [status, errno]);
    });
  }
});
