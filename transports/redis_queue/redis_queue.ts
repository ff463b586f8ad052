/**
 * The queue on Redis Streams. Nodes in any number take batches from it, and the store is asked for them
 * some at a time.
 *
 * The store makes batches and is the book of record: a batch is loaded from it and its result committed
 * to it, under the store's lease. Between the store and the nodes this queue keeps a short backlog of each
 * lane in a stream. A node that finds it short *hands over*: it claims what is due from the store, which
 * decides on fairness, paces, pauses and times, and adds one entry for each batch. A node
 * *claims* by reading lanes in turn, as a consumer of the streams' group; then it looks for entries that were
 * idle for longer than a lease. Whoever commits a batch says so with {@linkcode RedisQueue.done}.
 *
 * Invariants: an entry is removed after its result is recorded, or its batch given back, never before;
 * no batch is lost, whatever Redis forgets: the store's lease on it ends, and it is handed over again with a
 * larger token. An entry that stands for an older token, or stands twice for the same, is found to be
 * stale where it is loaded or renewed, and dropped: a result counts once. The store's lease outlives the
 * one in Redis; both are renewed together.
 *
 * What waits in Redis has been decided on. A lane that is paused or held is not read, and what nobody has
 * read for ten seconds is given back to the store, which decides again; batches of a notification that
 * is cancelled meanwhile are sent if they are read before that.
 *
 * @module
 */

import { DEATHS_PER_DELIVERY } from "../delivery_store/limits.ts";
import type {
  Claimed,
  ClaimedBatch,
  ClaimRequest,
  DeadLetter,
  LaneLoad,
  LaneStatus,
  Lease,
} from "../delivery_store/records.ts";
import { openRedis, type Redis, type RedisOptions } from "../redis/redis.ts";
import { claimSchema } from "../redis/schema.ts";
import { type Claiming, freeOf, isShort, laneOf, OVERDUE, parseLane, roomOf } from "./claiming.ts";
import { entryFields, readEntry, SCHEMA } from "./entry.ts";
import {
  HELD_MAX,
  LANE_REFILL,
  LOOK_MS,
  PAUSES_MS,
  REFILL_MAX,
  REFILL_MS,
  REFUSED_MS,
  TEND_MS,
  UPSTREAM_EXTRA_MS,
  WAIT_MAX_MS,
} from "./limits.ts";
import { type Holding, type Place, type StreamEntry, Streams } from "./streams.ts";

export type {
  Claimed,
  ClaimedBatch,
  ClaimRequest,
  DeadLetter,
  Lane,
  LaneLoad,
  LaneStatus,
  Lease,
  Pause,
  Platform,
} from "../delivery_store/records.ts";
export {
  type Argument,
  type KeyType,
  type Redis,
  type RedisOptions,
  RedisScript,
  StoreError,
  type StoreErrorCode,
  StoreOpenError,
  type StoreOpenErrorCode,
  type Target,
} from "../redis/redis.ts";

/** Under whose name the store's leases are taken: those of a node that dies are not among them. */
export const UPSTREAM_NODE = "redis_queue";

/** Where batches come from: the store's own queue. */
export interface Upstream {
  /** What tells the store from every other: batches of two stores have the same numbers. */
  identity(): Promise<string>;
  /** Takes leases on batches that are due. */
  claim(request: ClaimRequest): Promise<Claimed>;
  /** Prolongs leases; answers for each whether it is still held. */
  renew(leases: readonly Lease[], until: number): Promise<readonly boolean[]>;
  /** Hands a batch back untouched. */
  release(lease: Lease, notBefore: number): Promise<void>;
  /** Ends all leases of a node. */
  abandon(node: string, now: number): Promise<number>;
  /** How full the lanes are, and which are paused. */
  lanes(): Promise<readonly LaneStatus[]>;
}

/** How the queue is opened. */
export interface RedisQueueOptions extends RedisOptions {
  /** Where batches come from. */
  readonly upstream: Upstream;
  /** Told of each entry that was set aside; must return at once and never throw. */
  onDeadLetter?(letter: DeadLetter): void;
}

/** How full the queue is. */
export interface QueueDepth {
  /** Batches that wait in Redis. */
  readonly waiting: number;
  /** Batches under a lease. */
  readonly atWork: number;
  /** Entries that were set aside and are kept. */
  readonly dead: number;
}

/** A lease that this node took. */
interface Held extends Holding {
  /** When it ends, by the node's clock. */
  until: number;
}

/** A queue on Redis; made by {@linkcode openRedisQueue}. */
export class RedisQueue implements AsyncDisposable {
  readonly #redis: Redis;
  readonly #streams: Streams;
  readonly #upstream: Upstream;
  readonly #onDeadLetter: (letter: DeadLetter) => void;
  /** Leases of this node by batch and token, the oldest first. */
  readonly #held = new Map<string, Held>();
  #pauses: { readonly at: number; readonly lanes: ReadonlySet<string> } | undefined;
  #tendedAt: number | undefined;
  #lookedAt: number | undefined;
  #refilledAt: number | undefined;
  /** When the store has something next, as it said. */
  #upstreamDueAt: number | undefined;
  /** When a lease ends next, as Redis said. */
  #idleDueAt: number | undefined;

  /** For {@linkcode openRedisQueue}. */
  constructor(
    redis: Redis,
    store: string,
    options: Pick<RedisQueueOptions, "upstream" | "onDeadLetter">,
  ) {
    this.#redis = redis;
    this.#streams = new Streams(redis, store);
    this.#upstream = options.upstream;
    this.#onDeadLetter = (letter) => options.onDeadLetter?.(letter);
  }

  /**
   * Takes leases on batches that are due: lanes in turn, no more of each than the node may have.
   *
   * @throws {StoreError} When Redis or the store could not serve it and nothing was claimed.
   */
  async claim(request: ClaimRequest): Promise<Claimed> {
    const { now } = request;
    const closed = await this.#closedLanes(request);
    if (isDue(this.#tendedAt, now, TEND_MS)) await this.#tend(now);
    const inFlight = new Map(request.lanes.map((load) => [laneOf(load), load.inFlight]));
    const claiming = { request, batches: [], closed, inFlight };
    try {
      await this.#gather(claiming);
    } catch (error) {
      // What was claimed before the trouble has a lease, and nobody else would begin with it.
      if (claiming.batches.length === 0) throw error;
    }
    return { batches: claiming.batches, dueAt: this.#dueAt(now) };
  }

  /**
   * Prolongs leases, here and in the store; answers for each whether it is still held. What Redis has
   * forgotten is still held when the store says so: nobody else can have it.
   */
  async renew(leases: readonly Lease[], until: number): Promise<readonly boolean[]> {
    const known = leases.flatMap((lease) => {
      const held = this.#held.get(keyOf(lease));
      return held === undefined ? [] : [{ lease, held }];
    });
    const [here, there] = await Promise.allSettled([
      this.#streams.renew(known.map(({ held }) => held)),
      this.#renewUpstream(known.map(({ lease }) => lease), until),
    ]);
    if (here.status === "rejected") throw here.reason;
    if (there.status === "rejected") throw there.reason;
    const kept = new Set<string>();
    for (const [place, { lease, held }] of known.entries()) {
      if (here.value[place] === "other" || there.value[place] !== true) this.#forget(lease);
      else {
        held.until = until;
        kept.add(keyOf(lease));
      }
    }
    return leases.map((lease) => kept.has(keyOf(lease)));
  }

  /** Hands a batch back to the store, untouched; nothing happens when its lease was lost. */
  async release(lease: Lease, notBefore: number): Promise<void> {
    const held = this.#forget(lease);
    if (held === undefined) return;
    // Whoever took it over has the same lease in the store.
    if (await this.#streams.drop(held, held.consumer) === "other") return;
    await this.#upstream.release(lease, notBefore);
  }

  /**
   * To be called when a batch's result is recorded, or when the store said that its lease is stale: its
   * entry is removed. Without the call it is found to be stale when its lease has ended.
   */
  async done(lease: Lease): Promise<void> {
    const held = this.#forget(lease);
    if (held !== undefined) await this.#streams.drop(held);
  }

  /**
   * Ends all leases of a node that works no more, in Redis and in the store; each tenth such end counts
   * as a delivery of the batch. Says how many there were.
   */
  async abandon(node: string, now: number): Promise<number> {
    const [here, there] = await Promise.all([
      this.#streams.abandon(node),
      this.#upstream.abandon(node, now),
    ]);
    for (const [key, { consumer }] of this.#held) {
      if (consumer === node) this.#held.delete(key);
    }
    this.#lookedAt = undefined;
    return here + there;
  }

  /** How full it is, for gauges. */
  async depth(): Promise<QueueDepth> {
    const [counts, dead] = await Promise.all([this.#streams.counts(), this.#streams.dead()]);
    const sum = (of: "waiting" | "atWork") => counts.reduce((all, count) => all + count[of], 0);
    return { waiting: sum("waiting"), atWork: sum("atWork"), dead };
  }

  /**
   * Resolves when batches can be claimed.
   *
   * @throws {StoreError} When Redis is away, or a key of the queue holds something else.
   */
  async ping(): Promise<void> {
    await Promise.all([this.#redis.ping(), this.#streams.waitingLanes(), this.depth()]);
  }

  /** Disconnects; leases are left to run out. */
  async close(): Promise<void> {
    await this.#redis.close();
  }

  /** The same as {@linkcode RedisQueue.close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Reads what waits, takes over what was left behind, and asks the store for more where that was not enough. */
  async #gather(claiming: Claiming): Promise<void> {
    const { request: { now } } = claiming;
    const waiting = await this.#read(claiming);
    if (roomOf(claiming) > 0 && isDue(this.#lookedAt, now, LOOK_MS)) await this.#takeOver(claiming);
    const isAsked = isDue(this.#refilledAt, now, REFILL_MS) ||
      (this.#upstreamDueAt ?? Infinity) <= now;
    if (!isAsked && !isShort(claiming, waiting)) return;
    if (await this.#refill(claiming, waiting)) await this.#read(claiming);
  }

  /** Reads what waits; answers by lane what is left of it. */
  async #read(claiming: Claiming): Promise<ReadonlyMap<string, number>> {
    const { request: { node } } = claiming;
    const names = await this.#streams.waitingLanes();
    if (names.length === 0) return new Map();
    const lanes = names.map((lane) => ({ lane, free: freeOf(claiming, lane) }));
    const { entries, waiting } = await this.#streams.take(node, roomOf(claiming), lanes);
    for (const entry of entries) await this.#accept(claiming, entry);
    return waiting;
  }

  async #takeOver(claiming: Claiming): Promise<void> {
    const { request: { node, now, leaseMs } } = claiming;
    const max = roomOf(claiming);
    const { entries, stayed, nextMs } = await this.#streams.takeOver(node, {
      idleMs: leaseMs,
      max,
      freeOf: (lane) => freeOf(claiming, lane),
      known: [...this.#held.values()],
    });
    // Where as many were found as were looked for, there may be more.
    const nextAt = nextMs === undefined ? undefined : now + Math.max(nextMs, LOOK_MS);
    this.#lookedAt = entries.length < max ? now : undefined;
    this.#idleDueAt = entries.length < max ? nextAt : now + 1;
    // Whoever works on it here has missed its renewals: it is told with the next one, and the entry waits for that.
    const missed = new Set(stayed.map(({ lane, id }) => `${lane} ${id}`));
    for (const [key, { lane, id }] of this.#held) {
      if (missed.has(`${lane} ${id}`)) this.#held.delete(key);
    }
    const found: ClaimedBatch[] = [];
    for (const entry of entries) {
      const batch = await this.#accept(claiming, entry);
      if (batch !== undefined) found.push(batch);
    }
    await this.#keepLive(claiming, found);
  }

  /** Of batches that were taken over, drops those that the store has given to somebody else. */
  async #keepLive(claiming: Claiming, found: readonly ClaimedBatch[]): Promise<void> {
    if (found.length === 0) return;
    const { request: { now, leaseMs }, batches } = claiming;
    const live = await this.#renewUpstream(found.map(({ lease }) => lease), now + leaseMs);
    for (const [place, batch] of found.entries()) {
      if (live[place] === true) continue;
      batches.splice(batches.indexOf(batch), 1);
      await this.done(batch.lease);
    }
  }

  /** Hands over what the store has for lanes of which little waits; says whether it had something. */
  async #refill(claiming: Claiming, waiting: ReadonlyMap<string, number>): Promise<boolean> {
    const { request: { now, leaseMs, lanes: loads }, closed } = claiming;
    const lanes = new Map<string, LaneLoad>();
    for (const load of loads) {
      if (load.held) lanes.set(laneOf(load), { ...load, inFlight: 0 });
    }
    for (const [name, inFlight] of waiting) {
      const lane = parseLane(name);
      if (lane === undefined) continue;
      lanes.set(name, { ...lane, inFlight, held: lanes.has(name) });
    }
    const { batches, dueAt } = await this.#upstream.claim({
      node: UPSTREAM_NODE,
      now,
      leaseMs: leaseMs + UPSTREAM_EXTRA_MS,
      batchesMax: REFILL_MAX,
      laneBatchesMax: LANE_REFILL,
      lanes: [...lanes.values()],
    });
    this.#refilledAt = now;
    this.#upstreamDueAt = dueAt;
    if (batches.length > 0) await this.#handOver(batches, closed, now);
    return batches.length > 0;
  }

  /** Adds batches to their streams; those that cannot be added go back to the store. */
  async #handOver(
    batches: readonly ClaimedBatch[],
    closed: ReadonlySet<string>,
    now: number,
  ): Promise<void> {
    const entries = batches.map((batch) => {
      const lane = laneOf(batch);
      // Of such a lane the store gives what has expired, and nothing else.
      return { lane: closed.has(lane) ? OVERDUE : lane, fields: entryFields(batch, now) };
    });
    let added: readonly boolean[] = [];
    try {
      added = await this.#streams.handOver(entries);
    } finally {
      const refused = batches.filter((_, place) => added[place] !== true);
      await Promise.allSettled(
        refused.map(({ lease }) => this.#upstream.release(lease, now + REFUSED_MS)),
      );
    }
  }

  /** Makes an entry a claimed batch; `undefined` when it is none. */
  async #accept(claiming: Claiming, entry: StreamEntry): Promise<ClaimedBatch | undefined> {
    const { request: { node, now, leaseMs }, batches, inFlight } = claiming;
    const { lane, id, fields, tenths } = entry;
    const read = readEntry(this.#streams.keyOf(lane), fields);
    if (read.kind === "dead") {
      await this.#bury({ ...read, lane, id, at: now });
      return undefined;
    }
    const key = keyOf(read.batch.lease);
    if (this.#held.has(key)) {
      // The same batch stands there twice, and one of them is at work.
      await this.#streams.drop(entry);
      return undefined;
    }
    if (this.#held.size >= HELD_MAX) this.#held.delete(this.#held.keys().next().value ?? "");
    this.#held.set(key, { lane, id, consumer: node, until: now + leaseMs });
    const ended = Math.floor((tenths - 1) / DEATHS_PER_DELIVERY);
    const batch = { ...read.batch, deliveries: read.batch.deliveries + ended };
    batches.push(batch);
    inFlight.set(lane, (inFlight.get(lane) ?? 0) + 1);
    return batch;
  }

  /** Gives back what nobody has read for long, and forgets leases that nobody renews. */
  async #tend(now: number): Promise<void> {
    this.#tendedAt = now;
    for (const [key, { until }] of this.#held) {
      if (until + UPSTREAM_EXTRA_MS < now) this.#held.delete(key);
    }
    const old = await this.#streams.takeOld(now - WAIT_MAX_MS);
    await Promise.all(old.map((entry) => this.#giveBack(entry, now)));
  }

  async #giveBack(entry: StreamEntry, now: number): Promise<void> {
    const { lane, id, fields } = entry;
    const read = readEntry(this.#streams.keyOf(lane), fields);
    if (read.kind === "dead") return await this.#bury({ ...read, lane, id, at: now });
    await this.#upstream.release(read.batch.lease, now);
    await this.#streams.drop(entry);
  }

  async #bury(
    entry: Place & { readonly reason: string; readonly body: string; readonly at: number },
  ): Promise<void> {
    const { lane, id, reason, body, at } = entry;
    await this.#streams.bury(entry);
    this.#onDeadLetter({ source: "queue", id: `${lane} ${id}`, reason, body, at });
  }

  /** Lanes of which only what has expired may be claimed: the store's pauses, which may be a second old, and the node's holds. */
  async #closedLanes({ now, lanes }: ClaimRequest): Promise<ReadonlySet<string>> {
    if (isDue(this.#pauses?.at, now, PAUSES_MS)) {
      const statuses = await this.#upstream.lanes();
      const paused = statuses.filter(({ pause }) => pause !== undefined);
      this.#pauses = { at: now, lanes: new Set(paused.map(laneOf)) };
    }
    const held = lanes.filter((load) => load.held).map(laneOf);
    return new Set([...this.#pauses?.lanes ?? [], ...held]);
  }

  #renewUpstream(leases: readonly Lease[], until: number): Promise<readonly boolean[]> {
    if (leases.length === 0) return Promise.resolve([]);
    return this.#upstream.renew(leases, until + UPSTREAM_EXTRA_MS);
  }

  /** When to look again: a store that was not asked now is asked then. */
  #dueAt(now: number): number | undefined {
    const dueAt = this.#refilledAt === now
      ? this.#upstreamDueAt
      : least(this.#upstreamDueAt, now + REFILL_MS);
    const leasesEndAt = [this.#idleDueAt, ...[...this.#held.values()].map(({ until }) => until)];
    return leasesEndAt.reduce(
      (soonest, endAt) => endAt !== undefined && endAt > now ? least(soonest, endAt) : soonest,
      dueAt,
    );
  }

  #forget(lease: Lease): Held | undefined {
    const key = keyOf(lease);
    const held = this.#held.get(key);
    this.#held.delete(key);
    return held;
  }
}

/**
 * Opens the queue.
 *
 * @throws {StoreOpenError} When Redis cannot be used; the message says what to do.
 */
export async function openRedisQueue(options: RedisQueueOptions): Promise<RedisQueue> {
  const redis = await openRedis(options);
  try {
    await claimSchema(redis, "queue", SCHEMA);
    return new RedisQueue(redis, await options.upstream.identity(), options);
  } catch (error) {
    await redis.close();
    throw error;
  }
}

function keyOf({ batch, token }: Lease): string {
  return `${batch}-${token}`;
}

/** Whether so much time is over since then; a clock that was set back says nothing. */
function isDue(since: number | undefined, now: number, intervalMs: number): boolean {
  return since === undefined || now < since || now - since >= intervalMs;
}

function least(a: number | undefined, b: number | undefined): number | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return Math.min(a, b);
}
