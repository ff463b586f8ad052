/**
 * A value that must not be seen: it prints as `(hidden)` wherever it is printed by mistake.
 *
 * Hiding is a property of the type, not of a list of names: whoever wants the value has to write
 * `reveal()`, and a search for that word finds every such place.
 *
 * @module
 */

/** What a secret looks like to everybody. */
export const HIDDEN = "(hidden)";

/** Holds a secret; texts, JSON and inspection show {@linkcode HIDDEN}. */
export class Secret<T> {
  readonly #value: T;

  /** Wraps `value`. */
  constructor(value: T) {
    this.#value = value;
  }

  /** The value itself; never hand the result to a log, an answer or an error. */
  reveal(): T {
    return this.#value;
  }

  /** The mask, for templates. */
  toString(): string {
    return HIDDEN;
  }

  /** The mask, for JSON. */
  toJSON(): string {
    return HIDDEN;
  }

  /** The mask, for `Deno.inspect` and `console.log`. */
  [Symbol.for("Deno.customInspect")](): string {
    return HIDDEN;
  }
}
