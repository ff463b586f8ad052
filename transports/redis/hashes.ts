/**
 * Typed access to the fields of a hash, which outlives this program and which others can write to: a
 * missing or mistyped field is an error that names the key and the field.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { quoted, StoreError } from "./errors.ts";
import { arrayReply, textReply } from "./replies.ts";

/** A hash as it was read: its key for messages, and its fields. */
export interface Hash {
  /** The key it was read from. */
  readonly key: string;
  /** Field to value. */
  readonly fields: ReadonlyMap<string, Uint8Array>;
}

/** The hash in the reply to `HGETALL`; `undefined` when there is none. */
export function hashOf(key: string, reply: unknown): Hash | undefined {
  const items = arrayReply(reply);
  if (items.length === 0) return undefined;
  const fields = new Map<string, Uint8Array>();
  for (let place = 0; place + 1 < items.length; place += 2) {
    const value = items[place + 1];
    if (value instanceof Uint8Array) fields.set(textReply(items[place]), value);
  }
  return { key, fields };
}

/** The hash in the reply to `HMGET` with these names; `undefined` when none of them was there. */
export function hashOfNames(
  key: string,
  names: readonly string[],
  reply: unknown,
): Hash | undefined {
  const fields = new Map<string, Uint8Array>();
  for (const [place, value] of arrayReply(reply).entries()) {
    const name = names[place];
    if (name !== undefined && value instanceof Uint8Array) fields.set(name, value);
  }
  return fields.size === 0 ? undefined : { key, fields };
}

/** The error for a field that is not what this program writes there. */
export function damaged(key: string, field: string, problem: string): StoreError {
  return new StoreError("damaged", `Cannot read key ${quoted(key)}: field "${field}" ${problem}`);
}

/** The bytes in this field. */
export function bytesField(hash: Hash, field: string): Uint8Array {
  const value = hash.fields.get(field);
  if (value === undefined) throw damaged(hash.key, field, "is missing");
  return value;
}

/** The text in this field. */
export function textField(hash: Hash, field: string): string {
  return asText(bytesField(hash, field));
}

/** The text in this field, `undefined` when it is missing. */
export function optionalTextField(hash: Hash, field: string): string | undefined {
  const value = hash.fields.get(field);
  return value === undefined ? undefined : asText(value);
}

/** The whole number in this field. */
export function integerField(hash: Hash, field: string): number {
  const text = textField(hash, field);
  const value = Number(text);
  if (!/^-?\d{1,16}$/.test(text) || !Number.isSafeInteger(value)) {
    throw damaged(hash.key, field, `is "${quoted(text).slice(0, 40)}", expected a whole number`);
  }
  return value;
}

/** The one of these texts that is in this field. */
export function oneOfField<T extends string>(
  hash: Hash,
  field: string,
  allowed: readonly T[],
): T {
  const text = textField(hash, field);
  const found = allowed.find((candidate) => candidate === text);
  if (found === undefined) {
    const words = allowed.map((candidate) => `"${candidate}"`).join(" or ");
    throw damaged(hash.key, field, `is "${quoted(text).slice(0, 40)}", expected ${words}`);
  }
  return found;
}

function asText(value: Uint8Array): string {
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("utf8");
}
