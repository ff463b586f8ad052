/**
 * Reads notifications with their progress, and the rows of deliveries.
 *
 * @module
 */

import { platformOf } from "../../delivery_store/codes.ts";
import { LAST_OUTCOMES_MAX } from "../../delivery_store/limits.ts";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import {
  type Counts,
  type DeliveriesPage,
  type DeliveryRow,
  type Notification,
  type NotificationsPage,
  type NotificationState,
  type NotificationStatus,
  OUTCOMES,
  type Tally,
} from "../../delivery_store/records.ts";
import { invariant } from "../errors.ts";
import {
  integerColumn,
  optionalNumberColumn,
  optionalTextColumn,
  type Row,
  textColumn,
} from "../rows.ts";
import { outcomeOf, outcomesOf } from "./codes.ts";
import { PAGE_MAX } from "./limits.ts";

/** The columns of a notification's status. */
const STATUS = `SELECT seq, body, state, started_at, finished_at
  FROM notification JOIN campaign USING (seq)`;

/** Rows as callers see them, of the deliveries that the inner query selects. */
function rowsOf(inner: string): string {
  return `SELECT page.*, notification.id AS notification, app.name AS app, device.id AS device
    FROM (${inner}) AS page
    CROSS JOIN notification ON notification.seq = page.seq
    CROSS JOIN app ON app.id = notification.app_id
    LEFT JOIN device ON notification.direct = 0 AND device.number = page.number
      AND device.app_id = notification.app_id
    ORDER BY position`;
}

/** Rows of a notification in order: the index has them by outcome, so six ordered lists are merged. */
const OF_NOTIFICATION = OUTCOMES.map((_, outcome) =>
  `SELECT * FROM delivery WHERE seq = ?1 AND outcome = ${outcome} AND position > ?2`
).join(" UNION ALL ");

function prepare(database: DatabaseSync) {
  const sql = (text: string): StatementSync => database.prepare(text);
  return {
    status: sql(`${STATUS} WHERE id = ?`),
    seq: sql("SELECT seq FROM notification WHERE id = ?"),
    newest: sql(`${STATUS} WHERE seq < ? ORDER BY seq DESC LIMIT ?`),
    newestOfApp: sql(`${STATUS} WHERE app_id = (SELECT id FROM app
      WHERE name = ? AND credentials IS NOT NULL) AND seq < ? ORDER BY seq DESC LIMIT ?`),
    tallies: sql("SELECT * FROM tally WHERE seq = ? ORDER BY platform"),
    deliveries: sql(rowsOf(`${OF_NOTIFICATION} ORDER BY position LIMIT ?3`)),
    deliveriesOf: sql(rowsOf(`SELECT * FROM delivery WHERE seq = ? AND outcome = ? AND position > ?
      ORDER BY position LIMIT ?`)),
    talliesAfter: sql(`SELECT page.*, notification.id AS notification, app.name AS app
      FROM (SELECT * FROM tally_log WHERE position > ? ORDER BY position LIMIT ?) AS page
      CROSS JOIN notification ON notification.seq = page.seq
      CROSS JOIN app ON app.id = notification.app_id
      ORDER BY position`),
    rowsAfter: sql(rowsOf("SELECT * FROM delivery WHERE position > ? ORDER BY position LIMIT ?")),
    lastRow: sql(rowsOf(`SELECT delivery.* FROM device INDEXED BY device_by_id
      CROSS JOIN last_row ON last_row.number = device.number
      CROSS JOIN delivery ON delivery.position = last_row.position WHERE device.id = ?`)),
  };
}

/** Notifications and rows. */
export class NotificationReader {
  readonly #sql: ReturnType<typeof prepare>;

  /** Prepares the statements. */
  constructor(database: DatabaseSync) {
    this.#sql = prepare(database);
  }

  /** A notification from the column `body`; JSON has lost what is `undefined`. */
  static notificationOf(row: Row): Notification {
    const body: Notification = JSON.parse(textColumn(row, "body"));
    return { ...body, topic: body.topic, ratePerSecond: body.ratePerSecond };
  }

  /** A notification with its progress. */
  notification(id: string): NotificationStatus | undefined {
    const row = this.#sql.status.get(id);
    return row && this.#statusOf(row);
  }

  /** A page of notifications, newest first. */
  page({ app, after, limit }: NotificationsPage): readonly NotificationStatus[] {
    const last = after === undefined ? undefined : this.#sql.seq.get(after);
    if (after !== undefined && last === undefined) return [];
    const before = last === undefined ? Number.MAX_SAFE_INTEGER : integerColumn(last, "seq");
    const max = Math.min(limit, PAGE_MAX);
    const rows = app === undefined
      ? this.#sql.newest.all(before, max)
      : this.#sql.newestOfApp.all(app, before, max);
    return rows.map((row) => this.#statusOf(row));
  }

  /** A page of rows of one notification. */
  deliveries({ notification, after, limit, outcome }: DeliveriesPage): readonly DeliveryRow[] {
    const found = this.#sql.seq.get(notification);
    if (found === undefined) return [];
    const seq = integerColumn(found, "seq");
    const max = Math.min(limit, PAGE_MAX);
    const rows = outcome === undefined
      ? this.#sql.deliveries.all(seq, after, max)
      : this.#sql.deliveriesOf.all(seq, OUTCOMES.indexOf(outcome), after, max);
    return rows.map(rowOf);
  }

  /** A page of rows of all notifications. */
  rowsAfter(position: number, limit: number): readonly DeliveryRow[] {
    return this.#sql.rowsAfter.all(position, Math.min(limit, PAGE_MAX)).map(rowOf);
  }

  /** A page of tallies of all notifications. */
  talliesAfter(position: number, limit: number): readonly Tally[] {
    return this.#sql.talliesAfter.all(position, Math.min(limit, PAGE_MAX)).map(tallyOf);
  }

  /** The newest row about each device, unless it has been swept. */
  lastOutcomes(devices: readonly string[]): readonly (DeliveryRow | undefined)[] {
    invariant(devices.length <= LAST_OUTCOMES_MAX, `${devices.length} devices in a call`);
    return devices.map((id) => {
      const row = this.#sql.lastRow.get(id);
      return row && rowOf(row);
    });
  }

  #statusOf(row: Row): NotificationStatus {
    const tallies = this.#sql.tallies.all(integerColumn(row, "seq"));
    const finishedAt = optionalNumberColumn(row, "finished_at");
    return {
      notification: NotificationReader.notificationOf(row),
      state: stateOf(textColumn(row, "state")),
      sendingDone: finishedAt !== undefined,
      counts: countsOf(tallies),
      platforms: Object.fromEntries(tallies.map((tally) => [
        platformOf(integerColumn(tally, "platform")),
        countsOf([tally]),
      ])),
      startedAt: optionalNumberColumn(row, "started_at"),
      finishedAt,
    };
  }
}

function stateOf(text: string): NotificationState {
  switch (text) {
    case "open":
    case "scheduled":
    case "expanding":
    case "sending":
    case "done":
    case "cancelled":
      return text;
  }
  invariant(false, `unknown state "${text}"`);
}

function countsOf(tallies: readonly Row[]): Counts {
  const sum = (column: string) =>
    tallies.reduce((total, tally) => total + integerColumn(tally, column), 0);
  return {
    total: sum("total"),
    delivered: sum("delivered"),
    tokenInvalid: sum("token_invalid"),
    rejected: sum("rejected"),
    expired: sum("expired"),
    failed: sum("failed"),
    cancelled: sum("cancelled"),
    pending: OUTCOMES.reduce((rest, outcome) => rest - sum(outcome), sum("total")),
    retries: sum("retries"),
  };
}

function tallyOf(row: Row): Tally {
  return {
    position: integerColumn(row, "position"),
    notification: textColumn(row, "notification"),
    app: textColumn(row, "app"),
    platform: platformOf(integerColumn(row, "platform")),
    at: integerColumn(row, "at"),
    outcomes: outcomesOf(row),
    retries: integerColumn(row, "retries"),
  };
}

function rowOf(row: Row): DeliveryRow {
  return {
    position: integerColumn(row, "position"),
    notification: textColumn(row, "notification"),
    app: textColumn(row, "app"),
    number: integerColumn(row, "number"),
    device: optionalTextColumn(row, "device"),
    platform: platformOf(integerColumn(row, "platform")),
    address: textColumn(row, "address"),
    outcome: outcomeOf(integerColumn(row, "outcome")),
    status: integerColumn(row, "status"),
    reason: textColumn(row, "reason"),
    attempts: integerColumn(row, "attempts"),
    at: integerColumn(row, "at"),
    registeredBefore: optionalNumberColumn(row, "registered_before"),
  };
}
