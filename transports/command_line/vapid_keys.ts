/**
 * VAPID key pairs (RFC 8292): P-256 keys in the raw base64url form that browsers and sender
 * libraries take.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { createECDH, timingSafeEqual } from "node:crypto";

/** A pair as text. */
export interface VapidKeys {
  /** The uncompressed point, 65 bytes: 87 characters of base64url. */
  readonly publicKey: string;
  /** The scalar, 32 bytes: 43 characters of base64url. */
  readonly privateKey: string;
}

/** The octets of unpadded or padded base64url, `undefined` for any other text. */
function decode(text: string): Buffer | undefined {
  return /^[A-Za-z0-9_-]+={0,2}$/.test(text) ? Buffer.from(text, "base64url") : undefined;
}

/** A new pair. */
export function generateVapidKeys(): VapidKeys {
  const ecdh = createECDH("prime256v1");
  const publicKey = ecdh.generateKeys("base64url");
  return { publicKey, privateKey: ecdh.getPrivateKey("base64url") };
}

/** What is wrong with a pair, in words without the keys; `undefined` when the two belong together. */
export function vapidKeysProblem(keys: VapidKeys): string | undefined {
  const publicKey = decode(keys.publicKey);
  if (publicKey?.length !== 65 || publicKey[0] !== 4) {
    return "the public key is not an uncompressed P-256 point of 65 bytes in base64url";
  }
  const privateKey = decode(keys.privateKey);
  if (privateKey?.length !== 32) return "the private key is not 32 bytes in base64url";
  const ecdh = createECDH("prime256v1");
  try {
    ecdh.setPrivateKey(privateKey);
  } catch {
    return "the private key is not a P-256 scalar";
  }
  return timingSafeEqual(ecdh.getPublicKey(), publicKey)
    ? undefined
    : "the private key does not belong to the public key";
}
