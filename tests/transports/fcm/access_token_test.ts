/**
 * How access tokens are come by: over a real token endpoint, with a clock that the test moves.
 *
 * @module
 */

import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { decodeProtectedHeader, importSPKI, jwtVerify } from "jose";
import { AccessTokens, type Grant } from "../../../transports/fcm/access_token.ts";
import { readServiceAccount } from "../../../transports/fcm/credentials.ts";
import type { Verdict } from "../../../transports/provider/provider.ts";
import { NOW, StandingClock } from "../../support/scripted_connection.ts";
import { PRIVATE_KEY, PUBLIC_KEY, serviceAccount } from "./account.ts";
import { type TokenAnswer, TokenServer } from "./token_server.ts";

const MINUTE = 60_000;

function source(uri: string, clock = new StandingClock()): AccessTokens {
  const read = readServiceAccount({ serviceAccount: serviceAccount({ token_uri: uri }) });
  if (read.kind === "problems") throw new Error(Deno.inspect(read.problems));
  return new AccessTokens(read.account, clock, []);
}

function textOf(grant: Grant): string {
  return grant.kind === "token" ? grant.text : Deno.inspect(grant.verdict);
}

Deno.test("AccessTokens.token() exchanges a signed assertion for a token (RFC 7523 2.1)", async () => {
  await using server = new TokenServer();
  assertEquals(await source(server.url).token(), { kind: "token", text: "token-1" });
  const [form] = server.forms;
  assertEquals(form?.get("grant_type"), "urn:ietf:params:oauth:grant-type:jwt-bearer");
  assertEquals([...form?.keys() ?? []].length, 2);
  const assertion = form?.get("assertion") ?? "";
  assertEquals<unknown>(decodeProtectedHeader(assertion), {
    alg: "RS256",
    typ: "JWT",
    kid: "key1",
  });
  const { payload } = await jwtVerify(assertion, await importSPKI(PUBLIC_KEY, "RS256"), {
    currentDate: new Date(NOW),
  });
  assertEquals<unknown>(payload, {
    iss: "push@shop-1.iam.gserviceaccount.com",
    scope: "https://www.googleapis.com/auth/firebase.messaging",
    aud: server.url,
    iat: NOW / 1_000,
    exp: NOW / 1_000 + 3_600,
  });
});

Deno.test("AccessTokens.token() asks once for callers of the same moment", async () => {
  await using server = new TokenServer();
  const tokens = source(server.url);
  const grants = await Promise.all([tokens.token(), tokens.token(), tokens.token()]);
  assertEquals(grants.map(textOf), ["token-1", "token-1", "token-1"]);
  assertEquals(server.forms.length, 1);
});

Deno.test("AccessTokens.token() uses the old token while it is renewed, five minutes early", async () => {
  await using server = new TokenServer();
  const clock = new StandingClock();
  const tokens = source(server.url, clock);
  await tokens.token();
  clock.now += 55 * MINUTE - 1;
  assertEquals(textOf(await tokens.token()), "token-1");
  assertEquals(server.forms.length, 1);
  clock.now += 1;
  const answered = Promise.withResolvers<TokenAnswer>();
  server.answer = () => answered.promise;
  assertEquals(textOf(await tokens.token()), "token-1");
  await settled(() => server.forms.length === 2);
  assertEquals(textOf(await tokens.token()), "token-1");
  answered.resolve({});
  // Whoever is refused now waits for the request that is under way.
  assertEquals(textOf(await tokens.renew("token-1")), "token-2");
  assertEquals(server.forms.length, 2);
});

Deno.test("AccessTokens.token() waits when the old token has ended", async () => {
  await using server = new TokenServer();
  const clock = new StandingClock();
  const tokens = source(server.url, clock);
  await tokens.token();
  clock.now += 60 * MINUTE;
  assertEquals(textOf(await tokens.token()), "token-2");
});

Deno.test("AccessTokens.token() keeps a good token when its renewal fails", async () => {
  await using server = new TokenServer();
  const clock = new StandingClock();
  const tokens = source(server.url, clock);
  await tokens.token();
  clock.now += 56 * MINUTE;
  server.answer = () => ({ status: 503 });
  // This one leaves the renewal behind; it must not cost the token there is.
  await tokens.token();
  await settled(() => server.forms.length === 2);
  assertEquals(textOf(await tokens.token()), "token-1");
  clock.now += 4 * MINUTE;
  assertEquals((await tokens.token()).kind, "refused");
});

Deno.test("AccessTokens.token() asks again soon after a failure, though the clock was put back", async () => {
  await using server = new TokenServer();
  const clock = new StandingClock();
  const tokens = source(server.url, clock);
  server.answer = () => ({ status: 503 });
  assertEquals((await tokens.token()).kind, "refused");
  server.answer = () => ({});
  clock.now += 9_999;
  assertEquals((await tokens.token()).kind, "refused");
  clock.now -= 60 * MINUTE;
  assertEquals(textOf(await tokens.token()), "token-2");
});

Deno.test("AccessTokens.token() pauses the app for a key that cannot sign, and repeats none of it", async () => {
  const read = readServiceAccount({ serviceAccount: serviceAccount() });
  if (read.kind === "problems") throw new Error(Deno.inspect(read.problems));
  const privateKey = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
  const tokens = new AccessTokens({ ...read.account, privateKey }, new StandingClock(), []);
  assertEquals(await tokens.token(), {
    kind: "refused",
    verdict: { kind: "pause", status: 0, reason: "private_key cannot sign" },
  });
});

/** Lets the event loop turn until something is so. */
async function settled(so: () => boolean): Promise<void> {
  for (let turn = 0; turn < 10_000 && !so(); turn++) {
    await new Promise<void>((resolve) => setTimeout(resolve, 0));
  }
  assert(so());
}

Deno.test("AccessTokens.renew() drops a refused token and asks once for all who had it", async () => {
  await using server = new TokenServer();
  const tokens = source(server.url);
  await tokens.token();
  const grants = await Promise.all([tokens.renew("token-1"), tokens.renew("token-1")]);
  assertEquals(grants.map(textOf), ["token-2", "token-2"]);
  assertEquals(textOf(await tokens.renew("token-1")), "token-2");
  assertEquals(server.forms.length, 2);
});

const later = (reason: string): Verdict => ({ kind: "unsent", reason, afterMs: 10_000 });

/** Answers of a token endpoint that bring no token, and what becomes of messages. */
const REFUSALS: readonly (readonly [string, TokenAnswer, (host: string) => Verdict])[] = [
  [
    "invalid_grant",
    { status: 400, body: { error: "invalid_grant", error_description: "Invalid JWT Signature." } },
    () => ({ kind: "pause", status: 400, reason: "invalid_grant: Invalid JWT Signature." }),
  ],
  [
    "invalid_client without words",
    { status: 401, body: { error: "invalid_client" } },
    () => ({ kind: "pause", status: 401, reason: "invalid_client" }),
  ],
  [
    "a server error",
    { status: 500, body: { error: "internal_failure" } },
    (host) => later(`token endpoint ${host} answered 500`),
  ],
  [
    "too many requests",
    { status: 429, body: { error: "rate_limit" } },
    (host) => later(`token endpoint ${host} answered 429`),
  ],
  [
    "HTML",
    { status: 404, body: "<html>" },
    (host) => later(`token endpoint ${host} answered 404`),
  ],
  [
    "a redirect",
    { status: 302, body: "", headers: { location: "/elsewhere" } },
    (host) => later(`token endpoint ${host} answered 302`),
  ],
  ["no token", { body: {} }, (host) => later(`bad answer from token endpoint ${host}`)],
  [
    "a token that breaks a header",
    { body: { access_token: "a\r\nb" } },
    (host) => later(`bad answer from token endpoint ${host}`),
  ],
  [
    "a token beyond measure",
    { body: { access_token: "a".repeat(4_097) } },
    (host) => later(`bad answer from token endpoint ${host}`),
  ],
  [
    "more than anyone reads",
    { body: `{"access_token":"a","x":"${"x".repeat(70_000)}"}` },
    (host) => later(`bad answer from token endpoint ${host}`),
  ],
];

for (const [name, answer, expected] of REFUSALS) {
  Deno.test(`AccessTokens.token() answered with ${name} asks no more for ten seconds`, async () => {
    await using server = new TokenServer();
    server.answer = () => answer;
    const clock = new StandingClock();
    const tokens = source(server.url, clock);
    const verdict = expected(new URL(server.url).host);
    assertEquals(await tokens.token(), { kind: "refused", verdict });
    server.answer = () => ({});
    clock.now += 9_999;
    assertEquals(await tokens.token(), { kind: "refused", verdict });
    assertEquals(server.forms.length, 1);
    clock.now += 1;
    assertEquals((await tokens.token()).kind, "token");
  });
}

Deno.test("AccessTokens.token() tells when nobody listens", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  assertEquals(await source(`http://127.0.0.1:${port}/token`).token(), {
    kind: "refused",
    verdict: later(`token endpoint 127.0.0.1:${port} cannot be reached`),
  });
});

Deno.test("AccessTokens.token() believes a life of a second to a day", async () => {
  const rows: readonly (readonly [unknown, number])[] = [
    [10, 10_000],
    [undefined, 3_600_000],
    ["3600", 3_600_000],
    [-1, 3_600_000],
    [1e12, 86_400_000],
  ];
  for (const [expires_in, lifeMs] of rows) {
    await using server = new TokenServer();
    server.answer = () => ({ body: { access_token: `t${server.forms.length}`, expires_in } });
    const clock = new StandingClock();
    const tokens = source(server.url, clock);
    await tokens.token();
    clock.now += lifeMs / 2 - 1;
    assertEquals(textOf(await tokens.token()), "t1");
    clock.now = NOW + lifeMs;
    assertEquals(textOf(await tokens.token()), "t2");
  }
});

Deno.test("AccessTokens.token() shows neither key nor assertion nor token", async () => {
  await using server = new TokenServer();
  server.answer = () => ({
    status: 400,
    body: { error: "invalid_grant", error_description: server.forms[0]?.get("assertion") },
  });
  const text = Deno.inspect(await source(server.url).token());
  assertStrictEquals(text.includes("invalid_grant: (hidden)"), true, text);
  assert(!text.includes(PRIVATE_KEY.split("\n")[1] ?? ""));
});
