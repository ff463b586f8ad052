/**
 * What encrypting a message needs of a cryptographic library: a key agreement, HMAC and AES-GCM. Two
 * libraries do it: `libcrypto` by FFI where it and the permission are there, else `node:crypto`.
 *
 * Why a port: P-256 of the runtime is far slower than that of OpenSSL, and a message needs two
 * multiplications on the curve; but a native library is not everywhere. `bench/webpush.md` has the rates.
 *
 * @module
 */

import { openLibcrypto } from "./libcrypto.ts";
import { nodeCrypto } from "./node_crypto.ts";

/** Which library does it. */
export type CryptoName = "libcrypto" | "node:crypto";

/** Bytes in a buffer of their own thread: what FFI takes. */
export type Bytes = Uint8Array<ArrayBuffer>;

/** Cryptography for messages. Synchronous; buffers given in are not kept. */
export interface MessageCrypto extends Disposable {
  /** Which library does it. */
  readonly name: CryptoName;
  /**
   * Agrees on a secret with the owner of a public key (RFC 8291 section 3.1): makes a new key pair,
   * writes its public point (65 bytes) and the x-coordinate of the common point (32 bytes).
   *
   * @param peer The other's public key, 65 bytes.
   * @param publicKey Where to write the new public key, 65 bytes.
   * @param secret Where to write the secret, 32 bytes.
   * @param privateKey Takes the place of the new private key; published vectors name theirs.
   * @returns False when `peer` is not a point of P-256; nothing was written then.
   */
  agree(
    peer: Bytes,
    publicKey: Bytes,
    secret: Bytes,
    privateKey?: Bytes,
  ): boolean;
  /**
   * HMAC with SHA-256 (RFC 2104).
   *
   * @param key At most 64 bytes.
   * @param data At most 256 bytes.
   * @param mac Where to write the code, 32 bytes.
   */
  hmac(key: Bytes, data: Bytes, mac: Bytes): void;
  /**
   * AES-128-GCM without associated data (NIST SP 800-38D).
   *
   * @param key 16 bytes.
   * @param nonce 12 bytes.
   * @param plaintext What to encrypt.
   * @param sealed Where to write it, with the tag of 16 bytes behind it.
   */
  seal(key: Bytes, nonce: Bytes, plaintext: Bytes, sealed: Bytes): void;
}

/** The fastest library that may be used here. */
export function openCrypto(): MessageCrypto {
  return openLibcrypto() ?? nodeCrypto;
}
