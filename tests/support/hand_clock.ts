/**
 * A clock of the event loop's delay that a test moves.
 *
 * @module
 */

import type { LoopClock } from "../../program/loop_delay.ts";

/** A clock that stands until it is moved, and then fires once, however late. */
export class HandClock implements LoopClock {
  #nowMs = 1_000;
  #run: (() => void) | undefined;

  now(): number {
    return this.#nowMs;
  }

  every(_ms: number, run: () => void): () => void {
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
