/**
 * The store sink: records what batches came to, and tells the others that there is something to read.
 *
 * Counts, rows, remainders, the batch's completion and the end of the notification are one
 * transaction of the store; this actor offers it results as they come, many at a time, so that the
 * store can commit them together. A result it could not record is the batch's to offer again; one that
 * is offered again while the store still has it waits for that answer, so that a store which stands
 * still is given each result once.
 *
 * @module
 */

import type { Actor, Context, Later } from "../../../runtime/actor.ts";
import { invariant } from "../../../runtime/errors.ts";
import { RECORDER_MAILBOX } from "../limits.ts";
import type { DeliveryObserver } from "../ports.ts";
import type { BatchResult, CommitOutcome, DeliveryStore } from "../store.ts";

/** A result, and how long its batch took. */
export interface Recording {
  /** What to record. */
  readonly result: BatchResult;
  /** Milliseconds since the batch was claimed. */
  readonly durationMs: number;
}

/** What the recorder understands. */
export interface RecorderProtocol {
  /** Records a result; fails when the store cannot. */
  record(recording: Recording): CommitOutcome;
  /** The store answered. */
  recorded(recorded: Recorded): void;
}

/** What came of a recording. */
export interface Recorded {
  /** What was to be recorded. */
  readonly recording: Recording;
  /** The store's answer. */
  readonly outcome: PromiseSettledResult<CommitOutcome>;
}

/** What the recorder works with. */
export interface RecorderArgs {
  /** Where results are kept. */
  readonly store: Pick<DeliveryStore, "commit">;
  /** Told what was settled. */
  readonly observer: DeliveryObserver;
  /** Called after each commit, with the number of rows it left: sinks have something to read. */
  readonly onCommit: (rows: number) => void;
}

/** The recorder's state. */
export interface RecorderState extends RecorderArgs {
  /** By lease, who waits for a result that the store has. */
  readonly waiting: Map<string, Later<CommitOutcome>>;
}

/** The recorder; see the module. */
export const recorder: Actor<RecorderProtocol, RecorderState, RecorderArgs> = {
  name: "recorder",
  mailbox: { capacity: RECORDER_MAILBOX, overflow: "refuse" },
  init: (args) => ({ ...args, waiting: new Map() }),
  on: {
    record(state, recording, ctx) {
      const later = ctx.later<CommitOutcome>();
      const key = keyOf(recording);
      const known = state.waiting.get(key);
      // Whoever waited before has given up.
      state.waiting.set(key, later);
      if (known === undefined) commit(state, recording, ctx);
      else known.reject(new Error("The result was offered again"));
      return later;
    },
    recorded(state, { recording, outcome }) {
      const key = keyOf(recording);
      const later = state.waiting.get(key);
      invariant(later !== undefined, `Nobody waits for the result of batch ${key}`);
      state.waiting.delete(key);
      if (outcome.status === "rejected") return later.reject(outcome.reason);
      later.resolve(outcome.value);
      if (outcome.value.kind === "committed") announce(state, recording);
    },
  },
};

function keyOf({ result: { lease: { batch, token } } }: Recording): string {
  return `${batch}-${token}`;
}

function commit(
  { store }: RecorderArgs,
  recording: Recording,
  ctx: Context<RecorderProtocol>,
): void {
  ctx.pipe(
    store.commit(recording.result),
    "recorded",
    (outcome) => ({ recording, outcome }),
  );
}

function announce({ observer, onCommit }: RecorderArgs, { result, durationMs }: Recording): void {
  const { lane: { app, platform }, outcomes, remainders, attempts, rows, pause, at } = result;
  // Those that were handed back unsent have had no request this time.
  const retries = remainders.reduce(
    (sum, { numbers, attempt }) => attempt === attempts ? sum + numbers.length : sum,
    0,
  );
  observer.record({ kind: "settled", platform, outcomes, retries, at, durationMs });
  if (pause !== undefined) observer.record({ kind: "paused", app, platform, reason: pause });
  onCommit(rows.length);
}
