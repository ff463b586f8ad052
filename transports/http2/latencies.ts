/**
 * How long answers took, counted into buckets: what a block of requests tells of its time, instead of
 * a number for each request.
 *
 * Invariants: `counts` has a place for each bound and one for what was slower than all; a latency is
 * in the first bucket whose bound it does not exceed, as Prometheus counts them.
 *
 * Why the last latency is remembered: requests that left in one write and were answered in one read
 * have the same, so under load most of them cost a comparison and two additions.
 *
 * @module
 */

/**
 * Upper bounds of the buckets in milliseconds, both ends of what a provider takes: loopback answers
 * within one, and after 20 seconds nobody waits any more. Finest between 10 and 250, where Apple's and
 * Google's servers answer, so that a median and a 99th percentile can be read from them.
 */
export const LATENCY_BOUNDS_MS: readonly number[] = [
  ...[1, 2.5, 5, 10, 20, 30, 50, 75, 100, 150, 250, 500],
  ...[1_000, 2_500, 5_000, 10_000, 20_000],
];

/** Latencies of many requests. */
export interface Latencies {
  /** How many fell into each bucket of {@linkcode LATENCY_BOUNDS_MS}; the last one has no bound. */
  readonly counts: Uint32Array;
  /** All of them together, in milliseconds. */
  readonly sumMs: number;
}

/** Counts latencies. */
export class LatencyCounter implements Latencies {
  readonly counts: Uint32Array = new Uint32Array(LATENCY_BOUNDS_MS.length + 1);
  sumMs = 0;
  #lastMs = -1;
  #lastBucket = 0;

  /** Counts one; `ms` is at least 0. */
  add(ms: number): void {
    if (ms !== this.#lastMs) {
      this.#lastMs = ms;
      this.#lastBucket = bucketOf(ms);
    }
    this.sumMs += ms;
    this.counts[this.#lastBucket] = (this.counts[this.#lastBucket] ?? 0) + 1;
  }
}

function bucketOf(ms: number): number {
  const bucket = LATENCY_BOUNDS_MS.findIndex((bound) => ms <= bound);
  return bucket === -1 ? LATENCY_BOUNDS_MS.length : bucket;
}
