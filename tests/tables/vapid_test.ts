/**
 * Bad VAPID at the push endpoint (RFC 8292): one `Authorization`, its exact answer, and the right sender
 * served after it. Rows are numbered as in the table of bad input this project keeps.
 *
 * @module
 */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { Buffer } from "node:buffer";
import { createHmac } from "node:crypto";
import {
  encoded,
  EndpointWorld,
  NOW_SECONDS,
  OTHER_CHANNEL,
  type Posted,
  Sender,
} from "../support/endpoint_world.ts";

const sender = new Sender();
const stranger = new Sender();
const TTL = "TTL: 60";
const CLAIMS =
  "Invalid VAPID token: A value in the vapid claims is either missing or incorrectly specified " +
  '(e.g. "exp":"12345" or "sub":null). Please correct and retry.';
const BAD_KEY = "Invalid VAPID public key: k is not a P-256 public key";

/** One row; `authorization` is the header's value. */
interface Row {
  readonly row: number;
  readonly name: string;
  readonly authorization: (world: EndpointWorld) => string;
  /** The beginning of the message. */
  readonly message: string;
}

function vapid(token: string, key = sender.key): string {
  return `vapid t=${token}, k=${key}`;
}

function claiming(
  row: number,
  name: string,
  claims: Readonly<Record<string, unknown>>,
  message: string,
): Row {
  return {
    row,
    name,
    authorization: (world) => vapid(sender.token(sender.claims(world, claims))),
    message,
  };
}

function heading(name: string, header: unknown): Row {
  return {
    row: 35,
    name,
    authorization: (world) => vapid(sender.token(sender.claims(world), header)),
    message: "alg must be ES256",
  };
}

function signing(name: string, signature: (signed: string) => string): Row {
  return {
    row: 36,
    name,
    authorization: (world) => {
      const signed = sender.token(sender.claims(world)).split(".").slice(0, 2).join(".");
      return vapid(`${signed}.${signature(signed)}`);
    },
    message: "bad signature",
  };
}

function keyed(name: string, key: string): Row {
  return {
    row: 39,
    name,
    authorization: (world) => vapid(sender.token(sender.claims(world)), key),
    message: BAD_KEY,
  };
}

function said(row: number, name: string, authorization: string, message: string): Row {
  return { row, name, authorization: () => authorization, message };
}

/** The sender's key with one byte changed. */
function changedKey(change: (bytes: Buffer) => void): string {
  const bytes = Buffer.from(sender.publicKey);
  change(bytes);
  return bytes.toString("base64url");
}

const raw = (signature: string) => Buffer.from(signature, "base64url");
const HEAD = encoded('{"typ":"JWT","alg":"ES256"}');

const ROWS: readonly Row[] = [
  said(
    30,
    "Basic",
    "Basic abc",
    'Unknown auth scheme: expected vapid, webpush or bearer, found "Basic"',
  ),
  said(
    30,
    "a scheme of escape characters",
    "\x9b31m abc",
    'Unknown auth scheme: expected vapid, webpush or bearer, found "?31m"',
  ),
  said(31, "no t", `vapid k=${sender.key}`, "Missing VAPID token"),
  said(31, "empty t", `vapid t=,k=${sender.key}`, "Missing VAPID token"),
  said(31, "a scheme alone", "vapid", "Missing VAPID token"),
  said(31, "bearer alone", "Bearer", "Missing VAPID token"),
  {
    row: 32,
    name: "no k",
    authorization: (world) => `vapid t=${sender.token(sender.claims(world))}`,
    message: "Missing VAPID public key",
  },
  said(33, "one part", vapid("abc"), "token is not a JWT"),
  said(33, "two parts", vapid(`${HEAD}.e30`), "token is not a JWT"),
  said(33, "four parts", vapid(`${HEAD}.e30.AA.AA`), "token is not a JWT"),
  said(34, "header not JSON", vapid("!!.e30.AA"), "token header is not JSON"),
  said(34, "header an array", vapid(`${encoded("[]")}.e30.AA`), "token header is not JSON"),
  said(34, "header null", vapid(`${encoded("null")}.e30.AA`), "token header is not JSON"),
  heading("alg none", { alg: "none" }),
  heading("alg HS256", { alg: "HS256" }),
  heading("alg RS256", { alg: "RS256" }),
  heading("alg es256", { alg: "es256" }),
  heading("no alg", {}),
  heading("alg an array", { alg: ["ES256"] }),
  said(
    35,
    "alg none, no signature",
    vapid(`${encoded('{"alg":"none"}')}.e30.`),
    "alg must be ES256",
  ),
  said(35, "HMAC with the public key", hmacToken(), "alg must be ES256"),
  signing("DER", (text) => sender.signature(text, "der")),
  signing("63 bytes", (text) => raw(sender.signature(text)).subarray(0, 63).toString("base64url")),
  signing(
    "65 bytes",
    (text) => Buffer.concat([raw(sender.signature(text)), Buffer.of(0)]).toString("base64url"),
  ),
  signing("empty", () => ""),
  signing("r = s = 0", () => Buffer.alloc(64).toString("base64url")),
  signing("r = s = 2^256 - 1", () => Buffer.alloc(64, 255).toString("base64url")),
  signing("padded", (text) => `${sender.signature(text)}==`),
  signing("of another text", () => sender.signature("other")),
  {
    row: 37,
    name: "another key signed",
    authorization: (world) => vapid(stranger.token(stranger.claims(world))),
    message: "bad signature",
  },
  {
    row: 38,
    name: "a stranger's token and key",
    authorization: (world) => vapid(stranger.token(stranger.claims(world)), stranger.key),
    message: "VAPID public key mismatch",
  },
  keyed("text", "invalid|"),
  keyed("empty but for padding", "="),
  keyed("64 bytes", Buffer.from(sender.publicKey).subarray(0, 64).toString("base64url")),
  keyed("66 bytes", Buffer.concat([sender.publicKey, Buffer.of(0)]).toString("base64url")),
  keyed(
    "compressed",
    Buffer.concat([Buffer.of(2), sender.publicKey.subarray(1, 33)]).toString("base64url"),
  ),
  keyed("prefix 0x06", changedKey((bytes) => bytes.set([6], 0))),
  keyed("off the curve", changedKey((bytes) => bytes.set([(bytes[64] ?? 0) ^ 1], 64))),
  keyed("zero point", Buffer.concat([Buffer.of(4), Buffer.alloc(64)]).toString("base64url")),
  keyed(
    "above the field",
    Buffer.concat([Buffer.of(4), Buffer.alloc(64, 255)]).toString("base64url"),
  ),
  keyed("both alphabets at once", `${"-+".repeat(43)}A`),
  claiming(40, "no exp", { exp: undefined }, `${CLAIMS} exp must be a number of seconds`),
  claiming(40, 'exp "@"', { exp: "@" }, `${CLAIMS} exp must be a number of seconds`),
  claiming(
    40,
    "exp a string",
    { exp: String(NOW_SECONDS) },
    `${CLAIMS} exp must be a number of seconds`,
  ),
  claiming(40, "exp 1.5", { exp: NOW_SECONDS + 0.5 }, `${CLAIMS} exp must be a number of seconds`),
  claiming(40, "exp negative", { exp: -1 }, `${CLAIMS} exp must be a number of seconds`),
  claiming(40, "exp null", { exp: null }, `${CLAIMS} exp must be a number of seconds`),
  claiming(
    40,
    "exp in milliseconds",
    { exp: NOW_SECONDS * 1_000 },
    "The VAPID token expiration is too long",
  ),
  claiming(41, "exp 61 s ago", { exp: NOW_SECONDS - 61 }, "token expired 61 s ago"),
  claiming(
    42,
    "exp 24 h and 1 s ahead",
    { exp: NOW_SECONDS + 86_401 },
    "The VAPID token expiration is too long: exp more than 24 h ahead",
  ),
  claiming(
    42,
    "exp 25 h ahead",
    { exp: NOW_SECONDS + 90_000 },
    "The VAPID token expiration is too long",
  ),
  claiming(43, "no aud", { aud: undefined }, "Invalid VAPID token: Missing required aud"),
  claiming(
    43,
    "another origin",
    { aud: "https://evil.example" },
    "Invalid VAPID audience: aud must be http://127.0.0.1:",
  ),
  claiming(43, "wrong port", { aud: "http://127.0.0.1:1" }, "Invalid VAPID audience"),
  claiming(43, "no port", { aud: "http://127.0.0.1" }, "Invalid VAPID audience"),
  {
    row: 43,
    name: "https for http",
    authorization: (world) =>
      vapid(
        sender.token(sender.claims(world, { aud: world.endpoint.url.replace("http", "https") })),
      ),
    message: "Invalid VAPID audience",
  },
  {
    row: 43,
    name: "trailing slash",
    authorization: (world) =>
      vapid(sender.token(sender.claims(world, { aud: `${world.endpoint.url}/` }))),
    message: "Invalid VAPID audience",
  },
  {
    row: 43,
    name: "with the path",
    authorization: (world) =>
      vapid(sender.token(sender.claims(world, { aud: world.endpoint.url + world.path() }))),
    message: "Invalid VAPID audience",
  },
  claiming(44, "aud an array", { aud: ["x"] }, `${CLAIMS} aud must be a string`),
  claiming(44, "aud a number", { aud: 7 }, `${CLAIMS} aud must be a string`),
  claiming(45, "sub a number", { sub: 7 }, `${CLAIMS} sub must be a string`),
  said(
    46,
    "token of 10 KiB",
    vapid("a".repeat(10_240)),
    "token longer than 2048, found 10240 characters",
  ),
  {
    row: 33,
    name: "payload not JSON",
    authorization: () => {
      const signed = `${HEAD}.${encoded("x")}`;
      return vapid(`${signed}.${sender.signature(signed)}`);
    },
    message: "token payload is not JSON",
  },
  {
    row: 33,
    name: "payload an array",
    authorization: () => {
      const signed = `${HEAD}.${encoded("[]")}`;
      return vapid(`${signed}.${sender.signature(signed)}`);
    },
    message: "token payload is not JSON",
  },
];

function hmacToken(): string {
  const signed = `${encoded('{"alg":"HS256"}')}.e30`;
  const tag = createHmac("sha256", sender.publicKey).update(signed).digest("base64url");
  return vapid(`${signed}.${tag}`);
}

/** The right sender is served on its bound endpoint: what went before did no harm. */
async function assertServes(world: EndpointWorld): Promise<void> {
  const headers = [TTL, sender.authorization(world)];
  const good = await world.send({ path: world.path(sender.publicKey), headers });
  assertEquals(good.status, 201, good.body);
}

Deno.test("VAPID: bad input, row by row", async (t) => {
  await using world = await EndpointWorld.open();
  for (const { row, name, authorization, message } of ROWS) {
    await t.step(`row ${row}: ${name} => 401 ${message.slice(0, 50)}`, async () => {
      const before = world.service.messages.length;
      const headers = [TTL, `Authorization: ${authorization(world)}`];
      const found = await world.send({ path: world.path(sender.publicKey), headers });
      assertEquals(found.status, 401, found.body);
      assertEquals(found.headers["www-authenticate"], "vapid");
      const body = JSON.parse(found.body);
      assertEquals([body.code, body.errno, body.error], [401, 109, "Unauthorized"]);
      assertEquals(body.message.slice(0, message.length), message);
      assertEquals(world.service.messages.length, before);
      await assertServes(world);
    });
  }
});

Deno.test("VAPID: row 29: a bound subscription without Authorization => 401", async () => {
  await using world = await EndpointWorld.open();
  const found = await world.send({ path: world.path(sender.publicKey) });
  assertEquals([found.status, found.headers["www-authenticate"]], [401, "vapid"]);
  assertStringIncludes(
    JSON.parse(found.body).message,
    "Missing VAPID public key: this subscription accepts only its own VAPID key",
  );
});

Deno.test("VAPID: row 32: the older dialect without its key => 400 errno 110", async (t) => {
  await using world = await EndpointWorld.open();
  const rows: readonly (readonly [lines: readonly string[], message: string])[] = [
    [[], "Missing Crypto-Key header"],
    [["Crypto-Key: nonsense"], "Invalid Crypto-Key header"],
    [["Crypto-Key: dh=abc"], "Missing p256ecdsa in Crypto-Key header"],
  ];
  for (const scheme of ["Bearer", "WebPush"]) {
    for (const [lines, message] of rows) {
      await t.step(`${scheme}: ${message}`, async () => {
        const authorization = `Authorization: ${scheme} ${sender.token(sender.claims(world))}`;
        const found = await world.send({ headers: [TTL, authorization, ...lines] });
        const body = JSON.parse(found.body);
        assertEquals([found.status, body.errno], [400, 110]);
        assertStringIncludes(body.message, message);
      });
    }
  }
});

Deno.test("VAPID: row 41: 60 s late is accepted, and a remembered token expires", async () => {
  await using world = await EndpointWorld.open();
  const headers = [TTL, sender.authorization(world, { exp: NOW_SECONDS })];
  const path = world.path(sender.publicKey);
  assertEquals((await world.send({ path, headers })).status, 201);
  world.clock.now += 60_999;
  assertEquals((await world.send({ path, headers })).status, 201);
  world.clock.now += 1;
  const found = await world.send({ path, headers });
  assertEquals([found.status, JSON.parse(found.body).message], [401, "token expired 61 s ago"]);
});

Deno.test("VAPID: row 45: every sub is accepted and counted", async () => {
  await using world = await EndpointWorld.open();
  const subjects = ["mailto:a@b.c", "https://b.c", "a@b.c", "http://b.c", "", null, undefined];
  for (const sub of subjects) {
    const headers = [TTL, sender.authorization(world, { sub })];
    assertEquals((await world.send({ path: world.path(sender.publicKey), headers })).status, 201);
  }
  const found = world.events.flatMap((event) =>
    event.kind === "vapid_verified" ? [event.subject] : []
  );
  assertEquals(found, ["ok", "ok", "bad_format", "bad_format", "empty", "missing", "missing"]);
});

Deno.test("VAPID: row 47: two Authorization headers => 400 errno 109", async () => {
  await using world = await EndpointWorld.open();
  const line = sender.authorization(world);
  for (const second of [line, line.toLowerCase(), "AUTHORIZATION: Basic x"]) {
    const found = await world.send({
      path: world.path(sender.publicKey),
      headers: [TTL, line, second],
    });
    const body = JSON.parse(found.body);
    assertEquals([found.status, body.errno, body.message], [400, 109, "Authorization given twice"]);
    await assertServes(world);
  }
});

Deno.test("VAPID: an unbound endpoint takes any sender or none, but no bad header", async () => {
  await using world = await EndpointWorld.open();
  const rows: readonly (readonly [Posted, number])[] = [
    [{ headers: [TTL] }, 201],
    [{ headers: [TTL, sender.authorization(world)] }, 201],
    [{ headers: [TTL, stranger.authorization(world)] }, 201],
    [{ headers: [TTL, "Authorization: vapid t=a,k=b"] }, 401],
    [{ path: world.path(undefined, OTHER_CHANNEL), headers: [TTL, "Authorization: Basic x"] }, 401],
  ];
  for (const [posted, status] of rows) assertEquals((await world.send(posted)).status, status);
});
