/**
 * Answers of the API door, and its errors as problem documents (RFC 9457).
 *
 * @module
 */
import { STATUS_CODES } from "node:http";

/** A whole answer; a HEAD request gets its headers and the length of its body. */
export interface Answer {
  /** HTTP status. */
  readonly status: number;
  /** Headers by lower-case name, without the length. */
  readonly headers: Readonly<Record<string, string>>;
  /** The body. */
  readonly body: string | Uint8Array;
}

/** Media type of {@linkcode problemText}. */
export const PROBLEM_TYPE = "application/problem+json";

/**
 * The text of a problem document of type `about:blank`, whose title is the status's phrase
 * (RFC 9457 sections 3 and 4.2.1).
 *
 * @param status HTTP status.
 * @param detail A sentence for the person who reads it: what was found and what is allowed.
 */
export function problemText(status: number, detail: string): string {
  return JSON.stringify({ title: STATUS_CODES[status] ?? "Error", status, detail }) + "\n";
}

/** An error as an answer, with further headers such as `allow`. */
export function problem(
  status: number,
  detail: string,
  headers: Readonly<Record<string, string>> = {},
): Answer {
  return {
    status,
    headers: { "content-type": PROBLEM_TYPE, "cache-control": "no-store", ...headers },
    body: problemText(status, detail),
  };
}

/** A JSON answer that no cache keeps. */
export function json(status: number, value: unknown): Answer {
  return {
    status,
    headers: { "content-type": "application/json", "cache-control": "no-store" },
    body: JSON.stringify(value) + "\n",
  };
}
