/**
 * VAPID tokens (RFC 8292): a signer for one key, and a token for each origin it sends to.
 *
 * Invariants: requests to an origin share its token until half of its life is over, whoever asks first
 * makes it and the others wait for the same; a token has no `iat`, so nothing in it can lie in the future.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { createECDH } from "node:crypto";
import { importJWK, SignJWT } from "jose";
import { Remembered } from "../provider/remembered.ts";
import type { WebPushCredentials } from "../provider/provider.ts";
import type { Renew } from "../provider/renewal.ts";
import { type TokenHealth, TokenRecord } from "../provider/token_health.ts";
import {
  CLOCK_JUMP_MS_MAX,
  ORIGINS_MAX,
  TOKEN_AGE_MS_MAX,
  TOKEN_LIFETIME_SECONDS,
  TOKEN_TRUSTED_MS,
} from "./limits.ts";

/** Tells the time. */
export interface WallClock {
  /** Milliseconds since 1970. */
  wallNow(): number;
}

/** A pair of VAPID keys. */
export interface VapidKey {
  /** The scalar, 32 bytes. */
  readonly privateKey: Buffer;
  /** The uncompressed point, 65 bytes. */
  readonly publicKey: Buffer;
}

/** The pair of a private key in base64url; `undefined` for a text that is none. */
export function readVapidKey(privateKey: string): VapidKey | undefined {
  if (!/^[A-Za-z0-9_-]{43}=?$/.test(privateKey)) return undefined;
  const curve = createECDH("prime256v1");
  const scalar = Buffer.from(privateKey, "base64url");
  try {
    curve.setPrivateKey(scalar);
    return { privateKey: scalar, publicKey: curve.getPublicKey() };
  } catch {
    // Zero, or not below the curve's order.
    return undefined;
  }
}

/** What is known of an origin. */
interface OriginState {
  token: { readonly madeAt: number; readonly text: Promise<string> } | undefined;
  acceptedAt: number;
}

/** Signs for one key and subject. */
export class VapidSigner {
  /** The public key in base64url, as browsers get it as `applicationServerKey`. */
  readonly publicKey: string;
  readonly #key: ReturnType<typeof importJWK>;
  readonly #subject: string;
  readonly #clock: WallClock;
  readonly #record = new TokenRecord();
  readonly #origins = new Remembered<OriginState>(ORIGINS_MAX);

  /** A signer for credentials that were checked; the clock tells when tokens end. */
  constructor(key: VapidKey, subject: WebPushCredentials["subject"], clock: WallClock) {
    this.publicKey = key.publicKey.toString("base64url");
    this.#key = importJWK({
      kty: "EC",
      crv: "P-256",
      d: key.privateKey.toString("base64url"),
      x: key.publicKey.toString("base64url", 1, 33),
      y: key.publicKey.toString("base64url", 33),
    }, "ES256");
    this.#subject = subject;
    this.#clock = clock;
  }

  /** How the key's tokens do, those for all origins together. */
  get health(): TokenHealth {
    return this.#record.health;
  }

  /** The value of `Authorization` for an origin (RFC 8292 section 3). */
  authorization(origin: string): Promise<string> {
    const state = this.#state(origin);
    const now = this.#clock.wallNow();
    const ageMs = now - (state.token?.madeAt ?? -Infinity);
    if (state.token !== undefined && ageMs < TOKEN_AGE_MS_MAX && ageMs > -CLOCK_JUMP_MS_MAX) {
      return state.token.text;
    }
    const text = this.#sign(origin, now);
    const token = { madeAt: now, text };
    state.token = token;
    // What could not be signed is not remembered; whoever waits for it is told.
    text.catch(() => {
      if (state.token === token) state.token = undefined;
    });
    return text;
  }

  /** A value other than the one that was refused; the same new one for all whose old one is the same. */
  async renewed(origin: string, refused: string): Promise<string> {
    const current = await this.authorization(origin);
    if (current !== refused) return current;
    // Whoever else was refused may have come here meanwhile: only the first forgets the token.
    const state = this.#state(origin);
    if (await state.token?.text === refused) state.token = undefined;
    return await this.authorization(origin);
  }

  /** Remembers that an origin refused a fresh token. */
  refused(origin: string, { reason }: Renew): void {
    this.#record.failed(this.#clock.wallNow(), `${reason} at ${origin}`);
  }

  /** Remembers that an origin took a request with these credentials. */
  accepted(origin: string): void {
    this.#state(origin).acceptedAt = this.#clock.wallNow();
  }

  /** Whether an origin took a request with these credentials not long ago. */
  trusted(origin: string): boolean {
    return this.#clock.wallNow() - this.#state(origin).acceptedAt < TOKEN_TRUSTED_MS;
  }

  #state(origin: string): OriginState {
    return this.#origins.get(origin, () => ({ token: undefined, acceptedAt: -Infinity }));
  }

  async #sign(origin: string, now: number): Promise<string> {
    const exp = Math.floor(now / 1_000) + TOKEN_LIFETIME_SECONDS;
    const token = await new SignJWT({ aud: origin, exp, sub: this.#subject })
      .setProtectedHeader({ typ: "JWT", alg: "ES256" })
      .sign(await this.#key);
    this.#record.got(now, exp * 1_000);
    return `vapid t=${token}, k=${this.publicKey}`;
  }
}
