import { assertEquals, assertMatch } from "@std/assert";
import * as jose from "jose";
import { generateVapidKeys } from "../../../transports/command_line/vapid_keys.ts";
import { pairProblems } from "../../support/sender.ts";

Deno.test("generateVapidKeys() prints raw base64url of the fixed lengths and a pair", () => {
  // One scalar in 256 has a leading zero, which must not shorten it.
  for (let round = 0; round < 600; round++) {
    const keys = generateVapidKeys();
    assertMatch(keys.publicKey, /^B[A-Za-z0-9_-]{86}$/);
    assertMatch(keys.privateKey, /^[A-Za-z0-9_-]{43}$/);
    assertEquals(pairProblems(keys), []);
  }
});

Deno.test("generateVapidKeys() signs and verifies as ES256 (RFC 8292 section 2)", async () => {
  const { publicKey, privateKey } = generateVapidKeys();
  const point = Uint8Array.fromBase64(publicKey, { alphabet: "base64url" });
  const coordinate = (from: number) =>
    point.slice(from, from + 32).toBase64({ alphabet: "base64url", omitPadding: true });
  const jwk = { kty: "EC", crv: "P-256", x: coordinate(1), y: coordinate(33) };
  const token = await new jose.SignJWT({ aud: "https://push.example" })
    .setProtectedHeader({ alg: "ES256" })
    .sign(await jose.importJWK({ ...jwk, d: privateKey }, "ES256"));
  const verified = await jose.jwtVerify(token, await jose.importJWK(jwk, "ES256"));
  assertEquals(verified.payload.aud, "https://push.example");
});
