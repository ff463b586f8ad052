/**
 * What nodes tell each other, as JSON: messages, user agents and sessions.
 *
 * A message has the fields of autopush's `PUT /push`: `channelID`, `version`, `ttl`, `topic`, `timestamp`
 * (seconds since 1970), `data` (base64url) and `headers`; and two of ours, `uaid` in a block, and
 * `sort_key`, its place in the order of acceptance. That one is required: a session knows by it which
 * messages it has already, and what could be derived from a `timestamp` in seconds would make two
 * messages of one second look like the same. Other fields are ignored, as autopush ignores them.
 *
 * Invariant: what was read is in every field what a node of this version would have written; a body
 * has memory of its own, since it may wait long after the request is forgotten.
 *
 * Why JSON and not bytes with lengths: writing and reading a message of 1,000 bytes takes 2.3 µs
 * against 1.6, of the 8 that it costs both nodes in a block, and one form serves both requests.
 *
 * @module
 */

import { quoted } from "../http_door/refusal.ts";
import {
  BLOCK_ITEMS_MAX,
  BODY_BYTES_MAX,
  HEADER_CHARACTERS_MAX,
  SESSION_CHARACTERS_MAX,
  TTL_SECONDS_MAX,
  VERSION_CHARACTERS_MAX,
} from "./limits.ts";
import type { DisplacedSession, PushMessage } from "./ports.ts";

/** What was read, or what is wrong with it: a sentence that names the field. */
export type Read<T> =
  | { readonly kind: "read"; readonly value: T }
  | { readonly kind: "wrong"; readonly problem: string };

const UAID = /^[0-9a-f]{32}$/;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const TOPIC = /^[A-Za-z0-9_-]{1,32}$/; // RFC 8030 section 5.4.
const VERSION = new RegExp(`^[!-~]{1,${VERSION_CHARACTERS_MAX}}$`);
const SESSION = new RegExp(`^[!-~]{1,${SESSION_CHARACTERS_MAX}}$`);
const DATA_CHARACTERS_MAX = Math.ceil(BODY_BYTES_MAX / 3) * 4;

/** Bytes that a message takes in a block, about: what JSON has to escape is not counted. */
export function messageBytes({ version, content }: PushMessage): number {
  const fixed = 352 + version.length;
  if (content === undefined) return fixed;
  const { encryption = "", crypto_key = "" } = content.headers;
  return fixed + Math.ceil(content.body.length / 3) * 4 + encryption.length + crypto_key.length;
}

/** A message as an object for JSON. */
export function messageJson(message: PushMessage): Readonly<Record<string, unknown>> {
  const { uaid, channelId, version, ttlSeconds, topic = null, sortKey, expiresAt, content } =
    message;
  const fields = {
    uaid,
    channelID: channelId,
    version,
    ttl: ttlSeconds,
    topic,
    timestamp: expiresAt - ttlSeconds,
    sort_key: sortKey,
  };
  if (content === undefined) return fields;
  const data = content.body.toBase64({ alphabet: "base64url", omitPadding: true });
  return { ...fields, headers: content.headers, data };
}

/** A block of items, each read by `item`; `what` names the block in problems. */
export function readBlock<T>(
  value: unknown,
  what: string,
  item: (value: unknown, at: string) => Read<T>,
): Read<readonly T[]> {
  if (!Array.isArray(value)) return wrong(what, value, "an array");
  if (value.length > BLOCK_ITEMS_MAX) {
    return {
      kind: "wrong",
      problem: `${what}: expected at most ${BLOCK_ITEMS_MAX} items, found ${value.length}`,
    };
  }
  const items: T[] = [];
  for (const [place, entry] of value.entries()) {
    const read = item(entry, `${what}[${place}]`);
    if (read.kind === "wrong") return read;
    items.push(read.value);
  }
  return { kind: "read", value: items };
}

/** A UAID, 32 lower-case hexadecimal digits. */
export function readUaid(value: unknown, at: string): Read<string> {
  return matches(value, UAID)
    ? { kind: "read", value }
    : wrong(at, value, "32 lower-case hexadecimal digits");
}

/** A UAID in a path, where autopush also writes it with dashes; `undefined` when it is none. */
export function uaidOfPath(text: string): string | undefined {
  if (UAID.test(text)) return text;
  return UUID.test(text) ? text.replaceAll("-", "") : undefined;
}

/** A session to end. */
export function readDisplaced(value: unknown, at: string): Read<DisplacedSession> {
  if (!isRecord(value)) return wrong(at, value, "an object");
  const { uaid, session } = value;
  const read = readUaid(uaid, `${at}.uaid`);
  if (read.kind === "wrong") return read;
  if (!matches(session, SESSION)) {
    const allowed = `1 to ${SESSION_CHARACTERS_MAX} printable characters`;
    return wrong(`${at}.session`, session, allowed);
  }
  return { kind: "read", value: { uaid: read.value, session } };
}

/** A message of a block. */
export function readMessage(value: unknown, at: string): Read<PushMessage> {
  if (!isRecord(value)) return wrong(at, value, "an object");
  const uaid = readUaid(value["uaid"], `${at}.uaid`);
  return uaid.kind === "wrong" ? uaid : readMessageFor(uaid.value, value, at);
}

/** A message for this user agent. */
export function readMessageFor(uaid: string, value: unknown, at: string): Read<PushMessage> {
  if (!isRecord(value)) return wrong(at, value, "an object");
  const { channelID: channelId, version, ttl, topic, timestamp, sort_key: sortKey } = value;
  if (!matches(channelId, UUID)) {
    return wrong(`${at}.channelID`, channelId, "a lower-case UUID with dashes");
  }
  if (!matches(version, VERSION)) {
    const allowed = `1 to ${VERSION_CHARACTERS_MAX} printable ASCII characters`;
    return wrong(`${at}.version`, version, allowed);
  }
  if (!isWhole(ttl, 0, TTL_SECONDS_MAX)) return wrongNumber(`${at}.ttl`, ttl, 0, TTL_SECONDS_MAX);
  if (topic !== undefined && topic !== null && !matches(topic, TOPIC)) {
    return wrong(`${at}.topic`, topic, "null or 1 to 32 characters of URL-safe base64");
  }
  const timestampMax = Number.MAX_SAFE_INTEGER - TTL_SECONDS_MAX;
  if (!isWhole(timestamp, 0, timestampMax)) {
    return wrongNumber(`${at}.timestamp`, timestamp, 0, timestampMax);
  }
  if (!isWhole(sortKey, 1, Number.MAX_SAFE_INTEGER)) {
    return wrongNumber(`${at}.sort_key`, sortKey, 1, Number.MAX_SAFE_INTEGER);
  }
  const content = readContent(value, at);
  if (content.kind === "wrong") return content;
  return {
    kind: "read",
    value: {
      uaid,
      channelId,
      ttlSeconds: ttl,
      topic: topic ?? undefined,
      content: content.value,
      sortKey,
      version,
      expiresAt: timestamp + ttl,
    },
  };
}

function readContent(
  { data, headers }: Readonly<Record<string, unknown>>,
  at: string,
): Read<PushMessage["content"]> {
  if (data === undefined || data === null) return { kind: "read", value: undefined };
  const body = bytesOf(data);
  if (body === undefined) {
    const seen = typeof data === "string" ? `${data.length} characters` : shown(data);
    const problem =
      `${at}.data: expected 1 to ${BODY_BYTES_MAX} bytes in URL-safe base64, found ${seen}`;
    return { kind: "wrong", problem };
  }
  if (!isRecord(headers)) return wrong(`${at}.headers`, headers, "an object");
  const { encoding, encryption, crypto_key } = headers;
  if (encoding !== "aes128gcm" && encoding !== "aesgcm") {
    return wrong(`${at}.headers.encoding`, encoding, '"aes128gcm" or "aesgcm"');
  }
  if (!isHeader(encryption)) return wrongHeader(`${at}.headers.encryption`, encryption);
  if (!isHeader(crypto_key)) return wrongHeader(`${at}.headers.crypto_key`, crypto_key);
  return {
    kind: "read",
    value: {
      body,
      headers: {
        encoding,
        ...(encryption === undefined ? {} : { encryption }),
        ...(crypto_key === undefined ? {} : { crypto_key }),
      },
    },
  };
}

function bytesOf(data: unknown): Uint8Array | undefined {
  if (typeof data !== "string" || data.length === 0 || data.length > DATA_CHARACTERS_MAX) return;
  try {
    const bytes = Uint8Array.fromBase64(data, { alphabet: "base64url" });
    return bytes.length > 0 && bytes.length <= BODY_BYTES_MAX ? bytes : undefined;
  } catch {
    return undefined; // Not base64: the one thing that can be wrong here.
  }
}

function isHeader(value: unknown): value is string | undefined {
  return value === undefined ||
    (typeof value === "string" && value.length > 0 && value.length <= HEADER_CHARACTERS_MAX);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function matches(value: unknown, pattern: RegExp): value is string {
  return typeof value === "string" && pattern.test(value);
}

function isWhole(value: unknown, min: number, max: number): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= min && value <= max;
}

function wrongNumber(at: string, value: unknown, min: number, max: number): Read<never> {
  return wrong(at, value, `a whole number from ${min} to ${max}`);
}

function wrongHeader(at: string, value: unknown): Read<never> {
  return wrong(at, value, `1 to ${HEADER_CHARACTERS_MAX} characters`);
}

function wrong(at: string, value: unknown, allowed: string): Read<never> {
  return { kind: "wrong", problem: `${at}: expected ${allowed}, found ${shown(value)}` };
}

function shown(value: unknown): string {
  switch (typeof value) {
    case "string":
      return quoted(value);
    case "number":
    case "boolean":
      return String(value);
    case "undefined":
      return "nothing";
    default:
      return value === null ? "null" : Array.isArray(value) ? "an array" : "an object";
  }
}
