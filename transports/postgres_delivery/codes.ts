/**
 * Platforms and outcomes as small numbers in the database, and the small decisions several parts share.
 *
 * @module
 */

import { PLATFORMS } from "../delivery_store/codes.ts";
import { type Outcome, OUTCOMES, type Platform } from "../delivery_store/records.ts";
import type { Columns, Row } from "../postgres/mod.ts";
import { BATCH_RECIPIENTS_MAX, RATED_BATCH_SECONDS } from "./limits.ts";

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

/** How many ended how, from columns of the outcomes' names. */
export function outcomesOf(columns: Columns, row: Row): Readonly<Record<Outcome, number>> {
  return {
    delivered: columns.integer(row, "delivered"),
    token_invalid: columns.integer(row, "token_invalid"),
    rejected: columns.integer(row, "rejected"),
    expired: columns.integer(row, "expired"),
    failed: columns.integer(row, "failed"),
    cancelled: columns.integer(row, "cancelled"),
  };
}

/** Direct recipients in a batch of a notification with this rate. */
export function batchMaxOf(rate: number | undefined): number {
  if (rate === undefined) return BATCH_RECIPIENTS_MAX;
  return Math.max(1, Math.min(Math.floor(rate * RATED_BATCH_SECONDS), BATCH_RECIPIENTS_MAX));
}
