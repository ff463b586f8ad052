/**
 * Google's token endpoint: an assertion signed by a service account for an access token (RFC 7523
 * section 2.1, RFC 6749 sections 5.1 and 5.2).
 *
 * @module
 */

import { createPublicKey, type KeyObject } from "node:crypto";
import { type Jwt, readJwt } from "./jwt.ts";
import { TOKENS_MAX } from "./limits.ts";
import { jsonReply, type Reply } from "./service.ts";

/** The service account Google knows. */
export interface ServiceAccount {
  /** The project whose devices it may send to. */
  readonly projectId: string;
  /** Its name. */
  readonly clientEmail: string;
  /** The public half of its RSA key, SPKI PEM. */
  readonly publicKey: string;
}

const GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const SCOPE = "https://www.googleapis.com/auth/firebase.messaging";
/** An assertion lives for an hour at most. */
const ASSERTION_SECONDS_MAX = 3_600;
/** How far the clocks may be apart. */
const SKEW_SECONDS_MAX = 300;

/** Hands out access tokens. */
export class OAuth {
  readonly #account: ServiceAccount;
  readonly #key: KeyObject;
  readonly #audience: () => string;
  /** When each token ends, in milliseconds; all are forgotten when there are too many. */
  readonly #tokens = new Map<string, number>();

  /**
   * An endpoint that has handed out nothing yet.
   *
   * @param account Who may ask.
   * @param audience Its own URL.
   */
  constructor(account: ServiceAccount, audience: () => string) {
    this.#account = account;
    this.#key = createPublicKey(account.publicKey);
    this.#audience = audience;
  }

  /** Answers a request for a token that is good for so many seconds. */
  grant(form: string, seconds: number): Reply {
    const parameters = new URLSearchParams(form);
    if (parameters.get("grant_type") !== GRANT_TYPE) {
      return refusal("unsupported_grant_type", `Invalid grant_type, expected ${GRANT_TYPE}`);
    }
    const jwt = readJwt(parameters.get("assertion") ?? "", "RS256", this.#key);
    const problem = jwt === undefined ? "The assertion is not a JWT" : this.#problem(jwt);
    if (problem !== undefined) return refusal("invalid_grant", problem);
    const token = `ya29.${crypto.randomUUID()}`;
    if (this.#tokens.size >= TOKENS_MAX) this.#tokens.clear();
    this.#tokens.set(token, Date.now() + seconds * 1_000);
    return jsonReply(200, { access_token: token, expires_in: seconds, token_type: "Bearer" });
  }

  /** Whether this token was handed out and has not ended. */
  knows(token: string): boolean {
    return Date.now() < (this.#tokens.get(token) ?? 0);
  }

  #problem({ signed, claims }: Jwt): string | undefined {
    if (!signed) return "Invalid JWT Signature.";
    if (claims.get("iss") !== this.#account.clientEmail) {
      return "Invalid grant: account not found";
    }
    if (claims.get("aud") !== this.#audience()) return `aud must be ${this.#audience()}`;
    if (claims.get("scope") !== SCOPE) return `scope must be ${SCOPE}`;
    const issued = Number(claims.get("iat"));
    const ends = Number(claims.get("exp"));
    const now = Date.now() / 1_000;
    // Written so that NaN fails.
    const timely = issued <= now + SKEW_SECONDS_MAX && ends >= now - SKEW_SECONDS_MAX &&
      ends > issued && ends - issued <= ASSERTION_SECONDS_MAX;
    return timely
      ? undefined
      : "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe.";
  }
}

function refusal(error: string, description: string): Reply {
  return jsonReply(400, { error, error_description: description });
}
