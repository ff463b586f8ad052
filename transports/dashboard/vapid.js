// @ts-check
/**
 * The page's own application server key, and the header it signs with it (RFC 8292).
 *
 * The key is made in the page, so the service has no part in it: exactly the position of a foreign
 * application server. It stays readable in the page's storage, because all it guards is this
 * page's own test subscription.
 *
 * @module
 */
import { fromBase64url, toBase64url, utf8 } from "./bytes.js";

/** Seconds for which a signed header is good: half of what RFC 8292 section 2 allows, for clocks that differ. */
export const HEADER_LIFETIME_SECONDS = 12 * 3_600;

const CURVE = { name: "ECDSA", namedCurve: "P-256" };

/**
 * A key pair as stored: the private half of a P-256 key with its public point.
 *
 * @typedef {{ readonly x: string, readonly y: string, readonly d: string }} StoredKey
 */

/**
 * Makes a key pair.
 *
 * @returns {Promise<StoredKey>}
 */
export async function newKey() {
  const pair = await crypto.subtle.generateKey(CURVE, true, ["sign", "verify"]);
  const { x = "", y = "", d = "" } = await crypto.subtle.exportKey("jwk", pair.privateKey);
  return { x, y, d };
}

/**
 * Whether a value read from storage is a key pair in form.
 *
 * @param {unknown} value
 * @returns {value is StoredKey}
 */
export function isStoredKey(value) {
  return typeof value === "object" && value !== null &&
    ["x", "y", "d"].every((name) => /^[A-Za-z0-9_-]{43}$/.test(Reflect.get(value, name)));
}

/**
 * The public key as `pushManager.subscribe` and `k=` want it: 65 bytes, uncompressed.
 *
 * @param {StoredKey} key
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function publicKey(key) {
  return Uint8Array.of(4, ...fromBase64url(key.x), ...fromBase64url(key.y));
}

/**
 * Signs the value of an `Authorization` header (RFC 8292 sections 2 and 3).
 *
 * @param {StoredKey} key
 * @param {string} audience Origin of the endpoint.
 * @param {number} nowSeconds Wall-clock time.
 * @returns {Promise<string>} `vapid t=…,k=…`
 */
export async function authorization(key, audience, nowSeconds) {
  const claims = { aud: audience, exp: Math.floor(nowSeconds) + HEADER_LIFETIME_SECONDS };
  const signed = [{ typ: "JWT", alg: "ES256" }, claims]
    .map((part) => toBase64url(utf8(JSON.stringify(part)))).join(".");
  const jwk = { kty: "EC", crv: "P-256", ...key };
  const privateKey = await crypto.subtle.importKey("jwk", jwk, CURVE, false, ["sign"]);
  const algorithm = { name: "ECDSA", hash: "SHA-256" };
  const signature = await crypto.subtle.sign(algorithm, privateKey, utf8(signed));
  const token = `${signed}.${toBase64url(new Uint8Array(signature))}`;
  return `vapid t=${token},k=${toBase64url(publicKey(key))}`;
}
