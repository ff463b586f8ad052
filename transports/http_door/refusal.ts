/**
 * What a door refuses by itself, before a handler sees it, and the sentences it says.
 *
 * Invariants: every refusal has a status, a stable reason for counters and one sentence for a person;
 * repeated input is cut and printable. Why here: the parser's errors and our own checks answer in one
 * voice, whatever body format the door's owner renders.
 *
 * @module
 */

import type { IncomingMessage } from "node:http";
import { HEADERS_MAX, QUOTED_CHARACTERS_MAX, URL_CHARACTERS_MAX } from "./limits.ts";

/** A request that is not let in. */
export interface Refusal {
  /** HTTP status. */
  readonly status: 400 | 405 | 408 | 414 | 417 | 421 | 429 | 431 | 500 | 505;
  /** Stable name, for counters. */
  readonly reason: RefusalReason;
  /** One sentence: what was wrong, what was seen (cut), what is allowed. */
  readonly message: string;
}

/** Why a request is not let in. */
export type RefusalReason =
  | "bad_framing"
  | "bad_host"
  | "bad_method"
  | "bad_request"
  | "bad_target"
  | "bad_version"
  | "connect_refused"
  | "expectation_failed"
  | "handler_failed"
  | "headers_too_large"
  | "pipelined_too_deep"
  | "request_timeout"
  | "unknown_host"
  | "url_too_long";

/** Cuts and cleans what a client wrote, in quotes, for an error message. */
export function quoted(text: string): string {
  const cut = text.length > QUOTED_CHARACTERS_MAX
    ? `${text.slice(0, QUOTED_CHARACTERS_MAX)}…`
    : text;
  // Only printable ASCII is repeated: no control, direction or escape character reaches a log or terminal.
  return `"${cut.replace(/[^\x20-\x7e…]|["\\]/g, "?")}"`;
}

/**
 * Checks what the parser lets through although it must not reach a handler: versions other than
 * HTTP/1.x, targets that are not a path (RFC 9112 section 3.2), two `Host` headers (RFC 9112
 * section 3.2), codings other than chunked (RFC 9112 section 6.1), too many headers, long URLs.
 */
export function screen(request: IncomingMessage): Refusal | undefined {
  if (request.httpVersionMajor !== 1) {
    return refusal(
      505,
      "bad_version",
      `HTTP version must be 1.1, found ${quoted(request.httpVersion)}`,
    );
  }
  const url = request.url ?? "";
  if (url.length > URL_CHARACTERS_MAX) return urlTooLong(url.length);
  if (url.charCodeAt(0) !== 0x2f && url !== "*") return badTarget(url);
  if (url.includes("#")) return badTarget(url);
  if (request.rawHeaders.length > HEADERS_MAX * 2) {
    return refusal(431, "headers_too_large", `more than ${HEADERS_MAX} headers`);
  }
  return screenHost(request) ?? screenFraming(request);
}

/** Gives the parser's or a timer's error its refusal; `undefined` when the connection just broke. */
export function refusalOfError(error: Error): Refusal | undefined {
  const code = "code" in error ? error.code : undefined;
  const packet = "rawPacket" in error && error.rawPacket instanceof Uint8Array
    ? new TextDecoder("latin1").decode(error.rawPacket.subarray(0, URL_CHARACTERS_MAX * 2))
    : "";
  switch (code) {
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return refusal(408, "request_timeout", "the request did not arrive completely in time");
    case "HPE_HEADER_OVERFLOW":
      return packet.length > URL_CHARACTERS_MAX && !packet.includes("\n")
        ? urlTooLong(undefined)
        : refusal(431, "headers_too_large", "the request's head is larger than 16384 bytes");
    case "HPE_INVALID_TRANSFER_ENCODING":
      return refusal(400, "bad_framing", "Content-Length and Transfer-Encoding exclude each other");
    case "HPE_PAUSED_H2_UPGRADE":
      return refusal(505, "bad_version", "HTTP version must be 1.1, found an HTTP/2 preface");
    default:
      if (typeof code !== "string" || !code.startsWith("HPE_")) return undefined;
      return refusalOfPacket(packet);
  }
}

/** The refusal of a CONNECT request: this is no proxy. */
export const CONNECT_REFUSAL: Refusal = refusal(
  405,
  "connect_refused",
  "CONNECT is not served here",
);

/** The refusal of an `Expect` other than `100-continue`, RFC 9110 section 10.1.1. */
export const EXPECTATION_REFUSAL: Refusal = refusal(
  417,
  "expectation_failed",
  "Expect: only 100-continue is served",
);

/** The answer when a handler threw: it says nothing about why. */
export const FAILURE_REFUSAL: Refusal = refusal(500, "handler_failed", "internal error");

/** The refusal of a client that sends requests without waiting for answers. */
export const PIPELINE_REFUSAL: Refusal = refusal(
  429,
  "pipelined_too_deep",
  "too many requests on one connection at the same time",
);

/** The refusal of a name this door does not answer to, RFC 9110 section 15.5.20. */
export function unknownHost(host: string): Refusal {
  return refusal(421, "unknown_host", `unknown host ${quoted(host)}`);
}

function refusal(status: Refusal["status"], reason: RefusalReason, message: string): Refusal {
  return { status, reason, message };
}

function urlTooLong(characters: number | undefined): Refusal {
  const seen = characters === undefined ? "" : `, found ${characters}`;
  return refusal(414, "url_too_long", `URL: at most ${URL_CHARACTERS_MAX} characters${seen}`);
}

function badTarget(url: string): Refusal {
  return refusal(400, "bad_target", `request target must be a path, found ${quoted(url)}`);
}

function screenHost(request: IncomingMessage): Refusal | undefined {
  const raw = request.rawHeaders;
  let hosts = 0;
  for (let index = 0; index < raw.length; index += 2) {
    const name = raw[index];
    if (name?.length === 4 && name.toLowerCase() === "host") hosts++;
  }
  if (hosts === 1) return undefined;
  return refusal(400, "bad_host", hosts === 0 ? "missing Host header" : "Host given twice");
}

function screenFraming(request: IncomingMessage): Refusal | undefined {
  const coding = request.headers["transfer-encoding"];
  if (coding === undefined) return undefined;
  if (request.httpVersionMinor === 0) {
    return refusal(400, "bad_framing", "Transfer-Encoding needs HTTP/1.1");
  }
  if (coding.toLowerCase() === "chunked") return undefined;
  return refusal(400, "bad_framing", `Transfer-Encoding must be chunked, found ${quoted(coding)}`);
}

/** Looks at the first bytes the parser choked on; only a guess at the cause, the verdict stands already. */
function refusalOfPacket(packet: string): Refusal {
  const method = /^([A-Za-z]{1,32}) /.exec(packet)?.[1];
  if (method !== undefined && method !== method.toUpperCase()) {
    return refusal(400, "bad_method", `method must be upper case, found ${quoted(method)}`);
  }
  if (/^[A-Z]+ [^ ]+ HTTP\/(?!1\.[01][\r\n])/.test(packet)) {
    return refusal(505, "bad_version", "HTTP version must be 1.1");
  }
  const head = packet.split("\r\n\r\n", 1)[0] ?? "";
  const lengths = head.match(/^content-length[ \t]*:.*$/gim) ?? [];
  if (lengths.length > 1) return refusal(400, "bad_framing", "Content-Length given twice");
  const [length] = lengths;
  if (length !== undefined && !/^content-length: *[0-9]{1,15} *\r?$/i.test(length)) {
    return refusal(
      400,
      "bad_framing",
      `Content-Length must be a number of bytes, found ${quoted(length.slice(15).trim())}`,
    );
  }
  if (/^transfer-encoding/im.test(head)) {
    return refusal(400, "bad_framing", "bad Transfer-Encoding or chunk");
  }
  return refusal(400, "bad_request", "not a well-formed HTTP/1.1 request");
}
