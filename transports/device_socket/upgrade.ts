/**
 * What a request to the device door is: an upgrade to WebSocket (RFC 6455 section 4.2), a health
 * check, or a mistake; and the bytes of every answer.
 *
 * Extensions and sub-protocols are never accepted: compression would cost each connection its
 * window, and Firefox, which offers both, is content without.
 *
 * @module
 */

import { createHash } from "node:crypto";
import type { HttpProblem, RequestHead } from "./http_head.ts";
import { HEADER_VALUE_CHARS_MAX } from "./limits.ts";

/** What is known of a device before its first message. */
export interface UpgradeInfo {
  /** The path it asked for: `/`. */
  readonly path: string;
  /** Its `User-Agent`, cut at 256 characters, empty when it sent none. */
  readonly userAgent: string;
  /** Its `Origin`, cut at 256 characters, empty when it sent none; Firefox sends the server's. */
  readonly origin: string;
  /** The address at the other end of TCP: a proxy's, when there is one. */
  readonly remoteAddress: string;
}

/** How to answer a request. */
export type RequestKind =
  | { readonly kind: "upgrade"; readonly accept: string }
  | { readonly kind: "status"; readonly withBody: boolean }
  | { readonly kind: "alive"; readonly withBody: boolean }
  | { readonly kind: "refused"; readonly problem: HttpProblem };

/** Tells what a request is. */
export function judgeRequest(head: RequestHead): RequestKind {
  const upgrade = hasToken(head, "upgrade", "websocket");
  if (upgrade) return judgeUpgrade(head);
  const place = PLACES.get(head.path);
  // The path is not repeated: a sender at the wrong door brings an endpoint, and this is logged.
  if (place === undefined) return refused(404, "nothing at this path; devices connect at /");
  if (head.method !== "GET" && head.method !== "HEAD") {
    return refused(405, "only GET and HEAD are answered here");
  }
  if (place === "socket") return refused(400, "devices connect here by WebSocket (RFC 6455)");
  return { kind: place, withBody: head.method === "GET" };
}

/** Paths as autopush has them, so that its load balancers' checks work unchanged. */
const PLACES: ReadonlyMap<string, "socket" | "status" | "alive"> = new Map([
  ["/", "socket"],
  ["/status", "status"],
  ["/health", "status"],
  ["/__heartbeat__", "status"],
  ["/__lbheartbeat__", "alive"],
]);

/** The requirements of RFC 6455 section 4.2.1, in its order. */
function judgeUpgrade(head: RequestHead): RequestKind {
  if (head.method !== "GET") return refused(400, "an upgrade to WebSocket is a GET");
  if (head.version !== "1.1") return refused(400, "an upgrade to WebSocket needs HTTP/1.1");
  if (!hasToken(head, "connection", "upgrade")) {
    return refused(400, "Connection: Upgrade is missing");
  }
  if (head.path !== "/") return refused(404, "devices connect at /");
  const versions = head.fields.get("sec-websocket-version") ?? [];
  if (versions.length !== 1 || versions[0] !== "13") {
    return refused(426, "Sec-WebSocket-Version must be 13");
  }
  const keys = head.fields.get("sec-websocket-key") ?? [];
  const [key] = keys;
  if (key === undefined) return refused(400, "Sec-WebSocket-Key is missing");
  if (keys.length > 1) return refused(400, "Sec-WebSocket-Key given twice");
  if (!isKey(key)) return refused(400, "Sec-WebSocket-Key must be 16 bytes in base64");
  return { kind: "upgrade", accept: acceptKey(key) };
}

function refused(status: HttpProblem["status"], message: string): RequestKind {
  return { kind: "refused", problem: { status, message } };
}

/** Whether a comma-separated field holds this token; tokens ignore case (RFC 9110 section 5.6.1). */
function hasToken(head: RequestHead, field: string, token: string): boolean {
  const values = head.fields.get(field) ?? [];
  return values.some((value) => value.split(",").some((t) => t.trim().toLowerCase() === token));
}

function isKey(key: string): boolean {
  // 22 characters carry 132 bits; the last four of them are zero in the only right spelling.
  return /^[A-Za-z0-9+/]{21}[AQgw]==$/.test(key);
}

/** The answer to a `Sec-WebSocket-Key` (RFC 6455 section 4.2.2, step 5). */
export function acceptKey(key: string): string {
  return createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
}

/** Gathers what a device tells of itself. */
export function upgradeInfo(head: RequestHead, remoteAddress: string): UpgradeInfo {
  const value = (name: string) =>
    head.fields.get(name)?.[0]?.slice(0, HEADER_VALUE_CHARS_MAX) ?? "";
  return {
    path: head.path,
    userAgent: value("user-agent"),
    origin: value("origin"),
    remoteAddress,
  };
}

const encoder = new TextEncoder();

/** The answer which switches to WebSocket. */
export function switchingProtocols(accept: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
      `Sec-WebSocket-Accept: ${accept}\r\n\r\n`,
  );
}

/** The answer to a health check: a text, an object as JSON, or nothing. */
export function okResponse(body: string | object, withBody: boolean): Uint8Array<ArrayBuffer> {
  const json = typeof body === "object";
  const fields = { "Cache-Control": "no-store" };
  return response(200, json ? JSON.stringify(body) : body, { fields, json, withBody });
}

/**
 * The answer to a refused request: JSON of autopush's shape, whose `errno` for everything that
 * went wrong before the protocol is 500.
 */
export function problemResponse(problem: HttpProblem, withBody: boolean): Uint8Array<ArrayBuffer> {
  const { status, message } = problem;
  const body = JSON.stringify({ code: status, errno: 500, error: message });
  return response(status, body, { fields: FIELDS_BY_STATUS[status] ?? {}, json: true, withBody });
}

const FIELDS_BY_STATUS: { readonly [S in number]?: Readonly<Record<string, string>> } = {
  405: { Allow: "GET, HEAD" },
  426: { Upgrade: "websocket", "Sec-WebSocket-Version": "13" },
  429: { "Retry-After": "60" },
  503: { "Retry-After": "60" },
};

const REASONS: { readonly [S in 200 | HttpProblem["status"]]: string } = {
  200: "OK",
  400: "Bad Request",
  404: "Not Found",
  405: "Method Not Allowed",
  408: "Request Timeout",
  426: "Upgrade Required",
  429: "Too Many Requests",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  503: "Service Unavailable",
};

interface ResponseParts {
  readonly fields: Readonly<Record<string, string>>;
  readonly json: boolean;
  readonly withBody: boolean;
}

/** Every plain answer ends its connection: a device has no second request to make. */
function response(
  status: 200 | HttpProblem["status"],
  body: string,
  { fields, json, withBody }: ResponseParts,
): Uint8Array<ArrayBuffer> {
  const bytes = encoder.encode(body);
  const head = {
    "Content-Type": json ? "application/json" : "text/plain; charset=utf-8",
    "Content-Length": String(bytes.length),
    "X-Content-Type-Options": "nosniff",
    ...fields,
    Connection: status === 426 ? "close, Upgrade" : "close",
  };
  const lines = Object.entries(head).map(([name, value]) => `${name}: ${value}\r\n`);
  const text = `HTTP/1.1 ${status} ${REASONS[status]}\r\n${lines.join("")}\r\n`;
  return encoder.encode(withBody ? text + body : text);
}
