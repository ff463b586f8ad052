/**
 * Apps and the pauses of their lanes.
 *
 * @module
 */

import { platformNumber } from "../delivery_store/codes.ts";
import type { App, AppListing, Credentials, Lane, Pause } from "../delivery_store/records.ts";
import { Columns, type Postgres, type Row, sql } from "../postgres/mod.ts";
import { platformColumn } from "./codes.ts";
import { CLEARED_AT_ONCE } from "./limits.ts";

const APP = new Columns("app");
const LANE = new Columns("lane");

/** What becomes of a removal. */
const REMOVALS = ["removed", "unknown", "busy"] as const;

/** Reads an app from a row with its columns. */
export function appOf(row: Row): App {
  return {
    name: APP.text(row, "name"),
    version: APP.integer(row, "version"),
    credentials: credentialsOf(row),
  };
}

function credentialsOf(row: Row): Credentials {
  try {
    return JSON.parse(APP.text(row, "credentials"));
  } catch (error) {
    // The parser's own words would repeat a part of the secrets.
    if (error instanceof SyntaxError) return APP.wrong(row, "credentials", "JSON");
    throw error;
  }
}

/** Reads a lane's pause, `undefined` when it has none. */
export function pauseOf(row: Row): Pause | undefined {
  const reason = LANE.optionalText(row, "pause_reason");
  if (reason === undefined) return undefined;
  return { platform: platformColumn(LANE, row), reason, since: LANE.integer(row, "paused_at") };
}

/** Saves an app's credentials as its next version; its pauses end. */
export async function saveApp(
  postgres: Postgres,
  name: string,
  credentials: Credentials,
): Promise<App> {
  const { rows } = await postgres.transaction("save an app", (transaction) =>
    transaction.query(
      sql`SELECT save_app(${name}, ${JSON.stringify(credentials)}) AS version`,
    ));
  return { name, version: APP.integer(rows[0], "version"), credentials };
}

/** An app by its name. */
export async function findApp(postgres: Postgres, name: string): Promise<App | undefined> {
  const { rows: [row] } = await postgres.query(
    "read an app",
    sql`SELECT name, version, credentials FROM app
      WHERE name = ${name} AND credentials IS NOT NULL`,
  );
  return row && appOf(row);
}

/** All apps by name, with their pauses. */
export async function listApps(postgres: Postgres): Promise<readonly AppListing[]> {
  const { rows } = await postgres.query(
    "read the apps",
    sql`SELECT name, version, credentials, platform, pause_reason, paused_at
      FROM app LEFT JOIN lane ON app_id = app.id AND pause_reason IS NOT NULL
      WHERE credentials IS NOT NULL ORDER BY name, platform`,
  );
  const listings = new Map<string, { app: App; pauses: Pause[] }>();
  for (const row of rows) {
    const app = appOf(row);
    const listing = listings.get(app.name) ?? { app, pauses: [] };
    listings.set(app.name, listing);
    const pause = pauseOf(row);
    if (pause !== undefined) listing.pauses.push(pause);
  }
  return [...listings.values()];
}

/** Takes an app away at once and its devices by steps; what a crash leaves of them, the sweep removes. */
export async function removeApp(
  postgres: Postgres,
  name: string,
): Promise<"removed" | "unknown" | "busy"> {
  const { rows } = await postgres.transaction(
    "remove an app",
    (transaction) => transaction.query(sql`SELECT remove_app(${name}) AS removal`),
  );
  const removal = APP.oneOf(rows[0], "removal", REMOVALS);
  if (removal !== "removed") return removal;
  while (await clearSome(postgres) > 0);
  return removal;
}

async function clearSome(postgres: Postgres): Promise<number> {
  const { rows } = await postgres.transaction(
    "remove an app's devices",
    (transaction) => transaction.query(sql`SELECT clear_removed_apps(${CLEARED_AT_ONCE}) AS count`),
  );
  return APP.integer(rows[0], "count");
}

/** Stops claims from a lane; one that is paused keeps its first reason. */
export async function pauseLane(
  postgres: Postgres,
  { app, platform }: Lane,
  reason: string,
  now: number,
): Promise<void> {
  await postgres.query(
    "pause a lane",
    sql`UPDATE lane SET pause_reason = ${reason}, paused_at = ${now} FROM app
      WHERE app.id = app_id AND name = ${app} AND credentials IS NOT NULL
        AND platform = ${platformNumber(platform)} AND pause_reason IS NULL`,
  );
}

/** Allows claims from a lane again; says whether it was paused. */
export async function resumeLane(postgres: Postgres, { app, platform }: Lane): Promise<boolean> {
  const { count } = await postgres.query(
    "resume a lane",
    sql`UPDATE lane SET pause_reason = NULL, paused_at = NULL FROM app
      WHERE app.id = app_id AND name = ${app} AND credentials IS NOT NULL
        AND platform = ${platformNumber(platform)} AND pause_reason IS NOT NULL`,
  );
  return count > 0;
}
