/**
 * Access tokens of a service account (RFC 7523: a signed assertion is exchanged for a token).
 *
 * Invariants: at most one request for a token is under way; a token is asked for five minutes before
 * the old one ends, and the old one is used meanwhile; after a failure nobody asks for ten seconds.
 * No text that leaves this module holds a token, an assertion or a key.
 *
 * @module
 */

import { importPKCS8, SignJWT } from "jose";
import { parseObject, shown } from "../provider/answer_text.ts";
import type { JsonObject, Verdict } from "../provider/provider.ts";
import type { Renew } from "../provider/renewal.ts";
import { type TokenHealth, TokenRecord } from "../provider/token_health.ts";
import type { FcmClock } from "./clock.ts";
import type { ServiceAccount } from "./credentials.ts";
import {
  ACCESS_TOKEN_CHARACTERS_MAX,
  ASSERTION_LIFE_SECONDS,
  TOKEN_ANSWER_BYTES_MAX,
  TOKEN_EARLY_MS,
  TOKEN_LIFE_SECONDS,
  TOKEN_LIFE_SECONDS_MAX,
  TOKEN_RETRY_MS,
  TOKEN_TIMEOUT_MS,
} from "./limits.ts";

/** A token, or what its absence means for messages. */
export type Grant =
  | { readonly kind: "token"; readonly text: string }
  | { readonly kind: "refused"; readonly verdict: Verdict };

/** What was last granted. */
interface Granted {
  readonly grant: Grant;
  /** From when on it is to be replaced. */
  readonly renewAt: number;
  /** Until when it may be used. */
  readonly expiresAt: number;
}

/** A verdict that says why there is no token. */
type Refusal = Extract<Verdict, { readonly kind: "pause" | "unsent" }>;

const SCOPE = "https://www.googleapis.com/auth/firebase.messaging";
const GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/** Gets and keeps the tokens of one account. */
export class AccessTokens {
  readonly #account: ServiceAccount;
  readonly #clock: FcmClock;
  readonly #caCerts: readonly string[];
  readonly #record = new TokenRecord();
  #key: Promise<CryptoKey> | undefined;
  #granted: Granted | undefined;
  #underWay: Promise<Grant> | undefined;

  /**
   * Makes a source that has no token yet.
   *
   * @param account The account; it must have been checked.
   * @param clock Tells the time.
   * @param caCerts Further roots the token endpoint may be certified by, PEM.
   */
  constructor(account: ServiceAccount, clock: FcmClock, caCerts: readonly string[]) {
    this.#account = account;
    this.#clock = clock;
    this.#caCerts = caCerts;
  }

  /** How the account's tokens do. */
  get health(): TokenHealth {
    return this.#record.health;
  }

  /** The token to send with now. */
  token(): Promise<Grant> {
    const now = this.#clock.wallNow();
    const granted = this.#granted;
    if (granted === undefined || isOver(granted, now)) return this.#ask();
    // The request never rejects and leaves its result behind: nobody has to wait for it.
    if (now >= granted.renewAt) void this.#ask();
    return Promise.resolve(granted.grant);
  }

  /** A token instead of one that was refused: the one that has replaced it, or a new one. */
  renew(used: string): Promise<Grant> {
    const grant = this.#granted?.grant;
    if (grant?.kind === "token" && grant.text === used) this.#granted = undefined;
    return this.token();
  }

  /** Remembers that a fresh token was refused. */
  refused({ reason }: Renew): void {
    this.#record.failed(this.#clock.wallNow(), reason);
  }

  #ask(): Promise<Grant> {
    this.#underWay ??= this.#request()
      .then((granted) => this.#keep(granted))
      .finally(() => this.#underWay = undefined);
    return this.#underWay;
  }

  #keep(granted: Granted): Grant {
    const old = this.#granted;
    const now = this.#clock.wallNow();
    if (granted.grant.kind === "refused" && old?.grant.kind === "token" && now < old.expiresAt) {
      this.#granted = { ...old, renewAt: granted.expiresAt };
      return old.grant;
    }
    this.#granted = granted;
    return granted.grant;
  }

  async #request(): Promise<Granted> {
    const host = new URL(this.#account.tokenUri).host;
    let assertion: string;
    try {
      assertion = await this.#assert();
    } catch {
      // The key was looked at by another library; what this one says might repeat a part of it.
      return this.#refused({ kind: "pause", status: 0, reason: "private_key cannot sign" });
    }
    const deadline = new AbortController();
    const timer = setTimeout(() => deadline.abort(), TOKEN_TIMEOUT_MS);
    // One request an hour: no connection is worth keeping for the next one.
    using client = Deno.createHttpClient({ caCerts: [...this.#caCerts], poolMaxIdlePerHost: 0 });
    try {
      const response = await fetch(this.#account.tokenUri, {
        client,
        method: "POST",
        body: new URLSearchParams({ grant_type: GRANT_TYPE, assertion }),
        // A redirect would hand the assertion to somebody else.
        redirect: "manual",
        signal: deadline.signal,
      });
      const body = await readBounded(response);
      return this.#judge(host, response.status, body);
    } catch {
      const why = deadline.signal.aborted ? "did not answer in time" : "cannot be reached";
      return this.#refused(unsent(`token endpoint ${host} ${why}`));
    } finally {
      clearTimeout(timer);
    }
  }

  async #assert(): Promise<string> {
    const { clientEmail, privateKey, privateKeyId, tokenUri } = this.#account;
    this.#key ??= importPKCS8(privateKey, "RS256");
    const issuedAt = Math.floor(this.#clock.wallNow() / 1_000);
    const header = { alg: "RS256", typ: "JWT" };
    return await new SignJWT({ scope: SCOPE })
      .setProtectedHeader(privateKeyId === undefined ? header : { ...header, kid: privateKeyId })
      .setIssuer(clientEmail)
      .setAudience(tokenUri)
      .setIssuedAt(issuedAt)
      .setExpirationTime(issuedAt + ASSERTION_LIFE_SECONDS)
      .sign(await this.#key);
  }

  #judge(host: string, status: number, body: JsonObject | undefined): Granted {
    const text = body?.access_token;
    if (status === 200 && typeof text === "string" && isToken(text)) {
      const lifeMs = lifeSeconds(body?.expires_in) * 1_000;
      const expiresAt = this.#clock.wallNow() + lifeMs;
      const renewAt = expiresAt - Math.min(TOKEN_EARLY_MS, lifeMs / 2);
      this.#record.got(expiresAt - lifeMs, expiresAt);
      return { grant: { kind: "token", text }, renewAt, expiresAt };
    }
    const error = body?.error;
    if (typeof error === "string" && status >= 400 && status < 500 && status !== 429) {
      const described = body?.error_description;
      const words = typeof described === "string" ? `${error}: ${described}` : error;
      return this.#refused({ kind: "pause", status, reason: shown(words) });
    }
    return this.#refused(unsent(
      status === 200
        ? `bad answer from token endpoint ${host}`
        : `token endpoint ${host} answered ${status}`,
    ));
  }

  /** A refusal is remembered for a while, so that a thousand batches do not ask a thousand times. */
  #refused(verdict: Refusal): Granted {
    const now = this.#clock.wallNow();
    this.#record.failed(now, verdict.reason);
    const until = now + TOKEN_RETRY_MS;
    return { grant: { kind: "refused", verdict }, renewAt: until, expiresAt: until };
  }
}

/** A refusal counts for its while only, even if the clock was put back meanwhile. */
function isOver({ grant, expiresAt }: Granted, now: number): boolean {
  return now >= expiresAt || (grant.kind === "refused" && expiresAt - now > TOKEN_RETRY_MS);
}

function unsent(reason: string): Refusal {
  return { kind: "unsent", reason, afterMs: TOKEN_RETRY_MS };
}

/** Whether a text can stand in a header field as it is (RFC 6750 section 2.1). */
function isToken(text: string): boolean {
  return text.length <= ACCESS_TOKEN_CHARACTERS_MAX && /^[\w.~+/-]+=*$/.test(text);
}

function lifeSeconds(value: unknown): number {
  return typeof value === "number" && value > 0
    ? Math.min(value, TOKEN_LIFE_SECONDS_MAX)
    : TOKEN_LIFE_SECONDS;
}

/** The object in a body; `undefined` for anything else, and for more than is read. */
async function readBounded(response: Response): Promise<JsonObject | undefined> {
  if (response.body === null) return undefined;
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let bytes = 0;
  for await (const chunk of response.body) {
    bytes += chunk.length;
    // Leaving the loop cancels the rest.
    if (bytes > TOKEN_ANSWER_BYTES_MAX) return undefined;
    chunks.push(chunk);
  }
  return parseObject(await new Blob(chunks).text());
}
