/**
 * Platforms and outcomes as small numbers in the file, and the small decisions several writers share.
 *
 * @module
 */

import { type Outcome, OUTCOMES } from "../../delivery_store/records.ts";
import { invariant } from "../errors.ts";
import { integerColumn, type Row } from "../rows.ts";
import { BATCH_RECIPIENTS_MAX, RATED_BATCH_SECONDS } from "./limits.ts";

/** The outcome of this number, its place among {@link OUTCOMES}. */
export function outcomeOf(number: number): Outcome {
  const outcome = OUTCOMES[number];
  invariant(outcome !== undefined, `no outcome has the number ${number}`);
  return outcome;
}

/** How many ended how, from a column for each outcome. */
export function outcomesOf(row: Row): Readonly<Record<Outcome, number>> {
  return {
    delivered: integerColumn(row, "delivered"),
    token_invalid: integerColumn(row, "token_invalid"),
    rejected: integerColumn(row, "rejected"),
    expired: integerColumn(row, "expired"),
    failed: integerColumn(row, "failed"),
    cancelled: integerColumn(row, "cancelled"),
  };
}

/** Recipients in a batch of a notification with this rate. */
export function batchMaxOf(rate: number | undefined, batchMax: number): number {
  const rated = rate === undefined ? batchMax : Math.floor(rate * RATED_BATCH_SECONDS);
  return Math.max(1, Math.min(rated, batchMax, BATCH_RECIPIENTS_MAX));
}
