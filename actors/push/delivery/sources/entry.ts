/**
 * What an entry of a source is worth: a notification to submit, or something no node can use.
 *
 * An entry is what the API takes as a notification, as JSON text or as a value, and may carry
 * `schema`, the number of its form: an older build then sets a newer form aside instead of guessing.
 *
 * @module
 */

import type { SourceEntry } from "../ports.ts";
import {
  DEAD_LETTER_CHARS,
  ENTRY_CHARS_MAX,
  ENTRY_DELIVERIES_MAX,
  ENTRY_ID_CHARS_MAX,
  ENTRY_SCHEMA_MAX,
} from "./limits.ts";

/** What is to be done with an entry. */
export type EntryVerdict =
  | { readonly kind: "submit"; readonly body: unknown }
  | { readonly kind: "bury"; readonly reason: string };

/** Judges an entry by its outside; whether the notification makes sense is for who takes it to say. */
export function judgeEntry(
  entry: Pick<SourceEntry, "id" | "body" | "deliveries" | "problem">,
): EntryVerdict {
  const { id, body, deliveries, problem } = entry;
  if (deliveries > ENTRY_DELIVERIES_MAX) {
    return bury(`gave up after ${ENTRY_DELIVERIES_MAX} deliveries`);
  }
  if (id.length === 0 || id.length > ENTRY_ID_CHARS_MAX) {
    return bury(`id of ${id.length} characters, allowed are 1 to ${ENTRY_ID_CHARS_MAX}`);
  }
  if (problem !== undefined) return bury(problem);
  if (typeof body !== "string") return judgeBody(body);
  if (body.length > ENTRY_CHARS_MAX) {
    return bury(`${body.length} characters exceed ${ENTRY_CHARS_MAX}`);
  }
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    // What the parser says quotes the text, which may be anything.
    return bury("not JSON");
  }
  return judgeBody(value);
}

function judgeBody(value: unknown): EntryVerdict {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return bury(`${nameOf(value)} instead of an object`);
  }
  if (!("schema" in value)) return { kind: "submit", body: value };
  const { schema, ...body } = value;
  if (typeof schema !== "number" || !Number.isInteger(schema) || schema < 1) {
    return bury(`schema: ${nameOf(schema)} instead of a whole number from 1`);
  }
  if (schema > ENTRY_SCHEMA_MAX) {
    return bury(`schema ${schema}, this build reads ≤ ${ENTRY_SCHEMA_MAX}`);
  }
  return { kind: "submit", body };
}

function bury(reason: string): EntryVerdict {
  return { kind: "bury", reason };
}

/** What kind of value it is; a number as it stands. */
function nameOf(value: unknown): string {
  if (value === null || typeof value === "number") return String(value);
  return Array.isArray(value) ? "array" : typeof value;
}

/** The beginning of an entry's body, for people. */
export function entryBeginning(body: unknown): string {
  let text: string | undefined;
  try {
    text = typeof body === "string" ? body : JSON.stringify(body);
  } catch {
    // A value that is no JSON, of a source in the same process.
  }
  return (text ?? `a value of type ${typeof body}`).slice(0, DEAD_LETTER_CHARS);
}
