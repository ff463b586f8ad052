/**
 * Group commit: hands writes to the writer's thread, one batch at a time.
 *
 * Invariants: a promise resolves only after the transaction of its write is on the disk; at most one
 * batch is on its way; what arrives meanwhile becomes the next one; writes keep the order in which
 * they were submitted; what they weigh together is bounded.
 *
 * When the thread dies, the file itself tells whether the batch on its way was committed, and with
 * which results. Writes that had not been handed over wait for the next thread, which is started
 * with a growing delay. After `RESTARTS_MAX` starts without an answer the end is final: every call
 * is refused with `"closed"`.
 *
 * @module
 */

import { quoted, StoreError, StoreOpenError } from "./errors.ts";
import { RESTART_DELAY_MAX_MS, RESTART_DELAY_MIN_MS, RESTARTS_MAX } from "./limits.ts";
import {
  isBroken,
  type Receipt,
  type Result,
  type WriterAnswer,
  type WriterRequest,
} from "./protocol.ts";

/** A write that waits for its end. */
interface Waiting<Outcome> {
  resolve(outcome: Outcome): void;
  reject(error: Error): void;
}

/** A write that was submitted and not yet answered. */
interface Pending<Operation, Outcome> extends Waiting<Outcome> {
  readonly operation: Operation;
  readonly weight: number;
}

/** How much is held and handed over at once, in units of which a small write is one. */
export interface GroupLimits {
  /** Waiting or on their way; the next write is refused with the code `"busy"`. */
  readonly pendingMax: number;
  /** In one transaction; a write that weighs more has one to itself. */
  readonly batchMax: number;
}

/** One durable commit. */
export interface Commit {
  /** Milliseconds from handing it to the writer until its answer. */
  readonly durationMs: number;
  /** Writes in it. */
  readonly writes: number;
}

/** What a group commit needs. */
export interface GroupCommitOptions<Operation, Outcome, Settings> {
  /** The file. */
  readonly path: string;
  /** The module of the thread. */
  readonly thread: URL;
  /** What the thread opens the file with. */
  readonly settings: Settings;
  /** How much is held. */
  readonly limits: GroupLimits;
  /** How much a write weighs; each weighs 1 by default. */
  weigh?(operation: Operation): number;
  /** Reads the last receipt from the file; called only after a thread died. */
  receipt(): Receipt<Outcome>;
  /** Told how long each commit took, from handing it over to its answer. */
  readonly onCommit?: ((commit: Commit) => void) | undefined;
  /** Resolves after so many milliseconds; the default is real time. */
  delay?(ms: number): Promise<void>;
}

/** Where the thread is in its life. */
type Phase =
  | { readonly kind: "starting" | "ready"; readonly worker: Worker }
  | { readonly kind: "waiting" }
  | { readonly kind: "ended"; readonly reason: string };

/**
 * The queue in front of a writer's thread.
 *
 * @typeParam Operation The writes, told apart by their `kind`.
 * @typeParam Outcomes What each kind of write answers: a value that JSON keeps, without a property
 * `broken`.
 * @typeParam Settings What the thread opens the file with.
 */
export class GroupCommit<
  Operation extends { readonly kind: string },
  Outcomes extends Readonly<Record<Operation["kind"], unknown>>,
  Settings,
> implements AsyncDisposable {
  readonly #options: GroupCommitOptions<Operation, Outcomes[keyof Outcomes], Settings>;
  readonly #opened = Promise.withResolvers<void>();
  readonly #closed = Promise.withResolvers<void>();
  #phase: Phase = { kind: "waiting" };
  #queue: Pending<Operation, Outcomes[keyof Outcomes]>[] = [];
  #inFlight: readonly Pending<Operation, Outcomes[keyof Outcomes]>[] = [];
  /** What all of them weigh together. */
  #weight = 0;
  #handedOverAt = 0;
  #batch = 0;
  #restarts = 0;
  #flushScheduled = false;
  #everOpened = false;
  #closing = false;

  private constructor(options: GroupCommitOptions<Operation, Outcomes[keyof Outcomes], Settings>) {
    this.#options = options;
  }

  /**
   * Starts the thread and opens the file.
   *
   * @throws {StoreOpenError} When the file cannot be used.
   */
  static async open<
    Operation extends { readonly kind: string },
    Outcomes extends Readonly<Record<Operation["kind"], unknown>>,
    Settings,
  >(
    options: GroupCommitOptions<Operation, Outcomes[keyof Outcomes], Settings>,
  ): Promise<GroupCommit<Operation, Outcomes, Settings>> {
    const group = new GroupCommit<Operation, Outcomes, Settings>(options);
    group.#start();
    await group.#opened.promise;
    return group;
  }

  /**
   * Hands in a write.
   *
   * @throws {StoreError} By rejection: nothing of the write was stored. `"busy"` when too many are
   * waiting, `"closed"` after the end, `"full"` or `"io"` when its transaction failed.
   */
  submit<K extends Operation["kind"]>(
    operation: Extract<Operation, { kind: K }>,
  ): Promise<Outcomes[K]>;
  submit(operation: Operation): Promise<Outcomes[keyof Outcomes]> {
    if (this.#closing || this.#phase.kind === "ended") return Promise.reject(this.#closedError());
    const weight = this.#options.weigh?.(operation) ?? 1;
    if (this.#weight > 0 && this.#weight + weight > this.#options.limits.pendingMax) {
      const count = this.#queue.length + this.#inFlight.length;
      const message = `Cannot store: ${count} writes are waiting already`;
      return Promise.reject(new StoreError("busy", message));
    }
    this.#weight += weight;
    return new Promise((resolve, reject) => {
      this.#queue.push({ operation, weight, resolve, reject });
      if (this.#flushScheduled) return;
      // Not at once: the other writes of this turn belong into the same transaction.
      this.#flushScheduled = true;
      queueMicrotask(() => {
        this.#flushScheduled = false;
        this.#flush();
      });
    });
  }

  /** Writes what is waiting, closes the file and ends the thread. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#closing = true;
    this.#flush();
    return this.#closed.promise;
  }

  #closedError(): StoreError {
    const reason = this.#phase.kind === "ended" ? this.#phase.reason : "it is closing";
    return new StoreError("closed", `Cannot store: ${reason}`);
  }

  #start(): void {
    const { path, settings, thread } = this.#options;
    const worker = new Worker(thread, { type: "module", name: "sqlite_writer" });
    this.#phase = { kind: "starting", worker };
    worker.onmessage = (event: MessageEvent<WriterAnswer<Outcomes[keyof Outcomes]>>) =>
      this.#answered(worker, event.data);
    worker.onerror = (event) => {
      event.preventDefault();
      this.#died(worker, event.message);
    };
    this.#post(worker, { kind: "open", path, settings });
  }

  #flush(): void {
    if (this.#phase.kind !== "ready" || this.#inFlight.length > 0) return;
    const { worker } = this.#phase;
    if (this.#queue.length === 0) {
      if (this.#closing) this.#post(worker, { kind: "close" });
      return;
    }
    this.#inFlight = this.#queue.splice(0, this.#nextBatch());
    const operations = this.#inFlight.map((pending) => pending.operation);
    this.#handedOverAt = performance.now();
    this.#post(worker, { kind: "batch", batch: this.#batch + 1, operations });
  }

  /** How many of those that wait fit into a transaction. */
  #nextBatch(): number {
    let weight = 0;
    const end = this.#queue.findIndex((pending) =>
      (weight += pending.weight) > this.#options.limits.batchMax
    );
    return end < 0 ? this.#queue.length : Math.max(1, end);
  }

  #answered(worker: Worker, answer: WriterAnswer<Outcomes[keyof Outcomes]>): void {
    switch (answer.kind) {
      case "opened":
        this.#batch = answer.batch;
        this.#phase = { kind: "ready", worker };
        this.#everOpened = true;
        this.#opened.resolve();
        return this.#flush();
      case "refused":
        this.#opened.reject(new StoreOpenError(answer.code, answer.message));
        return this.#died(worker, answer.message);
      case "committed":
        this.#batch++;
        this.#options.onCommit?.({
          durationMs: performance.now() - this.#handedOverAt,
          writes: this.#inFlight.length,
        });
        return this.#settle((batch) => settleAll(batch, answer.results));
      case "failed": {
        const error = new StoreError(answer.code, `Cannot store: ${answer.message}`);
        return this.#settle((batch) => rejectAll(batch, error));
      }
      case "closed":
        return this.#end(worker, "it is closed");
    }
  }

  /** Hands over the next batch before the callers of the last one go on: the two run in parallel. */
  #settle(settle: (batch: readonly Pending<Operation, Outcomes[keyof Outcomes]>[]) => void): void {
    const batch = this.#takeInFlight();
    this.#restarts = 0;
    this.#flush();
    settle(batch);
  }

  #takeInFlight(): readonly Pending<Operation, Outcomes[keyof Outcomes]>[] {
    const batch = this.#inFlight;
    this.#inFlight = [];
    for (const { weight } of batch) this.#weight -= weight;
    return batch;
  }

  #died(worker: Worker, reason: string): void {
    worker.terminate();
    this.#opened.reject(new StoreOpenError("unusable", `Cannot open the store: ${reason}`));
    const batch = this.#takeInFlight();
    if (batch.length > 0) this.#settleByReceipt(batch, reason);
    if (!this.#everOpened) return this.#end(worker, reason);
    if (this.#restarts >= RESTARTS_MAX) {
      return this.#end(worker, `its writer failed ${RESTARTS_MAX} times: ${reason}`);
    }
    this.#phase = { kind: "waiting" };
    const delayMs = Math.min(RESTART_DELAY_MAX_MS, RESTART_DELAY_MIN_MS * 2 ** this.#restarts);
    this.#restarts++;
    const delay = this.#options.delay ?? wait;
    delay(delayMs).then(() => this.#start());
  }

  #settleByReceipt(
    batch: readonly Pending<Operation, Outcomes[keyof Outcomes]>[],
    reason: string,
  ): void {
    try {
      const receipt = this.#options.receipt();
      if (receipt.batch === this.#batch + 1) return settleAll(batch, receipt.results);
      rejectAll(batch, new StoreError("io", `Cannot store: the writer failed: ${reason}`));
    } catch (error) {
      rejectAll(batch, new StoreError("io", `Cannot store: ${quoted(error)}`, { cause: error }));
    }
  }

  #end(worker: Worker, reason: string): void {
    worker.terminate();
    this.#phase = { kind: "ended", reason };
    const queue = this.#queue;
    this.#queue = [];
    rejectAll(queue, this.#closedError());
    this.#closed.resolve();
  }

  #post(worker: Worker, request: WriterRequest<Operation, Settings>): void {
    worker.postMessage(request);
  }
}

/** Resolves after so many milliseconds of real time. */
function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Answers each write of a committed batch with its own result. */
function settleAll<Outcome>(
  batch: readonly Waiting<Outcome>[],
  results: readonly Result<Outcome>[],
): void {
  if (results.length !== batch.length) throw new Error("Not one result for each write");
  for (const [index, pending] of batch.entries()) settleOne(pending, results[index]);
}

function settleOne<Outcome>(pending: Waiting<Outcome>, result: Result<Outcome> | undefined): void {
  if (result === undefined) throw new Error("A write without a result");
  if (isBroken(result)) pending.reject(new Error(result.broken));
  else pending.resolve(result);
}

/** Refuses every write of a batch for the same reason. */
function rejectAll(batch: readonly Pick<Waiting<unknown>, "reject">[], error: Error): void {
  for (const pending of batch) pending.reject(error);
}
