/** Typed façade of the npm library `http_ece`, as far as the tests use it; it has no types. */

import type { Buffer } from "node:buffer";
import type { ECDH } from "node:crypto";

/** What decrypts a Web Push message: the receiver's key pair and authentication secret. */
export interface DecryptOptions {
  readonly version: "aes128gcm";
  readonly privateKey: ECDH;
  readonly authSecret: Buffer;
}

/** Decrypts a body; throws when it was not made for this receiver. */
export function decrypt(body: Buffer, options: DecryptOptions): Buffer;
