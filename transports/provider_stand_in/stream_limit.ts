/**
 * How many streams a client may have open, while our mind about it changes.
 *
 * A client learns of a change only when it has read it, so until it acknowledges our SETTINGS the most
 * generous of what it may know holds (RFC 9113 section 6.5.3).
 *
 * @module
 */

/** A limit and what the client knows of it. */
export class StreamLimit {
  /** What the client knows for sure; there is no limit before the first SETTINGS (section 6.5.2). */
  #known = Infinity;
  /** What it was told and has not acknowledged; at most one entry for each answer on its way. */
  readonly #told: number[] = [];

  /** A limit that is announced in the first SETTINGS. */
  constructor(streams: number) {
    this.#told.push(streams);
  }

  /** What was said last. */
  get announced(): number {
    return this.#told.at(-1) ?? this.#known;
  }

  /** What can be held against the client now. */
  get enforced(): number {
    return this.#told.length === 0 ? this.#known : Math.max(this.#known, ...this.#told);
  }

  /** A change was written. */
  announce(streams: number): void {
    this.#told.push(streams);
  }

  /** The client has acknowledged the oldest change it had not. */
  acknowledged(): void {
    this.#known = this.#told.shift() ?? this.#known;
  }
}
