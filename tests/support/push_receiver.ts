/**
 * A user agent's side of Web Push encryption: keys of a subscription, and reading messages by `http_ece`,
 * which is not ours.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { createECDH, randomBytes } from "node:crypto";
import { decrypt } from "../../deps/ece.js";

/** A user agent with the keys of one subscription. */
export class PushReceiver {
  readonly #curve = createECDH("prime256v1");
  readonly #auth = randomBytes(16);
  /** `p256dh`, 65 bytes, and `auth`, 16. */
  readonly keys: Uint8Array<ArrayBuffer>;

  /** Makes new keys. */
  constructor() {
    this.keys = new Uint8Array(Buffer.concat([this.#curve.generateKeys(), this.#auth]));
  }

  /** Its keys as a browser gives them out. */
  get subscriptionKeys(): { readonly p256dh: string; readonly auth: string } {
    return {
      p256dh: this.#curve.getPublicKey("base64url"),
      auth: this.#auth.toString("base64url"),
    };
  }

  /** Decrypts a body (RFC 8291); throws when it was not made for this subscription. */
  read(body: Uint8Array): Uint8Array<ArrayBuffer> {
    const keys = { privateKey: this.#curve, authSecret: this.#auth };
    return new Uint8Array(decrypt(Buffer.from(body), { version: "aes128gcm", ...keys }));
  }

  /** Decrypts a body that is a text. */
  readText(body: Uint8Array): string {
    return new TextDecoder().decode(this.read(body));
  }
}
