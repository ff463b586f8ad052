import { assert, assertEquals, assertThrows } from "@std/assert";
import { InvariantError, ManualClock, SeededRandom } from "../../../actors/mod.ts";

Deno.test("ManualClock.advance() fires timers at the time they are due, in order", () => {
  const clock = new ManualClock(1_000);
  const fired: string[] = [];
  clock.set(20, () => fired.push(`second at ${clock.now()}, ${clock.wallNow()}`));
  clock.set(10, () => {
    fired.push(`first at ${clock.now()}`);
    clock.set(5, () => fired.push(`armed by the first at ${clock.now()}`));
  });
  const cleared = clock.set(12, () => fired.push("cleared"));
  clock.clear(cleared);
  clock.advance(25);
  assertEquals(fired, ["first at 10", "armed by the first at 15", "second at 20, 1020"]);
  assertEquals(clock.now(), 25);
});

Deno.test("ManualClock.setWall() moves no timer", () => {
  const clock = new ManualClock(0);
  let fired = false;
  clock.set(10, () => fired = true);
  clock.setWall(86_400_000);
  clock.advance(9);
  assertEquals({ fired, wall: clock.wallNow() }, { fired: false, wall: 86_400_009 });
});

Deno.test("ManualClock.advance() refuses to go back", () => {
  assertThrows(() => new ManualClock().advance(-1), InvariantError, "-1 ms");
});

Deno.test("SeededRandom gives the same sequence for the same seed, spread over [0, 1)", () => {
  const draw = (seed: number) => {
    const random = new SeededRandom(seed);
    return Array.from({ length: 1_000 }, () => random.next());
  };
  assertEquals(draw(42), draw(42));
  assert(draw(42).join() !== draw(43).join());
  const numbers = draw(1);
  assert(numbers.every((number) => number >= 0 && number < 1));
  const mean = numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
  assert(Math.abs(mean - 0.5) < 0.05, `mean ${mean}`);
});
