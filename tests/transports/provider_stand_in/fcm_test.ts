import { importPKCS8, SignJWT } from "jose";
import { assert, assertEquals } from "@std/assert";
import { KIND } from "../../../transports/provider_stand_in/behaviour.ts";
import { Fcm } from "../../../transports/provider_stand_in/fcm.ts";
import { makeAccounts } from "../../../transports/provider_stand_in/accounts.ts";
import type { Answer } from "../../../transports/provider_stand_in/service.ts";
import { World } from "../../../transports/provider_stand_in/world.ts";
import { MADE, NOWHERE } from "../../support/stand_in.ts";

const { projectId, clientEmail } = MADE.accounts.fcm;
const SCOPE = "https://www.googleapis.com/auth/firebase.messaging";
const NOW = Math.floor(Date.now() / 1_000);
const SEND = `/v1/projects/${projectId}/messages:send`;

function open(): Fcm {
  return new Fcm(new World("fcm", 1), MADE.accounts.fcm, () => NOWHERE.fcm);
}

function ask(fcm: Fcm, path: string, body: string, authorization?: string): Answer {
  const fields = authorization === undefined
    ? []
    : [{ name: "authorization", value: authorization }];
  return fcm.answer({ method: "POST", path, fields, body: new TextEncoder().encode(body) });
}

/** The answer's document; every answer of Google's API has one. */
function document({ reply, body = reply.body }: Answer): Record<string, unknown> {
  return JSON.parse(new TextDecoder().decode(body));
}

/** Status, then the error code in the details or else the status in the document. */
function said(answer: Answer): string {
  const { error } = JSON.parse(JSON.stringify(document(answer)));
  if (error === undefined) return `${answer.reply.status}`;
  const code = error.details?.[0]?.errorCode ?? error.details?.[0]?.fieldViolations?.[0]?.field;
  return `${answer.reply.status} ${code ?? error.status}`;
}

function privateKey(made = MADE): string {
  return `${made.credentials(NOWHERE).fcm.serviceAccount["private_key"]}`;
}

/** A form that asks for a token, its claims changed as wanted. */
async function form(
  claims: Readonly<Record<string, unknown>> = {},
  key: string = privateKey(),
): Promise<string> {
  const good = {
    iss: clientEmail,
    scope: SCOPE,
    aud: `${NOWHERE.fcm}/token`,
    iat: NOW,
    exp: NOW + 3_600,
  };
  const jwt = new SignJWT({ ...good, ...claims }).setProtectedHeader({ alg: "RS256", typ: "JWT" });
  return new URLSearchParams({
    grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer",
    assertion: await jwt.sign(await importPKCS8(key, "RS256")),
  }).toString();
}

const GOOD_FORM = await form();

function granted(fcm: Fcm): string {
  return `Bearer ${document(ask(fcm, "/token", GOOD_FORM))["access_token"]}`;
}

Deno.test("OAuth.grant() gives a token that is taken until it ends", () => {
  const fcm = open();
  const { access_token: token, expires_in, token_type } = document(ask(fcm, "/token", GOOD_FORM));
  assertEquals([expires_in, token_type], [3_600, "Bearer"]);
  const message = '{"message":{"token":"t"}}';
  assertEquals(said(ask(fcm, SEND, message, `Bearer ${token}`)), "200");
  assertEquals(said(ask(fcm, SEND, message, "Bearer other")), "401 UNAUTHENTICATED");
  assertEquals(said(ask(fcm, SEND, message)), "401 UNAUTHENTICATED");
  fcm.world.behaviour = { ...KIND, accessTokenSeconds: 0 };
  assertEquals(said(ask(fcm, SEND, message, granted(fcm))), "401 UNAUTHENTICATED");
});

const otherKey = privateKey(makeAccounts());
const REFUSED_FORMS: readonly (readonly [string, string, string])[] = [
  ["another key", await form({}, otherKey), "invalid_grant"],
  ["another account", await form({ iss: "somebody" }), "invalid_grant"],
  ["another scope", await form({ scope: "email" }), "invalid_grant"],
  ["another audience", await form({ aud: "https://oauth.invalid/token" }), "invalid_grant"],
  ["a clock ahead", await form({ iat: NOW + 600, exp: NOW + 1_200 }), "invalid_grant"],
  ["an old assertion", await form({ iat: NOW - 4_000, exp: NOW - 400 }), "invalid_grant"],
  ["a long life", await form({ exp: NOW + 3_700 }), "invalid_grant"],
  ["no times", await form({ iat: undefined, exp: undefined }), "invalid_grant"],
  ["no JWT", GOOD_FORM.replace(/assertion=.*/, "assertion=x"), "invalid_grant"],
  ["another grant", "grant_type=password", "unsupported_grant_type"],
];

for (const [title, body, expected] of REFUSED_FORMS) {
  Deno.test(`OAuth.grant() for ${title} is ${expected}`, () => {
    const answer = ask(open(), "/token", body);
    assertEquals([answer.reply.status, document(answer)["error"]], [400, expected]);
  });
}

const MESSAGES: readonly (readonly [string, string, string])[] = [
  ["a token", '{"message":{"token":"t","notification":{"title":"x"}}}', "200"],
  ["a topic", '{"message":{"topic":"news"}}', "200"],
  ["strings as data", '{"message":{"token":"t","data":{"a":"1"}}}', "200"],
  ["no JSON", "{", "400 INVALID_ARGUMENT"],
  ["no message", "{}", "400 INVALID_ARGUMENT"],
  ["no target", '{"message":{}}', "400 message"],
  ["two targets", '{"message":{"token":"t","topic":"n"}}', "400 message"],
  ["an empty token", '{"message":{"token":""}}', "400 message.token"],
  ["a number as data", '{"message":{"token":"t","data":{"a":1}}}', "400 message.data"],
  ["data that is a list", '{"message":{"token":"t","data":[]}}', "400 message.data"],
  ["a reserved name", '{"message":{"token":"t","data":{"google.a":"1"}}}', "400 message.data"],
  ["4,096 bytes", message("token", 4_096), "200"],
  ["4,097 bytes", message("token", 4_097), "400 message"],
  ["2,049 bytes to a topic", message("topic", 2_049), "400 message"],
];

function message(target: string, bytes: number): string {
  const empty = `{"message":{"${target}":"t","data":{"a":""}}}`;
  return empty.replace('""', `"${"x".repeat(bytes - empty.length)}"`);
}

for (const [title, body, expected] of MESSAGES) {
  Deno.test(`Fcm.answer() to ${title} is ${expected}`, () => {
    const fcm = open();
    assertEquals(said(ask(fcm, SEND, body, granted(fcm))), expected);
    assertEquals(fcm.world.seen().requests, expected === "200" ? 1 : 0);
  });
}

Deno.test("Fcm.answer() knows its project and its path only", () => {
  const fcm = open();
  const token = granted(fcm);
  const body = '{"message":{"token":"t"}}';
  const other = SEND.replace(projectId, "other");
  assertEquals(said(ask(fcm, other, body, token)), "403 PERMISSION_DENIED");
  assertEquals(said(ask(fcm, "/fcm/send", body, token)), "404 NOT_FOUND");
});

const FATES = [
  ["dead", "404 UNREGISTERED", undefined],
  ["malformed", "400 INVALID_ARGUMENT", undefined],
  ["refused", "400 message.data", undefined],
  ["throttled", "429 QUOTA_EXCEEDED", "7"],
  ["unavailable", "503 UNAVAILABLE", "7"],
  ["failing", "500 INTERNAL", undefined],
] as const;

for (const [fate, expected, retryAfter] of FATES) {
  Deno.test(`Fcm.answer() for a ${fate} device is ${expected}`, () => {
    const fcm = open();
    fcm.world.behaviour = { ...KIND, shares: { [fate]: 1 }, retryAfterSeconds: 7 };
    const answer = ask(fcm, SEND, '{"message":{"token":"t"}}', granted(fcm));
    assertEquals(said(answer), expected);
    assertEquals(answer.own?.value, retryAfter);
  });
}

Deno.test("Fcm.answer() names each accepted message differently", () => {
  const fcm = open();
  const token = granted(fcm);
  const names = ["a", "b"].map((device) =>
    document(ask(fcm, SEND, `{"message":{"token":"${device}"}}`, token))["name"]
  );
  assert(names.every((name) => `${name}`.startsWith(`projects/${projectId}/messages/`)));
  assertEquals(new Set(names).size, 2);
});
