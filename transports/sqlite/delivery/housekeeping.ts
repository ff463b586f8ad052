/**
 * Writes what surrounds deliveries: positions of sinks, dead letters, and the removal of old rows.
 *
 * @module
 */

import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { DeadLetter, SinkClaim, SinkLog } from "../../delivery_store/records.ts";
import { integerColumn } from "../rows.ts";
import { DEAD_LETTERS_MAX, SWEEP_MAX, SWEPT_NOTIFICATIONS_MAX } from "./limits.ts";

function prepare(database: DatabaseSync) {
  const sql = (text: string): StatementSync => database.prepare(text);
  return {
    addSink: sql(`INSERT OR IGNORE INTO sink (name, position)
      SELECT ?, coalesce((SELECT seq FROM sqlite_sequence WHERE name = ?), 0)`),
    sink: sql("SELECT position FROM sink WHERE name = ?"),
    claimSink: sql(`UPDATE sink SET node = ?2, until = ?4
      WHERE name = ?1 AND (node IS NULL OR node = ?2 OR until <= ?3) RETURNING position`),
    freeSink: sql("UPDATE sink SET node = NULL WHERE name = ? AND node = ?"),
    freeSinks: sql("UPDATE sink SET node = NULL WHERE node = ?1 OR ?1 IS NULL"),
    saveSink: sql(`INSERT INTO sink (name, position) VALUES (?, ?)
      ON CONFLICT DO UPDATE SET position = max(position, excluded.position)`),
    unbury: sql("DELETE FROM dead_letter WHERE source = ? AND entry = ?"),
    bury: sql("INSERT INTO dead_letter (source, entry, reason, body, at) VALUES (?, ?, ?, ?, ?)"),
    forget: sql(`DELETE FROM dead_letter WHERE id <= (SELECT id FROM dead_letter
      ORDER BY id DESC LIMIT 1 OFFSET ?)`),
    forgetTallies: sql(`DELETE FROM tally_log WHERE position IN
      (SELECT position FROM tally_log WHERE at < ? LIMIT ?)`),
    ended: sql(`SELECT seq FROM notification WHERE finished_at IS NOT NULL AND finished_at < ?
      ORDER BY finished_at LIMIT ?`),
    removeRows: sql(`DELETE FROM delivery WHERE position IN
      (SELECT position FROM delivery WHERE seq = ? LIMIT ?)`),
    removeChunks: sql(`DELETE FROM chunk WHERE id IN (SELECT id FROM chunk WHERE seq = ? LIMIT ?)`),
    removeTallies: sql("DELETE FROM tally WHERE seq = ?"),
    removeCampaign: sql("DELETE FROM campaign WHERE seq = ?"),
    remove: sql("DELETE FROM notification WHERE seq = ?"),
  };
}

/** The table of a log. */
function tableOf(log: SinkLog): string {
  switch (log) {
    case "rows":
      return "delivery";
    case "tallies":
      return "tally_log";
  }
}

/** Sinks, dead letters and the sweep. */
export class Housekeeping {
  readonly #sql: ReturnType<typeof prepare>;

  /** Prepares the statements. */
  constructor(database: DatabaseSync) {
    this.#sql = prepare(database);
  }

  /** How far a sink has come; one that is new begins at the newest entry of its log, and is known from now on. */
  sinkPosition(name: string, log: SinkLog): number {
    this.#sql.addSink.run(name, tableOf(log));
    return integerColumn(this.#sql.sink.get(name), "position");
  }

  /** How far a sink has come, 0 when it is not known. */
  savedPosition(name: string): number {
    const row = this.#sql.sink.get(name);
    return row === undefined ? 0 : integerColumn(row, "position");
  }

  /** Gives a node the lease on a sink unless another one has it; answers the position, or `null`. */
  claimSink({ name, log, node, now, leaseMs }: SinkClaim): number | null {
    this.#sql.addSink.run(name, tableOf(log));
    const row = this.#sql.claimSink.get(name, node, now, now + leaseMs);
    if (leaseMs === 0) this.#sql.freeSink.run(name, node);
    return row === undefined ? null : integerColumn(row, "position");
  }

  /** Ends the leases of a node on sinks; those of all when it is `null`. */
  freeSinks(node: string | null): void {
    this.#sql.freeSinks.run(node);
  }

  /** Remembers how far a sink has come; it never goes back. */
  saveSinkPosition(name: string, position: number): void {
    this.#sql.saveSink.run(name, position);
  }

  /** Sets an entry aside; the oldest beyond a number are forgotten. */
  bury({ source, id, reason, body, at }: DeadLetter): void {
    this.#sql.unbury.run(source, id);
    this.#sql.bury.run(source, id, reason, body, at);
    this.#sql.forget.run(DEAD_LETTERS_MAX);
  }

  /**
   * Removes up to `limit` tallies from before this time, rows of notifications that ended before it, and
   * those; says how many. A sink that is as far behind misses them: one that nobody runs any more must
   * not fill the disk.
   */
  sweep(endedBefore: number, limit: number): number {
    const max = Math.min(limit, SWEEP_MAX);
    // Before the notifications that they name.
    let count = Number(this.#sql.forgetTallies.run(endedBefore, max).changes);
    if (count >= max) return count;
    for (const row of this.#sql.ended.all(endedBefore, SWEPT_NOTIFICATIONS_MAX)) {
      if (count >= max) break;
      count += this.#sweepOne(integerColumn(row, "seq"), max - count);
    }
    return count;
  }

  #sweepOne(seq: number, limit: number): number {
    let count = Number(this.#sql.removeRows.run(seq, limit).changes);
    if (count >= limit) return count;
    count += Number(this.#sql.removeChunks.run(seq, limit - count).changes);
    if (count >= limit) return count;
    this.#sql.removeTallies.run(seq);
    this.#sql.removeCampaign.run(seq);
    this.#sql.remove.run(seq);
    return count + 1;
  }
}
