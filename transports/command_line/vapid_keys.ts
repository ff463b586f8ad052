/**
 * VAPID key pairs (RFC 8292): P-256 keys in the raw base64url form that browsers and sender
 * libraries take.
 *
 * @module
 */

import { createECDH } from "node:crypto";

/** A pair as text. */
export interface VapidKeys {
  /** The uncompressed point, 65 bytes: 87 characters of base64url. */
  readonly publicKey: string;
  /** The scalar, 32 bytes: 43 characters of base64url. */
  readonly privateKey: string;
}

/** A new pair. */
export function generateVapidKeys(): VapidKeys {
  const ecdh = createECDH("prime256v1");
  const publicKey = ecdh.generateKeys("base64url");
  return { publicKey, privateKey: ecdh.getPrivateKey("base64url") };
}
