/**
 * Message encryption for Web Push: the example of RFC 8291 section 5, what sections 3 and 4 ask for, and
 * that an independent receiver reads it; with each cryptography.
 *
 * @module
 */

import { assert, assertEquals, assertNotEquals } from "@std/assert";
import fc from "fast-check";
import { Buffer } from "node:buffer";
import type { Bytes } from "../../transports/webpush/crypto.ts";
import { bodyBytes, MessageEncryptor } from "../../transports/webpush/encrypt.ts";
import { PLAINTEXT_BYTES_MAX } from "../../transports/webpush/limits.ts";
import { MESSAGE_CRYPTOS } from "../support/message_cryptos.ts";
import { PushReceiver } from "../support/push_receiver.ts";

function bytes(base64url: string): Bytes {
  return new Uint8Array(Buffer.from(base64url, "base64url"));
}

function joined(parts: readonly Bytes[]): Bytes {
  return new Uint8Array(Buffer.concat(parts));
}

for (const [name, open] of MESSAGE_CRYPTOS) {
  Deno.test(`${name} encrypts the watermelon (RFC 8291 5)`, () => {
    using crypto = open();
    const encryptor = new MessageEncryptor(crypto);
    const p256dh =
      "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
    const body = encryptor.encryptWith(
      new TextEncoder().encode("When I grow up, I want to be a watermelon"),
      joined([bytes(p256dh), bytes("BTBZMqHH6r4Tts7J_aSIgg")]),
      {
        salt: bytes("DGv6ra1nlYgDCS1FRnbzlw"),
        privateKey: bytes("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"),
      },
    );
    assert(body !== undefined);
    assertEquals(
      Buffer.from(body).toString("base64url"),
      "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN",
    );
  });

  Deno.test(`${name} is read by http_ece, whatever the plaintext (RFC 8291 3)`, () => {
    using crypto = open();
    const encryptor = new MessageEncryptor(crypto);
    const receivers = Array.from({ length: 3 }, () => new PushReceiver());
    const keys = joined(receivers.map((receiver) => receiver.keys));
    const plaintexts = fc.uint8Array({ maxLength: PLAINTEXT_BYTES_MAX, size: "max" });
    const check = (plaintext: Uint8Array) => {
      const given = new Uint8Array(plaintext);
      const { bodies, bodyBytes: size, bad } = encryptor.encryptBlock(given, keys);
      assertEquals(bad, []);
      assertEquals(size, given.length + 103);
      for (const [place, receiver] of receivers.entries()) {
        assertEquals(receiver.read(bodies.slice(place * size, (place + 1) * size)), given);
      }
    };
    fc.assert(fc.property(plaintexts, check), {
      numRuns: 10,
      examples: [[new Uint8Array(0)], [new Uint8Array(PLAINTEXT_BYTES_MAX).fill(7)]],
    });
  });

  Deno.test(`${name} uses a new key pair and salt for each message (RFC 8291 2.1, 4)`, () => {
    using crypto = open();
    const encryptor = new MessageEncryptor(crypto);
    const { keys } = new PushReceiver();
    const plaintext = new TextEncoder().encode("twice");
    const { bodies, bodyBytes: size } = encryptor.encryptBlock(plaintext, joined([keys, keys]));
    const parts = [0, size].map((at) => [
      bodies.slice(at, at + 16),
      bodies.slice(at + 21, at + 86),
      bodies.slice(at + 86, at + size),
    ]);
    for (const part of [0, 1, 2]) assertNotEquals(parts[0]?.[part], parts[1]?.[part]);
  });

  Deno.test(`${name} marks keys that are no point, and encrypts for the others (RFC 8291 3.2)`, () => {
    using crypto = open();
    const encryptor = new MessageEncryptor(crypto);
    const receiver = new PushReceiver();
    const off = receiver.keys.slice();
    off[64] = (off[64] ?? 0) ^ 1;
    const compressed = receiver.keys.slice();
    compressed[0] = 3;
    const hybrid = receiver.keys.slice();
    hybrid[0] = 6 + ((receiver.keys[64] ?? 0) & 1);
    const unreduced = receiver.keys.slice();
    unreduced.fill(0xff, 1, 33);
    const zero = new Uint8Array(81);
    const origin = new Uint8Array(81);
    origin[0] = 4;
    const given = [off, receiver.keys, compressed, hybrid, unreduced, zero, origin, receiver.keys];
    const plaintext = new TextEncoder().encode("still");
    const { bodies, bodyBytes: size, bad } = encryptor.encryptBlock(plaintext, joined(given));
    assertEquals(bad, [0, 2, 3, 4, 5, 6]);
    for (const place of [1, 7]) {
      assertEquals(receiver.read(bodies.slice(place * size, (place + 1) * size)), plaintext);
    }
  });
}

Deno.test("bodyBytes() of the longest plaintext is what a push service must take (RFC 8030 7.2)", () => {
  assertEquals(bodyBytes(PLAINTEXT_BYTES_MAX), 4_096);
});
