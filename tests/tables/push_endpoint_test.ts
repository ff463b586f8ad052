/**
 * Bad input at the push endpoint: one request, its exact answer, and a good sender served after it.
 * Rows are numbered as in the table of bad input this project keeps; autopush's own sentence wins where
 * it has one.
 *
 * @module
 */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { TokenBox } from "../../transports/push_endpoint/token_box.ts";
import {
  CHANNEL,
  EndpointWorld,
  OTHER_CHANNEL,
  type Posted,
  UAID,
} from "../support/endpoint_world.ts";
import { exchange, type RawAnswer } from "../transports/http_door/raw_client.ts";

/** One row: what is sent and what must come back. */
interface Row {
  readonly row: number;
  readonly name: string;
  readonly sent: Posted | ((world: EndpointWorld) => Posted);
  readonly status: number;
  readonly errno: number | null;
  /** The message, or its beginning when it ends with an ellipsis. */
  readonly message: string;
  readonly headers: Readonly<Record<string, string>>;
}

function row(
  row: number,
  name: string,
  sent: Row["sent"],
  status: number,
  errno: number | null,
  message: string,
  headers: Readonly<Record<string, string>> = {},
): Row {
  return { row, name, sent, status, errno, message, headers };
}

function wrongMethod(number: number, name: string, method: string): Row {
  return row(number, name, { method }, 405, null, "push endpoints accept POST", {
    allow: "POST, PUT, OPTIONS",
  });
}

function encryption(
  number: number,
  name: string,
  headers: readonly string[],
  message: string,
): Row {
  return row(number, name, { headers, body: "x" }, 400, 110, message);
}

const TTL = "TTL: 60";
const AES128GCM = [TTL, "Content-Encoding: aes128gcm"];
const AESGCM = [TTL, "Content-Encoding: aesgcm"];
const SALT = 'Encryption: keyid="a";salt="XZwpw6o37R-6qoZjw6KwAw=="';
const DH = 'Crypto-Key: keyid="a1"; dh="JcqK-OLkJZlJ3sJJWstJCA"';
const GONE = { "cache-control": "max-age=86400" };
const TTL_ALLOWED = "a whole number of seconds from 0 to 2592000";

const ROWS: readonly Row[] = [
  wrongMethod(1, "GET on a push endpoint", "GET"),
  wrongMethod(2, "PATCH", "PATCH"),
  wrongMethod(2, "TRACE", "TRACE"),
  wrongMethod(2, "DELETE on a push endpoint", "DELETE"),
  row(
    2,
    "CONNECT",
    { method: "CONNECT", path: "localhost:1" },
    405,
    null,
    "CONNECT is not served here",
  ),
  row(2, "POST on a message", { path: "/m/abc" }, 405, null, "messages accept DELETE", {
    allow: "DELETE, OPTIONS",
  }),
  wrongMethod(2, "OPTIONS that is no preflight", "OPTIONS"),
  row(
    3,
    "lower-case method",
    { method: "post" },
    400,
    null,
    'method must be upper case, found "post"',
  ),
  row(4, "two Hosts", { headers: ["Host: localhost", TTL] }, 400, null, "Host given twice"),
  row(
    8,
    "unsubscribed channel",
    (world) => ({ path: world.path(undefined, OTHER_CHANNEL) }),
    410,
    106,
    "No such subscription",
    GONE,
  ),
  row(
    8,
    "unknown user agent",
    (world) => ({ path: strangersPath(world) }),
    410,
    106,
    "No such subscription",
    GONE,
  ),
  row(9, "no TTL", { headers: [] }, 400, 111, "Missing TTL value"),
  row(
    10,
    "TTL abc",
    { headers: ["TTL: abc"] },
    400,
    111,
    `TTL must be ${TTL_ALLOWED}, found "abc"`,
  ),
  row(
    10,
    "TTL 1.5",
    { headers: ["TTL: 1.5"] },
    400,
    111,
    `TTL must be ${TTL_ALLOWED}, found "1.5"`,
  ),
  row(10, "empty TTL", { headers: ["TTL:"] }, 400, 111, `TTL must be ${TTL_ALLOWED}, found ""`),
  row(
    10,
    "TTL 1e3",
    { headers: ["TTL: 1e3"] },
    400,
    111,
    `TTL must be ${TTL_ALLOWED}, found "1e3"`,
  ),
  row(
    10,
    "two TTLs",
    { headers: [TTL, TTL] },
    400,
    111,
    `TTL must be ${TTL_ALLOWED}, found "60, 60"`,
  ),
  row(
    10,
    "a TTL of control characters",
    { headers: [`TTL: ${"\x80".repeat(300)}`] },
    400,
    111,
    `TTL must be ${TTL_ALLOWED}, found "??????…`,
  ),
  row(
    10,
    "TTL -1",
    { headers: ["TTL: -1"] },
    400,
    114,
    "ttl: TTL must be greater than 0: or 0 for now or never, found -1",
  ),
  row(
    12,
    "topic of 33 characters",
    { headers: [TTL, `Topic: ${"a".repeat(33)}`] },
    400,
    113,
    "topic: Topic must be at most 32 characters, found 33",
  ),
  row(
    13,
    "topic with !",
    { headers: [TTL, "Topic: a!"] },
    400,
    113,
    'topic: Topic must be only A-Z a-z 0-9 - _, found "a!"',
  ),
  row(
    13,
    "topic with a space",
    { headers: [TTL, "Topic: a b"] },
    400,
    113,
    "topic: Topic must be only…",
  ),
  row(
    13,
    "topic in UTF-8",
    { headers: [TTL, "Topic: \xc3\xa9"] },
    400,
    113,
    'topic: Topic must be only A-Z a-z 0-9 - _, found "??"',
  ),
  row(13, "empty topic", { headers: [TTL, "Topic:"] }, 400, 113, "topic: Topic must be only…"),
  row(
    13,
    "two topics",
    { headers: [TTL, "Topic: a", "Topic: b"] },
    400,
    113,
    "topic: Topic must be only…",
  ),
  row(
    13,
    "topic of padding only",
    { headers: [TTL, "Topic: =="] },
    400,
    113,
    "topic: Topic must be only…",
  ),
  encryption(
    15,
    "body without Content-Encoding",
    [TTL],
    "Missing Content-Encoding header: an encrypted body needs Content-Encoding: aes128gcm",
  ),
  encryption(
    16,
    "Content-Encoding gzip",
    [TTL, "Content-Encoding: gzip"],
    'Unknown Content-Encoding header: expected aes128gcm or aesgcm, found "gzip"',
  ),
  encryption(
    16,
    "Content-Encoding in capitals",
    [TTL, "Content-Encoding: AES128GCM"],
    "Unknown Content-Encoding header…",
  ),
  encryption(
    16,
    "two Content-Encodings",
    [...AES128GCM, "Content-Encoding: gzip"],
    'Unknown Content-Encoding header: expected aes128gcm or aesgcm, found "aes128gcm, gzip"',
  ),
  encryption(19, "aesgcm without Encryption", AESGCM, "Missing Encryption header"),
  encryption(
    19,
    "aesgcm without salt",
    [...AESGCM, "Encryption: keyid=a"],
    "Missing salt value in Encryption header",
  ),
  encryption(
    19,
    "aesgcm with a bad salt",
    [...AESGCM, "Encryption: salt=a+b/"],
    "Invalid salt value in Encryption header…",
  ),
  encryption(
    19,
    "aesgcm with an empty salt",
    [...AESGCM, "Encryption: salt="],
    "Invalid salt value in Encryption header…",
  ),
  encryption(
    19,
    "aesgcm with a malformed Encryption",
    [...AESGCM, "Encryption: salt"],
    "Invalid Encryption header…",
  ),
  encryption(
    19,
    "aesgcm without dh",
    [...AESGCM, SALT, "Crypto-Key: keyid=a"],
    "Missing dh value in Crypto-Key header",
  ),
  encryption(
    19,
    "aesgcm with a bad dh",
    [...AESGCM, SALT, "Crypto-Key: dh=!"],
    "Invalid dh value in Crypto-Key header…",
  ),
  encryption(
    19,
    "aesgcm with a malformed Crypto-Key",
    [...AESGCM, SALT, "Crypto-Key: dh"],
    "Invalid Crypto-Key header…",
  ),
  encryption(
    19,
    "aes128gcm with a salt",
    [...AES128GCM, SALT],
    "Do not include 'salt' header in aes128gcm Encryption header",
  ),
  encryption(
    19,
    "aes128gcm with dh",
    [...AES128GCM, DH],
    "Do not include 'dh' header in aes128gcm Crypto-Key header",
  ),
  encryption(
    19,
    "aes128gcm with a malformed Encryption",
    [...AES128GCM, "Encryption: x"],
    "Invalid Encryption header…",
  ),
  row(
    20,
    "5631 bytes",
    { headers: AES128GCM, body: "x".repeat(5_631) },
    413,
    104,
    "payload reached size limit: 5631 bytes, at most 5630",
  ),
  row(
    20,
    "a declared megabyte and no TTL",
    { headers: [], body: "x".repeat(1_000_000) },
    413,
    104,
    "payload reached size limit: 1000000 bytes, at most 5630",
  ),
  row(
    22,
    "Content-Length and chunked",
    { headers: ["Transfer-Encoding: chunked"] },
    400,
    null,
    "Content-Length and Transfer-Encoding exclude each other",
  ),
  row(
    22,
    "two Content-Lengths",
    { headers: ["Content-Length: 0"] },
    400,
    null,
    "Content-Length given twice",
  ),
  row(
    23,
    "header of 64 KiB",
    { headers: [`X: ${"a".repeat(65_536)}`] },
    431,
    null,
    "the request's head is larger than 16384 bytes",
  ),
  row(
    23,
    "200 headers",
    { headers: Array.from({ length: 200 }, () => "X: y") },
    431,
    null,
    "more than 100 headers",
  ),
  row(
    23,
    "URL of 70 KiB",
    { path: `/wpush/v1/${"a".repeat(71_680)}` },
    414,
    null,
    "URL: at most 8192 characters",
  ),
];

function strangersPath(world: EndpointWorld): string {
  const url = world.identifiers.endpointUrl(UAID.replaceAll("f", "e"), CHANNEL, undefined);
  return url.slice(world.endpoint.url.length);
}

function assertError(found: RawAnswer, { status, errno, message, headers }: Row): void {
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

Deno.test("push endpoint: row 21: half a body, then silence => 408, the connection ends", async () => {
  await using world = await EndpointWorld.open({ timeouts: { headersMs: 50, requestMs: 100 } });
  const head = `POST ${world.path()} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n`;
  const found = await exchange(world.endpoint.port, `${head}0123456789`);
  assertEquals([found.status, found.ended], [408, true]);
  assertEquals(JSON.parse(found.body).error, "Request Timeout");
  assertEquals(world.service.messages.length, 0);
  await assertServes(world);
});
