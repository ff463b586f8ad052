/**
 * Coded errors of everything that stands on Redis, and what Redis's own error replies mean to a caller.
 *
 * There are two moments and a class for each: Redis cannot be used (a person has to act), or an open
 * connection cannot serve a call (the caller may try again later). No text has a password in it: only
 * host and port of an address are ever named.
 *
 * @module
 */

import { ErrorReply } from "redis";
import { QUOTED_CHARS_MAX } from "./limits.ts";

/** Why a call failed on an open connection. */
export type StoreErrorCode =
  /** Redis is away, still loading, or did not answer in time; it is connected to again by itself. */
  | "unavailable"
  /** More calls are on their way than are allowed, or Redis is held up by a script. */
  | "busy"
  /** Redis has reached its `maxmemory`. */
  | "full"
  /** Redis cannot or may not write: its disk failed, it is a replica, or the user lacks the right. */
  | "io"
  /** A key holds something of another type: it belongs to another program. */
  | "wrong_type"
  /** What a key holds is not what this program writes; the text names key and field. */
  | "damaged"
  /** The connection was closed. */
  | "closed";

/**
 * The call could not be served. When the connection was lost on the way, the call may have taken
 * effect all the same, as with every server behind a network; any other reason means that it did not.
 */
export class StoreError extends Error {
  /** The class, for messages and logs. */
  override readonly name = "StoreError";
  /** Stable reason. */
  readonly code: StoreErrorCode;

  /** Makes the error for `code`. */
  constructor(code: StoreErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Why Redis could not be used at all. */
export type StoreOpenErrorCode =
  /** The address is no address of Redis. */
  | "bad_address"
  /** Nothing answers there. */
  | "unreachable"
  /** User or password is missing or wrong. */
  | "wrong_password"
  /** The server's certificate is not trusted, or one of the two does not speak TLS. */
  | "tls"
  /** What answers there is not Redis. */
  | "not_redis"
  /** It is a Redis that lacks what is needed. */
  | "too_old"
  /** It is a cluster and the address does not say so, or the reverse. */
  | "cluster_mismatch"
  /** It is a replica, which takes no writes. */
  | "replica"
  /** It has been started and still reads its data from the disk. */
  | "loading"
  /** Its keys were written by a newer version of this program. */
  | "newer_schema"
  /** Anything else; the message has Redis's own words. */
  | "unusable";

/** Redis could not be used; the message is a sentence for the operator. */
export class StoreOpenError extends Error {
  /** The class, for messages and logs. */
  override readonly name = "StoreOpenError";
  /** Stable reason. */
  readonly code: StoreOpenErrorCode;

  /** Makes the error for `code`. */
  constructor(code: StoreOpenErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Throws when `condition` does not hold: a bug of this program, not a state of the world. */
export function invariant(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(`Invariant broken: ${message}`);
}

/** A text of unknown origin and length, cut for a message. */
export function quoted(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.length > QUOTED_CHARS_MAX ? `${text.slice(0, QUOTED_CHARS_MAX)}…` : text;
}

/** First words of Redis's error replies that tell about the world and not about a command. */
const REPLY_CODES: ReadonlyMap<string, StoreErrorCode> = new Map([
  ["OOM", "full"],
  ["MISCONF", "io"],
  ["READONLY", "io"],
  ["NOPERM", "io"],
  ["NOREPLICAS", "io"],
  ["BUSY", "busy"],
  ["LOADING", "unavailable"],
  ["MASTERDOWN", "unavailable"],
  ["CLUSTERDOWN", "unavailable"],
  ["TRYAGAIN", "unavailable"],
  // More redirections than are followed: the cluster moves its keys just now.
  ["MOVED", "unavailable"],
  ["ASK", "unavailable"],
  ["NOAUTH", "unavailable"],
  ["WRONGPASS", "unavailable"],
]);

/** The first word of an error reply, by which Redis tells its kinds apart; empty for anything else. */
export function replyWord(error: unknown): string {
  return error instanceof Error ? /^([A-Z]+)\b/.exec(error.message)?.[1] ?? "" : "";
}

/**
 * What a failed call means to the caller, or `undefined` when the command itself was at fault, which is
 * a bug. Whatever Redis did not answer itself is a failure of the connection: the system and TLS have
 * many words for it.
 */
export function storeErrorCode(error: unknown): StoreErrorCode | undefined {
  if (error instanceof ErrorReply) return REPLY_CODES.get(replyWord(error));
  return error instanceof Error && !(error instanceof TypeError) ? "unavailable" : undefined;
}

/** Wraps what a call threw; an error without a code is a bug and stays what it is. */
export function asStoreError(action: string, error: unknown): unknown {
  if (error instanceof StoreError) return error;
  const code = storeErrorCode(error);
  if (code === undefined) return error;
  return new StoreError(code, `Cannot ${action}: ${quoted(error)}`, { cause: error });
}

/** Words of Redis, of TLS and of the system by which a failed opening is told apart; the first wins. */
const OPEN_FAILURES: readonly (readonly [RegExp, StoreOpenErrorCode])[] = [
  [/^(NOAUTH|WRONGPASS)\b|AUTH <password>|invalid (username|password)/, "wrong_password"],
  [/certificate|corrupt message|InvalidContentType|\bTLS\b|\bSSL\b|CERT_/i, "tls"],
  [/Unknown RESP type|protocol error|invalid RESP/i, "not_redis"],
  [/cluster support disabled/, "cluster_mismatch"],
];

/** The sentence for each reason that is found in words; the others are made where they are found. */
function openSentence(code: StoreOpenErrorCode, place: string, words: string): string {
  switch (code) {
    case "wrong_password":
      return `Cannot use Redis at ${place}: it refused user or password (${words}). Write them into the address, as in redis://user:password@host:port`;
    case "tls":
      return `Cannot use Redis at ${place}: TLS failed (${words}). Use rediss:// exactly where Redis speaks TLS, and name the authority that signed its certificate`;
    case "not_redis":
      return `Cannot use Redis at ${place}: what answers there is not Redis`;
    case "unreachable":
      return `Cannot reach Redis at ${place}: ${words}. Is it running, is the address right, and is it rediss:// exactly where Redis speaks TLS?`;
    case "cluster_mismatch":
      return `Cannot use Redis at ${place}: it is no cluster. Leave "cluster=true" out of the address`;
    case "bad_address":
    case "too_old":
    case "replica":
    case "loading":
    case "newer_schema":
    case "unusable":
      return `Cannot use Redis at ${place}: ${words}`;
  }
}

/** Tells why the Redis at `place`, its host and port, could not be used from what was thrown. */
export function asOpenError(place: string, error: unknown): StoreOpenError {
  if (error instanceof StoreOpenError) return error;
  const words = quoted(error);
  if (error instanceof StoreError) {
    return new StoreOpenError("unusable", openSentence("unusable", place, words), { cause: error });
  }
  const code = OPEN_FAILURES.find(([pattern]) => pattern.test(words))?.[1] ??
    (error instanceof ErrorReply ? "unusable" : "unreachable");
  return new StoreOpenError(code, openSentence(code, place, words), { cause: error });
}
