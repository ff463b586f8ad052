/**
 * Copies an embedded store into PostgreSQL, table by table and page by page.
 *
 * @module
 */

import type { SqlScalar } from "../../transports/postgres/mod.ts";
import { PAGE_BYTES_MAX, PAGE_ROWS_MAX } from "./limits.ts";
import type { Source, SourceKey, SourceRow } from "./source.ts";
import { type Table, TABLES } from "./tables.ts";
import type { Page, Target } from "./target.ts";

/** How far a table has come. */
export interface TableProgress {
  /** The table. */
  readonly name: string;
  /** Rows that are there. */
  readonly copied: number;
  /** Rows there are to copy. */
  readonly total: number;
}

/** What is told while it goes on. */
export interface CopyOptions {
  /** Wall-clock time, in milliseconds since 1970. */
  readonly wallNow: () => number;
  /** Told how far each table has come, before its first page and after each one. */
  readonly onProgress: (tables: readonly TableProgress[], at: TableProgress) => void;
}

/** Copies everything, or what an earlier copy left; resolves with all tables when nodes may use the target. */
export async function copyStore(
  source: Source,
  target: Target,
  { wallNow, onProgress }: CopyOptions,
): Promise<readonly TableProgress[]> {
  const reached = await target.begin(source.digest);
  const progress = TABLES.map((table) => ({
    table,
    name: table.name,
    copied: reached.get(table.name)?.rows ?? 0,
    total: source.count(table),
  }));
  for (const at of progress) {
    if (at.copied < at.total) onProgress(progress, at);
    const pages = pagesOf(at.table, source.rows(at.table, reached.get(at.name)?.key));
    for (const page of pages) {
      await target.write(at.table, page, at.copied);
      at.copied += page.rows;
      onProgress(progress, at);
    }
  }
  await target.finish(source, wallNow());
  return progress;
}

/** Gathers rows into pages. */
export function* pagesOf(table: Table, rows: Iterable<SourceRow>): Generator<Page> {
  const names = Object.keys(table.columns);
  let columns: SqlScalar[][] = names.map(() => []);
  let count = 0;
  let size = 0;
  let last: SourceRow = {};
  const page = (): Page => ({ columns, rows: count, key: keyOf(table, last) });
  for (const row of rows) {
    for (const [index, name] of names.entries()) {
      const value = storable(row[name] ?? null);
      columns[index]?.push(value);
      if (typeof value === "string" || value instanceof Uint8Array) size += value.length;
    }
    last = row;
    count++;
    if (count < PAGE_ROWS_MAX && size < PAGE_BYTES_MAX) continue;
    yield page();
    columns = names.map(() => []);
    count = 0;
    size = 0;
  }
  if (count > 0) yield page();
}

/** PostgreSQL has no NUL in texts. Only what was set aside because nobody could use it may have one. */
function storable(value: SqlScalar): SqlScalar {
  return typeof value === "string" && value.includes("\0")
    ? value.replaceAll("\0", "\ufffd")
    : value;
}

function keyOf({ key }: Table, row: SourceRow): SourceKey {
  return key.map((name) => {
    const value = row[name];
    if (typeof value === "string" || typeof value === "number") return value;
    throw new Error(`Invariant broken: the key "${name}" is no number and no text`);
  });
}
