/**
 * A message as it is kept: one line of JSON with everything but the body, then the body as it is.
 *
 * Why one value and not a hash of its own: a key costs Redis more memory than most messages have, and
 * a body is never looked at on its own.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { damaged } from "../redis/hashes.ts";
import type { Content, ContentHeaders, PushMessage } from "../message_store/records.ts";

const NEWLINE = 0x0a;

/** Writes a message; user agent and sort key are where it is kept. */
export function encodeMessage(message: PushMessage): Uint8Array {
  const { channelId, ttlSeconds, expiresAt, version, topic, content } = message;
  const line = JSON.stringify({
    channel: channelId,
    ttl: ttlSeconds,
    expires: expiresAt,
    version,
    topic,
    ...content?.headers,
  });
  return Buffer.concat([Buffer.from(`${line}\n`), content?.body ?? new Uint8Array()]);
}

/** Where a message was found. */
export interface Place {
  /** The key of the hash. */
  readonly key: string;
  /** Whose messages it has. */
  readonly uaid: string;
  /** The field: the sort key. */
  readonly sortKey: number;
}

/**
 * Reads a message.
 *
 * @throws {StoreError} When a field is missing or of another type, with its name and the key's.
 */
export function decodeMessage(place: Place, value: Uint8Array): PushMessage {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  const end = bytes.indexOf(NEWLINE);
  const fields = new Fields(place, end < 0 ? "" : bytes.toString("utf8", 0, end));
  return {
    uaid: place.uaid,
    channelId: fields.text("channel"),
    ttlSeconds: fields.integer("ttl"),
    topic: fields.optionalText("topic"),
    content: contentOf(fields, bytes.subarray(end + 1)),
    sortKey: place.sortKey,
    version: fields.text("version"),
    expiresAt: fields.integer("expires"),
  };
}

function contentOf(fields: Fields, body: Uint8Array): Content | undefined {
  const encoding = fields.optionalText("encoding");
  if (encoding === undefined) return undefined;
  if (encoding !== "aes128gcm" && encoding !== "aesgcm") {
    throw fields.wrong("encoding", `is "${encoding.slice(0, 40)}", expected aes128gcm or aesgcm`);
  }
  const encryption = fields.optionalText("encryption");
  const cryptoKey = fields.optionalText("crypto_key");
  const headers: ContentHeaders = {
    encoding,
    ...(encryption !== undefined && { encryption }),
    ...(cryptoKey !== undefined && { crypto_key: cryptoKey }),
  };
  // A copy: the bytes are a part of what came in at one time, which would be kept with them.
  return { body: new Uint8Array(body), headers };
}

/** The fields of the line of JSON. */
class Fields {
  readonly #place: Place;
  readonly #fields: ReadonlyMap<string, unknown>;

  constructor(place: Place, line: string) {
    this.#place = place;
    this.#fields = new Map(Object.entries(this.#parsed(line)));
  }

  text(name: string): string {
    const value = this.#fields.get(name);
    if (typeof value !== "string") throw this.wrong(name, problem(value, "a text"));
    return value;
  }

  optionalText(name: string): string | undefined {
    return this.#fields.has(name) ? this.text(name) : undefined;
  }

  integer(name: string): number {
    const value = this.#fields.get(name);
    if (typeof value !== "number" || !Number.isSafeInteger(value)) {
      throw this.wrong(name, problem(value, "a whole number"));
    }
    return value;
  }

  wrong(name: string, words: string) {
    return damaged(this.#place.key, `${this.#place.sortKey}.${name}`, words);
  }

  #parsed(line: string): object {
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch {
      value = undefined;
    }
    if (typeof value === "object" && value !== null) return value;
    throw damaged(this.#place.key, String(this.#place.sortKey), "does not begin with JSON");
  }
}

function problem(value: unknown, expected: string): string {
  return value === undefined ? "is missing" : `is ${typeof value}, expected ${expected}`;
}
