/**
 * A clock of the event loop's delay that a test moves.
 *
 * @module
 */

import type { LoopClock } from "../../program/loop_delay.ts";

/** A clock that stands until it is moved, and then fires once, however late. */
export class HandClock implements LoopClock {
  /** How often it was asked to fire. */
  everyMs = 0;
  #nowMs = 1_000;
  #run: (() => void) | undefined;

  now(): number {
    return this.#nowMs;
  }

  every(ms: number, run: () => void): () => void {
    this.everyMs = ms;
    this.#run = run;
    return () => this.#run = undefined;
  }

  /** Lets time pass in which nothing fires. */
  pass(ms: number): void {
    this.#nowMs += ms;
  }

  fireAfter(ms: number): void {
    this.pass(ms);
    this.#run?.();
  }
}
