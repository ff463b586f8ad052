/**
 * The connections of one destination: which of them takes the next requests, and when another one is
 * opened.
 *
 * Invariants: a line that is leaving gets nothing more; lines opening and open together are never
 * more than the destination allows; what no line can take waits here in order. A line is full when it
 * has two batches, or twice what its peer takes at once, so that it never idles and never hoards. Another
 * one is opened when all are full and one of them has shown that the peer serves requests, or when the
 * next request would wait for longer than a quarter of a second: measured time of a wave of requests,
 * times the waves before it.
 *
 * @module
 */

import type { Ref } from "../../runtime/actor.ts";
import { Circuit } from "./circuit.ts";
import type { ConnectionProtocol } from "./connection.ts";
import { BATCH_RECIPIENTS_MAX, CIRCUIT_MIN_MS, QUEUE_DELAY_MS } from "./limits.ts";
import type { Destination, ProviderConnection } from "./ports.ts";

/** A connection as its gateway sees it. */
export interface Line<C extends ProviderConnection> {
  /** Its number. */
  readonly id: number;
  /** Its actor. */
  readonly ref: Ref<ConnectionProtocol<C>>;
  /** Where it stands. */
  state: "opening" | "open" | "leaving";
  /** Whether it was ever open. */
  opened: boolean;
  /** Requests its peer takes at once. */
  streamsMax: number;
  /** Requests given to it that have not ended. */
  inFlight: number;
  /** Milliseconds of one wave of requests, smoothed; 0 before the first. */
  waveMs: number;
  /** When it was last used, monotonic. */
  usedAt: number;
  /** Whether its peer has answered a request, or handed back all it was given. */
  use: "none" | "refused" | "served";
}

/** Requests that wait for a line. */
export interface Waiting {
  /** How many. */
  readonly indexes: readonly number[];
}

/** The connections of one destination. */
export class DestinationPool<C extends ProviderConnection, W extends Waiting> {
  /** Where they lead. */
  destination: Destination<C>;
  /** Its breaker. */
  readonly circuit: Circuit = new Circuit();
  /** Its connections by number. */
  readonly lines: Map<number, Line<C>> = new Map();
  /** What waits for one. */
  readonly waiting: W[] = [];
  /** When it was last used, monotonic. */
  usedAt: number;
  /** After a connection could not be opened, none is added to those that work before this time. */
  #noneBefore = 0;

  /**
   * Makes one without connections.
   *
   * @param destination Where they are to lead.
   * @param now Monotonic time in milliseconds.
   */
  constructor(destination: Destination<C>, now: number) {
    this.destination = destination;
    this.usedAt = now;
  }

  /** Takes in a line that is being opened. */
  add(id: number, ref: Line<C>["ref"], usedAt: number): void {
    const measures = { streamsMax: 0, inFlight: 0, waveMs: 0, usedAt };
    this.lines.set(id, { id, ref, state: "opening", opened: false, use: "none", ...measures });
  }

  /** The open line with the most room, `undefined` when all are full. */
  freest(): Line<C> | undefined {
    let best: Line<C> | undefined;
    for (const line of this.lines.values()) {
      if (line.state !== "open" || line.inFlight >= capacityOf(line)) continue;
      if (best === undefined || line.inFlight < best.inFlight) best = line;
    }
    return best;
  }

  /** Connections that take requests, or soon will. */
  get living(): number {
    let living = 0;
    for (const { state } of this.lines.values()) if (state !== "leaving") living++;
    return living;
  }

  /** A connection could not be opened. */
  failed(now: number): void {
    this.#noneBefore = now + CIRCUIT_MIN_MS;
  }

  /** Whether another connection would help, and is allowed. */
  wantsLine(now: number): boolean {
    const { living } = this;
    if (living === 0) return this.waiting.length > 0;
    if (living >= this.destination.connectionsMax || now < this.#noneBefore) return false;
    let shortestMs = Infinity;
    let proven = false;
    for (const line of this.lines.values()) {
      if (line.state === "opening") return false;
      if (line.state === "open") shortestMs = Math.min(shortestMs, delayOf(line));
      if (line.use === "served") proven = true;
    }
    return proven && this.waiting.length > 0 || shortestMs > QUEUE_DELAY_MS;
  }

  /** Nobody will use its connections: what they have sent ends, then they do. */
  retire(): void {
    for (const { ref } of this.lines.values()) ref.send("retire").catch(() => {});
  }

  /** Whether nothing of it is in use. */
  get idle(): boolean {
    return this.lines.size === 0 && this.waiting.length === 0;
  }
}

/**
 * Takes the time of some requests into a line's measure.
 *
 * @param line The line.
 * @param requests How many requests were answered.
 * @param ms Milliseconds from giving them to the line to the last answer.
 */
export function measure(line: Line<ProviderConnection>, requests: number, ms: number): void {
  const waves = Math.max(1, Math.ceil(requests / Math.max(line.streamsMax, 1)));
  const waveMs = ms / waves;
  line.waveMs = line.waveMs === 0 ? waveMs : line.waveMs * 0.8 + waveMs * 0.2;
}

/**
 * Whether a line ended without having served a request that it was given. Such a line is as good as none:
 * to open one after the other, as fast as they end, is what a provider takes for an attack.
 *
 * @param line The line.
 */
export function fruitless({ state, inFlight, use }: Line<ProviderConnection>): boolean {
  return state === "leaving" && inFlight === 0 && use === "refused";
}

/** Twice what the peer takes at once, and at least two batches, so that one is there when the other ends. */
function capacityOf({ streamsMax }: Line<ProviderConnection>): number {
  return 2 * Math.max(streamsMax, BATCH_RECIPIENTS_MAX);
}

function delayOf({ inFlight, streamsMax, waveMs }: Line<ProviderConnection>): number {
  return waveMs * Math.floor(inFlight / Math.max(streamsMax, 1));
}
