/**
 * A bounded memory of what was used recently, in two generations.
 *
 * Entries enter the young generation; when it is half of the capacity, it becomes the old one and what was
 * old and not used since is forgotten. Invariants: never more than `capacity` entries; the `capacity / 2`
 * most recently used ones are always there. Why not a `Map` kept in order of use: taking an entry out
 * and putting it back for each use leaves holes in the table, which every look for the oldest entry
 * walks through; here a use of a young entry changes nothing.
 *
 * @module
 */

/**
 * A bounded map that forgets what was not used for long.
 *
 * @typeParam K Type of the keys.
 * @typeParam V Type of the values, never `undefined`.
 */
export class Recent<K, V extends NonNullable<unknown>> {
  readonly #generationMax: number;
  #young = new Map<K, V>();
  #old = new Map<K, V>();

  /** Makes an empty map for at most `capacity` entries, an even number. */
  constructor(capacity: number) {
    this.#generationMax = capacity / 2;
  }

  /** Entries held now, one that is in both generations counted twice. */
  get size(): number {
    return this.#young.size + this.#old.size;
  }

  /** The value of a key, which thereby becomes a recently used one. */
  get(key: K): V | undefined {
    const young = this.#young.get(key);
    if (young !== undefined) return young;
    const old = this.#old.get(key);
    if (old !== undefined) this.set(key, old);
    return old;
  }

  /** Puts a value in. */
  set(key: K, value: V): void {
    if (this.#young.size >= this.#generationMax && !this.#young.has(key)) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(key, value);
  }

  /** Takes an entry out. */
  delete(key: K): void {
    this.#young.delete(key);
    this.#old.delete(key);
  }
}
