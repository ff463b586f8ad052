/**
 * A world for one test: a system with a manual clock, seeded chance and seeded scheduling, whose
 * accepted messages are frozen.
 *
 * Invariants: nothing happens because real time passes; the same seed gives the same run. What
 * the actors themselves await of the platform (a digest, a file) is waited for only as long as
 * the event loop turns a few times.
 *
 * @module
 */

import type { RuntimeEvent } from "../runtime/events.ts";
import { macrotask, ManualClock, SeededRandom } from "../runtime/clock.ts";
import { System } from "../runtime/system.ts";
import { deepFreeze } from "./deep_freeze.ts";
import { SeededScheduler } from "./seeded_scheduler.ts";

/** Turns of the event loop without a turn of an actor after which the world counts as quiet. */
const QUIET_LOOPS = 2;

/** Options of a world. */
export interface WorldOptions {
  /** Where chance and scheduling begin; default 1. */
  readonly seed?: number;
  /** The wall clock's first value in milliseconds since 1970. */
  readonly wallNow?: number;
}

/** A world. */
export class World implements AsyncDisposable {
  /** Its time. */
  readonly clock: ManualClock;
  /** Its chance. */
  readonly random: SeededRandom;
  /** Its actors. */
  readonly system: System;
  /** All that the runtime has told, in order. */
  readonly events: RuntimeEvent[] = [];
  readonly #scheduler: SeededScheduler;

  /**
   * Makes a world at its beginning.
   *
   * @param options Seed and time.
   */
  constructor(options: WorldOptions = {}) {
    const seed = options.seed ?? 1;
    this.clock = new ManualClock(options.wallNow);
    this.random = new SeededRandom(seed);
    // A sequence of its own: what actors draw must not depend on how often they are scheduled.
    this.#scheduler = new SeededScheduler(new SeededRandom(~seed));
    this.system = new System({
      clock: this.clock,
      random: this.random,
      scheduler: this.#scheduler,
      onEvent: (event) => this.events.push(event),
      onAccepted: deepFreeze,
    });
  }

  /** Runs ready actors and due timers until nothing more happens. */
  async settle(): Promise<void> {
    let quiet = 0;
    while (quiet < QUIET_LOOPS) {
      const before = this.#scheduler.turns;
      this.clock.advance(0);
      await macrotask();
      quiet = this.#scheduler.turns === before ? quiet + 1 : 0;
    }
  }

  /**
   * Lets time pass, and everything happen that is due on the way, at the time it is due.
   *
   * @param ms Milliseconds, at least 0.
   */
  async advance(ms: number): Promise<void> {
    const end = this.clock.now() + ms;
    await this.settle();
    for (;;) {
      const nextMs = this.clock.nextMs;
      if (nextMs === undefined || this.clock.now() + nextMs > end) break;
      this.clock.advance(nextMs);
      await this.settle();
    }
    this.clock.advance(end - this.clock.now());
    await this.settle();
  }

  /** Stops the system, letting as much time pass as deadlines need. */
  async [Symbol.asyncDispose](): Promise<void> {
    let stopped = false;
    const stop = this.system.stop().then(() => stopped = true);
    await this.settle();
    while (!stopped) {
      const nextMs = this.clock.nextMs;
      if (nextMs !== undefined) this.clock.advance(nextMs);
      await this.settle();
    }
    await stop;
  }
}
