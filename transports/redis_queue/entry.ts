/**
 * The entry that stands for a batch in a stream: how it is written, and what one that was read is worth.
 *
 * | field | content |
 * | --- | --- |
 * | `schema` | 1, the number of this form: an older build sets a newer form aside instead of guessing |
 * | `batch`, `token` | the store's lease under which the batch was handed over |
 * | `notification`, `app`, `platform` | what is sent, and the lane |
 * | `count` | recipients, at most 1,000 |
 * | `attempt` | requests made for each of them so far |
 * | `deliveries` | how often the store has given it out, this time included |
 * | `at` | when it was handed over, milliseconds since 1970 by the clock of the node that did |
 *
 * @module
 */

import type { ClaimedBatch, Platform } from "../delivery_store/records.ts";
import {
  damaged,
  type Hash,
  hashOf,
  integerField,
  oneOfField,
  textField,
} from "../redis/hashes.ts";
import { arrayReply, textReply } from "../redis/replies.ts";
import { quoted, StoreError } from "../redis/errors.ts";
import { BATCH_RECIPIENTS_MAX, DEAD_BODY_CHARS } from "./limits.ts";

/** The newest form of an entry that this build reads. */
export const SCHEMA = 1;

const PLATFORMS: readonly Platform[] = ["apns", "fcm", "webpush"];

/** Fields, name after value, as `XADD` takes them. */
export function entryFields(batch: ClaimedBatch, now: number): readonly string[] {
  const { lease, notification, app, platform, count, attempt, deliveries } = batch;
  const fields = {
    schema: SCHEMA,
    batch: lease.batch,
    token: lease.token,
    notification,
    app,
    platform,
    count,
    attempt,
    deliveries,
    at: now,
  };
  return Object.entries(fields).flatMap(([name, value]) => [name, `${value}`]);
}

/** Numbers of the fields that {@linkcode entryFields} gives, names and values. */
export const ENTRY_ITEMS = 20;

/** An entry as it was read: a batch, or something that no node can use. */
export type ReadEntry =
  | { readonly kind: "batch"; readonly batch: ClaimedBatch }
  | { readonly kind: "dead"; readonly reason: string; readonly body: string };

/**
 * What an entry is worth.
 *
 * @param stream The key it was read from, for messages.
 * @param fields Its fields, name after value, as a reply has them.
 */
export function readEntry(stream: string, fields: unknown): ReadEntry {
  const hash = hashOf(stream, fields) ?? { key: stream, fields: new Map() };
  try {
    const schema = wholeField(hash, "schema", 1, Number.MAX_SAFE_INTEGER);
    if (schema > SCHEMA) return dead(hash, `schema ${schema}, this build reads ≤ ${SCHEMA}`);
    return { kind: "batch", batch: batchOf(hash) };
  } catch (error) {
    if (!(error instanceof StoreError) || error.code !== "damaged") throw error;
    return dead(hash, error.message);
  }
}

function batchOf(hash: Hash): ClaimedBatch {
  return {
    lease: { batch: wholeField(hash, "batch"), token: wholeField(hash, "token") },
    notification: textField(hash, "notification"),
    app: textField(hash, "app"),
    platform: oneOfField(hash, "platform", PLATFORMS),
    count: wholeField(hash, "count", 1, BATCH_RECIPIENTS_MAX),
    attempt: wholeField(hash, "attempt"),
    deliveries: wholeField(hash, "deliveries", 1),
  };
}

function wholeField(hash: Hash, field: string, min = 0, max = Number.MAX_SAFE_INTEGER): number {
  const value = integerField(hash, field);
  if (value < min) throw damaged(hash.key, field, `is ${value}, expected at least ${min}`);
  if (value > max) throw damaged(hash.key, field, `is ${value}, expected at most ${max}`);
  return value;
}

function dead({ fields }: Hash, reason: string): ReadEntry {
  const decoder = new TextDecoder();
  const shown = [...fields].map(([name, value]) => [
    name.slice(0, DEAD_BODY_CHARS),
    decoder.decode(value.subarray(0, DEAD_BODY_CHARS)),
  ]);
  const body = JSON.stringify(Object.fromEntries(shown)).slice(0, DEAD_BODY_CHARS);
  return { kind: "dead", reason: quoted(reason), body };
}

/** An entry of a reply: its id, its fields. */
export function entryParts(reply: unknown): { readonly id: string; readonly fields: unknown } {
  const [id, fields] = arrayReply(reply);
  return { id: textReply(id), fields };
}
