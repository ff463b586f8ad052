/**
 * The router: claims batches from the queue and starts an actor for each.
 *
 * Invariants: never more than `batchesMax` batches in flight, nor more of one lane than its share;
 * lanes that a provider asked to leave alone are not claimed from until their time; at most one
 * claim is on its way. The queue is looked at when something ends, when the feeder says that there is
 * work, when the queue said that something becomes due, and every second, since other nodes put work
 * there too. Batches of a router that crashed are still at work: their places are not free, and their
 * ends are told from those of its own.
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

/** A claim on its way. */
export interface Claiming {
  /** When it left, wall clock. */
  readonly at: number;
  /** What it brings. */
  readonly claimed: Promise<Claimed>;
}

/** The router's state. */
export interface RouterState extends RouterArgs {
  /** By app and platform. */
  readonly lanes: Map<string, BusyLane>;
  /** Its batches in flight. */
  total: number;
  /** Batches in flight that an earlier incarnation started. */
  strays: number;
  /** The claim that is on its way, for whoever stops the router. */
  claiming: Claiming | undefined;
  /** Whether something happened since it left. */
  again: boolean;
}

/** The router; see the module. */
export const router: Actor<RouterProtocol, RouterState, RouterArgs> = {
  name: "router",
  mailbox: { capacity: ROUTER_MAILBOX, overflow: "refuse" },
  init(args, ctx) {
    ctx.self.trySend("wake");
    const strays = args.batches.size;
    return { ...args, lanes: new Map(), total: 0, strays, claiming: undefined, again: false };
  },
  on: {
    wake: look,
    lookDue: look,
    batchEnded(state, end, ctx) {
      settleLane(state, end, ctx);
      look(state, undefined, ctx);
    },
    claimed(state, claimed, ctx) {
      state.claiming = undefined;
      if (claimed === undefined) return ctx.after(STORE_RETRY_MS, "lookDue");
      for (const batch of claimed.batches) start(state, batch, ctx);
      const again = state.again || claimed.batches.length > 0;
      state.again = false;
      if (again) return look(state, undefined, ctx);
      ctx.after(waitMs(state, claimed.dueAt, ctx), "lookDue");
    },
    inFlight: (state) => state.total,
  },
  /** What is claimed while the router stops is handed back, not left to its lease. */
  async terminate({ queue, claiming }) {
    if (claiming === undefined) return;
    const [outcome] = await Promise.allSettled([claiming.claimed]);
    if (outcome.status === "rejected") return;
    const { batches } = outcome.value;
    await Promise.allSettled(batches.map(({ lease }) => queue.release(lease, claiming.at)));
  },
};

function look(state: RouterState, _: unknown, ctx: Context<RouterProtocol>): void {
  if (state.claiming !== undefined) {
    state.again = true;
    return;
  }
  state.strays = Math.min(state.strays, Math.max(state.batches.size - state.total, 0));
  const batchesMax = state.batchesMax - state.total - state.strays;
  if (batchesMax <= 0) return ctx.after(ROUTER_LOOK_MS, "lookDue");
  const at = ctx.wallNow();
  const request = {
    node: state.node,
    now: at,
    leaseMs: LEASE_MS,
    batchesMax,
    laneBatchesMax: LANE_BATCHES_MAX,
    lanes: loads(state, ctx.now()),
  };
  const claimed = state.queue.claim(request);
  state.claiming = { at, claimed };
  ctx.pipe(
    claimed,
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
  const { services } = state;
  const args = { batch, services, owner: ctx.self, incarnation: ctx.incarnation };
  const started = state.batches.start(args, `${batch.notification}-${lease.batch}`);
  if (started === "full" || started === "stopped") {
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

function settleLane(
  state: RouterState,
  { lane, holdMs, incarnation }: BatchEnd,
  ctx: Context<RouterProtocol>,
): void {
  const busy = busyLane(state, lane);
  if (incarnation === ctx.incarnation) {
    state.total--;
    busy.inFlight = Math.max(busy.inFlight - 1, 0);
  } else state.strays = Math.max(state.strays - 1, 0);
  if (holdMs > 0) busy.heldUntil = Math.max(busy.heldUntil, ctx.now() + holdMs);
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
