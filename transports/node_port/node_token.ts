/**
 * The bearer token by which nodes know each other, derived from the keys that they share.
 *
 * A token is HMAC-SHA-256 (RFC 2104) of a fixed label under the key's text: it tells nothing of the
 * key, which seals endpoint URLs, and is of no use elsewhere. Keys can be rotated one node at a time:
 * a port takes the tokens of all its keys, a client begins with its last, which every node still has.
 *
 * Invariant: how long a comparison takes tells nothing of the tokens.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { createHmac, timingSafeEqual } from "node:crypto";
import { SECRET_CHARACTERS_MIN, SECRETS_MAX } from "./limits.ts";

const LABEL = "heliograph node port 1";
const BEARER = /^bearer +([A-Za-z0-9_-]{43})$/i;

/**
 * The tokens of these secrets, by place, each 43 characters.
 *
 * @throws {TypeError} When there is no secret, too many, or one too short to be a key.
 */
export function nodeTokens(secrets: readonly string[]): readonly [string, ...string[]] {
  const [first, ...others] = secrets.map((secret, place) => {
    if (secret.length >= SECRET_CHARACTERS_MIN) {
      return createHmac("sha256", secret).update(LABEL).digest("base64url");
    }
    throw new TypeError(
      `Cannot use secrets[${place}]: expected at least ${SECRET_CHARACTERS_MIN} characters, ` +
        `found ${secret.length}`,
    );
  });
  if (first !== undefined && secrets.length <= SECRETS_MAX) return [first, ...others];
  throw new TypeError(
    `Cannot use secrets: expected 1 to ${SECRETS_MAX} keys, found ${secrets.length}`,
  );
}

/** Decides about the `Authorization` of requests. */
export class NodeTokenCheck {
  readonly #tokens: readonly Buffer[];

  /** Accepts the tokens of these secrets. Throws as {@linkcode nodeTokens}. */
  constructor(secrets: readonly string[]) {
    this.#tokens = nodeTokens(secrets).map((token) => Buffer.from(token));
  }

  /** Whether the header (RFC 6750 section 2.1) carries one of the tokens. */
  accepts(authorization: string | undefined): boolean {
    const given = BEARER.exec(authorization ?? "")?.[1];
    if (given === undefined) return false;
    const bytes = Buffer.from(given);
    let accepted = false;
    for (const token of this.#tokens) if (timingSafeEqual(token, bytes)) accepted = true;
    return accepted;
  }
}
