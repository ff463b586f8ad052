/**
 * Cryptography for messages by `node:crypto`: everywhere, and a tenth as fast as `libcrypto`.
 *
 * Keys are objects and not the `ECDH` class: the class takes twice as long.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import {
  createCipheriv,
  createECDH,
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
} from "node:crypto";
import { isPoint } from "../p256/p256.ts";
import type { MessageCrypto } from "./crypto.ts";

/** SubjectPublicKeyInfo of a P-256 key up to its point (RFC 5480 section 2). */
const SPKI_HEAD = Buffer.from("3059301306072a8648ce3d020106082a8648ce3d030107034200", "hex");

/** Cryptography by `node:crypto`. */
export const nodeCrypto: MessageCrypto = {
  name: "node:crypto",
  agree(peer, publicKey, secret, privateKey) {
    if (!isPoint(peer)) return false;
    const own = privateKey === undefined ? newPair() : pairOf(privateKey);
    const theirs = createPublicKey({
      key: Buffer.concat([SPKI_HEAD, peer]),
      format: "der",
      type: "spki",
    });
    publicKey.set(own.point);
    secret.set(diffieHellman({ privateKey: own.privateKey, publicKey: theirs }));
    return true;
  },
  hmac(key, data, mac) {
    mac.set(createHmac("sha256", key).update(data).digest());
  },
  seal(key, nonce, plaintext, sealed) {
    const cipher = createCipheriv("aes-128-gcm", key, nonce);
    sealed.set(cipher.update(plaintext));
    cipher.final();
    sealed.set(cipher.getAuthTag(), plaintext.length);
  },
  [Symbol.dispose]() {},
};

/** A private key, and its public point. */
interface Pair {
  readonly privateKey: KeyObject;
  readonly point: Uint8Array;
}

function newPair(): Pair {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
  const spki = publicKey.export({ format: "der", type: "spki" });
  return { privateKey, point: spki.subarray(SPKI_HEAD.length) };
}

function pairOf(scalar: Uint8Array): Pair {
  const curve = createECDH("prime256v1");
  curve.setPrivateKey(scalar);
  const point = curve.getPublicKey();
  const key = {
    kty: "EC",
    crv: "P-256",
    d: Buffer.from(scalar).toString("base64url"),
    x: point.subarray(1, 33).toString("base64url"),
    y: point.subarray(33).toString("base64url"),
  };
  return { privateKey: createPrivateKey({ key, format: "jwk" }), point };
}
