/**
 * How the tokens do that requests carry: when the last one was got, and what last went wrong.
 *
 * Whoever signs or fetches tokens keeps one record; what is in it is for people, and never a token or
 * a key.
 *
 * @module
 */

import type { Provider } from "./provider.ts";

/** How the tokens of some credentials do, since they were first used; times are milliseconds since 1970. */
export interface TokenHealth {
  /** The newest token. */
  readonly token: {
    /** When it was signed or fetched. */
    readonly refreshedAt: number;
    /** When it ends. */
    readonly expiresAt: number;
  } | undefined;
  /** The last time that none was to be had, or that a fresh one was refused. */
  readonly failure: {
    /** When. */
    readonly at: number;
    /** Why, without secrets. */
    readonly reason: string;
  } | undefined;
}

/** A provider that can say how the tokens of an app's credentials do. */
export interface ReportingProvider<C> extends Provider {
  /** How they do; `undefined` when these credentials were not used, or so long ago that they are forgotten. */
  tokenHealth(credentials: C): TokenHealth | undefined;
}

/** Keeps the last token's times and the last failure. */
export class TokenRecord {
  #token: TokenHealth["token"];
  #failure: TokenHealth["failure"];

  /** A token was got. */
  got(refreshedAt: number, expiresAt: number): void {
    this.#token = { refreshedAt, expiresAt };
  }

  /** No token was to be had, or a fresh one was refused. */
  failed(at: number, reason: string): void {
    this.#failure = { at, reason };
  }

  /** How the tokens do. */
  get health(): TokenHealth {
    return { token: this.#token, failure: this.#failure };
  }
}
