/**
 * Writes devices. Every statement names the app: no call reaches another tenant's devices.
 *
 * @module
 */

import { checkKeys, platformNumber } from "../../delivery_store/codes.ts";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { DeliveryRow, DeviceRecord, UnsavedDevices } from "../../delivery_store/records.ts";
import { invariant } from "../errors.ts";
import { integerColumn, optionalTextColumn, type Row } from "../rows.ts";
import type { Apps } from "./apps.ts";
import { DEVICES_MAX, TAGS_REMEMBERED_MAX } from "./limits.ts";

function prepare(database: DatabaseSync) {
  const sql = (text: string): StatementSync => database.prepare(text);
  return {
    find: sql(`SELECT number, app_id, platform, tags, credentials IS NULL AS orphaned
      FROM device JOIN app ON app.id = app_id WHERE device.id = ?`),
    add: sql(`INSERT INTO device
      (app_id, id, platform, address, keys, user, tags, registered_at)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?)`),
    replace: sql(`UPDATE device SET address = ?, keys = ?, user = ?, tags = ?, registered_at = ?,
      state = 0, reason = NULL, suspect = 0 WHERE number = ? AND app_id = ?`),
    remove: sql("DELETE FROM device WHERE number = ? AND app_id = ?"),
    removeLastRow: sql("DELETE FROM last_row WHERE number = ?"),
    removed: sql(`SELECT number, device.app_id, platform, tags FROM app
      CROSS JOIN device INDEXED BY device_in_audience ON device.app_id = app.id
      WHERE credentials IS NULL LIMIT ?`),
    // Named, since the planner takes the audience's index for as good and walks all devices of the app.
    invalidate: sql(`UPDATE device INDEXED BY device_by_id SET state = 1, reason = ?
      WHERE id = ? AND app_id = ? AND platform = ? AND address = ? AND registered_at <= ?
        AND state = 0`),
    // The sign keeps the planner from walking all devices of the app.
    suspect: sql(`UPDATE device SET suspect = ?1 WHERE +app_id = ?2 AND suspect <> ?1
      AND number IN (SELECT value FROM json_each(?3))`),
    tag: sql("SELECT id FROM tag WHERE app_id = ? AND name = ?"),
    addTag: sql("INSERT INTO tag (app_id, name) VALUES (?, ?)"),
    addDeviceTag: sql("INSERT OR IGNORE INTO device_tag (tag_id, number) VALUES (?, ?)"),
    removeDeviceTag: sql("DELETE FROM device_tag WHERE tag_id = ? AND number = ?"),
  };
}

/** Devices, with the tags by which audiences find them. */
export class Devices {
  readonly #sql: ReturnType<typeof prepare>;
  readonly #apps: Apps;
  /** Numbers of tags by app and name. */
  readonly #tags = new Map<string, number>();

  /** Prepares the statements. */
  constructor(database: DatabaseSync, apps: Apps) {
    this.#sql = prepare(database);
    this.#apps = apps;
  }

  /** What was remembered may have been rolled back. */
  forget(): void {
    this.#tags.clear();
  }

  /** Registers devices, each replacing the one of the same id. */
  save(devices: readonly DeviceRecord[], now: number): UnsavedDevices {
    invariant(devices.length <= DEVICES_MAX, `${devices.length} devices in a call`);
    for (const device of devices) checkKeys(device);
    const apps = new Map<string, number | undefined>();
    const noApp: number[] = [];
    const taken: number[] = [];
    for (const [place, device] of devices.entries()) {
      if (!apps.has(device.app)) apps.set(device.app, this.#apps.find(device.app));
      const app = apps.get(device.app);
      if (app === undefined) noApp.push(place);
      else if (!this.#save(device, app, now)) taken.push(place);
    }
    return { noApp, taken };
  }

  /** Says whether the id was free or the app's own. */
  #save(device: DeviceRecord, app: number, now: number): boolean {
    let found = this.#sql.find.get(device.id);
    if (found !== undefined && integerColumn(found, "app_id") !== app) {
      if (integerColumn(found, "orphaned") === 0) return false;
      // Its app was removed, and it has only not been removed yet.
      this.#remove(found);
      found = undefined;
    }
    const { address, keys = null, user = null } = device;
    const platform = platformNumber(device.platform);
    const tags = device.tags.length === 0 ? null : JSON.stringify([...new Set(device.tags)]);
    if (found !== undefined && integerColumn(found, "platform") === platform) {
      const number = integerColumn(found, "number");
      this.#sql.replace.run(address, keys, user, tags, now, number, app);
      if (tags !== (optionalTextColumn(found, "tags") ?? null)) {
        this.#removeTags(found);
        this.#addTags(app, number, device.tags);
      }
      return true;
    }
    // On another platform it is another recipient: batches know it by its number.
    if (found !== undefined) this.#remove(found);
    const added = this.#sql.add.run(app, device.id, platform, address, keys, user, tags, now);
    this.#addTags(app, Number(added.lastInsertRowid), device.tags);
    return true;
  }

  /** Removes a device; says whether it was there. */
  remove(id: string): boolean {
    const found = this.#sql.find.get(id);
    if (found !== undefined) this.#remove(found);
    return found !== undefined;
  }

  /** Removes up to so many devices of removed apps; says how many there were. */
  clearRemovedApps(limit: number): number {
    const rows = this.#sql.removed.all(limit);
    for (const row of rows) this.#remove(row);
    return rows.length;
  }

  /** Marks devices invalid that are still what these rows say; says how many. */
  invalidate(rows: readonly DeliveryRow[]): number {
    let count = 0;
    for (const { device, app, platform, address, reason, registeredBefore, at } of rows) {
      const owner = device === undefined ? undefined : this.#apps.find(app);
      if (device === undefined || owner === undefined) continue;
      const { changes } = this.#sql.invalidate.run(
        reason,
        device,
        owner,
        platformNumber(platform),
        address,
        registeredBefore ?? at,
      );
      count += Number(changes);
    }
    return count;
  }

  /** Marks these devices of an app as suspect, or no longer. */
  markSuspects(app: number, numbers: readonly number[], suspect: boolean): void {
    if (numbers.length > 0) this.#sql.suspect.run(suspect ? 1 : 0, app, JSON.stringify(numbers));
  }

  #remove(found: Row): void {
    this.#removeTags(found);
    const number = integerColumn(found, "number");
    this.#sql.removeLastRow.run(number);
    this.#sql.remove.run(number, integerColumn(found, "app_id"));
  }

  #addTags(app: number, number: number, tags: readonly string[]): void {
    for (const tag of tags) this.#sql.addDeviceTag.run(this.#tag(app, tag), number);
  }

  #removeTags(found: Row): void {
    const tags: readonly string[] = JSON.parse(optionalTextColumn(found, "tags") ?? "[]");
    const app = integerColumn(found, "app_id");
    const number = integerColumn(found, "number");
    for (const tag of tags) this.#sql.removeDeviceTag.run(this.#tag(app, tag), number);
  }

  #tag(app: number, name: string): number {
    const key = `${app} ${name}`;
    let tag = this.#tags.get(key);
    if (tag === undefined) {
      const row = this.#sql.tag.get(app, name);
      tag = row === undefined
        ? Number(this.#sql.addTag.run(app, name).lastInsertRowid)
        : integerColumn(row, "id");
      if (this.#tags.size >= TAGS_REMEMBERED_MAX) this.#tags.clear();
      this.#tags.set(key, tag);
    }
    return tag;
  }
}
