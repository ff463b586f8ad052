/**
 * Apps and lanes of the delivery store in memory.
 *
 * @module
 */

import {
  type App,
  type AppListing,
  type Credentials,
  type LaneStatus,
} from "../delivery_store/records.ts";
import { type AppEntry, type Disk, PLATFORMS } from "./delivery_disk.ts";

/** An app, as callers see it. */
export function appOf({ name, version, credentials }: AppEntry): App {
  return { name, version, credentials };
}

/** Saves an app's next version; its pauses end. */
export function saveApp(disk: Disk, name: string, credentials: Credentials): App {
  const version = (disk.versions.get(name) ?? 0) + 1;
  disk.versions.set(name, version);
  const entry = disk.apps.get(name) ?? { name, version, credentials };
  entry.version = version;
  entry.credentials = credentials;
  disk.apps.set(name, entry);
  for (const lane of disk.lanes.values()) if (lane.app === name) lane.pause = undefined;
  return appOf(entry);
}

/** All apps by name. */
export function listApps(disk: Disk): readonly AppListing[] {
  const names = [...disk.apps.keys()].sort();
  return names.flatMap((name) => {
    const entry = disk.apps.get(name);
    const lanes = lanesOf(disk).filter(({ app }) => app === name);
    const pauses = lanes.flatMap(({ pause }) => pause ?? []);
    return entry === undefined ? [] : [{ app: appOf(entry), pauses }];
  });
}

/** Removes an app with all that is its own, but for finished notifications. */
export function removeApp(disk: Disk, name: string): "removed" | "unknown" | "busy" {
  const entry = disk.apps.get(name);
  if (entry === undefined) return "unknown";
  for (const { app, finishedAt } of disk.notifications.values()) {
    if (app === entry && finishedAt === undefined) return "busy";
  }
  disk.apps.delete(name);
  for (const { number, device } of [...disk.devices.values()]) {
    if (device.app !== name) continue;
    disk.devices.delete(device.id);
    disk.deviceIds.delete(number);
  }
  for (const [key, lane] of [...disk.lanes]) if (lane.app === name) disk.lanes.delete(key);
  return "removed";
}

/** Lanes with batches or a pause, by app and platform. */
export function lanesOf(disk: Disk): readonly LaneStatus[] {
  const batches = [...disk.batches.values()];
  return [...disk.lanes.values()]
    .map(({ app, platform, pause }) => {
      const own = batches.filter(({ entry, platform: own }) =>
        entry.notification.app === app && own === platform
      );
      const leased = own.filter(({ leased }) => leased).length;
      return {
        app,
        platform,
        waiting: own.length - leased,
        leased,
        pause: pause && { platform, ...pause },
      };
    })
    .filter(({ waiting, leased, pause }) => waiting + leased > 0 || pause !== undefined)
    .sort((a, b) =>
      compare(a.app, b.app) || PLATFORMS.indexOf(a.platform) - PLATFORMS.indexOf(b.platform)
    );
}

/** Order by code units, which is that of the bytes for names of ASCII. */
export function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
