/**
 * The order of acceptance as numbers: milliseconds times 1,000 plus a counter.
 *
 * Invariant: every key is larger than the one before, also when the clock is set back and, by
 * starting from the largest key the store has seen, after a restart. So a key is never given twice
 * and two messages of one millisecond keep their order. A key stays below 2^53 until the year 2255.
 *
 * @module
 */

/** Gives every accepted message its place. */
export class SortKeys {
  #last: number;

  /** Continues after the largest key ever stored. */
  constructor(last: number) {
    this.#last = last;
  }

  /** The next key, for a message accepted at this wall-clock time in milliseconds. */
  next(wallNowMs: number): number {
    this.#last = Math.max(this.#last + 1, Math.floor(wallNowMs) * 1_000);
    return this.#last;
  }

  /** Every key from now on is larger than this one, which another node has given. */
  skip(given: number): void {
    this.#last = Math.max(this.#last, given);
  }
}

/** The wall-clock millisecond in which a message was accepted, as far as its key tells. */
export function acceptedAtMs(sortKey: number): number {
  return Math.floor(sortKey / 1_000);
}
