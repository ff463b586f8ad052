/**
 * Reads what the sink kept: all deliveries of a notification, or the latest of a device.
 *
 * A column that is not what the sink writes is an error that names table and column.
 *
 * @module
 */

import { type DeliveryRow, OUTCOMES } from "../delivery_store/records.ts";
import type { Postgres } from "../postgres/postgres.ts";
import { Columns, type Row } from "../postgres/rows.ts";
import { statement } from "../postgres/sql.ts";
import { DAYS_END_MS } from "./days.ts";
import { PAGE_MAX } from "./limits.ts";

/** Which rows of a notification. */
export interface NotificationRowsPage {
  /** The notification's id. */
  readonly notification: string;
  /** Continue after this recipient's number; from the first when absent. */
  readonly after?: number;
  /** At most so many, up to 10,000. */
  readonly limit: number;
}

/** Which rows of a device. */
export interface DeviceRowsPage {
  /** The device's id. */
  readonly device: string;
  /** Only those recorded before this time, in milliseconds since 1970; from the newest when absent. */
  readonly before?: number;
  /** At most so many, up to 10,000. */
  readonly limit: number;
}

const PLATFORMS = ["apns", "fcm", "webpush"] as const;

const COLUMNS = new Columns("delivery_row");

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

const SELECTED = `SELECT (extract(epoch FROM at) * 1000)::int8 AS at, notification::text, number,
    position, app, device, platform, address, outcome, status, reason, attempts,
    (extract(epoch FROM registered_before) * 1000)::int8 AS registered_before
  FROM delivery_row`;

const OF_NOTIFICATION =
  `${SELECTED} WHERE notification = $1 AND number > $2 ORDER BY delivery_row.number LIMIT $3`;

const OF_DEVICE = `${SELECTED} WHERE device = $1
    AND delivery_row.at < timestamptz 'epoch' + $2::int8 * interval '1 millisecond'
  ORDER BY delivery_row.at DESC LIMIT $3`;

/**
 * Rows of a notification by the recipients' numbers.
 *
 * @throws {StoreError} When the database is away, or a column holds something else.
 */
export async function readNotificationRows(
  postgres: Postgres,
  { notification, after = -1, limit }: NotificationRowsPage,
): Promise<readonly DeliveryRow[]> {
  if (!UUID.test(notification)) return [];
  const values = [notification, after, Math.min(limit, PAGE_MAX)];
  const { rows } = await postgres.query("read deliveries", statement(OF_NOTIFICATION, values));
  return rows.map(rowOf);
}

/**
 * Rows of a device, newest first.
 *
 * @throws {StoreError} When the database is away, or a column holds something else.
 */
export async function readDeviceRows(
  postgres: Postgres,
  { device, before = DAYS_END_MS, limit }: DeviceRowsPage,
): Promise<readonly DeliveryRow[]> {
  const values = [device, before, Math.min(limit, PAGE_MAX)];
  const { rows } = await postgres.query("read deliveries", statement(OF_DEVICE, values));
  return rows.map(rowOf);
}

function rowOf(row: Row): DeliveryRow {
  return {
    position: COLUMNS.integer(row, "position"),
    notification: COLUMNS.text(row, "notification"),
    app: COLUMNS.text(row, "app"),
    number: COLUMNS.integer(row, "number"),
    device: COLUMNS.optionalText(row, "device"),
    platform: COLUMNS.oneOf(row, "platform", PLATFORMS),
    address: COLUMNS.text(row, "address"),
    outcome: COLUMNS.oneOf(row, "outcome", OUTCOMES),
    status: COLUMNS.integer(row, "status"),
    reason: COLUMNS.text(row, "reason"),
    attempts: COLUMNS.integer(row, "attempts"),
    at: COLUMNS.integer(row, "at"),
    registeredBefore: COLUMNS.optionalInteger(row, "registered_before"),
  };
}
