/**
 * `migrate`: brings the tables of this program in PostgreSQL up to its version.
 *
 * @module
 */

import type { EngineAddress } from "../transports/command_line/engine_address.ts";
import type { Settings } from "../transports/command_line/settings.ts";
import type { SchemaPart } from "../transports/postgres/mod.ts";
import { access } from "./engines.ts";
import { naming } from "./start_error.ts";

/** The databases that may have to be migrated. */
export type MigrateSettings = Pick<Settings, "store" | "resultsDatabase" | "storeCaFile">;

/** A database, and what of this program is in it. */
interface Database {
  readonly setting: string;
  readonly address: EngineAddress;
  readonly parts: readonly SchemaPart[];
}

/** Migrates each database the settings name; resolves with the exit status. */
export async function runMigrate(
  settings: MigrateSettings,
  json: boolean,
  print: (text: string) => void,
): Promise<number> {
  const { migrate } = await import("../transports/postgres/mod.ts");
  const { store, resultsDatabase } = settings;
  const databases: Database[] = [];
  if (store?.kind === "postgres") {
    const { DELIVERY_PART } = await import("../transports/postgres_delivery/mod.ts");
    const { MESSAGES_PART } = await import("../transports/postgres_messages/mod.ts");
    databases.push({ setting: "store", address: store, parts: [MESSAGES_PART, DELIVERY_PART] });
  }
  if (resultsDatabase !== undefined) {
    const { ROWS_SCHEMA } = await import("../transports/postgres_rows/mod.ts");
    databases.push({
      setting: "results-database",
      address: resultsDatabase,
      parts: [ROWS_SCHEMA],
    });
  }
  const lines: string[] = [];
  const migrated: unknown[] = [];
  for (const { setting, address, parts } of databases) {
    const steps = await naming(setting, () => migrate(access(settings, address), parts));
    for (const { part, from, to } of steps) {
      migrated.push({ setting, part, from, to });
      const change = from === to ? `is at version ${to}` : `went from version ${from} to ${to}`;
      lines.push(`${setting}: ${address.shown}: ${part} ${change}\n`);
    }
  }
  print(json ? `${JSON.stringify({ migrated })}\n` : lines.join(""));
  return 0;
}
