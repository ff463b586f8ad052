/**
 * Keys of the tests of APNs, made once for each process.
 *
 * @module
 */

import { generateKeyPairSync } from "node:crypto";

/** PKCS#8 PEM of a new P-256 key. */
export function newKey(): string {
  return String(
    generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({
      type: "pkcs8",
      format: "pem",
    }),
  );
}

/** Credentials with a key. */
export const TOKEN_CREDENTIALS = {
  key: newKey(),
  keyId: "KEYID00001",
  teamId: "TEAMID0001",
  topic: "com.example.app",
} as const;
