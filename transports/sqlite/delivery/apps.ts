/**
 * Writes apps and lanes.
 *
 * @module
 */

import { platformNumber } from "../../delivery_store/codes.ts";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Lane, Platform } from "../../delivery_store/records.ts";
import { integerColumn } from "../rows.ts";

function prepare(database: DatabaseSync) {
  const sql = (text: string): StatementSync => database.prepare(text);
  return {
    find: sql("SELECT id FROM app WHERE name = ? AND credentials IS NOT NULL"),
    version: sql("SELECT coalesce(max(version), 0) + 1 AS version FROM app WHERE name = ?"),
    add: sql("INSERT INTO app (name, version, credentials) VALUES (?, ?, ?)"),
    save: sql("UPDATE app SET version = ?, credentials = ? WHERE id = ?"),
    unfinished: sql("SELECT 1 FROM notification WHERE app_id = ? AND finished_at IS NULL LIMIT 1"),
    remove: sql("UPDATE app SET credentials = NULL WHERE id = ?"),
    removeLanes: sql("DELETE FROM lane WHERE app_id = ?"),
    lane: sql("SELECT id FROM lane WHERE app_id = ? AND platform = ?"),
    addLane: sql("INSERT INTO lane (app_id, platform) VALUES (?, ?)"),
    pause: sql(`UPDATE lane SET pause_reason = ?, paused_at = ?
      WHERE id = ? AND pause_reason IS NULL`),
    resume: sql(`UPDATE lane SET pause_reason = NULL, paused_at = NULL
      WHERE id = ? AND pause_reason IS NOT NULL`),
    resumeAll: sql("UPDATE lane SET pause_reason = NULL, paused_at = NULL WHERE app_id = ?"),
  };
}

/** Apps and their lanes. */
export class Apps {
  readonly #sql: ReturnType<typeof prepare>;

  /** Prepares the statements. */
  constructor(database: DatabaseSync) {
    this.#sql = prepare(database);
  }

  /** The number of an app that was not removed. */
  find(name: string): number | undefined {
    const row = this.#sql.find.get(name);
    return row && integerColumn(row, "id");
  }

  /** Saves an app's next version; its pauses end. */
  save(name: string, credentials: string): number {
    const version = integerColumn(this.#sql.version.get(name), "version");
    const app = this.find(name);
    if (app === undefined) {
      this.#sql.add.run(name, version, credentials);
    } else {
      this.#sql.save.run(version, credentials, app);
      this.#sql.resumeAll.run(app);
    }
    return version;
  }

  /** Takes an app away; its devices are removed by steps that follow. */
  remove(name: string): "removed" | "unknown" | "busy" {
    const app = this.find(name);
    if (app === undefined) return "unknown";
    if (this.#sql.unfinished.get(app) !== undefined) return "busy";
    this.#sql.remove.run(app);
    this.#sql.removeLanes.run(app);
    return "removed";
  }

  /** The number of the lane of this app on this platform; it is made when it is missing. */
  lane(app: number, platform: Platform): number {
    const number = platformNumber(platform);
    const row = this.#sql.lane.get(app, number);
    if (row !== undefined) return integerColumn(row, "id");
    return Number(this.#sql.addLane.run(app, number).lastInsertRowid);
  }

  /** Stops claims from a lane; one that is paused keeps its first reason. */
  pause({ app, platform }: Lane, reason: string, now: number): void {
    const owner = this.find(app);
    if (owner !== undefined) this.#sql.pause.run(reason, now, this.lane(owner, platform));
  }

  /** Allows claims from a lane again; says whether it was paused. */
  resume({ app, platform }: Lane): boolean {
    const owner = this.find(app);
    return owner !== undefined && this.#sql.resume.run(this.lane(owner, platform)).changes > 0;
  }
}
