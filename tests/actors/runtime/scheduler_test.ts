import { AsyncLocalStorage } from "node:async_hooks";
import { assert, assertEquals } from "@std/assert";
import { type Clock, type TimerHandle } from "../../../actors/mod.ts";
import {
  SLICE_MS,
  TURN_MESSAGES_MAX,
  WORK_PER_CLOCK_READ,
} from "../../../actors/runtime/limits.ts";
import { FifoScheduler, type Runnable } from "../../../actors/runtime/scheduler.ts";

/** A clock on which reading the time takes time, and whose timers fire by hand. */
class SteppingClock implements Clock {
  time = 0;
  stepMs = 0;
  readonly timers = new Map<number, () => void>();
  #ids = 0;
  now(): number {
    return this.time += this.stepMs;
  }
  wallNow(): number {
    return this.now();
  }
  set(_ms: number, callback: () => void): TimerHandle {
    this.timers.set(++this.#ids, callback);
    return { id: this.#ids };
  }
  clear(handle: TimerHandle): void {
    if (typeof handle.id === "number") this.timers.delete(handle.id);
  }
  fire(): void {
    const [next] = this.timers;
    assert(next !== undefined, "no timer is armed");
    this.timers.delete(next[0]);
    next[1]();
  }
}

const microtasks = async (): Promise<void> => {
  for (let n = 0; n < 100; n++) await null;
};

Deno.test("FifoScheduler gives turns in order, soon, without waiting for a timer", async () => {
  const clock = new SteppingClock();
  using scheduler = new FifoScheduler(clock);
  const turns: number[] = [];
  for (let n = 0; n < 200; n++) scheduler.schedule({ turn: () => turns.push(n) });
  assertEquals(turns, [], "not within the call");
  await microtasks();
  assertEquals(turns, Array.from({ length: 200 }, (_, n) => n));
});

Deno.test("FifoScheduler yields to the event loop when its slice is over", async () => {
  const clock = new SteppingClock();
  clock.stepMs = SLICE_MS / 4;
  using scheduler = new FifoScheduler(clock);
  let turns = 0;
  const task: Runnable = {
    turn() {
      turns++;
      scheduler.schedule(task);
      return 1;
    },
  };
  scheduler.schedule(task);
  await microtasks();
  const slice = turns;
  assert(slice > 0 && slice <= 4 * WORK_PER_CLOCK_READ, `${slice} turns in one slice`);
  await microtasks();
  assertEquals(turns, slice, "it waits until the loop has parked");
  clock.fire();
  assert(turns > slice && turns <= 2 * slice, "one more slice");
});

Deno.test("FifoScheduler outlasts its slice by one turn at most when turns are long", async () => {
  const clock = new SteppingClock();
  using scheduler = new FifoScheduler(clock);
  let turns = 0;
  const task: Runnable = {
    turn() {
      turns++;
      clock.time += SLICE_MS;
      scheduler.schedule(task);
      return TURN_MESSAGES_MAX;
    },
  };
  scheduler.schedule(task);
  await microtasks();
  assertEquals(turns, 1);
  clock.fire();
  assertEquals(turns, 2);
});

Deno.test("FifoScheduler gives turns in its own async context, whoever wakes it", async () => {
  const context = new AsyncLocalStorage<string>();
  const clock = new SteppingClock();
  using scheduler = new FifoScheduler(clock);
  const seen: (string | undefined)[] = [];
  const task: Runnable = { turn: () => seen.push(context.getStore()) };
  for (const waker of ["first", "second"]) {
    context.run(waker, () => scheduler.schedule(task));
    await microtasks();
  }
  assertEquals(seen, [undefined, undefined]);
});

Deno.test("FifoScheduler stops chains that never leave the microtask queue", async () => {
  const clock = new SteppingClock();
  clock.stepMs = SLICE_MS / 4;
  using scheduler = new FifoScheduler(clock);
  let turns = 0;
  const task: Runnable = {
    turn() {
      turns++;
      queueMicrotask(() => scheduler.schedule(task));
      return 1;
    },
  };
  scheduler.schedule(task);
  await microtasks();
  const slice = turns;
  await microtasks();
  assertEquals(turns, slice);
  clock.fire();
  await microtasks();
  assert(turns > slice);
});

Deno.test("FifoScheduler runs nothing and arms nothing once disposed", async () => {
  const clock = new SteppingClock();
  const scheduler = new FifoScheduler(clock);
  let turns = 0;
  scheduler.schedule({ turn: () => turns++ });
  await microtasks();
  assertEquals([turns, clock.timers.size], [1, 1]);
  scheduler.schedule({ turn: () => turns++ });
  scheduler[Symbol.dispose]();
  scheduler.schedule({ turn: () => turns++ });
  await microtasks();
  assertEquals([turns, clock.timers.size], [1, 0]);
});
