/**
 * Devices, as callers register and read them.
 *
 * @module
 */

import { checkKeys, platformNumber } from "../delivery_store/codes.ts";
import type {
  DeliveryRow,
  Device,
  DeviceRecord,
  DevicesPage,
  UnsavedDevices,
} from "../delivery_store/records.ts";
import {
  Columns,
  invariant,
  type Postgres,
  type Row,
  sql,
  type SqlValue,
  statement,
  StoreError,
} from "../postgres/mod.ts";
import { platformColumn } from "./codes.ts";
import { DEVICE_RACES_MAX, DEVICES_MAX, PAGE_MAX, SORTED_DEVICES_MAX } from "./limits.ts";

const DEVICE = new Columns("device");

/** Why a device was not saved. */
const REASONS = ["no_app", "taken", "raced"] as const;

/** A device with its place in the call. */
interface Placed {
  readonly place: number;
  readonly device: DeviceRecord;
}

/** Registers devices, each replacing the one of the same id. */
export async function saveDevices(
  postgres: Postgres,
  devices: readonly DeviceRecord[],
  now: number,
): Promise<UnsavedDevices> {
  invariant(devices.length <= DEVICES_MAX, `${devices.length} devices in a call`);
  for (const device of devices) checkKeys(device);
  const noApp: number[] = [];
  const taken: number[] = [];
  for (const wave of wavesOf(devices)) {
    let left = wave;
    for (let race = 0; left.length > 0; race++) {
      if (race > DEVICE_RACES_MAX) {
        throw new StoreError("busy", "Cannot save devices: others register the same ones");
      }
      left = await saveWave(postgres, left, now, { noApp, taken });
    }
  }
  return { noApp: noApp.toSorted(ascending), taken: taken.toSorted(ascending) };
}

function ascending(one: number, other: number): number {
  return one - other;
}

/** Parts the devices so that no id is twice in one; those of the same id stay in their order. */
function wavesOf(devices: readonly DeviceRecord[]): readonly (readonly Placed[])[] {
  const waves: Placed[][] = [];
  const seen = new Map<string, number>();
  for (const [place, device] of devices.entries()) {
    const wave = seen.get(device.id) ?? 0;
    seen.set(device.id, wave + 1);
    (waves[wave] ??= []).push({ place, device });
  }
  return waves;
}

/** Answers those that another node was registering at the same moment. */
async function saveWave(
  postgres: Postgres,
  wave: readonly Placed[],
  now: number,
  unsaved: { readonly noApp: number[]; readonly taken: number[] },
): Promise<readonly Placed[]> {
  const devices = wave.map(({ device }) => device);
  const tags = devices.map(({ tags }) => [...new Set(tags)]);
  const { rows } = await postgres.transaction(
    "save devices",
    (transaction) =>
      transaction.query(sql`SELECT place, why FROM save_devices(${now},
      ${devices.map(({ app }) => app)},
      ${devices.map(({ id }) => id)},
      ${devices.map(({ platform }) => platformNumber(platform))},
      ${devices.map(({ address }) => address)},
      ${devices.map(({ keys = null }) => keys)},
      ${devices.map(({ user = null }) => user)},
      ${tags.map((names) => names.length === 0 ? null : JSON.stringify(names))},
      ${tags.flatMap((names, index) => names.map(() => index + 1))},
      ${tags.flat()})`),
  );
  const raced: Placed[] = [];
  for (const row of rows) {
    const one = wave[DEVICE.integer(row, "place")];
    invariant(one !== undefined, "an answer for a device that was not saved");
    const why = DEVICE.oneOf(row, "why", REASONS);
    switch (why) {
      case "no_app":
        unsaved.noApp.push(one.place);
        break;
      case "taken":
        unsaved.taken.push(one.place);
        break;
      case "raced":
        raced.push(one);
        break;
    }
  }
  return raced;
}

/** The columns of a device. */
const COLUMNS = `device.id, app.name AS app, platform, address, keys, person, tags, registered_at,
  state, reason`;

/** A device by its id. */
export async function findDevice(postgres: Postgres, id: string): Promise<Device | undefined> {
  const text = `SELECT ${COLUMNS} FROM device JOIN app ON app.id = app_id
    WHERE device.id = $1 AND credentials IS NOT NULL`;
  const { rows: [row] } = await postgres.query("read a device", statement(text, [id]));
  return row && deviceOf(row);
}

/** Removes a device; says whether it was there. */
export async function removeDevice(postgres: Postgres, id: string): Promise<boolean> {
  const { rows: [row] } = await postgres.transaction(
    "remove a device",
    (transaction) => transaction.query(sql`SELECT remove_device(${id}) AS removed`),
  );
  return DEVICE.boolean(row, "removed");
}

/** Marks devices invalid that are still what these rows say; says how many. */
export async function invalidate(
  postgres: Postgres,
  rows: readonly DeliveryRow[],
): Promise<number> {
  const named = rows.flatMap((row) =>
    row.device === undefined ? [] : [{ ...row, device: row.device }]
  );
  if (named.length === 0) return 0;
  const answer = await postgres.transaction(
    "mark devices invalid",
    (transaction) =>
      transaction.query(sql`SELECT invalidate(
      ${named.map(({ device }) => device)},
      ${named.map(({ app }) => app)},
      ${named.map(({ platform }) => platformNumber(platform))},
      ${named.map(({ address }) => address)},
      ${named.map(({ registeredBefore, at }) => registeredBefore ?? at)},
      ${named.map(({ reason }) => reason)}) AS count`),
  );
  return DEVICE.integer(answer.rows[0], "count");
}

/** Numbers of an app's devices, narrowed down as far as an index goes; each takes the app, and one value or none. */
function narrowedBy(
  { user, tag, state }: DevicesPage,
): readonly [text: string, ...value: readonly SqlValue[]] {
  if (user !== undefined) {
    return ["SELECT number FROM device WHERE app_id = $1 AND person = $2", user];
  }
  if (tag !== undefined) {
    return [
      `SELECT number FROM device_tag
        WHERE tag_id = (SELECT id FROM tag WHERE app_id = $1 AND name = $2)`,
      tag,
    ];
  }
  if (state === "invalid") return ["SELECT number FROM device WHERE app_id = $1 AND state = 1"];
  return ["SELECT number FROM device WHERE app_id = $1"];
}

/** A page of an app's devices, ordered by id. */
export async function pageOfDevices(
  postgres: Postgres,
  page: DevicesPage,
): Promise<readonly Device[]> {
  const found = await postgres.query(
    "read devices",
    sql`SELECT id FROM app WHERE name = ${page.app} AND credentials IS NOT NULL`,
  );
  const [app] = found.rows;
  if (app === undefined) return [];
  const owner = DEVICE.integer(app, "id");
  const [narrowed, ...value] = narrowedBy(page);
  const counted = await postgres.query(
    "count devices",
    statement(`SELECT count(*) FROM (${narrowed} LIMIT ${SORTED_DEVICES_MAX + 1}) AS counted`, [
      owner,
      ...value,
    ]),
  );
  const few = DEVICE.integer(counted.rows[0], "count") <= SORTED_DEVICES_MAX;
  const { rows } = await postgres.query("read devices", statementOf(page, owner, few));
  return rows.map(deviceOf);
}

/**
 * Few devices are found and sorted; of many, a page is soon found by walking all in order. Signs and
 * `OFFSET 0` keep the planner from taking one way for the other, since it does not know the values.
 */
function statementOf(page: DevicesPage, owner: number, few: boolean) {
  const [narrowed, ...value] = narrowedBy(page);
  const values: SqlValue[] = [owner, ...value];
  const place = (one: SqlValue) => `$${values.push(one)}`;
  const { after = "", user, tag, state } = page;
  const conditions = [`device.app_id + 0 = $1`, `device.id > ${place(after)}`];
  if (state !== undefined) conditions.push(`state + 0 = ${place(state === "active" ? 0 : 1)}`);
  if (user !== undefined) conditions.push(`person = $2`);
  if (tag !== undefined) {
    const name = user === undefined ? "$2" : place(tag);
    conditions.push(`EXISTS (SELECT 1 FROM device_tag
      WHERE tag_id = (SELECT tag.id FROM tag WHERE tag.app_id = $1 AND name = ${name})
        AND device_tag.number = device.number OFFSET 0)`);
  }
  const from = few
    ? `(SELECT device.* FROM (${narrowed}) AS few JOIN device USING (number) OFFSET 0) AS device`
    : "device";
  const limit = place(Math.min(page.limit, PAGE_MAX));
  return statement(
    `SELECT ${COLUMNS} FROM ${from} JOIN app ON app.id = app_id WHERE ${conditions.join(" AND ")}
      ORDER BY device.id LIMIT ${limit}`,
    values,
  );
}

function deviceOf(row: Row): Device {
  return {
    id: DEVICE.text(row, "id"),
    app: DEVICE.text(row, "app"),
    platform: platformColumn(DEVICE, row),
    address: DEVICE.text(row, "address"),
    keys: row["keys"] === null ? undefined : DEVICE.bytes(row, "keys"),
    user: DEVICE.optionalText(row, "person"),
    tags: row["tags"] === null ? [] : tagsOf(row),
    state: DEVICE.integer(row, "state") === 0 ? "active" : "invalid",
    registeredAt: DEVICE.integer(row, "registered_at"),
    reason: DEVICE.optionalText(row, "reason"),
  };
}

function tagsOf(row: Row): readonly string[] {
  try {
    return DEVICE.texts({ tags: JSON.parse(DEVICE.text(row, "tags")) }, "tags");
  } catch (error) {
    if (error instanceof SyntaxError) return DEVICE.wrong(row, "tags", "a JSON list of texts");
    throw error;
  }
}
