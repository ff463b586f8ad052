/**
 * Pages of an app's devices, as callers see them: by the beginning of their ids, too, and with how the
 * last delivery to each ended.
 *
 * Stores order ids bytewise, and ids are visible ASCII: those with a prefix stand together, so a page
 * begins right before them and ends where they end.
 *
 * @module
 */

import type { Device } from "./records.ts";
import type { DeliveryStore, DevicesPage } from "./store.ts";
import { type DeviceView, deviceView } from "./views.ts";

/** Which devices. */
export interface DevicesQuery extends DevicesPage {
  /** Only those whose id begins so. */
  readonly idPrefix?: string;
}

/** Where devices are, and how deliveries to them ended. */
type Store = Pick<DeliveryStore, "devices" | "lastOutcomes">;

/** A page of devices, and the id after which the next one begins. */
export async function listDevices({ idPrefix, ...page }: DevicesQuery, store: Store): Promise<{
  readonly devices: readonly DeviceView[];
  readonly next: string | null;
}> {
  const after = idPrefix === undefined ? page.after : later(page.after, before(idPrefix));
  const found = await store.devices({ ...page, after });
  const devices = found.filter(({ id }) => id.startsWith(idPrefix ?? ""));
  const last = devices.length < page.limit ? undefined : devices.at(-1);
  return { devices: await viewsOf(devices, store), next: last?.id ?? null };
}

/** A device with its last outcome. */
export async function viewOf(device: Device, store: Store): Promise<DeviceView> {
  const [last] = await store.lastOutcomes([device.id]);
  return deviceView(device, last);
}

async function viewsOf(devices: readonly Device[], store: Store): Promise<readonly DeviceView[]> {
  if (devices.length === 0) return [];
  const outcomes = await store.lastOutcomes(devices.map(({ id }) => id));
  return devices.map((device, place) => deviceView(device, outcomes[place]));
}

/** A text that stands before all ids with this prefix, and behind all others that do. */
function before(prefix: string): string {
  const last = prefix.length - 1;
  return `${prefix.slice(0, last)}${String.fromCharCode(prefix.charCodeAt(last) - 1)}\x7f`;
}

function later(a: string | undefined, b: string): string {
  return a !== undefined && a > b ? a : b;
}
