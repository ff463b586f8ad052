import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { ManualClock } from "../../../actors/mod.ts";
import { PLATFORM_TIMER_MS_MAX } from "../../../actors/runtime/limits.ts";
import { CallbackTimer, Timers } from "../../../actors/runtime/timers.ts";

Deno.test("Timers fire in the order they are due, then in the order they were armed", () => {
  const clock = new ManualClock();
  using timers = new Timers(clock);
  const fired: string[] = [];
  for (const [name, ms] of [["c", 30], ["a", 10], ["b", 20], ["b2", 20]] as const) {
    timers.arm(new CallbackTimer(() => fired.push(name)), ms);
  }
  clock.advance(19);
  assertEquals(fired, ["a"]);
  clock.advance(100);
  assertEquals(fired, ["a", "b", "b2", "c"]);
  assertEquals(clock.armed, 0);
});

Deno.test("Timers arm one timer of the clock, however many there are", () => {
  const clock = new ManualClock();
  using timers = new Timers(clock);
  for (let n = 100; n > 0; n--) timers.arm(new CallbackTimer(() => {}), n);
  assertEquals(clock.armed, 1);
});

Deno.test("Timers.arm() takes delays which the platform cannot", () => {
  const clock = new ManualClock();
  using timers = new Timers(clock);
  let firedAt = -1;
  timers.arm(new CallbackTimer(() => firedAt = clock.now()), 2 * PLATFORM_TIMER_MS_MAX);
  assertEquals(clock.nextMs, PLATFORM_TIMER_MS_MAX);
  clock.advance(3 * PLATFORM_TIMER_MS_MAX);
  assertEquals(firedAt, 2 * PLATFORM_TIMER_MS_MAX);
});

Deno.test("Timers disarm everything when disposed", () => {
  const clock = new ManualClock();
  let fired = false;
  {
    using timers = new Timers(clock);
    timers.arm(new CallbackTimer(() => fired = true), 5);
  }
  clock.advance(10);
  assertEquals({ fired, armed: clock.armed }, { fired: false, armed: 0 });
});

Deno.test("Timers fire as a sorted list would, whatever is armed, moved and disarmed", () => {
  const operation = fc.record({
    kind: fc.constantFrom("arm", "arm", "arm", "disarm", "advance"),
    timer: fc.nat({ max: 15 }),
    ms: fc.nat({ max: 50 }),
  });
  fc.assert(fc.property(fc.array(operation, { maxLength: 150, size: "max" }), (operations) => {
    const clock = new ManualClock();
    using timers = new Timers(clock);
    const fired: string[] = [];
    const expected: string[] = [];
    const list = Array.from(
      { length: 16 },
      (_, n) => new CallbackTimer(() => fired.push(`${n} at ${clock.now()}`)),
    );
    let armed: { readonly n: number; readonly dueAt: number }[] = [];
    for (const { kind, timer: n, ms } of operations) {
      const timer = list[n];
      if (timer === undefined) continue;
      if (kind === "advance") {
        const end = clock.now() + ms;
        const due = armed.filter(({ dueAt }) => dueAt <= end).sort((a, b) => a.dueAt - b.dueAt);
        expected.push(...due.map((entry) => `${entry.n} at ${entry.dueAt}`));
        armed = armed.filter(({ dueAt }) => dueAt > end);
        clock.advance(ms);
      } else {
        armed = armed.filter((entry) => entry.n !== n);
        if (kind === "arm") {
          armed.push({ n, dueAt: clock.now() + ms });
          timers.arm(timer, ms);
        } else timers.disarm(timer);
      }
      assertEquals(fired, expected);
      assertEquals(timers.size, armed.length);
    }
  }));
});
