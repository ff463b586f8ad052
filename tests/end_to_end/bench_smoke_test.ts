/**
 * The benches of the whole service in their smallest size, so that none rots.
 *
 * @module
 */

import { assertEquals, assertGreater } from "@std/assert";
import { measureConnections } from "../../bench/connections_bench.ts";
import { measureLoad } from "../../bench/endpoint_load.ts";

Deno.test("measureConnections() reads memory at each step", async () => {
  const plan = { steps: [10, 20], restMs: 0, subscribed: true };
  const { readings } = await measureConnections(plan);
  assertEquals(readings.map(({ devices }) => devices), plan.steps);
  assertGreater(readings[0]?.bytes ?? 0, 0);
});

Deno.test("measureLoad() has every post accepted and delivers each to connected devices", async () => {
  const plan = { posts: 200, connections: 4, timed: 20, timedPerSecond: 200 };
  const { rates, delivered, delayMs } = await measureLoad(plan);
  assertEquals(rates.map(({ accepted }) => accepted), rates.map(() => plan.posts));
  assertEquals(delivered, plan.posts);
  assertGreater(delayMs.p99, 0);
});
