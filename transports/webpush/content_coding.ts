/**
 * The `aes128gcm` content coding (RFC 8188), as far as a message of one record needs it: the header, the
 * keys, the record.
 *
 * A body is salt (16 bytes), record size (4), length of the key id (1), the key id, then the sealed records;
 * a record is plaintext and one delimiter, and its seal adds a tag (16).
 *
 * @module
 */

import type { Bytes, MessageCrypto } from "./crypto.ts";

/** Salt, record size and length of the key id. */
export const HEAD_BYTES = 21;
/** Bytes of a salt. */
export const SALT_BYTES = 16;
/** Bytes a seal adds to its record. */
export const TAG_BYTES = 16;

/** What ends the last record, with zeros behind it at will (section 2). */
const LAST_RECORD = 2;

/** What the second step of HKDF takes (RFC 5869 section 2.3): a label, a zero, and the number of the block, one. */
const KEY_LABEL = new TextEncoder().encode("Content-Encoding: aes128gcm\0\x01");
const NONCE_LABEL = new TextEncoder().encode("Content-Encoding: nonce\0\x01");

/** Writes the header of a body, but for the key id behind it (section 2.1). */
export function writeHead(
  body: Bytes,
  head: { readonly salt: Bytes; readonly recordBytes: number; readonly keyIdBytes: number },
): void {
  body.set(head.salt);
  new DataView(body.buffer, body.byteOffset).setUint32(SALT_BYTES, head.recordBytes);
  body[HEAD_BYTES - 1] = head.keyIdBytes;
}

/** The last record of a content, ready to be sealed. */
export function lastRecord(plaintext: Bytes): Bytes {
  const record = new Uint8Array(plaintext.length + 1);
  record.set(plaintext);
  record[plaintext.length] = LAST_RECORD;
  return record;
}

/** Derives keys and seals records; one at a time. */
export class ContentCoder {
  readonly #crypto: MessageCrypto;
  readonly #pseudorandom = new Uint8Array(32);
  readonly #key = new Uint8Array(32);
  readonly #nonce = new Uint8Array(32);
  /** The content encryption key of the last derivation, 16 bytes (section 2.2). */
  readonly key: Bytes = this.#key.subarray(0, 16);
  /** The nonce of the first record, 12 bytes (section 2.3). */
  readonly nonce: Bytes = this.#nonce.subarray(0, 12);

  /** A coder over a library, which stays the caller's. */
  constructor(crypto: MessageCrypto) {
    this.#crypto = crypto;
  }

  /** Derives key and nonce of a content from its salt and its input keying material. */
  derive(salt: Bytes, input: Bytes): void {
    this.#crypto.hmac(salt, input, this.#pseudorandom);
    this.#crypto.hmac(this.#pseudorandom, KEY_LABEL, this.#key);
    this.#crypto.hmac(this.#pseudorandom, NONCE_LABEL, this.#nonce);
  }

  /** Seals the first record of a content whose keys were derived last. */
  seal(record: Bytes, sealed: Bytes): void {
    this.#crypto.seal(this.key, this.nonce, record, sealed);
  }

  /** Overwrites what was derived. */
  forget(): void {
    this.#pseudorandom.fill(0);
    this.#key.fill(0);
    this.#nonce.fill(0);
  }
}
