/**
 * Group commit: hands writes to the writer's thread, one batch at a time.
 *
 * Invariants: a promise resolves only after the transaction of its write is on the disk; at most one
 * batch is on its way; what arrives meanwhile becomes the next one; writes keep the order in which
 * they were submitted; at most `PENDING_MAX` of them are held.
 *
 * When the thread dies, the file itself tells whether the batch on its way was committed, and with
 * which results. Writes that had not been handed over wait for the next thread, which is started
 * with a growing delay. After `RESTARTS_MAX` starts without an answer the end is final: every call
 * is refused with `"closed"`.
 *
 * @module
 */

import { quoted, StoreError, StoreOpenError } from "./errors.ts";
import {
  BATCH_MAX,
  PENDING_MAX,
  RESTART_DELAY_MAX_MS,
  RESTART_DELAY_MIN_MS,
  RESTARTS_MAX,
} from "./limits.ts";
import type {
  Operation,
  Outcome,
  Outcomes,
  Receipt,
  Result,
  WriterAnswer,
  WriterRequest,
} from "./operations.ts";

/** A write that was submitted and not yet answered. */
interface Pending {
  readonly operation: Operation;
  resolve(outcome: Outcome): void;
  reject(error: Error): void;
}

/** One durable commit. */
export interface Commit {
  /** Milliseconds from handing it to the writer until its answer. */
  readonly durationMs: number;
  /** Writes in it. */
  readonly writes: number;
}

/** What a group commit needs. */
export interface GroupCommitOptions {
  /** The file. */
  readonly path: string;
  /** How long after its last hello a user agent lapses. */
  readonly userLifetimeMs: number;
  /** Reads the last receipt from the file; called only after a thread died. */
  receipt(): Receipt;
  /** Told how long each commit took, from handing it over to its answer. */
  readonly onCommit?: ((commit: Commit) => void) | undefined;
  /** Resolves after so many milliseconds; the default is real time. */
  delay?(ms: number): Promise<void>;
  /** The module of the thread; the default is the writer's. */
  readonly thread?: URL;
}

/** Where the thread is in its life. */
type Phase =
  | { readonly kind: "starting" | "ready"; readonly worker: Worker }
  | { readonly kind: "waiting" }
  | { readonly kind: "ended"; readonly reason: string };

/** The queue in front of the writer's thread. */
export class GroupCommit implements AsyncDisposable {
  readonly #options: GroupCommitOptions;
  readonly #opened = Promise.withResolvers<void>();
  readonly #closed = Promise.withResolvers<void>();
  #phase: Phase = { kind: "waiting" };
  #queue: Pending[] = [];
  #inFlight: readonly Pending[] = [];
  #handedOverAt = 0;
  #batch = 0;
  #restarts = 0;
  #flushScheduled = false;
  #everOpened = false;
  #closing = false;

  private constructor(options: GroupCommitOptions) {
    this.#options = options;
  }

  /**
   * Starts the thread and opens the file.
   *
   * @throws {StoreOpenError} When the file cannot be used.
   */
  static async open(options: GroupCommitOptions): Promise<GroupCommit> {
    const group = new GroupCommit(options);
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
  submit(operation: Operation): Promise<Outcome> {
    if (this.#closing || this.#phase.kind === "ended") return Promise.reject(this.#closedError());
    if (this.#queue.length + this.#inFlight.length >= PENDING_MAX) {
      const message = `Cannot store: ${PENDING_MAX} writes are waiting already`;
      return Promise.reject(new StoreError("busy", message));
    }
    return new Promise((resolve, reject) => {
      this.#queue.push({ operation, resolve, reject });
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
    const thread = this.#options.thread ?? new URL("./writer_thread.ts", import.meta.url);
    const worker = new Worker(thread, { type: "module", name: "sqlite_writer" });
    this.#phase = { kind: "starting", worker };
    worker.onmessage = (event: MessageEvent<WriterAnswer>) => this.#answered(worker, event.data);
    worker.onerror = (event) => {
      event.preventDefault();
      this.#died(worker, event.message);
    };
    const { path, userLifetimeMs } = this.#options;
    post(worker, { kind: "open", path, userLifetimeMs });
  }

  #flush(): void {
    if (this.#phase.kind !== "ready" || this.#inFlight.length > 0) return;
    const { worker } = this.#phase;
    if (this.#queue.length === 0) {
      if (this.#closing) post(worker, { kind: "close" });
      return;
    }
    this.#inFlight = this.#queue.splice(0, BATCH_MAX);
    const operations = this.#inFlight.map((pending) => pending.operation);
    this.#handedOverAt = performance.now();
    post(worker, { kind: "batch", batch: this.#batch + 1, operations });
  }

  #answered(worker: Worker, answer: WriterAnswer): void {
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
  #settle(settle: (batch: readonly Pending[]) => void): void {
    const batch = this.#inFlight;
    this.#inFlight = [];
    this.#restarts = 0;
    this.#flush();
    settle(batch);
  }

  #died(worker: Worker, reason: string): void {
    worker.terminate();
    this.#opened.reject(new StoreOpenError("unusable", `Cannot open the store: ${reason}`));
    const batch = this.#inFlight;
    this.#inFlight = [];
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

  #settleByReceipt(batch: readonly Pending[], reason: string): void {
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
}

/** Sends a request to the thread. */
function post(worker: Worker, request: WriterRequest): void {
  worker.postMessage(request);
}

/** Resolves after so many milliseconds of real time. */
function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Answers each write of a committed batch with its own result. */
function settleAll(batch: readonly Pending[], results: readonly Result[]): void {
  for (const [index, pending] of batch.entries()) {
    const result = results[index];
    if (result === undefined) throw new Error("Fewer results than writes");
    if (typeof result === "object" && result !== null) pending.reject(new Error(result.broken));
    else pending.resolve(result);
  }
}

/** Refuses every write of a batch for the same reason. */
function rejectAll(batch: readonly Pending[], error: Error): void {
  for (const pending of batch) pending.reject(error);
}
