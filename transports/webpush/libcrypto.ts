/**
 * Cryptography for messages by OpenSSL's `libcrypto`, called by FFI.
 *
 * Only functions that OpenSSL 3 documents and has not deprecated, and none with a variable number of
 * arguments. Keys stay in the library: the private key of a message is a number in its secure memory, drawn by
 * its own generator, overwritten by the next one. Points that are not on the curve are refused by
 * `EC_POINT_oct2point`, which checks the equation.
 *
 * Why points and numbers, and not `EVP_PKEY`: a key pair and an agreement are four calls and no
 * allocation; the generic interface needs a dozen objects a message.
 *
 * @module
 */

import type { Bytes, MessageCrypto } from "./crypto.ts";

/** Where OpenSSL 3 is; a permission for a path must name one of the absolute ones. */
const PATHS: readonly string[] = [
  "libcrypto.so.3",
  "/usr/lib/x86_64-linux-gnu/libcrypto.so.3",
  "/usr/lib/aarch64-linux-gnu/libcrypto.so.3",
  "/usr/lib64/libcrypto.so.3",
  "/usr/lib/libcrypto.so.3",
  "/opt/homebrew/opt/openssl@3/lib/libcrypto.3.dylib",
];

const SYMBOLS = {
  BN_CTX_free: { parameters: ["pointer"], result: "void" },
  BN_CTX_new: { parameters: [], result: "pointer" },
  BN_bin2bn: { parameters: ["buffer", "i32", "pointer"], result: "pointer" },
  BN_clear_free: { parameters: ["pointer"], result: "void" },
  BN_priv_rand_range: { parameters: ["pointer", "pointer"], result: "i32" },
  BN_secure_new: { parameters: [], result: "pointer" },
  EC_GROUP_free: { parameters: ["pointer"], result: "void" },
  EC_GROUP_get0_order: { parameters: ["pointer"], result: "pointer" },
  EC_GROUP_new_by_curve_name: { parameters: ["i32"], result: "pointer" },
  EC_POINT_clear_free: { parameters: ["pointer"], result: "void" },
  EC_POINT_mul: {
    parameters: ["pointer", "pointer", "pointer", "pointer", "pointer", "pointer"],
    result: "i32",
  },
  EC_POINT_new: { parameters: ["pointer"], result: "pointer" },
  EC_POINT_oct2point: {
    parameters: ["pointer", "pointer", "buffer", "usize", "pointer"],
    result: "i32",
  },
  EC_POINT_point2oct: {
    parameters: ["pointer", "pointer", "i32", "buffer", "usize", "pointer"],
    result: "usize",
  },
  ERR_clear_error: { parameters: [], result: "void" },
  EVP_CIPHER_CTX_ctrl: { parameters: ["pointer", "i32", "i32", "buffer"], result: "i32" },
  EVP_CIPHER_CTX_free: { parameters: ["pointer"], result: "void" },
  EVP_CIPHER_CTX_new: { parameters: [], result: "pointer" },
  EVP_CIPHER_fetch: { parameters: ["pointer", "buffer", "pointer"], result: "pointer" },
  EVP_CIPHER_free: { parameters: ["pointer"], result: "void" },
  EVP_Digest: {
    parameters: ["buffer", "usize", "buffer", "pointer", "pointer", "pointer"],
    result: "i32",
  },
  EVP_EncryptFinal_ex: { parameters: ["pointer", "buffer", "buffer"], result: "i32" },
  EVP_EncryptInit_ex2: {
    parameters: ["pointer", "pointer", "buffer", "buffer", "pointer"],
    result: "i32",
  },
  EVP_EncryptUpdate: {
    parameters: ["pointer", "buffer", "buffer", "buffer", "i32"],
    result: "i32",
  },
  EVP_MD_fetch: { parameters: ["pointer", "buffer", "pointer"], result: "pointer" },
  EVP_MD_free: { parameters: ["pointer"], result: "void" },
} as const;

type Library = Deno.DynamicLibrary<typeof SYMBOLS>;

/** `NID_X9_62_prime256v1`. */
const P256 = 415;
/** `POINT_CONVERSION_COMPRESSED` and `POINT_CONVERSION_UNCOMPRESSED`. */
const COMPRESSED = 2;
const UNCOMPRESSED = 4;
/** `EVP_CTRL_AEAD_GET_TAG`. */
const GET_TAG = 0x10;
/** Block of SHA-256, and its digest. */
const BLOCK_BYTES = 64;
const DIGEST_BYTES = 32;
/** What HMAC is asked for here is shorter. */
const HMAC_DATA_BYTES_MAX = 256;

/** Opens the library; `undefined` when it is not there, or may not be used. */
export function openLibcrypto(): MessageCrypto | undefined {
  for (const path of PATHS) {
    // Asked before opening: opening without it would ask the person at the terminal.
    if (Deno.permissions.querySync({ name: "ffi", path }).state !== "granted") continue;
    try {
      return new Libcrypto(Deno.dlopen(path, SYMBOLS));
    } catch {
      // Not at this path, or another version: the next path, and in the end the other implementation.
    }
  }
  return undefined;
}

class Libcrypto implements MessageCrypto {
  readonly name = "libcrypto";
  readonly #library: Library;
  readonly #context: Deno.PointerValue;
  readonly #group: Deno.PointerValue;
  readonly #order: Deno.PointerValue;
  readonly #scalar: Deno.PointerValue;
  readonly #own: Deno.PointerValue;
  readonly #peer: Deno.PointerValue;
  readonly #common: Deno.PointerValue;
  readonly #sha256: Deno.PointerValue;
  readonly #aes: Deno.PointerValue;
  readonly #cipher: Deno.PointerValue;
  readonly #compressed = new Uint8Array(33);
  readonly #written = new Uint8Array(4);
  /** Key and data of the inner hash, key and inner digest of the outer one (RFC 2104 section 2). */
  readonly #inner = new Uint8Array(BLOCK_BYTES + HMAC_DATA_BYTES_MAX);
  readonly #outer = new Uint8Array(BLOCK_BYTES + DIGEST_BYTES);
  readonly #digest = this.#outer.subarray(BLOCK_BYTES);

  constructor(library: Library) {
    const { symbols } = library;
    this.#library = library;
    this.#context = there(symbols.BN_CTX_new());
    this.#group = there(symbols.EC_GROUP_new_by_curve_name(P256));
    this.#order = there(symbols.EC_GROUP_get0_order(this.#group));
    this.#scalar = there(symbols.BN_secure_new());
    this.#own = there(symbols.EC_POINT_new(this.#group));
    this.#peer = there(symbols.EC_POINT_new(this.#group));
    this.#common = there(symbols.EC_POINT_new(this.#group));
    this.#sha256 = there(symbols.EVP_MD_fetch(null, cString("SHA256"), null));
    this.#aes = there(symbols.EVP_CIPHER_fetch(null, cString("AES-128-GCM"), null));
    this.#cipher = there(symbols.EVP_CIPHER_CTX_new());
  }

  agree(
    peer: Bytes,
    publicKey: Bytes,
    secret: Bytes,
    privateKey?: Bytes,
  ): boolean {
    const { symbols } = this.#library;
    const group = this.#group;
    const scalar = this.#scalar;
    const context = this.#context;
    // Anything but 0x04 and 64 bytes is another form of a point, which RFC 8291 section 3.2 excludes.
    if (peer.length !== 65 || peer[0] !== 4) return false;
    if (symbols.EC_POINT_oct2point(group, this.#peer, peer, 65n, context) !== 1) {
      symbols.ERR_clear_error();
      return false;
    }
    if (privateKey === undefined) {
      done(symbols.BN_priv_rand_range(scalar, this.#order));
    } else {
      there(symbols.BN_bin2bn(privateKey, privateKey.length, scalar));
    }
    done(symbols.EC_POINT_mul(group, this.#own, scalar, null, null, context));
    this.#export(this.#own, UNCOMPRESSED, publicKey);
    done(symbols.EC_POINT_mul(group, this.#common, null, this.#peer, scalar, context));
    this.#export(this.#common, COMPRESSED, this.#compressed);
    secret.set(this.#compressed.subarray(1));
    this.#compressed.fill(0);
    return true;
  }

  /** Writes a point; one at infinity, which has another length, breaks the invariant. */
  #export(point: Deno.PointerValue, form: number, into: Bytes): void {
    const { symbols } = this.#library;
    const length = BigInt(into.length);
    const written = symbols.EC_POINT_point2oct(
      this.#group,
      point,
      form,
      into,
      length,
      this.#context,
    );
    if (written !== length) throw new Error(`A point of ${written} bytes, not ${length}`);
  }

  hmac(key: Bytes, data: Bytes, mac: Bytes): void {
    const { symbols } = this.#library;
    const inner = this.#inner;
    const outer = this.#outer;
    for (let at = 0; at < BLOCK_BYTES; at++) {
      const byte = key[at] ?? 0;
      inner[at] = byte ^ 0x36;
      outer[at] = byte ^ 0x5c;
    }
    inner.set(data, BLOCK_BYTES);
    const innerBytes = BigInt(BLOCK_BYTES + data.length);
    done(symbols.EVP_Digest(inner, innerBytes, this.#digest, null, this.#sha256, null));
    const outerBytes = BigInt(BLOCK_BYTES + DIGEST_BYTES);
    done(symbols.EVP_Digest(outer, outerBytes, mac, null, this.#sha256, null));
  }

  seal(key: Bytes, nonce: Bytes, plaintext: Bytes, sealed: Bytes): void {
    const { symbols } = this.#library;
    const { length } = plaintext;
    const cipher = this.#cipher;
    done(symbols.EVP_EncryptInit_ex2(cipher, this.#aes, key, nonce, null));
    done(symbols.EVP_EncryptUpdate(cipher, sealed, this.#written, plaintext, length));
    const tag = sealed.subarray(length);
    done(symbols.EVP_EncryptFinal_ex(cipher, tag, this.#written));
    done(symbols.EVP_CIPHER_CTX_ctrl(cipher, GET_TAG, 16, tag));
  }

  [Symbol.dispose](): void {
    const { symbols } = this.#library;
    symbols.EVP_CIPHER_CTX_free(this.#cipher);
    symbols.EVP_CIPHER_free(this.#aes);
    symbols.EVP_MD_free(this.#sha256);
    for (const point of [this.#own, this.#peer, this.#common]) symbols.EC_POINT_clear_free(point);
    symbols.BN_clear_free(this.#scalar);
    symbols.EC_GROUP_free(this.#group);
    symbols.BN_CTX_free(this.#context);
    this.#inner.fill(0);
    this.#outer.fill(0);
    this.#library.close();
  }
}

/** A pointer that must be there: the library has no memory, or lacks what every build of it has. */
function there(pointer: Deno.PointerValue): Deno.PointerValue {
  if (pointer === null) throw new Error("libcrypto gave no object");
  return pointer;
}

/** A call that cannot fail unless the library is out of memory or of random numbers. */
function done(result: number): void {
  if (result !== 1) throw new Error(`libcrypto answered ${result}`);
}

function cString(text: string): Bytes {
  return new TextEncoder().encode(`${text}\0`);
}
