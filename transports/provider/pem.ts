/**
 * Private keys in PEM (RFC 7468), as people hand them in: what they are, in words without the key.
 *
 * @module
 */

import { createPrivateKey, type KeyObject } from "node:crypto";

/** A private key, or what the text holds instead, as a noun with its article. */
export type ReadKey =
  | { readonly kind: "key"; readonly key: KeyObject; readonly name: string }
  | { readonly kind: "other"; readonly found: string };

/** Characters of a PEM text with one key: an RSA key of 16,384 bits has 13,000. */
export const KEY_CHARACTERS_MAX = 16_384;

/** Bits of an RSA key: shorter ones must not sign a JWT (RFC 7518 section 3.3). */
const RSA_BITS_MIN = 2_048;

/**
 * Reads an unencrypted private key in PKCS#8 (RFC 5958); line ends of either kind.
 *
 * @param pem The text of the file.
 */
export function readPrivateKey(pem: string): ReadKey {
  const other = (found: string): ReadKey => ({ kind: "other", found });
  if (pem.length > KEY_CHARACTERS_MAX) return other(`a text of ${pem.length} characters`);
  const label = /-----BEGIN ([A-Z0-9 ]{1,40})-----/.exec(pem)?.[1];
  switch (label) {
    case undefined:
      return other(pem.trim() === "" ? "an empty text" : "a text that is not PEM");
    case "PRIVATE KEY":
      break;
    case "ENCRYPTED PRIVATE KEY":
      return other("an encrypted key");
    case "CERTIFICATE":
      return other("a certificate");
    case "PUBLIC KEY":
      return other("a public key");
    case "RSA PRIVATE KEY":
      return other(pem.includes("ENCRYPTED") ? "an encrypted key" : "an RSA key");
    case "EC PRIVATE KEY":
      return other(
        pem.includes("ENCRYPTED") ? "an encrypted key" : "an EC key that is not in PKCS#8",
      );
    default:
      return other("a PEM block of another kind");
  }
  try {
    const key = createPrivateKey(pem);
    return { kind: "key", key, name: nameOf(key) };
  } catch {
    // The library's message says which parser gave up, which helps nobody.
    return other("a damaged key");
  }
}

function nameOf(key: KeyObject): string {
  const { namedCurve, modulusLength = 0 } = key.asymmetricKeyDetails ?? {};
  switch (key.asymmetricKeyType) {
    case "rsa":
      return modulusLength < RSA_BITS_MIN ? `an RSA key of ${modulusLength} bits` : "an RSA key";
    case "ec":
      return namedCurve === "prime256v1" ? "a P-256 key" : "an EC key on another curve";
    default:
      return "a key of another kind";
  }
}
