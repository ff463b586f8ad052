/**
 * Records what batches came to. Results that arrive together share a transaction: its way to the disk,
 * and its turn at the logs, for which all nodes wait.
 *
 * Invariants: the number of waiting results is bounded; a result that breaks a rule is refused alone;
 * when a transaction fails, nothing of its results is recorded.
 *
 * @module
 */

import { platformNumber } from "../delivery_store/codes.ts";
import { type BatchResult, type CommitOutcome, OUTCOMES } from "../delivery_store/records.ts";
import {
  type Answer,
  Columns,
  invariant,
  type Postgres,
  sql,
  StoreError,
  type Transaction,
} from "../postgres/mod.ts";
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
  const { rows } = await hold(transaction, results);
  const settled: Settled[] = results.map(() => ({ kind: "stale" }));
  const fitting: { readonly place: number; readonly result: BatchResult }[] = [];
  // In the order of their notifications, in which these are locked.
  for (const row of rows) {
    const place = BATCH.integer(row, "place");
    const result = results[place];
    invariant(result !== undefined, "a lease that nobody asked for");
    if (BATCH.boolean(row, "fits")) fitting.push({ place, result });
    else {settled[place] = {
        kind: "refused",
        error: refusalOf(result, BATCH.integer(row, "count")),
      };}
  }
  if (fitting.length === 0) return settled;
  // All on their way at once: they are answered in order, so the first failure is the one that counts.
  const calls: Promise<void>[] = fitting.map(({ place, result }) =>
    settle(transaction, result).then((outcome) => {
      settled[place] = outcome;
    })
  );
  calls.push(...pauseLanes(transaction, fitting.map(({ result }) => result)));
  calls.push(transaction.query(sql`SELECT lock_logs()`).then(() => {}));
  for (const { result } of fitting) calls.push(log(transaction, result));
  await Promise.all(calls);
  return settled;
}

function leftIn({ remainders }: BatchResult): number {
  return remainders.reduce((sum, { numbers }) => sum + numbers.length, 0);
}

function endedIn({ outcomes }: BatchResult): number {
  return OUTCOMES.reduce((sum, outcome) => sum + outcomes[outcome], 0);
}

/** Recipients to be tried again after a request; those that were handed back without have no attempt more. */
function retriesIn({ remainders, attempts }: BatchResult): number {
  return remainders.reduce(
    (sum, { numbers, attempt }) => attempt === attempts ? sum + numbers.length : sum,
    0,
  );
}

function hold(transaction: Transaction, results: readonly BatchResult[]): Promise<Answer> {
  const marks = new Map<number, { readonly mark: boolean; readonly batch: number }>();
  for (const { lease: { batch }, suspects } of results) {
    for (const number of suspects.marked) marks.set(number, { mark: true, batch });
    for (const number of suspects.cleared) marks.set(number, { mark: false, batch });
  }
  return transaction.query(sql`SELECT place, seq, count, fits FROM hold_results(
    ${results.map(({ lease }) => lease.batch)}, ${results.map(({ lease }) => lease.token)},
    ${results.map((result) => endedIn(result) + leftIn(result))},
    ${results.map(({ notification }) => notification)},
    ${[...marks.keys()]}, ${[...marks.values()].map(({ mark }) => mark)},
    ${[...marks.values()].map(({ batch }) => batch)})`);
}

/** The rule that a result breaks. */
function refusalOf(result: BatchResult, count: number): Error {
  const words = `came to ${endedIn(result)} ended and ${leftIn(result)} left`;
  return new Error(
    `Invariant broken: batch ${result.lease.batch} of ${count}, notification ${result.notification}, ${words}`,
  );
}

async function settle(transaction: Transaction, result: BatchResult): Promise<Settled> {
  const { lease, outcomes, at } = result;
  const remainders = result.remainders.filter(({ numbers }) => numbers.length > 0);
  const { rows: [row] } = await transaction.query(sql`SELECT settle_batch(${lease.batch},
    ${OUTCOMES.map((outcome) => outcomes[outcome])}, ${retriesIn(result)},
    ${remainders.flatMap(({ numbers }) => numbers)},
    ${remainders.map(({ numbers }) => numbers.length)},
    ${remainders.map(({ attempt }) => attempt)}, ${remainders.map(({ notBefore }) => notBefore)},
    ${at}) AS done`);
  return { kind: "committed", notificationDone: BATCH.boolean(row, "done") };
}

function pauseLanes(
  transaction: Transaction,
  results: readonly BatchResult[],
): readonly Promise<void>[] {
  const pausing = results.flatMap(({ lane, pause, at }) =>
    pause === undefined ? [] : [{ ...lane, pause, at }]
  );
  if (pausing.length === 0) return [];
  const paused = transaction.query(sql`SELECT pause_lanes(${pausing.map(({ app }) => app)},
    ${pausing.map(({ platform }) => platformNumber(platform))},
    ${pausing.map(({ pause }) => pause)}, ${pausing.map(({ at }) => at)})`);
  return [paused.then(() => {})];
}

async function log(transaction: Transaction, result: BatchResult): Promise<void> {
  const { notification, lane, at, outcomes, attempts, rows } = result;
  await transaction.query(sql`SELECT record_result(${notification},
    ${platformNumber(lane.platform)}, ${at}, ${OUTCOMES.map((outcome) => outcomes[outcome])},
    ${retriesIn(result)}, ${leftIn(result)}, ${attempts}, ${rows.map(({ number }) => number)},
    ${rows.map(({ address }) => address)},
    ${rows.map(({ outcome }) => OUTCOMES.indexOf(outcome))},
    ${rows.map(({ status }) => status)}, ${rows.map(({ reason }) => reason)},
    ${rows.map(({ registeredBefore = null }) => registeredBefore)})`);
}
