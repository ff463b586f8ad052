/**
 * The migrations of the delivery store in PostgreSQL.
 *
 * @module
 */

import type { SchemaPart } from "../../postgres/mod.ts";
import { DEVICES } from "./devices.ts";
import { HISTORY } from "./history.ts";
import { HOUSEKEEPING } from "./housekeeping.ts";
import { NOTIFICATIONS } from "./notifications.ts";
import { QUEUE } from "./queue.ts";
import { RESULTS } from "./results.ts";
import { TABLES } from "./tables.ts";

/**
 * The tables and functions of the delivery store, for `migrate`. A released entry is never edited: a
 * changed function is a new entry with `CREATE OR REPLACE`.
 */
export const DELIVERY_PART: SchemaPart = {
  name: "delivery",
  migrations: [
    [TABLES, QUEUE, NOTIFICATIONS, RESULTS, DEVICES, HOUSEKEEPING].join("\n"),
    HISTORY,
  ],
};
