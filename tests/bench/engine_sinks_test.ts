/** The bench of the sinks on engines in its smallest size, so that it does not rot. */

import { assertEquals, assertGreater } from "@std/assert";
import { measureEngineSinks } from "../../bench/engine_sinks.ts";

Deno.test("measureEngineSinks() measures every part", async () => {
  const costs = await measureEngineSinks({ rows: 1_000, tallies: 20 });
  assertEquals(costs.map(({ what, count }) => `${what} ${count}`), [
    "rows to PostgreSQL 1000",
    "the same rows again 1000",
    "tallies to Redis in full pages 20",
    "tallies to Redis one by one 20",
  ]);
  for (const { what, timeUs } of costs) assertGreater(timeUs, 0, what);
});
