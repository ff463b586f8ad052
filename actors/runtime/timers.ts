/**
 * All timers of a system in one heap, with one timer of the clock armed for the earliest.
 *
 * Invariants: every timer in the heap knows its index; the heap's first is due no later than any
 * other; the clock's timer, when armed, fires no later than the first is due. Timers due at the
 * same time fire in the order they were armed. Why own timers: a platform timer costs some 2 µs
 * and an entry in a table, and a million idle connections have a million timers; here arming is
 * a few comparisons, and an armed clock timer that comes too early is simply armed again.
 *
 * @module
 */

import type { Clock, TimerHandle } from "./clock.ts";
import { invariant, InvariantError } from "./errors.ts";
import { EXPIRIES_PER_WAKE_MAX, PLATFORM_TIMER_MS_MAX } from "./limits.ts";

/** A timer: what a subclass does when it is due. */
export abstract class Timer {
  /** Monotonic time at which it is due. */
  dueAt = 0;
  /** Order of arming, for timers due together. */
  sequence = 0;
  /** Place in the heap, -1 when not armed. */
  index = -1;
  /** Called once when due, no longer armed. */
  abstract expire(): void;
}

/** A timer which calls back. */
export class CallbackTimer extends Timer {
  readonly #callback: () => void;

  /** @param callback What to do when due. */
  constructor(callback: () => void) {
    super();
    this.#callback = callback;
  }

  /** Calls back. */
  override expire(): void {
    this.#callback();
  }
}

/** The heap. */
export class Timers implements Disposable {
  readonly #clock: Clock;
  readonly #heap: Timer[] = [];
  #sequence = 0;
  #handle: TimerHandle | undefined;
  #handleDueAt = 0;

  /** @param clock The clock to arm. */
  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Timers armed. */
  get size(): number {
    return this.#heap.length;
  }

  /**
   * Arms a timer; one that is armed already is moved.
   *
   * @param timer The timer.
   * @param ms Milliseconds from now, at least 0.
   */
  arm(timer: Timer, ms: number): void {
    if (!(ms >= 0)) throw new InvariantError(`Cannot arm a timer for ${ms} ms`);
    if (timer.index >= 0) this.#remove(timer);
    timer.dueAt = this.#clock.now() + ms;
    timer.sequence = ++this.#sequence;
    timer.index = this.#heap.length;
    this.#heap.push(timer);
    this.#rise(timer);
    this.#armClock();
  }

  /** Disarms a timer; one that is not armed is ignored. */
  disarm(timer: Timer): void {
    if (timer.index < 0) return;
    this.#remove(timer);
    if (this.#heap.length === 0) this.#disarmClock();
  }

  /** Disarms everything. */
  [Symbol.dispose](): void {
    for (const timer of this.#heap) timer.index = -1;
    this.#heap.length = 0;
    this.#disarmClock();
  }

  #armClock(): void {
    const first = this.#heap[0];
    if (first === undefined) return;
    if (this.#handle !== undefined) {
      if (this.#handleDueAt <= first.dueAt) return;
      this.#clock.clear(this.#handle);
    }
    const now = this.#clock.now();
    const ms = Math.min(PLATFORM_TIMER_MS_MAX, Math.max(0, first.dueAt - now));
    this.#handleDueAt = now + ms;
    this.#handle = this.#clock.set(ms, () => this.#wake());
  }

  #disarmClock(): void {
    if (this.#handle !== undefined) this.#clock.clear(this.#handle);
    this.#handle = undefined;
  }

  #wake(): void {
    this.#handle = undefined;
    const now = this.#clock.now();
    for (let expiries = 0; expiries < EXPIRIES_PER_WAKE_MAX; expiries++) {
      const first = this.#heap[0];
      if (first === undefined || first.dueAt > now) break;
      this.#remove(first);
      first.expire();
    }
    this.#armClock();
  }

  #remove(timer: Timer): void {
    const last = this.#heap.pop();
    invariant(last !== undefined, "A timer is armed but the heap is empty");
    if (last !== timer) {
      last.index = timer.index;
      this.#heap[last.index] = last;
      this.#rise(last);
      this.#sink(last);
    }
    timer.index = -1;
  }

  #rise(timer: Timer): void {
    let index = timer.index;
    while (index > 0) {
      const parent = this.#at((index - 1) >> 1);
      if (!before(timer, parent)) break;
      this.#heap[index] = parent;
      index = parent.index;
      parent.index = timer.index;
      timer.index = index;
    }
    this.#heap[index] = timer;
  }

  #sink(timer: Timer): void {
    const heap = this.#heap;
    let index = timer.index;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(this.#at(child + 1), this.#at(child))) child++;
      const earlier = this.#at(child);
      if (!before(earlier, timer)) break;
      heap[index] = earlier;
      earlier.index = index;
      index = child;
    }
    heap[index] = timer;
    timer.index = index;
  }

  #at(index: number): Timer {
    const timer = this.#heap[index];
    invariant(timer !== undefined, "The heap of timers has a hole");
    return timer;
  }
}

function before(a: Timer, b: Timer): boolean {
  return a.dueAt === b.dueAt ? a.sequence < b.sequence : a.dueAt < b.dueAt;
}
