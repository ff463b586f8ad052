import { assertEquals } from "@std/assert";
import { watchLoopDelay } from "../../program/loop_delay.ts";
import { HandClock } from "../support/hand_clock.ts";

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
