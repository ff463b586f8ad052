/**
 * The tables in PostgreSQL that a store is copied into.
 *
 * Invariants: how far a table has come is written by the transaction that wrote the rows, so that a copy
 * cut off at any point goes on without a row twice or none; from the first row to the last one no node
 * can be started on the tables, and none that was started before is passed over; two copies at once
 * cannot both write.
 *
 * @module
 */

import {
  checkVersions,
  Columns,
  invariant,
  openPostgres,
  type Postgres,
  type PostgresOptions,
  type Row,
  sql,
  type SqlScalar,
  statement,
  StoreOpenError,
  type Transaction,
  UNFINISHED_COPY,
} from "../../transports/postgres/mod.ts";
import { DELIVERY_PART } from "../../transports/postgres_delivery/mod.ts";
import { MESSAGES_PART } from "../../transports/postgres_messages/mod.ts";
import { STATEMENT_TIMEOUT_MS } from "./limits.ts";
import type { Source, SourceKey } from "./source.ts";
import { insertText, LEASE_HOLDER, type Table, TABLES } from "./tables.ts";

const COPY = new Columns("store_copy");

/** How far a table has come. */
export interface Reached {
  /** Rows that are there. */
  readonly rows: number;
  /** The key of the last of them. */
  readonly key: SourceKey | undefined;
}

/** Rows of a table as columns, for `unnest`. */
export interface Page {
  /** A list for each column. */
  readonly columns: readonly (readonly SqlScalar[])[];
  /** How many rows. */
  readonly rows: number;
  /** The key of the last one. */
  readonly key: SourceKey;
}

function reachedOf(row: Row): Reached {
  const list = row["last_key"];
  const key = Array.isArray(list) ? list.map((value) => keyValue(row, value)) : undefined;
  if (list !== null && key === undefined) COPY.wrong(row, "last_key", "a list");
  return { rows: COPY.integer(row, "copied"), key };
}

function keyValue(row: Row, value: unknown): string | number {
  if (typeof value === "string" || typeof value === "number") return value;
  return COPY.wrong(row, "last_key", "a list of numbers and texts");
}

/** An open target. */
export class Target implements AsyncDisposable {
  readonly #postgres: Postgres;

  private constructor(postgres: Postgres) {
    this.#postgres = postgres;
  }

  /**
   * Opens a database whose tables are of this version.
   *
   * @throws {StoreOpenError} When it cannot be used.
   */
  static async open(options: PostgresOptions): Promise<Target> {
    const postgres = await openPostgres({
      ...options,
      connectionsMax: 2,
      statementTimeoutMs: STATEMENT_TIMEOUT_MS,
    });
    try {
      await checkVersions(postgres, [MESSAGES_PART, DELIVERY_PART], "fill");
      return new Target(postgres);
    } catch (error) {
      await postgres.close();
      throw error;
    }
  }

  /**
   * Begins the copy of this state of a store, or goes on with it; tells how far each table has come.
   *
   * @throws {StoreOpenError} When the tables hold anything else, or a node uses them.
   */
  begin(digest: string): Promise<ReadonlyMap<string, Reached>> {
    return this.#postgres.transaction("begin the copy", async (transaction) => {
      // Nobody else begins, and nobody migrates.
      await transaction.run("LOCK TABLE schema_version IN SHARE ROW EXCLUSIVE MODE");
      const { rows: [state] } = await transaction.query(
        sql`SELECT to_regclass('store_copy') IS NOT NULL AS begun,
          EXISTS (SELECT 1 FROM schema_version WHERE part = ${UNFINISHED_COPY}) AS unfinished,
          (SELECT min(id) FROM node WHERE lease_ends_at > clock_timestamp()) AS node`,
      );
      const node = COPY.optionalText(state, "node");
      if (node !== undefined) this.#refuse(`the node ${node} uses it. Stop all nodes on it`);
      if (!COPY.boolean(state, "begun")) await this.#prepare(transaction, digest);
      const { rows } = await transaction.query(sql`SELECT * FROM store_copy`);
      const same = rows.every((row) => COPY.text(row, "digest") === digest);
      if (!COPY.boolean(state, "unfinished") && COPY.boolean(state, "begun")) {
        this.#refuse(same ? "this copy is complete" : "the copy of another store is complete");
      }
      if (!same) {
        this.#refuse(
          "it holds a part of another store, or of this one before it went on. Remove the schema, migrate, and copy again",
        );
      }
      return new Map(rows.map((row) => [COPY.text(row, "name"), reachedOf(row)]));
    });
  }

  /** Stores the next rows of a table, behind those that are there. */
  async write(table: Table, page: Page, before: number): Promise<void> {
    await this.#postgres.transaction(`copy ${table.name}`, async (transaction) => {
      const [noted, stored] = await Promise.all([
        transaction.query(sql`UPDATE store_copy SET copied = copied + ${page.rows},
            last_key = ${JSON.stringify(page.key)}
          WHERE name = ${table.name} AND copied = ${before} AND NOT EXISTS (
            SELECT 1 FROM node WHERE lease_ends_at > clock_timestamp())`),
        transaction.query(statement(insertText(table), page.columns)),
      ]);
      if (noted.count !== 1) {
        this.#refuse("another copy into it is running, or a node was started on it");
      }
      invariant(stored.count === page.rows, `${stored.count} of ${page.rows} rows were stored`);
    });
  }

  /**
   * Completes the copy: numbers go on behind the largest, lanes that the embedded store makes when they
   * are needed are there, leases end as those of a node that has ended, and nodes may start.
   */
  async finish(source: Source, now: number): Promise<void> {
    await this.#postgres.transaction("complete the copy", async (transaction) => {
      for (const table of TABLES.filter(({ counted }) => counted)) {
        const largest = source.counter(table);
        await transaction.query(sql`SELECT setval(
          pg_get_serial_sequence(${table.name}, ${table.key[0]}),
          ${Math.max(1, largest)}, ${largest > 0})`);
      }
      await transaction.query(
        sql`SELECT setval('turn', greatest(1, (SELECT max(served_at) FROM lane)))`,
      );
      await transaction.query(
        sql`UPDATE sort_key_mark SET largest = ${source.lastSortKey()} WHERE slot = 0`,
      );
      await transaction.query(sql`INSERT INTO lane (app_id, platform)
        SELECT id, platform FROM app, generate_series(0, 2) AS platform
        WHERE credentials IS NOT NULL ORDER BY 1, 2 ON CONFLICT DO NOTHING`);
      await transaction.query(sql`SELECT abandon_batches(${LEASE_HOLDER}, ${now})`);
      // Without them the planner takes the tables for empty until it has looked by itself.
      await transaction.run(`ANALYZE ${TABLES.map(({ name }) => name).join(", ")}`);
      const { count } = await transaction.query(
        sql`DELETE FROM schema_version WHERE part = ${UNFINISHED_COPY} AND NOT EXISTS (
          SELECT 1 FROM node WHERE lease_ends_at > clock_timestamp())`,
      );
      if (count !== 1) this.#refuse("another copy into it has ended, or a node was started on it");
    });
  }

  /** Closes the connections. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#postgres.close();
  }

  async #prepare(transaction: Transaction, digest: string): Promise<void> {
    const filled = TABLES.map(({ name }) =>
      `SELECT '${name}' AS name WHERE EXISTS (SELECT 1 FROM ${name})`
    );
    const { rows: [found] } = await transaction.query(statement(filled.join(" UNION ALL ")));
    if (found !== undefined) {
      const name = COPY.text(found, "name");
      this.#refuse(`its table "${name}" is not empty. Name another schema by "?schema="`);
    }
    await transaction.run(`CREATE TABLE store_copy (
      name text PRIMARY KEY, digest text NOT NULL, copied int8 NOT NULL DEFAULT 0, last_key jsonb)`);
    const names = TABLES.map(({ name }) => name);
    await transaction.query(sql`INSERT INTO store_copy (name, digest)
      SELECT name, ${digest} FROM unnest(${names}::text[]) AS one (name)`);
    await transaction.query(
      sql`INSERT INTO schema_version (part, version) VALUES (${UNFINISHED_COPY}, 1)`,
    );
  }

  #refuse(why: string): never {
    const { place, schema } = this.#postgres;
    throw new StoreOpenError(
      "unusable",
      `Cannot copy into the schema "${schema}" at ${place}: ${why}`,
    );
  }
}
