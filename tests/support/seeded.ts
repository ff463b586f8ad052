/**
 * Randomness of long tests: seeded, so that a failure can be played again, and one way to print.
 *
 * @module
 */

/** The seed of this run: `HELIOGRAPH_SEED` when it is set, else a new one. */
export function chooseSeed(): number {
  const given = Deno.env.get("HELIOGRAPH_SEED");
  return given === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(given);
}

/** A sequence of numbers that only its seed decides (the 32-bit generator "mulberry"). */
export class Seeded {
  #state: number;

  /** Starts the sequence of this seed. */
  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** The next number, from 0 to below 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number from `min` to `max`, both included. */
  between(min: number, max: number): number {
    return min + Math.floor(this.next() * (max - min + 1));
  }

  /** True with this probability. */
  chance(probability: number): boolean {
    return this.next() < probability;
  }
}

/** Prints a line of a long test: its seed, what it counted. */
export function report(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}
