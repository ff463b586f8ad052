/**
 * Takes a streamed body to the store part by part, and tells how far it is, line by line.
 *
 * The answer's lines are `{"line", "problems"}` for each of the first hundred rows that were not
 * taken, `{"imported", "failed"}` twice a second, and at the end the same with `done`: `true` when the
 * whole body was read, `false` with a `detail` when it was not; the rows counted are stored in either case.
 *
 * Invariants: at most one part is at the store, and nothing is read meanwhile: a million rows take the
 * memory of a thousand. Lines are few enough that a client may read them after it has written.
 *
 * @module
 */

import type { ImportedRows, InputRow, Problem } from "./delivery.ts";
import { PROGRESS_MS, ROW_PROBLEMS_MAX, ROWS_CHARS_MAX, ROWS_STEP } from "./limits.ts";
import { BodyError } from "./request_body.ts";
import type { Row } from "./rows.ts";

/** What takes a part; a text says why nothing more is taken. It may reject: then the store is not available. */
export type TakeRows = (rows: readonly InputRow[]) => Promise<ImportedRows | string>;

/** How rows are taken. */
export interface BulkOptions {
  /** The rows as they come. */
  readonly rows: AsyncIterable<readonly Row[]>;
  /** Takes a part. */
  readonly take: TakeRows;
  /** Monotonic time in milliseconds. */
  now(): number;
  /** Ends it early: the client is gone, or the door closes. */
  readonly signal: AbortSignal;
  /** Hears why the store could not take a part. */
  onFailure(error: unknown): void;
}

/** Takes all rows; gives the lines of the answer. */
export async function* bulkLines(options: BulkOptions): AsyncGenerator<string, void, void> {
  const bulk = new Bulk(options);
  let detail: string | undefined;
  try {
    for await (const rows of options.rows) {
      for (const row of rows) {
        if (bulk.add(row)) yield* await bulk.flush();
        if (bulk.stopped !== undefined) break;
      }
      if (options.signal.aborted) detail = "the server is stopping";
      if (detail !== undefined || bulk.stopped !== undefined) break;
      yield* bulk.progress();
    }
  } catch (error) {
    if (!(error instanceof BodyError)) throw error;
    detail = error.message;
  }
  if (bulk.stopped === undefined) yield* await bulk.flush();
  detail = bulk.stopped ?? detail;
  yield bulk.line(detail === undefined ? { done: true } : { done: false, detail });
}

/** The part being gathered, and the counts so far. */
class Bulk {
  readonly #options: BulkOptions;
  #part: InputRow[] = [];
  #chars = 0;
  #wrong: { readonly line: number; readonly problems: readonly Problem[] }[] = [];
  #told = 0;
  #imported = 0;
  #failed = 0;
  #toldAt: number;
  #stopped: string | undefined;

  constructor(options: BulkOptions) {
    this.#options = options;
    this.#toldAt = options.now();
  }

  /** Why nothing more is taken. */
  get stopped(): string | undefined {
    return this.#stopped;
  }

  /** Adds a row; says whether the part is full. */
  add(row: Row): boolean {
    if (row.kind === "wrong") {
      this.#fail([{ line: row.line, problems: [{ path: "", message: row.message }] }]);
    } else {
      this.#part.push({ line: row.line, value: row.value });
      this.#chars += row.chars;
    }
    return this.#part.length >= ROWS_STEP || this.#chars >= ROWS_CHARS_MAX;
  }

  /** Has the part taken; gives lines about rows that were not. */
  async flush(): Promise<readonly string[]> {
    const part = this.#part;
    this.#part = [];
    this.#chars = 0;
    if (part.length > 0) {
      try {
        const taken = await this.#options.take(part);
        if (typeof taken === "string") this.#stopped = taken;
        else {
          this.#imported += taken.imported;
          this.#fail(taken.failed);
        }
      } catch (error) {
        this.#options.onFailure(error);
        this.#stopped = "the store is not available now: send the rest again";
      }
    }
    const lines = this.#wrong.map((row) => `${JSON.stringify(row)}\n`);
    this.#wrong = [];
    return lines;
  }

  /** A line with the counts, when it is time for one. */
  *progress(): Iterable<string> {
    const now = this.#options.now();
    if (now - this.#toldAt < PROGRESS_MS) return;
    this.#toldAt = now;
    yield this.line({});
  }

  /** A line with the counts and more. */
  line(more: Readonly<Record<string, unknown>>): string {
    return `${JSON.stringify({ imported: this.#imported, failed: this.#failed, ...more })}\n`;
  }

  #fail(rows: ImportedRows["failed"]): void {
    this.#failed += rows.length;
    const room = ROW_PROBLEMS_MAX - this.#told;
    const told = rows.slice(0, room);
    this.#told += told.length;
    this.#wrong.push(...told);
  }
}
