/**
 * A map with a bound: when it is full, the entry which was not used for the longest time leaves.
 *
 * Invariant: `size <= capacity`. Why a plain `Map`: it iterates in order of insertion, so taking an
 * entry out and putting it back is all that recency needs.
 *
 * @module
 */

/**
 * A bounded map that forgets what was not used for the longest time.
 *
 * @typeParam K Type of the keys.
 * @typeParam V Type of the values, never `undefined`.
 */
export class Lru<K, V extends NonNullable<unknown>> {
  readonly #capacity: number;
  readonly #entries = new Map<K, V>();

  /** Makes an empty map for at most `capacity` entries, at least 1. */
  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** Entries held now. */
  get size(): number {
    return this.#entries.size;
  }

  /** The value of a key, which thereby becomes the most recently used one. */
  get(key: K): V | undefined {
    const value = this.#entries.get(key);
    if (value === undefined) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, value);
    return value;
  }

  /** Puts a value in; a full map loses its least recently used entry. */
  set(key: K, value: V): void {
    this.#entries.delete(key);
    if (this.#entries.size >= this.#capacity) {
      const oldest = this.#entries.keys().next();
      if (!oldest.done) this.#entries.delete(oldest.value);
    }
    this.#entries.set(key, value);
  }

  /** Takes an entry out. */
  delete(key: K): void {
    this.#entries.delete(key);
  }
}
