/**
 * Answers of the API door, and its errors as problem documents (RFC 9457).
 *
 * @module
 */
import { STATUS_CODES } from "node:http";
import type { Problem, Reply } from "./delivery.ts";
import { RETRY_AFTER_SECONDS } from "./limits.ts";

/** An answer; a HEAD request gets its headers and the length of its body. */
export interface Answer {
  /** HTTP status. */
  readonly status: number;
  /** Headers by lower-case name, without the length. */
  readonly headers: Readonly<Record<string, string>>;
  /** The body: whole, or part by part as it is made. */
  readonly body: string | Uint8Array | AsyncIterable<string | Uint8Array>;
}

/** Media type of {@linkcode problemText}. */
export const PROBLEM_TYPE = "application/problem+json";

/** Media type of a list with an entry on each line. */
export const NDJSON_TYPE = "application/x-ndjson";

/**
 * The text of a problem document of type `about:blank`, whose title is the status's phrase
 * (RFC 9457 sections 3 and 4.2.1).
 *
 * @param status HTTP status.
 * @param detail A sentence for the person who reads it: what was found and what is allowed.
 * @param problems Everything that is wrong with the request, if that is known by place.
 */
export function problemText(
  status: number,
  detail: string,
  problems?: readonly Problem[],
): string {
  const title = STATUS_CODES[status] ?? "Error";
  return JSON.stringify({ title, status, detail, problems }) + "\n";
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

/** The answer while something cannot be done, and can be again soon. */
export function unavailable(detail: string): Answer {
  return problem(503, detail, { "retry-after": `${RETRY_AFTER_SECONDS}` });
}

/** A JSON answer that no cache keeps. */
export function json(
  status: number,
  value: unknown,
  headers: Readonly<Record<string, string>> = {},
): Answer {
  return {
    status,
    headers: { "content-type": "application/json", "cache-control": "no-store", ...headers },
    body: JSON.stringify(value) + "\n",
  };
}

/** An answer of lines that are made while they are read. */
export function lines(body: AsyncIterable<string>): Answer {
  return {
    status: 200,
    headers: { "content-type": NDJSON_TYPE, "cache-control": "no-store" },
    body,
  };
}

/** The answer that a reply of the pipeline comes to: 422 with every problem, 413, 404, 409, or what is made of its value. */
export function replied<T>(reply: Reply<T>, answer: (value: T) => Answer): Answer {
  switch (reply.kind) {
    case "ok":
      return answer(reply.value);
    case "invalid":
      return invalid(reply.problems);
    case "too_many":
      return problem(413, reply.message);
    case "unknown":
      return problem(404, reply.message);
    case "conflict":
      return problem(409, reply.message);
  }
}

/** The answer to a wrong request: 422 with every problem, the first one in the detail. */
export function invalid(problems: readonly Problem[]): Answer {
  const [first] = problems;
  const where = first === undefined || first.path === "" ? "" : `${first.path}: `;
  const more = problems.length > 1 ? `, and ${problems.length - 1} more` : "";
  return {
    ...problem(422, ""),
    body: problemText(422, `${where}${first?.message ?? "not usable"}${more}`, problems),
  };
}
