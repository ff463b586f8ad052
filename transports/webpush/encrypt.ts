/**
 * Message encryption for Web Push (RFC 8291): a message is one record of the `aes128gcm` coding, and the
 * sender's public key is its key id.
 *
 * Invariants: every message has a key pair and a salt of its own; what was secret is overwritten after
 * each block.
 *
 * Why blocks: the plaintext is the same for a thousand recipients, so are the lengths of their bodies, and
 * one buffer holds them all.
 *
 * @module
 */

import {
  ContentCoder,
  HEAD_BYTES,
  lastRecord,
  SALT_BYTES,
  TAG_BYTES,
  writeHead,
} from "./content_coding.ts";
import type { Bytes, MessageCrypto } from "./crypto.ts";
import { BLOCK_RECIPIENTS_MAX, RECIPIENT_KEYS_BYTES, RECORD_BYTES } from "./limits.ts";

const POINT_BYTES = 65;
const INFO_LABEL = new TextEncoder().encode("WebPush: info\0");

/** Bytes of a body for so many bytes of plaintext. */
export function bodyBytes(plaintextBytes: number): number {
  return HEAD_BYTES + POINT_BYTES + plaintextBytes + 1 + TAG_BYTES;
}

/** Encrypted bodies of equal length, one behind the other. */
export interface EncryptedBlock {
  /** The bodies, by the place of their recipient. */
  readonly bodies: Bytes;
  /** Bytes of each. */
  readonly bodyBytes: number;
  /** Places of recipients whose public key is no point, ascending; their bodies are not to be sent. */
  readonly bad: readonly number[];
}

/** What is drawn for each message; published vectors name theirs. */
export interface Drawn {
  /** 16 bytes. */
  readonly salt: Bytes;
  /** 32 bytes. */
  readonly privateKey?: Bytes;
}

/** Encrypts messages. */
export class MessageEncryptor {
  readonly #crypto: MessageCrypto;
  readonly #coder: ContentCoder;
  readonly #secret = new Uint8Array(32);
  readonly #authKey = new Uint8Array(32);
  readonly #input = new Uint8Array(32);
  readonly #info = new Uint8Array(INFO_LABEL.length + 2 * POINT_BYTES + 1);

  /** An encryptor over a library, which stays the caller's. */
  constructor(crypto: MessageCrypto) {
    this.#crypto = crypto;
    this.#coder = new ContentCoder(crypto);
    this.#info.set(INFO_LABEL);
    // The number of HKDF's first block, which is all that is taken of it (RFC 5869 section 2.3).
    this.#info[this.#info.length - 1] = 1;
  }

  /**
   * Encrypts one plaintext for many recipients.
   *
   * @param plaintext At most 3,993 bytes.
   * @param keys `p256dh` and `auth` of each recipient, 81 bytes; at most 4,096 recipients.
   * @throws {RangeError} For keys of another length.
   */
  encryptBlock(plaintext: Bytes, keys: Bytes): EncryptedBlock {
    const count = keys.length / RECIPIENT_KEYS_BYTES;
    if (!Number.isInteger(count) || count > BLOCK_RECIPIENTS_MAX) {
      throw new RangeError(`Cannot encrypt a block: ${keys.length} bytes of keys`);
    }
    const size = bodyBytes(plaintext.length);
    const bodies = new Uint8Array(count * size);
    const bad: number[] = [];
    const salts = crypto.getRandomValues(new Uint8Array(count * SALT_BYTES));
    const record = lastRecord(plaintext);
    for (let place = 0; place < count; place++) {
      const at = place * RECIPIENT_KEYS_BYTES;
      const salt = salts.subarray(place * SALT_BYTES, (place + 1) * SALT_BYTES);
      const body = bodies.subarray(place * size, (place + 1) * size);
      const own = keys.subarray(at, at + RECIPIENT_KEYS_BYTES);
      if (!this.#encrypt(own, record, body, { salt })) bad.push(place);
    }
    this.#forget();
    return { bodies, bodyBytes: size, bad };
  }

  /**
   * Encrypts one plaintext for one recipient with a given salt and key pair; `undefined` when the
   * recipient's key is no point.
   */
  encryptWith(plaintext: Bytes, keys: Bytes, drawn: Drawn): Bytes | undefined {
    const body = new Uint8Array(bodyBytes(plaintext.length));
    const encrypted = this.#encrypt(keys, lastRecord(plaintext), body, drawn);
    this.#forget();
    return encrypted ? body : undefined;
  }

  #encrypt(keys: Bytes, record: Bytes, body: Bytes, { salt, privateKey }: Drawn): boolean {
    const crypto = this.#crypto;
    const peer = keys.subarray(0, POINT_BYTES);
    const publicKey = body.subarray(HEAD_BYTES, HEAD_BYTES + POINT_BYTES);
    if (!crypto.agree(peer, publicKey, this.#secret, privateKey)) return false;
    this.#info.set(peer, INFO_LABEL.length);
    this.#info.set(publicKey, INFO_LABEL.length + POINT_BYTES);
    // RFC 8291 section 3.4: a first HKDF, salted with the authentication secret, joins both parties' keys.
    crypto.hmac(keys.subarray(POINT_BYTES), this.#secret, this.#authKey);
    crypto.hmac(this.#authKey, this.#info, this.#input);
    writeHead(body, { salt, recordBytes: RECORD_BYTES, keyIdBytes: POINT_BYTES });
    this.#coder.derive(salt, this.#input);
    this.#coder.seal(record, body.subarray(HEAD_BYTES + POINT_BYTES));
    return true;
  }

  #forget(): void {
    this.#secret.fill(0);
    this.#authKey.fill(0);
    this.#input.fill(0);
    this.#coder.forget();
  }
}
