/**
 * Removes what expired: messages past their TTL, user agents not seen for their lifetime.
 *
 * Expired messages are never delivered, swept or not; the sweep gives their space back. It works
 * in small steps, so that the writes of accepted messages go in between.
 *
 * @module
 */

import type { Actor, Context } from "../../runtime/actor.ts";
import { SWEEP_INTERVAL_MS, SWEEP_ROWS } from "../limits.ts";
import type { MessageStore, Observer } from "../ports.ts";

/** What the sweeper understands. */
export interface SweeperProtocol {
  /** Time for a step. */
  sweepDue(): void;
  /** A step ended; `undefined` when the store was not available. */
  swept(rows: number | undefined): void;
}

/** What the sweeper works on. */
export interface SweeperArgs {
  /** The store to sweep. */
  readonly store: Pick<MessageStore, "sweep">;
  /** Told how many rows went. */
  readonly observer: Observer;
}

/** The sweeper; see the module. */
export const sweeper: Actor<SweeperProtocol, SweeperArgs, SweeperArgs> = {
  name: "sweeper",
  mailbox: { capacity: 4, overflow: "refuse" },
  init(args, ctx) {
    ctx.after(SWEEP_INTERVAL_MS, "sweepDue");
    return args;
  },
  on: {
    sweepDue: (state, _, ctx) => sweep(state, ctx),
    swept(state, rows, ctx) {
      if (rows === undefined || rows === 0) {
        ctx.after(SWEEP_INTERVAL_MS, "sweepDue");
        return;
      }
      state.observer.record({ kind: "swept", rows });
      sweep(state, ctx);
    },
  },
};

function sweep({ store, observer }: SweeperArgs, ctx: Context<SweeperProtocol>): void {
  const nowSeconds = Math.floor(ctx.wallNow() / 1_000);
  ctx.pipe(store.sweep(nowSeconds, SWEEP_ROWS), "swept", (outcome) => {
    if (outcome.status === "fulfilled") return outcome.value;
    observer.record({ kind: "store_failed", operation: "sweep", reason: String(outcome.reason) });
    return undefined;
  });
}
