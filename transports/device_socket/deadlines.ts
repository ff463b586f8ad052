/**
 * Deadlines of many connections with one timer.
 *
 * All deadlines of a queue have the same length, so the order of arming is the order of expiry
 * and the oldest is always first: a `Map` in insertion order is the whole structure. The timer is
 * set for the oldest; a disarmed one is noticed when the timer fires. An idle connection is in no
 * queue and costs nothing.
 *
 * @module
 */

/** A timer that was set, to be given back to the clock that made it. */
export interface TimerHandle {
  /** What the clock knows it by. */
  readonly id: number | ReturnType<typeof setTimeout>;
}

/** The time source of the device door. */
export interface DeviceClock {
  /** Monotonic time in milliseconds. */
  now(): number;
  /** Calls back once after `ms`. */
  set(ms: number, callback: () => void): TimerHandle;
  /** Disarms a timer; one that has fired is ignored. */
  clear(handle: TimerHandle): void;
}

/** The machine's clock. */
export const SYSTEM_CLOCK: DeviceClock = {
  now: () => performance.now(),
  set: (ms, callback) => ({ id: setTimeout(callback, ms) }),
  clear: (handle) => clearTimeout(handle.id),
};

/** Deadlines of one length. */
export class DeadlineQueue<T> implements Disposable {
  readonly #clock: DeviceClock;
  readonly #lengthMs: number;
  readonly #expire: (item: T) => void;
  readonly #dueAt = new Map<T, number>();
  #timer: TimerHandle | undefined;

  /** Calls `expire` for every item that was armed `lengthMs` ago and not disarmed. */
  constructor(clock: DeviceClock, lengthMs: number, expire: (item: T) => void) {
    this.#clock = clock;
    this.#lengthMs = lengthMs;
    this.#expire = expire;
  }

  /** Whether a deadline runs for this item. */
  has(item: T): boolean {
    return this.#dueAt.has(item);
  }

  /** The item whose deadline is next. */
  get first(): T | undefined {
    return this.#dueAt.keys().next().value;
  }

  /** Starts the deadline of an item, anew if one runs. */
  arm(item: T): void {
    this.#dueAt.delete(item);
    this.#dueAt.set(item, this.#clock.now() + this.#lengthMs);
    this.#timer ??= this.#clock.set(this.#lengthMs, () => this.#sweep());
  }

  /** Ends the deadline of an item; none is fine. */
  disarm(item: T): void {
    this.#dueAt.delete(item);
  }

  #sweep(): void {
    // The handle of the timer that fired stays until the end, so that arming meanwhile sets no second timer.
    const now = this.#clock.now();
    let nextAt: number | undefined;
    for (const [item, dueAt] of this.#dueAt) {
      if (dueAt > now) {
        nextAt = dueAt;
        break;
      }
      this.#dueAt.delete(item);
      this.#expire(item);
    }
    this.#timer = nextAt === undefined
      ? undefined
      : this.#clock.set(nextAt - now, () => this.#sweep());
  }

  /** Forgets all deadlines. */
  [Symbol.dispose](): void {
    this.#dueAt.clear();
    if (this.#timer !== undefined) this.#clock.clear(this.#timer);
    this.#timer = undefined;
  }
}
