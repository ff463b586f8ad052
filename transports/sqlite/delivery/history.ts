/**
 * What ended when: writes and reads the slots of the history.
 *
 * @module
 */

import type { DatabaseSync, StatementSync } from "node:sqlite";
import { platformNumber, platformOf } from "../../delivery_store/codes.ts";
import {
  checkSpan,
  foldTallies,
  HISTORY_SINK,
  historyBegin,
} from "../../delivery_store/history.ts";
import type { HistorySlot, HistorySpan, Tally } from "../../delivery_store/records.ts";
import { integerColumn } from "../rows.ts";
import { outcomesOf } from "./codes.ts";
import type { Housekeeping } from "./housekeeping.ts";

function prepareWrites(database: DatabaseSync) {
  const sql = (text: string): StatementSync => database.prepare(text);
  return {
    add: sql(`INSERT INTO history (second, platform, delivered, token_invalid, rejected, expired,
        failed, cancelled, retries) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
      ON CONFLICT DO UPDATE SET delivered = delivered + excluded.delivered,
        token_invalid = token_invalid + excluded.token_invalid,
        rejected = rejected + excluded.rejected, expired = expired + excluded.expired,
        failed = failed + excluded.failed, cancelled = cancelled + excluded.cancelled,
        retries = retries + excluded.retries`),
    forget: sql("DELETE FROM history WHERE second < ?"),
  };
}

/** Adds to the history. */
export class HistoryWriter {
  readonly #sql: ReturnType<typeof prepareWrites>;
  readonly #housekeeping: Housekeeping;

  /** Prepares the statements. */
  constructor(database: DatabaseSync, housekeeping: Housekeeping) {
    this.#sql = prepareWrites(database);
    this.#housekeeping = housekeeping;
  }

  /** Adds what has not been counted yet, and forgets what is too old. */
  add(tallies: readonly Tally[], now: number): void {
    const counted = this.#housekeeping.savedPosition(HISTORY_SINK);
    const { slots, position } = foldTallies(tallies, counted, now);
    for (const { second, platform, outcomes, retries } of slots) {
      this.#sql.add.run(
        second,
        platformNumber(platform),
        outcomes.delivered,
        outcomes.token_invalid,
        outcomes.rejected,
        outcomes.expired,
        outcomes.failed,
        outcomes.cancelled,
        retries,
      );
    }
    this.#sql.forget.run(historyBegin(now));
    this.#housekeeping.saveSinkPosition(HISTORY_SINK, position);
  }
}

/** Reads the history. */
export class HistoryReader {
  readonly #span: StatementSync;

  /** Prepares the statement. */
  constructor(database: DatabaseSync) {
    // A number of JavaScript is bound as a REAL.
    this.#span = database.prepare(`SELECT second - second % CAST(?3 AS INTEGER) AS step, platform,
        sum(delivered) AS delivered, sum(token_invalid) AS token_invalid,
        sum(rejected) AS rejected, sum(expired) AS expired, sum(failed) AS failed,
        sum(cancelled) AS cancelled, sum(retries) AS retries
      FROM history WHERE second >= ?1 AND second < ?2
      GROUP BY step, platform ORDER BY step, platform`);
  }

  /** The history of a span, summed by step. */
  span(span: HistorySpan): readonly HistorySlot[] {
    checkSpan(span);
    return this.#span.all(span.from, span.to, span.stepSeconds).map((row) => ({
      second: integerColumn(row, "step"),
      platform: platformOf(integerColumn(row, "platform")),
      outcomes: outcomesOf(row),
      retries: integerColumn(row, "retries"),
    }));
  }
}
