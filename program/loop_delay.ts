/**
 * Measures how late timers fire: the first number that rises when the process has too much to do.
 *
 * Why not `perf_hooks.monitorEventLoopDelay`: on Deno 2.9 it reports microseconds while the loop
 * stands still for 150 ms.
 *
 * @module
 */

import { LOOP_SAMPLE_MS } from "./limits.ts";

/** The time and timers that the sampling needs. */
export interface LoopClock {
  /** Monotonic time in milliseconds. */
  now(): number;
  /** Calls `run` every `ms`, until the returned function is called. */
  every(ms: number, run: () => void): () => void;
}

/** The real clock; its timer does not keep the process alive. */
export const loopClock: LoopClock = {
  now: () => performance.now(),
  every(ms, run) {
    const timer = setInterval(run, ms);
    Deno.unrefTimer(timer);
    return () => clearInterval(timer);
  },
};

/**
 * Observes the delay of the event loop until disposed of.
 *
 * @param observe Called ten times a second with the milliseconds by which the timer was late, 0 or more.
 * @param clock Replaced in tests.
 */
export function watchLoopDelay(
  observe: (delayMs: number) => void,
  clock: LoopClock = loopClock,
): Disposable {
  let before = clock.now();
  const stop = clock.every(LOOP_SAMPLE_MS, () => {
    const now = clock.now();
    observe(Math.max(0, now - before - LOOP_SAMPLE_MS));
    before = now;
  });
  return { [Symbol.dispose]: stop };
}
