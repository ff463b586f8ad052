/**
 * Provider tokens of one APNs key: signed rarely, shared by all connections and apps of the key.
 *
 * Apple refuses a token whose `iat` is an hour old, and a connection that sees a new one more often
 * than every 20 minutes. `iat` is rounded down to half an hour; a token is replaced 45 minutes after
 * it, or 20 minutes after the one before was signed, whichever is later: never at an age above 50
 * minutes. Invariants: two tokens are never signed within 20 minutes, whatever Apple answers; callers
 * of the same moment share one signature.
 *
 * @module
 */

import { importPKCS8, SignJWT } from "jose";
import type { Renew, Renewed } from "../provider/renewal.ts";
import { type TokenHealth, TokenRecord } from "../provider/token_health.ts";
import { TOKEN_AGE_MS_MAX, TOKEN_GRID_MS, TOKEN_INTERVAL_MS_MIN, TOKEN_LIFE_MS } from "./limits.ts";

/** Tells the time. */
export interface WallClock {
  /** Milliseconds since 1970. */
  wallNow(): number;
}

/** What a token is signed with. */
export interface SigningKey {
  /** Unencrypted PKCS#8 PEM of a P-256 key. */
  readonly key: string;
  /** Its id, `kid` of the token. */
  readonly keyId: string;
  /** The team, `iss` of the token. */
  readonly teamId: string;
}

/** A token that was signed. */
interface SignedToken {
  readonly text: string;
  readonly signedAt: number;
  readonly issuedAt: number;
}

/** Signs the tokens of one key. */
export class Signer {
  readonly #signingKey: SigningKey;
  readonly #clock: WallClock;
  readonly #record = new TokenRecord();
  #key: Promise<CryptoKey> | undefined;
  #current: SignedToken | undefined;
  #underWay: Promise<SignedToken> | undefined;

  /** Makes a signer that has signed nothing. The key must have been checked. */
  constructor(signingKey: SigningKey, clock: WallClock) {
    this.#signingKey = signingKey;
    this.#clock = clock;
  }

  /** How the key's tokens do. */
  get health(): TokenHealth {
    return this.#record.health;
  }

  /** The token to send now. */
  async token(): Promise<string> {
    const current = this.#current;
    if (current !== undefined && !this.#isDue(current)) return current.text;
    return (await this.#sign()).text;
  }

  /**
   * A token instead of one that was refused: the one that has replaced it, or a new one, unless the
   * refused one was signed within the last 20 minutes or would be the same again. Then what is wrong
   * is not its age.
   */
  async renew(used: string, refusal: Renew): Promise<Renewed<string>> {
    const token = await this.token();
    if (token !== used) return { kind: "renewed", credential: token };
    const current = this.#current;
    if (current !== undefined && !this.#mayReplace(current)) return this.#given(refusal);
    const { text } = await this.#sign();
    // Within the same half hour it is the same token: signatures here are deterministic (RFC 6979).
    return text === used ? this.#given(refusal) : { kind: "renewed", credential: text };
  }

  /** Remembers that a token was refused whose age is not what is wrong. */
  refused({ reason }: Renew): void {
    this.#record.failed(this.#clock.wallNow(), reason);
  }

  /** What a refusal means when there is no other token. */
  #given(refusal: Renew): Renewed<string> {
    const reason = this.#explain(refusal);
    this.refused({ ...refusal, reason });
    return { kind: "refused", verdict: { kind: "pause", status: refusal.status, reason } };
  }

  #isDue(token: SignedToken): boolean {
    // A token from the future was signed before the clock was put back.
    const ageMs = this.#clock.wallNow() - token.issuedAt;
    return (ageMs >= TOKEN_AGE_MS_MAX || ageMs < 0) && this.#mayReplace(token);
  }

  #mayReplace({ signedAt }: SignedToken): boolean {
    return Math.abs(this.#clock.wallNow() - signedAt) >= TOKEN_INTERVAL_MS_MIN;
  }

  /** Why a young token is refused: for the clock, if Apple says that it has expired. */
  #explain({ reason, serverTime }: Renew): string {
    if (reason !== "ExpiredProviderToken") return reason;
    const aheadMs = serverTime === undefined ? 0 : this.#clock.wallNow() - serverTime;
    const minutes = Math.round(Math.abs(aheadMs) / 60_000);
    const clock = minutes === 0
      ? "is its clock right?"
      : `its clock is ${minutes} minutes ${aheadMs > 0 ? "ahead of" : "behind"} Apple's`;
    return `${reason}, although the token is not an hour old: ${clock}`;
  }

  #sign(): Promise<SignedToken> {
    this.#underWay ??= this.#signNow().finally(() => this.#underWay = undefined);
    return this.#underWay;
  }

  async #signNow(): Promise<SignedToken> {
    const { key, keyId, teamId } = this.#signingKey;
    this.#key ??= importPKCS8(key, "ES256");
    const signedAt = this.#clock.wallNow();
    const issuedAt = Math.floor(signedAt / TOKEN_GRID_MS) * TOKEN_GRID_MS;
    const text = await new SignJWT({ iss: teamId })
      .setProtectedHeader({ alg: "ES256", kid: keyId })
      .setIssuedAt(issuedAt / 1_000)
      .sign(await this.#key);
    this.#current = { text, signedAt, issuedAt };
    this.#record.got(signedAt, issuedAt + TOKEN_LIFE_MS);
    return this.#current;
  }
}
