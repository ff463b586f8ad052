/**
 * Versions of broadcasts ("Megaphone"): polled from a source, asked for by device sessions.
 *
 * Every change gets the next number of one counter. A session remembers the counter at its last
 * news, so "what changed since" needs no state per session here. Versions are opaque and compared
 * for equality only; an id that disappears from the source keeps its last version, as autopush has
 * it. A poll that fails leaves everything as it was, but the first one must succeed: a service
 * that cannot say which broadcasts exist would answer every device wrongly.
 *
 * @module
 */

import type { Actor, Context } from "../../runtime/actor.ts";
import { BROADCASTS_MAILBOX, BROADCASTS_MAX } from "../limits.ts";
import type { BroadcastSource, Observer } from "../ports.ts";
import type { BroadcastAnswer, BroadcastSubscription } from "./session.ts";

/** A session's question: what is new of the ids it follows, and of those it names now. */
export interface BroadcastQuestion {
  /** Ids the device names with the versions it has; the published ones are followed from now on. */
  readonly wanted: ReadonlyMap<string, string>;
  /** What it followed before. */
  readonly subscription: BroadcastSubscription | undefined;
}

/** What the tracker understands. */
export interface BroadcastsProtocol {
  /** News for a session, and its subscription from now on. */
  news(question: BroadcastQuestion): BroadcastAnswer;
  /** Time to ask the source. */
  pollDue(): void;
  /** The source's answer; `undefined` when it failed. */
  polled(versions: ReadonlyMap<string, string> | undefined): void;
}

/** Where the versions come from, and how often. Without a source nothing is published. */
export interface BroadcastsArgs {
  /** The source, if the operator named one. */
  readonly source: BroadcastSource | undefined;
  /** Time between two polls. */
  readonly intervalMs: number;
  /** Told of every poll. */
  readonly observer: Observer;
}

/** One published id. */
export interface Tracked {
  /** Its version, opaque. */
  readonly version: string;
  /** The counter's value when this version was first seen. */
  readonly changedAt: number;
}

/** What is published, and how often that changed. */
export interface BroadcastsState extends BroadcastsArgs {
  /** Every id with its version. */
  readonly tracked: Map<string, Tracked>;
  /** Counts the changes. */
  position: number;
}

/** The tracker; see the module. */
export const broadcasts: Actor<BroadcastsProtocol, BroadcastsState, BroadcastsArgs> = {
  name: "broadcasts",
  mailbox: { capacity: BROADCASTS_MAILBOX, overflow: "refuse" },
  async init(args, ctx) {
    const state: BroadcastsState = { ...args, tracked: new Map(), position: 0 };
    if (args.source !== undefined) {
      track(state, await args.source.fetch(ctx.signal));
      ctx.after(args.intervalMs, "pollDue");
    }
    return state;
  },
  on: {
    news: (state, question) => news(state, question),
    pollDue(state, _, ctx) {
      if (state.source !== undefined) poll(state, state.source, ctx);
    },
    polled(state, versions, ctx) {
      if (versions !== undefined) track(state, versions);
      ctx.after(state.intervalMs, "pollDue");
    },
  },
};

function poll(
  state: BroadcastsState,
  source: BroadcastSource,
  ctx: Context<BroadcastsProtocol>,
): void {
  ctx.pipe(source.fetch(ctx.signal), "polled", (outcome) => {
    const ok = outcome.status === "fulfilled";
    const reason = ok ? "" : String(outcome.reason);
    state.observer.record({ kind: "broadcasts_polled", ok, reason });
    return ok ? outcome.value : undefined;
  });
}

function track(state: BroadcastsState, versions: ReadonlyMap<string, string>): void {
  for (const [id, version] of versions) {
    const known = state.tracked.get(id);
    if (known?.version === version) continue;
    if (known === undefined && state.tracked.size >= BROADCASTS_MAX) continue;
    state.tracked.set(id, { version, changedAt: ++state.position });
  }
}

function news(
  state: BroadcastsState,
  { wanted, subscription }: BroadcastQuestion,
): BroadcastAnswer {
  const changes = new Map<string, string>();
  const unknown: string[] = [];
  const ids = new Set(subscription?.ids);
  for (const id of ids) {
    const known = state.tracked.get(id);
    if (known === undefined || subscription === undefined) continue;
    if (known.changedAt > subscription.position) changes.set(id, known.version);
  }
  for (const [id, version] of wanted) {
    const known = state.tracked.get(id);
    if (known === undefined) {
      unknown.push(id);
    } else {
      ids.add(id);
      if (known.version !== version) changes.set(id, known.version);
      else changes.delete(id);
    }
  }
  const { position } = state;
  return {
    delta: { changes, unknown },
    subscription: ids.size === 0 ? undefined : { ids: [...ids], position },
  };
}
