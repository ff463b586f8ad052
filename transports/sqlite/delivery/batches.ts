/**
 * Writes batches: what is added, what is counted as cancelled, and when a notification has ended.
 *
 * @module
 */

import {
  checkKeys,
  joinedKeys,
  platformNumber,
  PLATFORMS,
  slices,
} from "../../delivery_store/codes.ts";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { DirectRecipient, Platform } from "../../delivery_store/records.ts";
import { invariant } from "../errors.ts";
import { integerColumn, optionalNumberColumn, type Row, textColumn } from "../rows.ts";
import type { Apps } from "./apps.ts";
import { batchMaxOf } from "./codes.ts";
import { BATCH_RECIPIENTS_MAX, DIRECT_MAX } from "./limits.ts";

function prepare(database: DatabaseSync) {
  const sql = (text: string): StatementSync => database.prepare(text);
  return {
    add: sql(`INSERT INTO batch (seq, lane_id, chunk_id, count, attempt, due_at, virtual_time)
      VALUES (?, ?, ?, ?, ?, ?, ?)`),
    addRecipients: sql("INSERT INTO recipients (batch_id, numbers) VALUES (?, ?)"),
    addChunk: sql("INSERT INTO chunk (seq, first_number, addresses, keys) VALUES (?, ?, ?, ?)"),
    remove: sql("DELETE FROM batch WHERE id = ?"),
    removeRecipients: sql("DELETE FROM recipients WHERE batch_id = ?"),
    laneTime: sql("SELECT virtual_time FROM lane WHERE id = ?"),
    tallyTime: sql("SELECT virtual_time FROM tally WHERE seq = ? AND platform = ?"),
    count: sql(`INSERT INTO tally (seq, platform, virtual_time, total) VALUES (?, ?, ?, ?)
      ON CONFLICT DO UPDATE SET virtual_time = excluded.virtual_time,
        total = total + excluded.total`),
    cancelled: sql(`UPDATE tally SET cancelled = cancelled + ? WHERE seq = ? AND platform = ?`),
    batches: sql("UPDATE notification SET batches = batches + ? WHERE seq = ?"),
    numbered: sql("UPDATE notification SET numbered = numbered + ? WHERE seq = ?"),
    end: sql(`UPDATE notification SET finished_at = ?,
      state = CASE state WHEN 'cancelled' THEN 'cancelled' ELSE 'done' END
      WHERE seq = ? AND batches = 0 AND expand_at IS NULL AND state <> 'open'
        AND finished_at IS NULL`),
    waiting: sql(`SELECT batch.id, batch.count, lane.platform FROM batch
      JOIN lane ON lane.id = lane_id WHERE seq = ? AND place <> 1`),
  };
}

/** What batches need to know of their notification. */
export interface BatchOwner {
  /** Its number. */
  readonly seq: number;
  /** Its app. */
  readonly app: number;
  /** See `records.ts`. */
  readonly sendAt: number;
  /** See `records.ts`. */
  readonly expiresAt: number;
  /** See `records.ts`. */
  readonly rate: number | undefined;
  /** Where it is in its life. */
  readonly state: string;
  /** Direct recipients so far. */
  readonly numbered: number;
}

/** Reads an owner from a row of the table `notification`. */
export function ownerOf(row: Row): BatchOwner {
  return {
    seq: integerColumn(row, "seq"),
    app: integerColumn(row, "app_id"),
    sendAt: integerColumn(row, "send_at"),
    expiresAt: integerColumn(row, "expires_at"),
    rate: optionalNumberColumn(row, "rate"),
    state: textColumn(row, "state"),
    numbered: integerColumn(row, "numbered"),
  };
}

/** When a batch is due that is not to be sent before this time: what has expired is due. */
export function dueAtOf({ sendAt, expiresAt }: BatchOwner, notBefore: number): number {
  return Math.min(Math.max(sendAt, notBefore), expiresAt);
}

/** Recipients of one batch. */
interface Part {
  readonly numbers: readonly number[];
  /** Where the addresses of direct recipients are. */
  readonly chunk: number | null;
}

/** The batches of all notifications. */
export class Batches {
  readonly #sql: ReturnType<typeof prepare>;
  readonly #apps: Apps;

  /** Prepares the statements. */
  constructor(database: DatabaseSync, apps: Apps) {
    this.#sql = prepare(database);
    this.#apps = apps;
  }

  /** Puts devices of one platform into batches of at most `batchMax`. */
  addDevices(
    owner: BatchOwner,
    platform: Platform,
    numbers: readonly number[],
    batchMax: number,
  ): void {
    const size = batchMaxOf(owner.rate, batchMax);
    this.#add(
      owner,
      platform,
      slices(numbers, size).map((part) => ({ numbers: part, chunk: null })),
    );
  }

  /** Numbers direct recipients platform by platform, and puts them into batches. */
  addDirect(owner: BatchOwner, recipients: readonly DirectRecipient[]): void {
    invariant(recipients.length <= DIRECT_MAX, `${recipients.length} recipients in a call`);
    for (const recipient of recipients) checkKeys(recipient);
    const size = batchMaxOf(owner.rate, BATCH_RECIPIENTS_MAX);
    let last = owner.numbered;
    for (const platform of PLATFORMS) {
      const own = recipients.filter((recipient) => recipient.platform === platform);
      const parts = slices(own, size).map((part) => {
        const first = last + 1;
        last += part.length;
        const addresses = JSON.stringify(part.map(({ address }) => address));
        const keys = platform === "webpush" ? joinedKeys(part) : null;
        const added = this.#sql.addChunk.run(owner.seq, first, addresses, keys);
        return {
          numbers: part.map((_, index) => first + index),
          chunk: Number(added.lastInsertRowid),
        };
      });
      if (parts.length > 0) this.#add(owner, platform, parts);
    }
    this.#sql.numbered.run(recipients.length, owner.seq);
  }

  /** Adds new batches; the turn of each comes after the last one of its notification. */
  #add(owner: BatchOwner, platform: Platform, parts: readonly Part[]): void {
    const lane = this.#apps.lane(owner.app, platform);
    const tally = this.#sql.tallyTime.get(owner.seq, platformNumber(platform));
    const last = tally === undefined ? 0 : integerColumn(tally, "virtual_time");
    let virtualTime = Math.max(last, this.#laneTime(lane));
    // An open notification waits for being closed.
    const dueAt = owner.state === "open" ? owner.expiresAt : dueAtOf(owner, 0);
    let total = 0;
    for (const part of parts) {
      this.#insert(owner.seq, lane, part, { attempt: 0, dueAt, virtualTime: ++virtualTime });
      total += part.numbers.length;
    }
    this.#sql.count.run(owner.seq, platformNumber(platform), virtualTime, total);
    this.#sql.batches.run(parts.length, owner.seq);
  }

  /** Adds what is tried again; it comes into its lane's present turn, for its recipients have waited for theirs. */
  addAgain(
    owner: BatchOwner,
    lane: number,
    part: Part,
    again: { readonly attempt: number; readonly notBefore: number },
  ): void {
    this.#insert(owner.seq, lane, part, {
      attempt: again.attempt,
      dueAt: dueAtOf(owner, again.notBefore),
      virtualTime: this.#laneTime(lane) + 1,
    });
    this.#sql.batches.run(1, owner.seq);
  }

  /** Removes a batch whose recipients are counted elsewhere. */
  remove(seq: number, batch: number): void {
    this.#sql.remove.run(batch);
    this.#sql.removeRecipients.run(batch);
    this.#sql.batches.run(-1, seq);
  }

  /** Counts the recipients of a batch as cancelled, and removes it. */
  cancel(
    seq: number,
    platform: number,
    batch: { readonly id: number; readonly count: number },
  ): void {
    this.#sql.cancelled.run(batch.count, seq, platform);
    this.remove(seq, batch.id);
  }

  /** Cancels all batches of a notification that nobody has claimed. */
  cancelWaiting(seq: number): void {
    for (const row of this.#sql.waiting.all(seq)) {
      const batch = { id: integerColumn(row, "id"), count: integerColumn(row, "count") };
      this.cancel(seq, integerColumn(row, "platform"), batch);
    }
  }

  /** Ends a notification whose whole audience has its outcomes; says whether it did. */
  endIfDone(seq: number, now: number): boolean {
    return this.#sql.end.run(now, seq).changes > 0;
  }

  #laneTime(lane: number): number {
    return integerColumn(this.#sql.laneTime.get(lane), "virtual_time");
  }

  #insert(
    seq: number,
    lane: number,
    { numbers, chunk }: Part,
    { attempt, dueAt, virtualTime }: { attempt: number; dueAt: number; virtualTime: number },
  ): void {
    const { lastInsertRowid } = this.#sql.add
      .run(seq, lane, chunk, numbers.length, attempt, dueAt, virtualTime);
    this.#sql.addRecipients.run(lastInsertRowid, JSON.stringify(numbers));
  }
}
