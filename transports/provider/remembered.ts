/**
 * A bounded map that forgets what was not used for longest.
 *
 * For things that are few and dear, such as signers: each use moves the entry, which costs more than
 * a look-up does.
 *
 * @module
 */

/**
 * Entries by key, at most so many.
 *
 * @typeParam V Type of the values, never `undefined`.
 */
export class Remembered<V extends NonNullable<unknown>> {
  readonly #max: number;
  readonly #entries = new Map<string, V>();

  /** Makes an empty map of at most `max` entries. */
  constructor(max: number) {
    this.#max = max;
  }

  /** Entries held now. */
  get size(): number {
    return this.#entries.size;
  }

  /** The value of a key, if there is one; looking at it is no use of it. */
  peek(key: string): V | undefined {
    return this.#entries.get(key);
  }

  /** The value of a key, made when there is none. */
  get(key: string, make: () => V): V {
    const value = this.#entries.get(key) ?? make();
    this.#entries.delete(key);
    this.#entries.set(key, value);
    if (this.#entries.size > this.#max) {
      for (const oldest of this.#entries.keys()) {
        this.#entries.delete(oldest);
        break;
      }
    }
    return value;
  }
}
