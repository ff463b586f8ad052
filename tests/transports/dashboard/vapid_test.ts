import { assertEquals, assertMatch } from "@std/assert";
import { importJWK, jwtVerify } from "jose";
import { toBase64url } from "../../../transports/dashboard/bytes.js";
import {
  authorization,
  HEADER_LIFETIME_SECONDS,
  isStoredKey,
  newKey,
  publicKey,
} from "../../../transports/dashboard/vapid.js";

Deno.test("authorization() signs a token that jose verifies with the key beside it (RFC 8292 sections 2 and 3)", async () => {
  const key = await newKey();
  const header = await authorization(key, "http://127.0.0.1:8080", 1_700_000_000.9);
  const [, token = "", k = ""] = /^vapid t=([\w.-]+),k=([\w-]{87})$/.exec(header) ?? [];
  assertEquals(k, toBase64url(publicKey(key)));
  const verifier = await importJWK({ kty: "EC", crv: "P-256", x: key.x, y: key.y }, "ES256");
  const { payload, protectedHeader } = await jwtVerify(token, verifier, {
    algorithms: ["ES256"],
    audience: "http://127.0.0.1:8080",
    currentDate: new Date(1_700_000_001_000),
  });
  assertEquals(protectedHeader, { typ: "JWT", alg: "ES256" });
  assertEquals(payload, {
    aud: "http://127.0.0.1:8080",
    exp: 1_700_000_000 + HEADER_LIFETIME_SECONDS,
  });
});

Deno.test("newKey() makes another key each time, 65 bytes uncompressed", async () => {
  const [one, other] = [publicKey(await newKey()), publicKey(await newKey())];
  assertEquals([one.length, one[0]], [65, 4]);
  assertEquals(toBase64url(one) === toBase64url(other), false);
});

Deno.test("isStoredKey() takes what newKey() gave, through JSON, and nothing else", async () => {
  const key = await newKey();
  assertMatch(key.d, /^[\w-]{43}$/);
  assertEquals(isStoredKey(JSON.parse(JSON.stringify(key))), true);
  for (const other of [null, 7, "key", [], {}, { ...key, d: "short" }, { x: key.x, y: key.y }]) {
    assertEquals(isStoredKey(other), false, Deno.inspect(other));
  }
});
