/**
 * The feeder: turns the audiences of accepted notifications into batches.
 *
 * It works in rounds: one step of each notification that is due, so that a small one does not wait
 * for a large one. The audience never comes here: the store moves it into batches by a cursor of
 * its own, and a crash of the node repeats nothing.
 *
 * @module
 */

import type { Actor, Context, Ref } from "../../runtime/actor.ts";
import {
  BATCH_RECIPIENTS_MAX,
  EXPAND_STEP,
  EXPANDING_MAX,
  FEEDER_LOOK_MS,
  STORE_RETRY_MS,
} from "./limits.ts";
import { traced, type Tracer } from "../tracer.ts";
import type { DeliveryObserver } from "./ports.ts";
import type { RouterProtocol } from "./router.ts";
import type { DeliveryStore, Expanded } from "./store.ts";

/** What the feeder understands. */
export interface FeederProtocol {
  /** A notification was accepted or closed. */
  wake(): void;
  /** Time to look. */
  lookDue(): void;
  /** A round ended. */
  fed(round: Round): void;
}

/** What a round came to. */
export interface Round {
  /** Recipients put into batches. */
  readonly added: number;
  /** Whether something is left to expand now. */
  readonly more: boolean;
  /** Wall-clock time at which something becomes due. */
  readonly dueAt: number | undefined;
  /** Whether the store could not go on. */
  readonly failed: boolean;
}

/** What the feeder works with. */
export interface FeederArgs {
  /** Where audiences become batches. */
  readonly store: Pick<DeliveryStore, "expandable" | "expand">;
  /** Told that there is work. */
  readonly router: Ref<Pick<RouterProtocol, "wake">>;
  /** Told what was expanded. */
  readonly observer: DeliveryObserver;
  /** Records what takes how long, if anybody looks. */
  readonly tracer?: Tracer | undefined;
}

/** The feeder's state. */
export interface FeederState extends FeederArgs {
  /** Whether a round is on its way. */
  feeding: boolean;
  /** Whether something happened since it began. */
  again: boolean;
}

/** The feeder; see the module. */
export const feeder: Actor<FeederProtocol, FeederState, FeederArgs> = {
  name: "feeder",
  // One word that there is work is as good as many.
  mailbox: { capacity: 1, overflow: "drop_newest" },
  init(args, ctx) {
    ctx.self.trySend("wake");
    return { ...args, feeding: false, again: false };
  },
  on: {
    wake: look,
    lookDue: look,
    fed(state, { added, more, dueAt, failed }, ctx) {
      state.feeding = false;
      if (added > 0) {
        state.observer.record({ kind: "expanded", recipients: added });
        state.router.trySend("wake");
      }
      const again = more || state.again;
      state.again = false;
      if (failed) return ctx.after(STORE_RETRY_MS, "lookDue");
      if (again) return look(state, undefined, ctx);
      const wait = dueAt === undefined ? FEEDER_LOOK_MS : dueAt - ctx.wallNow();
      ctx.after(Math.min(Math.max(wait, 1), FEEDER_LOOK_MS), "lookDue");
    },
  },
};

function look(state: FeederState, _: unknown, ctx: Context<FeederProtocol>): void {
  if (state.feeding) {
    state.again = true;
    return;
  }
  state.feeding = true;
  ctx.pipe(
    round(state, ctx.wallNow()),
    "fed",
    (outcome) =>
      outcome.status === "fulfilled"
        ? outcome.value
        : { added: 0, more: false, dueAt: undefined, failed: true },
  );
}

async function round(state: FeederState, now: number): Promise<Round> {
  const { ids, dueAt } = await state.store.expandable(now, EXPANDING_MAX);
  const outcomes = await Promise.allSettled(ids.map((id) => expand(state, id)));
  const steps = outcomes.flatMap((step) => step.status === "fulfilled" ? [step.value] : []);
  const added = steps.reduce((sum, step) => sum + step.added, 0);
  const more = steps.some((step) => !step.done) || ids.length === EXPANDING_MAX;
  // One that cannot be expanded now holds up none of the others, unless nothing came of the round.
  return { added, more, dueAt, failed: added === 0 && steps.length < ids.length };
}

const STEP = { limit: EXPAND_STEP, batchMax: BATCH_RECIPIENTS_MAX };

/** One step of one notification. */
function expand({ store, tracer }: FeederState, id: string): Promise<Expanded> {
  const span = tracer?.begin({ kind: "notification", id }, "expand");
  return traced(span, store.expand(id, STEP), ({ added, done }) => ({
    count: added,
    complete: done,
  }));
}
