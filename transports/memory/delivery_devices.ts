/**
 * Devices of the delivery store in memory.
 *
 * @module
 */

import type {
  DeliveryRow,
  Device,
  DeviceRecord,
  DevicesPage,
  UnsavedDevices,
} from "../delivery_store/records.ts";
import { compare } from "./delivery_apps.ts";
import { type DeviceEntry, type Disk, invariant } from "./delivery_disk.ts";
import { hasKeys } from "./delivery_queue.ts";

/** Devices in one call, at most. */
const DEVICES_MAX = 1_000;

/** Registers devices. One that changes its platform is a new recipient, and so has a new number. */
export function saveDevices(
  disk: Disk,
  devices: readonly DeviceRecord[],
  now: number,
): UnsavedDevices {
  invariant(devices.length <= DEVICES_MAX, `${devices.length} devices in a call`);
  for (const device of devices) {
    invariant(hasKeys(device), `keys of a device on ${device.platform}`);
  }
  const noApp: number[] = [];
  const taken: number[] = [];
  for (const [place, record] of devices.entries()) {
    const found = disk.devices.get(record.id);
    if (!disk.apps.has(record.app)) noApp.push(place);
    else if (found !== undefined && found.device.app !== record.app) taken.push(place);
    else saveDevice(disk, record, found, now);
  }
  return { noApp, taken };
}

function saveDevice(
  disk: Disk,
  record: DeviceRecord,
  found: DeviceEntry | undefined,
  now: number,
): void {
  const same = found?.device.platform === record.platform;
  if (found !== undefined && !same) removeDevice(disk, record.id);
  const number = found !== undefined && same ? found.number : ++disk.lastDevice;
  const tags = [...new Set(record.tags)];
  const device: Device = { ...record, tags, state: "active", registeredAt: now, reason: undefined };
  disk.devices.set(record.id, { number, device, suspect: false });
  disk.deviceIds.set(number, record.id);
}

/** A page of an app's devices, ordered by id. */
export function devicesPage(disk: Disk, page: DevicesPage): readonly Device[] {
  return [...disk.devices.values()]
    .map(({ device }) => device)
    .filter((device) =>
      device.app === page.app &&
      (page.after === undefined || device.id > page.after) &&
      (page.state === undefined || device.state === page.state) &&
      (page.user === undefined || device.user === page.user) &&
      (page.tag === undefined || device.tags.includes(page.tag))
    )
    .sort((a, b) => compare(a.id, b.id))
    .slice(0, page.limit);
}

/** Removes a device. */
export function removeDevice(disk: Disk, id: string): boolean {
  const found = disk.devices.get(id);
  if (found === undefined) return false;
  disk.deviceIds.delete(found.number);
  return disk.devices.delete(id);
}

/** Marks devices invalid that are still what the rows say. */
export function invalidate(disk: Disk, rows: readonly DeliveryRow[]): number {
  let count = 0;
  for (const row of rows) {
    const found = disk.devices.get(row.device ?? "");
    if (found === undefined) continue;
    const { device } = found;
    const meant = device.app === row.app && device.platform === row.platform &&
      device.address === row.address && device.registeredAt <= (row.registeredBefore ?? row.at);
    if (!meant || device.state === "invalid") continue;
    disk.devices.set(device.id, {
      ...found,
      device: { ...device, state: "invalid", reason: row.reason },
    });
    count++;
  }
  return count;
}
