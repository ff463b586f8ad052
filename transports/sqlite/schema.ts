/**
 * How a file is opened: as a list of forward migrations, and how its connections are set up.
 *
 * The place in the list is the version of the schema, kept in the file's `user_version`. A migration
 * that was released is never edited; a change is a new entry. A file from a newer program is refused,
 * for this one would not know what it breaks. Each kind of file has an application id of its own, so
 * that one is not taken for the other.
 *
 * @module
 */

import { DatabaseSync } from "node:sqlite";
import { StoreOpenError } from "./errors.ts";
import { BUSY_TIMEOUT_MS, JOURNAL_BYTES_MAX } from "./limits.ts";
import { integerColumn } from "./rows.ts";

/** What is kept in one kind of file. */
export interface Schema {
  /** Marks the file as one of this kind (SQLite's `application_id`). */
  readonly applicationId: number;
  /** The migrations, oldest first: entry `n` makes version `n + 1` of version `n`. */
  readonly migrations: readonly string[];
  /** Memory the writing connection may spend on pages, in KiB. */
  readonly writerCacheKib: number;
  /** Memory a reading connection may. */
  readonly readerCacheKib: number;
  /** Pages of the write-ahead log after which it is copied into the file. */
  readonly checkpointPages: number;
}

/** The number a pragma answers. */
function pragma(database: DatabaseSync, name: string): number {
  return integerColumn(database.prepare(`PRAGMA ${name}`).get(), name);
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
  { applicationId, migrations }: Schema,
): number {
  const version = pragma(database, "user_version");
  const application = pragma(database, "application_id");
  const tables = database.prepare("SELECT count(*) AS count FROM sqlite_schema").get();
  const empty = version === 0 && application === 0 && integerColumn(tables, "count") === 0;
  if (!empty && application !== applicationId) {
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
  { applicationId, migrations }: Schema,
): void {
  for (const [index, statements] of migrations.entries()) {
    if (index < version) continue;
    // The version is set by the same transaction: a crash leaves the file at one version or the next.
    database.exec(
      `BEGIN IMMEDIATE; ${statements};
       PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${index + 1}; COMMIT`,
    );
  }
}

/**
 * Sets up the writing connection. Every commit is in the write-ahead log and synced when it returns
 * (`synchronous = FULL`), which is what makes an answered write durable.
 */
function configureWriter(
  database: DatabaseSync,
  { writerCacheKib, checkpointPages }: Schema,
): void {
  database.exec(`
    PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS};
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA foreign_keys = ON;
    PRAGMA wal_autocheckpoint = ${checkpointPages};
    PRAGMA journal_size_limit = ${JOURNAL_BYTES_MAX};
    PRAGMA cache_size = -${writerCacheKib};
  `);
}

/** Sets up a reading connection. */
function configureReader(database: DatabaseSync, cacheKib: number): void {
  database.exec(`
    PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS};
    PRAGMA cache_size = -${cacheKib};
  `);
}

/**
 * Opens the file at `path` for writing, creates it when missing and brings it up to date.
 *
 * @throws What {@link schemaVersion} throws, and SQLite's own errors.
 */
export function openForWriting(path: string, schema: Schema): DatabaseSync {
  const database = new DatabaseSync(path);
  try {
    const version = schemaVersion(database, path, schema);
    configureWriter(database, schema);
    migrate(database, version, schema);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** Opens the file at `path` for reading; it must exist with the newest schema. */
export function openForReading(path: string, { readerCacheKib }: Schema): DatabaseSync {
  const database = new DatabaseSync(path, { readOnly: true });
  configureReader(database, readerCacheKib);
  return database;
}
