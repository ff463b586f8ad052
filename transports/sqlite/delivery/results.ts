/**
 * Writes what batches came to.
 *
 * Invariants: every recipient of the batch is counted once, under an outcome or in a remainder; a
 * result whose lease was lost changes nothing.
 *
 * @module
 */

import type { DatabaseSync, StatementSync } from "node:sqlite";
import {
  type BatchResult,
  type CommitOutcome,
  OUTCOMES,
  type SettledDelivery,
} from "../../delivery_store/records.ts";
import { invariant } from "../errors.ts";
import { integerColumn, optionalNumberColumn, textColumn } from "../rows.ts";
import type { Apps } from "./apps.ts";
import { type Batches, ownerOf } from "./batches.ts";
import type { Devices } from "./devices.ts";

function prepare(database: DatabaseSync) {
  const sql = (text: string): StatementSync => database.prepare(text);
  return {
    held: sql(`SELECT batch.id AS batch, batch.count, lane_id, chunk_id, lane.platform, direct,
        notification.*
      FROM batch JOIN notification ON notification.seq = batch.seq JOIN lane ON lane.id = lane_id
      WHERE batch.id = ? AND token = ? AND place = 1`),
    count: sql(`UPDATE tally SET delivered = delivered + ?, token_invalid = token_invalid + ?,
        rejected = rejected + ?, expired = expired + ?, failed = failed + ?,
        cancelled = cancelled + ?, retries = retries + ?
      WHERE seq = ? AND platform = ?`),
    log: sql(`INSERT INTO tally_log (seq, platform, at, delivered, token_invalid, rejected, expired,
        failed, cancelled, retries) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`),
    addRow: sql(`INSERT INTO delivery (seq, number, platform, address, outcome, status, reason,
        attempts, at, registered_before) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`),
    // A device that was removed meanwhile has nobody who would ask, nor remove this again.
    addLastRows: sql(`INSERT OR REPLACE INTO last_row (number, position)
      SELECT delivery.number, position FROM delivery
        CROSS JOIN device ON device.number = delivery.number
      WHERE position >= ? ORDER BY position`),
  };
}

/** The results of batches. */
export class Results {
  readonly #sql: ReturnType<typeof prepare>;
  readonly #apps: Apps;
  readonly #batches: Batches;
  readonly #devices: Devices;

  /** Prepares the statements. */
  constructor(database: DatabaseSync, apps: Apps, batches: Batches, devices: Devices) {
    this.#sql = prepare(database);
    this.#apps = apps;
    this.#batches = batches;
    this.#devices = devices;
  }

  /** Records what a batch came to. */
  commit(result: BatchResult): CommitOutcome {
    const { lease, outcomes, remainders, at } = result;
    const row = this.#sql.held.get(lease.batch, lease.token);
    if (row === undefined) return { kind: "stale" };
    const owner = ownerOf(row);
    const count = integerColumn(row, "count");
    const left = remainders.reduce((sum, { numbers }) => sum + numbers.length, 0);
    const ended = OUTCOMES.reduce((sum, outcome) => sum + outcomes[outcome], 0);
    invariant(
      ended + left === count && result.notification === textColumn(row, "id"),
      `batch ${lease.batch} of ${count} came to ${ended} ended and ${left} left`,
    );
    const platform = integerColumn(row, "platform");
    const dropped = owner.state === "cancelled" ? left : 0;
    // Recipients who were handed back without a request have no attempt more than before.
    const retries = remainders.reduce(
      (sum, { numbers, attempt }) => attempt === result.attempts ? sum + numbers.length : sum,
      0,
    );
    const counts = [
      outcomes.delivered,
      outcomes.token_invalid,
      outcomes.rejected,
      outcomes.expired,
      outcomes.failed,
      outcomes.cancelled + dropped,
      retries,
    ];
    this.#sql.count.run(...counts, owner.seq, platform);
    this.#sql.log.run(owner.seq, platform, at, ...counts);
    if (dropped === 0) {
      const chunk = optionalNumberColumn(row, "chunk_id") ?? null;
      for (const { numbers, attempt, notBefore } of remainders) {
        if (numbers.length === 0) continue;
        const lane = integerColumn(row, "lane_id");
        this.#batches.addAgain(owner, lane, { numbers, chunk }, { attempt, notBefore });
      }
    }
    const [first] = result.rows.map((settled) =>
      this.#addRow(owner.seq, platform, settled, result)
    );
    if (integerColumn(row, "direct") === 0) {
      if (first !== undefined) this.#sql.addLastRows.run(first);
      this.#devices.markSuspects(owner.app, result.suspects.marked, true);
      this.#devices.markSuspects(owner.app, result.suspects.cleared, false);
    }
    if (result.pause !== undefined) this.#apps.pause(result.lane, result.pause, at);
    this.#batches.remove(owner.seq, lease.batch);
    return { kind: "committed", notificationDone: this.#batches.endIfDone(owner.seq, at) };
  }

  /** Gives back its position. */
  #addRow(
    seq: number,
    platform: number,
    { number, address, outcome, status, reason, registeredBefore }: SettledDelivery,
    { attempts, at }: BatchResult,
  ): number | bigint {
    const { lastInsertRowid } = this.#sql.addRow.run(
      seq,
      number,
      platform,
      address,
      OUTCOMES.indexOf(outcome),
      status,
      reason,
      attempts,
      at,
      registeredBefore ?? null,
    );
    return lastInsertRowid;
  }
}
