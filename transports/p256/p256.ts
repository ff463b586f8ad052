/**
 * Public keys of P-256: reading the text of a point and checking that it lies on the curve. Whoever takes
 * keys from outside stands on this: the push endpoint, and the sender of Web Push messages.
 *
 * Why by hand: WebCrypto imports points that are not on the curve. The check is the curve's equation,
 * y² = x³ − 3x + b over the field of SEC 2 section 2.4.2, and runs once per key, not per request.
 *
 * @module
 */

import { Buffer } from "node:buffer";

const P = 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffffn;
const B = 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn;

/**
 * Decodes base64 of either alphabet, padded or not; `undefined` for characters of neither, a mix of both,
 * or bits that no byte needs: one key has one spelling per alphabet.
 */
export function decodeBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
  const bare = text.replace(/={1,2}$/, "");
  const standard = /[+/]/.test(bare);
  if (standard && /[-_]/.test(bare)) return undefined;
  const urlSafe = standard ? bare.replaceAll("+", "-").replaceAll("/", "_") : bare;
  const bytes = Buffer.from(urlSafe, "base64url");
  return bytes.toString("base64url") === urlSafe ? new Uint8Array(bytes) : undefined;
}

/** Whether these bytes are an uncompressed point of P-256: 0x04, x, y, on the curve. */
export function isPoint(bytes: Uint8Array): boolean {
  if (bytes.length !== 65 || bytes[0] !== 0x04) return false;
  const hex = Buffer.from(bytes).toString("hex");
  const x = BigInt(`0x${hex.slice(2, 66)}`);
  const y = BigInt(`0x${hex.slice(66)}`);
  return x < P && y < P && (y * y - (x * x * x - 3n * x + B)) % P === 0n;
}
