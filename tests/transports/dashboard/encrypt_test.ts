import { assertEquals, assertNotEquals, assertRejects, assertThrows } from "@std/assert";
import { Buffer } from "node:buffer";
import { createECDH, randomBytes } from "node:crypto";
import { decrypt } from "../../../deps/ece.js";
import { fromBase64url, toBase64, toBase64url } from "../../../transports/dashboard/bytes.js";
import { encrypt, PLAINTEXT_BYTES_MAX } from "../../../transports/dashboard/encrypt.js";

/** A browser's half: its keys, and what it reads. */
function receiver() {
  const privateKey = createECDH("prime256v1");
  const publicKey = privateKey.generateKeys();
  const authSecret = randomBytes(16);
  return {
    keys: { p256dh: publicKey.toString("base64url"), auth: authSecret.toString("base64url") },
    read: (body: Uint8Array): Buffer =>
      decrypt(Buffer.from(body), { version: "aes128gcm", privateKey, authSecret }),
  };
}

/** The sender's key pair of the RFC's example, with its private scalar. */
async function senderKeys(publicKey: string, d: string): Promise<CryptoKeyPair> {
  const point = fromBase64url(publicKey);
  const curve = { name: "ECDH", namedCurve: "P-256" };
  const jwk = {
    kty: "EC",
    crv: "P-256",
    x: toBase64url(point.slice(1, 33)),
    y: toBase64url(point.slice(33)),
    d,
  };
  return {
    privateKey: await crypto.subtle.importKey("jwk", jwk, curve, false, ["deriveBits"]),
    publicKey: await crypto.subtle.importKey("raw", point, curve, true, []),
  };
}

Deno.test("encrypt() makes the body of the published example (RFC 8291 section 5)", async () => {
  const body = await encrypt(
    new TextEncoder().encode("When I grow up, I want to be a watermelon"),
    {
      p256dh:
        "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
      auth: "BTBZMqHH6r4Tts7J_aSIgg",
    },
    {
      keyPair: await senderKeys(
        "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8",
        "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw",
      ),
      salt: fromBase64url("DGv6ra1nlYgDCS1FRnbzlw"),
    },
  );
  assertEquals(
    toBase64url(body),
    "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27ml" +
      "mlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPT" +
      "pK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN",
  );
});

for (
  const [what, text] of [
    ["one byte", "x"],
    ["several scripts", "Grüße, 世界, 👋🏽"],
    ["a zero byte and line ends", "a\0b\r\nc"],
    ["the longest text", "y".repeat(PLAINTEXT_BYTES_MAX)],
  ] as const
) {
  Deno.test(`encrypt() makes a body that http_ece reads: ${what}`, async () => {
    const { keys, read } = receiver();
    const body = await encrypt(new TextEncoder().encode(text), keys);
    assertEquals(read(body).toString(), text);
  });
}

Deno.test("encrypt() fits the longest text into 4096 bytes, and refuses one byte more (RFC 8291 section 4)", async () => {
  const { keys } = receiver();
  assertEquals((await encrypt(new Uint8Array(PLAINTEXT_BYTES_MAX), keys)).length, 4_096);
  await assertRejects(
    () => encrypt(new Uint8Array(PLAINTEXT_BYTES_MAX + 1), keys),
    RangeError,
    "Cannot encrypt 3994 bytes: a message has at most 3993",
  );
});

Deno.test("encrypt() never makes the same body twice, and no stranger reads it", async () => {
  const { keys } = receiver();
  const text = new TextEncoder().encode("same");
  const [first, second] = [await encrypt(text, keys), await encrypt(text, keys)];
  assertNotEquals(toBase64(first.slice(0, 16)), toBase64(second.slice(0, 16)), "salt");
  assertNotEquals(toBase64(first.slice(21, 86)), toBase64(second.slice(21, 86)), "sender key");
  assertThrows(() => receiver().read(first));
});

for (
  const [name, keys, message] of [
    [
      "p256dh",
      { p256dh: "AAAA", auth: "AAAAAAAAAAAAAAAAAAAAAA" },
      "p256dh: 65 bytes expected, 3 found",
    ],
    ["auth", { ...receiver().keys, auth: "AAAA" }, "auth: 16 bytes expected, 3 found"],
  ] as const
) {
  Deno.test(`encrypt() says that ${name} has the wrong length`, async () => {
    await assertRejects(() => encrypt(new Uint8Array(1), keys), RangeError, message);
  });
}

Deno.test("toBase64url() and fromBase64url() undo each other, padded or not", () => {
  const bytes = Uint8Array.from({ length: 256 }, (_, index) => index);
  for (let length = 0; length < 8; length++) {
    const part = bytes.slice(248 - length, 248);
    assertEquals(fromBase64url(toBase64url(part)), part);
    assertEquals(fromBase64url(toBase64(part)), part);
  }
  assertEquals(toBase64url(Uint8Array.of(255, 254, 253, 252)), "__79_A");
});
