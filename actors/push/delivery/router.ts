/**
 * The router: claims batches from the queue and starts an actor for each.
 *
 * Invariants: never more than `batchesMax` batches in flight, nor more of one lane than its share;
 * lanes that a provider asked to leave alone are not claimed from until their time; at most one
 * claim is on its way. The queue is looked at when something ends, when the feeder says that there is
 * work, when the queue said that something becomes due, and every second, since other nodes put work
 * there too.
 *
 * @module
 */

import type { Actor, Context } from "../../runtime/actor.ts";
import type { Pool } from "../../runtime/pool.ts";
import type {
  BatchArgs,
  BatchEnd,
  BatchOwnerProtocol,
  BatchProtocol,
  BatchServices,
} from "./batch.ts";
import {
  LANE_BATCHES_MAX,
  LANES_MAX,
  LEASE_MS,
  ROUTER_LOOK_MS,
  ROUTER_MAILBOX,
  STORE_RETRY_MS,
} from "./limits.ts";
import type { Claimed, ClaimedBatch, Lane, LaneLoad, Queue } from "./store.ts";

/** What the router understands. */
export interface RouterProtocol extends BatchOwnerProtocol {
  /** There is work, or a lane was resumed. */
  wake(): void;
  /** Time to look. */
  lookDue(): void;
  /** The queue answered; `undefined` when it was not available. */
  claimed(claimed: Claimed | undefined): void;
  /** Batches in flight, for the operator. */
  inFlight(): number;
}

/** What the router works with. */
export interface RouterArgs {
  /** Where batches are claimed. */
  readonly queue: Queue;
  /** Where they are started. */
  readonly batches: Pool<BatchProtocol, BatchArgs>;
  /** What they work with. */
  readonly services: BatchServices;
  /** This node's name, in claims. */
  readonly node: string;
  /** Batches in flight, at most. */
  readonly batchesMax: number;
}

/** A lane that has batches in flight or is left alone. */
export interface BusyLane extends Lane {
  /** Its batches. */
  inFlight: number;
  /** Monotonic time until which nothing of it is claimed. */
  heldUntil: number;
}

/** The router's state. */
export interface RouterState extends RouterArgs {
  /** By app and platform. */
  readonly lanes: Map<string, BusyLane>;
  /** Batches in flight. */
  total: number;
  /** Whether a claim is on its way. */
  claiming: boolean;
  /** Whether something happened since it left. */
  again: boolean;
}

/** The router; see the module. */
export const router: Actor<RouterProtocol, RouterState, RouterArgs> = {
  name: "router",
  mailbox: { capacity: ROUTER_MAILBOX, overflow: "refuse" },
  init(args, ctx) {
    const state = { ...args, lanes: new Map(), total: 0, claiming: false, again: false };
    ctx.self.trySend("wake");
    return state;
  },
  on: {
    wake: look,
    lookDue: look,
    batchEnded(state, end, ctx) {
      settleLane(state, end, ctx.now());
      look(state, undefined, ctx);
    },
    claimed(state, claimed, ctx) {
      state.claiming = false;
      if (claimed === undefined) return ctx.after(STORE_RETRY_MS, "lookDue");
      for (const batch of claimed.batches) start(state, batch, ctx);
      const again = state.again || claimed.batches.length > 0;
      state.again = false;
      if (again) return look(state, undefined, ctx);
      ctx.after(waitMs(state, claimed.dueAt, ctx), "lookDue");
    },
    inFlight: (state) => state.total,
  },
};

function look(state: RouterState, _: unknown, ctx: Context<RouterProtocol>): void {
  if (state.claiming) {
    state.again = true;
    return;
  }
  const batchesMax = state.batchesMax - state.total;
  if (batchesMax <= 0) return;
  state.claiming = true;
  const request = {
    node: state.node,
    now: ctx.wallNow(),
    leaseMs: LEASE_MS,
    batchesMax,
    laneBatchesMax: LANE_BATCHES_MAX,
    lanes: loads(state, ctx.now()),
  };
  ctx.pipe(
    state.queue.claim(request),
    "claimed",
    (outcome) => outcome.status === "fulfilled" ? outcome.value : undefined,
  );
}

/** What the queue must know of the lanes; one that is idle and free again is forgotten. */
function loads({ lanes }: RouterState, now: number): readonly LaneLoad[] {
  const known: LaneLoad[] = [];
  for (const [key, { app, platform, inFlight, heldUntil }] of lanes) {
    const held = heldUntil > now;
    if (inFlight === 0 && !held) lanes.delete(key);
    else known.push({ app, platform, inFlight, held });
  }
  return known;
}

function start(state: RouterState, batch: ClaimedBatch, ctx: Context<RouterProtocol>): void {
  const { app, platform, lease } = batch;
  const args = { batch, services: state.services, owner: ctx.self };
  const started = state.batches.start(args, `${batch.notification}-${lease.batch}`);
  if (started === "full" || started === "stopped") {
    // Batches of a router that crashed are still at work: their places are not free.
    release(state, batch, ctx);
    return;
  }
  state.total++;
  busyLane(state, { app, platform }).inFlight++;
}

function release({ queue }: RouterState, { lease }: ClaimedBatch, ctx: Context<RouterProtocol>) {
  // Not awaited: should it fail, the lease runs out.
  queue.release(lease, ctx.wallNow() + STORE_RETRY_MS).catch(() => {});
}

function settleLane(state: RouterState, { lane, holdMs }: BatchEnd, now: number): void {
  const busy = busyLane(state, lane);
  // Ends of batches that an earlier incarnation started are not counted here.
  if (busy.inFlight > 0) {
    busy.inFlight--;
    state.total--;
  }
  if (holdMs > 0) busy.heldUntil = Math.max(busy.heldUntil, now + holdMs);
}

function busyLane({ lanes }: RouterState, { app, platform }: Lane): BusyLane {
  const key = `${platform} ${app}`;
  let lane = lanes.get(key);
  if (lane === undefined) {
    lane = { app, platform, inFlight: 0, heldUntil: 0 };
    if (lanes.size < LANES_MAX) lanes.set(key, lane);
  }
  return lane;
}

/** Until the queue's next batch or the end of a hold, at most a second. */
function waitMs(state: RouterState, dueAt: number | undefined, ctx: Context<RouterProtocol>) {
  let wait = ROUTER_LOOK_MS;
  if (dueAt !== undefined) wait = Math.min(wait, dueAt - ctx.wallNow());
  const now = ctx.now();
  for (const { heldUntil } of state.lanes.values()) {
    if (heldUntil > now) wait = Math.min(wait, heldUntil - now);
  }
  return Math.max(wait, 1);
}
