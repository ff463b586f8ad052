/**
 * A scheduler that picks the next ready actor by a seeded number: every seed is another order
 * in which independent actors may run, and the same seed is the same order again.
 *
 * It takes one turn per microtask, so that the continuations of promises are woven between the
 * turns as they are in production, and it never waits for time.
 *
 * @module
 */

import type { Random } from "../runtime/clock.ts";
import { invariant } from "../runtime/errors.ts";
import type { Runnable, Scheduler } from "../runtime/scheduler.ts";

/** Turns without a pause after which a test is taken to be running in circles. */
const TURNS_MAX = 10_000_000;

/** The scheduler of tests. */
export class SeededScheduler implements Scheduler {
  readonly #random: Random;
  #ready: Runnable[] = [];
  #running = false;
  #turns = 0;
  readonly #next = (): void => this.#turn();

  /**
   * Makes a scheduler.
   *
   * @param random The source of its choices.
   */
  constructor(random: Random) {
    this.#random = random;
  }

  /** Turns taken since it was made. */
  get turns(): number {
    return this.#turns;
  }

  /** Makes a task one of those that may be picked. */
  schedule(task: Runnable): void {
    this.#ready.push(task);
    if (this.#running) return;
    this.#running = true;
    queueMicrotask(this.#next);
  }

  /** Drops what is ready. */
  [Symbol.dispose](): void {
    this.#ready = [];
  }

  #turn(): void {
    const index = Math.floor(this.#random.next() * this.#ready.length);
    const picked = this.#ready[index];
    const last = this.#ready.pop();
    if (picked === undefined || last === undefined) {
      this.#running = false;
      return;
    }
    if (index < this.#ready.length) this.#ready[index] = last;
    invariant(++this.#turns < TURNS_MAX, `The actors do not settle: ${TURNS_MAX} turns taken`);
    picked.turn();
    queueMicrotask(this.#next);
  }
}
