/**
 * Group commit: writes that arrive while a transaction is on its way go together in the next one.
 *
 * Invariants: a promise resolves only after the commit of its write; at most one transaction is on its
 * way; writes keep the order in which they were handed in; what waits is bounded. When the statement
 * for a group fails because of what one of its writes holds, each is tried by itself, so that one
 * caller's mistake is answered to that caller only.
 *
 * @module
 */

import { StoreError } from "../postgres/mod.ts";
import type { Kind, Operation, OperationOf, Outcome, Outcomes } from "./operations.ts";

/** Applies writes as one transaction; answers one outcome for each, by place. */
export type Commit = (operations: readonly Operation[]) => Promise<readonly Outcome[]>;

/** How much is held and goes together. */
export interface GroupLimits {
  /** Writes waiting or on their way; the next is refused with the code `"busy"`. */
  readonly pendingMax: number;
  /** Writes in one transaction. */
  readonly batchMax: number;
}

/** A write that waits for its end. */
interface Pending {
  readonly operation: Operation;
  resolve(outcome: Outcome): void;
  reject(error: unknown): void;
}

/** The queue in front of the transactions. */
export class Group {
  readonly #commit: Commit;
  readonly #limits: GroupLimits;
  #queue: Pending[] = [];
  #pending = 0;
  #running: Promise<void> | undefined;
  #closing = false;

  /** Commits by `commit`. */
  constructor(commit: Commit, limits: GroupLimits) {
    this.#commit = commit;
    this.#limits = limits;
  }

  /**
   * Hands in a write.
   *
   * @throws {StoreError} By rejection: `"busy"` when too many are waiting, `"closed"` after the end, and
   * whatever its transaction failed with.
   */
  submit<K extends Kind>(operation: OperationOf<K>): Promise<Outcomes[K]>;
  submit(operation: Operation): Promise<Outcome> {
    if (this.#closing) {
      return Promise.reject(new StoreError("closed", "Cannot store: the store is closed"));
    }
    if (this.#pending >= this.#limits.pendingMax) {
      const message = `Cannot store: ${this.#pending} writes are waiting already`;
      return Promise.reject(new StoreError("busy", message));
    }
    this.#pending++;
    return new Promise((resolve, reject) => {
      this.#queue.push({ operation, resolve, reject });
      this.#running ??= this.#run();
    });
  }

  /** Refuses new writes and resolves when those that wait have ended. */
  async close(): Promise<void> {
    this.#closing = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    // Not at once: the other writes of this turn belong into the same transaction.
    await Promise.resolve();
    while (this.#queue.length > 0) {
      const batch = this.#queue.splice(0, this.#limits.batchMax);
      await this.#settle(batch);
      this.#pending -= batch.length;
    }
    this.#running = undefined;
  }

  async #settle(batch: readonly Pending[]): Promise<void> {
    try {
      const outcomes = await this.#commit(batch.map(({ operation }) => operation));
      for (const [place, pending] of batch.entries()) pending.resolve(outcomes[place]);
    } catch (error) {
      if (error instanceof StoreError || batch.length === 1) {
        for (const pending of batch) pending.reject(error);
        return;
      }
      for (const pending of batch) await this.#settle([pending]);
    }
  }
}
