/**
 * A sink that keeps outcomes of deliveries as rows of a PostgreSQL table, parted by the day and kept
 * for a time of their own: for questions that are asked long after the pipeline's store has forgotten.
 *
 * Invariants: a page is one statement, and durable when it is recorded; a row that is offered again,
 * by this node or another one, is in the table once; rows older than the retention are not taken, and
 * the tables of their days are dropped.
 *
 * The table is `delivery_row` in the schema of the address, see `schema.ts`; `migrate` makes it. An
 * operator may detach the table of a day to keep it: then it is not dropped. It is to be renamed, too:
 * rows of that day which come late need a table of its name.
 *
 * @example
 * ```ts ignore
 * await using sink = await openPostgresRowsSink({ url: "postgres://push@127.0.0.1/push", rows: "all" });
 * await using pipeline = new Pipeline({ store, sinks: [sink] });
 * ```
 *
 * @module
 */

import type { DeliveryRow } from "../delivery_store/records.ts";
import { quoted } from "../postgres/errors.ts";
import { checkVersions } from "../postgres/migrations.ts";
import { openPostgres, type Postgres } from "../postgres/postgres.ts";
import { sql, type Statement } from "../postgres/sql.ts";
import { DAY_MS, dayOf } from "./days.ts";
import {
  CONNECTIONS,
  DAYS_AHEAD,
  RETENTION_MAX_MS,
  RETENTION_MIN_MS,
  ROWS_RETENTION_MS,
  UPKEEP_MS,
} from "./limits.ts";
import { Partitions } from "./partitions.ts";
import { ROWS_SCHEMA } from "./schema.ts";

/** How the rows are opened. */
export interface PostgresRowsOptions {
  /** Address of the database, see `parseAddress`; its schema has the table. */
  readonly url: string | { reveal(): string };
  /** Certificate authorities to trust instead of the system's, PEM. */
  readonly caCert?: string;
  /** Which rows to keep. */
  readonly rows: "failures" | "all";
  /** Name of the sink, under which its position is remembered in the store; default `rows`. */
  readonly name?: string;
  /** How long rows are kept, by whole days: 1 to 3,650 days in milliseconds; default 90 days. */
  readonly retentionMs?: number;
  /** Told when tables could not be made or dropped; it is tried again within ten minutes. */
  readonly onProblem?: (problem: string) => void;
  /** Wall-clock time in milliseconds since 1970; default is the machine's. */
  readonly wallNow?: () => number;
}

/** Rows in PostgreSQL as a sink; made by {@link openPostgresRowsSink}. */
export class PostgresRowsSink implements AsyncDisposable {
  /** Its position is remembered under this name. */
  readonly name: string;
  /** Which rows it wants. */
  readonly rows: "failures" | "all";
  readonly #postgres: Postgres;
  readonly #partitions: Partitions;
  readonly #retentionMs: number;
  readonly #wallNow: () => number;
  readonly #timer: ReturnType<typeof setInterval>;
  #upkeep: Promise<void> = Promise.resolve();

  private constructor(postgres: Postgres, options: PostgresRowsOptions) {
    this.#postgres = postgres;
    this.#partitions = new Partitions(postgres);
    this.name = options.name ?? "rows";
    this.rows = options.rows;
    this.#retentionMs = options.retentionMs ?? ROWS_RETENTION_MS;
    this.#wallNow = options.wallNow ?? Date.now;
    this.#timer = setInterval(() => {
      this.#upkeep = this.upkeep().then(() => {}, (error) => options.onProblem?.(quoted(error)));
    }, UPKEEP_MS);
  }

  /** For {@link openPostgresRowsSink}. */
  static async open(options: PostgresRowsOptions): Promise<PostgresRowsSink> {
    check(options);
    const { url, caCert } = options;
    const postgres = await openPostgres({
      url,
      ...(caCert === undefined ? {} : { caCert }),
      connectionsMax: CONNECTIONS,
    });
    try {
      await checkVersions(postgres, [ROWS_SCHEMA]);
    } catch (error) {
      await postgres.close();
      throw error;
    }
    const sink = new PostgresRowsSink(postgres, options);
    try {
      await sink.upkeep();
      return sink;
    } catch (error) {
      await sink[Symbol.asyncDispose]();
      throw error;
    }
  }

  /**
   * Keeps these rows but for those older than the retention; resolves when they have reached the disk.
   *
   * @throws {StoreError} When the database could not: then none of them was kept, or, when the connection
   * broke on the way, perhaps all; offering them again is right in both cases.
   */
  async record(rows: readonly DeliveryRow[], signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const oldest = this.#firstDay();
    const kept = rows.filter(({ at }) => dayOf(at) >= oldest);
    if (kept.length === 0) return;
    await this.#partitions.make(kept.map(({ at }) => dayOf(at)));
    signal.throwIfAborted();
    try {
      await this.#postgres.query("keep deliveries", insertion(kept));
    } catch (error) {
      // Somebody may have dropped the table of a day.
      this.#partitions.forget();
      throw error;
    }
  }

  /**
   * Makes the tables of today and the days to come, and drops those whose time is over; says how many.
   * This is done by itself every ten minutes.
   *
   * @throws {StoreError} When the database could not.
   */
  async upkeep(): Promise<number> {
    const today = dayOf(this.#wallNow());
    await this.#partitions.make(
      Array.from({ length: DAYS_AHEAD + 1 }, (_, index) => today + index),
    );
    return await this.#partitions.dropBefore(this.#firstDay());
  }

  /** Resolves when the database answers; rejects with a {@link StoreError} when it does not. */
  async ping(): Promise<void> {
    await this.#postgres.query("ping", sql`SELECT 1`);
  }

  /** Waits for what is on its way and disconnects. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    await this.#upkeep;
    await this.#postgres.close();
  }

  /** The first day of which some rows are still to be kept. */
  #firstDay(): number {
    return dayOf(Math.max(0, this.#wallNow() - this.#retentionMs));
  }
}

/**
 * Connects to the database that keeps rows.
 *
 * @throws {StoreOpenError} When it cannot be used; `"older_schema"` until `migrate` made the table.
 * @throws {StoreError} When tables cannot be made in it.
 * @throws {RangeError} When the retention is out of range.
 */
export function openPostgresRowsSink(options: PostgresRowsOptions): Promise<PostgresRowsSink> {
  return PostgresRowsSink.open(options);
}

function check({ retentionMs = ROWS_RETENTION_MS }: PostgresRowsOptions): void {
  const fine = Number.isSafeInteger(retentionMs) && retentionMs >= RETENTION_MIN_MS &&
    retentionMs <= RETENTION_MAX_MS;
  if (fine) return;
  const days = `${RETENTION_MIN_MS / DAY_MS} to ${RETENTION_MAX_MS / DAY_MS} days`;
  throw new RangeError(`retentionMs: ${retentionMs}, whole milliseconds of ${days} are allowed`);
}

/** One statement for a page, whatever its length: a list for each column. */
function insertion(rows: readonly DeliveryRow[]): Statement {
  return sql`INSERT INTO delivery_row (at, notification, number, position, app, device, platform,
      address, outcome, status, reason, attempts, registered_before)
    SELECT timestamptz 'epoch' + at * interval '1 millisecond', notification, number, position, app,
      device, platform, address, outcome, status, reason, attempts,
      timestamptz 'epoch' + registered_before * interval '1 millisecond'
    FROM unnest(${rows.map(({ at }) => at)}::int8[],
      ${rows.map(({ notification }) => notification)}::uuid[],
      ${rows.map(({ number }) => number)}::int8[],
      ${rows.map(({ position }) => position)}::int8[],
      ${rows.map(({ app }) => stored(app))}::text[],
      ${rows.map(({ device }) => device === undefined ? null : stored(device))}::text[],
      ${rows.map(({ platform }) => platform)}::text[],
      ${rows.map(({ address }) => stored(address))}::text[],
      ${rows.map(({ outcome }) => outcome)}::text[],
      ${rows.map(({ status }) => status)}::int8[],
      ${rows.map(({ reason }) => stored(reason))}::text[],
      ${rows.map(({ attempts }) => attempts)}::int8[],
      ${rows.map(({ registeredBefore }) => registeredBefore ?? null)}::int8[])
      AS page (at, notification, number, position, app, device, platform, address, outcome, status,
        reason, attempts, registered_before)
    ON CONFLICT DO NOTHING`;
}

/** A text as PostgreSQL takes it: it knows no NUL, which a provider's reason may have. */
function stored(text: string): string {
  return text.replaceAll("\0", "\uFFFD");
}
