/**
 * Records what batches came to. Results that arrive together share a transaction: its way to the disk,
 * and its turn at the logs, for which all nodes wait.
 *
 * Invariants: the number of waiting results is bounded; a result that breaks a rule is refused alone;
 * when a transaction fails, nothing of its results is recorded.
 *
 * @module
 */

import {
  type BatchResult,
  type CommitOutcome,
  type Outcome,
  OUTCOMES,
} from "../delivery_store/records.ts";
import {
  Columns,
  invariant,
  type Postgres,
  type Row,
  sql,
  StoreError,
  type Transaction,
} from "../postgres/mod.ts";
import { platformNumber } from "./codes.ts";
import { GROUP_RESULTS_MAX, GROUP_ROWS_MAX, GROUPS_MAX, RESULTS_WAITING_MAX } from "./limits.ts";

const BATCH = new Columns("batch");

/** A result whose caller waits. */
interface Waiting {
  readonly result: BatchResult;
  resolve(outcome: CommitOutcome): void;
  reject(error: unknown): void;
}

/** What became of one result in its group. */
type Settled = CommitOutcome | { readonly kind: "refused"; readonly error: unknown };

/** The results of batches, on their way to the database. */
export class Results {
  readonly #postgres: Postgres;
  #waiting: Waiting[] = [];
  #groups = 0;

  /** Records them there. */
  constructor(postgres: Postgres) {
    this.#postgres = postgres;
  }

  /** Records what a batch came to. */
  commit(result: BatchResult): Promise<CommitOutcome> {
    if (this.#waiting.length >= RESULTS_WAITING_MAX) {
      const words = `Cannot record a result: ${RESULTS_WAITING_MAX} wait already`;
      return Promise.reject(new StoreError("busy", words));
    }
    const { promise, resolve, reject } = Promise.withResolvers<CommitOutcome>();
    this.#waiting.push({ result, resolve, reject });
    this.#start();
    return promise;
  }

  #start(): void {
    if (this.#groups >= GROUPS_MAX || this.#waiting.length === 0) return;
    this.#groups++;
    const group = this.#take();
    this.#record(group).finally(() => {
      this.#groups--;
      this.#start();
    });
  }

  /** The next results that go together, at least one. */
  #take(): readonly Waiting[] {
    let rows = 0;
    const end = this.#waiting.findIndex(({ result }, index) => {
      rows += result.rows.length;
      return index >= GROUP_RESULTS_MAX || (index > 0 && rows > GROUP_ROWS_MAX);
    });
    return this.#waiting.splice(0, end < 0 ? this.#waiting.length : end);
  }

  /** Never rejects: each result's caller is told. */
  async #record(group: readonly Waiting[]): Promise<void> {
    try {
      const results = group.map(({ result }) => result);
      const settled = await this.#postgres.transaction(
        "record results",
        (transaction) => record(transaction, results),
      );
      for (const [index, waiting] of group.entries()) answer(waiting, settled[index]);
    } catch (error) {
      for (const { reject } of group) reject(error);
    }
  }
}

function answer({ resolve, reject }: Waiting, settled: Settled | undefined): void {
  invariant(settled !== undefined, "a result without an answer");
  if (settled.kind === "refused") reject(settled.error);
  else resolve(settled);
}

async function record(
  transaction: Transaction,
  results: readonly BatchResult[],
): Promise<readonly Settled[]> {
  const { rows } = await transaction.query(sql`SELECT place, count, notification FROM hold_results(
    ${results.map(({ lease }) => lease.batch)}, ${results.map(({ lease }) => lease.token)},
    ${results.flatMap(({ suspects }) => [...suspects.marked, ...suspects.cleared])},
    ${results.flatMap(({ lease, pause }) => pause === undefined ? [] : [lease.batch])})`);
  const held = new Map(rows.map((row) => [BATCH.integer(row, "place"), row]));
  const settled = await Promise.all(
    results.map((result, place) => settleOne(transaction, result, held.get(place))),
  );
  const recorded = results.flatMap((result, place) => {
    const dropped = settled[place]?.dropped;
    return dropped === undefined ? [] : [{ result, dropped }];
  });
  if (recorded.length > 0) {
    // Not awaited one by one: they are answered in order, and a failure of one is one of the last.
    await Promise.all([
      transaction.query(sql`SELECT lock_logs()`),
      ...recorded.map(({ result, dropped }) => recordOne(transaction, result, dropped)),
    ]);
  }
  return settled.map(({ outcome }) => outcome);
}

async function settleOne(
  transaction: Transaction,
  result: BatchResult,
  held: Row | undefined,
): Promise<{ readonly outcome: Settled; readonly dropped?: number }> {
  if (held === undefined) return { outcome: { kind: "stale" } };
  const refusal = refusalOf(result, held);
  if (refusal !== undefined) return { outcome: { kind: "refused", error: refusal } };
  const { lease, outcomes, suspects, pause = null, at } = result;
  const remainders = result.remainders.filter(({ numbers }) => numbers.length > 0);
  const { rows: [row] } = await transaction.query(sql`SELECT dropped, done FROM settle_batch(
    ${lease.batch}, ${OUTCOMES.map((outcome) => outcomes[outcome])}, ${retriesIn(result)},
    ${remainders.flatMap(({ numbers }) => numbers)},
    ${remainders.map(({ numbers }) => numbers.length)},
    ${remainders.map(({ attempt }) => attempt)}, ${remainders.map(({ notBefore }) => notBefore)},
    ${suspects.marked}, ${suspects.cleared}, ${pause}, ${at})`);
  return {
    outcome: { kind: "committed", notificationDone: BATCH.boolean(row, "done") },
    dropped: BATCH.integer(row, "dropped"),
  };
}

/** The rule that a result breaks, if any. */
function refusalOf({ lease, outcomes, remainders, notification }: BatchResult, held: Row): unknown {
  const count = BATCH.integer(held, "count");
  const left = remainders.reduce((sum, { numbers }) => sum + numbers.length, 0);
  const ended = OUTCOMES.reduce((sum, outcome) => sum + outcomes[outcome], 0);
  try {
    invariant(
      ended + left === count && notification === BATCH.text(held, "notification"),
      `batch ${lease.batch} of ${count} came to ${ended} ended and ${left} left`,
    );
    return undefined;
  } catch (error) {
    return error;
  }
}

/** Recipients to be tried again after a request; those that were handed back without have no attempt more. */
function retriesIn({ remainders, attempts }: BatchResult): number {
  return remainders.reduce(
    (sum, { numbers, attempt }) => attempt === attempts ? sum + numbers.length : sum,
    0,
  );
}

async function recordOne(
  transaction: Transaction,
  result: BatchResult,
  dropped: number,
): Promise<void> {
  const { notification, lane, at, outcomes, attempts, rows } = result;
  const counted: Readonly<Record<Outcome, number>> = {
    ...outcomes,
    cancelled: outcomes.cancelled + dropped,
  };
  await transaction.query(sql`SELECT record_result(${notification},
    ${platformNumber(lane.platform)}, ${at}, ${OUTCOMES.map((outcome) => counted[outcome])},
    ${retriesIn(result)}, ${attempts}, ${rows.map(({ number }) => number)},
    ${rows.map(({ address }) => address)},
    ${rows.map(({ outcome }) => OUTCOMES.indexOf(outcome))},
    ${rows.map(({ status }) => status)}, ${rows.map(({ reason }) => reason)},
    ${rows.map(({ registeredBefore = null }) => registeredBefore)})`);
}
