/**
 * Contents of any number of records (RFC 8188), made of the sender's own parts: messages have one record, the
 * RFC's second example has two.
 *
 * @module
 */

import {
  ContentCoder,
  HEAD_BYTES,
  TAG_BYTES,
  writeHead,
} from "../../transports/webpush/content_coding.ts";
import type { Bytes, MessageCrypto } from "../../transports/webpush/crypto.ts";

/** A content to encode. */
export interface Content {
  /** Input keying material. */
  readonly input: Bytes;
  /** 16 bytes. */
  readonly salt: Bytes;
  /** At most 255 bytes. */
  readonly keyId: Bytes;
  /** The record size in the header. */
  readonly recordBytes: number;
  /** The records with their delimiters and padding. */
  readonly records: readonly Bytes[];
}

/** Encodes a content. */
export function encodeContent(crypto: MessageCrypto, content: Content): Bytes {
  const { input, salt, keyId, recordBytes, records } = content;
  const coder = new ContentCoder(crypto);
  coder.derive(salt, input);
  const sealedBytes = records.reduce((sum, { length }) => sum + length + TAG_BYTES, 0);
  const body = new Uint8Array(HEAD_BYTES + keyId.length + sealedBytes);
  writeHead(body, { salt, recordBytes, keyIdBytes: keyId.length });
  body.set(keyId, HEAD_BYTES);
  let at = HEAD_BYTES + keyId.length;
  for (const [index, record] of records.entries()) {
    // Section 2.3: the nonce of a record is the first one's XOR its index, a number of 96 bits.
    const nonce = coder.nonce.slice();
    const view = new DataView(nonce.buffer);
    view.setUint32(8, view.getUint32(8) ^ index);
    const end = at + record.length + TAG_BYTES;
    crypto.seal(coder.key, nonce, record, body.subarray(at, end));
    at = end;
  }
  return body;
}
