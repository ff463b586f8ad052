import { assertEquals } from "@std/assert";
import { ManualClock } from "../../../actors/runtime/clock.ts";
import { DeadlineQueue } from "../../../transports/device_socket/deadlines.ts";

Deno.test("DeadlineQueue expires each item at its own time, with one timer", () => {
  const clock = new ManualClock();
  const expired: string[] = [];
  using queue = new DeadlineQueue<string>(clock, 1_000, (item) => {
    expired.push(`${item} ${clock.now()}`);
  });
  queue.arm("a");
  clock.advance(400);
  queue.arm("b");
  queue.arm("c");
  assertEquals(clock.armed, 1);
  queue.disarm("b");
  clock.advance(599);
  assertEquals(expired, []);
  clock.advance(1);
  assertEquals(expired, ["a 1000"]);
  clock.advance(10_000);
  assertEquals(expired, ["a 1000", "c 1400"]);
  assertEquals(clock.armed, 0);
});

Deno.test("DeadlineQueue.arm() again starts the deadline anew", () => {
  const clock = new ManualClock();
  const expired: number[] = [];
  using queue = new DeadlineQueue<string>(clock, 1_000, () => expired.push(clock.now()));
  queue.arm("a");
  clock.advance(900);
  queue.arm("a");
  clock.advance(5_000);
  assertEquals(expired, [1_900]);
});

Deno.test("DeadlineQueue expires an item that was armed while another expired", () => {
  const clock = new ManualClock();
  const expired: string[] = [];
  using queue = new DeadlineQueue<string>(clock, 1_000, (item) => {
    expired.push(`${item} ${clock.now()}`);
    if (item === "a") queue.arm("again");
  });
  queue.arm("a");
  queue.arm("b");
  clock.advance(5_000);
  assertEquals(expired, ["a 1000", "b 1000", "again 2000"]);
});

Deno.test("DeadlineQueue leaves no timer when it is disposed", () => {
  const clock = new ManualClock();
  const expired: string[] = [];
  {
    using queue = new DeadlineQueue<string>(clock, 1_000, (item) => expired.push(item));
    queue.arm("a");
    assertEquals(queue.has("a"), true);
  }
  assertEquals(clock.armed, 0);
  clock.advance(5_000);
  assertEquals(expired, []);
});
