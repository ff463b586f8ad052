// @ts-check
/**
 * Message encryption for Web Push (RFC 8291) with the content coding aes128gcm (RFC 8188), in
 * WebCrypto: what an application server does before it posts.
 *
 * Invariants: a fresh sender key and salt for every message, so no key and nonce meet twice; one
 * record, so a body has 86 bytes of header, the text, one delimiter and a 16-byte tag.
 *
 * Why here: the page plays application server, and a browser has everything that takes.
 *
 * @module
 */
import { concat, fromBase64url, utf8 } from "./bytes.js";

/**
 * Longest text in bytes: a push service must take bodies of 4,096 bytes, and 103 of them are not
 * text (RFC 8291 section 4).
 */
export const PLAINTEXT_BYTES_MAX = 3_993;

/** The record size we declare; any body we make fits one record (RFC 8188 section 2.1). */
const RECORD_BYTES = 4_096;

/**
 * The subscription's half of the secrets, as `PushSubscription.toJSON().keys` gives them.
 *
 * @typedef {object} SubscriptionKeys
 * @property {string} p256dh The receiver's public key: 65 bytes in base64url.
 * @property {string} auth The authentication secret: 16 bytes in base64url.
 */

/**
 * The sender's half of the secrets; given only to reproduce published vectors.
 *
 * @typedef {object} SenderSecrets
 * @property {CryptoKeyPair} keyPair A P-256 ECDH key pair.
 * @property {Uint8Array<ArrayBuffer>} salt 16 bytes.
 */

/**
 * Encrypts a message for one subscription.
 *
 * @param {Uint8Array<ArrayBuffer>} plaintext At most {@linkcode PLAINTEXT_BYTES_MAX} bytes.
 * @param {SubscriptionKeys} keys
 * @param {SenderSecrets} [secrets] Fresh ones by default.
 * @returns {Promise<Uint8Array<ArrayBuffer>>} The body to post with `Content-Encoding: aes128gcm`.
 * @throws {RangeError} when the text is too long or a key has the wrong length.
 */
export async function encrypt(plaintext, keys, secrets) {
  if (plaintext.length > PLAINTEXT_BYTES_MAX) {
    throw new RangeError(
      `Cannot encrypt ${plaintext.length} bytes: a message has at most ${PLAINTEXT_BYTES_MAX}`,
    );
  }
  const receiverPublic = exactly(65, fromBase64url(keys.p256dh), "p256dh");
  const authSecret = exactly(16, fromBase64url(keys.auth), "auth");
  const { keyPair, salt } = secrets ?? await freshSecrets();
  const senderPublic = new Uint8Array(await crypto.subtle.exportKey("raw", keyPair.publicKey));

  const shared = await agree(keyPair.privateKey, receiverPublic);
  const info = concat(utf8("WebPush: info\0"), receiverPublic, senderPublic);
  const secret = await hkdf(authSecret, shared, info, 32);
  const contentKey = await hkdf(salt, secret, utf8("Content-Encoding: aes128gcm\0"), 16);
  const nonce = await hkdf(salt, secret, utf8("Content-Encoding: nonce\0"), 12);

  const key = await crypto.subtle.importKey("raw", contentKey, "AES-GCM", false, ["encrypt"]);
  // The delimiter 2 marks the last record (RFC 8188 section 2).
  const record = concat(plaintext, Uint8Array.of(2));
  const sealed = await crypto.subtle.encrypt({ name: "AES-GCM", iv: nonce }, key, record);
  return concat(header(salt, senderPublic), new Uint8Array(sealed));
}

/**
 * The header of the coding: salt, record size, and the sender's key as key id (RFC 8188 section 2.1).
 *
 * @param {Uint8Array} salt
 * @param {Uint8Array} senderPublic
 */
function header(salt, senderPublic) {
  const sizes = new DataView(new ArrayBuffer(5));
  sizes.setUint32(0, RECORD_BYTES);
  sizes.setUint8(4, senderPublic.length);
  return concat(salt, new Uint8Array(sizes.buffer), senderPublic);
}

/** @returns {Promise<SenderSecrets>} */
async function freshSecrets() {
  const curve = { name: "ECDH", namedCurve: "P-256" };
  return {
    keyPair: await crypto.subtle.generateKey(curve, false, ["deriveBits"]),
    salt: crypto.getRandomValues(new Uint8Array(16)),
  };
}

/**
 * The secret that both sides of the key agreement can compute.
 *
 * @param {CryptoKey} privateKey
 * @param {Uint8Array<ArrayBuffer>} publicKey
 */
async function agree(privateKey, publicKey) {
  const curve = { name: "ECDH", namedCurve: "P-256" };
  const key = await crypto.subtle.importKey("raw", publicKey, curve, false, []);
  return new Uint8Array(
    await crypto.subtle.deriveBits({ name: "ECDH", public: key }, privateKey, 256),
  );
}

/**
 * HKDF with SHA-256 (RFC 5869), extract and expand.
 *
 * @param {Uint8Array<ArrayBuffer>} salt
 * @param {Uint8Array<ArrayBuffer>} input
 * @param {Uint8Array<ArrayBuffer>} info
 * @param {number} lengthBytes
 */
async function hkdf(salt, input, info, lengthBytes) {
  const key = await crypto.subtle.importKey("raw", input, "HKDF", false, ["deriveBits"]);
  const parameters = { name: "HKDF", hash: "SHA-256", salt, info };
  return new Uint8Array(await crypto.subtle.deriveBits(parameters, key, lengthBytes * 8));
}

/**
 * @param {number} lengthBytes
 * @param {Uint8Array<ArrayBuffer>} bytes
 * @param {string} name
 */
function exactly(lengthBytes, bytes, name) {
  if (bytes.length !== lengthBytes) {
    throw new RangeError(`${name}: ${lengthBytes} bytes expected, ${bytes.length} found`);
  }
  return bytes;
}
