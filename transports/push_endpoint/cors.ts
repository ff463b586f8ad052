/**
 * Cross-origin headers, so that web pages can be senders (the Fetch standard, "CORS protocol").
 *
 * Any origin is allowed: an endpoint's URL is the secret, and no cookie or credential is ever looked at.
 * Beyond autopush, `Location`, `TTL` and `Link` are exposed, since without them a page cannot
 * see the message it made.
 *
 * @module
 */

import type { IncomingMessage } from "node:http";
import { PREFLIGHT_SECONDS } from "./limits.ts";

const NONE: Readonly<Record<string, string>> = {};
const VARY = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers";

/** Headers of an answer: none when the request has no `Origin`. */
export function corsHeaders(request: IncomingMessage): Readonly<Record<string, string>> {
  const origin = request.headers.origin;
  if (origin === undefined) return NONE;
  return {
    "Access-Control-Allow-Origin": origin,
    "Access-Control-Expose-Headers": "Location, TTL, Link",
    "Vary": VARY,
  };
}

/** Whether an OPTIONS request asks, for a page, what it may send. */
export function isPreflight(request: IncomingMessage): boolean {
  return request.headers.origin !== undefined &&
    request.headers["access-control-request-method"] !== undefined;
}

/** Headers that answer a preflight. */
export function preflightHeaders(request: IncomingMessage): Readonly<Record<string, string>> {
  const asked = request.headers["access-control-request-headers"];
  return {
    "Access-Control-Allow-Origin": request.headers.origin ?? "",
    "Access-Control-Allow-Methods": "DELETE, GET, POST, PUT",
    ...asked !== undefined && { "Access-Control-Allow-Headers": asked },
    "Access-Control-Max-Age": String(PREFLIGHT_SECONDS),
    "Vary": VARY,
  };
}
