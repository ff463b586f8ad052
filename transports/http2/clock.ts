/**
 * The time of HTTP/2 connections, so that tests can bring their own.
 *
 * @module
 */

/** A timer that was set, to be given back to the clock that made it. */
export interface TimerHandle {
  /** What the clock knows it by. */
  readonly id: number | ReturnType<typeof setTimeout>;
}

/** A source of time and of one-shot timers. */
export interface Http2Clock {
  /** Monotonic time in milliseconds. */
  now(): number;
  /** Calls back once after `ms`. */
  set(ms: number, callback: () => void): TimerHandle;
  /** Disarms a timer; one that has fired is ignored. */
  clear(handle: TimerHandle): void;
}

/** The machine's clock. */
export const SYSTEM_CLOCK: Http2Clock = {
  now: () => performance.now(),
  set: (ms, callback) => ({ id: setTimeout(callback, ms) }),
  clear: (handle) => clearTimeout(handle.id),
};
