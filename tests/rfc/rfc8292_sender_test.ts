/**
 * Voluntary Application Server Identification: what RFC 8292 asks of an application server, and the example of its
 * section 2.4.
 *
 * @module
 */

import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { importJWK, jwtVerify } from "jose";
import { VapidVerifier } from "../../transports/push_endpoint/vapid.ts";
import { readVapidKey, VapidSigner } from "../../transports/webpush/vapid_signer.ts";
import { newVapidKeys } from "../support/sender.ts";

const ORIGIN = "https://push.example.net";
const SUBJECT = "mailto:push@example.com";
const NOON = Date.UTC(2026, 10, 22, 12);
const HOUR_MS = 3_600_000;

/** A clock that stands where it is put. */
class StillClock {
  ms = NOON;
  wallNow(): number {
    return this.ms;
  }
}

function newSigner(clock = new StillClock(), subject = SUBJECT) {
  const keys = newVapidKeys();
  const key = readVapidKey(keys.privateKey);
  assert(key !== undefined);
  return { signer: new VapidSigner(key, subject, clock), clock, keys };
}

function parts(authorization: string) {
  const [, token = "", key = ""] = /^vapid t=([\w.-]+), k=([\w-]+)$/.exec(authorization) ?? [];
  const [head = "", claims = "", signature = ""] = token.split(".");
  const json = (text: string): unknown => JSON.parse(Buffer.from(text, "base64url").toString());
  return { token, key, head: json(head), claims: json(claims), signature };
}

Deno.test("signs a token for the origin with the claims it must have, and no others (RFC 8292 2)", async () => {
  const { signer } = newSigner();
  const { head, claims, signature } = parts(await signer.authorization(ORIGIN));
  assertEquals(head, { typ: "JWT", alg: "ES256" });
  assertEquals(claims, { aud: ORIGIN, exp: NOON / 1_000 + 12 * 3_600, sub: SUBJECT });
  assertEquals(Buffer.from(signature, "base64url").length, 64);
});

Deno.test("names its key as an uncompressed point without padding (RFC 8292 3.2)", async () => {
  const { signer, keys } = newSigner();
  const { key } = parts(await signer.authorization(ORIGIN));
  assertEquals(key, keys.publicKey.replace(/=+$/, ""));
  assertEquals(key, signer.publicKey);
  assertEquals(key.length, 87);
});

Deno.test("is accepted by a push service (RFC 8292 4)", async () => {
  const { signer, clock } = newSigner();
  const { token, key } = parts(await signer.authorization(ORIGIN));
  const verifier = new VapidVerifier(() => ORIGIN, clock);
  const verdict = await verifier.verify({ draft: "02", token, key });
  assert(verdict.ok);
  assertEquals(verdict.subject, "ok");
});

Deno.test("reads the key of the example, which signed the example's token (RFC 8292 2.4)", async () => {
  const { token, key } = parts(
    "vapid t=eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiJ9.eyJhdWQiOiJodHRwczovL3B1c2guZXhhbXBsZS5uZXQiLCJleHAiOjE0NTM1MjM3NjgsInN1YiI6Im1haWx0bzpwdXNoQGV4YW1wbGUuY29tIn0.i3CYb7t4xfxCDquptFOepC9GAu_HLGkMlMuCGSK2rpiUfnK9ojFwDXb1JrErtmysazNjjvW2L9OkSSHzvoD1oA, " +
      "k=BA1Hxzyi1RUM1b5wjxsn7nGxAszw2u61m164i3MrAIxHF6YK5h4SDYic-dRuU_RCPCfA5aq9ojSwk5Y2EmClBPs",
  );
  const point = Buffer.from(key, "base64url");
  const jwk = {
    kty: "EC",
    crv: "P-256",
    x: point.subarray(1, 33).toString("base64url"),
    y: point.subarray(33).toString("base64url"),
  };
  const before = new Date(1_453_523_768_000 - 1_000);
  const { payload } = await jwtVerify(token, await importJWK(jwk, "ES256"), {
    currentDate: before,
    audience: ORIGIN,
  });
  assertEquals(payload.sub, SUBJECT);
});

Deno.test("signs head and claims as the example has them (RFC 8292 2.4)", async () => {
  const clock = new StillClock();
  clock.ms = (1_453_523_768 - 12 * 3_600) * 1_000;
  const { signer } = newSigner(clock);
  const { token } = parts(await signer.authorization(ORIGIN));
  assertEquals(
    token.slice(0, token.lastIndexOf(".")),
    "eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiJ9.eyJhdWQiOiJodHRwczovL3B1c2guZXhhbXBsZS5uZXQiLCJleHAiOjE0NTM1MjM3NjgsInN1YiI6Im1haWx0bzpwdXNoQGV4YW1wbGUuY29tIn0",
  );
});

Deno.test("shares a token until half of its life is over (RFC 8292 4.3)", async () => {
  const { signer, clock } = newSigner();
  const [first, same] = await Promise.all([
    signer.authorization(ORIGIN),
    signer.authorization(ORIGIN),
  ]);
  assertEquals(same, first);
  clock.ms += 6 * HOUR_MS - 1;
  assertEquals(await signer.authorization(ORIGIN), first);
  clock.ms += 1;
  const second = await signer.authorization(ORIGIN);
  assertNotEquals(second, first);
  assertEquals(Object(parts(second).claims).exp, NOON / 1_000 + 18 * 3_600);
});

Deno.test("has a token of its own for each origin (RFC 8292 2)", async () => {
  const { signer } = newSigner();
  const other = "https://push.example.net:8443";
  assertEquals(Object(parts(await signer.authorization(other)).claims).aud, other);
  assertEquals(Object(parts(await signer.authorization(ORIGIN)).claims).aud, ORIGIN);
});

Deno.test("makes a token anew when the clock jumps back, as it would end too late (RFC 8292 2)", async () => {
  const { signer, clock } = newSigner();
  const first = await signer.authorization(ORIGIN);
  clock.ms -= 59_000;
  assertEquals(await signer.authorization(ORIGIN), first);
  clock.ms -= 13 * HOUR_MS;
  assertNotEquals(await signer.authorization(ORIGIN), first);
});

Deno.test("renews a refused token once for all who were refused with it (RFC 8292 4.2)", async () => {
  const { signer, clock } = newSigner();
  const refused = await signer.authorization(ORIGIN);
  clock.ms += 1_000;
  const renewed = await Promise.all([
    signer.renewed(ORIGIN, refused),
    signer.renewed(ORIGIN, refused),
    signer.renewed(ORIGIN, refused),
  ]);
  assertNotEquals(renewed[0], refused);
  assertEquals(renewed, [renewed[0], renewed[0], renewed[0]]);
  assertEquals(await signer.authorization(ORIGIN), renewed[0]);
});

Deno.test("trusts its credentials for an hour after an origin took them, there only (RFC 8292 4.2)", () => {
  const { signer, clock } = newSigner();
  assertEquals(signer.trusted(ORIGIN), false);
  signer.accepted(ORIGIN);
  clock.ms += HOUR_MS - 1;
  assertEquals([signer.trusted(ORIGIN), signer.trusted("https://other.example")], [true, false]);
  clock.ms += 1;
  assertEquals(signer.trusted(ORIGIN), false);
});
