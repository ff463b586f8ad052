/**
 * Time and chance, the only two doors to them: everything else asks a `Clock` or a `Random`.
 *
 * Monotonic time drives timers, deadlines and restart windows; wall time is for stamps that
 * people or other machines read. They are never mixed: a step of the wall clock moves no timer.
 *
 * @module
 */

import { setImmediate } from "node:timers";
import { invariant } from "./errors.ts";

/** An armed timer, to be given back to the clock that made it. */
export interface TimerHandle {
  /** What its clock knows it by. */
  readonly id: number | ReturnType<typeof setTimeout>;
}

/** A source of time and of one-shot timers. */
export interface Clock {
  /** Monotonic milliseconds from an arbitrary origin, with fractions. */
  now(): number;
  /** Milliseconds since 1970 by the wall clock. */
  wallNow(): number;
  /** Calls back once after at least `ms` milliseconds, never before `set` has returned. */
  set(ms: number, callback: () => void): TimerHandle;
  /** Disarms a timer; one that has fired or was cleared is ignored. */
  clear(handle: TimerHandle): void;
}

/** A source of numbers in [0, 1). */
export interface Random {
  /** The next number. */
  next(): number;
}

/** The platform's clock. */
export const realClock: Clock = {
  now: () => performance.now(),
  wallNow: () => Date.now(),
  set: (ms, callback) => ({ id: setTimeout(callback, ms) }),
  clear: (handle) => clearTimeout(handle.id),
};

/** The platform's generator: unpredictable to a test, not fit for secrets. */
export const realRandom: Random = { next: () => Math.random() };

interface ManualTimer extends TimerHandle {
  readonly id: number;
  readonly dueAt: number;
  readonly callback: () => void;
}

/**
 * A clock that moves only when told to, for tests.
 *
 * @example Fire a timer without waiting
 * ```ts
 * import { ManualClock } from "./clock.ts";
 *
 * const clock = new ManualClock();
 * let fired = false;
 * clock.set(1_000, () => fired = true);
 * clock.advance(1_000);
 * if (!fired) throw new Error("the timer did not fire");
 * ```
 */
export class ManualClock implements Clock {
  #now = 0;
  #wallNow: number;
  #ids = 0;
  readonly #timers = new Map<TimerHandle["id"], ManualTimer>();

  /**
   * Makes a clock that stands still.
   *
   * @param wallNow The wall clock's first value, in milliseconds since 1970.
   */
  constructor(wallNow = 1_700_000_000_000) {
    this.#wallNow = wallNow;
  }

  /** Milliseconds since this clock was made. */
  now(): number {
    return this.#now;
  }

  /** The wall clock: its first value plus what was advanced and set. */
  wallNow(): number {
    return this.#wallNow;
  }

  /** Steps the wall clock alone, as an administrator or NTP would; timers do not move. */
  setWall(wallNow: number): void {
    this.#wallNow = wallNow;
  }

  /** Arms a timer. */
  set(ms: number, callback: () => void): TimerHandle {
    const timer = { id: ++this.#ids, dueAt: this.#now + Math.max(0, ms), callback };
    this.#timers.set(timer.id, timer);
    return timer;
  }

  /** Disarms a timer. */
  clear(handle: TimerHandle): void {
    this.#timers.delete(handle.id);
  }

  /** Timers armed now. */
  get armed(): number {
    return this.#timers.size;
  }

  /** Milliseconds until the next timer is due, `undefined` when none is armed. */
  get nextMs(): number | undefined {
    const next = this.#next();
    return next === undefined ? undefined : next.dueAt - this.#now;
  }

  /**
   * Moves time forward, firing timers in the order they are due, at the time they are due.
   *
   * @param ms Milliseconds to move, at least 0.
   */
  advance(ms: number): void {
    invariant(ms >= 0, `Cannot advance a clock by ${ms} ms`);
    const end = this.#now + ms;
    for (let next = this.#next(); next !== undefined && next.dueAt <= end; next = this.#next()) {
      this.#timers.delete(next.id);
      this.#move(next.dueAt);
      next.callback();
    }
    this.#move(end);
  }

  #move(now: number): void {
    this.#wallNow += now - this.#now;
    this.#now = now;
  }

  #next(): ManualTimer | undefined {
    let next: ManualTimer | undefined;
    for (const timer of this.#timers.values()) {
      if (next === undefined || timer.dueAt < next.dueAt) next = timer;
    }
    return next;
  }
}

/**
 * A small, fast generator whose whole sequence follows from its seed (the mulberry32 step).
 */
export class SeededRandom implements Random {
  #state: number;

  /**
   * Makes a generator.
   *
   * @param seed Any integer; the same one gives the same sequence.
   */
  constructor(seed: number) {
    this.#state = seed | 0;
  }

  /** The next number in [0, 1). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  }
}

/**
 * Lets the event loop turn once, in real time: what a test kit needs to see real promises settle
 * and leaked rejections reported. Not for production: it does not let the loop park.
 */
export function macrotask(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
