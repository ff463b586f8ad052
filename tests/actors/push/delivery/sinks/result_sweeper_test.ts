import { assertEquals } from "@std/assert";
import {
  RESULT_SWEEP_MS,
  RESULT_SWEEP_ROWS,
} from "../../../../../actors/push/delivery/sinks/limits.ts";
import { resultSweeper } from "../../../../../actors/push/delivery/sinks/result_sweeper.ts";
import type { PushEvent } from "../../../../../actors/push/ports.ts";
import { worker } from "../../../../../actors/runtime/spec.ts";
import { World } from "../../../../../actors/testing/mod.ts";

const RETENTION_MS = 86_400_000;

Deno.test("resultSweeper sweeps until nothing is left, then each minute, and outlives a store that is away", async () => {
  await using world = new World({ wallNow: 1_700_000_000_000 });
  const calls: (readonly [endedBefore: number, limit: number])[] = [];
  const answers: (number | Error)[] = [RESULT_SWEEP_ROWS, 7, 0, new Error("away"), 0];
  const events: PushEvent[] = [];
  await world.system.start("test", {
    strategy: "one_for_one",
    intensity: { restarts: 0, withinMs: 0 },
    children: {
      sweeper: worker(resultSweeper, {
        args: () => ({
          retentionMs: RETENTION_MS,
          observer: { record: (event) => void events.push(event) },
          store: {
            sweep(endedBefore, limit) {
              calls.push([endedBefore, limit]);
              const answer = answers.shift() ?? 0;
              return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
            },
          },
        }),
        restart: "permanent",
      }),
    },
  });
  const call = (minute: number) =>
    [1_700_000_000_000 + minute * RESULT_SWEEP_MS - RETENTION_MS, RESULT_SWEEP_ROWS] as const;
  await world.advance(RESULT_SWEEP_MS);
  assertEquals(calls, [call(1), call(1), call(1)]);
  await world.advance(2 * RESULT_SWEEP_MS);
  assertEquals(calls.slice(3), [call(2), call(3)]);
  assertEquals(events, [
    { kind: "swept", rows: RESULT_SWEEP_ROWS },
    { kind: "swept", rows: 7 },
    { kind: "store_failed", operation: "sweep_results", reason: "Error: away" },
  ]);
});
