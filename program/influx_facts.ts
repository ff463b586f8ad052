/**
 * A node's facts in InfluxDB: a point of the measurement `heliograph_node` every ten seconds.
 *
 * Invariants: one write at most is under way, and a slow one lets points go, since the next will say
 * more; an InfluxDB that is away is told of once until it is back.
 *
 * The tag `node` is the node's id, another one after each start: so each start is a series of its own,
 * and nodes of one machine are told apart.
 *
 * @module
 */

import type { NodeFacts } from "../actors/push/ports.ts";
import { float, type Influx, integer, type Point } from "../transports/influx/mod.ts";
import { INFLUX_FACTS_MS } from "./limits.ts";
import { type LoopClock, loopClock } from "./loop_delay.ts";
import { messageOf } from "./start_error.ts";

/** What is written, and where. */
export interface InfluxFactsOptions {
  /** Takes points; closed by its owner after this. */
  readonly influx: Pick<Influx, "write">;
  /** The node's id. */
  readonly node: string;
  /** How the node does now. */
  readonly facts: () => NodeFacts;
  /** Told why points are not taken, once until they are again; must not throw. */
  readonly onProblem: (reason: string) => void;
  /** Monotonic time and its timer; replaced in tests. */
  readonly clock?: LoopClock;
}

/** Writes until disposed of; see the module. */
export class InfluxFacts implements AsyncDisposable {
  readonly #options: InfluxFactsOptions;
  readonly #end = new AbortController();
  readonly #stopTimer: () => void;
  #writing: Promise<void> | undefined;
  #away = false;

  /** Begins; the first point is written after ten seconds. */
  constructor(options: InfluxFactsOptions) {
    this.#options = options;
    const { clock = loopClock } = options;
    this.#stopTimer = clock.every(INFLUX_FACTS_MS, () => {
      this.#writing ??= this.#write().finally(() => this.#writing = undefined);
    });
  }

  /** Writes no more; what is under way is given up. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopTimer();
    this.#end.abort();
    await this.#writing;
  }

  async #write(): Promise<void> {
    const { influx, node, facts, onProblem } = this.#options;
    try {
      await influx.write([factsPoint(node, facts())], this.#end.signal);
      this.#away = false;
    } catch (error) {
      if (!this.#away && !this.#end.signal.aborted) onProblem(messageOf(error));
      this.#away = true;
    }
  }
}

/** What a node's facts are in InfluxDB. */
export function factsPoint(node: string, facts: NodeFacts): Point {
  return {
    measurement: "heliograph_node",
    tags: { node },
    fields: {
      rss_bytes: integer(facts.rssBytes),
      heap_bytes: integer(facts.heapBytes),
      cpu_percent: float(facts.cpuPercent),
      loop_delay_p50_ms: float(facts.loopDelayMs.p50),
      loop_delay_p99_ms: float(facts.loopDelayMs.p99),
      loop_delay_max_ms: float(facts.loopDelayMs.max),
      devices: integer(facts.devices),
      batches: integer(facts.batches),
      deliveries_per_second: float(facts.deliveriesPerSecond),
      provider_connections: integer(facts.providerConnections),
    },
    timeNs: `${Math.floor(facts.at)}000000`,
  };
}
