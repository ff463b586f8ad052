import { assertEquals, assertMatch } from "@std/assert";
import * as jose from "jose";
import {
  generateVapidKeys,
  vapidKeysProblem,
} from "../../../transports/command_line/vapid_keys.ts";

Deno.test("generateVapidKeys() prints raw base64url of the fixed lengths and a pair", () => {
  // One scalar in 256 has a leading zero, which must not shorten it.
  for (let round = 0; round < 600; round++) {
    const keys = generateVapidKeys();
    assertMatch(keys.publicKey, /^B[A-Za-z0-9_-]{86}$/);
    assertMatch(keys.privateKey, /^[A-Za-z0-9_-]{43}$/);
    assertEquals(vapidKeysProblem(keys), undefined);
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

Deno.test("vapidKeysProblem() names what is wrong (row 102)", () => {
  const keys = generateVapidKeys();
  const other = generateVapidKeys();
  const order = "_____wAAAAD__________7zm-q2nF56E87nKwvxjJVE";
  const rows: readonly (readonly [publicKey: string, privateKey: string, problem: RegExp])[] = [
    [keys.publicKey, other.privateKey, /private key does not belong to the public key/],
    [keys.publicKey.slice(0, 80), keys.privateKey, /public key is not an uncompressed/],
    [`A${keys.publicKey.slice(1)}`, keys.privateKey, /public key is not an uncompressed/],
    [`${keys.publicKey}!`, keys.privateKey, /public key is not an uncompressed/],
    ["", keys.privateKey, /public key is not an uncompressed/],
    [keys.publicKey, "", /private key is not 32 bytes/],
    [keys.publicKey, keys.privateKey.slice(0, 40), /private key is not 32 bytes/],
    [keys.publicKey, "A".repeat(43), /private key is not a P-256 scalar/],
    [keys.publicKey, order, /private key is not a P-256 scalar/],
  ];
  for (const [publicKey, privateKey, problem] of rows) {
    assertMatch(vapidKeysProblem({ publicKey, privateKey }) ?? "", problem);
  }
});
