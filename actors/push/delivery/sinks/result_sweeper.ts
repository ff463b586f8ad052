/**
 * Removes results whose time is over, in small steps so that commits of batches go in between.
 *
 * Rows are what sinks read: a sink that fails for longer than the retention misses the rows removed
 * meanwhile.
 *
 * @module
 */

import type { Actor, Context } from "../../../runtime/actor.ts";
import type { Observer } from "../../ports.ts";
import type { DeliveryStore } from "../store.ts";
import { RESULT_SWEEP_MS, RESULT_SWEEP_ROWS } from "./limits.ts";

/** What the sweeper of results understands. */
export interface ResultSweeperProtocol {
  /** Time for a step. */
  sweepDue(): void;
  /** A step ended; `undefined` when the store was not available. */
  swept(rows: number | undefined): void;
}

/** What the sweeper of results works on. */
export interface ResultSweeperArgs {
  /** The store to sweep. */
  readonly store: Pick<DeliveryStore, "sweep">;
  /** Time after its end for which a notification's results are kept. */
  readonly retentionMs: number;
  /** Told how many rows went. */
  readonly observer: Observer;
}

/** The sweeper of results; see the module. */
export const resultSweeper: Actor<ResultSweeperProtocol, ResultSweeperArgs, ResultSweeperArgs> = {
  name: "result_sweeper",
  mailbox: { capacity: 4, overflow: "refuse" },
  init(args, ctx) {
    ctx.after(RESULT_SWEEP_MS, "sweepDue");
    return args;
  },
  on: {
    sweepDue: (state, _, ctx) => sweep(state, ctx),
    swept(state, rows, ctx) {
      if (rows === undefined || rows === 0) {
        ctx.after(RESULT_SWEEP_MS, "sweepDue");
        return;
      }
      state.observer.record({ kind: "swept", rows });
      sweep(state, ctx);
    },
  },
};

function sweep(
  { store, retentionMs, observer }: ResultSweeperArgs,
  ctx: Context<ResultSweeperProtocol>,
): void {
  ctx.pipe(store.sweep(ctx.wallNow() - retentionMs, RESULT_SWEEP_ROWS), "swept", (outcome) => {
    if (outcome.status === "fulfilled") return outcome.value;
    const reason = String(outcome.reason);
    observer.record({ kind: "store_failed", operation: "sweep_results", reason });
    return undefined;
  });
}
