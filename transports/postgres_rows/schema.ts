/**
 * The table of rows in PostgreSQL, parted by the day.
 *
 * A row is known by its notification, its number there and its time: the same row comes with the same
 * time, so one that is offered again is found to be there. The time is in the key since PostgreSQL
 * keeps a key unique within a part only. The key serves whoever looks a notification up, too; devices
 * have an index of their own.
 *
 * Why parts: removing a day's rows is dropping its table, which takes no time however many they are
 * and leaves nothing to be cleaned up.
 *
 * @module
 */

import type { SchemaPart } from "../postgres/migrations.ts";

/** The tables of the rows, for `migrate`. */
export const ROWS_SCHEMA: SchemaPart = {
  name: "delivery_rows",
  migrations: [
    `CREATE TABLE delivery_row (
       at timestamptz NOT NULL,
       notification uuid NOT NULL,
       number int8 NOT NULL,
       position int8 NOT NULL,
       app text NOT NULL,
       device text,
       platform text NOT NULL,
       address text NOT NULL,
       outcome text NOT NULL,
       status int8 NOT NULL,
       reason text NOT NULL,
       attempts int8 NOT NULL,
       registered_before timestamptz,
       PRIMARY KEY (notification, number, at)
     ) PARTITION BY RANGE (at);
     CREATE INDEX delivery_row_of_device ON delivery_row (device, at) WHERE device IS NOT NULL;`,
  ],
};
