import { Buffer } from "node:buffer";
import { importPKCS8, SignJWT } from "jose";
import { createPrivateKey } from "node:crypto";
import { assertEquals, assertMatch } from "@std/assert";
import { generateRequestDetails, generateVAPIDKeys } from "../../../deps/web_push.js";
import { KIND } from "../../../transports/provider_stand_in/behaviour.ts";
import type { Answer } from "../../../transports/provider_stand_in/service.ts";
import { WebPush } from "../../../transports/provider_stand_in/web_push.ts";
import { World } from "../../../transports/provider_stand_in/world.ts";
import { MADE, NOWHERE } from "../../support/stand_in.ts";

const { vapidPrivateKey, subject } = MADE.credentials(NOWHERE).webpush;
const KEYS = { publicKey: MADE.vapidPublicKey, privateKey: vapidPrivateKey };
const NOW = Math.floor(Date.now() / 1_000);

function open(): WebPush {
  const origins = [NOWHERE.webpush, NOWHERE.webpushHttp1];
  return new WebPush(new World("webpush", 1), MADE.accounts.webpush, () => origins);
}

/** A message as the library `web-push` makes it. */
const made = generateRequestDetails(
  {
    endpoint: `${NOWHERE.webpush}/wp/1`,
    keys: MADE.receiver,
  },
  "hello",
  { TTL: 60, urgency: "high", contentEncoding: "aes128gcm", vapidDetails: { ...KEYS, subject } },
);
const HEADERS = Object.fromEntries(
  Object.entries(made.headers).map(([name, value]) => [name.toLowerCase(), `${value}`]),
);
const BODY = new Uint8Array(made.body ?? []);

/** What a request has that differs from a good one; `null` leaves a header out. */
interface Difference {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string | null>>;
  readonly body?: Uint8Array;
}

function ask(service: WebPush, difference: Difference = {}): Answer {
  const { method = "POST", path = "/wp/1", headers = {}, body = BODY } = difference;
  const fields = Object.entries({ ...HEADERS, ...headers })
    .flatMap(([name, value]) => value === null ? [] : [{ name, value: `${value}` }]);
  return service.answer({ method, path, fields, body });
}

function said({ reply }: Answer): string {
  const text = new TextDecoder().decode(reply.body);
  return text === "" ? `${reply.status}` : `${reply.status} ${JSON.parse(text).errno}`;
}

/** A VAPID header whose claims are changed as wanted. */
async function vapid(
  claims: Readonly<Record<string, unknown>>,
  keys: typeof KEYS = KEYS,
): Promise<Difference> {
  const jwk = {
    kty: "EC",
    crv: "P-256",
    d: keys.privateKey,
    x: Buffer.from(keys.publicKey, "base64url").toString("base64url", 1, 33),
    y: Buffer.from(keys.publicKey, "base64url").toString("base64url", 33),
  };
  const key = createPrivateKey({ key: jwk, format: "jwk" });
  const good = { aud: NOWHERE.webpush, exp: NOW + 3_600, sub: subject };
  const jwt = await new SignJWT({ ...good, ...claims }).setProtectedHeader({ alg: "ES256" })
    .sign(await importPKCS8(`${key.export({ type: "pkcs8", format: "pem" })}`, "ES256"));
  return { headers: { authorization: `vapid t=${jwt}, k=${keys.publicKey}` } };
}

function changed(change: (body: Uint8Array) => void): Difference {
  const body = BODY.slice();
  change(body);
  return { body };
}

const TABLE: readonly (readonly [string, Difference, string])[] = [
  ["a message of npm web-push", {}, "201"],
  ["a message for the other origin", await vapid({ aud: NOWHERE.webpushHttp1 }), "201"],
  ["a message without a body", { body: new Uint8Array(0) }, "201"],
  ["another path", { path: "/wpush/v2/1" }, "404 102"],
  ["GET", { method: "GET" }, "405 108"],
  ["no TTL", { headers: { ttl: null } }, "400 111"],
  ["a negative TTL", { headers: { ttl: "-1" } }, "400 111"],
  ["a bad topic", { headers: { topic: "not base64url" } }, "400 113"],
  ["a topic of 33", { headers: { topic: "t".repeat(33) } }, "400 113"],
  ["a bad urgency", { headers: { urgency: "now" } }, "400 108"],
  ["no token", { headers: { authorization: null } }, "401 109"],
  ["a token without its key", { headers: { authorization: "vapid t=x" } }, "401 109"],
  ["a token that is no JWT", {
    headers: { authorization: `vapid t=x, k=${KEYS.publicKey}` },
  }, "401 109"],
  ["another key", await vapid({}, generateVAPIDKeys()), "401 109"],
  ["another audience", await vapid({ aud: "https://else.invalid" }), "401 109"],
  ["a token that has ended", await vapid({ exp: NOW - 1 }), "401 109"],
  ["a token for two days", await vapid({ exp: NOW + 172_800 }), "401 109"],
  ["a token for ever", await vapid({ exp: undefined }), "401 109"],
  ["no contact", await vapid({ sub: "somebody" }), "401 109"],
  ["another coding", { headers: { "content-encoding": "aesgcm" } }, "400 110"],
  ["a short body", { body: BODY.slice(0, 100) }, "400 110"],
  ["records that are too small", changed((body) => body.fill(0, 16, 20)), "400 110"],
  ["a key id of another length", changed((body) => body[20] = 64), "400 110"],
  ["a compressed point", changed((body) => body[21] = 2), "400 110"],
  ["4,097 bytes", { body: new Uint8Array(4_097) }, "413 104"],
];

for (const [title, difference, expected] of TABLE) {
  Deno.test(`WebPush.answer() to ${title} is ${expected}`, () => {
    const service = open();
    assertEquals(said(ask(service, difference)), expected);
    assertEquals(service.world.seen().requests, expected === "201" ? 1 : 0);
  });
}

Deno.test("WebPush.answer() opens messages when it is asked to", () => {
  const service = open();
  const broken = changed((body) => body.fill(0, body.length - 1));
  assertEquals(said(ask(service, broken)), "201");
  service.world.behaviour = { ...KIND, decrypted: true };
  assertEquals(said(ask(service)), "201");
  assertEquals(said(ask(service, broken)), "400 110");
});

Deno.test("WebPush.answer() says where the message is", () => {
  assertMatch(ask(open()).own?.value ?? "", /^https:\/\/push\.invalid\/m\/\d+$/);
});

const FATES = [
  ["dead", "410 103", undefined],
  ["malformed", "404 102", undefined],
  ["refused", "400 108", undefined],
  ["throttled", "429 201", "7"],
  ["unavailable", "503 201", "7"],
  ["failing", "500 999", undefined],
] as const;

for (const [fate, expected, retryAfter] of FATES) {
  Deno.test(`WebPush.answer() for a ${fate} subscription is ${expected}`, () => {
    const service = open();
    service.world.behaviour = { ...KIND, shares: { [fate]: 1 }, retryAfterSeconds: 7 };
    const answer = ask(service);
    assertEquals(said(answer), expected);
    assertEquals(answer.own?.value, retryAfter);
  });
}
