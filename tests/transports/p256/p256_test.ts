/**
 * Points of P-256 and their spelling: the curve's equation, and base64 with one spelling only.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { Buffer } from "node:buffer";
import { createECDH } from "node:crypto";
import { decodeBase64, isPoint } from "../../../transports/p256/p256.ts";

Deno.test("decodeBase64() decodes both alphabets and gives each its one spelling", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 70 }), (bytes) => {
    const buffer = Buffer.from(bytes);
    assertEquals(decodeBase64(buffer.toString("base64url")), bytes);
    assertEquals(decodeBase64(buffer.toString("base64")), bytes);
  }));
  for (const text of ["A", "AB", "AAB", "-+AA", "A A=", "A=A=", "AA===", "é"]) {
    assertEquals(decodeBase64(text), undefined, text);
  }
});

Deno.test("isPoint() holds for every public key and for no neighbour of one", () => {
  for (let count = 0; count < 20; count++) {
    const curve = createECDH("prime256v1");
    const point = new Uint8Array(curve.generateKeys());
    assert(isPoint(point));
    for (const at of [1, 32, 33, 64]) {
      const neighbour = point.slice();
      neighbour[at] = (neighbour[at] ?? 0) ^ 1;
      assert(!isPoint(neighbour));
    }
    assert(!isPoint(point.subarray(0, 64)));
    assert(!isPoint(new Uint8Array(curve.getPublicKey(null, "compressed"))));
    assert(!isPoint(new Uint8Array(curve.getPublicKey(null, "hybrid"))));
  }
});

Deno.test("isPoint() refuses coordinates that are not reduced", () => {
  const p = 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n;
  const text = (x: bigint, y: bigint) =>
    [x, y].map((n) => n.toString(16).padStart(64, "0")).join("");
  const bytes = (x: bigint, y: bigint) => new Uint8Array(Buffer.from(`04${text(x, y)}`, "hex"));
  // (5, y) is on the curve, and so would be (p + 5, y) if it were not reduced.
  const y = 0x459243b9aa581806fe913bce99817ade11ca503c64d9a3c533415c083248fbccn;
  assert(isPoint(bytes(5n, y)));
  assert(!isPoint(bytes(p + 5n, y)));
});
