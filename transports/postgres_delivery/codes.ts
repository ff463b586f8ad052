/**
 * Platforms and outcomes as small numbers in the database, and the small decisions several parts share.
 *
 * @module
 */

import {
  type DirectRecipient,
  type Outcome,
  OUTCOMES,
  type Platform,
} from "../delivery_store/records.ts";
import { type Columns, invariant, type Row } from "../postgres/mod.ts";
import { BATCH_RECIPIENTS_MAX, RATED_BATCH_SECONDS } from "./limits.ts";

/** The platforms, in the order in which people see them; the place of each is its number in the database. */
export const PLATFORMS = ["apns", "fcm", "webpush"] as const;

/** Bytes of a subscription's keys: `p256dh` and `auth` (RFC 8291 section 3.1). */
export const KEYS_BYTES = 81;

/** The number of a platform. */
export function platformNumber(platform: Platform): number {
  return PLATFORMS.indexOf(platform);
}

/** The platform whose number a column holds. */
export function platformColumn(columns: Columns, row: Row | undefined): Platform {
  const platform = PLATFORMS[columns.integer(row, "platform")];
  return platform ?? columns.wrong(row, "platform", "the number of a platform");
}

/** The outcome whose number, its place among {@link OUTCOMES}, a column holds. */
export function outcomeColumn(columns: Columns, row: Row): Outcome {
  const outcome = OUTCOMES[columns.integer(row, "outcome")];
  return outcome ?? columns.wrong(row, "outcome", "the number of an outcome");
}

/** Throws unless an address has the keys that its platform needs: callers have checked it. */
export function checkKeys({ platform, keys }: Pick<DirectRecipient, "platform" | "keys">): void {
  invariant(platform !== "webpush" || keys?.length === KEYS_BYTES, "a subscription without keys");
}

/** Direct recipients in a batch of a notification with this rate. */
export function batchMaxOf(rate: number | undefined): number {
  if (rate === undefined) return BATCH_RECIPIENTS_MAX;
  return Math.max(1, Math.min(Math.floor(rate * RATED_BATCH_SECONDS), BATCH_RECIPIENTS_MAX));
}

/** A list in slices of this size; the last one is smaller. */
export function slices<T>(list: readonly T[], size: number): readonly (readonly T[])[] {
  const count = Math.ceil(list.length / size);
  return Array.from({ length: count }, (_, index) => list.slice(index * size, (index + 1) * size));
}
