import { assert, assertEquals, assertThrows } from "@std/assert";
import { InvariantError, SeededRandom } from "../../../actors/mod.ts";
import { backoffMs, RestartWindow } from "../../../actors/runtime/window.ts";

/** Restart times, and which of them are still allowed. */
const ROWS: readonly {
  readonly restarts: number;
  readonly withinMs: number;
  readonly at: readonly number[];
  readonly allowed: readonly boolean[];
}[] = [
  { restarts: 0, withinMs: 1_000, at: [0], allowed: [false] },
  { restarts: 1, withinMs: 0, at: [0, 1, 1], allowed: [true, true, false] },
  { restarts: 2, withinMs: 1_000, at: [0, 0, 0], allowed: [true, true, false] },
  { restarts: 2, withinMs: 1_000, at: [0, 500, 1_000], allowed: [true, true, false] },
  { restarts: 2, withinMs: 1_000, at: [0, 500, 1_000.5], allowed: [true, true, true] },
  { restarts: 1, withinMs: 1_000, at: [0, 2_200], allowed: [true, true] },
];

for (const { restarts, withinMs, at, allowed } of ROWS) {
  Deno.test(`RestartWindow of ${restarts} within ${withinMs} ms, at ${at} => ${allowed}`, () => {
    const window = new RestartWindow({ restarts, withinMs });
    assertEquals(at.map((now) => window.add(now)), allowed);
  });
}

Deno.test("RestartWindow refuses an impossible intensity", () => {
  for (const restarts of [-1, 0.5, NaN, 10_001]) {
    assertThrows(() => new RestartWindow({ restarts, withinMs: 1 }), InvariantError, "restarts");
  }
  assertThrows(() => new RestartWindow({ restarts: 1, withinMs: -1 }), InvariantError, "-1 ms");
});

Deno.test("backoffMs() doubles up to its maximum and takes off at most half", () => {
  const random = new SeededRandom(7);
  for (const [attempts, full] of [[0, 100], [1, 200], [2, 400], [3, 700], [50, 700]] as const) {
    for (let n = 0; n < 50; n++) {
      const ms = backoffMs({ minMs: 100, maxMs: 700 }, attempts, random);
      assert(ms > full / 2 && ms <= full, `${ms} ms for attempt ${attempts}`);
    }
  }
});
