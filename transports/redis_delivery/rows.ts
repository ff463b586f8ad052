/**
 * Reads the two logs: rows of deliveries, and tallies of batches.
 *
 * The rows of one result are one value, kept under the position of the last of them. So a page begins
 * with the first value whose last row is still to come, and one value may give several pages.
 *
 * @module
 */

import { platformOf, slices } from "../delivery_store/codes.ts";
import {
  type DeliveriesPage,
  type DeliveryRow,
  OUTCOMES,
  type Tally,
} from "../delivery_store/records.ts";
import {
  damaged,
  type Hash,
  hashOf,
  hashOfNames,
  integerField,
  textField,
} from "../redis/hashes.ts";
import { arrayReply, integerReply, textReply } from "../redis/replies.ts";
import { deviceOf, parsed } from "./codes.ts";
import { inSlices, type Keyspace, textsReply } from "./keyspace.ts";
import { PAGE_MAX } from "./limits.ts";
import { COMMON_FIELDS, FIND_LAST_ROWS, READ_ROWS_OF } from "./scripts/last_rows.ts";

/** Values of rows asked for at once: with a thousand rows each, some MiB. */
const VALUES_AT_ONCE = 32;

/** Positions looked up at once. */
const POSITIONS_AT_ONCE = 256;

const FIELDS = [...COMMON_FIELDS, "rows"] as const;

/** A row, and the app whose device its number means, empty when it means none. */
interface Found {
  readonly row: Omit<DeliveryRow, "device">;
  readonly appId: string;
}

/** A page of rows of all notifications. */
export function readRows(
  keys: Keyspace,
  after: number,
  limit: number,
): Promise<readonly DeliveryRow[]> {
  return readPage(keys, "rows", after, limit, () => true);
}

/** A page of rows of one notification. */
export function readDeliveries(
  keys: Keyspace,
  { notification, after, limit, outcome }: DeliveriesPage,
): Promise<readonly DeliveryRow[]> {
  const kind = outcome === undefined ? "" : `:${OUTCOMES.indexOf(outcome)}`;
  const wanted = (row: Found["row"]) => outcome === undefined || row.outcome === outcome;
  return readPage(keys, `rows:${notification}${kind}`, after, limit, wanted);
}

async function readPage(
  keys: Keyspace,
  index: string,
  after: number,
  limit: number,
  wanted: (row: Found["row"]) => boolean,
): Promise<readonly DeliveryRow[]> {
  const max = Math.min(limit, PAGE_MAX);
  const found: Found[] = [];
  let start = after;
  while (found.length < max) {
    const range = [`(${start}`, "+inf", "BYSCORE", "LIMIT", 0, POSITIONS_AT_ONCE] as const;
    const lasts = textsReply(await keys.command("zset", "ZRANGE", index, ...range));
    for (let place = 0; place < lasts.length && found.length < max;) {
      // As many values as have the rows that are missing, if no other log has any between them.
      const until = start + max - found.length;
      const part = lasts.slice(place, place + VALUES_AT_ONCE);
      const enough = part.findIndex((last) => Number(last) >= until);
      const asked = enough < 0 ? part : part.slice(0, enough + 1);
      const values = await inSlices(asked, VALUES_AT_ONCE, (last) => readValue(keys, last));
      found.push(...values.flat().filter(({ row }) => row.position > after && wanted(row)));
      place += asked.length;
      start = Number(asked.at(-1));
    }
    if (lasts.length < POSITIONS_AT_ONCE) break;
  }
  return await named(keys, found.slice(0, max));
}

/** The rows of one value; none when it was swept meanwhile. */
async function readValue(keys: Keyspace, last: string): Promise<readonly Found[]> {
  const hash = await keys.fields(`row:${last}`, FIELDS);
  if (hash === undefined) return [];
  const lines = textField(hash, "rows").replaceAll("\n", ",");
  const rows = parsed(hash.key, "rows", `[${lines}]`);
  if (!Array.isArray(rows) || rows.length !== integerField(hash, "count")) {
    throw damaged(hash.key, "rows", "has not as many rows as it says");
  }
  const { common, appId } = commonOf(hash);
  const before = Number(last) - rows.length + 1;
  return rows.map((values, place) => {
    const row = { position: before + place, ...common, ...settledOf(hash, values) };
    return { row, appId };
  });
}

/** What all rows of one value have in common. */
function commonOf(hash: Hash) {
  const common = {
    notification: textField(hash, "notification"),
    app: textField(hash, "app"),
    platform: platformOf(integerField(hash, "platform")),
    attempts: integerField(hash, "attempts"),
    at: integerField(hash, "at"),
  };
  return { common, appId: integerField(hash, "direct") === 1 ? "" : textField(hash, "app_id") };
}

function settledOf(hash: Hash, values: unknown) {
  if (Array.isArray(values)) {
    const [number, address, kind, status, reason, before]: readonly unknown[] = values;
    const outcome = typeof kind === "number" ? OUTCOMES[kind] : undefined;
    const registeredBefore = typeof before === "number" ? before : undefined;
    if (
      typeof number === "number" && typeof address === "string" && outcome !== undefined &&
      typeof status === "number" && typeof reason === "string"
    ) {
      return { number, address, outcome, status, reason, registeredBefore };
    }
  }
  throw damaged(hash.key, "rows", "has a row that is none");
}

/** Rows with the ids of their devices, as far as they are there. */
async function named(keys: Keyspace, found: readonly Found[]): Promise<readonly DeliveryRow[]> {
  const key = keys.key("devices");
  const wanted = [...new Set(found.flatMap(({ row, appId }) => appId === "" ? [] : [row.number]))];
  const records = await keys.values("devices", wanted);
  const recordOf = new Map(wanted.map((number, place) => [number, records[place]]));
  return found.map(({ row, appId }) => {
    const record = appId === "" ? undefined : recordOf.get(row.number);
    const owned = record && deviceOf(key, row.number, row.platform, record);
    return { ...row, device: owned?.appId === appId ? owned.device.id : undefined };
  });
}

/** The newest rows about the devices with these numbers, unless they have been swept; in no order. */
export async function readLastRows(
  keys: Keyspace,
  numbers: readonly number[],
): Promise<readonly DeliveryRow[]> {
  const positions = arrayReply(await keys.run(FIND_LAST_ROWS, ...numbers));
  const numbersIn = new Map<number, number[]>();
  for (const [place, number] of numbers.entries()) {
    const position = positions[place];
    if (position === null) continue;
    const last = integerReply(position);
    numbersIn.set(last, [...numbersIn.get(last) ?? [], number]);
  }
  const found = await inSlices([...numbersIn], VALUES_AT_ONCE, async ([last, numbers]) => {
    const name = String(last).padStart(14, "0");
    const [values, rows] = arrayReply(await keys.run(READ_ROWS_OF, name, ...numbers));
    // It was swept meanwhile.
    if (rows === undefined) return [];
    const hash = hashOfNames(keys.key(`row:${name}`), COMMON_FIELDS, values);
    return hash === undefined ? [] : lastRowsOf(hash, last, arrayReply(rows));
  });
  return await named(keys, found.flat());
}

function lastRowsOf(hash: Hash, last: number, rows: readonly unknown[]): readonly Found[] {
  const before = last - integerField(hash, "count") + 1;
  const { common, appId } = commonOf(hash);
  return slices(rows, 2).map(([place, text]) => {
    const position = before + integerReply(place);
    const settled = settledOf(hash, parsed(hash.key, "rows", textReply(text)));
    return { row: { position, ...common, ...settled }, appId };
  });
}

/** A page of tallies. */
export async function readTallies(
  keys: Keyspace,
  after: number,
  limit: number,
): Promise<readonly Tally[]> {
  const range = [`${after + 1}-0`, "+", "COUNT", Math.min(limit, PAGE_MAX)] as const;
  const key = keys.key("tallies");
  return arrayReply(await keys.command("stream", "XRANGE", "tallies", ...range)).map((entry) => {
    const [id, fields] = arrayReply(entry);
    const position = Number(/^(\d+)-0$/.exec(textReply(id))?.[1]);
    const hash = hashOf(key, fields);
    if (hash === undefined || !Number.isSafeInteger(position)) {
      throw damaged(key, textReply(id), "is no tally");
    }
    return tallyOf(hash, position);
  });
}

function tallyOf(hash: Hash, position: number): Tally {
  return {
    position,
    notification: textField(hash, "notification"),
    app: textField(hash, "app"),
    platform: platformOf(integerField(hash, "platform")),
    at: integerField(hash, "at"),
    outcomes: {
      delivered: integerField(hash, "delivered"),
      token_invalid: integerField(hash, "token_invalid"),
      rejected: integerField(hash, "rejected"),
      expired: integerField(hash, "expired"),
      failed: integerField(hash, "failed"),
      cancelled: integerField(hash, "cancelled"),
    },
    retries: integerField(hash, "retries"),
  };
}
