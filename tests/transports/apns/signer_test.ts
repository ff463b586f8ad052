/**
 * When provider tokens are signed: seldom, and never when Apple would count it as too often.
 *
 * @module
 */

import { assert, assertEquals, assertNotEquals, assertStrictEquals } from "@std/assert";
import { decodeJwt, decodeProtectedHeader, importSPKI, jwtVerify } from "jose";
import { createPublicKey } from "node:crypto";
import { Signer } from "../../../transports/apns/signer.ts";
import type { Renew } from "../../../transports/provider/renewal.ts";
import { NOW, StandingClock } from "../../support/scripted_connection.ts";
import { TOKEN_CREDENTIALS } from "./keys.ts";

const MINUTE = 60_000;
const HALF_HOUR = 30 * MINUTE;

function opened(atMinute: number): { readonly clock: StandingClock; readonly signer: Signer } {
  const clock = new StandingClock();
  clock.now = NOW + atMinute * MINUTE;
  return { clock, signer: new Signer(TOKEN_CREDENTIALS, clock) };
}

function refusalOf(reason: string): Renew {
  return { kind: "renew", status: 403, reason, serverTime: undefined };
}

function issuedAt(token: string): number {
  return (decodeJwt(token).iat ?? 0) * 1_000;
}

Deno.test("Signer.token() is an ES256 JWT of key and team, and nothing else", async () => {
  const token = await opened(7).signer.token();
  assertEquals<unknown>(decodeProtectedHeader(token), { alg: "ES256", kid: "KEYID00001" });
  assertEquals<unknown>(decodeJwt(token), { iss: "TEAMID0001", iat: NOW / 1_000 });
  const spki = createPublicKey(TOKEN_CREDENTIALS.key).export({ type: "spki", format: "pem" });
  await jwtVerify(token, await importSPKI(String(spki), "ES256"));
});

Deno.test("Signer.token() signs once for callers of the same moment", async () => {
  const { clock, signer } = opened(0);
  let looks = 0;
  const now = clock.now;
  clock.wallNow = () => {
    looks++;
    return now;
  };
  const [first, second] = await Promise.all([signer.token(), signer.token()]);
  assertStrictEquals(first, second);
  // A token is given the time it is signed at: one look, one token.
  assertEquals(looks, 1);
});

Deno.test("Signer.token() is issued on the half hour, so that processes agree", async () => {
  for (const minute of [0, 1, 29.9]) {
    assertEquals(issuedAt(await opened(minute).signer.token()), NOW);
  }
  assertEquals(issuedAt(await opened(30).signer.token()), NOW + HALF_HOUR);
});

Deno.test("Signer.token() is younger than 50 minutes and not renewed within 20, whenever asked", async () => {
  for (let start = 0; start < 30; start += 1) {
    const { clock, signer } = opened(start);
    let token = await signer.token();
    let signedAt = clock.now;
    for (let minute = 0; minute < 240; minute += 0.5) {
      clock.now = NOW + (start + minute) * MINUTE;
      const next = await signer.token();
      if (next !== token) {
        assert(clock.now - signedAt >= 20 * MINUTE, `renewed after ${clock.now - signedAt} ms`);
        token = next;
        signedAt = clock.now;
      }
      assert(clock.now - issuedAt(token) <= 50 * MINUTE, `age ${clock.now - issuedAt(token)} ms`);
    }
  }
});

Deno.test("Signer.token() signs anew when the clock was put back, unless it has just signed", async () => {
  const { clock, signer } = opened(120);
  const wrong = await signer.token();
  clock.now -= 10 * MINUTE;
  assertStrictEquals(await signer.token(), wrong);
  clock.now -= 60 * MINUTE;
  const right = await signer.token();
  assertEquals(issuedAt(right), NOW + 30 * MINUTE);
});

Deno.test("Signer.renew() signs anew when the refused token is 20 minutes old", async () => {
  const { clock, signer } = opened(10);
  const used = await signer.token();
  clock.now += 20 * MINUTE;
  const renewed = await signer.renew(used, refusalOf("ExpiredProviderToken"));
  assert(renewed.kind === "renewed");
  assertNotEquals(renewed.credential, used);
  assertStrictEquals(await signer.token(), renewed.credential);
});

Deno.test("Signer.renew() does not sign within 20 minutes, whatever Apple says", async () => {
  for (const reason of ["ExpiredProviderToken", "InvalidProviderToken", "MissingProviderToken"]) {
    const { clock, signer } = opened(20);
    const used = await signer.token();
    clock.now += 20 * MINUTE - 1;
    assertEquals((await signer.renew(used, refusalOf(reason))).kind, "refused");
    assertStrictEquals(await signer.token(), used);
  }
});

Deno.test("Signer.renew() does not offer the same token again", async () => {
  const { clock, signer } = opened(0);
  const used = await signer.token();
  clock.now += 25 * MINUTE;
  assertEquals((await signer.renew(used, refusalOf("ExpiredProviderToken"))).kind, "refused");
});

Deno.test("Signer.renew() gives the token that has replaced the refused one", async () => {
  const { clock, signer } = opened(0);
  const used = await signer.token();
  clock.now += 50 * MINUTE;
  const current = await signer.token();
  const renewed = await signer.renew(used, refusalOf("ExpiredProviderToken"));
  assertEquals(renewed, { kind: "renewed", credential: current });
});

Deno.test("Signer.renew() signs once for all whose token was refused", async () => {
  const { clock, signer } = opened(10);
  const used = await signer.token();
  clock.now += 25 * MINUTE;
  const refusal = refusalOf("ExpiredProviderToken");
  const [first, second] = await Promise.all([
    signer.renew(used, refusal),
    signer.renew(used, refusal),
  ]);
  assertEquals(first.kind, "renewed");
  assertEquals(first, second);
});
