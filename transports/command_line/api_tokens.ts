/**
 * Named API tokens: only their SHA-256 is kept, in `DATA/api-tokens.json`, and the verifier that
 * knows them and the main token.
 *
 * A token is 256 random bits, so one round of a plain hash is enough: there is nothing to guess,
 * and a file that leaks opens nothing. The file is looked at again when it changed, so a token
 * works or stops working within a second, without a restart. A file that cannot be read opens
 * nothing either: all named tokens are refused until it is right again.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { createHash, timingSafeEqual } from "node:crypto";
import { join } from "node:path";
import { generateApiToken } from "./key_files.ts";
import { isRecord } from "./is_record.ts";
import { API_TOKENS_FILE_BYTES_MAX, API_TOKENS_LOOK_MS, API_TOKENS_MAX } from "./limits.ts";
import { makePrivateFolder, readPrivateFile, replacePrivateFile } from "./private_file.ts";
import { Secret } from "./secret.ts";

/** What a token may do: look, send with its devices, or everything. */
export type TokenScope = "read" | "send" | "admin";

/** All scopes, from least to most. */
export const TOKEN_SCOPES: readonly TokenScope[] = ["read", "send", "admin"];

/** What a presented token is. */
export type TokenVerdict =
  | { readonly kind: "ok"; readonly name: string; readonly scopes: readonly TokenScope[] }
  | { readonly kind: "expired"; readonly name: string }
  | { readonly kind: "unknown" };

/** The times this module needs. */
export interface TokenClock {
  /** Monotonic time in milliseconds. */
  now(): number;
  /** Wall-clock time in milliseconds since 1970. */
  wallNow(): number;
}

/** One named token as the file keeps it. */
interface StoredToken {
  readonly name: string;
  readonly sha256: string;
  readonly created: string;
  readonly expires: string | null;
  /** Absent in files from before there were scopes: such a token may do everything. */
  readonly scopes?: readonly TokenScope[];
}

/** A token that was made: the only time its text is known. */
export type MadeToken =
  | {
    readonly kind: "made";
    /** Its text, to print once. */
    readonly token: Secret<string>;
    /** Its name. */
    readonly name: string;
    /** What it may do. */
    readonly scopes: readonly TokenScope[];
    /** When it ends, in milliseconds since 1970; never when absent. */
    readonly expiresAt: number | undefined;
    /** The file that knows its hash. */
    readonly path: string;
  }
  | { readonly kind: "failed"; readonly problem: string };

/** The tokens of a file, or what is wrong with it. */
type Tokens =
  | { readonly kind: "tokens"; readonly tokens: readonly StoredToken[] }
  | { readonly kind: "problem"; readonly problem: string };

/** The name of the main token in logs. */
const MAIN = "main";

const EVERYTHING: readonly TokenScope[] = ["admin"];

function tokensPath(data: string): string {
  return join(data, "api-tokens.json");
}

function hash(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}

function isTime(value: unknown): value is string {
  return typeof value === "string" && !Number.isNaN(Date.parse(value));
}

/** One entry of the file, `undefined` when it is not what this module writes. */
function storedToken(value: unknown): StoredToken | undefined {
  if (!isRecord(value)) return undefined;
  const { name, sha256, created, expires, scopes } = value;
  if (typeof name !== "string" || !isTime(created)) return undefined;
  if (typeof sha256 !== "string" || !/^[0-9a-f]{64}$/.test(sha256)) return undefined;
  if (expires !== null && !isTime(expires)) return undefined;
  const token = { name, sha256, created, expires };
  if (scopes === undefined) return token;
  return isScopes(scopes) ? { ...token, scopes } : undefined;
}

function isScopes(value: unknown): value is readonly TokenScope[] {
  return Array.isArray(value) && value.length > 0 &&
    value.every((scope) => TOKEN_SCOPES.some((known) => known === scope));
}

function parseTokens(path: string, text: string): Tokens {
  const problem = (what: string): Tokens => ({ kind: "problem", problem: `${path}: ${what}` });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return problem("not JSON. Correct it, or remove it to revoke all named tokens");
  }
  const list: unknown = isRecord(value) ? value["tokens"] : undefined;
  if (!Array.isArray(list)) return problem('no array "tokens". Correct it, or remove it');
  if (list.length > API_TOKENS_MAX) return problem(`over ${API_TOKENS_MAX} tokens. Remove some`);
  const tokens: StoredToken[] = [];
  for (const [index, entry] of list.entries()) {
    const token = storedToken(entry);
    if (token === undefined) return problem(`tokens[${index}] is malformed. Correct or remove it`);
    tokens.push(token);
  }
  return { kind: "tokens", tokens };
}

function readTokens(path: string): Tokens {
  const found = readPrivateFile(path, API_TOKENS_FILE_BYTES_MAX);
  switch (found.kind) {
    case "missing":
      return { kind: "tokens", tokens: [] };
    case "refused":
      return { kind: "problem", problem: found.problem };
    case "text":
      return parseTokens(path, found.text);
  }
}

/** The first of `token-1`, `token-2`, … that is free. */
function freeName(tokens: readonly StoredToken[]): string {
  let number = 1;
  while (tokens.some((token) => token.name === `token-${number}`)) number++;
  return `token-${number}`;
}

/** What a new token is to be. */
export interface TokenRequest {
  /** The data folder; made when it is missing. */
  readonly data: string;
  /** Its name, unique; `token-1` and so on when absent. */
  readonly name: string | undefined;
  /** How long it is valid, for ever when absent. */
  readonly lifetimeSeconds: number | undefined;
  /** What it may do; everything when absent. */
  readonly scopes?: readonly TokenScope[] | undefined;
}

/** Makes a token, appends its hash to `DATA/api-tokens.json` (mode 0600) and returns its text. */
export function makeApiToken(request: TokenRequest, clock: TokenClock): MadeToken {
  const folder = makePrivateFolder(request.data);
  if (folder.kind === "failed") return folder;
  const path = tokensPath(request.data);
  const token = generateApiToken();
  const { scopes = EVERYTHING } = request;
  const now = clock.wallNow();
  const expiresAt = request.lifetimeSeconds === undefined
    ? undefined
    : now + request.lifetimeSeconds * 1_000;
  let name = request.name ?? "";
  const written = replacePrivateFile(path, () => {
    const known = readTokens(path);
    if (known.kind === "problem") return known;
    if (known.tokens.length >= API_TOKENS_MAX) {
      return { problem: `${path} has ${API_TOKENS_MAX} tokens. Remove the unused ones first` };
    }
    name = request.name ?? freeName(known.tokens);
    if (name === MAIN || known.tokens.some((token) => token.name === name)) {
      return { problem: `--name: "${name}" is taken. Choose another name` };
    }
    const entry: StoredToken = {
      name,
      sha256: hash(token).toString("hex"),
      created: new Date(now).toISOString(),
      expires: expiresAt === undefined ? null : new Date(expiresAt).toISOString(),
      scopes,
    };
    return { text: `${JSON.stringify({ tokens: [...known.tokens, entry] }, null, 2)}\n` };
  });
  if (written.kind === "failed") return written;
  return { kind: "made", token: new Secret(token), name, scopes, expiresAt, path };
}

/** A token as it is compared. */
interface KnownToken {
  readonly name: string;
  readonly digest: Buffer;
  readonly scopes: readonly TokenScope[];
  readonly expiresAt: number;
}

/** What a verifier is made of. */
export interface ApiTokensOptions {
  /** The data folder. */
  readonly data: string;
  /** The main token, which never expires. */
  readonly main: Secret<string>;
  /** Times, injected. */
  readonly clock: TokenClock;
  /** Told once per change of the file when it cannot be used; a sentence without secrets. */
  readonly onProblem?: (problem: string) => void;
}

/** Verifies presented tokens, the main one and the named ones. */
export class ApiTokens {
  readonly #path: string;
  readonly #clock: TokenClock;
  readonly #main: KnownToken;
  readonly #onProblem: ((problem: string) => void) | undefined;
  #named: readonly KnownToken[] = [];
  #stamp = "";
  #lookAt = -Infinity;

  /** A verifier which reads the file at once. */
  constructor(options: ApiTokensOptions) {
    this.#path = tokensPath(options.data);
    this.#clock = options.clock;
    this.#onProblem = options.onProblem;
    this.#main = {
      name: MAIN,
      digest: hash(options.main.reveal()),
      scopes: EVERYTHING,
      expiresAt: Infinity,
    };
    this.#look();
  }

  /**
   * What this token is. It is compared with all known ones in constant time each, by their hashes,
   * so that neither time nor order tells anything about them.
   */
  verify(token: string): TokenVerdict {
    if (this.#clock.now() >= this.#lookAt) this.#look();
    const digest = hash(token);
    let found: KnownToken | undefined;
    for (const known of [this.#main, ...this.#named]) {
      if (timingSafeEqual(known.digest, digest)) found = known;
    }
    if (found === undefined) return { kind: "unknown" };
    const { name, scopes, expiresAt } = found;
    return this.#clock.wallNow() >= expiresAt
      ? { kind: "expired", name }
      : { kind: "ok", name, scopes };
  }

  /** Reads the file again when it is another than at the last look. */
  #look(): void {
    this.#lookAt = this.#clock.now() + API_TOKENS_LOOK_MS;
    const stamp = this.#currentStamp();
    if (stamp === this.#stamp) return;
    this.#stamp = stamp;
    const read = readTokens(this.#path);
    if (read.kind === "problem") {
      this.#named = [];
      this.#onProblem?.(read.problem);
      return;
    }
    this.#named = read.tokens.map((token) => ({
      name: token.name,
      digest: Buffer.from(token.sha256, "hex"),
      scopes: token.scopes ?? EVERYTHING,
      expiresAt: token.expires === null ? Infinity : Date.parse(token.expires),
    }));
  }

  /** What changes whenever the file does: a rename gives it a new inode, an editor a new time. */
  #currentStamp(): string {
    try {
      const { ino, mtime, size, mode } = Deno.statSync(this.#path);
      return `${ino}/${mtime?.getTime()}/${size}/${mode}`;
    } catch (error) {
      return error instanceof Error ? error.name : "";
    }
  }
}
