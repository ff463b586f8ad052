/**
 * What a provider wrote into an answer, made safe to parse and to show.
 *
 * @module
 */

import type { JsonObject } from "./provider.ts";

/** Characters kept of a reason that no table knows. */
export const REASON_CHARACTERS_MAX = 200;

/** The object a body holds; `undefined` when it is anything else: HTML, nothing, half of one. */
export function parseBody(body: Uint8Array | undefined): JsonObject | undefined {
  if (body === undefined || body.length === 0) return undefined;
  return parseObject(new TextDecoder().decode(body));
}

/** The object a text holds as JSON; `undefined` when it is anything else. */
export function parseObject(text: string): JsonObject | undefined {
  try {
    return objectOf(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** The value itself when it is a JSON object. */
export function objectOf(value: unknown): JsonObject | undefined {
  return isObject(value) ? value : undefined;
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Long enough to be an address: a token of Google's or an endpoint's path, or the 64 digits of one of Apple's. */
const ADDRESS = /[\w.~+/=-]{80,}|[\da-f]{64,}/gi;

/** A provider's text on one line, cut, printable, and without anything that may be an address it repeats. */
export function shown(text: string): string {
  const plain = text.replace(/[^\x20-\x7e]+/g, " ").replace(ADDRESS, "(hidden)").trim();
  return plain.length > REASON_CHARACTERS_MAX
    ? `${plain.slice(0, REASON_CHARACTERS_MAX - 3)}...`
    : plain;
}

/** What is said of an answer that the provider cannot have meant. */
export function badAnswer(authority: string): string {
  return `bad answer from ${authority}`;
}
