import { assertEquals } from "@std/assert";
import { type Crash, Crashes, type CrashEvent } from "../../../program/monitor/crashes.ts";
import { CRASHES_PER_SECOND_MAX } from "../../../program/monitor/limits.ts";

const path = "root/push/sessions/7";
const CRASHED: CrashEvent = { type: "crashed", path, incarnation: 1, error: new Error("boom") };

const EVENTS: readonly (readonly [CrashEvent, Crash])[] = [
  [CRASHED, { at: 5, kind: "crashed", path, error: "Error: boom", incarnation: 1 }],
  [
    {
      type: "crashed",
      path,
      incarnation: 2,
      error: new TypeError("two\r\n\tlines \u202e\u0007"),
    },
    {
      ...{ at: 5, kind: "crashed", path, incarnation: 2 },
      error: "TypeError: two lines \\u202e\\u0007",
    },
  ],
  [
    { type: "crashed", path, incarnation: 1, error: "x".repeat(400) },
    { at: 5, kind: "crashed", path, error: `${"x".repeat(299)}…`, incarnation: 1 },
  ],
  [
    { type: "restarted", path, incarnation: 2 },
    { at: 5, kind: "restarted", path, error: null, incarnation: 2 },
  ],
  [
    { type: "gave_up", path, restarts: 5, withinMs: 10, error: undefined },
    { at: 5, kind: "gave_up", path, error: "", incarnation: null },
  ],
];

for (const [event, told] of EVENTS) {
  Deno.test(`Crashes.take(${Deno.inspect(event, { compact: true }).slice(0, 80)})`, () => {
    assertEquals(new Crashes().take(event, 5), told);
  });
}

Deno.test("Crashes tells so many of a second, and the count of the others when it is over", () => {
  const crashes = new Crashes();
  const told = (count: number): number =>
    Array.from({ length: count }, () => crashes.take(CRASHED, 1)).filter((one) => one).length;
  assertEquals(told(CRASHES_PER_SECOND_MAX), CRASHES_PER_SECOND_MAX);
  assertEquals(crashes.tick(1_000), undefined);
  assertEquals(told(CRASHES_PER_SECOND_MAX + 30), CRASHES_PER_SECOND_MAX);
  assertEquals(crashes.tick(2_000), { at: 2_000, kind: "more", count: 30 });
  assertEquals(crashes.tick(3_000), undefined);
  assertEquals(told(1), 1);
});
