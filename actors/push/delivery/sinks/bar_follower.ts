/**
 * Gives the monitor what all nodes of a store deliver: it follows the log of tallies, where a node's
 * own results alone would show a page a part of what happens.
 *
 * Invariants: each tally of the time in which this actor runs reaches the monitor once; nothing waits
 * in memory; a store that is away is asked again in a second. The position that is remembered is shared
 * by all followers, and says no more than where a new one begins: who has not run saw no page.
 *
 * @module
 */

import type { Actor, Context, Ref } from "../../../runtime/actor.ts";
import type { Observer } from "../../ports.ts";
import type { DeliveryStore, Tally } from "../store.ts";
import { FOLLOW_MS, SINK_PAGE_TALLIES } from "./limits.ts";
import type { MonitorProtocol } from "./monitor.ts";

/** The name under which the position is remembered. */
export const BAR_FOLLOWER = "bars";

/** What the follower understands. */
export interface BarFollowerProtocol {
  /** Time to look. */
  lookDue(): void;
  /** The store answered; `undefined` when it was not available. */
  looked(page: TallyPage | undefined): void;
}

/** Tallies that are new, and where they end. */
export interface TallyPage {
  /** The tallies. */
  readonly tallies: readonly Tally[];
  /** The position to go on from. */
  readonly position: number;
}

/** What the follower works with. */
export interface BarFollowerArgs {
  /** Where the log is. */
  readonly store: Pick<DeliveryStore, "talliesAfter" | "sinkPosition" | "saveSinkPosition">;
  /** Who is told. */
  readonly monitor: Ref<Pick<MonitorProtocol, "settled">>;
  /** Told of failures. */
  readonly observer: Observer;
}

/** How far it has come. */
export interface BarFollowerState extends BarFollowerArgs {
  /** The last position read; `undefined` until the store has said where to begin. */
  position: number | undefined;
}

/** The follower; see the module. */
export const barFollower: Actor<BarFollowerProtocol, BarFollowerState, BarFollowerArgs> = {
  name: "bar_follower",
  mailbox: { capacity: 4, overflow: "refuse" },
  init(args, ctx) {
    ctx.after(0, "lookDue");
    return { ...args, position: undefined };
  },
  on: {
    lookDue: (state, _, ctx) => look(state, ctx),
    looked(state, page, ctx) {
      if (page !== undefined) {
        state.position = page.position;
        for (const { platform, outcomes, retries, at } of page.tallies) {
          state.monitor.trySend("settled", {
            kind: "settled",
            ...{ platform, outcomes, retries, at, durationMs: 0 },
          });
        }
        if (page.tallies.length >= SINK_PAGE_TALLIES) return look(state, ctx);
      }
      ctx.after(FOLLOW_MS, "lookDue");
    },
  },
};

function look(state: BarFollowerState, ctx: Context<BarFollowerProtocol>): void {
  const { observer } = state;
  ctx.pipe(readOn(state), "looked", (outcome) => {
    if (outcome.status === "fulfilled") return outcome.value;
    const reason = String(outcome.reason);
    observer.record({ kind: "store_failed", operation: "follow_tallies", reason });
    return undefined;
  });
}

async function readOn({ store, position }: BarFollowerState): Promise<TallyPage> {
  const from = position ?? await store.sinkPosition(BAR_FOLLOWER, "tallies");
  const tallies = await store.talliesAfter(from, SINK_PAGE_TALLIES);
  const last = tallies.at(-1)?.position;
  if (last !== undefined) {
    await store.saveSinkPosition(BAR_FOLLOWER, last);
    return { tallies, position: last };
  }
  // A store that began anew counts from the start, and remembers nothing.
  return { tallies, position: Math.min(from, await store.sinkPosition(BAR_FOLLOWER, "tallies")) };
}
