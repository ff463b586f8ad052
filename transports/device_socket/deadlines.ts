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

/** The time source of the device door: monotonic milliseconds and one kind of timer. */
export interface DeviceClock {
  /** Monotonic time in milliseconds. */
  now(): number;
  /** Runs `run` once after `ms`; the answer disarms it. */
  after(ms: number, run: () => void): () => void;
}

/** The machine's clock. */
export const SYSTEM_CLOCK: DeviceClock = {
  now: () => performance.now(),
  after(ms, run) {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};

/** Deadlines of one length. */
export class DeadlineQueue<T> implements Disposable {
  readonly #clock: DeviceClock;
  readonly #lengthMs: number;
  readonly #expire: (item: T) => void;
  readonly #dueAt = new Map<T, number>();
  #disarmTimer: (() => void) | undefined;

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

  /** Starts the deadline of an item, anew if one runs. */
  arm(item: T): void {
    this.#dueAt.delete(item);
    this.#dueAt.set(item, this.#clock.now() + this.#lengthMs);
    this.#disarmTimer ??= this.#clock.after(this.#lengthMs, () => this.#sweep());
  }

  /** Ends the deadline of an item; none is fine. */
  disarm(item: T): void {
    this.#dueAt.delete(item);
  }

  #sweep(): void {
    // The old timer's handle stays until the end, so that arming meanwhile sets no second timer.
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
    this.#disarmTimer = nextAt === undefined
      ? undefined
      : this.#clock.after(nextAt - now, () => this.#sweep());
  }

  /** Forgets all deadlines. */
  [Symbol.dispose](): void {
    this.#dueAt.clear();
    this.#disarmTimer?.();
    this.#disarmTimer = undefined;
  }
}
