/**
 * Fernet tokens: version 0x80, seconds (u64), IV (16), AES-128-CBC ciphertext with PKCS#7 padding,
 * HMAC-SHA256 over all of it; the whole in URL-safe base64.
 *
 * Invariants: nothing is decrypted before its tag was verified; every key costs the same work
 * whether or not an earlier one matched a part. Padding is kept by `seal` and must be there for `open`.
 * The time of issue is not judged, though the libraries refuse one more than a minute ahead: tokens
 * have no age limit here, and a machine that starts with its clock in the past must not answer 404
 * to every sender, who would take that for the end of the subscription.
 * Why this format and not AES-GCM: it is autopush's, so a deployment can bring its keys along and
 * every endpoint it ever handed out stays valid (https://github.com/fernet/spec).
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { createCipheriv, createDecipheriv, createHash, timingSafeEqual } from "node:crypto";

const VERSION = 0x80;
const IV_AT = 9;
const CIPHERTEXT_AT = 25;
const TAG_BYTES = 32;
const BLOCK_BYTES = 16;
const HASH_BLOCK_BYTES = 64;

/** One Fernet key: half of it signs, half of it encrypts. */
export interface FernetKey {
  /** What the inner hash of the signature begins with: the signing half, padded and masked. */
  readonly inner: Uint8Array;
  /** What the outer hash begins with. */
  readonly outer: Uint8Array;
  /** 16 bytes for AES-128-CBC. */
  readonly encryption: Uint8Array;
}

/** Reads a key from its text, 32 bytes in URL-safe base64 with padding (44 characters); `undefined` if it is none. */
export function parseFernetKey(text: string): FernetKey | undefined {
  const bytes = Buffer.from(text, "base64url");
  if (bytes.length !== 32 || padded(bytes) !== text) return undefined;
  const signing = bytes.subarray(0, 16);
  return { inner: pad(signing, 0x36), outer: pad(signing, 0x5c), encryption: bytes.subarray(16) };
}

/** Encrypts and signs `plaintext`; `iv` is 16 random bytes, used once. The result keeps its padding. */
export function seal(
  key: FernetKey,
  plaintext: Uint8Array,
  iv: Uint8Array,
  seconds: number,
): string {
  const cipher = createCipheriv("aes-128-cbc", key.encryption, iv);
  const head = Buffer.alloc(CIPHERTEXT_AT);
  head[0] = VERSION;
  head.writeBigUInt64BE(BigInt(seconds), 1);
  head.set(iv, IV_AT);
  const signed = Buffer.concat([head, cipher.update(plaintext), cipher.final()]);
  return padded(Buffer.concat([signed, tagOf(key, signed)]));
}

/** Opens a token in its one canonical spelling, padding included, with the first key that fits. */
export function open(keys: readonly FernetKey[], text: string): Buffer | undefined {
  const bytes = Buffer.from(text, "base64url");
  const ciphertextBytes = bytes.length - CIPHERTEXT_AT - TAG_BYTES;
  if (ciphertextBytes < BLOCK_BYTES || ciphertextBytes % BLOCK_BYTES !== 0) return undefined;
  // The decoder skips what it does not know, so only an equal re-encoding proves the spelling.
  if (bytes[0] !== VERSION || padded(bytes) !== text) return undefined;
  const signed = bytes.subarray(0, bytes.length - TAG_BYTES);
  const tag = bytes.subarray(bytes.length - TAG_BYTES);
  let match: FernetKey | undefined;
  for (const key of keys) {
    if (timingSafeEqual(tagOf(key, signed), tag)) match ??= key;
  }
  return match === undefined ? undefined : decrypt(match, signed);
}

function decrypt(key: FernetKey, signed: Buffer): Buffer | undefined {
  const iv = signed.subarray(IV_AT, CIPHERTEXT_AT);
  const decipher = createDecipheriv("aes-128-cbc", key.encryption, iv);
  const start = decipher.update(signed.subarray(CIPHERTEXT_AT));
  try {
    return Buffer.concat([start, decipher.final()]);
  } catch {
    return undefined; // Signed with our key and yet badly padded: a foreign use of the key, not ours to open.
  }
}

/** HMAC-SHA-256 (RFC 2104 section 2) from two plain hashes: `createHmac` takes four times as long. */
function tagOf({ inner, outer }: FernetKey, signed: Uint8Array): Buffer {
  const digest = createHash("sha256").update(inner).update(signed).digest();
  return createHash("sha256").update(outer).update(digest).digest();
}

/** A key of up to one block of the hash, padded and masked. */
function pad(key: Uint8Array, mask: number): Uint8Array {
  const block = new Uint8Array(HASH_BLOCK_BYTES);
  block.set(key);
  return block.map((byte) => byte ^ mask);
}

function padded(bytes: Buffer): string {
  const text = bytes.toString("base64url");
  return text + "=".repeat((4 - text.length % 4) % 4);
}
