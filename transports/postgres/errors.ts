/**
 * Coded errors of stores in PostgreSQL, and what each of its conditions means to a caller.
 *
 * There are two moments and a class for each: the database cannot be used (a person has to act), or an
 * open store cannot serve a call (the caller may try again later). No text repeats the address, which
 * may have a password in it, nor the details of a server's message, which may have values of a row.
 *
 * @module
 */

import { QUOTED_CHARS_MAX } from "./limits.ts";

/** Why a call failed on an open store. */
export type StoreErrorCode =
  /** No space left on the server's disk. */
  | "full"
  /** The server's disk, or its files, answered with an error; or its tables are not as they should be. */
  | "io"
  /** Too many calls wait, or the server did not get to this one in time. */
  | "busy"
  /** The store is closed. */
  | "closed"
  /** The server is not there, or does not answer. */
  | "unavailable"
  /** A row holds what this program did not write. */
  | "corrupt";

/**
 * The store could not serve a call. Nothing of that call was stored, except when the connection broke
 * between the request to commit and its answer: then nobody but the server knows.
 */
export class StoreError extends Error {
  /** The class, for messages and logs. */
  override readonly name = "StoreError";
  /** Stable reason. */
  readonly code: StoreErrorCode;

  /** Makes the error for `code`. */
  constructor(code: StoreErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** Why a database could not be used. */
export type StoreOpenErrorCode =
  /** The address is not one of a PostgreSQL database. */
  | "bad_address"
  /** Nobody answers at the address. */
  | "unreachable"
  /** TLS is demanded by one side and not offered by the other, or the certificate is not trusted. */
  | "tls"
  /** Wrong user or password, or the server does not let this user in from here. */
  | "refused"
  /** There is no database of this name. */
  | "no_database"
  /** The schema is missing or was written by an older version of this program. */
  | "older_schema"
  /** The schema was written by a newer version of this program. */
  | "newer_schema"
  /** The tables are being filled from another store, and not all is there. */
  | "unfinished_copy"
  /** The schema holds tables of another program. */
  | "foreign"
  /** Anything else; the message has the server's own words. */
  | "unusable";

/** The database could not be used; its message is a sentence for the operator. */
export class StoreOpenError extends Error {
  /** The class, for messages and logs. */
  override readonly name = "StoreOpenError";
  /** Stable reason. */
  readonly code: StoreOpenErrorCode;

  /** Makes the error for `code`. */
  constructor(code: StoreOpenErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** The way to the server was cut, or never came about: not an answer of the server. */
export class ConnectionLost extends Error {
  /** The class, for messages and logs. */
  override readonly name = "ConnectionLost";
}

/** The server and this program do not agree about TLS. */
export class TlsRefused extends Error {
  /** The class, for messages and logs. */
  override readonly name = "TlsRefused";
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

/** The server's five-character condition (PostgreSQL's appendix A), when the server answered with one. */
export function sqlState(error: unknown): string | undefined {
  if (!(error instanceof Error) || error.name !== "PostgresError" || !("code" in error)) {
    return undefined;
  }
  return typeof error.code === "string" ? error.code : undefined;
}

/** Whether a transaction fell to a conflict with another one and may be run again. */
export function isConflict(error: unknown): boolean {
  const state = sqlState(error);
  return state === "40001" || state === "40P01";
}

/** Whether the connection that this error came over is of no use any more. */
export function endsConnection(error: unknown): boolean {
  if (sqlState(error) === undefined) return true;
  return error instanceof Error && "severity" in error && error.severity !== "ERROR";
}

/** Conditions that tell about the world and not about a statement, whole ones before their classes. */
const CONDITIONS: readonly (readonly [prefix: string, code: StoreErrorCode])[] = [
  ["53100", "full"], // disk_full
  ["53", "busy"], // insufficient resources
  ["55P03", "busy"], // lock_not_available
  ["57014", "busy"], // query_canceled: the statement's time was over
  ["40", "busy"], // transaction rollback, again and again
  ["25P03", "busy"], // idle_in_transaction_session_timeout
  ["57", "unavailable"], // operator intervention: starting up, shutting down
  ["08", "unavailable"], // connection exception
  ["25006", "unavailable"], // read_only_sql_transaction: a standby
  ["28", "unavailable"], // invalid authorization, on a new connection
  ["3D000", "unavailable"], // invalid_catalog_name, on a new connection
  ["42P01", "io"], // undefined_table: somebody removed it
  ["42703", "io"], // undefined_column
  ["42501", "io"], // insufficient_privilege
  ["3F000", "io"], // invalid_schema_name
  ["58", "io"], // system error
  ["XX", "io"], // internal error, corrupted data
];

/**
 * Makes of what a connection threw what the caller is told; a fault of the statement itself, as a
 * broken constraint, is a bug and stays what it is, without the values that were in it.
 */
export function asStoreError(action: string, error: unknown): unknown {
  if (error instanceof ConnectionLost || error instanceof TlsRefused) {
    return new StoreError("unavailable", `Cannot ${action}: ${quoted(error)}`);
  }
  const state = sqlState(error);
  if (state === undefined) return error;
  const code = CONDITIONS.find(([prefix]) => state.startsWith(prefix))?.[1];
  const words = `Cannot ${action}: PostgreSQL answers ${state}: ${quoted(error)}`;
  return code === undefined ? new Error(words) : new StoreError(code, words);
}

/** Conditions by which a failed opening is told apart. */
const OPEN_CONDITIONS: readonly (readonly [prefix: string, code: StoreOpenErrorCode])[] = [
  ["28", "refused"],
  ["3D000", "no_database"],
  ["57P03", "unreachable"],
  ["53300", "unreachable"],
];

/** Tells why the database at `place`, a text without secrets, could not be used. */
export function asOpenError(place: string, error: unknown): StoreOpenError {
  if (error instanceof StoreOpenError) return error;
  const words = quoted(error);
  const prefix = `Cannot use the database at ${place}: `;
  if (error instanceof TlsRefused) return new StoreOpenError("tls", prefix + words);
  if (error instanceof ConnectionLost) {
    return new StoreOpenError("unreachable", `${prefix}${words}. Is PostgreSQL running there?`);
  }
  if (error instanceof StoreError) return new StoreOpenError("unusable", prefix + words);
  const state = sqlState(error) ?? "";
  const code = OPEN_CONDITIONS.find(([start]) => state.startsWith(start))?.[1] ?? "unusable";
  return new StoreOpenError(code, prefix + openSentence(code, words));
}

function openSentence(code: StoreOpenErrorCode, words: string): string {
  switch (code) {
    case "refused":
      return /no encryption/.test(words)
        ? `it demands TLS (${words}). Add "?sslmode=verify-full" to the address`
        : `it does not let us in (${words}). Check user and password, and the server's pg_hba.conf`;
    case "no_database":
      return `${words}. Create it, or name another one in the address`;
    case "bad_address":
    case "unreachable":
    case "tls":
    case "older_schema":
    case "newer_schema":
    case "unfinished_copy":
    case "foreign":
    case "unusable":
      return words;
  }
}
