/**
 * The loads of the actor benches: tells, asks and idle actors, each with the check that proves
 * the work was done. `erlang/actors.erl` does the same on Erlang/OTP.
 *
 * @module
 */

import {
  type Actor,
  type Pool,
  pool,
  type Ref,
  type Supervisor,
  System,
  worker,
} from "../actors/mod.ts";

/** What both languages' counters understand. */
export interface CounterProtocol {
  /** Adds. */
  add(count: number): void;
  /** The sum so far. */
  total(): number;
}

const counter: Actor<CounterProtocol, { total: number }> = {
  name: "counter",
  mailbox: { capacity: 1_000, overflow: "refuse" },
  init: () => ({ total: 0 }),
  on: {
    add: (state, count) => void (state.total += count),
    total: (state) => state.total,
  },
};

/** What an actor that asks another one understands. */
export interface AskerProtocol {
  /** Asks the counter so many times, one after the other; tells how many it answered. */
  answered(count: number): number;
}

const asker: Actor<AskerProtocol, Ref<CounterProtocol>, Ref<CounterProtocol>> = {
  name: "asker",
  mailbox: { capacity: 1, overflow: "refuse" },
  init: (asked) => asked,
  on: {
    async answered(asked, count) {
      let answered = 0;
      for (; answered < count; answered++) await asked.ask("total");
      return answered;
    },
  },
};

interface BenchRefs {
  /** A counter. */
  readonly counter: Ref<CounterProtocol>;
  /** An actor that asks it. */
  readonly asker: Ref<AskerProtocol>;
}

const benchTree: Supervisor<BenchRefs> = {
  strategy: "one_for_one",
  intensity: { restarts: 0, withinMs: 0 },
  children: {
    counter: worker(counter, { args: () => {}, restart: "permanent" }),
    asker: worker(asker, { args: (refs) => refs.counter, restart: "permanent" }),
  },
};

/** A running counter, and an actor that asks it. */
export interface Bench extends BenchRefs, AsyncDisposable {}

/** Starts a system with them. */
export async function openBench(): Promise<Bench> {
  const system = new System();
  const refs = await system.start("bench", benchTree);
  return { ...refs, [Symbol.asyncDispose]: () => system[Symbol.asyncDispose]() };
}

/**
 * One sender, one receiver: the sender waits only when the mailbox is full. The last ask proves
 * that every message was handled.
 *
 * @param bench Where.
 * @param count How many messages.
 * @returns The sum of the counter.
 */
export async function tell({ counter }: Bench, count: number): Promise<number> {
  for (let sent = 0; sent < count; sent++) {
    if (counter.trySend("add", 1) !== "accepted") await counter.send("add", 1);
  }
  return await counter.ask("total");
}

/**
 * Askers that each wait for one reply before they ask again.
 *
 * @param bench Where.
 * @param askers How many at the same time.
 * @param each How many asks each.
 * @returns How many were answered.
 */
export async function ask({ counter }: Bench, askers: number, each: number): Promise<number> {
  let answered = 0;
  await Promise.all(Array.from({ length: askers }, async () => {
    for (let asked = 0; asked < each; asked++) {
      await counter.ask("total");
      answered++;
    }
  }));
  return answered;
}

/**
 * One actor that asks another one and waits for each reply: what most asks in a tree are.
 *
 * @param bench Where.
 * @param count How many asks.
 * @returns How many were answered.
 */
export function askBetweenActors({ asker }: Bench, count: number): Promise<number> {
  return asker.within(600_000).ask("answered", count);
}

interface IdleProtocol {
  wake(): void;
}

const idle: Actor<IdleProtocol, { wakes: number }> = {
  name: "idle",
  mailbox: { capacity: 16, overflow: "refuse" },
  init: () => ({ wakes: 0 }),
  on: { wake: (state) => void state.wakes++ },
};

/** What many idle actors cost. */
export interface IdleCost {
  /** How many. */
  readonly count: number;
  /** Heap bytes of each, with its pool entry, state and ref. */
  readonly heapBytesEach: number;
  /** Heap bytes of each after it has handled one message. */
  readonly wokenHeapBytesEach: number;
  /** Until all were ready. */
  readonly startMs: number;
  /** Reading the live tree with all of them in one pool, the median of a hundred readings. */
  readonly treeMs: number;
  /** Until all had ended. */
  readonly stopMs: number;
}

/**
 * Starts and stops many idle actors.
 *
 * @param count How many.
 * @param collect Collects garbage; without it the bytes mean little.
 */
export async function idleCost(count: number, collect: () => void): Promise<IdleCost> {
  type Refs = { idle: Pool<IdleProtocol, void>; counter: Ref<CounterProtocol> };
  const system = new System();
  const refs = await system.start<Refs>("bench", {
    strategy: "one_for_one",
    intensity: { restarts: 0, withinMs: 0 },
    children: {
      idle: pool(idle, { childrenMax: count, shutdownMs: 60_000 }),
      counter: worker(counter, { args: () => {}, restart: "permanent" }),
    },
  });
  const heap = (): number => {
    collect();
    return Deno.memoryUsage().heapUsed;
  };
  const children: Ref<IdleProtocol>[] = [];
  const before = heap();
  const startedAt = performance.now();
  for (let started = 0; started < count; started++) {
    const child = refs.idle.start();
    if (typeof child === "object") children.push(child);
  }
  // Turns come in order, so an answer means that all before have begun.
  await refs.counter.ask("total");
  const startMs = performance.now() - startedAt;
  const idleHeap = heap();
  for (const child of children) child.trySend("wake");
  await refs.counter.ask("total");
  const wokenHeap = heap();
  const listBytes = 8 * count;
  children.length = 0;
  const treeMs = readingMs(system, count);
  const stoppedAt = performance.now();
  await system.stop();
  return {
    count,
    heapBytesEach: (idleHeap - before - listBytes) / count,
    wokenHeapBytesEach: (wokenHeap - before - listBytes) / count,
    startMs,
    treeMs,
    stopMs: performance.now() - stoppedAt,
  };
}

function readingMs(system: System, count: number): number {
  const times = Array.from({ length: 100 }, () => {
    const readAt = performance.now();
    if (!JSON.stringify(system.tree()).includes(`"size":${count}`)) throw new Error("No pool");
    return performance.now() - readAt;
  });
  return times.toSorted((a, b) => a - b)[50] ?? NaN;
}
