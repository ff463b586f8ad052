// @ts-check
/**
 * Bytes and base64url, for the two modules that build binary protocols.
 *
 * @module
 */

/**
 * Bytes as base64url without padding (RFC 4648 section 5).
 *
 * @param {Uint8Array<ArrayBuffer>} bytes
 * @returns {string}
 */
export function toBase64url(bytes) {
  return toBase64(bytes).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/**
 * Bytes as base64 with padding (RFC 4648 section 4), the form that `base64 -d` reads.
 *
 * @param {Uint8Array<ArrayBuffer>} bytes
 * @returns {string}
 */
export function toBase64(bytes) {
  // One character at a time: spreading thousands of bytes into arguments may exceed a browser's limit.
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}

/**
 * The bytes of a base64url text, padded or not.
 *
 * @param {string} text
 * @returns {Uint8Array<ArrayBuffer>}
 * @throws {DOMException} `InvalidCharacterError` when it is something else.
 */
export function fromBase64url(text) {
  const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}

/**
 * Joins byte arrays.
 *
 * @param {...Uint8Array} parts
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function concat(...parts) {
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return joined;
}

/**
 * The UTF-8 bytes of a text.
 *
 * @param {string} text
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function utf8(text) {
  return new TextEncoder().encode(text);
}
