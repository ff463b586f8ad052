/**
 * Verifies VAPID tokens: JWTs signed with ES256 by the application server's key (RFC 8292, RFC 7519).
 *
 * The algorithm is ours, never the token's; the key is a point on P-256; token, signature and key have one
 * spelling each, so that flipping any character is refused. A verified token is remembered until it expires,
 * under token and key together, in a bounded map; failures are not remembered. Requests that bring
 * the same new token at the same time share one verification.
 *
 * Why WebCrypto: it verifies on the runtime's own threads, 2,900 tokens a second one at a time and 5,000 with 16
 * under way here; `node:crypto` does 1,600 and stops the isolate for each.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { quoted } from "../http_door/refusal.ts";
import { decodeBase64, isPoint } from "../p256/p256.ts";
import type { Credentials, VapidRefusal } from "./authorization.ts";
import { unauthorized } from "./errors.ts";
import {
  IMPORTED_KEYS_MAX,
  VAPID_LIFETIME_SECONDS_MAX,
  VAPID_SKEW_SECONDS_MAX,
  VAPID_TOKEN_CHARACTERS_MAX,
  VERIFIED_TOKENS_MAX,
} from "./limits.ts";
import { Recent } from "./recent.ts";
import type { VapidFault, VapidSubject, WallClock } from "./ports.ts";

/** A token that was verified. */
export interface Verified {
  /** It is good. */
  readonly ok: true;
  /** SHA-256 of the public key's bytes: what a v2 endpoint is bound to. */
  readonly keyHash: Uint8Array;
  /** Whether the token was known from an earlier request. */
  readonly remembered: boolean;
  /** How the token names its sender. */
  readonly subject: VapidSubject;
}

/** The verdict on a token. */
export type Verdict = Verified | { readonly ok: false } & VapidRefusal;

/** A public key ready to verify with. */
interface ImportedKey {
  readonly key: CryptoKey;
  readonly hash: Uint8Array;
}

/** What is kept of a verified token. */
interface Known {
  readonly expiresAtSeconds: number;
  readonly verified: Verified;
}

interface Claims {
  readonly expiresAtSeconds: number;
  readonly audience: string;
  readonly subject: VapidSubject;
}

const ES256 = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const BAD_CLAIMS = "Invalid VAPID token: A value in the vapid claims is either missing or " +
  'incorrectly specified (e.g. "exp":"12345" or "sub":null). Please correct and retry.';

/** Verifies tokens for one origin. */
export class VapidVerifier {
  readonly #origin: () => string;
  readonly #clock: WallClock;
  readonly #known = new Recent<string, Known>(VERIFIED_TOKENS_MAX);
  readonly #keys = new Recent<string, ImportedKey>(IMPORTED_KEYS_MAX);
  /** One entry per request at most, gone when it settles. */
  readonly #underWay = new Map<string, Promise<Verdict>>();

  /**
   * Makes a verifier that knows no token yet.
   *
   * @param origin Tells what tokens must be made for: scheme, host and a port that is not the default.
   * @param clock Tells the time, for `exp`.
   */
  constructor(origin: () => string, clock: WallClock) {
    this.#origin = origin;
    this.#clock = clock;
  }

  /** Verifies a token; an answer is given at once for a token that is remembered. */
  verify(credentials: Credentials): Verdict | Promise<Verdict> {
    const { token, key } = credentials;
    const id = `${token},${key}`;
    const known = this.#known.get(id);
    if (known !== undefined) return this.#recall(id, known);
    if (token.length > VAPID_TOKEN_CHARACTERS_MAX) {
      const message =
        `token longer than ${VAPID_TOKEN_CHARACTERS_MAX}, found ${token.length} characters`;
      return refused(message, "token_too_long");
    }
    let verdict = this.#underWay.get(id);
    if (verdict === undefined) {
      verdict = this.#verify(token, key).finally(() => this.#underWay.delete(id));
      this.#underWay.set(id, verdict);
    }
    return verdict;
  }

  #recall(id: string, known: Known): Verdict {
    const expired = this.#checkExpiry(known.expiresAtSeconds);
    if (expired === undefined) return known.verified;
    this.#known.delete(id);
    return expired;
  }

  async #verify(token: string, keyText: string): Promise<Verdict> {
    const key = this.#keys.get(keyText) ?? await importKey(keyText);
    if (key === undefined) {
      return refused(
        `Invalid VAPID public key: k is not a P-256 public key, found ${quoted(keyText)}`,
        "invalid_key",
      );
    }
    this.#keys.set(keyText, key);
    const [head, payload, signature, ...rest] = token.split(".");
    const malformed = head === undefined || payload === undefined || signature === undefined;
    if (malformed || rest.length > 0) return refused("token is not a JWT", "invalid_vapid");
    const wrongHead = checkHead(head);
    if (wrongHead !== undefined) return wrongHead;
    if (!await isSigned(key.key, `${head}.${payload}`, signature)) {
      return refused("bad signature", "invalid_signature");
    }
    return this.#judge(payload, key.hash, `${token},${keyText}`);
  }

  /** Judges the claims of a payload whose signature is right. */
  #judge(payload: string, keyHash: Uint8Array, id: string): Verdict {
    const claims = readClaims(payload);
    if ("ok" in claims) return claims;
    const expiry = this.#checkExpiry(claims.expiresAtSeconds);
    if (expiry !== undefined) return expiry;
    const origin = this.#origin();
    if (claims.audience !== origin) {
      const seen = quoted(claims.audience);
      return refused(
        `Invalid VAPID audience: aud must be ${origin}, found ${seen}`,
        "invalid_audience",
      );
    }
    const verified: Verified = { ok: true, keyHash, remembered: false, subject: claims.subject };
    const { expiresAtSeconds } = claims;
    this.#known.set(id, { expiresAtSeconds, verified: { ...verified, remembered: true } });
    return verified;
  }

  #checkExpiry(expiresAtSeconds: number): Verdict | undefined {
    const aheadSeconds = expiresAtSeconds - Math.floor(this.#clock.wallNow() / 1_000);
    if (aheadSeconds < -VAPID_SKEW_SECONDS_MAX) {
      return refused(`token expired ${-aheadSeconds} s ago`, "expired");
    }
    if (aheadSeconds > VAPID_LIFETIME_SECONDS_MAX) {
      return refused(
        "The VAPID token expiration is too long: exp more than 24 h ahead",
        "invalid_expiry",
      );
    }
    return undefined;
  }
}

async function importKey(text: string): Promise<ImportedKey | undefined> {
  const bytes = decodeBase64(text);
  if (bytes === undefined || !isPoint(bytes)) return undefined;
  const key = await crypto.subtle.importKey("raw", bytes, ES256, false, ["verify"]);
  return { key, hash: createHash("sha256").update(bytes).digest() };
}

function checkHead(head: string): Verdict | undefined {
  const header = parseObject(head);
  if (header === undefined) return refused("token header is not JSON", "invalid_vapid");
  if (header.get("alg") === "ES256") return undefined;
  return refused("alg must be ES256", "invalid_algorithm");
}

async function isSigned(key: CryptoKey, signed: string, signature: string): Promise<boolean> {
  const bytes = decodeBase64(signature);
  // One spelling only: the other alphabet and padding would be a second name of the same token.
  if (bytes?.length !== 64 || !/^[A-Za-z0-9_-]+$/.test(signature)) return false;
  return await crypto.subtle.verify(ES256, key, bytes, new TextEncoder().encode(signed));
}

function readClaims(payload: string): Claims | Verdict {
  const claims = parseObject(payload);
  if (claims === undefined) return refused("token payload is not JSON", "invalid_vapid");
  const expiresAtSeconds = claims.get("exp");
  if (typeof expiresAtSeconds !== "number" || !Number.isSafeInteger(expiresAtSeconds)) {
    return refused(`${BAD_CLAIMS} exp must be a number of seconds`, "invalid_claims");
  }
  if (expiresAtSeconds < 0) {
    return refused(`${BAD_CLAIMS} exp must be a number of seconds`, "invalid_claims");
  }
  const subject = claims.get("sub") ?? undefined;
  if (subject !== undefined && typeof subject !== "string") {
    return refused(`${BAD_CLAIMS} sub must be a string`, "invalid_claims");
  }
  const audience = claims.get("aud") ?? undefined;
  if (audience === undefined) {
    return refused("Invalid VAPID token: Missing required aud", "aud_missing");
  }
  if (typeof audience !== "string") {
    return refused(`${BAD_CLAIMS} aud must be a string`, "invalid_claims");
  }
  return { expiresAtSeconds, audience, subject: subjectOf(subject) };
}

/** The members of a base64url JSON object. */
function parseObject(text: string): ReadonlyMap<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(text, "base64url").toString());
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? new Map(Object.entries(value))
      : undefined;
  } catch {
    return undefined;
  }
}

function subjectOf(subject: string | undefined): VapidSubject {
  if (subject === undefined) return "missing";
  if (subject === "") return "empty";
  return /^(mailto:|https:\/\/)/.test(subject) ? "ok" : "bad_format";
}

function refused(message: string, fault: VapidFault): Verdict {
  return { ok: false, error: unauthorized(message), fault };
}
