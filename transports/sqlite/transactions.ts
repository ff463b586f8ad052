/**
 * Batches of operations as transactions with receipts.
 *
 * Invariants: `commit` returns when the batch is on the disk, or throws and nothing of it is visible;
 * an operation that breaks a rule of the schema fails alone; every transaction writes its receipt.
 * Why no savepoints at first: they cost much processor time (`bench/store.md`), and no operation fails
 * unless a caller has a bug. When one does, the batch runs again with a savepoint around each.
 *
 * @module
 */

import type { DatabaseSync, StatementSync } from "node:sqlite";
import { invariant, quoted, storeErrorCode } from "./errors.ts";
import type { Receipt, Result } from "./protocol.ts";
import { integerColumn, textColumn } from "./rows.ts";

/** What the operations of one store do. */
export interface Applied<Operation, Outcome> {
  /** The number of the last batch on the disk, 0 for a new file. */
  readonly batch: number;
  /** Applies one operation inside the transaction. */
  apply(operation: Operation): Outcome;
  /** Writes the receipt, and with it whatever else every transaction writes. */
  save(batch: number, results: string): void;
  /** What puts things back that are remembered outside the file, for when what begins now is rolled back. */
  begin(): () => void;
}

/** The transactions on one writing connection, which stays its owner's. */
export class Transactions<Operation, Outcome> {
  readonly #database: DatabaseSync;
  readonly #applied: Applied<Operation, Outcome>;
  readonly #sql: Readonly<
    Record<"begin" | "commit" | "savepoint" | "release" | "undo", StatementSync>
  >;
  #batch: number;

  /** Prepares them. */
  constructor(database: DatabaseSync, applied: Applied<Operation, Outcome>) {
    this.#database = database;
    this.#applied = applied;
    this.#batch = applied.batch;
    this.#sql = {
      begin: database.prepare("BEGIN IMMEDIATE"),
      commit: database.prepare("COMMIT"),
      savepoint: database.prepare("SAVEPOINT operation"),
      release: database.prepare("RELEASE operation"),
      undo: database.prepare("ROLLBACK TO operation"),
    };
  }

  /** The number of the last batch on the disk, 0 for a new file. */
  get batch(): number {
    return this.#batch;
  }

  /**
   * Applies these operations as the transaction number `batch`, synced when this returns.
   *
   * @throws SQLite's error when the transaction could not be written: then none was applied.
   */
  commit(batch: number, operations: readonly Operation[]): readonly Result<Outcome>[] {
    invariant(batch === this.#batch + 1, `batch ${batch} after ${this.#batch}`);
    try {
      return this.#transaction(batch, operations, (operation) => this.#applied.apply(operation));
    } catch (error) {
      if (storeErrorCode(error) !== undefined) throw error;
      return this.#transaction(batch, operations, (operation) => this.#applyAlone(operation));
    }
  }

  #transaction(
    batch: number,
    operations: readonly Operation[],
    apply: (operation: Operation) => Result<Outcome>,
  ): readonly Result<Outcome>[] {
    const undo = this.#applied.begin();
    this.#sql.begin.run();
    try {
      const results = operations.map(apply);
      this.#applied.save(batch, JSON.stringify(results));
      this.#sql.commit.run();
      this.#batch = batch;
      return results;
    } catch (error) {
      undo();
      // SQLite has already rolled back by itself after some failures, such as a full disk.
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      throw error;
    }
  }

  #applyAlone(operation: Operation): Result<Outcome> {
    const undo = this.#applied.begin();
    this.#sql.savepoint.run();
    try {
      const outcome = this.#applied.apply(operation);
      this.#sql.release.run();
      return outcome;
    } catch (error) {
      if (storeErrorCode(error) !== undefined) throw error;
      undo();
      this.#sql.undo.run();
      this.#sql.release.run();
      return { broken: quoted(error) };
    }
  }
}

/** What reads the last receipt of a file, on a connection of its own. */
export function receiptReader<Outcome>(database: DatabaseSync): () => Receipt<Outcome> {
  const statement = database.prepare("SELECT batch, results FROM state");
  return () => {
    const row = statement.get();
    const results: Result<Outcome>[] = JSON.parse(textColumn(row, "results"));
    return { batch: integerColumn(row, "batch"), results };
  };
}
