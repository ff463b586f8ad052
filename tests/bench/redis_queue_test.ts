/** The bench of the queue on Redis in its smallest size, so that it does not rot. */

import { assertEquals, assertGreater } from "@std/assert";
import { measureRedisQueue } from "../../bench/redis_queue.ts";

Deno.test("measureRedisQueue() has all batches go through", async () => {
  const costs = await measureRedisQueue(40);
  assertEquals(costs.map(({ batches }) => batches), [40, 40, 40, 40]);
  for (const { what, perSecond } of costs) assertGreater(perSecond, 0, what);
});
