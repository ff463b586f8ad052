/**
 * The tables, as a list of forward migrations, and how a connection is set up.
 *
 * The place in the list is the version of the schema, kept in the file's `user_version`. A migration
 * that was released is never edited; a change is a new entry. A file from a newer program is refused,
 * for this one would not know what it breaks.
 *
 * Why these tables: a message's sort key is its row id, so a new message is appended to the table
 * and an index that ends in the row id is already in reading order. Users are referred to by a small
 * number, not by their 32 digits, which keeps three indexes small. `state` has one row, written by
 * every transaction: the receipt of the last batch and the largest sort key ever, which must
 * outlive the message it belonged to.
 *
 * @module
 */

import type { DatabaseSync } from "node:sqlite";
import { StoreOpenError } from "./errors.ts";
import { BUSY_TIMEOUT_MS, CACHE_KIB, CHECKPOINT_PAGES, JOURNAL_BYTES_MAX } from "./limits.ts";
import { integerColumn } from "./rows.ts";

/** Marks the file as one of this program: the letters `HELI`. */
export const APPLICATION_ID = 0x48454c49;

/** The migrations, oldest first: entry `n` makes version `n + 1` of version `n`. */
export const MIGRATIONS: readonly string[] = [
  `CREATE TABLE user (
     id INTEGER PRIMARY KEY,
     uaid TEXT NOT NULL UNIQUE,
     connected_at INTEGER NOT NULL
   ) STRICT;
   CREATE INDEX user_by_connection ON user (connected_at);
   CREATE TABLE channel (
     user_id INTEGER NOT NULL REFERENCES user (id) ON DELETE CASCADE,
     channel_id TEXT NOT NULL,
     PRIMARY KEY (user_id, channel_id)
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE message (
     sort_key INTEGER PRIMARY KEY CHECK (sort_key > 0),
     user_id INTEGER NOT NULL REFERENCES user (id) ON DELETE CASCADE,
     channel_id TEXT NOT NULL,
     version TEXT NOT NULL,
     ttl_seconds INTEGER NOT NULL,
     expires_at INTEGER NOT NULL,
     topic TEXT,
     encoding TEXT,
     encryption TEXT,
     crypto_key TEXT,
     body BLOB,
     CHECK ((encoding IS NULL) = (body IS NULL))
   ) STRICT;
   CREATE INDEX message_by_user ON message (user_id, (topic IS NULL));
   CREATE UNIQUE INDEX message_by_topic ON message (user_id, channel_id, topic)
     WHERE topic IS NOT NULL;
   CREATE INDEX message_by_expiry ON message (expires_at);
   CREATE TABLE state (
     id INTEGER PRIMARY KEY CHECK (id = 1),
     batch INTEGER NOT NULL,
     results TEXT NOT NULL,
     last_sort_key INTEGER NOT NULL
   ) STRICT;
   INSERT INTO state VALUES (1, 0, '[]', 0);`,
];

/** The number a pragma answers. */
function pragma(database: DatabaseSync, name: string): number {
  return integerColumn(database.prepare(`PRAGMA ${name}`).get(), name);
}

/**
 * Sets up the writing connection. Every commit is in the write-ahead log and synced when it returns
 * (`synchronous = FULL`), which is what makes an answered write durable.
 */
export function configureWriter(database: DatabaseSync): void {
  database.exec(`
    PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS};
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA foreign_keys = ON;
    PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES};
    PRAGMA journal_size_limit = ${JOURNAL_BYTES_MAX};
    PRAGMA cache_size = -${CACHE_KIB};
  `);
}

/** Sets up a reading connection. */
export function configureReader(database: DatabaseSync): void {
  database.exec(`
    PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS};
    PRAGMA cache_size = -${CACHE_KIB};
  `);
}

/**
 * Checks that the file at `path` is one this program may write, without changing it; gives back the
 * version of its schema, 0 for a new file.
 *
 * @throws {StoreOpenError} `"foreign"` for the database of another program, `"newer_schema"` for
 * that of a newer version of this one.
 */
export function schemaVersion(
  database: DatabaseSync,
  path: string,
  migrations: readonly string[] = MIGRATIONS,
): number {
  const version = pragma(database, "user_version");
  const application = pragma(database, "application_id");
  const tables = database.prepare("SELECT count(*) AS count FROM sqlite_schema").get();
  const empty = version === 0 && application === 0 && integerColumn(tables, "count") === 0;
  if (!empty && application !== APPLICATION_ID) {
    throw new StoreOpenError(
      "foreign",
      `Cannot open "${path}": it is a SQLite database of another program. Move it away or choose another data directory`,
    );
  }
  if (version > migrations.length) {
    throw new StoreOpenError(
      "newer_schema",
      `Cannot open "${path}": its schema has version ${version}, this program knows versions up to ${migrations.length}. Start the newer program that wrote it`,
    );
  }
  return version;
}

/**
 * Brings a file whose schema has this version to the newest, each step in a transaction of its own.
 * After a failure the connection is only good for being closed.
 */
export function migrate(
  database: DatabaseSync,
  version: number,
  migrations: readonly string[] = MIGRATIONS,
): void {
  for (const [index, statements] of migrations.entries()) {
    if (index < version) continue;
    // The version is set by the same transaction: a crash leaves the file at one version or the next.
    database.exec(
      `BEGIN IMMEDIATE; ${statements};
       PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${index + 1}; COMMIT`,
    );
  }
}
