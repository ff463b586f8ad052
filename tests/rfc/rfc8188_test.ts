/**
 * Encrypted content-encoding: the examples of RFC 8188, with each cryptography.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { ContentCoder, lastRecord } from "../../transports/webpush/content_coding.ts";
import type { Bytes } from "../../transports/webpush/crypto.ts";
import { encodeContent } from "../support/content_coding.ts";
import { MESSAGE_CRYPTOS } from "../support/message_cryptos.ts";

function bytes(base64url: string): Bytes {
  return new Uint8Array(Buffer.from(base64url, "base64url"));
}

function text(bytes: Bytes): string {
  return Buffer.from(bytes).toString("base64url");
}

const ascii = (characters: string): Bytes => new TextEncoder().encode(characters);

for (const [name, open] of MESSAGE_CRYPTOS) {
  Deno.test(`${name} encodes a content of one record (RFC 8188 3.1)`, () => {
    using crypto = open();
    const input = bytes("yqdlZ-tYemfogSmv7Ws5PQ");
    const salt = bytes("I1BsxtFttlv3u_Oo94xnmw");
    const coder = new ContentCoder(crypto);
    coder.derive(salt, input);
    assertEquals(text(coder.key), "_wniytB-ofscZDh4tbSjHw");
    assertEquals(text(coder.nonce), "Bcs8gkIRKLI8GeI8");
    const records = [lastRecord(ascii("I am the walrus"))];
    const content = { input, salt, keyId: ascii(""), recordBytes: 4_096, records };
    assertEquals(
      text(encodeContent(crypto, content)),
      "I1BsxtFttlv3u_Oo94xnmwAAEAAA-NAVub2qFgBEuQKRapoZu-IxkIva3MEB1PD-ly8Thjg",
    );
  });

  Deno.test(`${name} encodes a content of two records with padding (RFC 8188 3.2)`, () => {
    using crypto = open();
    const input = bytes("BO3ZVPxUlnLORbVGMpbT1Q");
    const salt = bytes("uNCkWiNYzKTnBN9ji3-qWA");
    const coder = new ContentCoder(crypto);
    coder.derive(salt, input);
    assertEquals(text(coder.key), "u_eEOTjjVWUVrH82pQNwpw");
    assertEquals(text(coder.nonce), "VqylG1rdt-mJrNgP");
    const records = [ascii("I am th\x01\0"), lastRecord(ascii("e walrus"))];
    const content = { input, salt, keyId: ascii("a1"), recordBytes: 25, records };
    assertEquals(
      text(encodeContent(crypto, content)),
      "uNCkWiNYzKTnBN9ji3-qWAAAABkCYTHOG8chz_gnvgOqdGYovxyjuqRyJFjEDyoF1Fvkj6hQPdPHI51OEUKEpgz3SsLWIqS_uA",
    );
  });
}
