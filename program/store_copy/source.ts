/**
 * The folder of an embedded store, opened to be read and under its locks: no node can use it meanwhile.
 *
 * @module
 */

import { createHash } from "node:crypto";
import type { DatabaseSync, SQLOutputValue } from "node:sqlite";
import { DELIVERY_SCHEMA } from "../../transports/sqlite/delivery/schema.ts";
import { asOpenError, asStoreError, StoreOpenError } from "../../transports/sqlite/errors.ts";
import { DirectoryLock } from "../../transports/sqlite/lock.ts";
import { MESSAGE_SCHEMA } from "../../transports/sqlite/message_schema.ts";
import { integerColumn } from "../../transports/sqlite/rows.ts";
import { openForReading, type Schema, schemaVersion } from "../../transports/sqlite/schema.ts";
import { counterOf, selectText, type SourceFile, type Table } from "./tables.ts";

/** One row, by the names of the columns in PostgreSQL. */
export type SourceRow = Record<string, SQLOutputValue>;

/** The place of a row in its table: the values of its key. */
export type SourceKey = readonly (string | number)[];

/** An open folder. */
export class Source implements Disposable {
  /**
   * Tells this state of the store from every other: two copies of the same fit together, one of a store
   * that has gone on since does not.
   */
  readonly digest: string;
  readonly #files: Readonly<Record<SourceFile, DatabaseSync>>;
  readonly #resources: DisposableStack;

  /**
   * Opens a folder.
   *
   * @throws {StoreOpenError} When it is in use, is not there, or was written by another version of this
   * program.
   */
  constructor(folder: string) {
    using opening = new DisposableStack();
    this.#files = {
      messages: openFile(opening, `${folder}/messages`, MESSAGE_SCHEMA),
      delivery: openFile(opening, `${folder}/delivery`, DELIVERY_SCHEMA),
    };
    this.digest = this.#digest();
    this.#resources = opening.move();
  }

  /** How many rows of a table there are to copy. */
  count({ file, from }: Table): number {
    const row = this.#files[file].prepare(`SELECT count(*) AS count FROM ${from}`).get();
    return integerColumn(row, "count");
  }

  /** The rows of a table behind this key, or all, in the order of their keys; read as they are asked for. */
  *rows(table: Table, after: SourceKey | undefined): Generator<SourceRow> {
    try {
      const statement = this.#files[table.file].prepare(selectText(table, after !== undefined));
      yield* statement.iterate(...after ?? []);
    } catch (error) {
      throw asStoreError(`read ${table.name}`, error);
    }
  }

  /** The largest number that a counted table has given to a row, 0 when none. */
  counter(table: Table): number {
    const { table: name, column } = counterOf(table);
    const file = this.#files[table.file];
    const counted = file.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence'")
      .get();
    const kept = counted &&
      file.prepare("SELECT seq FROM sqlite_sequence WHERE name = ?").get(name);
    const row = kept ??
      file.prepare(`SELECT coalesce(max(${column}), 0) AS seq FROM ${name}`).get();
    return integerColumn(row, "seq");
  }

  /** The largest sort key of a message ever stored. */
  lastSortKey(): number {
    const row = this.#files.messages.prepare("SELECT last_sort_key FROM state").get();
    return integerColumn(row, "last_sort_key");
  }

  /** Closes the files and lets go of the folder. */
  [Symbol.dispose](): void {
    this.#resources[Symbol.dispose]();
  }

  /** Every transaction writes its number and its results to the table `state`. */
  #digest(): string {
    const { messages, delivery } = this.#files;
    const rows = [
      messages.prepare("SELECT * FROM state").all(),
      messages.prepare("SELECT max(id), max(uaid), count(*) FROM user").all(),
      delivery.prepare("SELECT * FROM state").all(),
      delivery.prepare("SELECT * FROM sqlite_sequence ORDER BY name").all(),
      delivery.prepare("SELECT * FROM app ORDER BY id").all(),
    ];
    return createHash("sha256").update(JSON.stringify(rows)).digest("hex");
  }
}

/** Takes the lock of a file, named by its path without `.sqlite`, and opens it. */
function openFile(opening: DisposableStack, base: string, schema: Schema): DatabaseSync {
  const path = `${base}.sqlite`;
  try {
    // Before the lock, whose own file is made when it is missing.
    Deno.statSync(path);
    opening.use(new DirectoryLock(`${base}.lock`));
    const file = opening.use(openForReading(path, schema));
    const version = schemaVersion(file, path, schema);
    if (version === schema.migrations.length) return file;
    throw new StoreOpenError(
      "unusable",
      `Cannot copy "${path}": its schema has version ${version}, need ${schema.migrations.length}. Start a node of this version on it once`,
    );
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw asOpenError(path, error);
    throw new StoreOpenError(
      "unusable",
      `Cannot open "${path}": there is no such file. Name the folder of a store that a node has used`,
    );
  }
}
