/**
 * JSON Web Tokens as the providers check them (RFC 7519, RFC 7515), each text once.
 *
 * Synchronous `node:crypto`: a signature takes most of a millisecond, and a sender has one token for
 * thousands of requests.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { type KeyObject, verify } from "node:crypto";
import { TOKENS_MAX } from "./limits.ts";

/** A JSON object of unknown content. */
export type Members = ReadonlyMap<string, unknown>;

/** A token that can be read; whether it is signed by the key it was checked with. */
export interface Jwt {
  /** Its header. */
  readonly header: Members;
  /** Its claims. */
  readonly claims: Members;
  /** Whether the signature is the key's over these. */
  readonly signed: boolean;
}

/** The algorithms that providers take: ECDSA on P-256 (RFC 7518 section 3.4), RSA for Google (section 3.3). */
export type Algorithm = "ES256" | "RS256";

/** Reads and checks a token; `undefined` when it is none. */
export function readJwt(text: string, algorithm: Algorithm, key: KeyObject): Jwt | undefined {
  const parts = text.split(".");
  const [head = "", payload = "", signature = ""] = parts;
  const header = parseObject(Buffer.from(head, "base64url"));
  const claims = parseObject(Buffer.from(payload, "base64url"));
  if (parts.length !== 3 || header === undefined || claims === undefined) return undefined;
  const signed = header.get("alg") === algorithm && verify(
    "sha256",
    Buffer.from(`${head}.${payload}`),
    algorithm === "ES256" ? { key, dsaEncoding: "ieee-p1363" } : key,
    Buffer.from(signature, "base64url"),
  );
  return { header, claims, signed };
}

/** The members of a JSON object; `undefined` for anything else. */
export function parseObject(bytes: Uint8Array): Members | undefined {
  try {
    return members(JSON.parse(DECODER.decode(bytes)));
  } catch {
    return undefined;
  }
}

/** The members of a value that is an object and no array; `undefined` for others. */
export function members(value: unknown): Members | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? new Map(Object.entries(value))
    : undefined;
}

const DECODER = new TextDecoder("utf-8", { fatal: true });

/** Verdicts by the text they are on; the oldest is forgotten for a new one. */
export class Verdicts<V> {
  readonly #judge: (text: string) => V;
  readonly #known = new Map<string, V>();

  /** No verdicts yet. */
  constructor(judge: (text: string) => V) {
    this.#judge = judge;
  }

  /** The verdict on a text. */
  on(text: string): V {
    const known = this.#known.get(text);
    if (known !== undefined) return known;
    const verdict = this.#judge(text);
    if (this.#known.size >= TOKENS_MAX) {
      for (const oldest of this.#known.keys()) {
        this.#known.delete(oldest);
        break;
      }
    }
    this.#known.set(text, verdict);
    return verdict;
  }
}
