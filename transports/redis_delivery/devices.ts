/**
 * Reads and writes devices.
 *
 * @module
 */

import { checkKeys, platformNumber, platformOf, slices } from "../delivery_store/codes.ts";
import { LAST_OUTCOMES_MAX } from "../delivery_store/limits.ts";
import type {
  DeliveryRow,
  Device,
  DeviceRecord,
  DevicesPage,
  Platform,
  UnsavedDevices,
} from "../delivery_store/records.ts";
import { invariant } from "../redis/errors.ts";
import { damaged } from "../redis/hashes.ts";
import { arrayReply, integerReply, optionalTextReply } from "../redis/replies.ts";
import { deviceOf, escaped, recordParts } from "./codes.ts";
import { bufferReply, type Keyspace, numberReply, textsReply } from "./keyspace.ts";
import {
  DEVICES_AT_ONCE,
  DEVICES_MAX,
  PAGE_MAX,
  READ_AT_ONCE,
  SORTED_DEVICES_MAX,
} from "./limits.ts";
import { readLastRows } from "./rows.ts";
import { FEW, INVALIDATE, SAVE_DEVICES } from "./scripts/devices.ts";

/** Registers devices, each replacing the one of the same id. */
export async function saveDevices(
  keys: Keyspace,
  devices: readonly DeviceRecord[],
  now: number,
): Promise<UnsavedDevices> {
  invariant(devices.length <= DEVICES_MAX, `${devices.length} devices in a call`);
  for (const device of devices) checkKeys(device);
  // Sent at once: scripts of one connection run in the order in which they were sent.
  const answers = await Promise.all(
    slices(devices, DEVICES_AT_ONCE).map(async (part) => {
      const args = part.flatMap((device) => [
        device.app,
        device.id,
        platformNumber(device.platform),
        ...recordParts(device),
      ]);
      return arrayReply(await keys.run(SAVE_DEVICES, now, ...args)).map(integerReply);
    }),
  );
  const places = (wanted: number) =>
    answers.flat().flatMap((answer, place) => answer === wanted ? [place] : []);
  return { noApp: places(1), taken: places(2) };
}

/** Marks devices invalid that are still what these rows say; says how many. */
export async function invalidate(keys: Keyspace, rows: readonly DeliveryRow[]): Promise<number> {
  const args = rows.map((row) => {
    const { device, app, platform, address, reason, registeredBefore, at } = row;
    if (device === undefined) return [];
    const before = registeredBefore ?? at;
    return [device, app, platformNumber(platform), escaped(address), before, escaped(reason)];
  });
  let count = 0;
  for (const part of slices(args, DEVICES_AT_ONCE)) {
    count += integerReply(await keys.run(INVALIDATE, ...part.flat()));
  }
  return count;
}

/** Which device an id means: its number, its platform, and the number of its app. */
interface Found {
  readonly number: number;
  readonly platform: Platform;
}

function foundOf(key: string, id: string, text: string): Found {
  const [, digits] = /^(\d{1,16}) \d+$/.exec(text) ?? [];
  const code = Number(digits);
  if (digits === undefined || code % 4 > 2) throw damaged(key, id, "is no code of a device");
  return { number: Math.floor(code / 4), platform: platformOf(code % 4) };
}

/** A device by its id. */
export async function readDevice(keys: Keyspace, id: string): Promise<Device | undefined> {
  const [device] = await readDevices(keys, [id]);
  return device;
}

/** The newest row about each of these devices, by place, unless it has been swept. */
export async function readLastOutcomes(
  keys: Keyspace,
  ids: readonly string[],
): Promise<readonly (DeliveryRow | undefined)[]> {
  invariant(ids.length <= LAST_OUTCOMES_MAX, `${ids.length} devices in a call`);
  const texts = await keys.values("ids", ids);
  const key = keys.key("ids");
  const numbers = texts.flatMap((text, place) =>
    text === undefined ? [] : [foundOf(key, ids[place] ?? "", text.toString()).number]
  );
  if (numbers.length === 0) return ids.map(() => undefined);
  const rows = await readLastRows(keys, [...new Set(numbers)]);
  const rowOf = new Map(rows.map((row) => [row.device, row]));
  return ids.map((id) => rowOf.get(id));
}

/** Devices by their ids; those that are gone are left out. */
async function readDevices(keys: Keyspace, ids: readonly string[]): Promise<readonly Device[]> {
  const texts = await keys.values("ids", ids);
  const key = keys.key("ids");
  return await readFound(
    keys,
    texts.flatMap((text, place) =>
      text === undefined ? [] : [foundOf(key, ids[place] ?? "", text.toString())]
    ),
  );
}

async function readFound(keys: Keyspace, found: readonly Found[]): Promise<readonly Device[]> {
  const key = keys.key("devices");
  const records = await keys.values("devices", found.map(({ number }) => number));
  const devices = found.flatMap(({ number, platform }, place) => {
    const record = records[place];
    return record === undefined ? [] : [deviceOf(key, number, platform, record)];
  });
  const apps = [...new Set(devices.map(({ appId }) => appId))];
  const names = await keys.values("apps", apps);
  const nameOf = new Map(apps.map((id, place) => [id, names[place]?.toString()]));
  return devices.flatMap(({ appId, device }) => {
    // Without a name its app was removed, and it has only not been removed yet.
    const app = nameOf.get(appId);
    return app === undefined ? [] : [{ ...device, app }];
  });
}

/** A page of an app's devices, ordered by id. */
export async function readDevicesPage(
  keys: Keyspace,
  page: DevicesPage,
): Promise<readonly Device[]> {
  const app = optionalTextReply(await keys.command("hash", "HGET", `app:${page.app}`, "id"));
  if (app === undefined) return [];
  const limit = Math.min(page.limit, PAGE_MAX);
  const wanted = matcherOf(page);
  const few = await readFew(keys, app, page);
  if (few !== undefined) {
    const { after = "" } = page;
    return few.filter((device) => device.id > after && wanted(device))
      .sort((a, b) => a.id < b.id ? -1 : 1)
      .slice(0, limit);
  }
  const devices: Device[] = [];
  let start = page.after === undefined ? "-" : `(${page.after}`;
  while (devices.length < limit) {
    const range = [start, "+", "BYLEX", "LIMIT", 0, READ_AT_ONCE] as const;
    const ids = textsReply(await keys.command("zset", "ZRANGE", `order:${app}`, ...range));
    devices.push(...(await readDevices(keys, ids)).filter(wanted));
    if (ids.length < READ_AT_ONCE) break;
    start = `(${ids.at(-1)}`;
  }
  return devices.slice(0, limit);
}

/** The devices that may be on a page, in no order, when they are known to be few. */
async function readFew(
  keys: Keyspace,
  app: string,
  { state, user, tag }: DevicesPage,
): Promise<readonly Device[] | undefined> {
  const group = user !== undefined ? `@${user}` : tag !== undefined ? `#${tag}` : "*";
  if (group === "*" && state !== "invalid") return undefined;
  const states = state === undefined ? "ai" : state === "active" ? "a" : "i";
  const codes = await keys.run(FEW, app, group, states, SORTED_DEVICES_MAX);
  if (codes === null) return undefined;
  return await readFound(
    keys,
    arrayReply(codes).map((reply) => {
      const code = numberReply(bufferReply(reply));
      return { number: Math.floor(code / 4), platform: platformOf(code % 4) };
    }),
  );
}

function matcherOf({ state, user, tag }: DevicesPage): (device: Device) => boolean {
  return (device) =>
    (state === undefined || device.state === state) &&
    (user === undefined || device.user === user) &&
    (tag === undefined || device.tags.includes(tag));
}
