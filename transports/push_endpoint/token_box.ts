/**
 * The public identifiers of the Web Push half: endpoint URLs and message ids, as Fernet tokens.
 *
 * An endpoint token holds UAID (16 bytes) and channel id (16), and for a subscription bound to an
 * application server's key its SHA-256 (32). A message id holds `02:{uaid}:{channel}:{sortKey}`. Both
 * layouts are autopush's, so old endpoint URLs open with their old keys.
 *
 * Invariants: the first key seals, every key opens; a token opens in one spelling only; nothing that
 * did not open is remembered, so strangers cannot fill the memory of opened tokens.
 *
 * @example
 * ```ts
 * const box = new TokenBox({ keys: [TokenBox.generateKey()], publicUrl: "https://push.example" });
 * const url = box.endpointUrl(box.newUaid(), crypto.randomUUID(), undefined);
 * ```
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { type FernetKey, open, parseFernetKey, seal } from "./fernet.ts";
import { ENDPOINT_KEYS_MAX, OPENED_TOKENS_MAX, TOKEN_CHARACTERS_MAX } from "./limits.ts";
import { Recent } from "./recent.ts";
import { SYSTEM_CLOCK, type WallClock } from "./ports.ts";

/** Version of an endpoint: `"v1"` takes any sender, `"v2"` only the one whose key it is bound to. */
export type EndpointVersion = "v1" | "v2";

/** What an endpoint token holds. */
export interface OpenedEndpoint {
  /** Which kind of token it is; a URL that says otherwise is wrong. */
  readonly version: EndpointVersion;
  /** The user agent, 32 lower-case hexadecimal digits. */
  readonly uaid: string;
  /** The channel, a lower-case dashed UUID. */
  readonly channelId: string;
  /** SHA-256 of the application server's public key, for `"v2"`. */
  readonly keyHash: Uint8Array | undefined;
}

/** What a message id holds. */
export interface OpenedMessageId {
  /** The user agent, 32 lower-case hexadecimal digits. */
  readonly uaid: string;
  /** The channel, a lower-case dashed UUID. */
  readonly channelId: string;
  /** The message's place in the order of acceptance. */
  readonly sortKey: number;
}

/** How to make a {@linkcode TokenBox}. */
export interface TokenBoxOptions {
  /** Fernet keys, newest first: a list, or the text `[k1, k2]` (autopush's setting). */
  readonly keys: string | readonly string[];
  /** Where the endpoint is reached from outside; may be told later, once the port is known. */
  readonly publicUrl?: string;
  /** Tells the time; default the system's wall clock. */
  readonly clock?: WallClock;
  /** Source of random bytes; default the system's. */
  readonly random?: (bytes: number) => Uint8Array;
}

/** A list of endpoint keys that cannot be used; the message never contains a key. */
export class EndpointKeyError extends TypeError {
  /** Stable name of the reason. */
  readonly code = "endpoint_key_invalid";
  /** Name of the class. */
  override readonly name = "EndpointKeyError";
}

/** Makes and opens endpoint URLs and message ids. */
export class TokenBox {
  readonly #keys: readonly [FernetKey, ...FernetKey[]];
  readonly #clock: WallClock;
  readonly #random: (bytes: number) => Uint8Array;
  readonly #opened = new Recent<string, OpenedEndpoint>(OPENED_TOKENS_MAX);
  #publicUrl: string | undefined;
  #origin = "";

  /**
   * Makes a box from its keys.
   *
   * @throws {EndpointKeyError} When the list is empty, too long, or holds something that is no key.
   * @throws {TypeError} When `publicUrl` is not an http or https URL.
   */
  constructor(options: TokenBoxOptions) {
    this.#keys = parseKeys(options.keys);
    this.#clock = options.clock ?? SYSTEM_CLOCK;
    this.#random = options.random ?? randomBytes;
    if (options.publicUrl !== undefined) this.setPublicUrl(options.publicUrl);
  }

  /** A fresh key: 32 random bytes in URL-safe base64 with padding, 44 characters. */
  static generateKey(): string {
    return randomBytes(32).toString("base64url") + "=";
  }

  /** Where the endpoint is reached from outside, without a trailing slash; `undefined` until it is known. */
  get publicUrl(): string | undefined {
    return this.#publicUrl;
  }

  /**
   * Scheme, host and a port that is not the default of the public URL: what a VAPID token must be made for.
   *
   * @throws {TypeError} When the public URL is not known yet.
   */
  get origin(): string {
    this.#requirePublicUrl();
    return this.#origin;
  }

  /**
   * Tells where the endpoint is reached from outside; once, or again with the same address.
   *
   * @throws {TypeError} When it is not an http or https URL, has a query, a fragment or a user, or when it
   * was set to another one: URLs already given out would point elsewhere.
   */
  setPublicUrl(text: string): void {
    const url = URL.parse(text);
    const web = url?.protocol === "https:" || url?.protocol === "http:";
    if (url === null || !web || url.search + url.hash + url.username + url.password !== "") {
      throw new TypeError(
        `Cannot use ${JSON.stringify(text)} as endpoint URL: expected http(s)://host[:port]`,
      );
    }
    const normal = url.origin + url.pathname.replace(/\/+$/, "");
    if (this.#publicUrl !== undefined && this.#publicUrl !== normal) {
      throw new TypeError(
        `Cannot change the endpoint URL from "${this.#publicUrl}" to "${normal}"`,
      );
    }
    this.#publicUrl = normal;
    this.#origin = url.origin;
  }

  /**
   * A new endpoint URL of a channel; each call gives another one and all stay valid.
   *
   * @param uaid 32 lower-case hexadecimal digits.
   * @param channelId A lower-case dashed UUID.
   * @param key The application server's public key; `undefined` lets any sender post.
   * @throws {TypeError} When the public URL is not known yet.
   */
  endpointUrl(uaid: string, channelId: string, key: Uint8Array | undefined): string {
    const publicUrl = this.#requirePublicUrl();
    const ids = Buffer.from(uaid + channelId.replaceAll("-", ""), "hex");
    if (ids.length !== 32) {
      throw new TypeError("Cannot make an endpoint URL: UAID or channel id is no UUID");
    }
    if (key === undefined) return `${publicUrl}/wpush/v1/${unpadded(this.#seal(ids))}`;
    const hash = createHash("sha256").update(key).digest();
    return `${publicUrl}/wpush/v2/${unpadded(this.#seal(Buffer.concat([ids, hash])))}`;
  }

  /** Opens the token of an endpoint URL, padded or not; `undefined` for anything this box would not have made. */
  openEndpoint(token: string): OpenedEndpoint | undefined {
    const bare = unpadded(token);
    const known = this.#opened.get(bare);
    if (known !== undefined) return known;
    const plaintext = this.#open(bare + "=".repeat((4 - bare.length % 4) % 4));
    if (plaintext === undefined) return undefined;
    if (plaintext.length !== 32 && plaintext.length !== 64) return undefined;
    const hex = plaintext.toString("hex", 0, 32);
    const opened: OpenedEndpoint = {
      version: plaintext.length === 32 ? "v1" : "v2",
      uaid: hex.slice(0, 32),
      channelId: dashed(hex.slice(32)),
      keyHash: plaintext.length === 32 ? undefined : plaintext.subarray(32),
    };
    this.#opened.set(bare, opened);
    return opened;
  }

  /** A new public id of a message, padding kept; unguessable and different on every call. */
  messageId(uaid: string, channelId: string, sortKey: number): string {
    return this.#seal(
      Buffer.from(`02:${uaid}:${channelId.replaceAll("-", "")}:${sortKey}`, "latin1"),
    );
  }

  /**
   * The URL of a message, the `Location` of its 201.
   *
   * @throws {TypeError} When the public URL is not known yet.
   */
  messageUrl(messageId: string): string {
    return `${this.#requirePublicUrl()}/m/${messageId}`;
  }

  /** Opens a message id, which must carry its padding; `undefined` for anything this box would not have made. */
  openMessageId(text: string): OpenedMessageId | undefined {
    const plaintext = this.#open(text)?.toString("latin1");
    if (plaintext === undefined) return undefined;
    const parts = /^02:([0-9a-f]{32}):([0-9a-f]{32}):([1-9][0-9]{0,15})$/.exec(plaintext);
    if (parts === null) return undefined;
    const [, uaid = "", channel = "", digits = ""] = parts;
    const sortKey = Number(digits);
    return Number.isSafeInteger(sortKey)
      ? { uaid, channelId: dashed(channel), sortKey }
      : undefined;
  }

  /** A fresh, random UAID: a version 4 UUID without dashes. */
  newUaid(): string {
    return randomUUID().replaceAll("-", "");
  }

  #requirePublicUrl(): string {
    if (this.#publicUrl !== undefined) return this.#publicUrl;
    throw new TypeError("Cannot make a URL before the public URL is set");
  }

  #seal(plaintext: Uint8Array): string {
    return seal(
      this.#keys[0],
      plaintext,
      this.#random(16),
      Math.floor(this.#clock.wallNow() / 1_000),
    );
  }

  #open(text: string): Buffer | undefined {
    return text.length > TOKEN_CHARACTERS_MAX ? undefined : open(this.#keys, text);
  }
}

function parseKeys(keys: string | readonly string[]): readonly [FernetKey, ...FernetKey[]] {
  const texts = typeof keys === "string"
    ? keys.trim().replace(/^\[(.*)\]$/s, "$1").split(",").map((text) => text.replace(/["'\s]/g, ""))
    : keys;
  if (texts.length > ENDPOINT_KEYS_MAX) {
    throw new EndpointKeyError(
      `Cannot use ${texts.length} endpoint keys: at most ${ENDPOINT_KEYS_MAX}`,
    );
  }
  const parsed = texts.map((text, index) => {
    const key = parseFernetKey(text);
    if (key !== undefined) return key;
    throw new EndpointKeyError(
      `Cannot use endpoint key ${index + 1} of ${texts.length}: ` +
        "expected 32 bytes as 44 characters of URL-safe base64",
    );
  });
  const [first, ...others] = parsed;
  if (first === undefined) {
    throw new EndpointKeyError("Cannot do without an endpoint key: the list is empty");
  }
  return [first, ...others];
}

function unpadded(token: string): string {
  let end = token.length;
  while (end > 0 && token.charCodeAt(end - 1) === 0x3d) end--;
  return token.slice(0, end);
}

function dashed(hex: string): string {
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${
    hex.slice(20)
  }`;
}
