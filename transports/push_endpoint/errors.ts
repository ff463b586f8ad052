/**
 * Every answer that is not a success: status, errno, sentence and headers, in one place.
 *
 * The numbers, the sentences and the order of the body's keys are autopush's (its published table of
 * error codes); after its sentence a colon introduces what was seen and what is allowed. Invariants: every
 * 404 has an empty body, 401 a `WWW-Authenticate` (RFC 9110 section 11.6.1), 410 a `Cache-Control`, 429
 * and 503 a `Retry-After`, 405 an `Allow` (RFC 9110 section 15.5.6).
 *
 * @module
 */

import { OVER_LIMIT_RETRY_AFTER_SECONDS, RETRY_AFTER_SECONDS } from "./limits.ts";

/** An answer that is not a success. */
export interface PushError {
  /** HTTP status. */
  readonly status: ErrorStatus;
  /** Autopush's number of the error, `null` where it has none. */
  readonly errno: number | null;
  /** A sentence for the sender's developer. */
  readonly message: string;
  /** Headers that belong to the status. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** Statuses that are not a success. */
export type ErrorStatus =
  | 400
  | 401
  | 404
  | 405
  | 408
  | 410
  | 413
  | 414
  | 417
  | 421
  | 429
  | 431
  | 500
  | 503
  | 505;

const PHRASES: Readonly<Record<ErrorStatus, string>> = {
  400: "Bad Request",
  401: "Unauthorized",
  404: "Not Found",
  405: "Method Not Allowed",
  408: "Request Timeout",
  410: "Gone",
  413: "Payload Too Large",
  414: "URI Too Long",
  417: "Expectation Failed",
  421: "Misdirected Request",
  429: "Too Many Requests",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  503: "Service Unavailable",
  505: "HTTP Version Not Supported",
};

const MORE_INFO = "http://autopush.readthedocs.io/en/latest/http.html#error-codes";

/** The JSON body of an error, keys in autopush's order. */
export function errorBody(error: Pick<PushError, "status" | "errno" | "message">): string {
  const { status, errno, message } = error;
  return JSON.stringify({
    code: status,
    errno,
    error: PHRASES[status],
    message,
    more_info: MORE_INFO,
  });
}

/** Unknown path or token. */
export const NOT_FOUND: PushError = { status: 404, errno: 102, message: "Invalid token" };

/** The subscription is gone for good; a sender deletes it. */
export const NO_SUBSCRIPTION: PushError = {
  status: 410,
  errno: 106,
  message: "No such subscription",
  headers: { "Cache-Control": "max-age=86400" },
};

/** The message id of a DELETE does not open. */
export const INVALID_MESSAGE_ID: PushError = {
  status: 400,
  errno: null,
  message: "Invalid message ID",
};

/** The user agent has too many messages waiting. */
export const OVER_LIMIT: PushError = {
  status: 429,
  errno: null,
  message: "Too many messages are waiting for this user agent",
  headers: { "Retry-After": String(OVER_LIMIT_RETRY_AFTER_SECONDS) },
};

const RETRY = { "Retry-After": String(RETRY_AFTER_SECONDS) };

/** The message could not be stored. */
export const SAVE_FAILED: PushError = {
  status: 503,
  errno: 201,
  message: "Database error while saving notification",
  headers: RETRY,
};

/** The subscriptions cannot be read, or a message not be withdrawn. */
export const UNAVAILABLE: PushError = {
  status: 503,
  errno: null,
  message: "The service is not available now",
  headers: RETRY,
};

/** Two `Authorization` headers: which of them is meant is anyone's guess. */
export const AUTHORIZATION_REPEATED: PushError = {
  status: 400,
  errno: 109,
  message: "Authorization given twice",
};

/** A method the resource does not have; `allow` lists what it has. */
export function methodNotAllowed(allow: string, message: string): PushError {
  return { status: 405, errno: null, message, headers: { Allow: allow } };
}

/** A VAPID failure, RFC 8292. */
export function unauthorized(message: string): PushError {
  return { status: 401, errno: 109, message, headers: { "WWW-Authenticate": "vapid" } };
}

/** A body above the limit; the size is known when it was declared. */
export function payloadTooLarge(bytes: number | undefined, bytesMax: number): PushError {
  const seen = bytes === undefined ? "more" : `${bytes} bytes`;
  return {
    status: 413,
    errno: 104,
    message: `payload reached size limit: ${seen}, at most ${bytesMax}`,
  };
}

/** Bad encryption headers. */
export function badEncryption(message: string): PushError {
  return { status: 400, errno: 110, message };
}

/** A missing or malformed `TTL`. */
export function badTtl(message: string): PushError {
  return { status: 400, errno: 111, message };
}

/** A malformed `Topic`. */
export function badTopic(message: string): PushError {
  return { status: 400, errno: 113, message };
}

/** A negative `TTL`. */
export function negativeTtl(message: string): PushError {
  return { status: 400, errno: 114, message };
}
