/**
 * What a node knows of itself: memory, CPU time, how late its timers fire, what it has open and what it
 * gets done.
 *
 * Invariants: one timer looks ten times a second, and its looks of the last ten seconds are all that
 * is kept; reading changes nothing, so whoever asks, and however often, gets the same numbers.
 *
 * @module
 */

import process from "node:process";
import type { LoopDelay, NodeFacts } from "../actors/push/ports.ts";
import { FACTS_SAMPLES_MAX, FACTS_SPAN_MIN_MS, FACTS_WINDOW_MS } from "./limits.ts";
import { type LoopClock, loopClock, watchLoopDelay } from "./loop_delay.ts";
import type { Flow } from "./monitor/flow.ts";

/** What a gauge looks at. */
export interface NodeGaugeOptions {
  /** What flows through the node. */
  readonly flow: Pick<Flow, "totals">;
  /** Batches in flight now. */
  readonly batches: () => number;
  /** Told of each look how many milliseconds late it was. */
  readonly onDelay: (delayMs: number) => void;
  /** Monotonic time and its timer; replaced in tests. */
  readonly clock?: LoopClock;
  /** CPU time of the process so far, in microseconds; replaced in tests. */
  readonly cpuMicros?: () => number;
  /** Wall-clock time in milliseconds since 1970; replaced in tests. */
  readonly wallNow?: () => number;
}

/** One look. */
interface Look {
  readonly at: number;
  readonly delayMs: number;
  readonly cpuMicros: number;
  readonly deliveries: number;
}

/** Looks at a node until disposed of; see the module. */
export class NodeGauge implements Disposable {
  readonly #flow: Pick<Flow, "totals">;
  readonly #batches: () => number;
  readonly #clock: LoopClock;
  readonly #cpuMicros: () => number;
  readonly #wallNow: () => number;
  readonly #looks: Look[] = [];
  readonly #watch: Disposable;

  /** Begins to look. */
  constructor(options: NodeGaugeOptions) {
    const { flow, batches, onDelay, clock = loopClock } = options;
    const { cpuMicros = processCpuMicros, wallNow = () => Date.now() } = options;
    this.#flow = flow;
    this.#batches = batches;
    this.#clock = clock;
    this.#cpuMicros = cpuMicros;
    this.#wallNow = wallNow;
    this.#looks.push(this.#look(0));
    this.#watch = watchLoopDelay((delayMs) => {
      onDelay(delayMs);
      this.#looks.push(this.#look(delayMs));
      if (this.#looks.length > FACTS_SAMPLES_MAX) this.#looks.shift();
    }, clock);
  }

  /** How the node does now. */
  facts(): NodeFacts {
    const now = this.#look(0);
    const looks = this.#looks.filter(({ at }) => at >= now.at - FACTS_WINDOW_MS);
    const [first = now] = looks;
    const elapsedMs = Math.max(FACTS_SPAN_MIN_MS, now.at - first.at);
    const { devices, providerConnections } = this.#flow.totals;
    const { rss, heapUsed } = Deno.memoryUsage();
    return {
      at: this.#wallNow(),
      deno: Deno.version.deno,
      rssBytes: rss,
      heapBytes: heapUsed,
      cpuPercent: tenths((now.cpuMicros - first.cpuMicros) / elapsedMs / 10),
      loopDelayMs: delayOf(looks.map(({ delayMs }) => delayMs)),
      devices,
      batches: this.#batches(),
      deliveriesPerSecond: tenths(1_000 * (now.deliveries - first.deliveries) / elapsedMs),
      providerConnections: sum(providerConnections),
    };
  }

  /** Looks no more. */
  [Symbol.dispose](): void {
    this.#watch[Symbol.dispose]();
  }

  #look(delayMs: number): Look {
    const deliveries = sum(this.#flow.totals.outcomes);
    return { at: this.#clock.now(), delayMs, cpuMicros: this.#cpuMicros(), deliveries };
  }
}

function processCpuMicros(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

/** Of each part of the delays the one at its end. */
function delayOf(delays: readonly number[]): LoopDelay {
  const sorted = delays.toSorted((a, b) => a - b);
  const at = (part: number) => tenths(sorted[Math.ceil(part * sorted.length) - 1] ?? 0);
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0);
}

/** With one decimal: more would only make the JSON long. */
function tenths(value: number): number {
  return Math.round(value * 10) / 10;
}
