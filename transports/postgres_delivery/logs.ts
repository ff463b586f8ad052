/**
 * What sinks follow and how far they have come, what is set aside, and what is removed in the end.
 *
 * @module
 */

import type {
  DeadLetter,
  DeliveriesPage,
  DeliveryRow,
  SinkClaim,
  SinkLog,
  Tally,
} from "../delivery_store/records.ts";
import { OUTCOMES } from "../delivery_store/records.ts";
import {
  Columns,
  type Postgres,
  type Row,
  sql,
  type SqlValue,
  statement,
} from "../postgres/mod.ts";
import { outcomeColumn, outcomesOf, platformColumn } from "./codes.ts";
import { DEAD_LETTERS_MAX, PAGE_MAX, SWEEP_MAX, SWEPT_NOTIFICATIONS_MAX } from "./limits.ts";

const DELIVERY = new Columns("delivery");
const TALLY = new Columns("tally");
const SINK = new Columns("sink");
const LETTER = new Columns("dead_letter");

/**
 * Rows as callers see them, of the deliveries that the inner query selects. Each is completed by itself:
 * the planner knows no limit, and without the offsets it would read all devices for one page.
 */
export async function readRows(
  postgres: Postgres,
  inner: string,
  values: readonly SqlValue[],
): Promise<readonly DeliveryRow[]> {
  const { rows } = await postgres.query(
    "read deliveries",
    statement(
      `SELECT page.*, owner.id AS notification, app.name AS app, device.id AS device
      FROM (${inner}) AS page
      CROSS JOIN LATERAL (SELECT id, app_id, direct FROM notification
        WHERE notification.seq = page.seq OFFSET 0) AS owner
      CROSS JOIN LATERAL (SELECT name FROM app WHERE app.id = owner.app_id OFFSET 0) AS app
      LEFT JOIN LATERAL (SELECT id FROM device WHERE NOT owner.direct
        AND device.number = page.number AND app_id + 0 = owner.app_id OFFSET 0) AS device ON true
      ORDER BY position`,
      values,
    ),
  );
  return rows.map(rowOf);
}

/** A page of rows of one notification. The index has them by outcome: an ordered list of each is merged. */
export function deliveries(
  postgres: Postgres,
  { notification, after, limit, outcome }: DeliveriesPage,
): Promise<readonly DeliveryRow[]> {
  const outcomes = outcome === undefined ? OUTCOMES : [outcome];
  // Triples, for the planner would else walk the rows of all notifications in their order.
  const inner = `SELECT one.* FROM notification AS owner CROSS JOIN unnest($4::int2[]) AS kind
    CROSS JOIN LATERAL (
      SELECT * FROM delivery
      WHERE (seq, outcome, position) > (owner.seq, kind, $2)
        AND (seq, outcome, position) <= (owner.seq, kind, ${Number.MAX_SAFE_INTEGER})
      ORDER BY seq, outcome, position LIMIT $3) AS one
    WHERE owner.id = $1 ORDER BY position LIMIT $3`;
  const numbers = outcomes.map((one) => OUTCOMES.indexOf(one));
  return readRows(postgres, inner, [notification, after, Math.min(limit, PAGE_MAX), numbers]);
}

/** A page of rows of all notifications. */
export function rowsAfter(
  postgres: Postgres,
  position: number,
  limit: number,
): Promise<readonly DeliveryRow[]> {
  return readRows(
    postgres,
    "SELECT * FROM delivery WHERE position > $1 ORDER BY position LIMIT $2",
    [position, Math.min(limit, PAGE_MAX)],
  );
}

function rowOf(row: Row): DeliveryRow {
  return {
    position: DELIVERY.integer(row, "position"),
    notification: DELIVERY.text(row, "notification"),
    app: DELIVERY.text(row, "app"),
    number: DELIVERY.integer(row, "number"),
    device: DELIVERY.optionalText(row, "device"),
    platform: platformColumn(DELIVERY, row),
    address: DELIVERY.text(row, "address"),
    outcome: outcomeColumn(DELIVERY, row),
    status: DELIVERY.integer(row, "status"),
    reason: DELIVERY.text(row, "reason"),
    attempts: DELIVERY.integer(row, "attempts"),
    at: DELIVERY.integer(row, "at"),
    registeredBefore: DELIVERY.optionalInteger(row, "registered_before"),
  };
}

/** A page of tallies of all notifications. */
export async function talliesAfter(
  postgres: Postgres,
  position: number,
  limit: number,
): Promise<readonly Tally[]> {
  const { rows } = await postgres.query(
    "read tallies",
    sql`SELECT * FROM tally WHERE position > ${position}
      ORDER BY position LIMIT ${Math.min(limit, PAGE_MAX)}`,
  );
  return rows.map((row) => ({
    position: TALLY.integer(row, "position"),
    notification: TALLY.text(row, "notification"),
    app: TALLY.text(row, "app"),
    platform: platformColumn(TALLY, row),
    at: TALLY.integer(row, "at"),
    outcomes: outcomesOf(TALLY, row),
    retries: TALLY.integer(row, "retries"),
  }));
}

/** How far a sink has come; one that is new begins at the newest entry of its log. */
export async function sinkPosition(
  postgres: Postgres,
  name: string,
  log: SinkLog,
): Promise<number> {
  const { rows } = await postgres.query(
    "read a sink's position",
    sql`SELECT sink_position(${name}, ${log}) AS position`,
  );
  return SINK.integer(rows[0], "position");
}

/** Gives a node the lease on a sink unless another one has it; answers the position. */
export async function claimSink(
  postgres: Postgres,
  { name, log, node, now, leaseMs }: SinkClaim,
): Promise<number | undefined> {
  const { rows } = await postgres.query(
    "claim a sink",
    sql`SELECT claim_sink(${name}, ${log}, ${node}, ${now}, ${now + leaseMs}) AS position`,
  );
  return SINK.optionalInteger(rows[0], "position");
}

/** Remembers how far a sink has come; it never goes back. */
export async function saveSinkPosition(
  postgres: Postgres,
  name: string,
  position: number,
): Promise<void> {
  await postgres.query(
    "save a sink's position",
    sql`INSERT INTO sink (name, position) VALUES (${name}, ${position})
      ON CONFLICT (name) DO UPDATE SET position = greatest(sink.position, excluded.position)`,
  );
}

/** Sets an entry aside; the oldest beyond a number are forgotten. */
export async function bury(
  postgres: Postgres,
  { source, id, reason, body, at }: DeadLetter,
): Promise<void> {
  await postgres.query(
    "set an entry aside",
    sql`SELECT bury(${source}, ${id}, ${reason}, ${body}, ${at}, ${DEAD_LETTERS_MAX})`,
  );
}

/** Entries set aside, newest first. */
export async function deadLetters(
  postgres: Postgres,
  limit: number,
): Promise<readonly DeadLetter[]> {
  const { rows } = await postgres.query(
    "read entries set aside",
    sql`SELECT source, entry, reason, body, at FROM dead_letter
      ORDER BY id DESC LIMIT ${Math.min(limit, PAGE_MAX)}`,
  );
  return rows.map((row) => ({
    source: LETTER.text(row, "source"),
    id: LETTER.text(row, "entry"),
    reason: LETTER.text(row, "reason"),
    body: LETTER.text(row, "body"),
    at: LETTER.integer(row, "at"),
  }));
}

/** Removes what is old; says how many rows. */
export async function sweep(
  postgres: Postgres,
  endedBefore: number,
  limit: number,
): Promise<number> {
  const max = Math.min(limit, SWEEP_MAX);
  if (max <= 0) return 0;
  const { rows } = await postgres.transaction(
    "remove what is old",
    (transaction) =>
      transaction.query(
        sql`SELECT sweep(${endedBefore}, ${max}, ${SWEPT_NOTIFICATIONS_MAX}) AS count`,
      ),
  );
  return DELIVERY.integer(rows[0], "count");
}
