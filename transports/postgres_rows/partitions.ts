/**
 * The tables of the days: made before they are needed, and dropped when nobody needs them any more.
 *
 * Several nodes may do this at the same time: each waits for the other and then finds the work done.
 * Making a table lets others read and write the rows meanwhile, since it is made alone and attached
 * when it is complete. Dropping one needs all of them for a moment; it waits for readers only so long
 * that writers are not held up, and otherwise is left for later.
 *
 * @module
 */

import { invariant, StoreError } from "../postgres/errors.ts";
import type { Postgres, Transaction } from "../postgres/postgres.ts";
import { Columns, type Row } from "../postgres/rows.ts";
import { sql } from "../postgres/sql.ts";
import { dateOf, dayOfTable, tableOf } from "./days.ts";
import { DROP_WAIT_MS, TABLES_AT_ONCE } from "./limits.ts";

/** Marks this part's advisory locks: the letters `HELR`. */
const LOCK_CLASS = 0x48454c52;

const COLUMNS = new Columns("pg_class");

/** The tables of one database. */
export class Partitions {
  readonly #postgres: Postgres;
  /** Days whose table is there, as far as is known. */
  #known: ReadonlySet<number> = new Set();

  /** Nothing is looked at yet. */
  constructor(postgres: Postgres) {
    this.#postgres = postgres;
  }

  /** Makes the tables of these days that are not there. */
  async make(days: Iterable<number>): Promise<void> {
    const wanted = [...new Set(days)].filter((day) => !this.#known.has(day));
    for (let first = 0; first < wanted.length; first += TABLES_AT_ONCE) {
      await this.#makeSome(wanted.slice(first, first + TABLES_AT_ONCE));
    }
  }

  /** What is known may be wrong: it is looked up when it is next needed. */
  forget(): void {
    this.#known = new Set();
  }

  /**
   * Drops the tables of days before this one, oldest first, a limited number; says how many. It ends
   * early when somebody reads the rows for longer than it waits.
   */
  async dropBefore(day: number): Promise<number> {
    const { rows } = await this.#postgres.query("list the days of deliveries", CHILDREN);
    const old = daysIn(rows).filter((other) => other < day)
      .toSorted((a, b) => a - b)
      .slice(0, TABLES_AT_ONCE);
    for (const [dropped, condemned] of old.entries()) {
      try {
        await this.#postgres.transaction("drop a day of deliveries", async (transaction) => {
          await lock(transaction);
          await transaction.run(
            `SET LOCAL lock_timeout = ${DROP_WAIT_MS}; DROP TABLE IF EXISTS "${
              tableOf(condemned)
            }"`,
          );
        });
      } catch (error) {
        if (error instanceof StoreError && error.code === "busy") return dropped;
        throw error;
      }
    }
    return old.length;
  }

  async #makeSome(days: readonly number[]): Promise<void> {
    await this.#postgres.transaction("make tables for deliveries", async (transaction) => {
      await lock(transaction);
      const there = new Set(daysIn((await transaction.query(CHILDREN)).rows));
      const texts = days.filter((day) => !there.has(day)).map(creation);
      if (texts.length > 0) await transaction.run(texts.join("; "));
    });
    this.#known = new Set([...this.#known, ...days]);
  }
}

/** Attached tables; what an operator has detached is not ours any more. */
const CHILDREN = sql`SELECT relname::text AS name FROM pg_inherits
  JOIN pg_class ON pg_class.oid = inhrelid WHERE inhparent = 'delivery_row'::regclass`;

function daysIn(rows: readonly Row[]): readonly number[] {
  return rows.flatMap((row) => dayOfTable(COLUMNS.text(row, "name")) ?? []);
}

async function lock(transaction: Transaction): Promise<void> {
  await transaction.query(
    sql`SELECT pg_advisory_xact_lock(${LOCK_CLASS}::int4, hashtext(current_schema()))`,
  );
}

function creation(day: number): string {
  const table = tableOf(day);
  invariant(dayOfTable(table) === day, `no table is named for day ${day}`);
  return `CREATE TABLE "${table}" (LIKE delivery_row INCLUDING ALL);
    ALTER TABLE delivery_row ATTACH PARTITION "${table}"
      FOR VALUES FROM ('${dateOf(day)} 00:00:00+00') TO ('${dateOf(day + 1)} 00:00:00+00')`;
}
