/**
 * Claims: which batches are due, whose turn it is, and the leases on them.
 *
 * Invariants: of a rated notification at most one batch in each lane is ready, and none before its
 * pace allows; the token of a batch grows with each claim; a claim takes lanes in turn, the one served
 * longest ago first, and within a lane the least virtual time, which is start-time fair queueing: a
 * batch added to a busy lane comes after the batches now in turn, not after all that wait.
 *
 * @module
 */

import { platformOf } from "../../delivery_store/codes.ts";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { ClaimedBatch, ClaimRequest, Lease } from "../../delivery_store/records.ts";
import {
  integerColumn,
  optionalNumberColumn,
  optionalTextColumn,
  type Row,
  textColumn,
} from "../rows.ts";
import { type Batches, dueAtOf, ownerOf } from "./batches.ts";
import { DEATHS_PER_DELIVERY } from "../../delivery_store/limits.ts";
import { CLAIM_MAX, DUE_MAX } from "./limits.ts";
import type { Outcomes } from "./operations.ts";

/** The places of a batch, as the table has them. */
const LEASED = 1;
const READY = 2;
const PACED = 3;

/** What a claim reads of a batch. */
const CANDIDATE = `SELECT batch.id, batch.seq, batch.count, batch.attempt, batch.token,
    batch.deliveries + batch.deaths / ${DEATHS_PER_DELIVERY} AS deliveries,
    batch.virtual_time, notification.id AS notification, rate, paced_at, expires_at
  FROM batch CROSS JOIN notification ON notification.seq = batch.seq`;

function prepare(database: DatabaseSync) {
  const sql = (text: string): StatementSync => database.prepare(text);
  return {
    due: sql(`SELECT batch.id, batch.seq, count, place, rate, notification.state, expires_at,
        lane.platform
      FROM batch JOIN notification ON notification.seq = batch.seq JOIN lane ON lane.id = lane_id
      WHERE place < 2 AND due_at <= ? ORDER BY due_at LIMIT ?`),
    move: sql("UPDATE batch SET place = ? WHERE id = ?"),
    rated: sql(`SELECT seq, app_id FROM notification
      WHERE rate IS NOT NULL AND finished_at IS NULL AND paced_at <= ?`),
    ratedExpired: sql(`SELECT seq FROM notification
      WHERE finished_at IS NULL AND expires_at <= ? AND rate IS NOT NULL`),
    readyExpired: sql(`UPDATE batch SET place = 2 WHERE id IN
      (SELECT id FROM batch WHERE seq = ? AND place = 3 LIMIT ?)`),
    lanesOfApp: sql("SELECT id FROM lane WHERE app_id = ?"),
    firstPaced: sql(`SELECT id, place FROM
      (SELECT * FROM (SELECT id, place, virtual_time FROM batch
        WHERE seq = ?1 AND place = 2 AND lane_id = ?2 ORDER BY virtual_time, id LIMIT 1)
      UNION ALL
      SELECT * FROM (SELECT id, place, virtual_time FROM batch
        WHERE seq = ?1 AND place = 3 AND lane_id = ?2 ORDER BY virtual_time, id LIMIT 1))
      ORDER BY virtual_time, id LIMIT 1`),
    holdBack: sql("UPDATE batch SET place = 3 WHERE seq = ? AND place = 2"),
    holdBackLane: sql("UPDATE batch SET place = 3 WHERE seq = ? AND place = 2 AND lane_id = ?"),
    readyLanes: sql(`WITH RECURSIVE ready (id) AS (
        SELECT min(lane_id) FROM batch WHERE place = 2
        UNION ALL
        SELECT (SELECT min(lane_id) FROM batch WHERE place = 2 AND lane_id > ready.id)
          FROM ready WHERE ready.id IS NOT NULL)
      SELECT lane.id, lane.platform, app.name AS app, served_at, virtual_time, pause_reason
      FROM ready JOIN lane ON lane.id = ready.id JOIN app ON app.id = lane.app_id
      ORDER BY served_at, app.name, lane.platform`),
    first: sql(`${CANDIDATE} WHERE place = 2 AND lane_id = ?
      ORDER BY batch.virtual_time, batch.id LIMIT 1`),
    firstExpired: sql(`SELECT * FROM (
        SELECT batch.id, batch.seq, batch.count, batch.attempt, batch.token,
          batch.deliveries + batch.deaths / ${DEATHS_PER_DELIVERY} AS deliveries, batch.virtual_time, notification.id AS notification, rate, paced_at, expires_at
        FROM notification CROSS JOIN batch INDEXED BY batch_of_notification
          ON batch.seq = notification.seq AND place = 2 AND lane_id = ?
        WHERE finished_at IS NULL AND expires_at <= ?)
      ORDER BY virtual_time, id LIMIT 1`),
    lease: sql(`UPDATE batch SET place = 1, token = token + 1, deliveries = deliveries + 1,
      due_at = ?, node = ? WHERE id = ?`),
    served: sql("SELECT coalesce(max(served_at), 0) AS served FROM lane"),
    serve: sql(`UPDATE lane SET served_at = ?, virtual_time = max(virtual_time, ?) WHERE id = ?`),
    start: sql(`UPDATE notification SET started_at = coalesce(started_at, ?1),
      state = CASE state WHEN 'scheduled' THEN 'sending' ELSE state END
      WHERE seq = ?2 AND (started_at IS NULL OR state = 'scheduled')`),
    pace: sql("UPDATE notification SET paced_at = ? WHERE seq = ?"),
    dueNext: sql(`SELECT due_at FROM batch JOIN lane ON lane.id = lane_id
      WHERE place < 2 AND (place = 1 OR pause_reason IS NULL) ORDER BY due_at LIMIT 1`),
    pacedNext: sql(`SELECT min(paced_at, expires_at) AS due_at FROM notification
      WHERE rate IS NOT NULL AND finished_at IS NULL AND paced_at > ?
        AND EXISTS (SELECT 1 FROM lane CROSS JOIN batch
          ON batch.seq = notification.seq AND place = 3 AND lane_id = lane.id
          WHERE lane.app_id = notification.app_id AND pause_reason IS NULL)`),
    pausedNext: sql(`SELECT expires_at AS due_at FROM notification
      WHERE finished_at IS NULL AND expires_at > ?
        AND EXISTS (SELECT 1 FROM lane CROSS JOIN batch
          ON batch.seq = notification.seq AND place IN (0, 2, 3) AND lane_id = lane.id
          WHERE lane.app_id = notification.app_id AND pause_reason IS NOT NULL)
      ORDER BY expires_at LIMIT 1`),
    anyPaused: sql("SELECT 1 FROM lane WHERE pause_reason IS NOT NULL LIMIT 1"),
  };
}

function prepareLeases(database: DatabaseSync) {
  const sql = (text: string): StatementSync => database.prepare(text);
  return {
    held: sql(`SELECT batch.id, batch.count, lane.platform, notification.* FROM batch
      JOIN notification ON notification.seq = batch.seq JOIN lane ON lane.id = lane_id
      WHERE batch.id = ? AND token = ? AND place = 1`),
    renew: sql("UPDATE batch SET due_at = ? WHERE id = ? AND token = ? AND place = 1"),
    died: sql("UPDATE batch SET deaths = deaths + 1 WHERE id = ?"),
    of: sql(`SELECT id, token FROM batch
      WHERE place < 2 AND place = 1 AND (node = ?1 OR ?1 IS NULL)`),
    release: sql(
      "UPDATE batch SET place = 0, due_at = ?, deliveries = deliveries - 1 WHERE id = ?",
    ),
  };
}

/** A lane with batches that are ready, during one claim. */
interface Lane {
  readonly id: number;
  readonly app: string;
  readonly platform: number;
  /** Whether only what has expired may be claimed of it: it is paused, or held. */
  readonly paused: boolean;
  servedAt: number;
  free: number;
}

/** The leases of all batches. */
export class Claims {
  readonly #sql: ReturnType<typeof prepare>;
  readonly #leases: ReturnType<typeof prepareLeases>;
  readonly #batches: Batches;

  /** Prepares the statements. */
  constructor(database: DatabaseSync, batches: Batches) {
    this.#sql = prepare(database);
    this.#leases = prepareLeases(database);
    this.#batches = batches;
  }

  /** Takes leases on batches that are due. */
  claim(request: ClaimRequest): Outcomes["claim"] {
    const { now } = request;
    this.#collectDue(now);
    this.#paceRated(now);
    const lanes = this.#readyLanes(request);
    const batchesMax = Math.min(request.batchesMax, CLAIM_MAX);
    const batches: ClaimedBatch[] = [];
    let served = integerColumn(this.#sql.served.get(), "served");
    while (batches.length < batchesMax && lanes.length > 0) {
      const lane = lanes.reduce((first, other) => other.servedAt < first.servedAt ? other : first);
      const row = lane.free > 0 ? this.#first(lane, now) : undefined;
      if (row === undefined) {
        lanes.splice(lanes.indexOf(lane), 1);
        continue;
      }
      lane.free--;
      lane.servedAt = ++served;
      this.#sql.serve.run(served, integerColumn(row, "virtual_time"), lane.id);
      batches.push(this.#lease(row, lane, request));
    }
    return { batches, dueAt: this.#dueAt(now) };
  }

  /** Moves what became due to where it is claimed from; what was cancelled under a lease that ended is not sent again. */
  #collectDue(now: number): void {
    for (const row of this.#sql.due.all(now, DUE_MAX)) {
      const id = integerColumn(row, "id");
      const seq = integerColumn(row, "seq");
      const rated = optionalNumberColumn(row, "rate") !== undefined &&
        integerColumn(row, "expires_at") > now;
      const leased = integerColumn(row, "place") === LEASED;
      if (leased && textColumn(row, "state") === "cancelled") {
        const count = integerColumn(row, "count");
        this.#batches.cancel(seq, integerColumn(row, "platform"), { id, count });
        this.#batches.endIfDone(seq, now);
      } else this.#sql.move.run(rated ? PACED : READY, id);
    }
  }

  /** Readies the first batch in each lane of every rated notification whose pace allows one. */
  #paceRated(now: number): void {
    for (const row of this.#sql.ratedExpired.all(now)) {
      this.#sql.readyExpired.run(integerColumn(row, "seq"), DUE_MAX);
    }
    for (const row of this.#sql.rated.all(now)) {
      const seq = integerColumn(row, "seq");
      for (const lane of this.#sql.lanesOfApp.all(integerColumn(row, "app_id"))) {
        const first = this.#sql.firstPaced.get(seq, integerColumn(lane, "id"));
        if (first === undefined || integerColumn(first, "place") === READY) continue;
        this.#sql.holdBackLane.run(seq, integerColumn(lane, "id"));
        this.#sql.move.run(READY, integerColumn(first, "id"));
      }
    }
  }

  #readyLanes({ lanes, laneBatchesMax }: ClaimRequest): Lane[] {
    const loads = new Map(lanes.map((load) => [laneKey(load.app, load.platform), load]));
    return this.#sql.readyLanes.all().map((row) => {
      const app = textColumn(row, "app");
      const platform = integerColumn(row, "platform");
      const load = loads.get(laneKey(app, platformOf(platform)));
      return {
        id: integerColumn(row, "id"),
        app,
        platform,
        paused: load?.held === true || optionalTextColumn(row, "pause_reason") !== undefined,
        servedAt: integerColumn(row, "served_at"),
        free: laneBatchesMax - (load?.inFlight ?? 0),
      };
    });
  }

  /** The next batch of a lane; of a paused one only what has expired. */
  #first(lane: Lane, now: number): Row {
    return lane.paused ? this.#sql.firstExpired.get(lane.id, now) : this.#sql.first.get(lane.id);
  }

  #lease(row: Row, lane: Lane, { node, now, leaseMs }: ClaimRequest): ClaimedBatch {
    const id = integerColumn(row, "id");
    const seq = integerColumn(row, "seq");
    const count = integerColumn(row, "count");
    const rate = optionalNumberColumn(row, "rate");
    this.#sql.lease.run(now + leaseMs, node, id);
    this.#sql.start.run(now, seq);
    if (rate !== undefined && integerColumn(row, "expires_at") > now) {
      const tookMs = Math.ceil(count * 1_000 / rate);
      this.#sql.pace.run(Math.max(integerColumn(row, "paced_at"), now) + tookMs, seq);
      this.#sql.holdBack.run(seq);
    }
    return {
      app: lane.app,
      platform: platformOf(lane.platform),
      lease: { batch: id, token: integerColumn(row, "token") + 1 },
      deliveries: integerColumn(row, "deliveries") + 1,
      notification: textColumn(row, "notification"),
      count,
      attempt: integerColumn(row, "attempt"),
    };
  }

  #dueAt(now: number): number | null {
    const sql = this.#sql;
    const rows = [sql.dueNext.get(), ...sql.pacedNext.all(now)];
    if (sql.anyPaused.get() !== undefined) rows.push(sql.pausedNext.get(now));
    const times = rows.flatMap((row) => row === undefined ? [] : [integerColumn(row, "due_at")]);
    return times.length === 0 ? null : Math.min(...times);
  }

  /** Prolongs leases; says for each whether it is still held. */
  renew(leases: readonly Lease[], until: number): readonly boolean[] {
    return leases.map(({ batch, token }) =>
      this.#leases.renew.run(until, batch, token).changes > 0
    );
  }

  /** Hands a batch back untouched; one of a cancelled notification is not sent any more. */
  release({ batch, token }: Lease, notBefore: number, now: number): void {
    const row = this.#leases.held.get(batch, token);
    if (row === undefined) return;
    const owner = ownerOf(row);
    if (owner.state === "cancelled") {
      const count = integerColumn(row, "count");
      this.#batches.cancel(owner.seq, integerColumn(row, "platform"), { id: batch, count });
      this.#batches.endIfDone(owner.seq, now);
    } else this.#leases.release.run(dueAtOf(owner, notBefore), batch);
  }

  /**
   * Hands back the batches of a node that has ended, or of all when it is `null`; says how many. That it
   * was killed is hardly their fault: only each tenth time counts as a delivery.
   */
  endOf(node: string | null, now: number): number {
    const held = this.#leases.of.all(node);
    for (const row of held) {
      const lease = { batch: integerColumn(row, "id"), token: integerColumn(row, "token") };
      this.#leases.died.run(lease.batch);
      this.release(lease, now, now);
    }
    return held.length;
  }
}

function laneKey(app: string, platform: string): string {
  return `${platform} ${app}`;
}
