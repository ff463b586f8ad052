/**
 * What ended when, over days, and the last that is known about devices.
 *
 * @module
 */

import { platformNumber } from "../delivery_store/codes.ts";
import { checkSpan, foldTallies, HISTORY_SINK, historyBegin } from "../delivery_store/history.ts";
import { LAST_OUTCOMES_MAX } from "../delivery_store/limits.ts";
import {
  type DeliveryRow,
  type HistorySlot,
  type HistorySpan,
  OUTCOMES,
  type Tally,
} from "../delivery_store/records.ts";
import { Columns, invariant, type Postgres, sql } from "../postgres/mod.ts";
import { outcomesOf, platformColumn } from "./codes.ts";
import { readRows } from "./logs.ts";

const SINK = new Columns("sink");
const HISTORY = new Columns("history");

/** Adds tallies that have not been counted to their slots, and forgets what is too old. */
export async function addToHistory(
  postgres: Postgres,
  tallies: readonly Tally[],
  now: number,
): Promise<void> {
  await postgres.transaction("add to the history", async (transaction) => {
    // Written though nothing changes: whoever else adds waits here, and counts from where this one ends.
    const { rows: [sink] } = await transaction.query(
      sql`INSERT INTO sink (name, position) VALUES (${HISTORY_SINK}, 0)
        ON CONFLICT (name) DO UPDATE SET position = sink.position RETURNING position`,
    );
    const { slots, position } = foldTallies(tallies, SINK.integer(sink, "position"), now);
    const [delivered = [], invalid = [], rejected = [], expired = [], failed = [], cancelled = []] =
      OUTCOMES.map((outcome) => slots.map(({ outcomes }) => outcomes[outcome]));
    await transaction.query(sql`SELECT add_to_history(${position}, ${historyBegin(now)},
      ${slots.map(({ second }) => second)},
      ${slots.map(({ platform }) => platformNumber(platform))}, ${delivered}, ${invalid},
      ${rejected}, ${expired}, ${failed}, ${cancelled}, ${slots.map(({ retries }) => retries)})`);
  });
}

/** The history of a span, summed by step. */
export async function historyOf(
  postgres: Postgres,
  span: HistorySpan,
): Promise<readonly HistorySlot[]> {
  checkSpan(span);
  const { rows } = await postgres.query(
    "read the history",
    sql`SELECT second - second % ${span.stepSeconds}::int8 AS second, platform,
        sum(delivered)::int8 AS delivered, sum(token_invalid)::int8 AS token_invalid,
        sum(rejected)::int8 AS rejected, sum(expired)::int8 AS expired,
        sum(failed)::int8 AS failed, sum(cancelled)::int8 AS cancelled,
        sum(retries)::int8 AS retries
      FROM history WHERE second >= ${span.from} AND second < ${span.to}
      GROUP BY 1, 2 ORDER BY 1, 2`,
  );
  return rows.map((row) => ({
    second: HISTORY.integer(row, "second"),
    platform: platformColumn(HISTORY, row),
    outcomes: outcomesOf(HISTORY, row),
    retries: HISTORY.integer(row, "retries"),
  }));
}

/**
 * The newest row about each device, unless it has been swept. Pairs, for the planner would else walk the
 * rows of all devices in the order of their positions.
 */
export async function lastOutcomes(
  postgres: Postgres,
  devices: readonly string[],
): Promise<readonly (DeliveryRow | undefined)[]> {
  invariant(devices.length <= LAST_OUTCOMES_MAX, `${devices.length} devices in a call`);
  const rows = await readRows(
    postgres,
    `SELECT one.* FROM unnest($1::text[]) AS wanted (id)
      CROSS JOIN LATERAL (SELECT number FROM device WHERE device.id = wanted.id OFFSET 0) AS known
      CROSS JOIN LATERAL (
        SELECT * FROM delivery WHERE may_be_last
          AND (delivery.number, position) >= (known.number, 0)
          AND (delivery.number, position) <= (known.number, ${Number.MAX_SAFE_INTEGER})
        ORDER BY delivery.number DESC, position DESC LIMIT 1) AS one`,
    [[...new Set(devices)]],
  );
  const rowOf = new Map(rows.map((row) => [row.device, row]));
  return devices.map((id) => rowOf.get(id));
}
