/**
 * The queue: claims, leases, and the recipients of a batch.
 *
 * @module
 */

import { KEYS_BYTES, platformNumber } from "../delivery_store/codes.ts";
import { DEATHS_PER_DELIVERY } from "../delivery_store/limits.ts";
import type {
  Claimed,
  ClaimedBatch,
  ClaimRequest,
  LaneStatus,
  Lease,
  LoadedBatch,
  Platform,
  Recipients,
} from "../delivery_store/records.ts";
import { Columns, type Postgres, type Row, sql } from "../postgres/mod.ts";
import { pauseOf } from "./apps.ts";
import { platformColumn } from "./codes.ts";
import { CLAIM_MAX, DUE_MAX } from "./limits.ts";

const BATCH = new Columns("batch");
const CHUNK = new Columns("chunk");
const LANE = new Columns("lane");

/** Takes leases on batches that are due. */
export async function claim(postgres: Postgres, request: ClaimRequest): Promise<Claimed> {
  const { node, now, leaseMs, batchesMax, laneBatchesMax, lanes } = request;
  const { rows } = await postgres.query(
    "claim batches",
    sql`SELECT * FROM claim_batches(${node}, ${now}, ${now + leaseMs},
      ${Math.min(batchesMax, CLAIM_MAX)}, ${laneBatchesMax}, ${DUE_MAX},
      ${lanes.map(({ app }) => app)}, ${lanes.map(({ platform }) => platformNumber(platform))},
      ${lanes.map(({ inFlight }) => inFlight)}, ${lanes.map(({ held }) => held)})`,
  );
  return {
    batches: rows.slice(0, -1).map(claimedOf),
    dueAt: BATCH.optionalInteger(rows.at(-1), "due_at"),
  };
}

function claimedOf(row: Row): ClaimedBatch {
  const deaths = Math.floor(BATCH.integer(row, "deaths") / DEATHS_PER_DELIVERY);
  return {
    app: BATCH.text(row, "app"),
    platform: platformColumn(LANE, row),
    lease: { batch: BATCH.integer(row, "batch"), token: BATCH.integer(row, "token") },
    deliveries: BATCH.integer(row, "deliveries") + deaths,
    notification: BATCH.text(row, "notification"),
    count: BATCH.integer(row, "count"),
    attempt: BATCH.integer(row, "attempt"),
  };
}

/** Prolongs leases; says for each whether it is still held. */
export async function renew(
  postgres: Postgres,
  leases: readonly Lease[],
  until: number,
): Promise<readonly boolean[]> {
  if (leases.length === 0) return [];
  const { rows } = await postgres.query(
    "prolong leases",
    sql`WITH held AS MATERIALIZED (SELECT id FROM batch
        JOIN unnest(${leases.map(({ batch }) => batch)}::int8[],
          ${leases.map(({ token }) => token)}::int4[]) AS lease (batch_id, held)
        ON id = batch_id AND token = held
        WHERE batch.place = 1 ORDER BY id FOR UPDATE OF batch)
      UPDATE batch SET due_at = ${until} FROM held WHERE batch.id = held.id
      RETURNING batch.id, token`,
  );
  const held = new Map(
    rows.map((row) => [BATCH.integer(row, "id"), BATCH.integer(row, "token")]),
  );
  return leases.map(({ batch, token }) => held.get(batch) === token);
}

/** Hands a batch back untouched; one of a cancelled notification is not sent any more. */
export async function release(
  postgres: Postgres,
  { batch, token }: Lease,
  notBefore: number,
  now: number,
): Promise<void> {
  await postgres.query(
    "hand back a batch",
    sql`SELECT release_batch(${batch}, ${token}, ${notBefore}, ${now})`,
  );
}

/** Ends the leases of a node that has ended; says how many batches it had. */
export async function abandon(postgres: Postgres, node: string, now: number): Promise<number> {
  const { rows } = await postgres.transaction(
    "end the leases of a node",
    (transaction) => transaction.query(sql`SELECT abandon_batches(${node}, ${now}) AS count`),
  );
  return BATCH.integer(rows[0], "count");
}

/** How full the lanes are that have batches or are paused. */
export async function lanes(postgres: Postgres): Promise<readonly LaneStatus[]> {
  const { rows } = await postgres.query(
    "read the lanes",
    sql`SELECT name AS app, platform, pause_reason, paused_at,
        coalesce(waiting, 0) AS waiting, coalesce(leased, 0) AS leased
      FROM lane JOIN app ON app.id = app_id LEFT JOIN (
        SELECT lane_id, count(*) FILTER (WHERE place <> 1) AS waiting,
          count(*) FILTER (WHERE place = 1) AS leased
        FROM batch GROUP BY lane_id) AS load ON lane_id = lane.id
      WHERE pause_reason IS NOT NULL OR lane_id IS NOT NULL ORDER BY name, platform`,
  );
  return rows.map((row) => ({
    app: LANE.text(row, "app"),
    platform: platformColumn(LANE, row),
    waiting: LANE.integer(row, "waiting"),
    leased: LANE.integer(row, "leased"),
    pause: pauseOf(row),
  }));
}

/**
 * The recipients of a batch. A thousand addresses come as one JSON text, which is a tenth of the work of
 * a thousand rows.
 */
export async function load(
  postgres: Postgres,
  { batch, token }: Lease,
): Promise<LoadedBatch | "stale" | "unreadable"> {
  const { rows: [row] } = await postgres.query(
    "read a batch",
    sql`SELECT count, platform, chunk_id, to_json(numbers) AS numbers, first_number,
        chunk.addresses AS chunk, chunk.keys AS chunk_keys, member.*
      FROM batch JOIN lane ON lane.id = lane_id LEFT JOIN chunk ON chunk.id = chunk_id
      LEFT JOIN LATERAL (
        SELECT json_agg(CASE state WHEN 0 THEN address END) AS addresses,
          json_agg(place) FILTER (WHERE state IS DISTINCT FROM 0) AS missing,
          json_agg(address) FILTER (WHERE state IS DISTINCT FROM 0) AS missing_addresses,
          json_agg(place) FILTER (WHERE state = 0 AND suspect) AS suspects,
          string_agg(keys, '') FILTER (WHERE state = 0) AS keys
        FROM (SELECT place - 1 AS place, state, address, suspect,
            CASE platform WHEN 2 THEN keys END AS keys
          FROM unnest(numbers) WITH ORDINALITY AS one (number, place)
          LEFT JOIN device ON device.number = one.number AND device.app_id + 0 = lane.app_id
          ORDER BY place) AS ordered) AS member ON chunk_id IS NULL
      WHERE batch.id = ${batch} AND token = ${token} AND place = 1`,
  );
  if (row === undefined) return "stale";
  const platform = platformColumn(LANE, row);
  const numbers = numbersIn(row);
  if (numbers.length !== BATCH.integer(row, "count")) return "unreadable";
  if (row["chunk_id"] === null) return loadedDevices(platform, numbers, row);
  const recipients = directRecipients(platform, numbers, row);
  return recipients === undefined ? "unreadable" : { recipients, gone: [] };
}

/** The numbers of a batch, none when there is no list of them. */
function numbersIn(row: Row): readonly number[] {
  const numbers = row["numbers"];
  return Array.isArray(numbers) && numbers.every(Number.isSafeInteger) ? numbers : [];
}

/** A list that the database made of rows; it is NULL when there were none. */
function listIn(row: Row, column: string): readonly unknown[] {
  const list = row[column];
  if (list === null) return [];
  return Array.isArray(list) ? list : BATCH.wrong(row, column, "a list");
}

function placesIn(row: Row, column: string): readonly number[] {
  return listIn(row, column).map((place) =>
    typeof place === "number" ? place : BATCH.wrong(row, column, "a list of places")
  );
}

function loadedDevices(platform: Platform, numbers: readonly number[], row: Row): LoadedBatch {
  const missing = placesIn(row, "missing");
  const suspects = placesIn(row, "suspects");
  const keys = row["keys"] === null ? new Uint8Array() : BATCH.bytes(row, "keys");
  const all = listIn(row, "addresses");
  if (missing.length === 0) {
    return { recipients: { platform, numbers, addresses: textsOf(all), keys, suspects }, gone: [] };
  }
  const lost = new Set(missing);
  const kept = (_: unknown, place: number) => !lost.has(place);
  const places = new Map(numbers.map((_, place) => place).filter(kept).map((p, at) => [p, at]));
  const addresses = listIn(row, "missing_addresses");
  return {
    recipients: {
      platform,
      numbers: numbers.filter(kept),
      addresses: textsOf(all.filter(kept)),
      keys,
      suspects: suspects.flatMap((place) => places.get(place) ?? []),
    },
    gone: missing.map((place, index) => {
      const number = numbers[place] ?? 0;
      const address = addresses[index];
      return typeof address === "string"
        ? { number, address, why: "invalid" } as const
        : { number, address: "", why: "removed" } as const;
    }),
  };
}

function textsOf(list: readonly unknown[]): readonly string[] {
  return CHUNK.texts({ addresses: list }, "addresses");
}

/** A list from its JSON; an empty one when it is none. */
function listOf(json: string): readonly unknown[] {
  try {
    const list: unknown = JSON.parse(json);
    return Array.isArray(list) ? list : [];
  } catch (error) {
    if (error instanceof SyntaxError) return [];
    throw error;
  }
}

/** Direct recipients from their chunk, `undefined` when they are not in it. */
function directRecipients(
  platform: Platform,
  numbers: readonly number[],
  row: Row,
): Recipients | undefined {
  if (row["chunk"] === null) return undefined;
  const first = CHUNK.integer(row, "first_number");
  const all = listOf(CHUNK.text(row, "chunk"));
  const addresses = numbers.map((number) => all[number - first]);
  if (!addresses.every((address) => typeof address === "string")) return undefined;
  if (platform !== "webpush") {
    return { platform, numbers, addresses, keys: new Uint8Array(), suspects: [] };
  }
  const keys = new Uint8Array(numbers.length * KEYS_BYTES);
  if (row["chunk_keys"] === null) return undefined;
  const allKeys = CHUNK.bytes(row, "chunk_keys");
  if (allKeys.length !== all.length * KEYS_BYTES) return undefined;
  for (const [place, number] of numbers.entries()) {
    const start = (number - first) * KEYS_BYTES;
    keys.set(allKeys.subarray(start, start + KEYS_BYTES), place * KEYS_BYTES);
  }
  return { platform, numbers, addresses, keys, suspects: [] };
}
