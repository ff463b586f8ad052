/**
 * How devices and lanes are written down in Redis.
 *
 * A device is one field of the hash `devices`, by its number: lines of state and suspicion with the
 * number of its app, address, keys, time of registration, `[id, user, tags]` as JSON, and the reason of
 * its being invalid. A text of lines, since a thousand of them are read for every batch: the first two
 * lines are all that most batches need. Line breaks within an address or a reason are escaped.
 *
 * @module
 */

import { KEYS_BYTES, platformNumber, platformOf } from "../delivery_store/codes.ts";
import { Buffer } from "node:buffer";
import type { Device, DeviceRecord, Lane, Platform } from "../delivery_store/records.ts";
import { damaged } from "../redis/hashes.ts";

const LINE_BREAK = 10;
const ACTIVE = 97;
const INVALID = 105;
const SUSPECT = 49;

/** The name of a lane: a comma comes before all that may be in the name of an app, so names sort as apps do. */
export function laneName({ app, platform }: Lane): string {
  return `${app},${platformNumber(platform)}`;
}

/** The lane of this name. */
export function laneOf(name: string): Lane {
  const comma = name.lastIndexOf(",");
  return { app: name.slice(0, comma), platform: platformOf(Number(name.slice(comma + 1))) };
}

/** A text without line breaks. */
export function escaped(text: string): string {
  if (!/[\\\n]/.test(text)) return text;
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}

function unescaped(text: string): string {
  if (!text.includes("\\")) return text;
  return text.replace(/\\(.)/g, (_, character) => character === "n" ? "\n" : "\\");
}

/** What a script is given of a device: address, keys, and the tail of its record. */
export function recordParts(device: DeviceRecord): readonly [string, string, string] {
  const { id, address, keys, user, tags } = device;
  const tail = JSON.stringify([id, user ?? null, [...new Set(tags)]]);
  return [escaped(address), keys === undefined ? "" : keys.toBase64(), tail];
}

/** What a batch needs to know of a device. */
export interface Recipient {
  /** Whether its last answer was a failure. */
  readonly suspect: boolean;
  /** Whether it may be sent to. */
  readonly active: boolean;
  /** Where to. */
  readonly address: string;
  /** Where its keys begin in its record. */
  readonly keysStart: number;
}

/** Reads the beginning of a record; the field is named when it makes no sense. */
export function recipientOf(key: string, number: number, record: Buffer): Recipient {
  const first = record.indexOf(LINE_BREAK);
  const second = record.indexOf(LINE_BREAK, first + 1);
  const state = record[0];
  if (first < 3 || second < 0 || (state !== ACTIVE && state !== INVALID)) {
    throw damaged(key, String(number), "is no device");
  }
  return {
    suspect: record[1] === SUSPECT,
    active: state === ACTIVE,
    address: unescaped(record.toString("utf8", first + 1, second)),
    keysStart: second + 1,
  };
}

/** Copies the keys of a record to a place among those of its batch. */
export function copyKeys(
  key: string,
  number: number,
  record: Buffer,
  start: number,
  into: Uint8Array,
): void {
  const end = record.indexOf(LINE_BREAK, start);
  const keys = Buffer.from(record.toString("latin1", start, Math.max(start, end)), "base64");
  if (keys.length !== KEYS_BYTES) throw damaged(key, String(number), "has no keys");
  into.set(keys);
}

/** The device of a record, and the number of its app. */
export function deviceOf(
  key: string,
  number: number,
  platform: Platform,
  record: Buffer,
): { readonly appId: string; readonly device: Omit<Device, "app"> } {
  const { active, address } = recipientOf(key, number, record);
  const [head = "", , keys = "", at = "", tail = "", reason] = record.toString("utf8").split("\n");
  const [id, user, tags] = tailOf(key, number, tail);
  const registeredAt = Number(at);
  if (reason === undefined || !Number.isSafeInteger(registeredAt)) {
    throw damaged(key, String(number), "is no device");
  }
  const device = {
    id,
    platform,
    address,
    keys: keys === "" ? undefined : Uint8Array.fromBase64(keys),
    user,
    tags,
    state: active ? "active" : "invalid",
    registeredAt,
    reason: active ? undefined : unescaped(reason),
  } as const;
  return { appId: head.slice(2), device };
}

function tailOf(
  key: string,
  number: number,
  text: string,
): readonly [string, string | undefined, readonly string[]] {
  const tail: unknown = parsed(key, String(number), text);
  if (Array.isArray(tail)) {
    const [id, user, tags]: readonly unknown[] = tail;
    if (typeof id === "string" && Array.isArray(tags) && tags.every(isText)) {
      return [id, typeof user === "string" ? user : undefined, tags];
    }
  }
  throw damaged(key, String(number), "is no device");
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

/** A JSON text; the field is named when it is none. */
export function parsed(key: string, field: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw damaged(key, field, "is no JSON");
  }
}
