import { assertEquals } from "@std/assert";
import { type LoopClock, watchLoopDelay } from "../../../transports/api/loop_delay.ts";

/** A clock that stands until it is moved, and then fires once, however late. */
class HandClock implements LoopClock {
  #nowMs = 1_000;
  #run: (() => void) | undefined;

  now(): number {
    return this.#nowMs;
  }

  every(_ms: number, run: () => void): () => void {
    this.#run = run;
    return () => this.#run = undefined;
  }

  fireAfter(ms: number): void {
    this.#nowMs += ms;
    this.#run?.();
  }
}

Deno.test("watchLoopDelay() observes how late each look was, and nothing once disposed of", () => {
  const clock = new HandClock();
  const seen: number[] = [];
  const watch = watchLoopDelay((delayMs) => seen.push(delayMs), clock);
  for (const ms of [100, 103, 250, 99, 100]) clock.fireAfter(ms);
  watch[Symbol.dispose]();
  clock.fireAfter(5_000);
  assertEquals(seen, [0, 3, 150, 0, 0]);
});

Deno.test("watchLoopDelay() on the real clock leaves no timer behind", () => {
  using _watch = watchLoopDelay(() => {});
});
