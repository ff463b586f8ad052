/**
 * Reads the headers of a push: `TTL`, `Topic`, `Urgency` (RFC 8030 section 5) and the encryption headers
 * of both encodings (`aes128gcm` of RFC 8188, `aesgcm` of its older drafts).
 *
 * The body itself is never opened: what a device can decrypt is between it and the sender.
 *
 * @module
 */

import type { IncomingHttpHeaders } from "node:http";
import { quoted } from "../http_door/refusal.ts";
import { badEncryption, badTopic, badTtl, negativeTtl, type PushError } from "./errors.ts";
import { TOPIC_CHARACTERS_MAX } from "./limits.ts";
import {
  findParameter,
  isBase64Url,
  normalise,
  type Parameters,
  parseParameters,
} from "./parameters.ts";
import type { ContentHeaders, Urgency } from "./ports.ts";

/** A value that was read, or the error that answers the request. */
export type Read<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: PushError };

/** Reads `TTL`: whole seconds, capped at `secondsMax`; the sign is checked later, by {@linkcode checkTtl}. */
export function readTtl(header: string | undefined, secondsMax: number): Read<number> {
  if (header === undefined) return refused(badTtl("Missing TTL value"));
  if (!/^[+-]?[0-9]+$/.test(header)) {
    const allowed = `a whole number of seconds from 0 to ${secondsMax}`;
    return refused(badTtl(`TTL must be ${allowed}, found ${quoted(header)}`));
  }
  return { ok: true, value: Math.min(Number(header), secondsMax) + 0 }; // Adding 0 makes -0 a 0.
}

/** Refuses a negative TTL. */
export function checkTtl(ttlSeconds: number): PushError | undefined {
  if (ttlSeconds >= 0) return undefined;
  return negativeTtl(`ttl: TTL must be greater than 0: or 0 for now or never, found ${ttlSeconds}`);
}

/** Refuses a topic that is too long or not of the URL-safe base64 alphabet, RFC 8030 section 5.4. */
export function checkTopic(topic: string | undefined): PushError | undefined {
  if (topic === undefined) return undefined;
  if (topic.length > TOPIC_CHARACTERS_MAX) {
    return badTopic(
      `topic: Topic must be at most ${TOPIC_CHARACTERS_MAX} characters, found ${topic.length}`,
    );
  }
  if (/^[0-9A-Za-z_-]+=*$/.test(topic)) return undefined;
  return badTopic(`topic: Topic must be only A-Z a-z 0-9 - _, found ${quoted(topic)}`);
}

/** The urgency of a message; unknown values are counted and otherwise ignored, as autopush does. */
export function urgencyOf(header: string | undefined): Urgency | "unknown" {
  switch (header) {
    case undefined:
      return "normal";
    case "very-low":
    case "low":
    case "normal":
    case "high":
      return header;
    default:
      return "unknown";
  }
}

/** Reads the encryption headers of a body that is not empty. */
export function readContentHeaders(headers: IncomingHttpHeaders): Read<ContentHeaders> {
  const encoding = headers["content-encoding"];
  switch (encoding) {
    case undefined:
      return refused(badEncryption(
        "Missing Content-Encoding header: an encrypted body needs Content-Encoding: aes128gcm",
      ));
    case "aes128gcm":
    case "aesgcm":
      break;
    default:
      return refused(badEncryption(
        `Unknown Content-Encoding header: expected aes128gcm or aesgcm, found ${quoted(encoding)}`,
      ));
  }
  const encryption = single(headers["encryption"]);
  const cryptoKey = single(headers["crypto-key"]);
  const error = encoding === "aes128gcm"
    ? checkModern(encryption, cryptoKey)
    : checkLegacy(encryption, cryptoKey);
  if (error !== undefined) return refused(error);
  return {
    ok: true,
    value: {
      encoding,
      ...encryption !== undefined && { encryption: normalise(encryption) },
      ...cryptoKey !== undefined && { crypto_key: normalise(cryptoKey) },
    },
  };
}

/** Reads a parameter header that may be absent. */
export function readParameters(
  name: string,
  header: string | undefined,
): Read<Parameters | undefined> {
  if (header === undefined) return { ok: true, value: undefined };
  const value = parseParameters(header);
  return value === undefined
    ? refused(
      badEncryption(`Invalid ${name} header: expected key=value items, found ${quoted(header)}`),
    )
    : { ok: true, value };
}

/** Joins what arrived under one name; no header of a push is ever an array in `node:http`. */
export function single(header: string | readonly string[] | undefined): string | undefined {
  return typeof header === "object" ? header.join(", ") : header;
}

/** aes128gcm carries salt and key in its body; a header that has them too is of another encoding. */
function checkModern(encryption?: string, cryptoKey?: string): PushError | undefined {
  return absentItem("Encryption", encryption, "salt") ?? absentItem("Crypto-Key", cryptoKey, "dh");
}

/** aesgcm needs a salt, and a `Crypto-Key`, when there is one, the sender's key. */
function checkLegacy(encryption?: string, cryptoKey?: string): PushError | undefined {
  if (encryption === undefined) return badEncryption("Missing Encryption header");
  const error = presentItem("Encryption", encryption, "salt");
  if (error !== undefined || cryptoKey === undefined) return error;
  return presentItem("Crypto-Key", cryptoKey, "dh");
}

function absentItem(name: string, header: string | undefined, item: string): PushError | undefined {
  const read = readParameters(name, header);
  if (!read.ok) return read.error;
  if (read.value === undefined || findParameter(read.value, item) === undefined) return undefined;
  return badEncryption(`Do not include '${item}' header in aes128gcm ${name} header`);
}

function presentItem(name: string, header: string, item: string): PushError | undefined {
  const read = readParameters(name, header);
  if (!read.ok) return read.error;
  const value = read.value === undefined ? undefined : findParameter(read.value, item);
  if (value === undefined) return badEncryption(`Missing ${item} value in ${name} header`);
  if (isBase64Url(value)) return undefined;
  return badEncryption(
    `Invalid ${item} value in ${name} header: expected URL-safe base64, found ${quoted(value)}`,
  );
}

function refused(error: PushError): { readonly ok: false; readonly error: PushError } {
  return { ok: false, error };
}
