/**
 * Coded errors of the SQLite store, and what each of SQLite's result codes means to a caller.
 *
 * There are two moments and a class for each: the store cannot be opened (a person has to act), or an
 * open store cannot serve a call (the caller may try again later).
 *
 * @module
 */

import { QUOTED_CHARS_MAX } from "./limits.ts";

/** Why a call failed on an open store. */
export type StoreErrorCode =
  /** No space left on the disk. */
  | "full"
  /** The disk, or the file, answered with an error. */
  | "io"
  /** More writes wait than are allowed, or another process holds the file. */
  | "busy"
  /** The store is closed, or its writer failed for good. */
  | "closed";

/** The store could not serve a call; nothing of that call was stored. */
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

/** Why the store could not be opened. */
export type StoreOpenErrorCode =
  /** Another process, or another store of this one, uses the directory. */
  | "in_use"
  /** The file is not a SQLite database. */
  | "not_sqlite"
  /** The file is a SQLite database of another program. */
  | "foreign"
  /** The file was written by a newer version of this program. */
  | "newer_schema"
  /** The file or its directory may not be written. */
  | "read_only"
  /** No space left on the disk. */
  | "full"
  /** Anything else; the message has the system's own words. */
  | "unusable";

/** The store could not be opened; its message is a sentence for the operator. */
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

/** SQLite's primary result codes which tell about the world and not about a statement. */
const RESULT_CODES: ReadonlyMap<number, StoreErrorCode> = new Map([
  [5, "busy"], // SQLITE_BUSY
  [6, "busy"], // SQLITE_LOCKED
  [7, "io"], // SQLITE_NOMEM
  [8, "io"], // SQLITE_READONLY
  [10, "io"], // SQLITE_IOERR
  [11, "io"], // SQLITE_CORRUPT
  [13, "full"], // SQLITE_FULL
  [14, "io"], // SQLITE_CANTOPEN
  [22, "io"], // SQLITE_NOLFS
  [26, "io"], // SQLITE_NOTADB
]);

/**
 * What a failure of SQLite means to the caller, or `undefined` when the statement itself was at
 * fault, as with a broken constraint.
 */
export function storeErrorCode(error: unknown): StoreErrorCode | undefined {
  if (!(error instanceof Error) || !("errcode" in error)) return undefined;
  // The low byte is the primary code; the rest says more than a caller can use.
  return typeof error.errcode === "number" ? RESULT_CODES.get(error.errcode & 0xff) : undefined;
}

/** Wraps what a connection threw; an error without a code is a bug and stays what it is. */
export function asStoreError(action: string, error: unknown): unknown {
  const code = storeErrorCode(error);
  if (code === undefined) return error;
  return new StoreError(code, `Cannot ${action}: ${quoted(error)}`, { cause: error });
}

/** Words of the system and of SQLite by which a failed opening is told apart. */
const OPEN_FAILURES: readonly (readonly [RegExp, StoreOpenErrorCode])[] = [
  [/not a database/, "not_sqlite"],
  [/readonly database|EACCES|EROFS|EPERM|os error (1|13|30)\b/, "read_only"],
  [/disk is full|ENOSPC|EDQUOT|os error (28|122)\b/, "full"],
];

/** The sentence for each reason that is found in words; the others are made where they are found. */
function openSentence(code: StoreOpenErrorCode, path: string, words: string): string {
  switch (code) {
    case "not_sqlite":
      return `Cannot open "${path}": it is not a SQLite database. Move it away or choose another data directory`;
    case "read_only":
      return `Cannot open "${path}": it may not be written (${words}). Give this user write access to the file and its directory`;
    case "full":
      return `Cannot open "${path}": the disk is full. Free some space and start again`;
    case "in_use":
    case "foreign":
    case "newer_schema":
    case "unusable":
      return `Cannot open "${path}": ${words}`;
  }
}

/** Tells why `path` could not be opened from what was thrown. */
export function asOpenError(path: string, error: unknown): StoreOpenError {
  if (error instanceof StoreOpenError) return error;
  const words = quoted(error);
  const code = storeErrorCode(error) === "full"
    ? "full"
    : OPEN_FAILURES.find(([pattern]) => pattern.test(words))?.[1] ?? "unusable";
  return new StoreOpenError(code, openSentence(code, path, words), { cause: error });
}
